import { once } from 'node:events';
import { createSecureContext, createServer, type Server } from 'node:tls';
import { expect, it } from 'vitest';
import { parseIp } from '../../../src/address/ip.ts';
import type { Observer } from '../../../src/observe/record.ts';
import { Pool } from '../../../src/upstream/pool.ts';
import { TestAuthority } from '../../support/certificates.ts';
import { closeOpened } from '../../support/closing.ts';
import { listening } from '../../support/listening.ts';

closeOpened();

const UNSEEN: Observer = {
  accepting: true,
  concluded() {},
  connectionOpened() {},
  connectionClosed() {},
  tunnelOpened() {},
  tunnelClosed() {},
};

it('keeps the TLS session of a host in as many bytes as it has, and not in the block that Node cut it from', async () => {
  const authority = new TestAuthority();
  const server: Server = createServer(authority.issue({ names: ['origin.test'] }), (socket) => socket.write('!'));
  const port = await listening(server);
  const pool = new Pool(UNSEEN);
  const origin = pool.origin('default', 'https', 'origin.test', port, 'named');
  const context = createSecureContext({ ca: authority.pem });
  const address = parseIp('127.0.0.1');
  const settings = {
    connectMs: 5_000,
    tlsMs: 5_000,
    context,
    headBytes: 1_000,
    headFields: 10,
    parentCredentials: () => null,
    signal: new AbortController().signal,
  };
  const { wire } = await pool.dial(origin, { kind: 'direct', addresses: address === null ? [] : [address] }, settings);
  if (origin.session === null) await once(wire.socket, 'session');
  const bytes = origin.session?.bytes;
  expect(bytes?.length).toBeGreaterThan(0);
  expect(bytes?.buffer.byteLength).toBe(bytes?.length);
  wire.destroy();
});
