import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect } from 'vitest';
import { ALL_EVENTS, eventServer, timesText } from '../support/client-events.ts';
import { client, type Tell, versionOf } from '../support/client-matrix.ts';
import { type Answer, echoed, MIB } from '../support/client-origin.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';
import { zipOf } from '../support/client-zip.ts';
import { runCommand } from '../support/command.ts';

const events = eventServer();

/** The module proxy protocol (go.dev/ref/mod#goproxy-protocol), with one module of one version. */
const MODULE = 'example.test/probe';
const FILES = { 'go.mod': `module ${MODULE}\n\ngo 1.20\n`, 'probe.go': 'package probe\n\nconst Word = "fetched"\n' };
const MODULE_FILES: Readonly<Record<string, string | Buffer>> = {
  [`/${MODULE}/@v/list`]: 'v1.0.0\n',
  [`/${MODULE}/@v/v1.0.0.info`]: '{"Version":"v1.0.0","Time":"2026-01-01T00:00:00Z"}',
  [`/${MODULE}/@v/v1.0.0.mod`]: FILES['go.mod'],
  [`/${MODULE}/@v/v1.0.0.zip`]: zipOf(
    Object.fromEntries(Object.entries(FILES).map(([name, text]) => [`${MODULE}@v1.0.0/${name}`, text])),
  ),
};
const modules: Answer = (_request, response, path) => {
  const file = MODULE_FILES[path];
  response.writeHead(file === undefined ? 404 : 200).end(file);
};

const world = clientWorld({
  origins: {
    h1: { answer: events.answer },
    both: { speaks: 'h2', answer: events.answer },
    modules: { answer: modules },
    'modules-both': { speaks: 'h2', answer: modules },
  },
});

/** What Go keeps between runs, and no matter of the sandbox. */
const CACHE = { GOCACHE: process.env.GOCACHE ?? join(homedir(), '.cache/go-build') };
const version = versionOf('go', ['version'], /go(\d\S*)/);
const install = 'apt-get install golang-go';

const built = mkdtempSync(join(tmpdir(), 'postern-go-'));
const program = join(built, 'client');
beforeAll(async () => {
  if (version === null) return;
  const cwd = fileURLToPath(new URL('go', import.meta.url));
  const env = { ...CACHE, GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'local' };
  const { code, stderr } = await runCommand('go', ['build', '-o', program, '.'], { cwd, env, timeoutMs: 120_000 });
  expect(stderr).toBe('');
  expect(code).toBe(0);
}, 130_000);
afterAll(() => rmSync(built, { recursive: true }));

async function fetches(name: 'http1' | 'default', origin: string, protocol: 'h1' | 'h2'): Promise<void> {
  const { stdout, stderr } = await world().run(program, [name, `${world().url(origin)}/`]);
  expect(stderr).toBe('');
  expect(stdout).toBe(echoed('GET') + echoed('POST', MIB));
  expectSeen(world().origin(origin).taken(), protocol, ['GET /', 'POST /']);
}

async function streams(origin: string, protocol: 'h1' | 'h2', tell: Tell): Promise<void> {
  const { stdout, stderr } = await world().run(program, ['default', `${world().url(origin)}/`, 'events']);
  expect(stderr).toBe('');
  expect(stdout).toBe(ALL_EVENTS);
  expectSeen(world().origin(origin).taken(), protocol);
  tell(timesText(events.timesMs));
}

client(
  {
    name: 'Go net/http',
    version,
    install,
  },
  (prove) => {
    prove({ protocol: 'h1', what: 'GET, and POST of 1 MiB' }, () => fetches('default', 'h1', 'h1'));
    prove({ protocol: 'h1', what: 'the same where it may speak HTTP/1.1 alone and the origin both' }, () =>
      fetches('http1', 'both', 'h1'),
    );
    prove({ protocol: 'h2', what: 'GET, and POST of 1 MiB' }, () => fetches('default', 'both', 'h2'));
    prove({ protocol: 'sse', what: 'a stream of events' }, (tell) => streams('h1', 'h1', tell));
    prove({ protocol: 'h2', what: 'a stream of events' }, (tell) => streams('both', 'h2', tell));
  },
);

/** A program that imports the module, built with nothing in the sandbox but the address of the module proxy. */
async function getsModule(origin: string, protocol: 'h1' | 'h2'): Promise<void> {
  const { home, run, url } = world();
  const cwd = join(home, `go-${origin}`);
  mkdirSync(cwd);
  writeFileSync(join(cwd, 'go.mod'), 'module main\n\ngo 1.20\n');
  writeFileSync(join(cwd, 'main.go'), `package main\n\nimport "${MODULE}"\n\nfunc main() { println(probe.Word) }\n`);
  // The checksum database knows nothing of this module. A cache that could not be written to could not be removed.
  const own = { GOPROXY: url(origin), GONOSUMDB: 'example.test', GOFLAGS: '-modcacherw', GOTOOLCHAIN: 'local' };
  const env = { ...CACHE, ...own, GOMODCACHE: join(cwd, 'modules') };
  const got = await run('go', ['get', `${MODULE}@v1.0.0`], { cwd, env, timeoutMs: 60_000 });
  expect(got.code, got.stderr).toBe(0);
  const ran = await run('go', ['run', '.'], { cwd, env, timeoutMs: 60_000 });
  expect(ran.stderr).toBe('fetched\n');
  const seen = world().origin(origin).taken();
  expectSeen(seen, protocol);
  expect(seen.map(({ path }) => path)).toContain(`/${MODULE}/@v/v1.0.0.zip`);
}

client(
  {
    name: 'go (GOPROXY)',
    version,
    install,
    needs: '`GOPROXY`, where it is not the public one',
  },
  (prove) => {
    prove({ protocol: 'h1', what: '`go get` of a module, and a program built with it', timeoutMs: 90_000 }, () =>
      getsModule('modules', 'h1'),
    );
    prove({ protocol: 'h2', what: '`go get` of a module, and a program built with it', timeoutMs: 90_000 }, () =>
      getsModule('modules-both', 'h2'),
    );
  },
);
