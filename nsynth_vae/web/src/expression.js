/**
 * Timbre expressions, `violin + bright - dark`: the grammar and the messages of `latent/expression_parser.py`.
 *
 *     sum     = product {("+" | "-") product}
 *     product = factor {"*" factor}
 *     factor  = {"-"} (number | name | quoted | "(" sum ")")
 *
 * Outside quotes the longest known name counts. The weights of the timbres must add to 1.
 */

import { move } from "./latent.js";
import { InputError } from "./names.js";

/** @typedef {import("./names.js").Names} Names */
/** @typedef {{kind: string, text: string, position: number}} Token */
/** @typedef {{weights: Map<string, number>, position: number}} Value a number is the weight of the empty name */

const MAX_DEPTH = 64;
const CANCELLED = 1e-12;
const LARGEST = 1e9;
const SUM_TOLERANCE = 1e-6;
const NUMBER = /(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/uy;
const NAME = /[\p{L}_][\p{L}\p{N}_.]*/uy;

/**
 * Return the latent vector of a name or an expression.
 * @param {string} text
 * @param {Names} names
 * @returns {number[]}
 */
export function evaluate(text, names) {
  const trimmed = text.trim();
  if (names.isTimbre(trimmed)) return names.timbre(trimmed);
  const weights = parseWeights(trimmed, names);
  const timbres = [...weights].filter(([name]) => !names.isDirection(name));
  const total = timbres.reduce((sum, [, weight]) => sum + weight, 0);
  if (Math.abs(total - 1) > SUM_TOLERANCE) {
    let advice = ", as in flute + bright - dark and piano - violin + flute";
    if (Math.abs(total) > SUM_TOLERANCE) {
      const scaled = new Map([...weights, ...timbres.map(([name, weight]) => /** @type {const} */ ([name, weight / total]))]);
      advice = `: write ${formatExpression(scaled)}`;
    }
    throw new InputError(`'${trimmed}': the weights of the timbres add to ${general(total)}, expected 1${advice}`);
  }
  let z = /** @type {number[]} */ ([]);
  for (const [name, weight] of timbres) {
    const timbre = names.timbre(name);
    z = timbre.map((value, index) => (z[index] ?? 0) + weight * value);
  }
  const directions = [...weights].filter(([name]) => names.isDirection(name));
  z = move(z, directions.map(([name, strength]) => ({ z: names.direction(name), strength })));
  const far = Math.max(...z.map(Math.abs));
  if (!(far <= names.data.largest_z)) {
    throw new InputError(`${trimmed}: lies ${far.toPrecision(3)} from the middle of the space, expected smaller weights`);
  }
  return z;
}

/**
 * Return weighted names as an expression.
 * @param {Map<string, number>} weights
 */
export function formatExpression(weights) {
  let text = "";
  for (const [name, weight] of weights) {
    const plain = /^[\p{L}_][\p{L}\p{N}_.]*$/u.test(name);
    const quote = name.includes('"') ? "'" : '"';
    const size = general(Math.abs(weight));
    const sign = weight < 0 ? "-" : "+";
    text += text ? ` ${sign} ` : weight < 0 ? "-" : "";
    text += (size === "1" ? "" : `${size}*`) + (plain ? name : quote + name + quote);
  }
  return text;
}

/**
 * Return name -> weight, in the order in which they were first written; those that cancel out are left out.
 * @param {string} text
 * @param {Names} names
 */
export function parseWeights(text, names) {
  return new Parser(text, names).parse();
}

/** Recursive descent, one method for each rule of the grammar. */
class Parser {
  /**
   * @param {string} text
   * @param {Names} names
   */
  constructor(text, names) {
    this.text = text;
    this.names = names;
    this.tokens = this.tokenize();
    this.next = 0;
    this.depth = 0;
  }

  parse() {
    if (this.token.kind === "end") {
      throw new InputError(`'${this.text}': found nothing, expected a timbre such as violin + bright - dark`);
    }
    const value = this.sum();
    if (this.token.kind !== "end") this.fail(`found '${this.token.text}', expected + - * or the end`, this.token.position);
    if (value.weights.has("")) {
      this.fail("found only a number, expected names too, such as 0.5*flute + 0.5*guitar", value.position);
    }
    if (![...value.weights.values()].every((weight) => Math.abs(weight) <= LARGEST)) {
      this.fail("found a weight above 1e+09, expected a smaller one", value.position);
    }
    return new Map([...value.weights].filter(([, weight]) => Math.abs(weight) > CANCELLED));
  }

  /** @returns {Value} */
  sum() {
    let total = this.product();
    while (this.token.kind === "+" || this.token.kind === "-") {
      const sign = this.take().kind === "+" ? 1 : -1;
      const term = times(this.product(), sign);
      if (total.weights.has("") !== term.weights.has("")) {
        const number = total.weights.has("") ? total : term;
        const size = general(Math.abs(number.weights.get("") ?? 0), 6);
        this.fail(`found the number ${size} in a sum of names, expected it times a name`, number.position);
      }
      const weights = new Map(total.weights);
      for (const [name, weight] of term.weights) weights.set(name, (weights.get(name) ?? 0) + weight);
      total = { weights, position: total.position };
    }
    return total;
  }

  /** @returns {Value} */
  product() {
    let product = this.factor();
    while (this.token.kind === "*") {
      const operator = this.take();
      const factor = this.factor();
      const right = factor.weights.get("");
      const left = product.weights.get("");
      if (right !== undefined) product = times(product, right);
      else if (left !== undefined) product = { weights: times(factor, left).weights, position: product.position };
      else this.fail("found names on both sides of *, expected a number on one", operator.position);
    }
    return product;
  }

  /** @returns {Value} */
  factor() {
    const { position } = this.token;
    let sign = 1;
    while (this.token.kind === "-") {
      this.take();
      sign = -sign;
    }
    const token = this.take();
    let weights = new Map();
    if (token.kind === "number") weights.set("", Number(token.text));
    else if (token.kind === "name") weights.set(this.known(token), 1);
    else if (token.kind === "(") weights = this.parenthesis(token).weights;
    else {
      const found = token.kind === "end" ? "the end" : `'${token.text}'`;
      this.fail(`found ${found}, expected a name, a number, - or (`, token.position);
    }
    return times({ weights, position }, sign);
  }

  /**
   * @param {Token} opening
   * @returns {Value}
   */
  parenthesis(opening) {
    this.depth += 1;
    if (this.depth > MAX_DEPTH) {
      this.fail(`found more than ${MAX_DEPTH} parentheses within one another, expected fewer`, opening.position);
    }
    const value = this.sum();
    if (this.token.kind !== ")") {
      const found = this.token.kind === "end" ? "the end" : `'${this.token.text}'`;
      const problem = `found ${found}, expected + - * or the ) that belongs to character ${opening.position + 1}`;
      this.fail(problem, this.token.position);
    }
    this.take();
    this.depth -= 1;
    return value;
  }

  get token() {
    return this.tokens[this.next];
  }

  take() {
    const token = this.token;
    this.next = Math.min(this.next + 1, this.tokens.length - 1);
    return token;
  }

  /** @returns {Token[]} */
  tokenize() {
    const { text } = this;
    const tokens = [];
    let position = 0;
    while (position < text.length) {
      const letter = text[position];
      if (/\s/u.test(letter)) {
        position += 1;
        continue;
      }
      let kind = "";
      let end = position + 1;
      let content = letter;
      const name = this.endOfName(position);
      const number = matchAt(NUMBER, text, position);
      if (letter === '"' || letter === "'") {
        end = text.indexOf(letter, position + 1) + 1;
        if (!end) this.fail(`found a ${letter} that opens and none that closes, expected both`, position);
        kind = "name";
        content = text.slice(position + 1, end - 1);
      } else if (name) {
        [kind, end] = ["name", name];
        content = text.slice(position, end);
      } else if (number) {
        [kind, content, end] = ["number", number, position + number.length];
      } else if ("+-*()".includes(letter)) {
        kind = letter;
      } else {
        this.fail(`found '${letter}', expected names, numbers, + - * ( ) and, in quotes, files and other names`, position);
      }
      tokens.push({ kind, text: content, position });
      position = end;
    }
    return [...tokens, { kind: "end", text: "", position: text.length }];
  }

  /**
   * Return the end of the longest name that starts here; 0 if none does.
   * @param {number} start
   */
  endOfName(start) {
    const { text } = this;
    if (!/[\p{L}\p{N}_]/u.test(text[start])) return 0;
    const longest = start + matchAt(NAME, text, start).length;
    for (let end = Math.min(text.length, start + this.names.longest); end > longest; end--) {
      const part = text.slice(start, end);
      const whole = !/\s$/u.test(part) && !/^[\p{L}\p{N}_.]/u.test(text.slice(end));
      if (whole && this.names.knows(part) && matchAt(NUMBER, part, 0) !== part) return end;
    }
    return longest > start ? longest : 0;
  }

  /** @param {Token} token */
  known(token) {
    if (!token.text.trim()) this.fail("found nothing between the quotes, expected a file or a name", token.position);
    if (!this.names.knows(token.text) && !this.names.isTimbre(token.text)) this.names.timbre(token.text);
    return this.names.canonical(token.text);
  }

  /**
   * @param {string} problem
   * @param {number} position
   * @returns {never}
   */
  fail(problem, position) {
    throw new InputError(`'${this.text}': ${problem} (character ${position + 1})`);
  }
}

/**
 * @param {Value} value
 * @param {number} factor
 * @returns {Value}
 */
function times({ weights, position }, factor) {
  return { weights: new Map([...weights].map(([name, weight]) => [name, weight * factor])), position };
}

/**
 * @param {RegExp} pattern sticky
 * @param {string} text
 * @param {number} position
 */
function matchAt(pattern, text, position) {
  pattern.lastIndex = position;
  return pattern.exec(text)?.[0] ?? "";
}

/**
 * Return a number as Python's `%.10g` does, without an exponent for the usual sizes.
 * @param {number} value
 * @param {number} digits
 */
function general(value, digits = 10) {
  return String(Number(value.toPrecision(digits)));
}
