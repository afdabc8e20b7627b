/** Brightness equaliser of notes between the corners, as `rendering/brightness_equalizer.py` computes it. */

import { hann, irfft, power, powerOfTwo, rfft } from "./fft.js";

/** @typedef {{tilt: number, curvature: number}} Equalizer */

/** Largest gain, dB. */
const MOST_DB = 18;
const MOST = (MOST_DB / 20) * Math.log(10);
const [MIDDLE_HERTZ, LOWEST_HERTZ] = [500, 40];
const REGULARIZATION = 1e-3;
const [MOST_STEPS, LONGEST_STEP, TOLERANCE, DIFFERENCE] = [200, 1, 1e-6, 1e-6];
const PEAK = 2027 / 2048;
/** Peak below which audio is silent. */
const SILENCE = 1e-5;

/**
 * Return the power spectrum of a whole note, in frames of 128 ms of equal weight.
 * @param {ArrayLike<number>} audio
 * @param {number} sampleRate
 */
export function powerSpectrum(audio, sampleRate) {
  const length = Math.round(0.128 * sampleRate);
  const window = hann(length);
  const padded = new Float64Array(audio.length + 2 * length);
  padded.set(Float64Array.from(audio), length);
  const total = new Float64Array((length >> 1) + 1);
  const step = Math.floor(length / 4);
  for (let start = 0; start + length <= padded.length; start += step) {
    const frame = power(padded.subarray(start, start + length).map((value, index) => value * window[index]));
    for (let bin = 0; bin < total.length; bin++) total[bin] += frame[bin];
  }
  return { hertz: Float64Array.from(total, (_, bin) => (bin * sampleRate) / length), power: total };
}

/**
 * Return mean and standard deviation of frequency, weighted by power.
 * @param {Float64Array} hertz
 * @param {Float64Array} weights
 * @returns {[number, number]}
 */
export function moments(hertz, weights) {
  let [sum, first] = [0, 0];
  for (let bin = 0; bin < hertz.length; bin++) {
    sum += weights[bin];
    first += hertz[bin] * weights[bin];
  }
  const centroid = first / sum;
  let second = 0;
  for (let bin = 0; bin < hertz.length; bin++) second += (hertz[bin] - centroid) ** 2 * weights[bin];
  return [centroid, Math.sqrt(Math.max(second / sum, 0))];
}

/**
 * Return the logarithms of a note's spectral centroid and spread; null for silence.
 * @param {ArrayLike<number>} audio
 * @param {number} sampleRate
 * @returns {[number, number] | null}
 */
export function logMoments(audio, sampleRate) {
  let peak = 0;
  for (let index = 0; index < audio.length; index++) peak = Math.max(peak, Math.abs(audio[index]));
  if (peak < SILENCE) return null;
  const spectrum = powerSpectrum(audio, sampleRate);
  const [centroid, spread] = moments(spectrum.hertz, spectrum.power);
  return [Math.log(centroid), Math.log(spread)];
}

/**
 * Return the gain at frequencies, in nats.
 * @param {Equalizer} equalizer
 * @param {Float64Array} octaves ln(f / 500 Hz)
 */
function gain({ tilt, curvature }, octaves) {
  return octaves.map((x) => MOST * Math.tanh((tilt * x + curvature * x * x) / MOST));
}

/** @param {Float64Array} hertz */
const logFrequencies = (hertz) => hertz.map((value) => Math.log(Math.max(value, LOWEST_HERTZ) / MIDDLE_HERTZ));

/**
 * Return the smallest equaliser that brings a note's log centroid and log spread to a target: Levenberg-Marquardt.
 * @param {ArrayLike<number>} audio
 * @param {number[]} target
 * @param {number} sampleRate
 * @returns {Equalizer}
 */
export function fit(audio, target, sampleRate) {
  const { hertz, power: spectrum } = powerSpectrum(audio, sampleRate);
  const octaves = logFrequencies(hertz);
  const error = (/** @type {number[]} */ [tilt, curvature]) => {
    const gains = gain({ tilt, curvature }, octaves);
    const found = moments(hertz, spectrum.map((value, bin) => value * Math.exp(2 * gains[bin])));
    return [
      Math.log(found[0]) - target[0],
      Math.log(found[1]) - target[1],
      REGULARIZATION * tilt,
      REGULARIZATION * curvature,
    ];
  };
  const dot = (/** @type {number[]} */ one, /** @type {number[]} */ other) =>
    one.reduce((sum, value, index) => sum + value * other[index], 0);
  let parameters = [0, 0];
  let damping = 1e-3;
  let current = error(parameters);
  for (let count = 0; count < MOST_STEPS; count++) {
    const columns = [0, 1].map((axis) =>
      error(parameters.map((value, index) => value + (index === axis ? DIFFERENCE : 0))).map(
        (value, row) => (value - current[row]) / DIFFERENCE,
      ),
    );
    const [a, b, d] = [dot(columns[0], columns[0]), dot(columns[0], columns[1]), dot(columns[1], columns[1])];
    const right = columns.map((column) => -dot(column, current));
    const [damped, last] = [a * (1 + damping), d * (1 + damping)];
    const determinant = damped * last - b * b;
    let step = [(right[0] * last - b * right[1]) / determinant, (damped * right[1] - b * right[0]) / determinant];
    const scale = Math.min(1, LONGEST_STEP / Math.max(Math.hypot(...step), 1e-12));
    step = step.map((value) => value * scale);
    const moved = parameters.map((value, index) => value + step[index]);
    const after = error(moved);
    if (dot(after, after) < dot(current, current)) [parameters, current, damping] = [moved, after, damping / 10];
    else damping *= 10;
    if (Math.hypot(...step) < TOLERANCE * (1 + Math.hypot(...parameters))) break;
  }
  return { tilt: parameters[0], curvature: parameters[1] };
}

/**
 * Filter a note by an equaliser of minimum phase, at its former level or lower so that no sample exceeds the peak.
 * @param {ArrayLike<number>} audio
 * @param {Equalizer} equalizer
 * @param {number} sampleRate
 */
export function apply(audio, equalizer, sampleRate) {
  const size = powerOfTwo(2 * audio.length);
  const bins = size / 2 + 1;
  const gains = gain(equalizer, logFrequencies(Float64Array.from({ length: bins }, (_, bin) => (bin * sampleRate) / size)));
  const cepstrum = irfft({ real: gains, imaginary: new Float64Array(bins) });
  for (let index = 1; index < size / 2; index++) {
    cepstrum[index] *= 2;
    cepstrum[size - index] = 0;
  }
  const response = rfft(cepstrum);
  const spectrum = rfft(audio, size);
  for (let bin = 0; bin < bins; bin++) {
    const magnitude = Math.exp(response.real[bin]);
    const [c, s] = [magnitude * Math.cos(response.imaginary[bin]), magnitude * Math.sin(response.imaginary[bin])];
    const { real, imaginary } = spectrum;
    [real[bin], imaginary[bin]] = [real[bin] * c - imaginary[bin] * s, real[bin] * s + imaginary[bin] * c];
  }
  const filtered = irfft(spectrum).subarray(0, audio.length);
  let [before, after, peak] = [0, 0, 0];
  for (let index = 0; index < audio.length; index++) {
    before += audio[index] ** 2;
    after += filtered[index] ** 2;
    peak = Math.max(peak, Math.abs(filtered[index]));
  }
  const level = Math.min(Math.sqrt(before) / Math.max(Math.sqrt(after), 1e-12), PEAK / Math.max(peak, 1e-12));
  return Float32Array.from(filtered, (value) => value * level);
}
