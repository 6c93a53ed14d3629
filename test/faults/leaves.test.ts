import { expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { startFaultyDns } from '../support/faulty-dns.ts';
import { metric, metricBecomes, residentBytes } from '../support/observed.ts';
import { startPostern } from '../support/postern.ts';
import { connectTunnel } from '../support/raw-client.ts';
import { loopback } from '../support/scene.ts';

closeOpened();

const CACHE = 20;
const NAMES = 100;
const MINTED = 'postern_leaf_certificates_total{outcome="minted"}';
const EVICTED = 'postern_leaf_certificates_total{outcome="evicted"}';

it('a flood of random names under a wildcard keeps the leaf cache within its bound, and mints none for names that are refused', async () => {
  const dns = await startFaultyDns('127.0.0.1');
  const base = loopback({ leaf_cache: CACHE });
  const postern = await startPostern({
    policies: `version: 1
rules:
  - { hosts: ["*.denied.test"], action: deny }
  - { hosts: ["*.test"] }
`,
    ...base,
    settings: { ...base.settings, upstream: { dns: [`127.0.0.1:${dns.port}`], allow_addresses: ['127.0.0.0/8'] } },
  });
  const flood = async (names: readonly string[], servername = (name: string) => name): Promise<number> => {
    let secured = 0;
    for (let at = 0; at < names.length; at += 10) {
      const some = names.slice(at, at + 10).map(async (name) => {
        const client = await connectTunnel(postern.proxyPort, `${name}:443`);
        await client.secure({ servername: servername(name), ca: postern.ca });
        secured++;
        client.socket.destroy();
      });
      await Promise.allSettled(some);
    }
    return secured;
  };
  const random = (suffix: string): string[] =>
    Array.from({ length: NAMES }, () => `${Math.random().toString(36).slice(2)}.${suffix}`);
  expect(await flood(random('fine.test'))).toBe(NAMES);
  const before = residentBytes(postern);
  expect(await flood(random('fine.test'))).toBe(NAMES);
  expect(await metric(postern, MINTED)).toBe(2 * NAMES);
  expect(await metric(postern, EVICTED)).toBe(2 * NAMES - CACHE);
  expect(residentBytes(postern) - before).toBeLessThan(24 * 1024 * 1024);
  // By the policy, by no rule, by DNS, and by a TLS name that is not the authority's.
  expect(await flood(random('denied.test'))).toBe(0);
  expect(await flood(random('elsewhere.example'))).toBe(0);
  expect(await flood(random('missing.test'))).toBe(0);
  expect(await flood(random('fine.test'), () => 'other.fine.test')).toBe(0);
  expect(await metric(postern, MINTED)).toBe(2 * NAMES);
  await metricBecomes(postern, 'postern_connections{side="client"}', 0);
}, 40_000);
