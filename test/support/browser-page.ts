import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { eventServer, timesText } from './client-events.ts';
import type { Prove } from './client-matrix.ts';
import { type Answer, echo, echoed, MIB, type Seen } from './client-origin.ts';
import { echoServer } from './client-websocket.ts';
import { type ClientWorld, clientWorld } from './client-world.ts';

/** What a page has to tell when it is through. */
type Results = Readonly<Record<string, unknown>>;

export interface Browser {
  readonly command: (url: string) => readonly string[];
  /** What it makes of a target with `[ ] | ^ { }` in it, which RFC 3986 has not. */
  readonly rawTarget: string;
}

/** One origin that speaks HTTP/1.1 and one that speaks both, each with the page `test/clients/page.html` and all that it asks for. */
export interface BrowserWorld {
  readonly world: () => ClientWorld;
  /** Puts the CA into a store of NSS, which is where browsers read roots besides their own. The folder is made. */
  trustCa(store: string): Promise<void>;
  /** Opens the page of that origin in a browser of its own, and holds it to what a page does without a proxy. */
  visit(origin: 'h1' | 'both', browser: Browser): Promise<void>;
  /** Both proofs of a browser that opens the page of an origin so. */
  proveThat(prove: Prove, opens: (origin: 'h1' | 'both') => Promise<void>): void;
}

const PAGE =
  'a page that fetches, posts, loads an image and has raw `[ ] | ^ { }` in a query, with events and a WebSocket';

export function browserWorld(): BrowserWorld {
  const page = readFileSync(fileURLToPath(new URL('../clients/page.html', import.meta.url)));
  const events = eventServer();
  const chat = echoServer();
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
  const origin = { answer, onUpgrade: chat.onUpgrade };
  const world = clientWorld({ origins: { h1: origin, both: { speaks: 'h2', ...origin } } });
  return {
    world,
    proveThat: (prove, opens) => {
      const common = { timeoutMs: 60_000, opensWebSocket: true };
      prove({ ...common, protocol: 'h1', what: PAGE }, async (tell) => {
        await opens('h1');
        tell(timesText(events.timesMs));
      });
      prove({ ...common, protocol: 'h2', what: 'the same page' }, async (tell) => {
        await opens('both');
        tell(timesText(events.timesMs));
      });
    },
    trustCa: (store) => trustCa(world(), store),
    visit: async (name, { command, rawTarget }) => {
      const done = new Promise<Results>((resolve) => {
        told = resolve;
      });
      expectResults(await Promise.race([done, openBrowser(world(), command(`${world().url(name)}/page`))]));
      const seen = world().origin(name).taken();
      expectSeenFromPage(seen, name === 'h1' ? 'h1' : 'h2');
      expect(seen.map(({ path }) => path)).toContain(rawTarget);
    },
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request.setEncoding('utf8')) text += part;
  return text;
}

async function trustCa({ run, postern }: ClientWorld, store: string): Promise<void> {
  if (existsSync(join(store, 'cert9.db'))) return;
  mkdirSync(store, { recursive: true });
  for (const args of [
    ['-N', '--empty-password'],
    ['-A', '-t', 'C,,', '-n', 'postern', '-i', postern.caPath],
  ]) {
    const { code, stderr } = await run('certutil', ['-d', `sql:${store}`, ...args]);
    expect(code, stderr).toBe(0);
  }
}

/** It runs until the test is over; that it ends by itself is an error. */
function openBrowser({ home, environment }: ClientWorld, [program = '', ...args]: readonly string[]): Promise<never> {
  const child = spawn(program, args, {
    cwd: home,
    env: { PATH: process.env.PATH, ...environment },
    stdio: 'ignore',
    detached: true,
  });
  const kill = (): Promise<void> =>
    new Promise((resolve) => {
      if (child.pid === undefined || child.exitCode !== null) return resolve();
      child.once('close', () => resolve());
      process.kill(-child.pid, 'SIGKILL');
    });
  onTestFinished(kill);
  return new Promise<never>((_resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error('the browser ended')));
  });
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
}
