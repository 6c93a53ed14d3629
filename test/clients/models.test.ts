import { createServer } from 'node:net';
import { expect } from 'vitest';
import { timesText } from '../support/client-events.ts';
import { type ClientSpec, client, type Prove } from '../support/client-matrix.ts';
import { nodeFile, nodePackage } from '../support/client-node.ts';
import { PYTHON, pythonFile, pythonPackage } from '../support/client-python.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';
import { ANTHROPIC, modelServer, OPENAI, SAID } from '../support/model-server.ts';
import { SECRET } from '../support/scene.ts';

/** Where the real names lead: addresses of loopback that no other run of these tests has, at the port that the SDKs ask for. */
const addressOf = (number: number): string => `127.${100 + number}.${(process.pid >> 8) & 255}.${process.pid & 255}`;
const HOSTS = { 'api.openai.com': addressOf(1), 'api.anthropic.com': addressOf(2) } as const;

/** Whether this user may listen at the port of HTTPS. */
const mayListen = await new Promise<boolean>((resolve) => {
  const server = createServer().once('error', () => resolve(false));
  server.listen(443, addressOf(3), () => server.close(() => resolve(true)));
});
const port = mayListen ? 443 : 0;

const openai = modelServer(OPENAI);
const anthropic = modelServer(ANTHROPIC);
const direct = modelServer(ANTHROPIC);

const world = clientWorld({
  origins: {
    openai: { names: ['api.openai.com'], host: HOSTS['api.openai.com'], port, answer: openai.answer },
    anthropic: { names: ['api.anthropic.com'], host: HOSTS['api.anthropic.com'], port, answer: anthropic.answer },
    'x-api-key': { answer: direct.answer, credentials: { 'x-api-key': [SECRET] } },
  },
  hosts: Object.fromEntries(Object.entries(HOSTS).map(([name, address]) => [name, [address]])),
  policy: (ports) => `rules:
  - { name: openai, hosts: [api.openai.com], inject: [{ bearer: "\${token}" }] }
  - name: anthropic
    hosts: [api.anthropic.com]
    methods: [POST]
    paths: [${ANTHROPIC.path}]
    inject:
      - placeholder: { token: PSTRN-ANTHROPIC-01, value: "\${token}", in: ["header:x-api-key", "header:authorization"] }
  - { name: ack, hosts: [api.anthropic.com], paths: [/ack], inject: [{ bearer: "\${token}" }] }
  - { name: x-api-key, hosts: [origin.test], ports: [${ports['x-api-key']}], inject: [{ header: { name: x-api-key, value: "\${token}" } }] }
`,
});

const specOf = (own: Pick<ClientSpec, 'version' | 'install'>): Pick<ClientSpec, 'version' | 'install'> =>
  mayListen ? own : { version: null, install: 'this user may not listen on port 443' };

const PYTHON_RUN = [PYTHON, pythonFile('model.py')] as const;
const NODE_RUN = [process.execPath, nodeFile('model.mjs')] as const;

interface Wanted {
  readonly origin: string;
  readonly path: string;
  readonly server: typeof openai;
  readonly env?: Readonly<Record<string, string>>;
}

const WHAT = 'an answer at once, and one in events';

function proveWith(
  prove: Prove,
  [program, script]: readonly [string, string],
  sdk: string,
  what: string,
  wanted: () => Wanted,
): void {
  prove({ protocol: 'sse', what }, async (tell) => {
    const { origin, path, server, env = {} } = wanted();
    const { stdout, stderr } = await world().run(program, [script, sdk], { env });
    expect(stderr).toBe('');
    expect(stdout).toBe(`${SAID}\n${SAID}\n`);
    const seen = world().origin(origin).taken();
    expectSeen(seen, 'h1');
    expect(seen.slice(0, 2).map(({ method, path: at }) => `${method} ${at}`)).toEqual([`POST ${path}`, `POST ${path}`]);
    tell(timesText(server.timesMs));
  });
}

const withOpenai = (): Wanted => ({ origin: 'openai', path: OPENAI.path, server: openai });
const withPlaceholder = (): Wanted => ({ origin: 'anthropic', path: ANTHROPIC.path, server: anthropic });
const withInjected = (): Wanted => ({
  origin: 'x-api-key',
  path: ANTHROPIC.path,
  server: direct,
  env: { ANTHROPIC_BASE_URL: world().url('x-api-key'), ANTHROPIC_API_KEY: 'unused-postern-adds-it' },
});

const BY_PLACEHOLDER = `${WHAT}, the key a placeholder`;
const BY_X_API_KEY = `${WHAT}, with an injected \`x-api-key\``;

client(
  {
    name: 'OpenAI SDK, Python',
    ...specOf(pythonPackage('openai')),
  },
  (prove) => proveWith(prove, PYTHON_RUN, 'openai', WHAT, withOpenai),
);

client(
  {
    name: 'OpenAI SDK, TypeScript',
    ...specOf(nodePackage('openai')),
  },
  (prove) => proveWith(prove, NODE_RUN, 'openai', WHAT, withOpenai),
);

client(
  {
    name: 'Anthropic SDK, Python',
    ...specOf(pythonPackage('anthropic')),
  },
  (prove) => {
    proveWith(prove, PYTHON_RUN, 'anthropic', BY_PLACEHOLDER, withPlaceholder);
    proveWith(prove, PYTHON_RUN, 'anthropic', BY_X_API_KEY, withInjected);
  },
);

client(
  {
    name: 'Anthropic SDK, TypeScript',
    ...specOf(nodePackage('@anthropic-ai/sdk')),
  },
  (prove) => {
    proveWith(prove, NODE_RUN, 'anthropic', BY_PLACEHOLDER, withPlaceholder);
    proveWith(prove, NODE_RUN, 'anthropic', BY_X_API_KEY, withInjected);
  },
);
