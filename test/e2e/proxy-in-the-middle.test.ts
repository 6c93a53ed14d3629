import { createHash } from 'node:crypto';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { listening } from '../support/listening.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connectTunnel, type RawClient } from '../support/raw-client.ts';
import { certificateFor, loopback, SECRET } from '../support/scene.ts';

closeOpened();

/** http-proxy has no types; this is what is used of it. */
interface ReverseProxy {
  web(request: IncomingMessage, response: ServerResponse): void;
  ws(request: IncomingMessage, socket: unknown, head: Buffer): void;
  on(event: 'error', listener: () => void): void;
  close(): void;
}
const httpProxy: { createProxyServer(options: { readonly target: string }): ReverseProxy } = createRequire(
  import.meta.url,
)('http-proxy');

const ACCEPT = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

/** client ─▶ Postern ─▶ http-proxy (TLS) ─▶ node:http origin that wants the credential. */
async function start(): Promise<{ postern: Postern; authority: string; tunnel(): Promise<RawClient> }> {
  const origin = createHttpServer((request, response) => {
    if (request.headers.authorization !== `Bearer ${SECRET}`) {
      response.writeHead(401).end();
      return;
    }
    if (request.url === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: 1\n\n');
      request.socket.once('close', () => response.destroy());
      setTimeout(() => response.end('data: 2\n\n'), 50);
      return;
    }
    const pieces: Buffer[] = [];
    request.on('data', (bytes: Buffer) => pieces.push(bytes));
    request.on('end', () => {
      const body = Buffer.concat(pieces);
      const hash = createHash('sha256').update(body).digest('hex');
      response.end(`${request.method} ${request.url} ${body.length} ${hash}`);
    });
  });
  origin.on('upgrade', (request, socket) => {
    socket.on('error', () => {});
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${ACCEPT(String(request.headers['sec-websocket-key']))}\r\n\r\n`,
    );
    socket.on('data', (bytes: Buffer) => socket.write(bytes));
  });
  const originPort = await listening(origin);
  const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${originPort}` });
  proxy.on('error', () => {});
  const middle = createHttpsServer(certificateFor('origin.test'), (request, response) => proxy.web(request, response));
  middle.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head));
  const port = await listening(middle);
  const policies = `version: 1\nsecrets: { token: { file: ../secret.txt } }\nrules:\n  - { hosts: [origin.test], ports: [${port}], inject: [{ bearer: "\${token}" }] }\n`;
  const postern = await startPostern({ policies, ...loopback() });
  const authority = `origin.test:${port}`;
  const tunnel = async (): Promise<RawClient> => {
    const client = await connectTunnel(postern.proxyPort, authority);
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    return client;
  };
  return { postern, authority, tunnel };
}

describe('through http-proxy in front of a node:http origin', () => {
  it('GET, POST and chunks pass, one after another on one connection', async () => {
    const { authority, tunnel } = await start();
    const client = await tunnel();
    const body = 'x'.repeat(100_000);
    const hash = createHash('sha256').update(body).digest('hex');
    client.send(`GET /a?b HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.take(/GET \/a\?b 0 [0-9a-f]{64}(\r\n|$)/);
    client.send(`POST /length HTTP/1.1\r\nHost: ${authority}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    expect(await client.take(/POST \/length 100000 [0-9a-f]{64}/)).toContain(hash);
    await client.take(/^(\r\n0\r\n\r\n)?/);
    client.send(
      `POST /chunks HTTP/1.1\r\nHost: ${authority}\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n${body}\r\n0\r\n\r\n`,
    );
    expect(await client.take(/POST \/chunks 100000 [0-9a-f]{64}/)).toContain(hash);
  });

  it('server-sent events pass as they come', async () => {
    const { authority, tunnel } = await start();
    const client = await tunnel();
    client.send(`GET /events HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.until(/data: 1\n\n/);
    expect(client.received).not.toContain('data: 2');
    await client.until(/data: 2\n\n/);
  });

  it('a WebSocket passes', async () => {
    const { postern, authority, tunnel } = await start();
    const client = await tunnel();
    client.send(
      `GET /ws HTTP/1.1\r\nHost: ${authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    );
    await client.take(/^HTTP\/1\.1 101 [\s\S]*\r\n\r\n/);
    for (const text of ['one', 'two']) {
      client.send(text);
      await client.take(new RegExp(`${text}$`));
    }
    client.socket.end();
    expect(await postern.audited({ protocol: 'ws' })).toMatchObject({ status: 101, bytes_out: 6, bytes_in: 6 });
  });

  it('a request without the credential would have been refused', async () => {
    const { postern, authority } = await start();
    postern.write(
      'policies/test.yaml',
      `version: 1\nrules:\n  - { hosts: [origin.test], ports: [${authority.split(':')[1]}] }\n`,
    );
    await fetch(`${postern.adminUrl}/v1/reload`, { method: 'POST' });
    const client = await connectTunnel(postern.proxyPort, authority);
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.take(/^HTTP\/1\.1 401 /);
  });
});
