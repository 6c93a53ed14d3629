import { expect } from 'vitest';
import { ALL_EVENTS, eventServer, timesText } from '../support/client-events.ts';
import { client, type Prove, type Tell } from '../support/client-matrix.ts';
import { nodeFile } from '../support/client-node.ts';
import { echoed, MIB } from '../support/client-origin.ts';
import { runtime, runtimeVersion } from '../support/client-runtimes.ts';
import { echoServer } from '../support/client-websocket.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';

const events = eventServer();
const chat = echoServer();
const world = clientWorld({
  origins: { h1: { answer: events.answer, onUpgrade: chat.onUpgrade }, both: { speaks: 'h2', answer: events.answer } },
});

type Version = 'h1' | 'h2';
const originOf = (version: Version): string => (version === 'h1' ? 'h1' : 'both');

/** How each runs the scripts of Node's. */
const DENO = [runtime('deno'), 'run', '--quiet', '--allow-all', '--no-config'];
const BUN = [runtime('bun'), 'run'];

async function runs(command: readonly string[], ...args: readonly string[]): Promise<string> {
  const [program = '', ...before] = command;
  const { code, stdout, stderr } = await world().run(program, [...before, ...args]);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return stdout;
}

async function fetches(command: readonly string[], name: string, version: Version = 'h1'): Promise<void> {
  const { url, origin } = world();
  const stdout = await runs(command, nodeFile('fetch.mjs'), name, `${url(originOf(version))}/`);
  expect(stdout).toBe(echoed('GET') + echoed('POST', MIB));
  expectSeen(origin(originOf(version)).taken(), version, ['GET /', 'POST /']);
}

async function streams(command: readonly string[], tell: Tell, version: Version = 'h1'): Promise<void> {
  const { url, origin } = world();
  const stdout = await runs(command, nodeFile('fetch.mjs'), 'fetch', `${url(originOf(version))}/`, 'events');
  expect(stdout).toBe(ALL_EVENTS);
  expectSeen(origin(originOf(version)).taken(), version);
  tell(timesText(events.timesMs));
}

async function chats(command: readonly string[], name = 'WebSocket'): Promise<void> {
  const { url, origin } = world();
  const target = `${url('h1').replace('https', 'wss')}/chat`;
  const stdout = await runs(command, nodeFile('chat.mjs'), name, target);
  expect(stdout).toMatch(/^true\ntrue\ntrue\n/);
  expectSeen(origin('h1').taken(), 'ws', ['GET /chat']);
}

const GET_AND_POST = 'GET, and POST of 1 MiB';
const EVENTS = 'a stream of events';
const CHAT = 'text, 1 MiB of text and binary';

const fetchesAndStreams = (prove: Prove, command: readonly string[]): void => {
  prove({ protocol: 'h1', what: `\`fetch\`: ${GET_AND_POST}` }, () => fetches(command, 'fetch'));
  prove({ protocol: 'h1', what: `\`node:https\`: ${GET_AND_POST}` }, () => fetches(command, 'https'));
  prove({ protocol: 'sse', what: EVENTS }, (tell) => streams(command, tell));
};

client(
  {
    name: 'Deno',
    ...runtimeVersion('deno'),
  },
  (prove) => {
    fetchesAndStreams(prove, DENO);
    prove({ protocol: 'ws', what: CHAT }, () => chats(DENO));
    prove({ protocol: 'h2', what: GET_AND_POST }, () => fetches(DENO, 'fetch', 'h2'));
    prove({ protocol: 'h2', what: EVENTS }, (tell) => streams(DENO, tell, 'h2'));
  },
);

client(
  {
    name: 'Bun',
    ...runtimeVersion('bun'),
  },
  (prove) => {
    fetchesAndStreams(prove, BUN);
    const needs = '`new WebSocket(url, { proxy: process.env.HTTPS_PROXY })`';
    prove({ protocol: 'ws', what: CHAT, needs }, () => chats(BUN, 'WebSocket-proxy'));
  },
);
