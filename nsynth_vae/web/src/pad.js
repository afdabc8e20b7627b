/** The pad: an instrument that decodes on the device it is opened on. */

import { WebMidi } from "webmidi";

import { Output } from "./audio.js";
import { Controls } from "./controls.js";
import { Engine } from "./engine.js";
import { Pad } from "./model.js";
import { Names } from "./names.js";
import { readFile, readText, wasmVariant } from "./payload.js";
import { Player } from "./player.js";

const status = /** @type {HTMLElement} */ (document.getElementById("status"));

/** Decodes before "ready": the first calls are slow, until the WebAssembly is compiled by its optimising compiler. */
const WARM_UP = 8;

async function start() {
  const data = JSON.parse(document.getElementById("data")?.textContent ?? "");
  const variant = wasmVariant();
  const [glue, wasm, worker, worklet] = await Promise.all([
    readText(`${variant}.js`),
    readFile(`${variant}.wasm`),
    readText("worker.js"),
    readText("worklet.js"),
  ]);
  const url = URL.createObjectURL(new Blob([glue, "\n", worker], { type: "text/javascript" }));
  const engine = new Engine(new Worker(url), data);
  const rate = Number(new URLSearchParams(location.search).get("rate")) || undefined;
  const output = await Output.open(worklet, data.sample_rate, rate);
  const pad = new Pad(data, new Names(data));
  const player = new Player(engine, (message) => output.send(message), (pitch, velocity) => pad.request(pitch, velocity));
  output.onEnded = (id) => player.ended(id);
  const controls = new Controls(pad, engine, player, output, WebMidi);
  // For scripts and tests: the whole instrument.
  Object.assign(window, { nsynthPad: { data, engine, pad, player, output, controls, variant, sounding: new Map() } });
  output.onSounding = (id) => window.nsynthPad.sounding.set(id, performance.now());
  const [decoder, encoder] = [await readFile("decoder.tflite"), await readFile("encoder.tflite")];
  await engine.load(wasm, decoder, encoder);
  status.textContent = "warming up …";
  for (let count = 0; count < WARM_UP; count++) {
    const { z, pitch, velocity } = pad.request(60, 100);
    await engine.decode(z, pitch, velocity);
  }
  await engine.note(pad.request(60, 100));
  status.textContent = `ready · ${data.model}`;
  status.className = "ready";
}

start().catch((error) => {
  status.textContent = `failed: ${error.message}`;
  status.className = "failed";
  throw error;
});
