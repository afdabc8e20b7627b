/** Samples of a sampler and their SFZ file, as `instruments/multisample.py` and `instruments/sfz.py` make them. */

import { fadeOut, levels, levelWindow, roundHalfEven, SILENT_DB } from "./crossfade.js";
import { rfft } from "./fft.js";
import { findLoop, OVER_DB, playable, RELEASE, splitLoop } from "./sustain_loop.js";

/**
 * @typedef {object} Sample
 * @property {number} pitch
 * @property {number} velocity
 * @property {Float32Array} audio
 * @property {string} kind
 * @property {[number, number] | null} loop first and last sample
 * @property {number | null} cents detuning; null for silence
 * @property {number} releaseSeconds the time in which the release falls by 60 dB
 */

/** Samples of the loop's start repeated after its end, for samplers that interpolate across it. */
const GUARD = 32;
const RELEASE_PER_60_DB = 1.3;
const [FRAME, FFT] = [4096, 65536];
const MEASURED = [0.05, 0.6];
const DAMPED_SECONDS = 0.5;
const LONGEST_RELEASE_SECONDS = 5;

/**
 * Make a sample of a decoded note: looped, or ringing out.
 * @param {Float32Array} note
 * @param {number} pitch
 * @param {number} velocity
 * @param {number} sampleRate
 * @returns {Sample}
 */
export function makeSample(note, pitch, velocity, sampleRate) {
  const loop = findLoop(note, pitch, sampleRate);
  const shared = { pitch, velocity, kind: loop.kind, cents: detuning(note, pitch, sampleRate), releaseSeconds: releaseSeconds(note, pitch, sampleRate) };
  if (loop.kind !== "sustained") return { ...shared, audio: ringOut(note, pitch, loop, sampleRate), loop: null };
  const { once, repeated } = splitLoop(Float64Array.from(note), loop, sampleRate);
  const audio = Float32Array.from([...once, ...repeated, ...repeated.subarray(0, GUARD)]);
  return { ...shared, audio, loop: [loop.end, loop.end + repeated.length - 1] };
}

/**
 * Return a decaying note sustained until it is `SILENT_DB` below its maximum level.
 * @param {Float32Array} note
 * @param {number} pitch
 * @param {import("./types").Loop} loop
 * @param {number} sampleRate
 */
function ringOut(note, pitch, loop, sampleRate) {
  const { once, repeated, decay } = playable(note, pitch, loop, sampleRate);
  if (loop.kind === "over") return once;
  const level = levels(note.subarray(0, loop.end), roundHalfEven(0.025 * note.length));
  const loudest = level.reduce((most, value) => Math.max(most, value), -Infinity);
  const seconds = Math.max(level[level.length - 1] - loudest + SILENT_DB, 0) / decay;
  const sound = new Float32Array(loop.end + Math.round(seconds * sampleRate));
  for (let index = 0; index < sound.length; index++) {
    const beyond = index - once.length;
    const value = beyond < 0 ? once[index] : repeated[beyond % repeated.length];
    sound[index] = value * 10 ** ((-decay * Math.max(beyond, 0)) / sampleRate / 20);
  }
  fadeOut(sound, sampleRate);
  return sound;
}

/**
 * Return the time in which the release falls by 60 dB, extrapolated if the note ends before.
 * @param {Float32Array} note
 * @param {number} pitch
 * @param {number} sampleRate
 */
export function releaseSeconds(note, pitch, sampleRate) {
  const release = roundHalfEven(RELEASE * note.length);
  const window = levelWindow(pitch, sampleRate);
  const level = levels(note, window);
  const loudest = level.subarray(0, release).reduce((most, value) => Math.max(most, value), -Infinity);
  if (level[release] < loudest - OVER_DB) return DAMPED_SECONDS;
  const fall = level.subarray(release, note.length - (window >> 1)).map((value) => level[release] - value);
  const silent = fall.findIndex((value) => value >= 60);
  if (silent >= 0) return silent / sampleRate;
  return Math.min(((fall.length / sampleRate) * 60) / Math.max(fall[fall.length - 1], 1), LONGEST_RELEASE_SECONDS);
}

/**
 * Estimate a note's deviation from its pitch, cents, by the peaks near its first eight harmonics.
 * @param {Float32Array} note
 * @param {number} pitch
 * @param {number} sampleRate
 * @returns {number | null}
 */
export function detuning(note, pitch, sampleRate) {
  const target = 440 * 2 ** ((pitch - 69) / 12);
  const [first, last] = MEASURED.map((fraction) => roundHalfEven(fraction * note.length));
  // numpy's Hanning window is the symmetric one.
  const window = Float64Array.from({ length: FRAME }, (_, index) => 0.5 - 0.5 * Math.cos((2 * Math.PI * index) / (FRAME - 1)));
  const harmonics = [1, 2, 3, 4, 5, 6, 7, 8].map((multiple) => (multiple * target * FFT) / sampleRate);
  const heard = harmonics.filter((harmonic) => harmonic * 2 ** (1 / 24) + 2 < FFT / 2 + 1);
  const means = [];
  for (let start = first; start + FRAME <= last; start += FRAME / 2) {
    const { real, imaginary } = rfft(Float64Array.from(window, (value, index) => value * note[start + index]), FFT);
    let [weights, sum] = [0, 0];
    for (const harmonic of heard) {
      const [low, high] = [-1, 1].map((side) => roundHalfEven(harmonic * 2 ** (side / 24)));
      const power = (/** @type {number} */ bin) => real[bin] ** 2 + imaginary[bin] ** 2 + 1e-30;
      let peak = low;
      for (let bin = low; bin <= high; bin++) if (power(bin) > power(peak)) peak = bin;
      const [before, here, after] = [-1, 0, 1].map((side) => Math.log(power(peak + side)));
      const curvature = before - 2 * here + after;
      const offset = curvature ? (0.5 * (before - after)) / curvature : 0;
      weights += power(peak);
      sum += power(peak) * 1200 * Math.log2((peak + offset) / harmonic);
    }
    means.push({ cents: sum / weights, loudness: weights ** 0.3 });
  }
  const total = means.reduce((sum, { loudness }) => sum + loudness, 0);
  if (!(total > 1e-6)) return null;
  means.sort((one, other) => one.cents - other.cents);
  let left = total / 2;
  return (means.find(({ loudness }) => (left -= loudness) <= 0) ?? means[means.length - 1]).cents;
}

/**
 * Divide 0 to 127 into one range for each value, so that every number belongs to the nearest value.
 * @param {number[]} values ascending
 * @returns {[number, number][]}
 */
export function nearestRanges(values) {
  return values.map((value, index) => [
    index ? Math.floor((values[index - 1] + value) / 2) + 1 : 0,
    index + 1 < values.length ? Math.floor((value + values[index + 1]) / 2) : 127,
  ]);
}

/**
 * Return the regions of an instrument: the files, and the keys and velocities that play them.
 * @param {Sample[]} samples all pitches at all velocities
 * @param {string} name
 */
export function regions(samples, name) {
  const unique = (/** @type {number[]} */ values) => [...new Set(values)].sort((one, other) => one - other);
  const pitches = unique(samples.map(({ pitch }) => pitch));
  const velocities = unique(samples.map(({ velocity }) => velocity));
  const [keys, ranges] = [nearestRanges(pitches), nearestRanges(velocities)];
  return samples.map((sample) => ({
    file: `samples/${name}-${String(sample.pitch).padStart(3, "0")}-${String(sample.velocity).padStart(3, "0")}.wav`,
    sample,
    keys: keys[pitches.indexOf(sample.pitch)],
    velocities: ranges[velocities.indexOf(sample.velocity)],
    cents: sample.cents === null ? 0 : -roundHalfEven(sample.cents) + 0,
  }));
}

/**
 * Return the text of an SFZ file.
 * @param {ReturnType<typeof regions>} all
 * @param {string[]} comments
 */
export function formatSfz(all, comments) {
  const lines = comments.map((comment) => `// ${comment.split(/\s+/).join(" ")}`);
  lines.push("", "<control>", "hint_ram_based=1", "", "<global>", "amp_veltrack=100", "");
  for (const { file, sample, keys, velocities, cents } of all) {
    const loop = sample.loop ? `loop_mode=loop_continuous loop_start=${sample.loop[0]} loop_end=${sample.loop[1]}` : "loop_mode=no_loop";
    lines.push(
      `<region> sample=${file} pitch_keycenter=${sample.pitch} tune=${cents} lokey=${keys[0]} hikey=${keys[1]} ` +
        `lovel=${velocities[0]} hivel=${velocities[1]} ${loop} ` +
        `ampeg_release=${(RELEASE_PER_60_DB * sample.releaseSeconds).toFixed(3)}`,
    );
  }
  return `${lines.join("\n")}\n`;
}
