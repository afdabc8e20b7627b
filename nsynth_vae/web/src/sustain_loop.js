/** Sustain loops of decoded notes, as `instruments/sustain_loop.py` finds them, and the parts that a voice plays. */

import { correlator, crossfade, fadeToSilence, levels, levelWindow, rms, roundHalfEven } from "./crossfade.js";

/** @typedef {import("./types").Loop} Loop */
/** @typedef {import("./types").Playable} Playable */

/** Start of a note's release, as a fraction of the note; so are the next three. */
export const RELEASE = 0.7425;
const STEADY = [0.25, 0.725];
const CROSSFADE = 0.025;
const SHORTEST_LOOP = 0.1;
/** A note that falls by this many dB a second or more decays on. */
const DECAYING_DB = 3;
/** A note this far below its maximum level at the end of its steady part needs no loop. */
export const OVER_DB = 50;
/** A release lasts at most this long, so that what is released is silent within a second. */
const RELEASE_SECONDS = 0.95;

/**
 * Find the loop that sustains a note.
 * @param {ArrayLike<number>} audio
 * @param {number} pitch
 * @param {number} sampleRate
 * @returns {Loop}
 */
export function findLoop(audio, pitch, sampleRate) {
  const note = Float64Array.from(audio);
  const samples = note.length;
  const [first, last] = STEADY.map((fraction) => roundHalfEven(fraction * samples));
  const fade = roundHalfEven(CROSSFADE * samples);
  const shortest = roundHalfEven(SHORTEST_LOOP * samples);
  const level = levels(note, levelWindow(pitch, sampleRate));
  let loudest = -Infinity;
  for (let index = 0; index <= last; index++) loudest = Math.max(loudest, level[index]);
  if (level[last] < loudest - OVER_DB) return { kind: "over", start: samples, end: samples, slope: 0 };
  const { slope, offset } = line(level, first, last, sampleRate);
  const bump = (/** @type {number} */ index) => level[index] - ((slope * index) / sampleRate + offset);
  let best = { score: -Infinity, start: first, end: last };
  const correlate = correlator(note.subarray(first - fade, last - shortest));
  for (let end = last; end > last - fade; end -= Math.max(fade >> 3, 1)) {
    const similarity = correlate(note.subarray(end - fade, end), end - shortest - (first - fade));
    const starts = end - shortest + 1 - first;
    let chosen = { score: -Infinity, start: first, end };
    for (let index = 0; index < starts; index++) {
      const penalty = 0.05 * Math.abs(bump(end) - bump(first + index)) + (0.05 * index) / starts;
      const score = similarity[index] - penalty;
      if (score > chosen.score) chosen = { score, start: first + index, end };
    }
    if (chosen.score > best.score) best = chosen;
  }
  const { start, end } = best;
  const change = ((level[end] - level[start]) * sampleRate) / (end - start);
  return { kind: slope <= -DECAYING_DB ? "decaying" : "sustained", start, end, slope: change };
}

/**
 * Fit a line to levels by least squares.
 * @param {Float64Array} level
 * @param {number} first
 * @param {number} last
 * @param {number} sampleRate
 */
function line(level, first, last, sampleRate) {
  const count = last - first;
  const middle = (first + last - 1) / 2;
  let [mean, product, square] = [0, 0, 0];
  for (let index = first; index < last; index++) mean += level[index] / count;
  for (let index = first; index < last; index++) {
    product += (index - middle) * (level[index] - mean);
    square += (index - middle) ** 2;
  }
  const slope = (product / square) * sampleRate;
  return { slope, offset: mean - (slope * middle) / sampleRate };
}

/**
 * Return the part of a note that is played once and the part that is repeated; both joints are seamless.
 * @param {Float64Array} note
 * @param {Loop} loop of a note that is not over
 * @param {number} sampleRate
 */
export function splitLoop(note, loop, sampleRate) {
  const fade = roundHalfEven(CROSSFADE * note.length);
  const levelled = note.slice(loop.start - fade, loop.end);
  for (let index = 0; index < levelled.length; index++) {
    levelled[index] *= 10 ** ((loop.slope * (levelled.length - index)) / sampleRate / 20);
  }
  const before = levelled.subarray(0, fade);
  const repeated = levelled.slice(fade);
  const once = note.slice(0, loop.end);
  for (const part of [once, repeated]) part.set(crossfade(part.subarray(part.length - fade), before), part.length - fade);
  return { once, repeated };
}

/**
 * Return the parts of a note that a voice plays.
 * @param {ArrayLike<number>} audio
 * @param {number} pitch
 * @param {Loop} loop
 * @param {number} sampleRate
 * @returns {Playable}
 */
export function playable(audio, pitch, loop, sampleRate) {
  const note = Float64Array.from(audio);
  const release = roundHalfEven(RELEASE * note.length);
  const window = levelWindow(pitch, sampleRate);
  const tailLevel = rms(note.subarray(Math.max(release - (window >> 1), 0), release + (window >> 1)));
  const length = Math.min(note.length - release, Math.round(RELEASE_SECONDS * sampleRate));
  const tail = Float32Array.from(fadeToSilence(note.subarray(release, release + length), tailLevel, sampleRate));
  if (loop.kind === "over") {
    const ending = fadeToSilence(note.subarray(release), rms(note.subarray(0, release)), sampleRate);
    note.set(ending, release);
    return { pitch, once: Float32Array.from(note), repeated: new Float32Array(0), decay: 0, tail, tailLevel };
  }
  const { once, repeated } = splitLoop(note, loop, sampleRate);
  return {
    pitch,
    once: Float32Array.from(once),
    repeated: Float32Array.from(repeated),
    decay: loop.kind === "decaying" ? Math.max(-loop.slope, DECAYING_DB) : 0,
    tail,
    tailLevel,
  };
}
