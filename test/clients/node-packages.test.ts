import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type ClientSpec, client, NODE_PACKAGES } from '../support/client-matrix.ts';
import { nodePackage } from '../support/client-node.ts';
import { runtime, runtimeVersion } from '../support/client-runtimes.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';
import { npmRegistry } from '../support/npm-registry.ts';

const world = clientWorld({
  origins: { registry: { answer: npmRegistry({ name: 'probe', version: '1.0.0', word: 'installed' }) } },
});

/** In a project of its own, with a dependency that only this registry has. */
async function installs(
  folder: string,
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { home, url, run, origin } = world();
  const cwd = join(home, folder);
  mkdirSync(cwd);
  writeFileSync(join(cwd, 'package.json'), JSON.stringify({ name: 'user', dependencies: { probe: '1.0.0' } }));
  writeFileSync(join(cwd, '.npmrc'), `registry=${url('registry')}/\n`);
  const [program = '', ...args] = command;
  const { code, stdout, stderr } = await run(program, args, { cwd, env, timeoutMs: 45_000 });
  expect(code, stdout + stderr).toBe(0);
  expect(readFileSync(join(cwd, 'node_modules/probe/index.js'), 'utf8')).toContain('installed');
  // pnpm also asks whether there is a newer one of itself.
  const seen = origin('registry')
    .taken()
    .filter(({ path }) => path !== '/pnpm');
  expectSeen(seen, 'h1', ['GET /probe', 'GET /probe/-/probe-1.0.0.tgz']);
}

const NPMRC = '`registry` in `.npmrc`, where it is not the public one';
const script = (path: string): readonly string[] => [process.execPath, join(NODE_PACKAGES, path)];

function installer(spec: ClientSpec, what: string, run: () => Promise<void>): void {
  client(spec, (prove) =>
    prove({ protocol: 'h1', what: `${what} of a package of a registry`, timeoutMs: 60_000 }, run),
  );
}

const YARN_1 = {
  name: 'Yarn 1',
  ...nodePackage('yarn'),
  needs: NPMRC,
};
installer(YARN_1, '`yarn install`', () => installs('yarn-1', [...script('yarn/bin/yarn.js'), 'install']));

const YARN = {
  name: 'Yarn',
  ...nodePackage('@yarnpkg/cli-dist'),
  needs: '`YARN_NPM_REGISTRY_SERVER`, or `npmRegistryServer` in `.yarnrc.yml`, where it is not the public one',
};
installer(YARN, '`yarn install`', () =>
  installs('yarn', [...script('@yarnpkg/cli-dist/bin/yarn.js'), 'install'], {
    YARN_NPM_REGISTRY_SERVER: world().url('registry'),
    YARN_NODE_LINKER: 'node-modules',
    YARN_ENABLE_TELEMETRY: '0',
  }),
);

const PNPM_10 = {
  name: 'pnpm 10',
  ...nodePackage('pnpm'),
  needs: NPMRC,
};
installer(PNPM_10, '`pnpm install`', () => installs('pnpm-10', [...script('pnpm/bin/pnpm.cjs'), 'install']));

const PNPM = {
  name: 'pnpm',
  ...runtimeVersion('pnpm'),
  needs: NPMRC,
};
installer(PNPM, '`pnpm install`', () => installs('pnpm', [runtime('pnpm'), 'install']));

const DENO = {
  name: 'deno install',
  ...runtimeVersion('deno'),
  needs: NPMRC,
};
installer(DENO, '`deno install`', () => installs('deno', [runtime('deno'), 'install']));

const BUN = {
  name: 'bun install',
  ...runtimeVersion('bun'),
  needs: NPMRC,
};
installer(BUN, '`bun install`', () => installs('bun', [runtime('bun'), 'install']));
