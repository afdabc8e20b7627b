/** Background of recordings: offset, rumble and noise, as `analysis/background.py` estimates and removes them. */

import { hann, irfft, powerOfTwo, rfft } from "./fft.js";

const HIGH_PASS_HERTZ = 18;
/** Of a Butterworth filter of order 10. */
const HIGH_PASS_DAMPING = [0.3129, 0.908, 1.4142, 1.782, 1.9754];
const OFFSET = 0.005;
/** Range of noise and hum, dB of the loudest frame. */
export const NOISE_DB = [-66, -12];
const TAIL_DB = -20;
export const HUM_LEFT_DB = -110;
const FRAME_SECONDS = 0.064;
const STEADY_DB = 3;
const DRIFT_DB = 0.5;
const [QUIET_SECONDS, CLEAN_SECONDS] = [5, 0.5];
const [LEAD_IN_FRAMES, TAIL_FRAMES] = [8, 24];
const [ENDED_DB, ENDED_FRAMES] = [6, 12];
const NOISE_SPREAD = 0.3;
const GATE = 2.5;
const REDUCED_DB = 22;
const LEAST_GAIN = 10 ** (-REDUCED_DB / 20);

/** @typedef {{start: number, stop: number}} Part */

/** @param {ArrayLike<number>} values */
export function mean(values) {
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index];
  return sum / values.length;
}

/** @param {ArrayLike<number>} values */
export function maximum(values) {
  let most = -Infinity;
  for (let index = 0; index < values.length; index++) most = Math.max(most, values[index]);
  return most;
}

/** @param {ArrayLike<number>} values */
export function variance(values) {
  const middle = mean(values);
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += (values[index] - middle) ** 2;
  return sum / values.length;
}

/**
 * Return the quantile by linear interpolation.
 * @param {ArrayLike<number>} values
 * @param {number} fraction
 */
export function quantile(values, fraction) {
  const sorted = Float64Array.from(values).sort();
  const place = fraction * (sorted.length - 1);
  const low = Math.floor(place);
  return sorted[low] + (place - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

/** @param {number} sampleRate */
function frame(sampleRate) {
  const step = Math.max(1, Math.round((FRAME_SECONDS * sampleRate) / 4));
  return { size: 4 * step, step };
}

/**
 * @param {Float64Array} audio
 * @param {number} sampleRate
 * @returns {Float64Array[]} views, 64 ms each, 16 ms apart
 */
function frames(audio, sampleRate) {
  const { size, step } = frame(sampleRate);
  const count = Math.max(0, Math.floor((audio.length - size) / step) + 1);
  return Array.from({ length: count }, (_, index) => audio.subarray(index * step, index * step + size));
}

/**
 * Subtract the offset of a recording's quietest frames, and remove rumble that is there.
 * @param {Float64Array} audio
 * @param {number} sampleRate
 * @returns {{audio: Float64Array, remark: string}}
 */
export function removeOffset(audio, sampleRate) {
  const all = frames(audio, sampleRate);
  const peak = maximum(audio.map(Math.abs));
  if (!all.length || !peak) return { audio, remark: "" };
  const spread = all.map((one) => Math.sqrt(variance(one)));
  const lowest = -maximum(spread.map((value) => -value));
  const limit = Math.min(quantile(spread, 0.1), 2 * lowest + 1e-5);
  const quietest = (/** @type {unknown} */ _, /** @type {number} */ index) => spread[index] <= limit;
  const window = hann(all[0].length);
  const total = window.reduce((sum, value) => sum + value, 0);
  const means = all.filter(quietest).map((one) => one.reduce((sum, value, index) => sum + value * window[index], 0) / total);
  const offset = quantile(means, 0.5);
  const least = OFFSET * peak;
  const centred = audio.map((value) => value - offset);
  const low = filter(centred, sampleRate, true);
  const rest = frames(centred.map((value, index) => value - low[index]), sampleRate).map((one) => Math.sqrt(variance(one)));
  const below = frames(low, sampleRate).map((one) => Math.sqrt(mean(one.map((value) => value * value))));
  // What sounds all the time is a note; some synthetic basses reach below 18 Hz. An offset that drifts is rumble too.
  const [calmest, loudest] = [-maximum(rest.map((value) => -value)), maximum(rest)];
  const calm = Math.max(2 * calmest + 1e-5, 0.01 * loudest);
  const moved = below.filter((value, index) => rest[index] <= calm && value >= least).length;
  if (calmest <= 0.1 * loudest && moved >= LEAD_IN_FRAMES) {
    const [first] = audio;
    return { audio: filter(audio.map((value) => value - first), sampleRate, false), remark: "offset and rumble removed" };
  }
  if (Math.abs(offset) < Math.max(least, 3 * Math.sqrt(variance(means)))) return { audio, remark: "" };
  return { audio: centred, remark: `offset of ${Number((100 * offset).toPrecision(2))} % removed` };
}

/**
 * Return what is above the lowest pitch, by a causal filter; or what is below, without delay.
 * @param {Float64Array} audio
 * @param {number} sampleRate
 * @param {boolean} below
 */
function filter(audio, sampleRate, below) {
  const size = powerOfTwo(2 * audio.length);
  const { real, imaginary } = rfft(audio, size);
  for (let bin = 0; bin < real.length; bin++) {
    const x = (bin * sampleRate) / size / HIGH_PASS_HERTZ;
    let [re, im] = [1, 0];
    for (const damping of HIGH_PASS_DAMPING) {
      // s^2 / (s^2 + damping s + 1) at s = ix.
      const [a, b] = [1 - x * x, damping * x];
      const scale = -(x * x) / (a * a + b * b);
      [re, im] = [scale * (re * a + im * b), scale * (im * a - re * b)];
    }
    if (below) [re, im] = [1 - Math.hypot(re, im), 0];
    [real[bin], imaginary[bin]] = [real[bin] * re - imaginary[bin] * im, real[bin] * im + imaginary[bin] * re];
  }
  return irfft({ real, imaginary }).slice(0, audio.length);
}

/**
 * Return the frames' levels, dB of full scale.
 * @param {Float64Array} audio
 * @param {number} sampleRate
 */
export function frameLevels(audio, sampleRate) {
  return frames(audio, sampleRate).map((one) => 10 * Math.log10(Math.max(variance(one), 1e-14)));
}

/**
 * Find where only the noise floor sounds: the steady part before the first sound, and that after the last.
 * @param {Float64Array} audio
 * @param {number} sampleRate
 * @param {number} least dB of the loudest frame
 * @returns {{leadIn: Part | null, cleanest: Part | null, ended: boolean}} `cleanest` has least of the note; `ended`: what
 *   sounds in the lead-in has ended with it
 */
export function findQuiet(audio, sampleRate, least = NOISE_DB[0]) {
  const levels = frameLevels(audio, sampleRate);
  if (!levels.length) return { leadIn: null, cleanest: null, ended: false };
  const { size, step } = frame(sampleRate);
  const most = Math.round(QUIET_SECONDS * sampleRate);
  const loudest = maximum(levels);
  const isFloor = (/** @type {number[]} */ part, /** @type {number} */ mostDb) => {
    const median = part.length ? quantile(part, 0.5) - loudest : -Infinity;
    return least <= median && median <= mostDb;
  };
  let [leadIn, tail] = /** @type {(Part | null)[]} */ ([null, null]);
  let ended = false;
  const first = steady(levels, LEAD_IN_FRAMES);
  if (isFloor(levels.slice(0, first), NOISE_DB[1])) {
    const stop = (first - 1) * step + size;
    leadIn = { start: Math.max(0, stop - most), stop };
    const quietest = levels.slice(first).sort((one, other) => one - other)[ENDED_FRAMES];
    ended = quietest < quantile(levels.slice(0, first), 0.5) - ENDED_DB;
  }
  const last = steady([...levels].reverse(), TAIL_FRAMES);
  if (isFloor(levels.slice(levels.length - last), TAIL_DB)) {
    tail = { start: Math.max((levels.length - last) * step, audio.length - most), stop: audio.length };
  }
  const enough = Math.round(CLEAN_SECONDS * sampleRate);
  if (!tail || (leadIn && leadIn.stop - leadIn.start > enough)) return { leadIn, cleanest: leadIn, ended };
  const start = Math.max(tail.start, Math.min(Math.floor((tail.start + tail.stop) / 2), tail.stop - enough));
  return { leadIn, cleanest: { start, stop: tail.stop }, ended };
}

/**
 * Return how many of the first levels are steady; 0 if they are fewer than `fewest`.
 * @param {number[]} levels
 * @param {number} fewest
 */
function steady(levels, fewest) {
  let count = fewest;
  while (count <= levels.length) {
    const first = levels.slice(0, count);
    if (maximum(first) > quantile(first, 0.5) + STEADY_DB) break;
    count += 1;
  }
  // The frame that is too loud overlaps those before it.
  count -= count > levels.length ? 1 : 5;
  for (let shorter = count; shorter >= Math.max(fewest, Math.floor(count / 2)); shorter--) {
    const half = Math.floor(shorter / 2);
    if (Math.abs(mean(levels.slice(0, half)) - mean(levels.slice(half, shorter))) < DRIFT_DB) return shorter;
  }
  return 0;
}

/**
 * Return the short-time spectra, with the root of Hann's window.
 * @param {Float64Array} audio
 * @param {number} sampleRate
 */
function spectra(audio, sampleRate) {
  const window = hann(frame(sampleRate).size).map(Math.sqrt);
  return frames(audio, sampleRate).map((one) => rfft(one.map((value, index) => value * window[index])));
}

/** @param {{real: Float64Array, imaginary: Float64Array}} spectrum */
const powers = ({ real, imaginary }) => real.map((value, bin) => value * value + imaginary[bin] * imaginary[bin]);

/**
 * Reduce the noise floor by a gate and subtraction in each bin of the short-time spectrum (Boll 1979).
 * @param {Float64Array} audio
 * @param {Part} where only noise sounds
 * @param {number} sampleRate
 * @param {boolean} before the note
 * @param {boolean} always also where the noise is below `NOISE_DB`
 * @returns {{audio: Float64Array, level: number, remark: string}}
 */
export function removeNoise(audio, where, sampleRate, before, always) {
  const { size, step } = frame(sampleRate);
  const window = hann(size);
  const floor = spectra(audio.subarray(where.start, where.stop), sampleRate).map((one) => powers(one).map((value) => value + 1e-20));
  const lines = floor[0].map((_, bin) => mean(floor.map((one) => one[bin])));
  let noise = rollingMedian(lines, 9);
  const level = Math.sqrt(mean(noise) / window.reduce((sum, value) => sum + value, 0));
  const loud = 20 * Math.log10(level + 1e-9) >= NOISE_DB[0] + maximum(frameLevels(audio, sampleRate));
  const spread = lines.reduce((sum, line, bin) => sum + line * (Math.log(line) - mean(floor.map((one) => Math.log(one[bin])))), 0);
  const isNoise = before || spread / lines.reduce((sum, line) => sum + line, 0) >= NOISE_SPREAD;
  if (!isNoise || !(loud || always)) return { audio, level: 0, remark: "" };
  // What sounds steadily before the first note is background, also where it is no noise; after it, it can be the note.
  if (before) noise = noise.map((value, bin) => Math.max(value, lines[bin]));
  const padded = new Float64Array(audio.length + 2 * size + step);
  padded.set(audio, size);
  const all = spectra(padded, sampleRate);
  const framePowers = all.map(powers);
  const cleaned = new Float64Array(padded.length + size);
  for (const [index, spectrum] of all.entries()) {
    const near = Array.from({ length: 9 }, (_, place) => framePowers[index + place - 4]).filter(Boolean);
    const around = noise.map((_, bin) => near.reduce((sum, one) => sum + one[bin], 0) / 9);
    for (let bin = 0; bin < noise.length; bin++) {
      const local = ((around[bin - 1] ?? 0) + around[bin] + (around[bin + 1] ?? 0)) / 3;
      const left = local > GATE * noise[bin] ? Math.sqrt(Math.max(1 - noise[bin] / Math.max(local, 1e-20), 0)) : 0;
      const gain = Math.max(left, LEAST_GAIN);
      spectrum.real[bin] *= gain;
      spectrum.imaginary[bin] *= gain;
    }
    // Hann windows a quarter apart add to 2.
    irfft(spectrum).forEach((value, place) => (cleaned[index * step + place] += 0.5 * value * Math.sqrt(window[place])));
  }
  const remark = loud ? `noise at ${(20 * Math.log10(level)).toFixed(0)} dB reduced` : "";
  return { audio: cleaned.slice(size, size + audio.length), level, remark };
}

/**
 * Return the median of `width` values around each value, mirrored at the ends.
 * @param {Float64Array} values
 * @param {number} width odd
 */
export function rollingMedian(values, width) {
  const half = width >> 1;
  const last = values.length - 1;
  const at = (/** @type {number} */ index) => values[index < 0 ? -index : index > last ? 2 * last - index : index];
  return values.map((_, center) => quantile(Array.from({ length: width }, (_, place) => at(center + place - half)), 0.5));
}
