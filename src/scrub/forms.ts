import { type Kind, NEVER, type Needle, NONE } from './needle.ts';

/**
 * The forms in which a secret is looked for (SEMANTICS.md 8): as it is and escaped for a URL or JSON, in base64 and in hex.
 */

/** Values with fewer bytes are refused for scrubbing: what they are made of stands in other texts by chance. */
export const SCRUB_BYTES_MIN = 8;

const PERCENT = 0x25;
const SLASH = 0x5c;

/** Every form of every value, each once. */
export function formsOf(values: readonly string[]): Needle[] {
  const byForm = new Map<string, Needle>();
  for (const value of values.flatMap(spoken)) {
    for (const needle of [...textForms(value), ...base64Forms(value), hexForm(value)])
      byForm.set(keyOf(needle), needle);
  }
  return [...byForm.values()];
}

const keyOf = ({ kind, units, percentDepth, slashes }: Needle): string =>
  `${kind} ${percentDepth} ${slashes} ${Buffer.from(units).toString('latin1')}`;

/** A value that is not ASCII is sent as UTF-8; servers that read fields as latin1 answer with each of its bytes as a character. */
function spoken(value: string): Buffer[] {
  const bytes = Buffer.from(value, 'utf8');
  const misread = Buffer.from(bytes.toString('latin1'), 'utf8');
  return bytes.equals(misread) ? [bytes] : [bytes, misread];
}

/**
 * The value and its escaped spellings, which `walk` knows. A `%` or `\` of the value is written differently at each depth of escaping, and
 * to try them at each place would multiply: each depth is a needle of its own. Few values have either.
 */
function textForms(value: Buffer): Needle[] {
  const percentDepths = value.includes(PERCENT) ? [NEVER, 0, 1] : [NEVER];
  const slashes = value.includes(SLASH) ? [1, 2, 4] : [1];
  return percentDepths.flatMap((depth) => slashes.map((count) => needle('text', value, depth, count)));
}

/**
 * The characters of base64 that are the value's alone, at each of the three places at which it can begin within a group of three bytes.
 * Those at the edges carry two or four bits of it and others of its neighbours; they are left as they are.
 */
function base64Forms(value: Buffer): Needle[] {
  return [0, 1, 2].map((before) => {
    const coded = Buffer.concat([Buffer.alloc(before), value]).toString('base64');
    const first = Math.ceil((before * 8) / 6);
    const last = Math.floor(((before + value.length) * 8) / 6);
    return needle('base64', Buffer.from(coded.slice(first, last), 'latin1'), NEVER, 1);
  });
}

/** The units that eight bytes of a secret are, at least. */
const PIECE_UNITS: Readonly<Record<Kind, number>> = { text: 8, base64: 11, hex: 16 };

/** Every piece of eight bytes of every form, for bodies that can be cut anywhere. Longer pieces are made of them. */
export function piecesOf(forms: readonly Needle[]): Needle[] {
  return forms.flatMap((form) => {
    const length = Math.min(PIECE_UNITS[form.kind], form.units.length);
    return Array.from({ length: form.units.length - length + 1 }, (_none, from) => ({
      ...form,
      units: form.units.subarray(from, from + length),
      plain: form.plain.subarray(from, from + length),
    }));
  });
}

const hexForm = (value: Buffer): Needle => needle('hex', Buffer.from(value.toString('hex'), 'latin1'), NEVER, 1);

function needle(kind: Kind, units: Uint8Array, percentDepth: number, slashes: number): Needle {
  const plain = Int16Array.from(units, (byte) => {
    if (byte === PERCENT && percentDepth !== NEVER) return NONE;
    return byte === SLASH && slashes > 1 ? NONE : byte;
  });
  return { kind, units, plain, percentDepth, slashes };
}
