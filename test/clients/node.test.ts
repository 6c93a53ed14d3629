import { expect } from 'vitest';
import { ALL_EVENTS, eventServer, timesText } from '../support/client-events.ts';
import { client, type Prove, type Tell } from '../support/client-matrix.ts';
import { nodeFile, nodePackage } from '../support/client-node.ts';
import { echoed, MIB } from '../support/client-origin.ts';
import { echoServer } from '../support/client-websocket.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';

const events = eventServer();
const chat = echoServer();
const world = clientWorld({
  origins: { h1: { answer: events.answer, onUpgrade: chat.onUpgrade }, both: { speaks: 'h2', answer: events.answer } },
});

type Version = 'h1' | 'h2';
const originOf = (version: Version): string => (version === 'h1' ? 'h1' : 'both');

async function fetches(name: string, version: Version = 'h1', script = 'fetch.mjs'): Promise<void> {
  const { url, run, origin } = world();
  const args = script === 'fetch.mjs' ? [name] : [];
  const { stdout, stderr } = await run(process.execPath, [nodeFile(script), ...args, `${url(originOf(version))}/`]);
  expect(stderr).toBe('');
  expect(stdout).toBe(echoed('GET') + echoed('POST', MIB));
  expectSeen(origin(originOf(version)).taken(), version, ['GET /', 'POST /']);
}

async function streams(name: string, tell: Tell, version: Version = 'h1'): Promise<void> {
  const { url, run, origin } = world();
  const args = [nodeFile('fetch.mjs'), name, `${url(originOf(version))}/`, 'events'];
  const { stdout, stderr } = await run(process.execPath, args);
  expect(stderr).toBe('');
  expect(stdout).toBe(ALL_EVENTS);
  expectSeen(origin(originOf(version)).taken(), version);
  tell(timesText(events.timesMs));
}

const GET_AND_POST = 'GET, and POST of 1 MiB';
const EVENTS = 'a stream of events';

const fetchesAndStreams = (prove: Prove, name: string): void => {
  prove({ protocol: 'h1', what: GET_AND_POST }, () => fetches(name));
  prove({ protocol: 'sse', what: EVENTS }, (tell) => streams(name, tell));
};

const node = { version: process.versions.node, install: 'npm ci' };

client(
  {
    name: 'Node https',
    ...node,
  },
  (prove) => fetchesAndStreams(prove, 'https'),
);

client(
  {
    name: 'Node fetch',
    ...node,
  },
  (prove) => fetchesAndStreams(prove, 'fetch'),
);

client(
  {
    name: 'Node http2',
    ...node,
    needs: 'a CONNECT of its own: it reads no proxy variable',
  },
  (prove) => prove({ protocol: 'h2', what: GET_AND_POST }, () => fetches('', 'h2', 'http2.mjs')),
);

client(
  {
    name: 'undici',
    ...nodePackage('undici'),
    needs: '`new EnvHttpProxyAgent()` as dispatcher',
  },
  (prove) => {
    fetchesAndStreams(prove, 'undici');
    prove({ protocol: 'h2', what: GET_AND_POST }, () => fetches('undici-h2', 'h2'));
    prove({ protocol: 'h2', what: EVENTS }, (tell) => streams('undici-h2', tell, 'h2'));
  },
);

client(
  {
    name: 'axios',
    ...nodePackage('axios'),
  },
  (prove) => fetchesAndStreams(prove, 'axios'),
);

async function chats(name: string): Promise<void> {
  const { url, run, origin } = world();
  const target = `${url('h1').replace('https', 'wss')}/chat`;
  const { stdout, stderr } = await run(process.execPath, [nodeFile('chat.mjs'), name, target]);
  expect(stderr).toBe('');
  expect(stdout).toBe('true\ntrue\ntrue\npermessage-deflate\n');
  expectSeen(origin('h1').taken(), 'ws', ['GET /chat']);
  expect(chat.extensions.at(-1)).toBe('permessage-deflate');
}

const CHAT = 'text, 1 MiB of text and binary with permessage-deflate';

client(
  {
    name: 'Node ws',
    ...nodePackage('ws'),
    needs: '`agent: new https.Agent({ proxyEnv: process.env })`',
  },
  (prove) => prove({ protocol: 'ws', what: CHAT }, () => chats('ws')),
);

client(
  {
    name: 'Node WebSocket',
    ...node,
  },
  (prove) => prove({ protocol: 'ws', what: CHAT }, () => chats('WebSocket')),
);
