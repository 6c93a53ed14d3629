import type { Random } from './random.ts';

/** What an input may grow to, and the pieces that are worth putting into it. */
export interface Shape {
  readonly bytesMax: number;
  /** Tokens of the language that is read, e.g. `\r\n` or `Content-Length: `. */
  readonly dictionary: readonly Buffer[];
}

type Mutation = (input: Buffer, random: Random, shape: Shape, other: Buffer) => Buffer;

const splice = (input: Buffer, at: number, gone: number, piece: Uint8Array): Buffer =>
  Buffer.concat([input.subarray(0, at), piece, input.subarray(at + gone)]);

const place = (input: Buffer, random: Random): number => random.below(input.length + 1);

/** A stretch of the input, mostly short. */
function stretch(input: Buffer, random: Random): { readonly at: number; readonly length: number } {
  const at = place(input, random);
  const longest = random.below(4) === 0 ? input.length - at : Math.min(8, input.length - at);
  return { at, length: random.below(longest + 1) };
}

/** Bytes at which readers change their minds: ends of lines, white space, delimiters, ends of ranges. */
const TELLING = Buffer.from('\0\t\n\v\f\r !"#%&()*+,-./0129:;<=>?@AFGZ[\\]^_`afgz{|}~\x7f\x80\xa0\xc0\xff', 'latin1');

const MUTATIONS: readonly [Mutation, ...Mutation[]] = [
  // A bit is flipped.
  (input, random) => {
    const at = random.below(input.length);
    const changed = Buffer.from(input);
    if (changed.length > 0) changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
    return changed;
  },
  // A byte becomes another, or comes in.
  (input, random) => {
    const byte = random.below(2) === 0 ? random.below(256) : (TELLING[random.below(TELLING.length)] ?? 0);
    return splice(input, place(input, random), random.below(2), Uint8Array.of(byte));
  },
  // Something goes.
  (input, random) => {
    const { at, length } = stretch(input, random);
    return splice(input, at, length, new Uint8Array(0));
  },
  // Something comes twice, here or elsewhere.
  (input, random) => {
    const { at, length } = stretch(input, random);
    const to = random.below(2) === 0 ? at + length : place(input, random);
    return splice(input, to, 0, input.subarray(at, at + length));
  },
  // A token comes in, or stands in place of what was there.
  (input, random, { dictionary }) => {
    const { at, length } = stretch(input, random);
    return splice(input, at, random.below(2) * length, random.pick(dictionary) ?? new Uint8Array(0));
  },
  (input, random, { dictionary }) => splice(input, place(input, random), 0, random.pick(dictionary) ?? Buffer.alloc(0)),
  // The beginning of this and the end of another.
  (input, random, _shape, other) =>
    Buffer.concat([input.subarray(0, place(input, random)), other.subarray(place(other, random))]),
  // A piece of another.
  (input, random, _shape, other) => {
    const { at, length } = stretch(other, random);
    return splice(input, place(input, random), 0, other.subarray(at, at + length));
  },
];

/** A few changes of an input, together; `other` gives pieces. */
export function mutate(input: Buffer, other: Buffer, random: Random, shape: Shape): Buffer {
  let changed = input;
  for (let left = 1 + (random.below(2) === 0 ? 0 : random.below(5)); left > 0; left--) {
    changed = random.pick(MUTATIONS)(changed, random, shape, other);
  }
  return changed.length > shape.bytesMax ? changed.subarray(0, shape.bytesMax) : changed;
}
