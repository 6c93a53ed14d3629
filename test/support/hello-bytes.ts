/** Writes ClientHellos, good and bad ones, by hand: an independent writer beside the reader under test. */

const u8 = (value: number): Buffer => Buffer.from([value]);
export const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
const u24 = (value: number): Buffer => Buffer.from([value >> 16, (value >> 8) & 0xff, value & 0xff]);

const vector8 = (bytes: Buffer): Buffer => Buffer.concat([u8(bytes.length), bytes]);
export const vector16 = (bytes: Buffer): Buffer => Buffer.concat([u16(bytes.length), bytes]);

export const extension = (type: number, data: Buffer): Buffer => Buffer.concat([u16(type), vector16(data)]);

/** A server_name extension of any entries. */
export const serverNames = (...entries: readonly (readonly [type: number, name: string])[]): Buffer =>
  extension(
    0,
    vector16(
      Buffer.concat(entries.map(([type, name]) => Buffer.concat([u8(type), vector16(Buffer.from(name, 'latin1'))]))),
    ),
  );

export const alpn = (...names: readonly string[]): Buffer =>
  extension(16, vector16(Buffer.concat(names.map((name) => vector8(Buffer.from(name, 'latin1'))))));

export const versions = (...numbers: readonly number[]): Buffer =>
  extension(43, vector8(Buffer.concat(numbers.map(u16))));

export interface HelloParts {
  readonly legacyVersion?: number;
  readonly sessionId?: Buffer;
  readonly cipherSuites?: Buffer;
  readonly compression?: Buffer;
  /** Null: the hello ends before them. */
  readonly extensions?: readonly Buffer[] | null;
  /** Bytes after the end of the body, counted in the length of the message. */
  readonly tail?: Buffer;
}

/** The handshake message. */
export function helloMessage(parts: HelloParts = {}): Buffer {
  const extensions = parts.extensions === undefined ? [serverNames([0, 'api.example.com'])] : parts.extensions;
  const body = Buffer.concat([
    u16(parts.legacyVersion ?? 0x0303),
    Buffer.alloc(32, 0x11),
    vector8(parts.sessionId ?? Buffer.alloc(32, 0x22)),
    vector16(parts.cipherSuites ?? Buffer.from('13011302c02b', 'hex')),
    vector8(parts.compression ?? Buffer.from([0])),
    extensions === null ? Buffer.alloc(0) : vector16(Buffer.concat(extensions)),
    parts.tail ?? Buffer.alloc(0),
  ]);
  return Buffer.concat([u8(1), u24(body.length), body]);
}

/** A handshake message cut into records of so many bytes. */
export function inRecords(message: Buffer, bytesEach = 2 ** 14, version = 0x0301): Buffer {
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += bytesEach) {
    records.push(Buffer.concat([u8(22), u16(version), vector16(message.subarray(at, at + bytesEach))]));
  }
  return Buffer.concat(records);
}

export const hello = (parts: HelloParts = {}, bytesEach?: number): Buffer => inRecords(helloMessage(parts), bytesEach);
