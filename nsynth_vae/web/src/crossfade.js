/** Cross-fades, level envelopes and correlations, as `instruments/crossfade.py` has them. */

import { irfft, powerOfTwo, rfft } from "./fft.js";

/** A release ends at least this far below its start. */
export const SILENT_DB = 70;

const FLOOR = 1e-9;

/** @param {number} pitch MIDI */
export function pitchToHertz(pitch) {
  return 440 * 2 ** ((pitch - 69) / 12);
}

/**
 * Fade from one sound to another at constant power, whether they are in phase or not (Fink, Holters and Zölzer 2016).
 * @param {ArrayLike<number>} old
 * @param {ArrayLike<number>} next of the same length
 */
export function crossfade(old, next) {
  let [product, oldEnergy, nextEnergy] = [0, 0, 0];
  for (let index = 0; index < old.length; index++) {
    product += old[index] * next[index];
    oldEnergy += old[index] ** 2;
    nextEnergy += next[index] ** 2;
  }
  const correlation = Math.max(product / Math.max(Math.sqrt(oldEnergy * nextEnergy), FLOOR), 0);
  return Float64Array.from(old, (value, index) => {
    const gain = 0.5 - 0.5 * Math.cos((Math.PI * (index + 0.5)) / Math.max(old.length, 1));
    const power = (1 - gain) ** 2 + gain ** 2 + 2 * correlation * gain * (1 - gain);
    return ((1 - gain) * value + gain * next[index]) / Math.sqrt(power);
  });
}

/** @param {ArrayLike<number>} audio */
export function rms(audio) {
  let energy = 0;
  for (let index = 0; index < audio.length; index++) energy += audio[index] ** 2;
  return audio.length ? Math.sqrt(energy / audio.length) : 0;
}

/**
 * Fade the last 10 ms of a sound to zero, in place.
 * @param {Float64Array | Float32Array} audio
 * @param {number} sampleRate
 */
export function fadeOut(audio, sampleRate) {
  const samples = Math.min(Math.round(0.01 * sampleRate), audio.length);
  for (let index = 0; index < samples; index++) {
    audio[audio.length - samples + index] *= 0.5 + 0.5 * Math.cos((Math.PI * (index + 1)) / samples);
  }
}

/**
 * Return a release that ends `SILENT_DB` below its start, and fades out.
 * @param {ArrayLike<number>} tail
 * @param {number} level root mean square at its start
 * @param {number} sampleRate
 */
export function fadeToSilence(tail, level, sampleRate) {
  const faded = Float64Array.from(tail);
  const end = rms(faded.subarray(faded.length - Math.max(Math.floor(faded.length / 20), 1)));
  const missing = SILENT_DB + 20 * Math.log10(Math.max(end, FLOOR) / Math.max(level, FLOOR));
  if (missing > 0) {
    for (let index = 0; index < faded.length; index++) {
      faded[index] *= 10 ** ((-missing / 20) * (index / Math.max(faded.length - 1, 1)) ** 2);
    }
  }
  fadeOut(faded, sampleRate);
  return faded;
}

/**
 * Return the samples over which a note's level is measured: 30 ms, and at least two periods.
 * @param {number} pitch
 * @param {number} sampleRate
 */
export function levelWindow(pitch, sampleRate) {
  return roundHalfEven(Math.max(0.03, 2 / pitchToHertz(pitch)) * sampleRate);
}

/**
 * Round as Python does: halves to the even neighbour.
 * @param {number} value
 */
export function roundHalfEven(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 ? floor + 1 : floor;
}

/**
 * Return the root mean square in a window around every sample, in dB.
 * @param {ArrayLike<number>} audio
 * @param {number} window samples; it is cut at both ends
 */
export function levels(audio, window) {
  const energy = new Float64Array(audio.length + 1);
  for (let index = 0; index < audio.length; index++) energy[index + 1] = energy[index] + audio[index] ** 2;
  const half = window >> 1;
  return Float64Array.from({ length: audio.length }, (_, center) => {
    const low = Math.max(center - half, 0);
    const high = Math.min(center + half, audio.length);
    return 10 * Math.log10((energy[high] - energy[low]) / (high - low) + FLOOR ** 2);
  });
}

/**
 * Return a function that correlates templates, normalised, with every part of a sound; -1 to 1, 0 where one is silent.
 * @param {Float64Array} audio
 * @returns {(template: Float64Array, samples?: number) => Float64Array} of the first `samples` of the sound
 */
export function correlator(audio) {
  const size = powerOfTwo(audio.length);
  const sound = rfft(audio, size);
  const energy = new Float64Array(audio.length + 1);
  for (let index = 0; index < audio.length; index++) energy[index + 1] = energy[index] + audio[index] ** 2;
  return (template, samples = audio.length) => {
    const spectrum = rfft(template, size);
    for (let bin = 0; bin < spectrum.real.length; bin++) {
      const { real, imaginary } = spectrum;
      const re = sound.real[bin] * real[bin] + sound.imaginary[bin] * imaginary[bin];
      const im = sound.imaginary[bin] * real[bin] - sound.real[bin] * imaginary[bin];
      [real[bin], imaginary[bin]] = [re, im];
    }
    const product = irfft(spectrum);
    const own = rms(template) ** 2 * template.length;
    return Float64Array.from({ length: samples - template.length + 1 }, (_, lag) => {
      const part = Math.max(energy[lag + template.length] - energy[lag], 0);
      return product[lag] / (Math.sqrt(part * own) + FLOOR ** 2);
    });
  };
}
