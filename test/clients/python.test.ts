import { expect } from 'vitest';
import { ALL_EVENTS, eventServer, timesText } from '../support/client-events.ts';
import { client, type Prove, type Tell, versionOf } from '../support/client-matrix.ts';
import { echoed, MIB } from '../support/client-origin.ts';
import { PYTHON, pythonFile, pythonPackage } from '../support/client-python.ts';
import { echoServer } from '../support/client-websocket.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';

const events = eventServer();
const chat = echoServer();
const world = clientWorld({
  origins: { h1: { answer: events.answer, onUpgrade: chat.onUpgrade }, both: { speaks: 'h2', answer: events.answer } },
});

type Version = 'h1' | 'h2';
const originOf = (version: Version): string => (version === 'h1' ? 'h1' : 'both');

async function fetches(name: string, version: Version = 'h1'): Promise<void> {
  const { url, run, origin } = world();
  const { stdout, stderr } = await run(PYTHON, [pythonFile('fetch.py'), name, `${url(originOf(version))}/`]);
  expect(stderr).toBe('');
  expect(stdout).toBe(echoed('GET') + echoed('POST', MIB));
  expectSeen(origin(originOf(version)).taken(), version, ['GET /', 'POST /']);
}

async function streams(name: string, tell: Tell, version: Version = 'h1'): Promise<void> {
  const { url, run, origin } = world();
  const { stdout, stderr } = await run(PYTHON, [pythonFile('fetch.py'), name, `${url(originOf(version))}/`, 'events']);
  expect(stderr).toBe('');
  expect(stdout).toBe(ALL_EVENTS);
  expectSeen(origin(originOf(version)).taken(), version);
  tell(timesText(events.timesMs));
}

async function chats(name: string): Promise<void> {
  const { url, run, origin } = world();
  const { stdout, stderr } = await run(PYTHON, [
    pythonFile('chat.py'),
    name,
    `${url('h1').replace('https', 'wss')}/chat`,
  ]);
  expect(stderr).toBe('');
  expect(stdout).toBe('True\nTrue\nTrue\npermessage-deflate\n');
  expectSeen(origin('h1').taken(), 'ws', ['GET /chat']);
  expect(chat.extensions.at(-1)).toBe('permessage-deflate');
}

const GET_AND_POST = 'GET, and POST of 1 MiB';
const EVENTS = 'a stream of events';
const CHAT = 'text, 1 MiB of text and binary with permessage-deflate';

const fetchesAndStreams = (prove: Prove, name: string): void => {
  prove({ protocol: 'h1', what: GET_AND_POST }, () => fetches(name));
  prove({ protocol: 'sse', what: EVENTS }, (tell) => streams(name, tell));
};

const python = { version: versionOf(PYTHON, ['--version'], /Python (\S+)/), install: pythonPackage('pip').install };

client(
  {
    name: 'Python urllib',
    ...python,
  },
  (prove) => {
    prove({ protocol: 'h1', what: GET_AND_POST }, () => fetches('urllib'));
    prove({ protocol: 'h1', what: 'the same with `VERIFY_X509_STRICT`' }, () => fetches('urllib-strict'));
  },
);

client(
  {
    name: 'Python requests',
    ...pythonPackage('requests'),
  },
  (prove) => fetchesAndStreams(prove, 'requests'),
);

client(
  {
    name: 'Python httpx',
    ...pythonPackage('httpx'),
  },
  (prove) => {
    fetchesAndStreams(prove, 'httpx');
    // It offers "http/1.1" before "h2": a server that goes by the client's order never speaks HTTP/2 with it.
    prove({ protocol: 'h2', what: GET_AND_POST, needs: '`http2=True`' }, () => fetches('httpx-http2', 'h2'));
    prove({ protocol: 'h2', what: EVENTS, needs: '`http2=True`' }, (tell) => streams('httpx-http2', tell, 'h2'));
  },
);

client(
  {
    name: 'Python httplib2',
    ...pythonPackage('httplib2'),
    needs: 'the package `PySocks`, without which it has no proxies and says nothing',
  },
  (prove) => prove({ protocol: 'h1', what: GET_AND_POST }, () => fetches('httplib2')),
);

client(
  {
    name: 'Python aiohttp',
    ...pythonPackage('aiohttp'),
    needs: '`ClientSession(trust_env=True)`',
  },
  (prove) => {
    fetchesAndStreams(prove, 'aiohttp');
    prove({ protocol: 'ws', what: CHAT }, () => chats('aiohttp'));
  },
);

client(
  {
    name: 'Python websockets',
    ...pythonPackage('websockets'),
  },
  (prove) => prove({ protocol: 'ws', what: CHAT }, () => chats('websockets')),
);
