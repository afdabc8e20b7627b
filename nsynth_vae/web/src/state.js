/** What is set on the page, as the fragment of its address: presets and share links. */

import { InputError } from "./names.js";

/** @typedef {{name: string, z: number[]}} Corner */

/**
 * @typedef {object} PadState
 * @property {Corner[]} corners top left, top right, bottom left, bottom right
 * @property {number} x 0, left, to 1, right
 * @property {number} y 0, top, to 1, bottom
 * @property {Record<string, number>} directions name -> strength, those that are not 0
 * @property {boolean} equalize
 * @property {number} octave of the keyboard's first key
 */

/** Places of the pad: a hundredth of its side is below what is heard, and near places share the cache. */
export const PLACES = 100;

/** @param {number} value */
export function onGrid(value) {
  return Math.round(Math.max(0, Math.min(1, value)) * PLACES) / PLACES;
}

/**
 * Return the state as text for the address; latent vectors as float32, so that the sound is restored bit for bit.
 * @param {PadState} state
 */
export function toFragment({ corners, x, y, directions, equalize, octave }) {
  const record = {
    c: corners.map(({ name, z }) => [name, toBase64(new Uint8Array(Float32Array.from(z).buffer))]),
    p: [x, y],
    d: directions,
    e: equalize ? 1 : 0,
    o: octave,
  };
  return `s=${toBase64(new TextEncoder().encode(JSON.stringify(record)))}`;
}

/**
 * @param {string} fragment without the #
 * @param {number} latentDim
 * @returns {PadState}
 */
export function fromFragment(fragment, latentDim) {
  try {
    const text = new URLSearchParams(fragment).get("s") ?? "";
    const record = JSON.parse(new TextDecoder().decode(fromBase64(text)));
    const corners = record.c.map((/** @type {[string, string]} */ [name, z]) => ({
      name: String(name),
      z: Array.from(new Float32Array(fromBase64(z).buffer)),
    }));
    const directions = Object.fromEntries(Object.entries(record.d).map(([name, value]) => [name, Number(value)]));
    const numbers = [...record.p, record.o, ...Object.values(directions), ...corners.flatMap((/** @type {Corner} */ one) => one.z)];
    const shaped = corners.length === 4 && corners.every((/** @type {Corner} */ { z }) => z.length === latentDim);
    if (!shaped || record.p.length !== 2 || !numbers.every(Number.isFinite)) throw new RangeError();
    const [x, y] = record.p.map(onGrid);
    return { corners, x, y, directions, equalize: Boolean(record.e), octave: record.o };
  } catch {
    throw new InputError("the link is not one of this model's pad, expected one that Share has copied");
  }
}

/** @param {Uint8Array} bytes */
function toBase64(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {string} text */
export function fromBase64(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
}
