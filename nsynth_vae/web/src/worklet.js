/** Audio thread: runs the sampler, and hands out what it plays while it is recorded. */

import { Synth } from "./synth.js";

/* The globals of an AudioWorklet, which TypeScript's DOM library lacks. */
/** @type {any} */
const scope = globalThis;

class SamplerProcessor extends scope.AudioWorkletProcessor {
  /** @param {{processorOptions: {sampleRate: number}}} options */
  constructor(options) {
    super();
    this.synth = new Synth(options.processorOptions.sampleRate, scope.sampleRate);
    this.recording = false;
    this.mono = new Float32Array(128);
    /** @type {Set<number>} */
    this.fresh = new Set();
    this.port.onmessage = (/** @type {MessageEvent} */ event) => this.receive(event.data);
  }

  /** @param {any} message */
  receive(message) {
    const { synth } = this;
    if (message.type === "start") {
      synth.start(message.id, message.note, message.pitch, message.gain);
      this.fresh.add(message.id);
    } else if (message.type === "swap") synth.swap(message.id, message.note, message.same);
    else if (message.type === "release") synth.release(message.id);
    else if (message.type === "bend") synth.bend = message.cents;
    else if (message.type === "panic") synth.panic();
    else if (message.type === "record") this.recording = message.on;
  }

  /**
   * @param {Float32Array[][]} _inputs
   * @param {Float32Array[][]} outputs
   */
  process(_inputs, outputs) {
    const [channels] = outputs;
    if (this.mono.length !== channels[0].length) this.mono = new Float32Array(channels[0].length);
    this.mono.fill(0);
    const ended = this.synth.process(this.mono);
    for (const channel of channels) channel.set(this.mono);
    for (const id of this.fresh) this.port.postMessage({ type: "sounding", id });
    this.fresh.clear();
    for (const id of ended) this.port.postMessage({ type: "ended", id });
    if (this.recording) this.port.postMessage({ type: "recorded", audio: this.mono.slice() });
    return true;
  }
}

scope.registerProcessor("nsynth-vae-sampler", SamplerProcessor);
