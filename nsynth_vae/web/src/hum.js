/** Mains hum: multiples of about 50 or 60 Hz, as `analysis/background.remove_hum` subtracts them. */

import { frameLevels, maximum, NOISE_DB, rollingMedian } from "./background.js";
import { hann, powerOfTwo, rfft } from "./fft.js";

const [MAINS_HERTZ, MAINS_OFF] = [[50, 60], 0.5];
const HUM_MULTIPLES = 24;

/**
 * Subtract hum, whose amplitudes and phases a quiet part gives.
 * @param {Float64Array} audio
 * @param {{start: number, stop: number}} where no note sounds
 * @param {number} sampleRate
 * @returns {{audio: Float64Array, remark: string}}
 */
export function removeHum(audio, where, sampleRate) {
  const part = audio.subarray(where.start, where.stop);
  const window = hann(part.length);
  const size = powerOfTwo(8 * part.length);
  const spectrum = rfft(part.map((value, index) => value * window[index]), size);
  const power = spectrum.real.map((value, bin) => value ** 2 + spectrum.imaginary[bin] ** 2);
  const stride = Math.floor(size / part.length);
  const floor = rollingMedian(power.filter((_, bin) => bin % stride === 0), 25);
  const multiples = Array.from({ length: Math.min(HUM_MULTIPLES, Math.floor(sampleRate / 2 / 64)) }, (_, index) => index + 1);
  let best = { score: 0, hertz: 0, present: /** @type {number[]} */ ([]) };
  for (const mains of MAINS_HERTZ) {
    for (let step = 0; step < 251; step++) {
      const hertz = mains - 2.5 + 0.02 * step;
      const bins = multiples.map((multiple) => Math.round((multiple * hertz * size) / sampleRate));
      const present = multiples.filter((_, index) => power[bins[index]] / (floor[Math.floor(bins[index] / stride)] + 1e-20) > 16);
      const score = present.reduce((sum, multiple) => sum + power[bins[multiple - 1]], 0);
      if (present.some((multiple) => multiple <= 3) && score > best.score) best = { score, hertz, present };
    }
  }
  const mains = Math.abs(best.hertz - 50) <= Math.abs(best.hertz - 60) ? 50 : 60;
  if (!best.present.length || Math.abs(best.hertz - mains) > MAINS_OFF) return { audio, remark: "" };
  const hum = fitHum(audio, where, best.hertz, best.present, sampleRate);
  const level = 10 * Math.log10(hum.reduce((sum, value) => sum + value * value, 0) / hum.length + 1e-20);
  if (level < NOISE_DB[0] + maximum(frameLevels(audio, sampleRate))) return { audio, remark: "" };
  return { audio: audio.map((value, index) => value - hum[index]), remark: `hum of ${mains} Hz at ${level.toFixed(0)} dB removed` };
}

/**
 * Return the multiples of a frequency that are nearest to the audio in a part of it; Gauss-Newton steps refine it.
 * @param {Float64Array} audio
 * @param {{start: number, stop: number}} where
 * @param {number} hertz
 * @param {number[]} multiples
 * @param {number} sampleRate
 */
function fitHum(audio, where, hertz, multiples, sampleRate) {
  const target = audio.subarray(where.start, where.stop);
  const phase = (/** @type {number} */ index) => (2 * Math.PI * hertz * index) / sampleRate;
  // Last a constant: an offset that was measured beside hum is a little off, and would bend the fit.
  const rows = () => [
    ...multiples.flatMap((multiple) =>
      [Math.cos, Math.sin].map((wave) => target.map((_, index) => wave(multiple * phase(where.start + index)))),
    ),
    target.map(() => 1),
  ];
  for (let count = 0; count < 5; count++) {
    const basis = rows();
    const fitted = leastSquares(basis, target);
    const slope = target.map((_, index) => {
      let sum = 0;
      for (const [place, multiple] of multiples.entries()) {
        sum += multiple * (fitted[2 * place + 1] * basis[2 * place][index] - fitted[2 * place] * basis[2 * place + 1][index]);
      }
      return ((2 * Math.PI * (where.start + index)) / sampleRate) * sum;
    });
    hertz += Math.max(-0.05, Math.min(0.05, leastSquares([...basis, slope], target)[2 * multiples.length + 1]));
  }
  const fitted = leastSquares(rows(), target);
  return audio.map((_, index) =>
    multiples.reduce((sum, multiple, place) => {
      const angle = multiple * phase(index);
      return sum + fitted[2 * place] * Math.cos(angle) + fitted[2 * place + 1] * Math.sin(angle);
    }, fitted[2 * multiples.length]),
  );
}

/**
 * Solve a linear least-squares problem by its normal equations, columns at unit length (Cholesky).
 * @param {Float64Array[]} columns
 * @param {ArrayLike<number>} target
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
