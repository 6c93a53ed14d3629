import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { getByHttp2 } from './probe-h2.ts';

/** One request through a proxy, made the way the load makes it, but with the proxy's certificate verified. */
export interface Probe {
  readonly mode: 'mitm' | 'direct';
  readonly port: number;
  readonly host: string;
  readonly originPort: number;
  /** The certificate authority that the client trusts: a PEM file, which may appear only once the proxy is up. */
  readonly trust: string;
  readonly fields: readonly string[];
  readonly http2: boolean;
}

const probeBytes = 1024;
const attemptMs = 5000;

/** The status of GET /1024 through the proxy. Rejects where the connection, its certificate or the body is not right. */
export async function probe(target: Probe): Promise<number> {
  const socket = target.mode === 'mitm' ? await tunnel(target) : await open(target.port);
  try {
    return await (target.http2 ? getByHttp2(target, probeBytes, attemptMs, socket) : get(target, socket));
  } finally {
    socket.destroy();
  }
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.on('error', reject);
    socket.on('connect', () => resolve(socket));
  });
}

function tunnel(target: Probe): Promise<Socket> {
  const authority = `${target.host}:${target.originPort}`;
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port: target.port, host: '127.0.0.1', method: 'CONNECT', path: authority });
    request.setHeader('host', authority);
    request.setTimeout(attemptMs, () => request.destroy(new Error('CONNECT was not answered')));
    request.on('error', reject);
    request.on('connect', (response, socket) => {
      socket.on('error', reject);
      if (response.statusCode === 200) return resolve(socket);
      socket.destroy();
      reject(new Error(`CONNECT: ${response.statusCode} ${response.statusMessage}`));
    });
    request.end();
  });
}

/** The fields as an object. */
export const headersOf = ({ fields }: Probe): Record<string, string> =>
  Object.fromEntries(fields.map((field) => field.split(/: */, 2)));

function get(target: Probe, socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    const secure = tlsConnect({ socket, servername: target.host, ca: readFileSync(target.trust) });
    secure.on('error', reject);
    secure.setTimeout(attemptMs, () => secure.destroy(new Error('the request was not answered')));
    const headers = headersOf(target);
    const request = httpRequest({
      createConnection: () => secure,
      path: `/${probeBytes}`,
      headers: { ...headers, host: `${target.host}:${target.originPort}` },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      let bytes = 0;
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on('end', () => {
        if (response.statusCode === 200 && bytes !== probeBytes) reject(new Error(`a body of ${bytes} bytes`));
        else resolve(response.statusCode ?? 0);
      });
    });
    request.end();
  });
}

/** Probes until the origin has answered 200, which it does only to the credential. Rejects with the last failure after `withinMs`. */
export async function untilInjected(target: Probe, withinMs: number, alive: () => boolean): Promise<void> {
  const deadline = performance.now() + withinMs;
  let last: unknown = new Error('never tried');
  while (performance.now() < deadline && alive()) {
    try {
      const status = await probe(target);
      if (status === 200) return;
      last = new Error(`status ${status}`);
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(alive() ? `no injected 200: ${String(last)}` : `it exited: ${String(last)}`);
}
