import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { closeAfterTest, closeOpened } from '../support/closing.ts';
import { heldWhenQuiet, metric, metricBecomes, residentBytes } from '../support/observed.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { loopback } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const WANTED = 10_000;

/** As many as this machine allows: a connection takes a descriptor here, and the proxy keeps two for each. */
function crowdSize(): number {
  const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]);
  const most = Math.floor((limit - 1_000) / 2);
  if (most < WANTED) console.warn(`the descriptor limit of ${limit} allows ${most} connections in place of ${WANTED}`);
  return Math.min(WANTED, most);
}

/** A client that opens a tunnel and says nothing in it. Resolves when the tunnel is open; `ended` counts when it is closed. */
function halfOpen(port: number, authority: string, ended: () => void): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  closeAfterTest(socket, (open) => open.destroy());
  socket.on('error', () => {});
  socket.on('end', ended);
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  return new Promise((resolve, reject) => {
    socket.once('data', (bytes) => {
      if (bytes.toString('latin1').startsWith('HTTP/1.1 200 ')) resolve(socket);
      else reject(new Error(bytes.toString('latin1')));
    });
    socket.once('close', () => reject(new Error('closed before the tunnel was open')));
  });
}

describe('ten thousand clients that open a tunnel and say nothing', () => {
  it('take bounded memory each, keep nobody from being served, and are all closed by the limit', async () => {
    const size = crowdSize();
    const origin = await startOrigin({ onConnection: answering(OK) });
    const base = loopback({ connections: 2 * size, connections_per_sandbox: 2 * size, client_head: '12s' });
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { hosts: [plain.test], schemes: [http, https], ports: [${origin.port}] }\n`,
      ...base,
      settings: { ...base.settings, log: { audit: 'audit.jsonl' } },
    });
    const authority = `plain.test:${origin.port}`;
    const get = `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
    const before = await heldWhenQuiet(postern);
    const beforeBytes = residentBytes(postern);
    let ended = 0;
    for (let opened = 0; opened < size; opened += 500) {
      const some = Math.min(500, size - opened);
      await Promise.all(Array.from({ length: some }, () => halfOpen(postern.proxyPort, authority, () => ended++)));
    }
    // All of them, unless this machine took longer to open them than they have.
    const open = await metric(postern, 'postern_connections{side="client"}');
    expect(open).toBeGreaterThan(size / 2);
    const each = (residentBytes(postern) - beforeBytes) / open;
    console.log(`${open} half-open tunnels take ${(each / 1024).toFixed(1)} KiB each`);
    expect(each).toBeLessThan(40 * 1024);
    const client = await connectRaw(postern.proxyPort);
    const startedMs = performance.now();
    client.send(get);
    await client.take(/ok$/);
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    client.socket.destroy();
    for (const { socket } of origin.connections) socket.destroy();
    const after = await heldWhenQuiet(postern);
    await expect.poll(() => ended).toBe(size);
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
    const lines = (): number => readFileSync(join(postern.folder, 'audit.jsonl'), 'utf8').split('\n').length - 1;
    await expect.poll(lines).toBe(size + 1);
  }, 60_000);
});

describe('more clients than there may be', () => {
  const CONNECTIONS = 40;

  it('are told 503 OVERLOADED with Retry-After, whatever they ask for; those that are in are served, and so is who comes after', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { hosts: [plain.test], schemes: [http], ports: [${origin.port}] }\n`,
      ...loopback({ connections: CONNECTIONS }),
    });
    const authority = `plain.test:${origin.port}`;
    const get = `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
    const connectTo = `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
    const inside = await Promise.all(Array.from({ length: CONNECTIONS }, () => connectRaw(postern.proxyPort)));
    await metricBecomes(postern, 'postern_connections{side="client"}', CONNECTIONS);
    const outside = await Promise.all(Array.from({ length: 120 }, () => connectRaw(postern.proxyPort)));
    for (const [index, client] of outside.entries()) client.send(index % 2 === 0 ? get : connectTo);
    for (const client of outside) {
      expect(await client.untilEnded()).toMatch(/^HTTP\/1\.1 503 OVERLOADED[^\r]*\r\n[\s\S]*\r\nRetry-After: 1\r\n/);
    }
    const serve = async (client: RawClient): Promise<void> => {
      client.send(get);
      expect(await client.take(/ok$/)).toMatch(/^HTTP\/1\.1 200 /);
    };
    await Promise.all(inside.map(serve));
    for (const { socket } of inside) socket.destroy();
    await metricBecomes(postern, 'postern_connections{side="client"}', 0);
    await Promise.all(Array.from({ length: CONNECTIONS }, async () => serve(await connectRaw(postern.proxyPort))));
    const refused = postern.audit.filter(({ code, status }) => code === 'OVERLOADED' && status === 503);
    expect(refused).toHaveLength(120);
  });
});
