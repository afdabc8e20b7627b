/** What the pad is set to: corners, place, directions; and the notes that it asks for. */

import { bilinear, cornerWeights, move } from "./latent.js";
import { fromFragment, onGrid, toFragment } from "./state.js";

/** @typedef {import("./types").PadData} PadData */
/** @typedef {import("./types").NoteRequest} NoteRequest */
/** @typedef {import("./names.js").Names} Names */

/** Largest strength of a direction's slider. */
export const STRENGTH = 2;

/** The pad's state. */
export class Pad {
  /**
   * @param {PadData} data
   * @param {Names} names
   */
  constructor(data, names) {
    this.data = data;
    this.names = names;
    this.corners = data.corners.map(({ name, z }) => ({ name, z: Array.from(Float32Array.from(z)) }));
    this.x = 0.5;
    this.y = 0.5;
    /** @type {Record<string, number>} */
    this.directions = {};
    this.equalize = true;
    this.octave = 48;
  }

  /** Return the corners' latent vectors, moved along the directions, in float32 as the decoder gets them. */
  ends() {
    const directions = Object.entries(this.directions).map(([name, strength]) => ({ z: this.data.directions[name].z, strength }));
    return this.corners.map(({ z }) => Float32Array.from(move(z, directions)));
  }

  /** Return the latent vector at the handle. */
  z() {
    return Float32Array.from(bilinear(this.ends(), this.x, this.y));
  }

  /**
   * Return a note of the present timbre, as the engine is asked for it.
   * @param {number} pitch
   * @param {number} velocity
   * @returns {NoteRequest}
   */
  request(pitch, velocity) {
    const weights = cornerWeights(this.x, this.y);
    const equalized = this.equalize && Math.max(...weights) < 1;
    return { z: this.z(), pitch, velocity, ends: equalized ? { weights, z: this.ends() } : null };
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  moveTo(x, y) {
    [this.x, this.y] = [onGrid(x), onGrid(y)];
  }

  /**
   * @param {number} corner
   * @param {string} name
   * @param {ArrayLike<number>} z
   */
  setCorner(corner, name, z) {
    this.corners[corner] = { name, z: Array.from(Float32Array.from(z)) };
  }

  /** Return the timbre in words: the corners by their weights, and the directions. */
  describe() {
    const weights = cornerWeights(this.x, this.y);
    const parts = this.corners.map(({ name }, index) => ({ name, percent: Math.round(100 * weights[index]) }));
    const timbres = parts.filter(({ percent }) => percent).map(({ name, percent }) => `${percent} % ${name}`);
    const moved = Object.entries(this.directions).map(([name, strength]) => `${strength > 0 ? "+" : "−"}${Math.abs(strength)} ${name}`);
    return [...timbres, ...moved].join(", ");
  }

  /** Return the state for the page's address. */
  fragment() {
    const { corners, x, y, directions, equalize, octave } = this;
    return toFragment({ corners, x, y, directions, equalize, octave });
  }

  /**
   * Take over a state of `fragment`; directions that this model lacks are left out.
   * @param {string} fragment
   */
  restore(fragment) {
    const state = fromFragment(fragment, this.data.latent_dim);
    const known = Object.entries(state.directions).filter(([name]) => name in this.data.directions);
    const octave = Math.max(0, Math.min(108, 12 * Math.round(state.octave / 12)));
    Object.assign(this, { ...state, octave, directions: Object.fromEntries(known) });
  }
}
