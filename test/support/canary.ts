/**
 * A search for secret values in everything that came out of a run, as plain as can be: it proves what `src/scrub` and the rest of the product
 * do, so nothing of theirs is in it. Texts are read as one character a byte.
 */

/** Shorter values stand in other texts by chance. */
export const VALUE_BYTES_MIN = 8;

interface Form {
  readonly name: string;
  readonly text: string;
}

/** What a value looks like in the codings that programs put values in. */
export function formsOf(value: Buffer): readonly Form[] {
  const text = value.toString('utf8');
  const hex = value.toString('hex');
  const units = [...Array(text.length).keys()].map((at) => text.charCodeAt(at).toString(16).padStart(4, '0'));
  const bytes = [...value].map((byte) => byte.toString(16).padStart(2, '0'));
  const base64 = [0, 1, 2].flatMap((offset) => [
    { name: `base64 at offset ${offset}`, text: base64At(value, offset) },
    { name: `base64url at offset ${offset}`, text: base64At(value, offset).replaceAll('+', '-').replaceAll('/', '_') },
  ]);
  const json = JSON.stringify(text).slice(1, -1);
  return [
    { name: 'plain', text: value.toString('latin1') },
    { name: 'UTF-8 twice', text: Buffer.from(value.toString('latin1'), 'utf8').toString('latin1') },
    ...base64,
    { name: 'percent', text: encodeURIComponent(text.toWellFormed()) },
    { name: 'form', text: new URLSearchParams([['', text]]).toString().slice(1) },
    { name: 'percent, every byte', text: bytes.map((byte) => `%${byte}`).join('') },
    { name: 'percent, every byte, upper case', text: bytes.map((byte) => `%${byte.toUpperCase()}`).join('') },
    { name: 'JSON', text: latin1(json) },
    { name: 'JSON in JSON', text: latin1(JSON.stringify(json).slice(1, -1)) },
    { name: 'JSON, every character', text: units.map((unit) => `\\u${unit}`).join('') },
    { name: 'JSON, every character, upper case', text: units.map((unit) => `\\u${unit.toUpperCase()}`).join('') },
    { name: 'hex', text: hex },
    { name: 'hex, upper case', text: hex.toUpperCase() },
  ];
}

const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** In base64 of a longer text, only the characters that share no group of bits with a neighbour are certain. */
function base64At(value: Buffer, offset: number): string {
  const coded = Buffer.concat([Buffer.alloc(offset), value])
    .toString('base64')
    .replaceAll('=', '');
  const end = ((offset + value.length) * 8) % 6 === 0 ? coded.length : -1;
  return coded.slice(Math.ceil((offset * 8) / 6), end);
}

/** Escapes of single characters taken off, whichever of them an encoder has escaped. */
const DECODINGS: readonly (readonly [name: string, decode: (text: string) => string])[] = [
  ['percent, mixed', (text) => text.replace(/%([0-9a-f]{2})/gi, (_all, hex: string) => fromHex(hex))],
  ['JSON, mixed', (text) => text.replace(/\\u00([0-9a-f]{2})|\\(?=["\\/])/gi, (_all, hex?: string) => fromHex(hex))],
];

const fromHex = (hex: string | undefined): string =>
  hex === undefined ? '' : String.fromCharCode(Number.parseInt(hex, 16));

/** A search for these values, that answers with the names of the forms in which any of them stands in a text. */
export function searchFor(values: readonly Buffer[]): (text: string) => readonly string[] {
  const forms = values.flatMap(formsOf);
  const plain = values.map((value) => value.toString('latin1'));
  return (text) => {
    const found = forms.filter((form) => text.includes(form.text)).map(({ name }) => name);
    const decoded = /[%\\]/.test(text) ? DECODINGS : [];
    for (const [name, decode] of decoded) {
      const other = decode(text);
      if (other !== text && plain.some((value) => other.includes(value))) found.push(name);
    }
    return [...new Set(found)];
  };
}

export const formsIn = (text: string, values: readonly Buffer[]): readonly string[] => searchFor(values)(text);
