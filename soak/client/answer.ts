import { type Connection, Ended } from './connection.ts';

/** An answer as the client read it; this reader shares no line with Postern's. */
export interface Answer {
  readonly status: number;
  readonly reason: string;
  /** Values by lower-case name, in order. */
  readonly fields: ReadonlyMap<string, readonly string[]>;
  readonly body: Buffer;
  readonly trailers: ReadonlyMap<string, readonly string[]>;
  /** Status of the 1xx answers before it. */
  readonly interim: readonly number[];
  /** False where the connection ended before the body did. */
  readonly whole: boolean;
}

type Head = Pick<Answer, 'status' | 'reason' | 'fields'>;

/** Reads one answer to a request of that method. Throws `Ended` where no whole head comes. */
export async function readAnswer(connection: Connection, method: string): Promise<Answer> {
  const interim: number[] = [];
  let head = await readHead(connection);
  while (head.status < 200 && head.status !== 101) {
    interim.push(head.status);
    head = await readHead(connection);
  }
  const bodyless = method === 'HEAD' || head.status === 101 || head.status === 204 || head.status === 304;
  if (bodyless) return { ...head, interim, body: Buffer.alloc(0), trailers: new Map(), whole: true };
  return { ...head, interim, ...(await readBody(connection, head)) };
}

/** The one value of a field; undefined where it is not there once. */
export function single({ fields }: Pick<Answer, 'fields'>, name: string): string | undefined {
  const values = fields.get(name) ?? [];
  return values.length === 1 ? values[0] : undefined;
}

export async function readHead(connection: Connection): Promise<Head> {
  const [line = '', ...lines] = (await connection.through('\r\n\r\n')).split('\r\n');
  const found = /^HTTP\/1\.1 (\d{3}) (.*)$/.exec(line);
  if (found === null) throw new Error(`not a status line: ${JSON.stringify(line)}`);
  return { status: Number(found[1]), reason: found[2] ?? '', fields: fieldsOf(lines) };
}

function fieldsOf(lines: readonly string[]): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  for (const line of lines.filter(Boolean)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    fields.set(name, [...(fields.get(name) ?? []), line.slice(colon + 1).trim()]);
  }
  return fields;
}

type Body = Pick<Answer, 'body' | 'trailers' | 'whole'>;

function readBody(connection: Connection, head: Head): Promise<Body> {
  const length = single(head, 'content-length');
  if (single(head, 'transfer-encoding') === 'chunked') return readChunks(connection);
  if (length === undefined) throw new Error(`an answer ${head.status} with no length`);
  return readLength(connection, Number(length));
}

async function readLength(connection: Connection, length: number): Promise<Body> {
  try {
    return { body: await connection.exactly(length), trailers: new Map(), whole: true };
  } catch (error) {
    return cut(error, connection.taken());
  }
}

async function readChunks(connection: Connection): Promise<Body> {
  const chunks: Buffer[] = [];
  try {
    for (;;) {
      const size = Number.parseInt(await connection.through('\r\n'), 16);
      if (!Number.isInteger(size)) throw new Error('not a chunk size');
      if (size === 0) break;
      chunks.push((await connection.exactly(size + 2)).subarray(0, size));
    }
    const trailers: string[] = [];
    for (let line = await connection.through('\r\n'); line !== '\r\n'; line = await connection.through('\r\n'))
      trailers.push(line.slice(0, -2));
    return { body: Buffer.concat(chunks), trailers: fieldsOf(trailers), whole: true };
  } catch (error) {
    return cut(error, Buffer.concat([...chunks, connection.taken()]));
  }
}

function cut(error: unknown, body: Buffer): Body {
  if (!(error instanceof Ended)) throw error;
  return { body, trailers: new Map(), whole: false };
}
