import { isUtf8 } from 'node:buffer';
import type { Finding } from '../model.ts';

export type Utf8Reading =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly finding: Finding };

const NEWLINE = 0x0a;

/** The text of a file's bytes. Anything but UTF-8 is refused at its place: a replaced character would be another policy. */
export function decodeUtf8(bytes: Uint8Array, file: string): Utf8Reading {
  if (isUtf8(bytes)) return { ok: true, text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes) };
  const wide = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  const text = wide ? 'is UTF-16; save the file as UTF-8' : 'is not UTF-8 from here on; save the file as UTF-8';
  const place = wide ? { line: 1, column: 1 } : firstBadPlace(bytes);
  return { ok: false, finding: { level: 'error', place: { file, ...place }, path: '', text } };
}

function firstBadPlace(bytes: Uint8Array): { readonly line: number; readonly column: number } {
  let start = 0;
  for (let line = 1; ; line++) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline === -1 ? bytes.length : newline;
    const content = bytes.subarray(start, end);
    if (!isUtf8(content) || newline === -1) {
      const column = new TextDecoder('utf-8', { ignoreBOM: true }).decode(content).indexOf('\ufffd') + 1;
      return { line, column: Math.max(column, 1) };
    }
    start = newline + 1;
  }
}
