import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { client, versionOf } from '../support/client-matrix.ts';
import type { Answer } from '../support/client-origin.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';
import { zipOf } from '../support/client-zip.ts';

/** What the registry of gems has (guides.rubygems.org/rubygems-org-api), as files of a folder. */
let gemFolder = '';
const gems: Answer = (_request, response, path) => {
  const file = /^\/[\w./-]+$/.test(path) && !path.includes('..') ? fileAt(join(gemFolder, path)) : null;
  response.writeHead(file === null ? 404 : 200).end(file);
};

function fileAt(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}

/** A repository of Composer's (getcomposer.org/doc/05-repositories.md#composer) with one package. */
const ARCHIVE = zipOf({ 'composer.json': '{"name":"acme/probe"}', 'probe.php': '<?php return "installed";\n' });
const packages: Answer = (request, response, path) => {
  if (path === '/packages.json') {
    const dist = { type: 'zip', url: `https://${request.headers.host}/probe.zip` };
    const versions = { '1.0.0': { name: 'acme/probe', version: '1.0.0', dist } };
    response.end(JSON.stringify({ packages: { 'acme/probe': versions } }));
  } else if (path === '/probe.zip') response.end(ARCHIVE);
  else response.writeHead(404).end();
};

const world = clientWorld({ origins: { gems: { answer: gems }, packages: { answer: packages } } });

async function runs(cwd: string, program: string, args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await world().run(program, args, { cwd, timeoutMs: 45_000 });
  expect(code, stdout + stderr).toBe(0);
}

async function publishGem(): Promise<void> {
  const folder = join(world().home, 'published');
  mkdirSync(join(folder, 'gems'), { recursive: true });
  writeFileSync(join(folder, 'probe.rb'), 'WORD = "installed"\n');
  const lines = ['name = "probe"', 'version = "1.0.0"', 'summary = "a probe"', 'authors = ["nobody"]'];
  const fields = [...lines, 'files = ["probe.rb"]', 'require_paths = ["."]'].map((line) => `s.${line}`).join('; ');
  writeFileSync(join(folder, 'probe.gemspec'), `Gem::Specification.new { |s| ${fields} }\n`);
  await runs(folder, 'gem', ['build', 'probe.gemspec', '--output', 'gems/probe-1.0.0.gem']);
  await runs(folder, 'ruby', [fileURLToPath(new URL('interpreters/gem-index.rb', import.meta.url))]);
  gemFolder = folder;
}

const GEM = {
  name: 'gem',
  version: versionOf('gem', ['--version'], /^(\S+)/),
  install: 'apt-get install ruby',
  needs: '`--source`, where it is not the public one',
};

client(GEM, (prove) => {
  prove({ protocol: 'h1', what: '`gem install` of a gem of a registry', timeoutMs: 60_000 }, async () => {
    await publishGem();
    const { home, url, origin } = world();
    const target = join(home, 'gems');
    const source = ['--clear-sources', '--source', `${url('gems')}/`];
    await runs(home, 'gem', ['install', '--no-document', '--install-dir', target, ...source, 'probe']);
    expect(readFileSync(join(target, 'gems/probe-1.0.0/probe.rb'), 'utf8')).toContain('installed');
    const seen = origin('gems').taken();
    expectSeen(seen, 'h1');
    expect(seen.map(({ path }) => path)).toContain('/gems/probe-1.0.0.gem');
  });
});

const COMPOSER = {
  name: 'Composer',
  version: versionOf('composer', ['--version', '--no-ansi'], /Composer version (\S+)/),
  install: 'apt-get install composer unzip',
  needs: 'a repository in `composer.json`, where it is not the public one',
};

client(COMPOSER, (prove) => {
  prove({ protocol: 'h1', what: '`composer install` of a package of a repository', timeoutMs: 60_000 }, async () => {
    const { home, url, origin } = world();
    const cwd = join(home, 'composer');
    mkdirSync(cwd);
    const repositories = [{ type: 'composer', url: url('packages') }, { 'packagist.org': false }];
    writeFileSync(join(cwd, 'composer.json'), JSON.stringify({ repositories, require: { 'acme/probe': '1.0.0' } }));
    await runs(cwd, 'composer', ['install', '--no-interaction', '--no-ansi', '--no-cache']);
    expect(readFileSync(join(cwd, 'vendor/acme/probe/probe.php'), 'utf8')).toContain('installed');
    expectSeen(origin('packages').taken(), 'h1', ['GET /packages.json', 'GET /probe.zip']);
  });
});
