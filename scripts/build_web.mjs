/**
 * Builds nsynth_vae/web/vendor: the pad's bundles and LiteRT's WebAssembly, gzipped, with licences and provenance.
 *
 *     npm ci && npm run build      after a change in nsynth_vae/web/src or package.json
 *     npm run check                types, and whether the folder is what this script builds
 */

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";

import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, "nsynth_vae/web/src");
const vendor = join(root, "nsynth_vae/web/vendor");
const wasm = join(root, "node_modules/@litertjs/core/wasm");
const PACKAGES = ["@litertjs/core", "@litertjs/wasm-utils", "webmidi", "esbuild"];
const sha256 = (content) => createHash("sha256").update(content).digest("hex");

async function bundle(entry) {
  const { outputFiles } = await build({
    entryPoints: [join(source, entry)],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: "es2022",
    charset: "ascii",
    legalComments: "inline",
    // WebMidi.js asks for Node's MIDI library only outside of browsers.
    external: ["jzz"],
  });
  return Buffer.from(outputFiles[0].contents);
}

/** The files of the folder: name -> [content, origin]. */
async function files() {
  const found = {};
  for (const name of ["pad.js", "worker.js", "worklet.js"]) {
    found[name] = [await bundle(name), `nsynth_vae/web/src/${name}, bundled by esbuild`];
  }
  for (const stem of ["litert_wasm_internal", "litert_wasm_compat_internal"]) {
    for (const name of [`${stem}.js`, `${stem}.wasm`]) {
      found[name] = [readFileSync(join(wasm, name)), `@litertjs/core, wasm/${name}`];
    }
  }
  return found;
}

/** Hashes of the sources, by which a test without npm knows whether the bundles are those of today. */
const sources = Object.fromEntries(
  readdirSync(source)
    .filter((name) => name.endsWith(".js"))
    .sort()
    .map((name) => [name, sha256(readFileSync(join(source, name)))]),
);

const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
const built = await files();
const provenance = {
  packages: Object.fromEntries(
    PACKAGES.map((name) => {
      const { version, integrity } = lock[`node_modules/${name}`];
      return [name, { version, integrity }];
    }),
  ),
  files: Object.fromEntries(
    Object.entries(built).map(([name, [content, origin]]) => [name, { origin, sha256: sha256(content) }]),
  ),
  sources,
};

if (process.argv.includes("--check")) {
  const committed = JSON.parse(readFileSync(join(vendor, "provenance.json"), "utf8"));
  for (const [name, { sha256: expected }] of Object.entries(provenance.files)) {
    const found = sha256(gunzipSync(readFileSync(join(vendor, `${name}.gz`))));
    if (found !== expected || committed.files[name]?.sha256 !== expected) {
      console.error(`error: ${name}: found ${found}, expected ${expected}: npm run build`);
      process.exitCode = 1;
    }
  }
  for (const [part, origin] of [["packages", "packages of package-lock.json"], ["sources", "sources"]]) {
    if (JSON.stringify(committed[part]) !== JSON.stringify(provenance[part])) {
      console.error(`error: provenance.json: not the ${origin}: npm run build`);
      process.exitCode = 1;
    }
  }
} else {
  mkdirSync(vendor, { recursive: true });
  for (const [name, [content]] of Object.entries(built)) {
    writeFileSync(join(vendor, `${name}.gz`), gzipSync(content, { level: 9 }));
  }
  // Both packages are under the Apache License 2.0; @litertjs/core comes without its text.
  writeFileSync(join(vendor, "LICENSE.txt"), readFileSync(join(root, "node_modules/webmidi/LICENSE.txt")));
  writeFileSync(join(vendor, "provenance.json"), `${JSON.stringify(provenance, null, 2)}\n`);
}
