/** Polyphonic sampler: voices that sustain, bend, change their sound and release, and a limiter behind them. */

import { correlator, rms } from "./crossfade.js";
import { HALF, interpolate } from "./interpolation.js";

/** @typedef {import("./types").Playable} Playable */

/** Voices at once; beyond, the oldest released one ends, or the oldest. */
export const MOST_VOICES = 16;

/** Gain of one voice: six notes of full scale reach 2, which the limiter takes. */
const VOICE_GAIN = 0.35;

const CEILING = 0.95;
const SILENCE = 10 ** (-70 / 20);
/** A release that would be amplified more is mostly noise: the note is damped instead. */
const MOST_BOOST = 10 ** (30 / 20);
const DAMPED_SECONDS = 0.5;
const SWAP_SECONDS = 0.03;

/** A note's parts as one endless sound, read at any place. */
class Source {
  /**
   * @param {Playable} note
   * @param {number} position in samples of the note
   */
  constructor(note, position) {
    this.note = note;
    this.position = position;
    this.window = new Float32Array(2 * HALF);
  }

  /** Whether nothing more follows. */
  get ended() {
    return !this.note.repeated.length && this.position > this.note.once.length + HALF;
  }

  /**
   * @param {number} index
   */
  sample(index) {
    const { once, repeated } = this.note;
    if (index < 0) return 0;
    if (index < once.length) return once[index];
    return repeated.length ? repeated[(index - once.length) % repeated.length] : 0;
  }

  /**
   * Return the sound at the position, and step on.
   * @param {number} step samples of the note
   * @param {number} sampleRate of the note
   */
  read(step, sampleRate) {
    const { once, repeated, decay } = this.note;
    const whole = Math.floor(this.position);
    const first = whole - HALF + 1;
    const fraction = this.position - whole;
    this.position += step;
    let value;
    if (first >= 0 && first + 2 * HALF <= once.length) value = interpolate(once, first, fraction);
    else {
      const place = repeated.length ? (first - once.length) % repeated.length : -1;
      if (first >= once.length && place + 2 * HALF <= repeated.length) value = interpolate(repeated, place, fraction);
      else {
        for (let tap = 0; tap < 2 * HALF; tap++) this.window[tap] = this.sample(first + tap);
        value = interpolate(this.window, 0, fraction);
      }
    }
    return decay && whole > once.length ? value * this.fall(sampleRate) : value;
  }

  /** @param {number} sampleRate */
  fall(sampleRate) {
    const beyond = Math.max(this.position - this.note.once.length, 0);
    return 10 ** ((-this.note.decay * beyond) / sampleRate / 20);
  }

  /**
   * Return the next samples without stepping on.
   * @param {number} count
   * @param {number} sampleRate
   */
  peek(count, sampleRate) {
    const fall = this.note.decay ? this.fall(sampleRate) : 1;
    return Float64Array.from({ length: count }, (_, index) => this.sample(Math.floor(this.position) + index) * fall);
  }
}

/** A note that sounds. */
class Voice {
  /**
   * @param {number} id
   * @param {Playable} note
   * @param {number} pitch MIDI; the note is transposed if it is another's
   * @param {number} gain
   * @param {number} sampleRate of the notes
   * @param {number} rate of the output
   */
  constructor(id, note, pitch, gain, sampleRate, rate) {
    this.id = id;
    this.pitch = pitch;
    this.gain = gain;
    this.sampleRate = sampleRate;
    this.rate = rate;
    this.source = new Source(note, 0);
    this.elapsed = 0;
    /** @type {Source | null} */
    this.old = null;
    this.oldGain = 1;
    this.sourceGain = 1;
    this.fade = 0;
    this.fadeLength = 1;
    this.released = false;
    this.damping = 1;
    this.envelope = 1;
    this.done = false;
  }

  /**
   * Change to another note at the same time of it, with a cross-fade.
   * @param {Playable} note
   * @param {boolean} same the sound is the same as far as it was known: no cross-fade
   */
  swap(note, same) {
    if (this.released) return;
    if (same) this.source.note = note;
    else this.change(new Source(note, (this.elapsed / this.rate) * this.sampleRate), 1, SWAP_SECONDS);
  }

  /**
   * @param {Source} source
   * @param {number} gain
   * @param {number} seconds
   */
  change(source, gain, seconds) {
    this.old = this.source;
    this.oldGain = this.sourceGain;
    this.source = source;
    this.sourceGain = gain;
    this.fade = 0;
    this.fadeLength = Math.max(Math.round(seconds * this.rate), 1);
  }

  /** Release the note: its own release at the level that it has now, or damped. */
  release() {
    if (this.released) return;
    this.released = true;
    const { note } = this.source;
    const window = Math.min(Math.round(Math.max(0.03, 2 / hertz(note.pitch)) * this.sampleRate), note.tail.length >> 1);
    const now = this.source.peek(window, this.sampleRate);
    const level = rms(now) * this.sourceGain;
    if (level > note.tailLevel * MOST_BOOST) {
      this.damping = SILENCE ** (1 / (DAMPED_SECONDS * this.rate));
      return;
    }
    const similarity = correlator(Float64Array.from(note.tail.subarray(0, 2 * window)))(now);
    const lag = similarity.indexOf(Math.max(...similarity));
    const tail = { ...note, once: note.tail, repeated: note.tail.subarray(0, 0), decay: 0 };
    this.change(new Source(tail, lag), note.tailLevel ? level / note.tailLevel : 0, window / this.sampleRate);
  }

  /**
   * End within some seconds.
   * @param {number} seconds
   */
  stop(seconds) {
    this.released = true;
    this.damping = Math.min(this.damping, SILENCE ** (1 / (seconds * this.rate)));
  }

  /**
   * Add the voice to the output.
   * @param {Float32Array} output
   * @param {number} bend cents
   */
  render(output, bend) {
    const step = (/** @type {Source} */ source) =>
      (this.sampleRate / this.rate) * 2 ** (((this.pitch - source.note.pitch) * 100 + bend) / 1200);
    const [own, other] = [step(this.source), this.old ? step(this.old) : 0];
    for (let index = 0; index < output.length; index++) {
      let value = this.source.read(own, this.sampleRate) * this.sourceGain;
      if (this.old) {
        const mix = 0.5 - 0.5 * Math.cos((Math.PI * (this.fade + 0.5)) / this.fadeLength);
        value = mix * value + (1 - mix) * this.oldGain * this.old.read(other, this.sampleRate);
        if (++this.fade >= this.fadeLength) this.old = null;
      }
      output[index] += value * this.gain * this.envelope;
      this.envelope *= this.damping;
    }
    this.elapsed += output.length;
    const faded = this.source.note.decay && this.source.fall(this.sampleRate) < SILENCE;
    this.done = (this.source.ended && !this.old) || this.envelope < SILENCE || Boolean(faded);
  }
}

/** @param {number} pitch */
const hertz = (pitch) => 440 * 2 ** ((pitch - 69) / 12);

/** Look-ahead limiter: what exceeds the ceiling is turned down before it comes, and slowly up again. */
class Limiter {
  /** @param {number} rate */
  constructor(rate) {
    this.length = Math.round(0.003 * rate);
    this.delay = new Float32Array(this.length);
    this.gains = new Float32Array(this.length).fill(1);
    this.sum = this.length;
    this.place = 0;
    this.hold = 1;
    this.left = 0;
    this.recovery = 1 - Math.exp(-1 / (0.15 * rate));
  }

  /** @param {Float32Array} audio changed in place */
  process(audio) {
    for (let index = 0; index < audio.length; index++) {
      const needed = Math.min(1, CEILING / Math.max(Math.abs(audio[index]), 1e-9));
      if (needed <= this.hold) [this.hold, this.left] = [needed, 2 * this.length];
      else if (this.left > 0) this.left -= 1;
      else this.hold += (needed - this.hold) * this.recovery;
      this.sum += this.hold - this.gains[this.place];
      this.gains[this.place] = this.hold;
      const value = this.delay[this.place];
      this.delay[this.place] = audio[index];
      this.place = (this.place + 1) % this.length;
      audio[index] = Math.max(-1, Math.min(1, (value * this.sum) / this.length));
    }
  }
}

/** All voices. */
export class Synth {
  /**
   * @param {number} sampleRate of the notes, Hz
   * @param {number} rate of the output, Hz
   */
  constructor(sampleRate, rate) {
    this.sampleRate = sampleRate;
    this.rate = rate;
    /** @type {Voice[]} */
    this.voices = [];
    this.limiter = new Limiter(rate);
    /** Cents. */
    this.bend = 0;
  }

  /**
   * Start a voice.
   * @param {number} id
   * @param {Playable} note
   * @param {number} pitch
   * @param {number} gain
   */
  start(id, note, pitch, gain) {
    const sounding = this.voices.filter((voice) => voice.damping === 1);
    if (sounding.length >= MOST_VOICES) (sounding.find((voice) => voice.released) ?? sounding[0]).stop(0.01);
    this.voices.push(new Voice(id, note, pitch, gain * VOICE_GAIN, this.sampleRate, this.rate));
  }

  /**
   * @param {number} id
   * @param {Playable} note
   * @param {boolean} same
   */
  swap(id, note, same) {
    this.voices.find((voice) => voice.id === id)?.swap(note, same);
  }

  /** @param {number} id */
  release(id) {
    this.voices.find((voice) => voice.id === id)?.release();
  }

  /** End everything at once. */
  panic() {
    for (const voice of this.voices) voice.stop(0.02);
  }

  /**
   * Render the next samples; returns the voices that have ended.
   * @param {Float32Array} output zeros
   * @returns {number[]}
   */
  process(output) {
    for (const voice of this.voices) voice.render(output, this.bend);
    this.limiter.process(output);
    const ended = this.voices.filter((voice) => voice.done).map((voice) => voice.id);
    if (ended.length) this.voices = this.voices.filter((voice) => !voice.done);
    return ended;
  }
}
