/** Recordings as notes: channels, offset, noise floor, onset and level, as `analysis/recordings.py` treats them. */

import { hann, irfft, power, rfft } from "./fft.js";
import { removeHum } from "./hum.js";

/** Range of noise and hum, dB of the loudest frame. */
export const NOISE_DB = [-66, -12];
const PEAK_DB = -0.6;
const QUIET_DB = -45;
const RAISED_DB = 6;
const ONSET_DB = -40;
const ONSET_SECONDS = 0.0025;
const CANCELLED = 0.25;
const OFFSET = 1e-3;
const HUM_LEFT_DB = -110;
const STEADY_DB = 3;
const DRIFT_DB = 1;
const [LEAD_IN_FRAMES, TAIL_FRAMES] = [8, 16];
const NOISE_SPREAD = 0.35;
const GATE = 2.5;
const EVENT_SECONDS = 0.05;
const EVENT_ENERGY = 0.2;

/** @typedef {{start: number, stop: number}} Part */

/**
 * Turn a recording into the sound of a note.
 * @param {Float32Array[]} channels
 * @param {number} sampleRate
 * @returns {{audio: Float32Array, onset: number, remarks: string[]}}
 */
export function prepare(channels, sampleRate) {
  const folded = fold(channels);
  const offset = removeOffset(folded.audio, sampleRate);
  let { audio } = offset;
  const remarks = [folded.remark, offset.remark];
  let noiseLevel = 0;
  let hummed = "";
  let quiet = findQuiet(audio, sampleRate);
  if (quiet.length) {
    const found = removeHum(audio, quiet, sampleRate, NOISE_DB[0] + maximum(frameLevels(audio, sampleRate)));
    ({ audio, remark: hummed } = found);
    remarks.push(hummed);
    if (hummed) quiet = findQuiet(audio, sampleRate, HUM_LEFT_DB);
  }
  if (quiet.length) {
    const found = removeNoise(audio, quiet, sampleRate, Boolean(hummed));
    audio = found.audio;
    noiseLevel = found.level;
    remarks.push(found.remark);
  }
  return { audio: Float32Array.from(audio), onset: findOnset(audio, sampleRate, noiseLevel), remarks: remarks.filter(Boolean) };
}

/** @param {ArrayLike<number>} values */
function maximum(values) {
  let most = -Infinity;
  for (let index = 0; index < values.length; index++) most = Math.max(most, values[index]);
  return most;
}

/** @param {ArrayLike<number>} values */
const mean = (values) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

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

/**
 * Fold channels to one: their mean, or the loudest of them if the mean loses a part of the spectrum.
 * @param {Float32Array[]} channels
 */
function fold(channels) {
  const audio = Float64Array.from(channels[0], (_, index) => channels.reduce((sum, one) => sum + one[index], 0) / channels.length);
  if (channels.length === 1 || audio.length < 2) return { audio, remark: "" };
  const together = thirdOctaves(audio);
  const bands = channels.map((channel) => thirdOctaves(Float64Array.from(channel)));
  const each = together.map((_, band) => mean(bands.map((one) => one[band])));
  const least = 0.01 * maximum(each);
  if (each.every((value, band) => value <= least || together[band] >= CANCELLED * value)) return { audio, remark: "" };
  const powers = channels.map((channel) => channel.reduce((sum, value) => sum + value * value, 0));
  const loudest = powers.indexOf(Math.max(...powers));
  const remark = `channels cancel out, channel ${loudest + 1} of ${channels.length} used`;
  return { audio: Float64Array.from(channels[loudest]), remark };
}

/** @param {Float64Array} audio */
function thirdOctaves(audio) {
  const offset = mean(audio);
  const bins = power(audio.map((value) => value - offset));
  const edges = [...new Set(Array.from({ length: 31 }, (_, index) => Math.floor(bins.length * 2 ** ((index - 30) / 3))))];
  return edges.slice(0, -1).map((edge, index) => bins.subarray(edge, edges[index + 1]).reduce((sum, value) => sum + value, 0));
}

/** @param {number} sampleRate */
function frame(sampleRate) {
  const step = Math.max(1, Math.round((0.064 * sampleRate) / 4));
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
 * Subtract the offset of the quietest tenth of a recording.
 * @param {Float64Array} audio
 * @param {number} sampleRate
 */
function removeOffset(audio, sampleRate) {
  const all = frames(audio, sampleRate);
  if (!all.length) return { audio, remark: "" };
  const window = hann(all[0].length);
  const total = window.reduce((sum, value) => sum + value, 0);
  const means = all.map((one) => one.reduce((sum, value, index) => sum + value * window[index], 0) / total);
  const spread = all.map((one) => {
    const middle = mean(one);
    return Math.sqrt(one.reduce((sum, value) => sum + (value - middle) ** 2, 0) / one.length);
  });
  const quietest = quantile(spread, 0.1);
  const offset = quantile(means.filter((_, index) => spread[index] <= quietest), 0.5);
  const remark = Math.abs(offset) >= OFFSET ? `offset of ${(100 * offset).toFixed(1)} % removed` : "";
  return { audio: audio.map((value) => value - offset), remark };
}

/**
 * Return the frames' levels, dB of full scale.
 * @param {Float64Array} audio
 * @param {number} sampleRate
 */
function frameLevels(audio, sampleRate) {
  const energies = frames(audio, sampleRate).map((one) => one.reduce((sum, value) => sum + value * value, 0) / one.length);
  return energies.map((energy) => 10 * Math.log10(Math.max(energy, 1e-14)));
}

/**
 * Find where only the noise floor sounds: the steady part before the first sound, and that after the last.
 * @param {Float64Array} audio
 * @param {number} sampleRate
 * @param {number} least dB of the loudest frame
 * @returns {Part[]} the longest first
 */
function findQuiet(audio, sampleRate, least = NOISE_DB[0]) {
  const levels = frameLevels(audio, sampleRate);
  const { size, step } = frame(sampleRate);
  const found = [];
  for (const [reverse, fewest] of /** @type {[boolean, number][]} */ ([[false, LEAD_IN_FRAMES], [true, TAIL_FRAMES]])) {
    const ordered = reverse ? [...levels].reverse() : levels;
    const count = steady(ordered, fewest);
    if (!count) continue;
    const median = quantile(ordered.slice(0, count), 0.5) - maximum(levels);
    const [first, last] = reverse ? [levels.length - count, levels.length] : [0, count];
    const part = { start: first * step, stop: (last - 1) * step + size };
    const inRange = median >= least && median <= NOISE_DB[1];
    if (inRange && (!reverse || isNoise(audio.subarray(part.start, part.stop), sampleRate))) found.push(part);
  }
  return found.sort((one, other) => one.start - one.stop - (other.start - other.stop));
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
  const half = Math.floor(count / 2);
  return count >= fewest && Math.abs(mean(levels.slice(0, half)) - mean(levels.slice(half, count))) < DRIFT_DB ? count : 0;
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
 * @param {Float64Array} audio
 * @param {number} sampleRate
 */
function isNoise(audio, sampleRate) {
  const all = spectra(audio, sampleRate).map(powers);
  const spread = all[0].map((_, bin) => {
    const column = all.map((one) => one[bin] + 1e-20);
    return Math.log(mean(column)) - mean(column.map(Math.log));
  });
  return quantile(spread, 0.5) >= NOISE_SPREAD;
}

/**
 * Gate and subtract the noise floor in each bin of the short-time spectrum (Boll 1979).
 * @param {Float64Array} audio
 * @param {Part[]} quiet
 * @param {number} sampleRate
 * @param {boolean} always
 */
function removeNoise(audio, quiet, sampleRate, always) {
  const { size, step } = frame(sampleRate);
  const window = hann(size);
  const measured = quiet.flatMap(({ start, stop }) => spectra(audio.subarray(start, stop), sampleRate).map(powers));
  const lines = measured[0].map((_, bin) => mean(measured.map((one) => one[bin])));
  let noise = rollingMedian(lines, 9);
  const level = Math.sqrt(mean(noise) / window.reduce((sum, value) => sum + value, 0));
  const loud = 20 * Math.log10(level + 1e-9) >= NOISE_DB[0] + maximum(frameLevels(audio, sampleRate));
  if (!loud && !always) return { audio, level: 0, remark: "" };
  // What sounds steadily before the first note is background, also where it is no noise.
  if (quiet.some(({ start }) => start === 0)) noise = noise.map((value, bin) => Math.max(value, lines[bin]));
  const padded = new Float64Array(audio.length + 2 * size + step);
  padded.set(audio, size);
  const all = spectra(padded, sampleRate);
  const framePowers = all.map(powers);
  const cleaned = new Float64Array(padded.length + size);
  for (const [index, spectrum] of all.entries()) {
    const near = Array.from({ length: 9 }, (_, place) => framePowers[index + place - 4]).filter(Boolean);
    for (let bin = 0; bin < noise.length; bin++) {
      const local = near.reduce((sum, one) => sum + one[bin], 0) / 9;
      const gain = local > GATE * noise[bin] ? Math.sqrt(Math.max(1 - noise[bin] / Math.max(local, 1e-20), 0)) : 0;
      spectrum.real[bin] *= gain;
      spectrum.imaginary[bin] *= gain;
    }
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

/**
 * Return the sample at which the note begins, a little before it first nears its peak.
 * @param {ArrayLike<number>} audio
 * @param {number} sampleRate
 * @param {number} noiseLevel
 */
export function findOnset(audio, sampleRate, noiseLevel = 0) {
  let peak = 0;
  for (let index = 0; index < audio.length; index++) peak = Math.max(peak, Math.abs(audio[index]));
  if (peak < 1e-9) return 0;
  const least = Math.max(peak * 10 ** (ONSET_DB / 20), 4 * noiseLevel);
  const events = [];
  let last = -Infinity;
  for (let index = 0; index < audio.length; index++) {
    if (Math.abs(audio[index]) < least) continue;
    if (index - last > EVENT_SECONDS * sampleRate) events.push({ start: index, end: index });
    events[events.length - 1].end = last = index;
  }
  if (!events.length) return 0;
  const energies = events.map(({ start, end }) => {
    let energy = 0;
    for (let index = start; index <= end; index++) energy += audio[index] ** 2;
    return energy;
  });
  const first = energies.findIndex((energy) => energy >= EVENT_ENERGY * Math.max(...energies));
  return Math.max(events[first].start - Math.round(ONSET_SECONDS * sampleRate), 0);
}

/**
 * Scale a note to the level of NSynth's notes.
 * @param {Float32Array} audio
 */
export function setLevel(audio) {
  const peak = audio.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (!peak) return { audio, remarks: [] };
  const decibels = 20 * Math.log10(peak);
  const remarks = [];
  if (decibels < QUIET_DB) remarks.push(`quiet: peaks at ${decibels.toFixed(1)} dB of full scale, expected at least ${QUIET_DB}`);
  else if (PEAK_DB - decibels > RAISED_DB) remarks.push(`level raised by ${(PEAK_DB - decibels).toFixed(0)} dB`);
  const gain = 10 ** (PEAK_DB / 20) / peak;
  return { audio: audio.map((value) => value * gain), remarks };
}
