import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TestAuthority } from '../support/certificates.ts';
import { closeAfterTest, closeOpened } from '../support/closing.ts';
import { launchPostern, type Postern, startPostern } from '../support/postern.ts';
import { connectRaw } from '../support/raw-client.ts';
import { loopback } from '../support/scene.ts';

closeOpened();

const NOTHING_ALLOWED = 'version: 1\nrules: []\n';

/** Kills the process at the n-th change in a folder, or once it listens. Resolves when it is gone. */
async function killAtChange(postern: Postern, dir: string, n: number): Promise<void> {
  let changes = 0;
  const kill = (): void => void postern.child.kill('SIGKILL');
  const watcher = watch(dir, () => {
    if (++changes === n) kill();
  });
  closeAfterTest(watcher, (open) => open.close());
  const listens = postern.logged(/"msg":"admin listening"/).then(kill, () => {});
  while (postern.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 5));
  await listens;
  watcher.close();
}

const readIf = (file: string): string | null => (existsSync(file) ? readFileSync(file, 'utf8') : null);

/** What stands in a folder of certificates must be one whole pair, and nothing that another start would stumble over. */
function expectWhole(dir: string): void {
  const key = createPrivateKey(readFileSync(join(dir, 'ca-key.pem')));
  const ca = new X509Certificate(readFileSync(join(dir, 'ca.pem')));
  expect(ca.checkPrivateKey(key)).toBe(true);
  expect(statSync(join(dir, 'ca-key.pem')).mode & 0o777).toBe(0o600);
  expect(readdirSync(dir).filter((name) => name.includes('.new-'))).toEqual([]);
}

describe('a process that is killed', () => {
  it('while it makes its CA leaves nothing or all of it: the next one has a whole CA, and no key is lost', async () => {
    for (let n = 1; n <= 7; n++) {
      const first = launchPostern({ policies: NOTHING_ALLOWED, files: { 'certs/.keep': '' } });
      const dir = join(first.folder, 'certs');
      await killAtChange(first, dir, n);
      const left = { key: readIf(join(dir, 'ca-key.pem')), ca: readIf(join(dir, 'ca.pem')) };
      const second = await startPostern({ policies: NOTHING_ALLOWED, folder: first.folder });
      expectWhole(dir);
      if (left.key !== null) expect(readFileSync(join(dir, 'ca-key.pem'), 'utf8')).toBe(left.key);
      if (left.ca !== null) expect(readFileSync(join(dir, 'ca.pem'), 'utf8')).toBe(left.ca);
      second.child.kill('SIGKILL');
    }
  }, 60_000);

  it('while it reloads a policy and a CA comes up again with the newest of both', async () => {
    const policy = (path: string): string =>
      `version: 1\nrules:\n  - { hosts: [plain.test], schemes: [http], paths: [${path}] }\n`;
    const audit = { log: { audit: 'audit.jsonl' } };
    const base = loopback();
    const options = { ...base, settings: { ...base.settings, ...audit } };
    let postern = await startPostern({ policies: policy('/0'), ...options });
    const { folder } = postern;
    // From before the reading to after the swap, which comes when the files were quiet for 100 ms.
    for (const [index, delayMs] of [0, 60, 110, 160].entries()) {
      const round = index + 1;
      const next = new TestAuthority(`Round ${round}`);
      postern.write('next-key.pem', next.keyPem);
      postern.write('next.pem', next.pem);
      postern.write('next.yaml', policy(`/${round}`));
      const client = await connectRaw(postern.proxyPort);
      client.send('GET http://denied.test/ HTTP/1.1\r\nHost: denied.test\r\n\r\n'.repeat(50));
      renameSync(join(folder, 'next-key.pem'), join(folder, 'certs/ca-key.pem'));
      renameSync(join(folder, 'next.pem'), join(folder, 'certs/ca.pem'));
      renameSync(join(folder, 'next.yaml'), join(folder, 'policies/test.yaml'));
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      postern.child.kill('SIGKILL');
      await postern.until(() => undefined).catch(() => {});
      postern = await startPostern({ policies: policy(`/${round}`), folder, ...options });
      expectWhole(join(folder, 'certs'));
      expect(postern.ca).toBe(next.pem);
      const asked = await connectRaw(postern.proxyPort);
      asked.send(`GET http://plain.test/${round - 1} HTTP/1.1\r\nHost: plain.test\r\n\r\n`);
      expect(await asked.take(/\}\}\n$/)).toMatch(/^HTTP\/1\.1 403 PATH_DENIED\r\n/);
      const status: unknown = await (await fetch(`${postern.adminUrl}/v1/status`)).json();
      expect(status).toMatchObject({ generation: 1, findings: [], ca: { fingerprint: fingerprintOf(next.pem) } });
    }
    const lines = readFileSync(join(folder, 'audit.jsonl'), 'utf8').split('\n').slice(0, -1);
    for (const line of lines) expect(JSON.parse(line)).toHaveProperty('id');
  }, 60_000);
});

const fingerprintOf = (pem: string): string => new X509Certificate(pem).fingerprint256;
