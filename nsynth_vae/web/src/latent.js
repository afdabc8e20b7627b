/** Operations on latent vectors: bilinear interpolation, directions and samples of a mixture. */

/** @typedef {import("./types").Mixture} Mixture */

/**
 * Interpolate linearly, exactly `start` at 0 and `end` at 1.
 * @param {ArrayLike<number>} start
 * @param {ArrayLike<number>} end
 * @param {number} fraction
 * @returns {number[]}
 */
export function lerp(start, end, fraction) {
  if (fraction === 1) return Array.from(end);
  return Array.from(start, (value, index) => value + fraction * (end[index] - value));
}

/**
 * Interpolate bilinearly between four corners, as `latent.grid` does; the corners themselves are exact.
 * @param {ArrayLike<number>[]} corners top left, top right, bottom left, bottom right
 * @param {number} x 0, left, to 1, right
 * @param {number} y 0, top, to 1, bottom
 * @returns {number[]}
 */
export function bilinear(corners, x, y) {
  return lerp(lerp(corners[0], corners[2], y), lerp(corners[1], corners[3], y), x);
}

/**
 * Return the corners' weights at a place of the pad; they add to 1.
 * @param {number} x
 * @param {number} y
 */
export function cornerWeights(x, y) {
  return bilinear([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], x, y);
}

/**
 * Move a latent vector along directions.
 * @param {ArrayLike<number>} z
 * @param {{z: ArrayLike<number>, strength: number}[]} directions
 * @returns {number[]}
 */
export function move(z, directions) {
  const moved = Array.from(z);
  for (const { z: direction, strength } of directions) {
    if (strength) for (let index = 0; index < moved.length; index++) moved[index] += strength * direction[index];
  }
  return moved;
}

/**
 * Draw a latent vector from a mixture of Gaussians.
 * @param {Mixture} mixture
 * @param {() => number} random uniform, 0 to 1
 * @returns {number[]}
 */
export function sample(mixture, random) {
  let left = random() * mixture.weights.reduce((sum, weight) => sum + weight, 0);
  let component = mixture.weights.findIndex((weight) => (left -= weight) < 0);
  if (component < 0) component = mixture.weights.length - 1;
  return mixture.means[component].map((mean, index) => {
    // Box and Muller 1958, "A note on the generation of random normal deviates".
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return mean + mixture.standard_deviations[component][index] * normal;
  });
}

/**
 * Return a generator of uniform numbers, 0 to 1, of a 32-bit seed: Mulberry32 (Tommy Ettinger, public domain).
 * @param {number} seed
 */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
