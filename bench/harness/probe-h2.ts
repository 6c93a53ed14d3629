import { readFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { headersOf, type Probe } from './probe.ts';

/** GET /bytes by HTTP/2 on a connection to the proxy or through it; resolves to the status. Rejects as `probe` does. */
export function getByHttp2(target: Probe, wanted: number, withinMs: number, socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    const { host, originPort } = target;
    const ca = readFileSync(target.trust);
    const secure = connectTls({ socket, servername: host, ca, ALPNProtocols: ['h2'] });
    secure.on('error', reject);
    secure.setTimeout(withinMs, () => secure.destroy(new Error('the request was not answered')));
    secure.on('close', () => reject(new Error('closed before the answer')));
    const session = connectHttp2(`https://${host}:${originPort}`, { createConnection: () => secure });
    session.on('error', reject);
    const stream = session.request({ ...headersOf(target), ':path': `/${wanted}` });
    let status = 0;
    let bytes = 0;
    stream.on('error', reject);
    stream.on('response', (fields) => {
      status = fields[':status'] ?? 0;
    });
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    stream.on('end', () => {
      session.destroy();
      if (secure.alpnProtocol !== 'h2') reject(new Error('no HTTP/2'));
      else if (status === 200 && bytes !== wanted) reject(new Error(`a body of ${bytes} bytes`));
      else resolve(status);
    });
  });
}
