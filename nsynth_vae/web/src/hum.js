/** Mains hum: multiples of about 50 or 60 Hz, as `analysis/hum.remove_hum` subtracts them. */

import { frameLevels, maximum, mean, NOISE_DB } from "./background.js";
import { hann, irfft, powerOfTwo, rfft } from "./fft.js";

const [MAINS_HERTZ, MAINS_OFF] = [[50, 60], 0.5];
const [SEARCHED, SCORED] = [24, 8];
const HUM_RATE = 3200;
const [SEGMENT_SECONDS, SHORTEST_SECONDS] = [1, 0.2];
const BESIDE = [-7, -6, -5, -4, 4, 5, 6, 7];
const FINE = 8;
const COHERENT = 0.9;
const [AUDIBLE, CLEAR] = [2, 16];
const LOUDER = 10;
const PASSES = 4;

/**
 * @typedef {{real: Float64Array, imaginary: Float64Array}} Phasors
 * @typedef {{frames: Float64Array[], step: number, centres: number[]}} Segments
 */

/**
 * Subtract hum whose phases and amplitudes stay.
 * @param {Float64Array} audio
 * @param {{start: number, stop: number} | null} where a part in which no note sounds
 * @param {number} sampleRate
 * @returns {{audio: Float64Array, remark: string}}
 */
export function removeHum(audio, where, sampleRate) {
  const nothing = { audio, remark: "" };
  if (audio.length < 2 * SHORTEST_SECONDS * sampleRate) return nothing;
  const { low, rate } = decimate(audio, sampleRate);
  const multiples = Array.from({ length: Math.floor(sampleRate / 2 / 64) }, (_, index) => index + 1);
  const hertz = search(low, rate, multiples.slice(0, SEARCHED));
  if (!hertz) return nothing;
  let found = fit(low, rate, multiples.slice(0, SEARCHED), hertz);
  const mains = Math.abs(found.hertz - 50) <= Math.abs(found.hertz - 60) ? 50 : 60;
  if (found.clear < (where ? 1 : 2) || Math.abs(found.hertz - mains) > MAINS_OFF) return nothing;
  if (rate < sampleRate) found = fit(audio, sampleRate, multiples, found.hertz);
  const hum = synthesize(found, sampleRate, audio.length);
  const level = 10 * Math.log10(hum.reduce((sum, value) => sum + value * value, 0) / hum.length + 1e-20);
  if (level < NOISE_DB[0] + maximum(frameLevels(audio, sampleRate))) return nothing;
  const rest = audio.map((value, index) => value - hum[index]);
  // An offset that was measured beside hum is a little off.
  const offset = where ? mean(rest.subarray(where.start, where.stop)) : 0;
  return { audio: rest.map((value) => value - offset), remark: `hum of ${mains} Hz at ${level.toFixed(0)} dB removed` };
}

/**
 * Return audio at a power of two below its rate.
 * @param {Float64Array} audio
 * @param {number} sampleRate
 */
function decimate(audio, sampleRate) {
  const factor = 2 ** Math.max(0, Math.floor(Math.log2(sampleRate / HUM_RATE)));
  const size = Math.max(powerOfTwo(audio.length), 2 * factor);
  const { real, imaginary } = rfft(audio, size);
  const bins = size / factor / 2 + 1;
  const low = irfft({ real: real.slice(0, bins), imaginary: imaginary.slice(0, bins) });
  const length = Math.floor(audio.length / factor);
  return { low: low.subarray(0, length).map((value) => value / factor), rate: sampleRate / factor };
}

/**
 * Return the sum of sinusoids.
 * @param {{hertz: number, multiples: number[], phasors: Phasors}} hum
 * @param {number} rate
 * @param {number} samples
 */
function synthesize({ hertz, multiples, phasors }, rate, samples) {
  const hum = new Float64Array(samples);
  for (const [line, multiple] of multiples.entries()) {
    const turn = (2 * Math.PI * multiple * hertz) / rate;
    const [re, im] = [phasors.real[line], phasors.imaginary[line]];
    for (let index = 0; index < samples; index++) hum[index] += re * Math.cos(turn * index) - im * Math.sin(turn * index);
  }
  return hum;
}

/**
 * Return segments a quarter of their length apart, under Hann's window, by which a sinusoid's phasor has its amplitude.
 * @param {Float64Array} audio
 * @param {number} rate
 * @returns {Segments}
 */
function segmentsOf(audio, rate) {
  const size = Math.min(Math.round(SEGMENT_SECONDS * rate), Math.floor(audio.length / 2));
  const step = Math.floor(size / 4);
  const window = hann(size).map((value) => (4 * value) / size);
  const frames = [];
  for (let start = 0; start + size <= audio.length; start += step) {
    frames.push(window.map((value, index) => value * audio[start + index]));
  }
  return { frames, step, centres: frames.map((_, index) => (index * step + size / 2) / rate) };
}

/**
 * Return the power of sinusoids in segments, `[1 + a power of two]` each.
 * @param {Segments} segments
 */
function powersOf({ frames }) {
  return frames.map((frame) => {
    const { real, imaginary } = rfft(frame, powerOfTwo(FINE * frame.length));
    return real.map((value, bin) => value * value + imaginary[bin] * imaginary[bin]);
  });
}

/**
 * Return the inverse of the power beside lines, `[lines]` of each segment.
 * @param {Float64Array[]} powers
 * @param {number[]} cycles of the lines, a sample
 * @param {number} size samples of a segment
 * @param {number} most of all powers
 */
function weightsOf(powers, cycles, size, most) {
  const bins = 2 * (powers[0].length - 1);
  return powers.map((power) =>
    Float64Array.from(cycles, (cycle) => {
      const beside = Float64Array.from(BESIDE, (place) => power[round(bins * (cycle + place / size))]).sort();
      return 1 / ((beside[3] + beside[4]) / 2 + 1e-14 * most + 1e-30);
    }),
  );
}

/**
 * Round as numpy does: halves to even.
 * @param {number} value
 */
function round(value) {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}

/**
 * Return the frequency whose multiples stand out most and are most coherent, Hz; 0 if the first three do not.
 * @param {Float64Array} audio
 * @param {number} rate
 * @param {number[]} multiples
 */
function search(audio, rate, multiples) {
  const segments = segmentsOf(audio, rate);
  const powers = powersOf(segments);
  const bins = 2 * (powers[0].length - 1);
  const most = Math.max(...powers.map(maximum));
  let [best, hertz, weights] = [-1, 0, /** @type {Float64Array[]} */ ([])];
  for (const mains of MAINS_HERTZ) {
    for (let step = 0; step < 51; step++) {
      const candidate = mains - MAINS_OFF + 0.02 * step;
      const cycles = multiples.map((multiple) => (multiple * candidate) / rate);
      const inverse = weightsOf(powers, cycles, segments.frames[0].length, most);
      const ratios = cycles.slice(0, SCORED).map((cycle, line) => {
        const bin = round(bins * cycle);
        return mean(powers.map((power, index) => inverse[index][line] * power[bin]));
      });
      const score = ratios.reduce((sum, ratio) => sum + Math.log(Math.max(ratio, 1)), 0);
      if (score > best && ratios.slice(0, 3).some((ratio) => ratio > CLEAR)) [best, hertz, weights] = [score, candidate, inverse];
    }
  }
  if (!hertz) return hertz;
  const quarter = 0.25 / (multiples[multiples.length - 1] * segments.centres[segments.centres.length - 1]);
  const grids = [
    [0.12, quarter],
    [2 * quarter, quarter / 20],
  ];
  for (const [reach, step] of grids) {
    const lines = phasorsOf(segments, multiples, hertz, rate);
    const heard = multiples.map((_, line) =>
      mean(lines.map((phasors, index) => weights[index][line] * squared(phasors, line))) > CLEAR,
    );
    let [least, offset] = [Infinity, 0];
    for (let place = 0; -reach + place * step < reach + step / 2; place++) {
      const turn = -reach + place * step;
      let lost = 0;
      for (const [line, multiple] of multiples.entries()) {
        if (heard[line]) lost += Math.log(1 - coherence(lines, weights, line, segments.centres, turn * multiple).coherence + 1e-6);
      }
      if (lost < least) [least, offset] = [lost, turn];
    }
    hertz += offset;
  }
  return hertz;
}

/**
 * Return the hum's frequency, its multiples, their phasors, and how many of the first three are clear.
 * @param {Float64Array} audio
 * @param {number} rate
 * @param {number[]} multiples
 * @param {number} hertz
 */
function fit(audio, rate, multiples, hertz) {
  const segments = segmentsOf(audio, rate);
  let [rest, clear] = [audio, 0];
  let phasors = { real: new Float64Array(0), imaginary: new Float64Array(0) };
  for (let pass = 0; pass < PASSES; pass++) {
    const powers = powersOf(pass ? segmentsOf(rest, rate) : segments);
    const cycles = multiples.map((multiple) => (multiple * hertz) / rate);
    const weights = weightsOf(powers, cycles, segments.frames[0].length, Math.max(...powers.map(maximum)));
    const lines = phasorsOf(segments, multiples, hertz, rate);
    const found = multiples.map((multiple, line) => {
      const { real, imaginary, coherence: kept } = coherence(lines, weights, line, segments.centres, 0);
      const power = real * real + imaginary * imaginary;
      const ratio = power * mean(weights.map((weight) => weight[line]));
      return { multiple, line, real, imaginary, power, ratio, present: kept > COHERENT && ratio > AUDIBLE };
    });
    const present = found.filter((one) => {
      const beside = found.filter((other) => other.present && [1, 2].includes(Math.abs(other.multiple - one.multiple)));
      return one.present && (one.multiple <= 3 || one.power <= LOUDER * Math.max(0, ...beside.map((other) => other.power)));
    });
    multiples = present.map((one) => one.multiple);
    phasors = { real: Float64Array.from(present, (one) => one.real), imaginary: Float64Array.from(present, (one) => one.imaginary) };
    clear = present.filter((one) => one.ratio > CLEAR && one.multiple <= 3).length;
    if (!present.length) return { hertz, multiples, phasors, clear };
    hertz += turned(present, lines, weights, segments.centres);
    const hum = synthesize({ hertz, multiples, phasors }, rate, audio.length);
    rest = audio.map((value, index) => value - hum[index]);
  }
  return { hertz, multiples, phasors, clear };
}

/**
 * Return how much the frequency is off, Hz, from what turns the phases of lines, by least squares.
 * @param {{multiple: number, line: number, real: number, imaginary: number, power: number}[]} present
 * @param {Phasors[]} lines
 * @param {Float64Array[]} weights
 * @param {number[]} centres
 */
function turned(present, lines, weights, centres) {
  let [product, square] = [0, 1e-300];
  for (const { multiple, line, real, imaginary, power } of present) {
    const total = weights.reduce((sum, weight) => sum + weight[line], 0);
    const middle = weights.reduce((sum, weight, index) => sum + weight[line] * centres[index], 0) / total;
    for (const [index, phasor] of lines.entries()) {
      const slope = 2 * Math.PI * multiple * (centres[index] - middle);
      const angle = Math.atan2(
        phasor.imaginary[line] * real - phasor.real[line] * imaginary,
        phasor.real[line] * real + phasor.imaginary[line] * imaginary,
      );
      product += weights[index][line] * power * slope * angle;
      square += weights[index][line] * power * slope * slope;
    }
  }
  return product / square;
}

/**
 * Return the phasors of lines in the segments, with phases of time 0.
 * @param {Segments} segments
 * @param {number[]} multiples
 * @param {number} hertz
 * @param {number} rate
 * @returns {Phasors[]}
 */
function phasorsOf({ frames, step }, multiples, hertz, rate) {
  const found = frames.map(() => ({ real: new Float64Array(multiples.length), imaginary: new Float64Array(multiples.length) }));
  for (const [line, multiple] of multiples.entries()) {
    const turn = (-2 * Math.PI * multiple * hertz) / rate;
    const cosine = frames[0].map((_, index) => Math.cos(turn * index));
    const sine = frames[0].map((_, index) => Math.sin(turn * index));
    for (const [index, frame] of frames.entries()) {
      let [re, im] = [0, 0];
      for (let place = 0; place < frame.length; place++) {
        re += frame[place] * cosine[place];
        im += frame[place] * sine[place];
      }
      const [c, s] = [Math.cos(turn * index * step), Math.sin(turn * index * step)];
      found[index].real[line] = re * c - im * s;
      found[index].imaginary[line] = re * s + im * c;
    }
  }
  return found;
}

/**
 * Return the weighted mean of a line's phasors, turned back by a frequency, and |mean|^2 / mean of |.|^2.
 * @param {Phasors[]} lines
 * @param {Float64Array[]} weights
 * @param {number} line
 * @param {number[]} centres
 * @param {number} hertz
 */
function coherence(lines, weights, line, centres, hertz) {
  let [re, im, power, total] = [0, 0, 0, 0];
  for (const [index, phasors] of lines.entries()) {
    const weight = weights[index][line];
    const angle = -2 * Math.PI * hertz * centres[index];
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    re += weight * (phasors.real[line] * c - phasors.imaginary[line] * s);
    im += weight * (phasors.real[line] * s + phasors.imaginary[line] * c);
    power += weight * squared(phasors, line);
    total += weight;
  }
  return { real: re / total, imaginary: im / total, coherence: (re * re + im * im) / (total * power + 1e-300) };
}

/** @type {(phasors: Phasors, line: number) => number} */
const squared = (phasors, line) => phasors.real[line] ** 2 + phasors.imaginary[line] ** 2;
