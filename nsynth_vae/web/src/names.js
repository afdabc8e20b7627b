/** Lookup of timbres and directions by name, as `latent/lookup.py` does it. */

/** @typedef {import("./types").PadData} PadData */

/** An error in what the user typed or dropped, in one line. */
export class InputError extends Error {}

/**
 * Return a name as it is compared: in lower case, a single space or hyphen within it as an underscore.
 * @param {string} name
 */
export function nameKey(name) {
  return name.trim().toLowerCase().replace(/(?<=[\p{L}\p{N}_])[-\s](?=[\p{L}\p{N}_])/gu, "_");
}

/** Timbres and directions by name: the model's, and what was dropped on the page. */
export class Names {
  /** @param {PadData} data */
  constructor(data) {
    this.data = data;
    /** @type {Map<string, number[]>} */
    this.files = new Map();
    /** @type {Map<string, [string, string]>} */
    this.names = new Map(Object.entries(data.names));
    this.longest = Math.max(...[...this.names.keys()].map((name) => name.length));
  }

  /**
   * Add a sound that was encoded in the page.
   * @param {string} name
   * @param {number[]} z
   */
  addFile(name, z) {
    this.files.set(name, z);
  }

  /**
   * @param {string} text
   * @returns {[string, string]} kind and full name; the kind is empty for an unknown name
   */
  find(text) {
    return this.names.get(text) ?? this.names.get(nameKey(text)) ?? (this.files.has(text) ? ["files", text] : ["", text]);
  }

  /** @param {string} text */
  knows(text) {
    const kind = this.find(text)[0];
    return kind !== "" && kind !== "files";
  }

  /** @param {string} text */
  isTimbre(text) {
    const kind = this.find(text)[0];
    return kind !== "" && kind !== "directions";
  }

  /** @param {string} text */
  isDirection(text) {
    return this.find(text)[0] === "directions";
  }

  /** @param {string} text */
  canonical(text) {
    const [kind, name] = this.find(text);
    return kind === "instruments" || kind === "files" ? name : nameKey(text);
  }

  /**
   * Return the latent vector of a timbre.
   * @param {string} text
   * @returns {number[]}
   */
  timbre(text) {
    const [kind, name] = this.find(text);
    if (kind === "directions") {
      throw new InputError(`'${text}': is a direction, expected a timbre, which it can be added to: flute + ${text}`);
    }
    if (kind === "files") return /** @type {number[]} */ (this.files.get(name));
    if (!kind) throw new InputError(`'${text}': ${this.unknown(text)}`);
    const known = kind === "families" ? this.data.families : this.data.instruments;
    if (!(name in known)) throw this.missing(text, kind, name, known);
    return known[name];
  }

  /**
   * Return the displacement of a direction at strength 1.
   * @param {string} text
   * @returns {number[]}
   */
  direction(text) {
    const [kind, name] = this.find(text);
    if (kind !== "directions") {
      const found = this.isTimbre(text) ? "is a timbre" : this.unknown(text);
      throw new InputError(`'${text}': ${found}; expected a direction such as bright`);
    }
    if (!(name in this.data.directions)) throw this.missing(text, kind, name, this.data.directions);
    return this.data.directions[name].z;
  }

  /**
   * @param {string} text
   * @param {string} kind
   * @param {string} name
   * @param {object} known
   */
  missing(text, kind, name, known) {
    const { model, not_learnt: notLearnt } = this.data;
    const shown = nameKey(text) === nameKey(name) ? `'${text}'` : `'${text}' (${name})`;
    if (kind === "directions" && name in notLearnt) {
      return new InputError(`${shown}: ${model} has not learnt it: ${notLearnt[name]}`);
    }
    const there = Object.keys(known).sort().join(", ") || "it has none";
    return new InputError(`${shown}: not among the ${kind} in the attributes of ${model}: ${there}`);
  }

  /** @param {string} text */
  unknown(text) {
    const key = nameKey(text);
    const near = [...this.names.keys()]
      .map((name) => /** @type {[number, string]} */ ([distance(key, name), name]))
      .filter(([far, name]) => far <= Math.max(1, Math.floor(0.4 * Math.max(key.length, name.length))))
      .sort((one, other) => one[0] - other[0])
      .slice(0, 3)
      .map(([, name]) => name);
    if (near.length) return `no such name or sound; nearest: ${near.join(", ")}`;
    const known = [...Object.keys(this.data.families).sort(), ...Object.keys(this.data.directions).sort()];
    const instruments = Object.keys(this.data.instruments).length;
    return `no such name or sound; ${this.data.model} knows ${known.join(", ")}, and ${instruments} instruments`;
  }
}

/**
 * Return the edit distance of two words (Levenshtein 1966).
 * @param {string} one
 * @param {string} other
 */
function distance(one, other) {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (one[i - 1] === other[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[other.length];
}
