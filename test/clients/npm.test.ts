import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { client, versionOf } from '../support/client-matrix.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';
import { npmRegistry } from '../support/npm-registry.ts';

const world = clientWorld({ origins: { registry: { answer: npmRegistry() } } });

const SPEC = {
  name: 'npm',
  version: versionOf('npm', ['--version'], /^(\S+)/),
  install: 'apt-get install npm',
  needs: '`registry` in `.npmrc`, where it is not the public one',
};

client(SPEC, (prove) => {
  prove(
    { protocol: 'h1', what: '`npm publish`, and `npm install` of what was published', timeoutMs: 60_000 },
    async () => {
      const { home, url, run, origin } = world();
      const registry = `${url('registry')}/`;
      // npm does not publish without a token; this one is replaced on the way.
      const token = `${registry.replace('https:', '')}:_authToken=unused-postern-adds-it`;
      writeFileSync(join(home, '.npmrc'), `registry=${registry}\n${token}\nupdate-notifier=false\naudit=false\n`);
      const probe = join(home, 'probe');
      const user = join(home, 'user');
      for (const folder of [probe, user]) mkdirSync(folder);
      writeFileSync(join(probe, 'package.json'), JSON.stringify({ name: 'probe', version: '1.0.0', main: 'index.js' }));
      writeFileSync(join(probe, 'index.js'), 'module.exports = "installed";\n');
      const published = await run('npm', ['publish'], { cwd: probe, timeoutMs: 30_000 });
      expect(published.code, published.stderr).toBe(0);
      writeFileSync(join(user, 'package.json'), '{}');
      const installed = await run('npm', ['install', 'probe@1.0.0'], {
        cwd: user,
        timeoutMs: 30_000,
        // In its own cache, `publish` has kept what it sent.
        env: { npm_config_cache: join(home, 'empty') },
      });
      expect(installed.code, installed.stderr).toBe(0);
      expect(readFileSync(join(user, 'node_modules/probe/index.js'), 'utf8')).toContain('installed');
      const seen = origin('registry').taken();
      expectSeen(seen, 'h1');
      expect(seen.map(({ method, path }) => `${method} ${path}`)).toEqual(
        expect.arrayContaining(['PUT /probe', 'GET /probe', 'GET /probe/-/probe-1.0.0.tgz']),
      );
    },
  );
});
