/** The decoding thread as seen from the page: a queue by urgency, and a cache of playable notes. */

/** @typedef {import("./types").NoteRequest} NoteRequest */
/** @typedef {import("./types").Playable} Playable */
/** @typedef {{note: Playable, whole: boolean, equalizer: {tilt: number, curvature: number} | null}} CachedNote */
/** @typedef {{message: object, urgency: number, order: number, resolve: (answer: any) => void, reject: (error: Error) => void, transfer: Transferable[]}} Job */

/** Notes in the cache: 0.4 MB each. */
const CACHED_NOTES = 32;

/** Urgencies: what sounds now, what refines what sounds, and what may be played next. */
export const NOW = 0;
export const SOON = 1;
export const AHEAD = 2;

/** A thread's answers in order of urgency. */
class Thread {
  /** @param {Worker} worker */
  constructor(worker) {
    this.worker = worker;
    /** @type {Job[]} */
    this.waiting = [];
    /** @type {Job | null} */
    this.running = null;
    this.order = 0;
    worker.onmessage = (event) => this.finish(event.data);
    worker.onerror = (event) => this.finish({ error: event.message || "the decoding thread failed" });
  }

  /**
   * @param {object} message
   * @param {number} urgency
   * @param {Transferable[]} transfer
   * @returns {Promise<any>}
   */
  ask(message, urgency = NOW, transfer = []) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ message, urgency, order: this.order++, resolve, reject, transfer });
      this.next();
    });
  }

  /** Forget what was asked ahead of time. */
  forgetAhead() {
    const [kept, dropped] = [[], []].map(() => /** @type {Job[]} */ ([]));
    for (const job of this.waiting) (job.urgency >= AHEAD ? dropped : kept).push(job);
    this.waiting = kept;
    for (const job of dropped) job.reject(new Forgotten());
  }

  next() {
    if (this.running || !this.waiting.length) return;
    this.waiting.sort((one, other) => one.urgency - other.urgency || one.order - other.order);
    this.running = /** @type {Job} */ (this.waiting.shift());
    this.worker.postMessage({ id: this.running.order, ...this.running.message }, this.running.transfer);
  }

  /** @param {any} answer */
  finish(answer) {
    const job = this.running;
    this.running = null;
    if (answer.error) job?.reject(new Error(answer.error));
    else job?.resolve(answer);
    this.next();
  }
}

/** Why a request was not answered: the pad has moved on. */
export class Forgotten extends Error {}

/** Decodes notes, and keeps those that were used last. */
export class Engine {
  /**
   * @param {Worker} worker
   * @param {{sample_rate: number, latent_dim: number, num_samples: number}} model
   */
  constructor(worker, model) {
    this.thread = new Thread(worker);
    this.model = model;
    /** @type {Map<string, CachedNote>} in the order of their use */
    this.cache = new Map();
    /** @type {Map<string, {made: Promise<CachedNote>, urgency: number}>} */
    this.pending = new Map();
    /** @type {Map<string, Promise<[number, number] | null>>} brightness of corners' notes */
    this.brightness = new Map();
    /** @type {number[]} milliseconds of the last decodes */
    this.times = [];
  }

  /**
   * @param {Uint8Array} wasm
   * @param {Uint8Array} decoder
   * @param {Uint8Array} encoder
   */
  async load(wasm, decoder, encoder) {
    const { sample_rate: sampleRate, latent_dim: latentDim, num_samples: numSamples } = this.model;
    const message = { operation: "load", wasm, decoder, encoder, sampleRate, latentDim, numSamples };
    await this.thread.ask(message, NOW, [wasm.buffer, decoder.buffer, encoder.buffer].filter(unique));
  }

  /**
   * Decode a note as it is.
   * @param {ArrayLike<number>} z
   * @param {number} pitch
   * @param {number} velocity
   * @param {number} urgency
   * @returns {Promise<{audio: Float32Array, note: Playable, milliseconds: number}>}
   */
  async decode(z, pitch, velocity, urgency = NOW) {
    const answer = await this.thread.ask({ operation: "decode", z: Float32Array.from(z), pitch, velocity }, urgency);
    this.times = [...this.times.slice(-31), answer.milliseconds];
    return answer;
  }

  /**
   * Return the audio of a note, equalised if it is asked for.
   * @param {NoteRequest} request
   * @param {number} urgency
   */
  async render(request, urgency = NOW) {
    const { audio } = await this.decode(request.z, request.pitch, request.velocity, urgency);
    return this.finish(audio, request, urgency);
  }

  /**
   * @param {Float32Array} audio
   * @param {NoteRequest} request
   * @param {number} urgency
   * @returns {Promise<{audio: Float32Array, note: Playable, loop: import("./types").Loop, equalizer: any}>}
   */
  async finish(audio, request, urgency) {
    const target = await this.target(request, urgency);
    return this.thread.ask({ operation: "finish", audio, pitch: request.pitch, target }, urgency, [audio.buffer]);
  }

  /**
   * Return the brightness that a note between corners is equalised to; null for what is played as decoded.
   * @param {NoteRequest} request
   * @param {number} urgency
   */
  async target({ ends, pitch, velocity }, urgency) {
    if (!ends || Math.max(...ends.weights) === 1) return null;
    const target = [0, 0];
    for (const [index, weight] of ends.weights.entries()) {
      if (!weight) continue;
      const moments = await this.measure(ends.z[index], pitch, velocity, urgency);
      if (!moments) return null;
      target[0] += weight * moments[0];
      target[1] += weight * moments[1];
    }
    return target;
  }

  /**
   * @param {Float32Array} z
   * @param {number} pitch
   * @param {number} velocity
   * @param {number} urgency
   */
  measure(z, pitch, velocity, urgency) {
    const key = `${z.join()}|${pitch}|${velocity}`;
    let found = this.brightness.get(key);
    if (!found) {
      found = this.thread
        .ask({ operation: "measure", z, pitch, velocity }, urgency)
        .then((/** @type {any} */ answer) => answer.moments);
      found.catch(() => this.brightness.delete(key));
      this.brightness.set(key, found);
      if (this.brightness.size > 2000) this.brightness.delete(this.brightness.keys().next().value ?? "");
    }
    return found;
  }

  /**
   * Encode a note.
   * @param {Float32Array} audio
   * @returns {Promise<Float32Array>}
   */
  async encode(audio) {
    return (await this.thread.ask({ operation: "encode", audio })).z;
  }

  /**
   * @param {NoteRequest} request
   */
  static key({ z, pitch, velocity, ends }) {
    return `${z.join()}|${pitch}|${velocity}|${ends ? ends.weights.join() : ""}`;
  }

  /**
   * Return a note of the cache, and remember that it was used.
   * @param {NoteRequest} request
   * @returns {CachedNote | undefined}
   */
  cached(request) {
    const key = Engine.key(request);
    const found = this.cache.get(key);
    if (found) this.keep(key, found);
    return found;
  }

  /**
   * @param {string} key
   * @param {CachedNote} note
   */
  keep(key, note) {
    this.cache.delete(key);
    this.cache.set(key, note);
    if (this.cache.size > CACHED_NOTES) this.cache.delete(this.cache.keys().next().value ?? "");
  }

  /**
   * Bring a note into the cache: first as decoded, then equalised and with its loop.
   * @param {NoteRequest} request
   * @param {number} urgency
   * @param {(note: CachedNote) => void} first called with the note as decoded
   * @returns {Promise<CachedNote>} the whole note
   */
  note(request, urgency = NOW, first = () => {}) {
    const key = Engine.key(request);
    const found = this.cached(request);
    if (found) first(found);
    if (found?.whole) return Promise.resolve(found);
    const waiting = this.pending.get(key);
    if (waiting) return waiting.made;
    const made = this.make(key, request, urgency, first).finally(() => {
      if (this.pending.get(key)?.made === made) this.pending.delete(key);
    });
    this.pending.set(key, { made, urgency });
    return made;
  }

  /** Forget what was asked ahead of time: something is to be decoded now. */
  forgetAhead() {
    this.thread.forgetAhead();
    for (const [key, { urgency }] of this.pending) if (urgency >= AHEAD) this.pending.delete(key);
  }

  /**
   * @param {string} key
   * @param {NoteRequest} request
   * @param {number} urgency
   * @param {(note: CachedNote) => void} first
   */
  async make(key, request, urgency, first) {
    const decoded = await this.decode(request.z, request.pitch, request.velocity, urgency);
    const raw = { note: decoded.note, whole: false, equalizer: null };
    this.keep(key, raw);
    first(raw);
    const finished = await this.finish(decoded.audio, request, Math.max(urgency, SOON));
    const whole = { note: finished.note, whole: true, equalizer: finished.equalizer };
    this.keep(key, whole);
    return whole;
  }
}

/**
 * @param {unknown} value
 * @param {number} index
 * @param {unknown[]} all
 */
function unique(value, index, all) {
  return all.indexOf(value) === index;
}
