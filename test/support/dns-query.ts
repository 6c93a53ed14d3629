/** Writes DNS queries, good and bad ones, by hand: an independent writer beside the reader under test. */

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);

export const labels = (...texts: readonly string[]): Buffer =>
  Buffer.concat([
    ...texts.map((text) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'latin1')])),
    Buffer.from([0]),
  ]);

export const nameBytes = (name: string): Buffer => labels(...(name === '' ? [] : name.split('.')));

export interface QueryParts {
  readonly id?: number;
  readonly flags?: number;
  /** Questions, answers, authorities, additional records; by default what is there. */
  readonly counts?: readonly [number, number, number, number];
  readonly name?: Buffer;
  readonly type?: number;
  readonly class?: number;
  /** Additional records. */
  readonly more?: readonly Buffer[];
  readonly tail?: Buffer;
}

export function queryBytes(name: string, parts: QueryParts = {}): Buffer {
  const more = parts.more ?? [];
  const counts = parts.counts ?? [1, 0, 0, more.length];
  return Buffer.concat([
    u16(parts.id ?? 0x1234),
    u16(parts.flags ?? 0x0100),
    ...counts.map(u16),
    parts.name ?? nameBytes(name),
    u16(parts.type ?? 1),
    u16(parts.class ?? 1),
    ...more,
    parts.tail ?? Buffer.alloc(0),
  ]);
}

export interface OptParts {
  readonly udpBytes?: number;
  readonly version?: number;
  readonly flags?: number;
  readonly data?: Buffer;
  readonly name?: Buffer;
}

export const opt = ({
  udpBytes = 1232,
  version = 0,
  flags = 0,
  data = Buffer.alloc(0),
  name = nameBytes(''),
}: OptParts = {}): Buffer =>
  Buffer.concat([name, u16(41), u16(udpBytes), Buffer.from([0, version]), u16(flags), u16(data.length), data]);

/** What an answer says, read by hand. Names in it must be pointers to the question. */
export interface AnswerRead {
  readonly id: number;
  readonly rcode: number;
  readonly truncated: boolean;
  readonly question: string;
  /** Type and data of the records. */
  readonly records: readonly (readonly [number, string])[];
  readonly edns: { readonly code: number; readonly text: string } | 'plain' | null;
}

export function readAnswer(bytes: Buffer): AnswerRead {
  const flags = bytes.readUInt16BE(2);
  if ((flags & 0x8000) === 0) throw new Error('this is no answer');
  let at = 12;
  const begin = at;
  if (bytes.readUInt16BE(4) === 1) {
    while ((bytes[at] ?? 0) !== 0) at += 1 + (bytes[at] ?? 0);
    at += 5;
  }
  const question = bytes.toString('latin1', begin, at);
  const records: (readonly [number, string])[] = [];
  for (let count = bytes.readUInt16BE(6); count > 0; count--) {
    if (bytes.readUInt16BE(at) !== 0xc00c) throw new Error('a record of another name');
    const length = bytes.readUInt16BE(at + 10);
    records.push([bytes.readUInt16BE(at + 2), addressText(bytes.subarray(at + 12, at + 12 + length))]);
    at += 12 + length;
  }
  let rcode = flags & 0xf;
  let edns: AnswerRead['edns'] = null;
  if (bytes.readUInt16BE(10) === 1) {
    if (bytes[at] !== 0 || bytes.readUInt16BE(at + 1) !== 41) throw new Error('no OPT record');
    rcode |= (bytes[at + 5] ?? 0) << 4;
    const length = bytes.readUInt16BE(at + 9);
    const data = bytes.subarray(at + 11, at + 11 + length);
    edns = length === 0 ? 'plain' : { code: data.readUInt16BE(4), text: data.toString('latin1', 6) };
    at += 11 + length;
  }
  if (at !== bytes.length) throw new Error('bytes behind the answer');
  return { id: bytes.readUInt16BE(0), rcode, truncated: (flags & 0x200) !== 0, question, records, edns };
}

const addressText = (data: Buffer): string =>
  data.length === 4 ? [...data].join('.') : data.length === 16 ? data.toString('hex') : data.toString('latin1');
