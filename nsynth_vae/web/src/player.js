/** Keys to voices: which notes sound, which are held by the pedal, and what they sound like once more is decoded. */

import { AHEAD, Engine, Forgotten, NOW } from "./engine.js";

/** @typedef {import("./types").NoteRequest} NoteRequest */
/** @typedef {{id: number, key: number, velocity: number, layer: number, down: boolean, shown: {key: string, whole: boolean}, asked: boolean}} Voice */

/** Velocities that are decoded: NSynth's. Levels between them are set by gain. */
export const LAYERS = [25, 50, 75, 100, 127];

/** A note of another pitch stands in, transposed, if it is at most this many semitones away. */
const STAND_IN = 2;

/** How long the pad rests before notes are decoded ahead, ms. */
const REST = 250;

/**
 * Return the velocity that is decoded for one that is played.
 * @param {number} velocity
 */
export function layerOf(velocity) {
  return LAYERS.reduce((best, layer) => (Math.abs(layer - velocity) < Math.abs(best - velocity) ? layer : best));
}

/** Plays keys through the sampler's port. */
export class Player {
  /**
   * @param {Engine} engine
   * @param {(message: object) => void} send to the sampler
   * @param {(pitch: number, velocity: number) => NoteRequest} request a note of the present timbre
   */
  constructor(engine, send, request) {
    this.engine = engine;
    this.send = send;
    this.request = request;
    /** @type {Map<number, Voice>} id -> those that were not released */
    this.voices = new Map();
    /** @type {Set<number>} */
    this.sounding = new Set();
    this.pedal = false;
    this.nextId = 1;
    /** @type {number[]} keys played last */
    this.recent = [];
    this.resting = 0;
    /** @type {(key: number, on: boolean) => void} */
    this.onKey = () => {};
    /** @type {(error: Error) => void} */
    this.onError = () => {};
  }

  /**
   * Play a key; velocity 0 releases it.
   * @param {number} key MIDI pitch
   * @param {number} velocity
   */
  noteOn(key, velocity) {
    if (velocity <= 0) return this.noteOff(key);
    if (key < 0 || key > 127) return undefined;
    for (const voice of this.voices.values()) if (voice.key === key) this.release(voice);
    const shown = { key: "", whole: false };
    const voice = { id: this.nextId++, key, velocity, layer: layerOf(velocity), down: true, shown, asked: false };
    this.voices.set(voice.id, voice);
    this.recent = [key, ...this.recent.filter((other) => other !== key)].slice(0, 8);
    this.onKey(key, true);
    this.rest();
    this.update(voice).catch(this.onError);
    return voice.id;
  }

  /** @param {number} key */
  noteOff(key) {
    for (const voice of this.voices.values()) {
      if (voice.key !== key || !voice.down) continue;
      voice.down = false;
      this.onKey(key, false);
      if (!this.pedal) this.release(voice);
    }
  }

  /** @param {boolean} down */
  setPedal(down) {
    this.pedal = down;
    if (!down) for (const voice of this.voices.values()) if (!voice.down) this.release(voice);
  }

  /** @param {number} cents */
  setBend(cents) {
    this.send({ type: "bend", cents });
  }

  /** Release everything, held by keys or by the pedal. */
  allNotesOff() {
    this.pedal = false;
    for (const voice of this.voices.values()) {
      if (voice.down) this.onKey(voice.key, false);
      this.release(voice);
    }
  }

  /** Silence everything at once. */
  panic() {
    this.allNotesOff();
    this.setBend(0);
    this.send({ type: "panic" });
  }

  /** Follow the pad: what sounds changes to the present timbre. */
  follow() {
    this.rest();
    for (const voice of this.voices.values()) this.update(voice).catch(this.onError);
  }

  /** @param {Voice} voice */
  release(voice) {
    this.voices.delete(voice.id);
    this.send({ type: "release", id: voice.id });
  }

  /**
   * Bring a voice to the present timbre: at once from the cache or by a stand-in, then as it is decoded.
   * @param {Voice} voice
   */
  async update(voice) {
    const request = this.request(voice.key, voice.layer);
    const key = Engine.key(request);
    if (voice.asked || (voice.shown.key === key && voice.shown.whole)) return;
    voice.asked = true;
    const show = (/** @type {import("./engine.js").CachedNote} */ found) => {
      if (!this.voices.has(voice.id) || (voice.shown.key === key && voice.shown.whole)) return;
      this.play(voice, found.note, voice.shown.key === key && !found.equalizer);
      voice.shown = { key, whole: found.whole };
    };
    if (!this.sounding.has(voice.id) && !this.engine.cached(request)) this.standIn(voice, request);
    try {
      show(await this.engine.note(request, NOW, show));
    } catch (error) {
      if (!(error instanceof Forgotten)) throw error;
    } finally {
      voice.asked = false;
    }
    // The pad may have moved on meanwhile, or what was decoded ahead was forgotten.
    if (this.voices.has(voice.id)) await this.update(voice);
  }

  /**
   * @param {Voice} voice
   * @param {import("./types").Playable} note
   * @param {boolean} same as what sounds, with its loop
   */
  play(voice, note, same) {
    if (this.sounding.has(voice.id)) this.send({ type: "swap", id: voice.id, note, same });
    else {
      this.sounding.add(voice.id);
      // The decoded note's level is its layer's; `play` scales by velocity as well.
      this.send({ type: "start", id: voice.id, note, pitch: voice.key, gain: voice.velocity / 127 });
    }
  }

  /**
   * Play the nearest note of the cache, transposed.
   * @param {Voice} voice
   * @param {NoteRequest} request
   */
  standIn(voice, request) {
    for (let far = 1; far <= STAND_IN; far++) {
      for (const pitch of [request.pitch - far, request.pitch + far]) {
        const found = this.engine.cached({ ...request, pitch });
        if (found) return void this.play(voice, found.note, false);
      }
    }
  }

  /** @param {number} id */
  ended(id) {
    const voice = this.voices.get(id);
    if (voice) {
      this.voices.delete(id);
      if (voice.down) this.onKey(voice.key, false);
    }
    this.sounding.delete(id);
  }

  /** When nothing changes any more, decode the neighbours of what was played last. */
  rest() {
    clearTimeout(this.resting);
    this.engine.forgetAhead();
    this.resting = window.setTimeout(() => {
      const layer = layerOf(100);
      const keys = this.recent.slice(0, 3).flatMap((key) => [key, key + 1, key - 1, key + 2, key - 2]);
      for (const key of new Set(keys)) {
        if (key < 0 || key > 127) continue;
        this.engine.note(this.request(key, layer), AHEAD).catch(() => {});
      }
    }, REST);
  }
}
