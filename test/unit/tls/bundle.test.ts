import { X509Certificate } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { loadOrCreateAuthority } from '../../../src/tls/authority-files.ts';
import { bundleOf, refreshBundle } from '../../../src/tls/bundle.ts';
import { readCertificates } from '../../../src/tls/pem.ts';
import { readSystemRoots } from '../../../src/tls/system-roots.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { openssl } from './tools.ts';

const caPemIn = async (dir: string): Promise<string> =>
  (await loadOrCreateAuthority({ dir, nowMs: Date.now() })).authority.caPem;

test('the bundle is the CA first and then every root of the system, each whole', async () => {
  const caPem = await caPemIn(temporaryFolder());
  const bundle = bundleOf(caPem);
  const reading = readCertificates(bundle.pem);
  if (reading.kind === 'refused') throw new Error(reading.why);
  expect(reading.certificates[0]?.raw).toEqual(new X509Certificate(caPem).raw);
  expect(reading.certificates.length).toBe(1 + (readSystemRoots().pem.match(/BEGIN CERTIFICATE/g)?.length ?? 0));
  expect(bundle.rootsFrom).toBe(readSystemRoots().source);
});

test('it is written when ca.pem has changed, and otherwise left alone', async () => {
  const dir = temporaryFolder();
  const file = path.join(dir, 'bundle.pem');
  const caPem = await caPemIn(dir);
  const rootsFrom = readSystemRoots().source;
  expect(await refreshBundle(file, caPem)).toEqual({ kind: 'written', rootsFrom });
  const { ino, mode } = statSync(file);
  expect(mode & 0o777).toBe(0o644);
  expect(await refreshBundle(file, caPem)).toEqual({ kind: 'current', rootsFrom });
  expect(statSync(file).ino).toBe(ino);
  const other = await caPemIn(temporaryFolder());
  expect(await refreshBundle(file, other)).toEqual({ kind: 'written', rootsFrom });
  expect(readFileSync(file, 'utf8')).toBe(bundleOf(other).pem);
  expect(readdirSync(dir).sort()).toEqual(['bundle.pem', 'ca-key.pem', 'ca.pem']);
});

test('a bundle that was cut short is made whole', async () => {
  const dir = temporaryFolder();
  const file = path.join(dir, 'bundle.pem');
  const caPem = await caPemIn(dir);
  writeFileSync(file, bundleOf(caPem).pem.slice(0, 1000));
  expect(await refreshBundle(file, caPem)).toMatchObject({ kind: 'written' });
  expect(openssl('verify', '-CAfile', file, path.join(dir, 'ca.pem'))).toContain(': OK');
});

test('where it cannot be written the outcome says why, and nothing is left behind', async () => {
  const dir = temporaryFolder();
  mkdirSync(path.join(dir, 'bundle.pem'));
  const outcome = await refreshBundle(path.join(dir, 'bundle.pem'), 'x');
  expect(outcome).toEqual({ kind: 'failed', code: 'EISDIR' });
  expect(readdirSync(dir)).toEqual(['bundle.pem']);
});
