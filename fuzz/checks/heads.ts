import type { FieldList } from '../../src/headers/field-list.ts';
import { holds, same } from '../target.ts';

export const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VALUE = /^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?$/;

/** Every field line of a head, and nothing else, as the grammar of RFC 9112 section 5 has it. */
export function checkFields(text: string, fields: FieldList): void {
  const lines = text.split('\r\n').slice(1, -2);
  same('there are as many fields as lines', fields.length, lines.length);
  for (const [index, { name, lower, value }] of fields.entries()) {
    const line = lines[index] ?? '';
    holds('a field name is a token', TOKEN.test(name) && lower === name.toLowerCase());
    holds('a value has no control and no white space around it', VALUE.test(value));
    holds('a line is its name, a colon and its value', line.startsWith(`${name}:`));
    holds('a value is what came', line.slice(name.length + 1).replace(/^[ \t]+|[ \t]+$/g, '') === value);
  }
}

type Cut = { readonly reading: { readonly kind: string } | null; readonly left: number };

/**
 * The same bytes in pieces. What is a message in one piece is the same in many; what is refused in one may be refused for another reason, and
 * sooner.
 */
export function checkSplit(input: Buffer, read: (pieces: readonly Buffer[]) => Cut, whole: Cut): void {
  for (const pieces of isForBytes(input) ? [halves(input), bytes(input)] : [halves(input)]) {
    const cut = read(pieces);
    if (whole.reading?.kind === 'refused') same('what is refused is refused in pieces', cut.reading?.kind, 'refused');
    else same('pieces are read as the whole', cut, whole);
  }
}

/** A place that the input itself chooses, so that a run can be repeated. */
const placeIn = (input: Buffer): number =>
  ((input[0] ?? 0) * 31 + input.length * 7 + (input[input.length >> 1] ?? 0)) % (input.length + 1);

function halves(input: Buffer): readonly Buffer[] {
  const at = placeIn(input);
  return [input.subarray(0, at), input.subarray(at)].filter(({ length }) => length > 0);
}

/** A byte at a time for some of those that are short: what is searched again with each byte costs the square of the length. */
function bytes(input: Buffer): readonly Buffer[] {
  return Array.from({ length: input.length }, (_, at) => input.subarray(at, at + 1));
}

const BYTES_MAX = 120;
const isForBytes = (input: Buffer): boolean => input.length <= BYTES_MAX && placeIn(input) % 16 === 1;
