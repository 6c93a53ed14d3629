import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { type OriginConnection, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw } from '../support/raw-client.ts';
import { loopback, startScene } from '../support/scene.ts';

closeOpened();

const BLOCK = Buffer.alloc(1024 * 1024, 'x');

/** More than all buffers on the way hold, so that the proxy is left with bytes that its client does not take. */
function fill({ socket }: OriginConnection): void {
  for (let written = 0; written < 64; written++) socket.write(BLOCK);
}

describe('an answer that breaks off while its client is not reading', () => {
  it('is followed by nothing: a pipelined request is not served into the gap', async () => {
    const { postern, origin, authority, tunnel } = await startScene({ limits: { idle: '1s' } });
    const client = await tunnel();
    client.socket.pause();
    const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
    client.send(get('/1') + get('/2'));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${1024 ** 3}\r\n\r\n`);
    fill(connection);
    expect(await postern.audited({ path: '/1' })).toMatchObject({ code: 'IDLE_TIMEOUT', status: 200 });
    client.socket.resume();
    await client.untilEnded();
    expect(client.received.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(origin.connections.map(({ received }) => received).join('')).not.toContain('/2');
  });

  it('ends in a reset where the end of the connection would have been its end', async () => {
    const origin = await startOrigin();
    const policies = `version: 1\nrules:\n  - { hosts: [plain.test], schemes: [http], ports: [${origin.port}] }\n`;
    const postern = await startPostern({ policies, ...loopback({ idle: '1s' }) });
    const client = await connectRaw(postern.proxyPort);
    client.socket.pause();
    client.send(`GET http://plain.test:${origin.port}/ HTTP/1.1\r\nHost: plain.test:${origin.port}\r\n\r\n`);
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write('HTTP/1.1 200 OK\r\n\r\n');
    fill(connection);
    expect(await postern.audited({ host: 'plain.test' })).toMatchObject({ code: 'IDLE_TIMEOUT', status: 200 });
    // Longer than the proxy waits for such a client.
    await new Promise((resolve) => setTimeout(resolve, 2_400));
    client.socket.resume();
    await client.untilClosed();
    expect(client.error).toMatchObject({ code: 'ECONNRESET' });
  });
});
