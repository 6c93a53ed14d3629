import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { sendUntilHeld } from '../support/faulty-client.ts';
import { heldWhenQuiet } from '../support/observed.ts';
import { startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel } from '../support/raw-client.ts';
import { loopback, startScene } from '../support/scene.ts';

closeOpened();

/** More than the proxy lets lie unread, and less than the kernel takes from a client. */
const MORE = 'x'.repeat(400_000);

describe('a client whose bytes nobody takes, so that its socket is not read, and that resets its connection', () => {
  it('frees the upstream of the request that runs, on plain HTTP', async () => {
    const origin = await startOrigin();
    const policies = `version: 1\nrules:\n  - { hosts: [plain.test], schemes: [http], ports: [${origin.port}] }\n`;
    const postern = await startPostern({ policies, ...loopback() });
    const client = await connectRaw(postern.proxyPort);
    client.send(`GET http://plain.test:${origin.port}/ HTTP/1.1\r\nHost: plain.test:${origin.port}\r\n\r\n`);
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    await new Promise((resolve) => client.socket.write(MORE, resolve));
    client.socket.resetAndDestroy();
    await connection.untilEnded();
    expect(await postern.audited({ host: 'plain.test' })).toMatchObject({ code: 'REQUEST_INVALID', status: null });
    connection.socket.destroy();
    await heldWhenQuiet(postern);
  });

  it('frees it inside TLS', async () => {
    const { postern, origin, authority, tunnel } = await startScene();
    const client = await connectTunnel(postern.proxyPort, authority);
    const raw = client.socket;
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    client.send(`POST / HTTP/1.1\r\nHost: ${authority}\r\nContent-Length: 99999999\r\n\r\n`);
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.pause();
    // Until all buffers on the way are full, and the client's socket is not read any more.
    await sendUntilHeld(client, MORE, 1_000);
    raw.resetAndDestroy();
    expect(await postern.audited({ host: 'origin.test' })).toMatchObject({ code: 'REQUEST_INVALID', status: null });
    connection.socket.resume();
    await connection.untilEnded();
    connection.socket.destroy();
    await heldWhenQuiet(postern);
    await (await tunnel()).socket.destroy();
  });

  it('frees an opaque tunnel', async () => {
    const origin = await startOrigin();
    const policies = `version: 1\nsubnets:\n  allow: [{ cidr: 127.0.0.1/32, ports: [${origin.port}] }]\n`;
    const postern = await startPostern({ policies, ...loopback() });
    const client = await connectTunnel(postern.proxyPort, `127.0.0.1:${origin.port}`);
    const connection = await origin.next();
    connection.socket.pause();
    await sendUntilHeld(client, MORE, 1_000);
    client.socket.resetAndDestroy();
    // What was sent before goes on to the origin, as far as it reads.
    connection.socket.resume();
    await connection.untilEnded();
    connection.socket.destroy();
    expect(await postern.audited({ protocol: 'tunnel' })).toMatchObject({ code: null, status: 200 });
    await heldWhenQuiet(postern);
  });
});

describe('a client whose request is refused while it sends its body', () => {
  it('can read the refusal after all of the body that was on the way', async () => {
    const postern = await startPostern({ policies: 'version: 1\nrules: []\n', ...loopback() });
    for (let round = 0; round < 5; round++) {
      const client = await connectRaw(postern.proxyPort);
      client.socket.pause();
      client.send('POST http://denied.test/ HTTP/1.1\r\nHost: denied.test\r\nContent-Length: 8388608\r\n\r\n');
      await new Promise((resolve) => client.socket.write(Buffer.alloc(8 * 1024 * 1024), resolve));
      client.socket.resume();
      expect(await client.untilEnded()).toMatch(/^HTTP\/1\.1 403 HOST_DENIED\r\n[\s\S]*\}\}\n$/);
      expect(client.error).toBeNull();
      client.socket.destroy();
    }
  });
});
