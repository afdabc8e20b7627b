/** Mains hum: multiples of about 50 or 60 Hz, whose amplitudes and phases the quiet parts of a recording give. */

import { hann, irfft, powerOfTwo, rfft } from "./fft.js";
import { rollingMedian } from "./recording.js";

const MAINS_HERTZ = [50, 60];
const HUM_MULTIPLES = 24;

/**
 * Subtract hum, as `analysis/recordings.remove_hum` does.
 * @param {Float64Array} audio
 * @param {{start: number, stop: number}[]} quiet where no note sounds, the longest part first
 * @param {number} sampleRate
 * @param {number} least level of hum that is removed, dB of full scale
 * @returns {{audio: Float64Array, remark: string}}
 */
export function removeHum(audio, quiet, sampleRate, least) {
  const part = audio.subarray(quiet[0].start, quiet[0].stop);
  const window = hann(part.length);
  const size = powerOfTwo(8 * part.length);
  const spectrum = rfft(part.map((value, index) => value * window[index]), size);
  const power = spectrum.real.map((value, bin) => value ** 2 + spectrum.imaginary[bin] ** 2);
  const stride = Math.floor(size / part.length);
  const floor = rollingMedian(power.filter((_, bin) => bin % stride === 0), 25);
  const multiples = Array.from({ length: Math.min(HUM_MULTIPLES, Math.floor(sampleRate / 2 / 61)) }, (_, index) => index + 1);
  let best = { score: 0, hertz: 0, present: /** @type {number[]} */ ([]) };
  for (const mains of MAINS_HERTZ) {
    for (let step = 0; step < 51; step++) {
      const hertz = mains - 0.5 + 0.02 * step;
      const bins = multiples.map((multiple) => Math.round((multiple * hertz * size) / sampleRate));
      const present = multiples.filter((_, index) => power[bins[index]] / (floor[Math.floor(bins[index] / stride)] + 1e-20) > 16);
      const score = present.reduce((sum, multiple) => sum + power[bins[multiple - 1]], 0);
      if (present.some((multiple) => multiple <= 3) && score > best.score) best = { score, hertz, present };
    }
  }
  if (!best.present.length) return { audio, remark: "" };
  const hum = fitHum(audio, quiet, best.hertz, best.present, sampleRate);
  const level = 10 * Math.log10(hum.reduce((sum, value) => sum + value * value, 0) / hum.length + 1e-20);
  if (level < least) return { audio, remark: "" };
  const mains = Math.abs(best.hertz - 50) < Math.abs(best.hertz - 60) ? 50 : 60;
  return { audio: audio.map((value, index) => value - hum[index]), remark: `hum of ${mains} Hz at ${level.toFixed(0)} dB removed` };
}

/**
 * Return the multiples of a frequency that are nearest to the audio in its quiet parts; Gauss-Newton steps refine it.
 * @param {Float64Array} audio
 * @param {{start: number, stop: number}[]} quiet
 * @param {number} hertz
 * @param {number[]} multiples
 * @param {number} sampleRate
 */
function fitHum(audio, quiet, hertz, multiples, sampleRate) {
  // Only the band of the hum is fitted: at a lower rate, a power of two below the audio's.
  const padded = powerOfTwo(audio.length);
  const wanted = 2 * (1 + Math.ceil((2 * HUM_MULTIPLES * Math.max(...MAINS_HERTZ) * padded) / sampleRate));
  const size = Math.min(padded, powerOfTwo(wanted));
  const scale = size / padded;
  const { real, imaginary } = rfft(audio, padded);
  const low = irfft({ real: real.slice(0, size / 2 + 1), imaginary: imaginary.slice(0, size / 2 + 1) }).map((value) => value * scale);
  const places = quiet.map(({ start, stop }) => {
    const [first, last] = [Math.floor(start * scale), Math.floor(stop * scale)];
    return Array.from({ length: last - first }, (_, index) => first + index);
  });
  let fitted = new Float64Array(2 * multiples.length);
  for (const [round, all] of [places[0], places.flat(), places.flat()].entries()) {
    const target = all.map((index) => low[index]);
    const seconds = all.map((index) => index / (scale * sampleRate));
    for (let step = 0; step < (round < 2 ? 4 : 1); step++) {
      const basis = waves(seconds, hertz, multiples);
      fitted = leastSquares(basis, target);
      if (round === 2) break;
      const slope = seconds.map((time, row) => {
        let sum = 0;
        for (const [index, multiple] of multiples.entries()) {
          const [cosine, sine] = [basis[index][row], basis[multiples.length + index][row]];
          sum += multiple * (fitted[multiples.length + index] * cosine - fitted[index] * sine);
        }
        return 2 * Math.PI * time * sum;
      });
      const change = leastSquares([...basis, Float64Array.from(slope)], target)[2 * multiples.length];
      hertz += Math.max(-0.05, Math.min(0.05, change));
    }
  }
  return Float64Array.from(audio, (_, index) => {
    let sum = 0;
    for (const [place, multiple] of multiples.entries()) {
      const phase = (2 * Math.PI * hertz * multiple * index) / sampleRate;
      sum += fitted[place] * Math.cos(phase) + fitted[multiples.length + place] * Math.sin(phase);
    }
    return sum;
  });
}

/**
 * @param {number[]} seconds
 * @param {number} hertz
 * @param {number[]} multiples
 * @returns {Float64Array[]} the cosines, then the sines
 */
function waves(seconds, hertz, multiples) {
  const phase = (/** @type {number} */ time, /** @type {number} */ multiple) => 2 * Math.PI * hertz * multiple * time;
  return [Math.cos, Math.sin].flatMap((wave) => multiples.map((multiple) => Float64Array.from(seconds, (time) => wave(phase(time, multiple)))));
}

/**
 * Solve a linear least-squares problem by its normal equations, columns at unit length (Cholesky).
 * @param {Float64Array[]} columns
 * @param {number[]} target
 */
function leastSquares(columns, target) {
  const dot = (/** @type {ArrayLike<number>} */ one, /** @type {ArrayLike<number>} */ other) => {
    let sum = 0;
    for (let index = 0; index < one.length; index++) sum += one[index] * other[index];
    return sum;
  };
  const lengths = columns.map((column) => Math.sqrt(dot(column, column)) || 1);
  const count = columns.length;
  const lower = columns.map(() => new Float64Array(count));
  for (let row = 0; row < count; row++) {
    for (let column = 0; column <= row; column++) {
      let sum = dot(columns[row], columns[column]) / (lengths[row] * lengths[column]);
      for (let index = 0; index < column; index++) sum -= lower[row][index] * lower[column][index];
      // A column that the others span gets no weight.
      lower[row][column] = row === column ? Math.sqrt(Math.max(sum, 1e-12)) : sum / lower[column][column];
    }
  }
  const solution = Float64Array.from(columns, (column, row) => dot(column, target) / lengths[row]);
  for (let row = 0; row < count; row++) {
    for (let index = 0; index < row; index++) solution[row] -= lower[row][index] * solution[index];
    solution[row] /= lower[row][row];
  }
  for (let row = count - 1; row >= 0; row--) {
    for (let index = row + 1; index < count; index++) solution[row] -= lower[index][row] * solution[index];
    solution[row] /= lower[row][row];
  }
  return solution.map((value, row) => value / lengths[row]);
}
