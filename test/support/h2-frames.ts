/** Frames of HTTP/2 as bytes (RFC 9113 section 4 and 6), the impossible ones included: nothing here is checked. */

export const TYPE = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const FLAG = { ACK: 1, END_STREAM: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 32 } as const;

export const SETTING = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
  ENABLE_CONNECT_PROTOCOL: 8,
} as const;

/** By number, as RFC 9113 section 7 has them. */
export const ERROR_NAMES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
] as const;
export type ErrorName = (typeof ERROR_NAMES)[number];
export const errorName = (code: number): string => ERROR_NAMES[code] ?? `error ${code}`;
export const errorCode = (name: ErrorName): number => ERROR_NAMES.indexOf(name);

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

const HEAD_BYTES = 9;

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};

export interface HeadersOptions {
  /** The stream ends with it. */
  readonly end?: boolean;
  /** More of the block follows in CONTINUATION. */
  readonly more?: boolean;
}

const headFlags = ({ end = false, more = false }: HeadersOptions): number =>
  (end ? FLAG.END_STREAM : 0) | (more ? 0 : FLAG.END_HEADERS);

export const headers = (stream: number, block: Buffer, options: HeadersOptions = {}): Buffer =>
  frame(TYPE.HEADERS, headFlags(options), stream, block);

export const continuation = (stream: number, block: Buffer, options: Pick<HeadersOptions, 'more'> = {}): Buffer =>
  frame(TYPE.CONTINUATION, headFlags(options), stream, block);

export const pushPromise = (stream: number, promised: number, block: Buffer): Buffer =>
  frame(TYPE.PUSH_PROMISE, FLAG.END_HEADERS, stream, Buffer.concat([uint32(promised), block]));

export const data = (
  stream: number,
  bytes: string | Buffer,
  { end = false }: { readonly end?: boolean } = {},
): Buffer =>
  frame(TYPE.DATA, end ? FLAG.END_STREAM : 0, stream, typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);

export const reset = (stream: number, code: ErrorName): Buffer =>
  frame(TYPE.RST_STREAM, 0, stream, uint32(errorCode(code)));

export const priority = (stream: number, dependency: number, weight = 15): Buffer =>
  frame(TYPE.PRIORITY, 0, stream, Buffer.concat([uint32(dependency), Buffer.from([weight])]));

export const settings = (values: readonly (readonly [setting: number, value: number])[] = []): Buffer =>
  frame(
    TYPE.SETTINGS,
    0,
    0,
    Buffer.concat(values.map(([setting, value]) => Buffer.concat([uint32(setting).subarray(2), uint32(value)]))),
  );
export const settingsAck = (): Buffer => frame(TYPE.SETTINGS, FLAG.ACK, 0);

export const ping = (text = '01234567'): Buffer => frame(TYPE.PING, 0, 0, Buffer.from(text, 'latin1'));
export const pingAck = (payload: Buffer): Buffer => frame(TYPE.PING, FLAG.ACK, 0, payload);

export const goaway = (lastStream: number, code: ErrorName = 'NO_ERROR', text = ''): Buffer =>
  frame(TYPE.GOAWAY, 0, 0, Buffer.concat([uint32(lastStream), uint32(errorCode(code)), Buffer.from(text, 'latin1')]));

export const windowUpdate = (stream: number, bytes: number): Buffer =>
  frame(TYPE.WINDOW_UPDATE, 0, stream, uint32(bytes));

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  read(bytes: Buffer): readonly Frame[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const frames: Frame[] = [];
    while (this.#rest.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < end) break;
      frames.push({
        type: this.#rest.readUInt8(3),
        flags: this.#rest.readUInt8(4),
        stream: this.#rest.readUInt32BE(5) & 0x7fff_ffff,
        payload: this.#rest.subarray(HEAD_BYTES, end),
      });
      this.#rest = this.#rest.subarray(end);
    }
    return frames;
  }
}

/** What of a DATA or HEADERS frame is not padding or priority. */
export function contentOf({ type, flags, payload }: Frame): Buffer {
  const padding = (flags & FLAG.PADDED) === 0 ? null : payload.readUInt8(0);
  const begin = (padding === null ? 0 : 1) + (type === TYPE.HEADERS && (flags & FLAG.PRIORITY) !== 0 ? 5 : 0);
  return payload.subarray(begin, payload.length - (padding ?? 0));
}
