import { type Needles, needlesOf } from '../../src/scrub/needles.ts';
import { type Extent, Scrubber } from '../../src/scrub/scrubber.ts';
import { holds, same, type Target } from '../target.ts';

/** With what escapes and codings treat in a way of their own; none has a `*`, so that a mask is never taken for a part of one. */
const SECRETS = ['real-secret/0123+?>456', 'abababab%"\\xyz', 'tökén-中-😀-value'] as const;
const STAR = 0x2a;
const PIECE_BYTES_MIN = 8;

function needles(): Needles {
  const made = needlesOf(SECRETS);
  if (made === null) throw new Error('there are secrets to look for');
  return made;
}
const NEEDLES = needles();

/** Every character that stays the same wherever the value begins in base64. */
function base64Of(value: string, before: number): string {
  const coded = Buffer.concat([Buffer.alloc(before), Buffer.from(value)]).toString('base64');
  return coded.slice(Math.ceil((before * 4) / 3), Math.floor(((before + Buffer.byteLength(value)) * 4) / 3));
}

const percentOf = (value: string): string =>
  Array.from(Buffer.from(value), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');

/** SEMANTICS.md 8: as it is, and as base64 in both alphabets and three offsets, percent, JSON escapes and hex have it. */
const FORMS: readonly string[] = SECRETS.flatMap((value) => {
  const base64 = [0, 1, 2].map((before) => base64Of(value, before));
  const inHex = Buffer.from(value).toString('hex');
  return [
    value,
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value),
    percentOf(value),
    percentOf(value).toUpperCase(),
    ...base64,
    ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
    inHex,
    inHex.toUpperCase(),
  ];
}).map((form) => Buffer.from(form).toString('latin1'));

/** The longest that a spelling can be: each byte as an escape within an escape, a piece for those that follow it. */
const HELD_BYTES_MAX = 16 * Math.max(...SECRETS.map((value) => Buffer.byteLength(value)));

function scrub(pieces: readonly Buffer[], extent: Extent): { readonly out: Buffer; readonly count: number } {
  const scrubber = new Scrubber(NEEDLES, extent);
  const out = pieces.map((piece) => {
    const sent = scrubber.push(Buffer.from(piece));
    holds('only what can begin a secret is held', scrubber.heldBytes <= HELD_BYTES_MAX);
    return sent;
  });
  return { out: Buffer.concat([...out, scrubber.end()]), count: scrubber.count };
}

/** A body with secrets in it: none comes out, in no form, however it is cut, and nothing else is touched. */
export const target: Target = {
  name: 'scrubber',
  seeds: [
    ...FORMS.map((form) => Buffer.from(`{"echo":"${form}"} and more`, 'latin1')),
    'nothing to see here, only text',
  ],
  dictionary: [...FORMS, 'abababab', '%25', '%', '\\', '\\\\', '\\u00', '\\u0061', '"', '+', '*', '\xf0\x9f\x98\x80'],
  bytesMax: 400,
  batchInputs: 100,
  check(input) {
    const whole = scrub([input], 'whole');
    const text = whole.out.toString('latin1');
    for (const form of FORMS) holds('no secret comes out', !text.includes(form));
    checkMask(input, whole.out, whole.count);
    same('what came out has no secret left', scrub([whole.out], 'whole'), { out: whole.out, count: 0 });
    const place = ((input[0] ?? 0) * 31 + input.length * 7) % (input.length + 1);
    const halves = [input.subarray(0, place), input.subarray(place)];
    same('pieces come out as the whole', scrub(halves, 'whole'), whole);
    if (input.length <= SINGLES_BYTES_MAX)
      same('single bytes come out as the whole', scrub(singles(input), 'whole'), whole);
    // Edges are compared with every piece of every form: a quarter of the inputs.
    if (place % 4 === 0) checkPart(input, halves, whole.out);
  },
};

function checkPart(input: Buffer, halves: readonly Buffer[], whole: Buffer): void {
  const part = scrub([input], 'part');
  checkMask(input, part.out, part.count);
  for (const [at, byte] of whole.entries())
    holds('a part hides what a whole hides', byte !== STAR || part.out[at] === STAR);
  same('pieces of a part come out as it', scrub(halves, 'part'), part);
  if (input.length <= SINGLES_BYTES_MAX)
    same('single bytes of a part come out as it', scrub(singles(input), 'part'), part);
}

const SINGLES_BYTES_MAX = 60;
const singles = (input: Buffer): readonly Buffer[] => Array.from(input, (byte) => Buffer.of(byte));

/** As long as before, and different only where something is masked, which is never less than a piece of a secret. */
function checkMask(input: Buffer, out: Buffer, count: number): void {
  same('nothing is longer or shorter', out.length, input.length);
  let masked = 0;
  for (const [at, byte] of out.entries()) {
    if (byte === input[at]) continue;
    holds('what differs is masked', byte === STAR);
    masked++;
  }
  holds('something is masked where something was found', masked >= (count > 0 ? PIECE_BYTES_MIN : 0));
  if (count === 0) same('nothing is touched where nothing was found', masked, 0);
}
