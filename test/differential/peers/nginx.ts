import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { asWeRead, type Case, type Message, type MessageReading } from '../message.ts';
import type { Peer } from './peer.ts';
import { RecordingOrigin } from './recording-origin.ts';

/**
 * nginx is no library: it stands as a reverse proxy between a client that sends the case and an origin that records what nginx made of it. A
 * second request follows each case: only if the origin gets it as it was sent does nginx end the message where the case does.
 *
 *     case + marker ─▶ nginx ─▶ origin      requests: what the origin gets is nginx's reading
 *     client ◀─ nginx ◀─ case               responses: what the client gets is nginx's reading
 */
const PROGRAMS = ['nginx', '/usr/sbin/nginx'];
const CASES_AT_ONCE = 16;
const MARKER = '/after-the-message';
const MARKER_REQUEST = `GET ${MARKER} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`;
/** Where we wait for more too, silence is the answer that is expected; where we do not, nginx is given the time of a busy machine. */
const SILENCE_MS = { expected: 100, unexpected: 2_000 } as const;

const configuration = (folder: string, listen: number, origin: number): string => `
daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log crit;
events { worker_connections 512; }
http {
  access_log off; server_tokens off; keepalive_timeout 5s; lingering_close off;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  large_client_header_buffers 4 64k; proxy_buffer_size 64k; proxy_busy_buffers_size 64k; proxy_buffers 4 64k;
  server {
    listen 127.0.0.1:${listen};
    location / {
      proxy_pass http://127.0.0.1:${origin};
      proxy_http_version 1.1; proxy_set_header X-Case $remote_port; proxy_set_header Host $http_host; proxy_set_header Connection "";
      proxy_next_upstream off; proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset;
      proxy_pass_header Server; proxy_pass_header Date;
    }
  }
}
`;

/** Starts nginx; rejects if there is none. */
export async function startNginx(): Promise<Peer> {
  const { program, version } = await findProgram();
  const origin = new RecordingOrigin();
  const originPort = await origin.listen();
  const folder = mkdtempSync(join(tmpdir(), 'postern-nginx-'));
  const port = await freePort();
  writeFileSync(join(folder, 'nginx.conf'), configuration(folder, port, originPort));
  const child = spawn(program, ['-p', folder, '-c', join(folder, 'nginx.conf')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await untilListening(child, port);
  return {
    name: 'nginx',
    version,
    read: (cases) => inParallel(cases, (each) => readOne(each, port, origin)),
    close: async () => {
      child.kill('SIGTERM');
      await new Promise((resolve) => child.once('close', resolve));
      await origin.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function findProgram(): Promise<{ readonly program: string; readonly version: string }> {
  for (const program of PROGRAMS) {
    try {
      const { stderr } = await promisify(execFile)(program, ['-v']);
      return { program, version: /nginx\/([\d.]+)/.exec(stderr)?.[1] ?? '' };
    } catch {
      // Not here: the next place.
    }
  }
  throw new Error('nginx is not installed');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function untilListening(child: ChildProcess, port: number): Promise<void> {
  const ended = new Promise<never>((_resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => reject(new Error('nginx ended at once')));
  });
  const listening = async (): Promise<void> => {
    while (!(await connects(port)));
  };
  ended.catch(() => {});
  await Promise.race([listening(), ended]);
}

const connects = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => setTimeout(() => resolve(false), 5));
  });

function readOne(
  each: Pick<Case, 'bytes' | 'answerTo'>,
  port: number,
  origin: RecordingOrigin,
): Promise<MessageReading> {
  return each.answerTo === null
    ? readOneRequest(each.bytes, port, origin)
    : readOneResponse(each.bytes, each.answerTo, port, origin);
}

async function readOneRequest(bytes: string, port: number, origin: RecordingOrigin): Promise<MessageReading> {
  const socket = connect(port, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  const id = String(socket.localPort);
  const ours = asWeRead({ bytes, answerTo: null });
  const end = ours.kind === 'message' ? ours.end : null;
  const sent = end === null ? bytes : bytes.slice(0, end) + MARKER_REQUEST;
  const silenceMs = end === null ? SILENCE_MS.expected : SILENCE_MS.unexpected;
  const received = await conversation(socket, sent, {
    silenceMs,
    isEnough: (text) => end !== null && answersIn(text) >= 2,
  });
  const [first, second] = origin.take(id);
  if (first === undefined)
    return received === '' ? { kind: 'incomplete' } : { kind: 'refused', why: statusLine(received) };
  const reading = asWeRead({ bytes: first, answerTo: null });
  if (reading.kind !== 'message')
    return { kind: 'refused', why: `nginx wrote what we refuse: ${JSON.stringify(first)}` };
  return { ...asSent(reading), end: endsWithIt(received, second) ? end : ELSEWHERE };
}

/** Whether nginx took what follows for a message of its own, as it was sent. Where it closes after the first nobody can tell. */
function endsWithIt(received: string, second: string | undefined): boolean {
  if (second?.startsWith(`GET ${MARKER} HTTP/1.1\r\n`) === true) return true;
  const [firstAnswer = ''] = received.split('\r\n\r\n');
  return /^connection: close$/im.test(firstAnswer);
}

const ELSEWHERE = -1;

/** What nginx adds is its own; framing is nginx's too, so only the body tells how it read the message. */
const NGINX_OWN = new Set(['connection', 'content-length', 'transfer-encoding']);
const asSent = (message: Message): Message => ({
  ...message,
  fields: message.fields.filter(([name]) => !NGINX_OWN.has(name.toLowerCase())),
  trailers: [],
});

async function readOneResponse(
  bytes: string,
  method: string,
  port: number,
  origin: RecordingOrigin,
): Promise<MessageReading> {
  const socket = connect(port, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  const id = String(socket.localPort);
  origin.answer(id, bytes);
  const request = `${method} /case HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`;
  const received = await conversation(socket, request, { silenceMs: SILENCE_MS.unexpected, isEnough: () => false });
  origin.take(id);
  const reading = asWeRead({ bytes: received, answerTo: method });
  if (reading.kind !== 'message') return { kind: 'incomplete' };
  if (reading.start[0] === '502' && !bytes.includes(' 502')) return { kind: 'refused', why: '502' };
  return { ...asSent(reading), end: null };
}

/** Sends the bytes and gives what comes, until that is enough, the connection ends or nothing more comes. */
function conversation(
  socket: Socket,
  bytes: string,
  { silenceMs, isEnough }: { readonly silenceMs: number; readonly isEnough: (received: string) => boolean },
): Promise<string> {
  return new Promise((resolve) => {
    let received = '';
    const done = (): void => {
      socket.destroy();
      resolve(received);
    };
    socket.setTimeout(silenceMs, done);
    socket.on('error', done);
    socket.on('close', done);
    socket.on('data', (piece: Buffer) => {
      received += piece.toString('latin1');
      if (isEnough(received)) done();
    });
    socket.write(bytes, 'latin1');
  });
}

const answersIn = (text: string): number => text.split(/HTTP\/1\.[01] [2-9]/).length - 1;
const statusLine = (text: string): string => text.split('\r\n')[0] ?? '';

async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results = new Map<number, R>();
  let next = 0;
  const one = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index];
      if (item !== undefined) results.set(index, await work(item));
    }
  };
  await Promise.all(Array.from({ length: CASES_AT_ONCE }, one));
  return items.flatMap((_item, index) => {
    const result = results.get(index);
    return result === undefined ? [] : [result];
  });
}
