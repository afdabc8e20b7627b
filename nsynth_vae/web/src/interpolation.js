/** Windowed-sinc interpolation: of a sound at any place, and from one sample rate to another. */

import { roundHalfEven } from "./crossfade.js";

/** Samples on each side, and phases between two samples, of the table by which voices are played. */
export const HALF = 12;
const PHASES = 512;

/**
 * Return the modified Bessel function of order 0 by its series.
 * @param {number} x
 */
function bessel(x) {
  let [sum, term] = [1, 1];
  for (let index = 1; term > 1e-18 * sum; index++) {
    term *= (x / (2 * index)) ** 2;
    sum += term;
  }
  return sum;
}

/**
 * Return a Kaiser window at -1..1.
 * @param {number} place
 * @param {number} beta
 */
function kaiser(place, beta) {
  return Math.abs(place) >= 1 ? 0 : bessel(beta * Math.sqrt(1 - place * place)) / bessel(beta);
}

/** @param {number} x */
const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** Coefficients, `[PHASES + 1][2 * HALF]`: sidelobes 80 dB down from 9.3 kHz on, for a sound of 16 kHz. */
const table = new Float32Array((PHASES + 1) * 2 * HALF);
for (let phase = 0; phase <= PHASES; phase++) {
  let sum = 0;
  const row = table.subarray(phase * 2 * HALF, (phase + 1) * 2 * HALF);
  for (let tap = 0; tap < 2 * HALF; tap++) {
    const place = tap - HALF + 1 - phase / PHASES;
    row[tap] = sinc(place) * kaiser(place / HALF, 8);
    sum += row[tap];
  }
  for (let tap = 0; tap < 2 * HALF; tap++) row[tap] /= sum;
}

/**
 * Return the sound between `window[HALF - 1]` and the next sample.
 * @param {Float32Array} window
 * @param {number} offset of the window's first sample in the array
 * @param {number} fraction 0 to 1
 */
export function interpolate(window, offset, fraction) {
  const row = Math.round(fraction * PHASES) * 2 * HALF;
  let sum = 0;
  for (let tap = 0; tap < 2 * HALF; tap++) sum += window[offset + tap] * table[row + tap];
  return sum;
}

/**
 * Filters of soxr's HQ by its impulse responses: half lengths in samples of the lower rate, and Kaiser's beta. Ratios of
 * numbers below 5 are one filter; of others this is the last one, the sharp one.
 */
const [SIMPLE, OTHER] = [
  { half: 97, beta: 13.04 },
  { half: 101.826, beta: 13.7277 },
];
/** What its first filters do for ratios such as 441:160, as a symmetric filter at the lower rate: -0.009 dB at 0.9. */
const FIRST = [
  0.99977741, 2.0293e-4, -1.5574e-4, 1.0475e-4, -6.604e-5, 4.189e-5, -2.712e-5, 1.778e-5, -1.169e-5, 7.6e-6, -4.83e-6, 2.93e-6, -1.63e-6,
];
/** Middle of the transition, in lower Nyquist frequencies: from 0.9137 to 1. */
const CUTOFF = 0.956871;

/**
 * Return a sound at another sample rate, as soxr's HQ does. Both ends are continued by their reflection in the first and
 * last sample: zeros there would be steps where a recording has an offset, and ring.
 * @param {ArrayLike<number>} audio
 * @param {number} rateIn
 * @param {number} rateOut
 * @returns {Float32Array}
 */
export function resample(audio, rateIn, rateOut) {
  if (rateIn === rateOut) return Float32Array.from(audio);
  const lower = Math.min(1, rateOut / rateIn);
  const divisor = gcd(rateIn, rateOut);
  const [up, down] = [rateOut / divisor, rateIn / divisor];
  const { half: span, beta } = Math.max(up, down) < 5 ? SIMPLE : OTHER;
  const half = Math.ceil(span / lower);
  const cutoff = CUTOFF * lower;
  const phases = new Map();
  const length = roundHalfEven((audio.length * rateOut) / rateIn);
  const first = down > up && up > 1 && down >= 5 ? FIRST : [1];
  const around = first.length - 1;
  const last = audio.length - 1;
  const reach = half + Math.ceil(((around + 1) * down) / up);
  const continued = Float64Array.from({ length: audio.length + 2 * reach }, (_, index) => {
    const place = index - reach;
    if (place < 0) return 2 * audio[0] - audio[Math.min(-place, last)];
    return place > last ? 2 * audio[last] - audio[Math.max(0, 2 * last - place)] : audio[place];
  });
  const found = Float64Array.from({ length: length + 2 * around }, (_, index) => {
    const center = Math.floor(((index - around) * down) / up);
    const phase = (index - around) * down - center * up;
    let filter = phases.get(phase);
    if (!filter) {
      filter = Float64Array.from({ length: 2 * half }, (_, tap) => {
        const place = tap - half + 1 - phase / up;
        return cutoff * sinc(cutoff * place) * kaiser((place * lower) / span, beta);
      });
      phases.set(phase, filter);
    }
    let sum = 0;
    const start = center - half + 1 + reach;
    for (let tap = 0; tap < filter.length; tap++) sum += filter[tap] * continued[start + tap];
    return sum;
  });
  return Float32Array.from({ length }, (_, index) => {
    const [middle, center] = [index + around, first[0] * found[index + around]];
    return first.reduce((sum, gain, delay) => (delay ? sum + gain * (found[middle - delay] + found[middle + delay]) : sum), center);
  });
}

/**
 * @param {number} one
 * @param {number} other
 * @returns {number}
 */
function gcd(one, other) {
  return other ? gcd(other, one % other) : one;
}
