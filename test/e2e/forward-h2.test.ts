import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { claimsIn, forwardPolicy, forwardSettings, headsOf, startForward, valuesOf } from '../support/forward.ts';
import { answering, startNodeOrigin } from '../support/h2-origins.ts';
import { ask } from '../support/h2-stage.ts';
import { nodeClient, through } from '../support/h2-ways.ts';
import { startPostern } from '../support/postern.ts';
import { certificateFor, loopback } from '../support/scene.ts';

closeOpened();

describe('a client of HTTP/2 whose requests are forwarded', () => {
  it('reaches a receiver of HTTP/2 under its name, and a forged field does not arrive', async () => {
    const receiver = await startNodeOrigin({ tls: certificateFor('audit.test'), onRequest: answering('received') });
    const postern = await startPostern({
      policies: forwardPolicy(443, `https://audit.test:${receiver.port}/in`),
      files: loopback().files ?? {},
      settings: forwardSettings(receiver.port),
    });
    const session = await nodeClient(through(postern, 'origin.test:443'));
    const forged = { 'x-forwarded-for': '10.0.0.1', forwarded: 'for=_root', 'x-postern-statement': 'forged' };
    const { body } = await ask(session, { ':path': '/v1/x?y=z', ...forged });
    expect(body.toString()).toBe('received');
    const head = { ...receiver.requests[0]?.fields };
    const at = `audit.test:${receiver.port}`;
    expect(head).toMatchObject({
      ':path': '/in/v1/x?y=z',
      ':scheme': 'https',
      ':authority': at,
      forwarded: 'for=_default;host=origin.test;proto=https',
    });
    expect(Object.keys(head)).not.toContain('host');
    expect(JSON.stringify(head)).not.toMatch(/10\.0\.0\.1|_root|forged/);
    const line = `X-Postern-Statement: ${String(head['x-postern-statement'])}\r\n`;
    expect(await claimsIn(line, postern, `https://${at}`)).toMatchObject({
      path: '/v1/x',
      origin: 'https://origin.test',
    });
  });

  it('reaches a receiver of HTTP/1.1, and paths that leave the prefix do not', async () => {
    const { postern, origin, receiver, authority } = await startForward();
    const session = await nodeClient(through(postern, authority));
    expect((await ask(session, { ':path': '/a' })).body.toString()).toBe('received');
    expect((await ask(session, { ':path': '/../a' })).status).toBe(400);
    const heads = headsOf(receiver);
    expect(heads.map((head) => head.split('\r\n')[0])).toEqual(['GET /in/a HTTP/1.1']);
    expect(valuesOf(heads[0] ?? '', 'Host')).toEqual([`audit.test:${receiver.port}`]);
    expect(origin.connections).toHaveLength(0);
  });

  it('is offered HTTP/1.1 where it may choose, since the host is not connected to', async () => {
    const { postern, origin, authority } = await startForward();
    const socket = await through(postern, authority).open(['h2', 'http/1.1']);
    expect(socket.alpnProtocol).toBe('http/1.1');
    expect(origin.connections).toHaveLength(0);
  });
});
