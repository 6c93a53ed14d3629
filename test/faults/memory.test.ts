import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { sendUntilHeld } from '../support/faulty-client.ts';
import { metricBecomes, residentBytes } from '../support/observed.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connectRaw } from '../support/raw-client.ts';
import { loopback } from '../support/scene.ts';

closeOpened();

const MIB = 1024 * 1024;

describe('answers that a client does not take', () => {
  const request = 'GET http://denied.test/ HTTP/1.1\r\nHost: denied.test\r\n\r\n';
  const block = request.repeat(1_000);

  const start = (): Promise<Postern> => startPostern({ policies: 'version: 1\nrules: []\n', ...loopback({ idle: '1s' }) });

  it('hold back the requests that follow, so that they do not pile up', async () => {
    const postern = await start();
    const client = await connectRaw(postern.proxyPort);
    client.socket.pause();
    const before = residentBytes(postern);
    expect(await sendUntilHeld(client, block, 1_000)).toBeLessThan(300);
    expect(residentBytes(postern) - before).toBeLessThan(80 * MIB);
  });

  it('are followed by all others once it reads on', async () => {
    const postern = await start();
    const client = await connectRaw(postern.proxyPort);
    client.socket.pause();
    const blocks = 12;
    for (let count = 0; count < blocks; count++) client.send(block);
    await postern.until(() => (postern.audit.length > 1_000 ? true : undefined));
    client.socket.resume();
    await postern.until(() => (postern.audit.length === blocks * 1_000 ? true : undefined));
    for (let count = 0; count < blocks * 1_000; count++) await client.take(/^HTTP\/1\.1 403 [^}]*\}\}\n/);
  });

  it('close the connection when nothing of them moved for the idle time', async () => {
    const postern = await start();
    const client = await connectRaw(postern.proxyPort);
    client.socket.pause();
    expect(await sendUntilHeld(client, block, 300)).toBeLessThan(300);
    await metricBecomes(postern, 'postern_connections{side="client"}', 0);
  });
});
