/**
 * Decoding thread: runs the model's TFLite files by LiteRT, and finds loops and equalisers.
 *
 * A classic worker made of a blob: LiteRT's glue, which stands before this bundle, sets `ModuleFactory`.
 */

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";

import { pitchToHertz } from "./crossfade.js";
import * as equalizer from "./equalizer.js";
import { makeSample } from "./multisample.js";
import { findLoop, playable } from "./sustain_loop.js";

/** @type {any} */
const scope = globalThis;

/** @type {{decoder: any, encoder: any, encoderFile: Uint8Array, sampleRate: number, latentDim: number, numSamples: number}} */
const state = /** @type {any} */ ({});

/**
 * @param {any} model
 * @param {Record<string, [Float32Array | Int32Array, number[]]>} inputs
 * @param {string} output
 * @returns {Promise<Float32Array>}
 */
async function run(model, inputs, output) {
  const tensors = Object.fromEntries(
    Object.entries(inputs).map(([name, [values, shape]]) => [name, new Tensor(values, shape)]),
  );
  const results = await model.run("serving_default", tensors);
  const data = Float32Array.from(await results[output].data());
  // Nothing else frees them.
  for (const tensor of [...Object.values(tensors), ...Object.values(results)]) tensor.delete();
  return data;
}

/**
 * Return the audio of a note; without a partial below half the sample rate it is silent, as in `timbre_model.py`.
 * @param {Float32Array} z
 * @param {number} pitch
 * @param {number} velocity
 */
async function decode(z, pitch, velocity) {
  const audio = await run(
    state.decoder,
    {
      z: [z, [1, state.latentDim]],
      pitch: [Int32Array.of(pitch), [1]],
      velocity: [Int32Array.of(velocity), [1]],
    },
    "audio",
  );
  return pitchToHertz(pitch) < state.sampleRate / 2 ? audio : audio.fill(0);
}

/** @type {Record<string, (message: any) => Promise<object>>} */
const operations = {
  async load({ wasm, decoder, encoder, sampleRate, latentDim, numSamples }) {
    Object.assign(state, { encoderFile: encoder, sampleRate, latentDim, numSamples });
    // LiteRT would look for a GPU, which computes otherwise, and for its files beside the page.
    Object.defineProperty(scope.navigator, "gpu", { value: undefined, configurable: true });
    scope.importScripts = () => {};
    const quiet = () => {};
    scope.Module = { wasmBinary: wasm, print: quiet, printErr: quiet };
    for (const level of /** @type {const} */ (["log", "info", "warn"])) console[level] = quiet;
    await loadLiteRt("glue.js");
    state.decoder = await loadAndCompile(decoder, { accelerator: "wasm" });
    return {};
  },

  /** Decode a note, playable at once; its loop is not known yet. */
  async decode({ z, pitch, velocity }) {
    const start = performance.now();
    const audio = await decode(z, pitch, velocity);
    const milliseconds = performance.now() - start;
    const loop = { kind: /** @type {const} */ ("over"), start: audio.length, end: audio.length, slope: 0 };
    const raw = playable(audio, pitch, loop, state.sampleRate);
    return { audio, milliseconds, note: { ...raw, once: audio.slice() } };
  },

  /** Measure the brightness of a corner's note: the logarithms of spectral centroid and spread, null for silence. */
  async measure({ z, pitch, velocity }) {
    return { moments: equalizer.logMoments(await decode(z, pitch, velocity), state.sampleRate) };
  },

  /** Equalise a note, if it has a target, and find its loop. */
  async finish({ audio, pitch, target }) {
    const { sampleRate } = state;
    const silent = target && !equalizer.logMoments(audio, sampleRate);
    const found = target && !silent ? equalizer.fit(audio, target, sampleRate) : null;
    const sound = found ? equalizer.apply(audio, found, sampleRate) : audio;
    const loop = findLoop(sound, pitch, sampleRate);
    return { audio: sound, loop, equalizer: found, note: playable(sound, pitch, loop, sampleRate) };
  },

  /** Make a sample of a sampler. */
  async sample({ audio, pitch, velocity }) {
    return { sample: makeSample(audio, pitch, velocity, state.sampleRate) };
  },

  /** Encode a note. It is compiled when it is first needed. */
  async encode({ audio }) {
    state.encoder ??= await loadAndCompile(state.encoderFile, { accelerator: "wasm" });
    return { z: await run(state.encoder, { audio: [audio, [1, state.numSamples]] }, "z_mean") };
  },
};

/**
 * Return the memory of an answer's arrays, which is handed over instead of copied.
 * @param {object} answer
 * @returns {ArrayBuffer[]}
 */
function buffers(answer) {
  const found = new Set();
  for (const value of Object.values(answer)) {
    if (value instanceof Float32Array) found.add(value.buffer);
    else if (value && typeof value === "object") for (const buffer of buffers(value)) found.add(buffer);
  }
  return [...found];
}

scope.onmessage = async (/** @type {MessageEvent} */ event) => {
  const { id, operation, ...message } = event.data;
  try {
    const answer = await operations[operation](message);
    scope.postMessage({ id, ...answer }, buffers(answer));
  } catch (error) {
    scope.postMessage({ id, error: String(/** @type {any} */ (error)?.message ?? error) });
  }
};
