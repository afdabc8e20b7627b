/** ZIP archives, stored without compression: APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16. */

import { bytesOf, concatenate } from "./wav.js";

/** 1980-01-01, the first date that the format has: an archive of the same files is the same. */
const [TIME, DATE] = [0, 0x21];

/**
 * @param {Record<string, Uint8Array>} files path -> content
 */
export function zip(files) {
  const [local, central] = [[], []].map(() => /** @type {Uint8Array[]} */ ([]));
  let offset = 0;
  for (const [path, content] of Object.entries(files)) {
    const name = new TextEncoder().encode(path);
    // Version 2.0, UTF-8 names, stored.
    const shared = bytesOf(26, (view) => {
      [20, 0x800, 0, TIME, DATE].forEach((value, index) => view.setUint16(2 * index, value, true));
      [crc32(content), content.length, content.length].forEach((value, index) => view.setUint32(10 + 4 * index, value, true));
      view.setUint16(22, name.length, true);
    });
    const header = concatenate([signature(0x04034b50), shared, name, content]);
    const place = bytesOf(14, (view) => view.setUint32(10, offset, true));
    central.push(concatenate([signature(0x02014b50), Uint8Array.of(20, 0), shared, place, name]));
    local.push(header);
    offset += header.length;
  }
  const directory = concatenate(central);
  const end = bytesOf(18, (view) => {
    [4, 6].forEach((place) => view.setUint16(place, central.length, true));
    view.setUint32(8, directory.length, true);
    view.setUint32(12, offset, true);
  });
  return concatenate([...local, directory, signature(0x06054b50), end]);
}

/** @param {number} number */
const signature = (number) => bytesOf(4, (view) => view.setUint32(0, number, true));

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** @param {Uint8Array} content */
export function crc32(content) {
  let value = 0xffffffff;
  for (const byte of content) value = table[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
