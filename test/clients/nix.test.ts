import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { client, versionOf } from '../support/client-matrix.ts';
import { echoed } from '../support/client-origin.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';

const world = clientWorld({ origins: { h1: {}, both: { speaks: 'h2' } } });

/** A store of its own, in the home, and no builders of the machine. */
function ownStore(home: string): Readonly<Record<string, string>> {
  const folders = ['STORE', 'STATE', 'LOG', 'CONF'].map(
    (name) => [`NIX_${name}_DIR`, join(home, 'nix', name)] as const,
  );
  return { ...Object.fromEntries(folders), NIX_REMOTE: 'local', NIX_CONFIG: 'build-users-group =\nsandbox = false\n' };
}

async function fetches(origin: 'h1' | 'both', protocol: 'h1' | 'h2'): Promise<void> {
  const { home, url, run } = world();
  const args = ['--print-path', '--name', `probe-${origin}`, `${url(origin)}/probe`];
  const { code, stdout, stderr } = await run('nix-prefetch-url', args, { env: ownStore(home) });
  expect(code, stderr).toBe(0);
  expect(readFileSync(stdout.trim().split('\n')[1] ?? '', 'utf8')).toBe(echoed('GET'));
  expectSeen(world().origin(origin).taken(), protocol, ['GET /probe']);
}

const NIX = {
  name: 'Nix',
  version: versionOf('nix', ['--version'], /\(Nix\) (\S+)/),
  install: 'apt-get install nix-bin',
};

client(NIX, (prove) => {
  const what = '`nix-prefetch-url` of a file, into a store of its own';
  prove({ protocol: 'h1', what }, () => fetches('h1', 'h1'));
  prove({ protocol: 'h2', what }, () => fetches('both', 'h2'));
});
