import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { ALL_EVENTS, eventServer, timesText } from '../support/client-events.ts';
import { client, type Tell, versionOf } from '../support/client-matrix.ts';
import { type Answer, echoed, MIB } from '../support/client-origin.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';
import { tarGzOf } from '../support/tar-gz.ts';

const events = eventServer();

/** A sparse registry (doc.rust-lang.org/cargo/reference/registry-index.html) with one crate. */
const CRATE = tarGzOf({
  'probe-1.0.0/Cargo.toml': '[package]\nname = "probe"\nversion = "1.0.0"\nedition = "2021"\n',
  'probe-1.0.0/src/lib.rs': 'pub const WORD: &str = "fetched";\n',
});
const LINE = {
  ...{ name: 'probe', vers: '1.0.0', deps: [], features: {}, yanked: false },
  cksum: createHash('sha256').update(CRATE).digest('hex'),
};
const registry: Answer = (request, response, path) => {
  const host = request.headers.host ?? request.headers[':authority'];
  const files: Readonly<Record<string, string | Buffer>> = {
    '/config.json': JSON.stringify({ dl: `https://${host}/crates` }),
    '/pr/ob/probe': `${JSON.stringify(LINE)}\n`,
    '/crates/probe/1.0.0/download': CRATE,
  };
  response.writeHead(files[path] === undefined ? 404 : 200).end(files[path]);
};

const world = clientWorld({
  origins: {
    h1: { answer: events.answer },
    both: { speaks: 'h2', answer: events.answer },
    registry: { answer: registry },
    'registry-both': { speaks: 'h2', answer: registry },
    'passed-through': { credentials: { authorization: ['Bearer of-the-sandbox'] } },
  },
  policy: (ports) => `rules:
  - { name: passed-through, hosts: [origin.test], ports: [${ports['passed-through']}], tls: passthrough }
${['h1', 'both', 'registry', 'registry-both'].map((name) => injecting(name, ports)).join('')}`,
});

function injecting(name: string, ports: Readonly<Record<string, number>>): string {
  return `  - { name: ${name}, hosts: [origin.test], ports: [${ports[name]}], inject: [{ bearer: "\${token}" }] }\n`;
}

const program = fileURLToPath(new URL('rust/target/debug/postern-test-clients', import.meta.url));
/** Where a cargo of rustup's looks for its toolchain, which the home of the sandbox does not have. */
const RUSTUP_HOME = process.env.RUSTUP_HOME ?? join(homedir(), '.rustup');

async function fetches(name: 'http1' | 'default' | 'native', origin: string, protocol: 'h1' | 'h2'): Promise<void> {
  const { stdout, stderr } = await world().run(program, [name, `${world().url(origin)}/`]);
  expect(stderr).toBe('');
  expect(stdout).toBe(echoed('GET') + echoed('POST', MIB));
  expectSeen(world().origin(origin).taken(), protocol, ['GET /', 'POST /']);
}

async function streams(origin: string, protocol: 'h1' | 'h2', tell: Tell, name = 'default'): Promise<void> {
  const { stdout, stderr } = await world().run(program, [name, `${world().url(origin)}/`, 'events']);
  expect(stderr).toBe('');
  expect(stdout).toBe(ALL_EVENTS);
  expectSeen(world().origin(origin).taken(), protocol);
  tell(timesText(events.timesMs));
}

const manifest = fileURLToPath(new URL('rust/Cargo.toml', import.meta.url));
const install = 'bash test/clients/install.sh rust';
/** Of a crate that the program was built with. */
const crate = (name: string): string | null =>
  existsSync(program)
    ? versionOf(
        'cargo',
        ['tree', '--offline', '--depth', '1', '--manifest-path', manifest],
        new RegExp(` ${name} v(\\S+)`),
      )
    : null;
const reqwest = crate('reqwest');

client(
  {
    name: 'Rust reqwest',
    version: reqwest,
    install,
  },
  (prove) => {
    prove({ protocol: 'h1', what: 'GET, and POST of 1 MiB' }, () => fetches('default', 'h1', 'h1'));
    prove({ protocol: 'h1', what: 'the same by HTTP/1.1 alone where the origin speaks both' }, () =>
      fetches('http1', 'both', 'h1'),
    );
    prove({ protocol: 'h2', what: 'GET, and POST of 1 MiB' }, () => fetches('default', 'both', 'h2'));
    prove({ protocol: 'sse', what: 'a stream of events' }, (tell) => streams('h1', 'h1', tell));
    prove({ protocol: 'h2', what: 'a stream of events' }, (tell) => streams('both', 'h2', tell));
  },
);

/** It says so of itself, since that is a matter of how it was built. */
const hasNativeTls = existsSync(program) && versionOf(program, ['features'], /(native)/) !== null;
client(
  {
    name: 'Rust reqwest, native-tls',
    version: hasNativeTls ? reqwest : null,
    install: `apt-get install libssl-dev pkg-config; ${install}`,
  },
  (prove) => {
    prove({ protocol: 'h1', what: 'GET, and POST of 1 MiB' }, () => fetches('native', 'h1', 'h1'));
    prove({ protocol: 'h2', what: 'GET, and POST of 1 MiB' }, () => fetches('native', 'both', 'h2'));
    prove({ protocol: 'sse', what: 'a stream of events' }, (tell) => streams('h1', 'h1', tell, 'native'));
  },
);

client(
  {
    name: 'Rust ureq (webpki-roots)',
    version: crate('ureq'),
    install,
    needs: '`tls: passthrough`, and then a key of its own: its roots are built in',
  },
  (prove) => {
    prove({ protocol: 'h1', what: 'refuses the CA of an intercepted host, and tells it nothing' }, async () => {
      const { code, stdout, stderr } = await world().run(program, ['ureq', `${world().url('h1')}/`]);
      expect(code).not.toBe(0);
      expect(stdout).toBe('');
      expect(stderr).toContain('UnknownIssuer');
      expect(world().origin('h1').taken()).toEqual([]);
    });
    prove({ protocol: 'h1', what: "GET from a host that is passed through, by that host's root alone" }, async () => {
      const { postern, run, url, origin } = world();
      const roots = join(postern.folder, 'origin-ca.pem');
      const { stdout, stderr } = await run(program, ['ureq', `${url('passed-through')}/`, roots]);
      expect(stderr).toBe('');
      expect(stdout).toBe(echoed('GET'));
      expectSeen(origin('passed-through').taken(), 'h1', ['GET /']);
    });
  },
);

async function buildsWithCrate(origin: string, protocol: 'h1' | 'h2'): Promise<void> {
  const { home, run, url } = world();
  const cwd = join(home, `cargo-${origin}`);
  mkdirSync(join(cwd, 'src'), { recursive: true });
  const dependency = 'probe = { version = "1", registry = "own" }';
  writeFileSync(
    join(cwd, 'Cargo.toml'),
    `[package]\nname = "user"\nedition = "2021"\n\n[dependencies]\n${dependency}\n`,
  );
  writeFileSync(join(cwd, 'src/main.rs'), 'fn main() { println!("{}", probe::WORD); }\n');
  const env = { CARGO_REGISTRIES_OWN_INDEX: `sparse+${url(origin)}/`, CARGO_HOME: join(cwd, 'cargo'), RUSTUP_HOME };
  const { code, stdout, stderr } = await run('cargo', ['run', '--quiet'], { cwd, env, timeoutMs: 60_000 });
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(stdout).toBe('fetched\n');
  expectSeen(world().origin(origin).taken(), protocol, [
    'GET /config.json',
    'GET /pr/ob/probe',
    'GET /crates/probe/1.0.0/download',
  ]);
}

client(
  {
    name: 'cargo',
    version: versionOf('cargo', ['--version'], /cargo (\S+)/),
    install: 'apt-get install cargo',
    needs: 'its registry named, where it is not the public one',
  },
  (prove) => {
    const what = 'a crate of a sparse registry, and a program built with it';
    prove({ protocol: 'h1', what, timeoutMs: 90_000 }, () => buildsWithCrate('registry', 'h1'));
    prove({ protocol: 'h2', what, timeoutMs: 90_000 }, () => buildsWithCrate('registry-both', 'h2'));
  },
);
