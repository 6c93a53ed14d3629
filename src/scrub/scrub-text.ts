import { maskAll } from './mask.ts';
import type { Needles } from './needles.ts';

export interface Scrubbed {
  readonly text: string;
  /** How many secrets were masked; those that overlap are one. */
  readonly count: number;
}

/** Masks the secrets in a text of one latin1 character a byte: a field name or value, a status text. The same string if there is none. */
export function scrubText(text: string, needles: Needles): Scrubbed {
  if (text.length < needles.bytesMin) return { text, count: 0 };
  const bytes = Buffer.from(text, 'latin1');
  const found: number[] = [];
  const cut = needles.search(bytes, found);
  if (cut < bytes.length) needles.searchLast(bytes, cut, false, found);
  if (found.length === 0) return { text, count: 0 };
  const masked = maskAll(bytes, found);
  return { text: bytes.toString('latin1'), count: masked.count };
}
