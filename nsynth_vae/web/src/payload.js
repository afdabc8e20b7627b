/** Files inside the page: gzip in base64, one script element each. */

/**
 * @param {string} name
 * @returns {Promise<Uint8Array>}
 */
export async function readFile(name) {
  const element = document.getElementById(`file-${name}`);
  if (!element) throw new Error(`the page has no ${name}`);
  const packed = Uint8Array.from(atob(element.textContent ?? ""), (letter) => letter.charCodeAt(0));
  // The text is not needed again; it is the larger part of the page.
  element.remove();
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * @param {string} name
 */
export async function readText(name) {
  return new TextDecoder().decode(await readFile(name));
}

/** A module with a relaxed SIMD instruction, which Safari rejects; the one that LiteRT asks with. */
const RELAXED_SIMD = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11);

/**
 * Return which build of LiteRT the browser runs; `?wasm=compat` asks for the one that all run.
 */
export function wasmVariant() {
  const compatible = new URLSearchParams(location.search).get("wasm") === "compat" || !WebAssembly.validate(RELAXED_SIMD);
  return compatible ? "litert_wasm_compat_internal" : "litert_wasm_internal";
}
