import { expect, it } from 'vitest';
import { expectUnharmed, getInside, OK } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { loopback } from '../support/scene.ts';
import { BOTH, byName, credentials, NO_AUTH, PASSWORD, reply } from '../support/socks.ts';

closeOpened();

const TOKENS = { one: 'token-of-one-0123456789', two: 'token-of-two-0123456789' } as const;

const scene = shared(
  async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const policy = (name: string): string => `version: 1
sandbox: { name: ${name}, match: [{ token: { file: ../token-${name}.txt } }] }
secrets: { mark: { file: ../mark-${name}.txt } }
rules:
  - name: ${name}-rule
    hosts: [plain.test]
    schemes: [http]
    ports: [${origin.port}]
    inject: [{ header: { name: x-mark, value: "\${mark}" } }]
`;
    const base = loopback();
    const files: Record<string, string> = { ...base.files };
    for (const [name, token] of Object.entries(TOKENS)) {
      files[`token-${name}.txt`] = token;
      files[`mark-${name}.txt`] = `mark-of-${name}`;
    }
    const policies = { 'one.yaml': policy('one'), 'two.yaml': policy('two') };
    return { origin, postern: await startPostern({ policies, ...base, files }) };
  },
  ({ postern }) => {
    expectUnharmed(postern);
    expect(postern.stdout + postern.stderr).not.toContain('token-of-');
  },
);

async function greeted(greeting: string): Promise<RawClient> {
  const client = await connectRaw(scene().postern.proxyPort);
  client.send(greeting);
  return client;
}

it.each(['one', 'two'] as const)(
  'user and password make the client the sandbox %s, for the whole tunnel',
  async (name) => {
    const { origin, postern } = scene();
    const client = await greeted(BOTH);
    await client.take(/^\x05\x02$/);
    client.send(credentials(name, TOKENS[name]));
    await client.take(/^\x01\x00$/);
    client.send(byName('plain.test', origin.port));
    await client.take(/^[\s\S]{10}$/);
    const other = Buffer.from(`two:${TOKENS.two}`).toString('base64');
    for (const path of ['/1', '/2']) {
      client.send(getInside(`plain.test:${origin.port}`, path, `Proxy-Authorization: Basic ${other}\r\n`));
      await client.take(/ok$/);
      expect(await postern.audited({ sandbox: name, path })).toMatchObject({ rule: `${name}-rule`, ingress: 'socks' });
    }
    const seen =
      origin.connections.map(({ received }) => received).find((text) => text.includes(`mark-of-${name}`)) ?? '';
    expect(seen.match(/x-mark: mark-of-\w+/gi)).toHaveLength(2);
    expect(seen).not.toMatch(/proxy-authorization/i);
  },
);

it.each([
  ['wrong', 'one', 'no'],
  ["another sandbox's", 'one', TOKENS.two],
  ['of no sandbox', 'three', TOKENS.one],
  ['empty', 'one', ''],
  ['empty, and so is the user', '', ''],
  ['followed by NUL', 'one', `${TOKENS.one}\0`],
  ['a beginning', 'one', TOKENS.one.slice(0, -1)],
])('a password that is %s is refused, and the request behind it is never looked at', async (_name, user, password) => {
  const { origin, postern } = scene();
  const before = postern.audit.length;
  const client = await greeted(PASSWORD + credentials(user, password) + byName('plain.test', origin.port));
  expect(await client.untilEnded()).toBe('\x05\x02\x01\x01');
  const line = await postern.until(() => postern.audit[before]);
  expect(line).toMatchObject({ code: 'TOKEN_REQUIRED', status: 407, sandbox: null, host: null, ingress: 'socks' });
});

it('a client that offers none where one is required is told that no method will do', async () => {
  const client = await greeted(NO_AUTH + byName('plain.test', scene().origin.port));
  expect(await client.untilEnded()).toBe('\x05\xff');
});

it('a token and an address of two sandboxes are a conflict, told as a reply', async () => {
  const { origin } = scene();
  const base = loopback();
  const policy = (name: string, match: string): string =>
    `version: 1\nsandbox: { name: ${name}, match: [${match}] }\nrules: [{ hosts: [plain.test], schemes: [http], ports: [${origin.port}] }]\n`;
  const postern = await startPostern({
    policies: {
      'a.yaml': policy('a', '{ source: 127.0.0.1/32 }'),
      'b.yaml': policy('b', '{ token: { file: ../b.txt } }'),
    },
    ...base,
    files: { ...base.files, 'b.txt': TOKENS.two },
  });
  const client = await connectRaw(postern.proxyPort);
  client.send(PASSWORD + credentials('b', TOKENS.two) + byName('plain.test', origin.port));
  expect(await client.untilEnded()).toBe(`\x05\x02\x01\x00${reply(2)}`);
  await postern.audited({ code: 'IDENTITY_CONFLICT', host: 'plain.test', ingress: 'socks' });
  // Known by its address, a client needs no token.
  const known = await connectRaw(postern.proxyPort);
  known.send(NO_AUTH + byName('plain.test', origin.port) + getInside(`plain.test:${origin.port}`));
  await known.take(/ok$/);
  expect(await postern.audited({ sandbox: 'a', method: 'GET' })).toMatchObject({ ingress: 'socks' });
});
