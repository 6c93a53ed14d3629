import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { eventServer, timesText } from '../support/client-events.ts';
import { client, versionOf } from '../support/client-matrix.ts';
import { type Answer, echo, echoed, MIB, type Seen } from '../support/client-origin.ts';
import { echoServer } from '../support/client-websocket.ts';
import { clientWorld } from '../support/client-world.ts';
import { isInstalled } from '../support/command.ts';

const page = readFileSync(fileURLToPath(new URL('page.html', import.meta.url)));
const events = eventServer();
const chat = echoServer();

/** What a page has to tell when it is through. */
type Results = Readonly<Record<string, unknown>>;
let told: (results: Results) => void = () => {};

const answer: Answer = (request, response, path) => {
  if (path === '/page') response.writeHead(200, { 'content-type': 'text/html' }).end(page);
  else if (path === '/done') {
    void textOf(request).then((text) => {
      response.end();
      told(JSON.parse(text) as Results);
    });
  } else if (path === '/image.png') response.writeHead(404).end();
  else if (path === '/events' || path === '/ack') events.answer(request, response, path);
  else echo(request, response, path);
};

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request.setEncoding('utf8')) text += part;
  return text;
}

const world = clientWorld({
  origins: {
    h1: { answer, onUpgrade: chat.onUpgrade },
    both: { speaks: 'h2', answer, onUpgrade: chat.onUpgrade },
  },
});

/** It asks hosts of its maker's at every start otherwise. As root it has no sandbox of its own. */
const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
];

/** The store that Chromium reads besides its own roots. */
async function trustOurCa(): Promise<void> {
  const { home, run, postern } = world();
  const store = join(home, '.pki/nssdb');
  if (existsSync(store)) return;
  mkdirSync(store, { recursive: true });
  for (const args of [
    ['-N', '--empty-password'],
    ['-A', '-t', 'C,,', '-n', 'postern', '-i', postern.caPath],
  ]) {
    const { code, stderr } = await run('certutil', ['-d', `sql:${store}`, ...args]);
    expect(code, stderr).toBe(0);
  }
}

/** Opens the page of that origin in a browser of its own, and answers with what it told. */
async function visit(origin: string): Promise<Results> {
  const { home, url, environment } = world();
  const done = new Promise<Results>((resolve) => {
    told = resolve;
  });
  const profile = `--user-data-dir=${join(home, `profile-${origin}`)}`;
  const child = spawn('chromium', [...FLAGS, profile, `${url(origin)}/page`], {
    cwd: home,
    env: { PATH: process.env.PATH, ...environment },
    stdio: 'ignore',
    detached: true,
  });
  const ended = new Promise<never>((_resolve, reject) => {
    child.once('exit', () => reject(new Error('the browser ended')));
  });
  const kill = (): Promise<void> =>
    new Promise((resolve) => {
      if (child.pid === undefined || child.exitCode !== null) return resolve();
      child.once('close', () => resolve());
      process.kill(-child.pid, 'SIGKILL');
    });
  onTestFinished(kill);
  return await Promise.race([done, ended]);
}

function expectResults(results: Results): void {
  expect(results).toEqual({
    got: echoed('GET'),
    posted: echoed('POST', MIB),
    raw: echoed('GET'),
    image: 'asked for',
    events: 20,
    chat: { length: MIB.length, binary: 256, extensions: 'permessage-deflate' },
  });
}

function expectSeenFromPage(seen: readonly Seen[], protocol: 'h1' | 'h2'): void {
  expect(seen.filter(({ authorized }) => !authorized)).toEqual([]);
  expect(new Set(seen.map((one) => one.protocol))).toEqual(new Set([protocol, 'ws']));
  // Of the path it escapes the bar alone, and of the query none.
  expect(seen.map(({ path }) => path)).toContain('/raw%7C[p]?q=[a]|^{b}`c');
}

client(
  {
    name: 'Chromium',
    version: isInstalled('certutil') ? versionOf('chromium', ['--version'], /Chromium (\S+)/) : null,
    install: 'apt-get install chromium libnss3-tools',
    needs: '`certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n postern -i ca.pem`',
  },
  (prove) => {
    const timeoutMs = 60_000;
    const what = 'a page that fetches, posts, loads an image and has raw `[ ] | ^ { }` in a query';
    prove({ protocol: 'h1', what: `${what}, with events and a WebSocket`, timeoutMs }, async (tell) => {
      await trustOurCa();
      expectResults(await visit('h1'));
      expectSeenFromPage(world().origin('h1').taken(), 'h1');
      tell(timesText(events.timesMs));
    });
    prove({ protocol: 'h2', what: 'the same page', timeoutMs }, async (tell) => {
      await trustOurCa();
      expectResults(await visit('both'));
      expectSeenFromPage(world().origin('both').taken(), 'h2');
      tell(timesText(events.timesMs));
    });
  },
);
