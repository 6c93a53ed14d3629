import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { client, versionOf } from '../support/client-matrix.ts';
import { basicOf } from '../support/client-origin.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';
import { runCommand } from '../support/command.ts';
import { gitServer } from '../support/git-server.ts';
import { SECRET } from '../support/scene.ts';

const root = mkdtempSync(join(tmpdir(), 'postern-git-'));
afterAll(() => rmSync(root, { recursive: true }));

const answer = gitServer(() => root);
const world = clientWorld({
  origins: { injected: { answer }, both: { speaks: 'h2', answer }, placeholder: { answer } },
  policy: ({ injected, both, placeholder }) => `rules:
  - { name: injected, hosts: [origin.test], ports: [${injected}, ${both}], inject: [{ basic: { username: x-access-token, password: "\${token}" } }] }
  - name: placeholder
    hosts: [origin.test]
    ports: [${placeholder}]
    inject: [{ placeholder: { token: PSTRN-GIT-00000001, value: "\${token}", in: ["header:authorization"] } }]
`,
});

const IDENTITY = { GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' };
const USER = ['-c', 'user.name=a', '-c', 'user.email=a@origin.test'];
/** What a credential helper answers: the placeholder, by the variable that `postern env` prints. */
const HELPER = '!f() { echo username=x-access-token; echo "password=$POSTERN_PLACEHOLDER_TOKEN"; }; f';

async function git(cwd: string, ...args: readonly string[]): Promise<string> {
  const result = await world().run('git', [...USER, ...args], { cwd, env: IDENTITY });
  if (result.code !== 0) throw new Error(`git ${args.join(' ')}: ${result.stderr}`);
  return result.stdout;
}

/** The same on the server's side, where there is no proxy. */
async function gitThere(...args: readonly string[]): Promise<string> {
  const result = await runCommand('git', args, { cwd: root, env: { ...IDENTITY, HOME: root } });
  if (result.code !== 0) throw new Error(`git ${args.join(' ')}: ${result.stderr}`);
  return result.stdout;
}

/** Two clones of an empty repository: what one pushes, more than Git holds in memory for one request, the other fetches. */
async function cloneFetchAndPush(name: string, options: readonly string[]): Promise<void> {
  const { home, url } = world();
  await gitThere('init', '-q', '--bare', '-b', 'main', `${name}.git`);
  const remote = `${url(name)}/${name}.git`;
  for (const clone of ['one', 'other']) await git(home, ...options, 'clone', '-q', remote, `${name}-${clone}`);
  const one = join(home, `${name}-one`);
  const other = join(home, `${name}-other`);
  writeFileSync(join(one, 'large'), randomBytes(3 * 1024 * 1024));
  await git(one, 'add', 'large');
  await git(one, 'commit', '-q', '-m', 'large');
  await git(one, ...options, 'push', '-q', 'origin', 'HEAD:main');
  await git(other, ...options, 'fetch', '-q', 'origin', 'main');
  await git(other, 'checkout', '-q', '-b', 'main', 'FETCH_HEAD');
  expect(readFileSync(join(other, 'large')).equals(readFileSync(join(one, 'large')))).toBe(true);
  appendFileSync(join(other, 'small'), 'a line\n');
  await git(other, 'add', 'small');
  await git(other, 'commit', '-q', '-m', 'small');
  await git(other, ...options, 'push', '-q', 'origin', 'HEAD:main');
  expect(await gitThere('-C', `${name}.git`, 'log', '--format=%s', 'main')).toBe('small\nlarge\n');
}

const SPEC = {
  name: 'git',
  version: versionOf('git', ['--version'], /git version (\S+)/),
  install: 'apt-get install git',
};

client(SPEC, (prove) => {
  prove({ protocol: 'h1', what: 'clone, fetch, push of 3 MiB, with an injected Basic' }, async () => {
    await cloneFetchAndPush('injected', []);
    const seen = world().origin('injected').taken();
    expectSeen(seen, 'h1');
    expect(seen.some(({ headers }) => headers['transfer-encoding'] === 'chunked')).toBe(true);
  });

  prove(
    { protocol: 'h2', what: 'clone, fetch, push of 3 MiB with a larger `http.postBuffer`, with an injected Basic' },
    async () => {
      // In chunks Git's helper may ask its own pipe for more after the end of the pack, and wait for ever: see the traps in docs/clients.md.
      await cloneFetchAndPush('both', ['-c', 'http.postBuffer=16777216']);
      expectSeen(world().origin('both').taken(), 'h2');
    },
  );

  prove(
    {
      protocol: 'h1',
      what: 'all of these with a placeholder, which a credential helper gives as the password',
      needs: 'the helper',
    },
    async () => {
      await cloneFetchAndPush('placeholder', ['-c', `credential.helper=${HELPER}`]);
      const seen = world().origin('placeholder').taken();
      // Git asks without a credential first, and is told to bring one.
      expect(new Set(seen.map(({ headers }) => headers.authorization))).toEqual(
        new Set([undefined, basicOf('x-access-token', SECRET)]),
      );
      const pushed = seen.filter(
        ({ method, path }) => method === 'POST' && path === '/placeholder.git/git-receive-pack',
      );
      expect(pushed.some(({ authorized }) => authorized)).toBe(true);
    },
  );
});
