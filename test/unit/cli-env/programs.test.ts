import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import path from 'node:path';
import { TLSSocket } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { run as runCa } from '../../../src/cli/ca.ts';
import { run } from '../../../src/cli/env.ts';
import { loadOrCreateAuthority } from '../../../src/tls/authority-files.ts';
import { createLeafContexts, type LeafContexts } from '../../../src/tls/leaf-contexts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { isInstalled } from '../tls/tools.ts';
import { ran } from './console.ts';

/**
 * Real programs, told nothing but what `postern env` printed. The proxy here answers every CONNECT, shows a leaf of the CA and says the
 * same to every request: a program that prints it has found the proxy and trusts the CA. The name exists nowhere else. Programs that a machine has
 * without being asked; `test/clients` goes further, with all others too.
 */
const URL_OF_NOWHERE = 'https://api.example.invalid/x';
/** Also what npm expects of a registry. */
const ANSWER = '{"name":"x","dist-tags":{"latest":"1.2.3"},"versions":{"1.2.3":{"name":"x","version":"1.2.3"}}}';

interface Place {
  readonly cwd: string;
  readonly variables: Readonly<Record<string, string>>;
  /** Authorities that were asked for, and the request lines inside. */
  readonly asked: readonly string[];
}

async function place(): Promise<Place> {
  const cwd = temporaryFolder();
  const { authority } = await loadOrCreateAuthority({ dir: path.join(cwd, 'certs'), nowMs: Date.now() });
  const contexts = createLeafContexts({ authority, entriesMax: 10, leafTtlMs: 86_400_000 });
  const asked: string[] = [];
  const server = createServer((socket) => intercept(socket, contexts, asked));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.close();
  });
  const proxy = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { out } = await ran(run, cwd, '--format', 'json', '--proxy', proxy);
  return { cwd, variables: JSON.parse(out), asked };
}

function intercept(socket: Socket, contexts: LeafContexts, asked: string[]): void {
  socket.on('error', () => undefined);
  socket.once('data', (head: Buffer) => {
    const authority = /^CONNECT (\S+) /.exec(head.toString('latin1'))?.[1] ?? '';
    asked.push(authority);
    const context = contexts.contextFor(authority.replace(/:\d+$/, ''));
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    const secure = new TLSSocket(socket, { isServer: true, secureContext: context });
    secure.on('error', () => socket.destroy());
    const type = 'Content-Type: application/json';
    secure.once('data', (request: Buffer) => {
      asked.push(request.toString('latin1').split('\r\n')[0] ?? '');
      secure.end(
        `HTTP/1.1 200 OK\r\n${type}\r\nContent-Length: ${ANSWER.length}\r\nConnection: close\r\n\r\n${ANSWER}`,
      );
    });
  });
}

async function printedBy(program: string, args: readonly string[], { cwd, variables }: Place): Promise<string> {
  const env = {
    PATH: process.env.PATH,
    HOME: cwd,
    GOCACHE: process.env.GOCACHE ?? `${process.env.HOME}/.cache/go-build`,
    ...variables,
  };
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
  }
  await once(child, 'close');
  return printed;
}

const PYTHON = `import urllib.request; print(urllib.request.urlopen("${URL_OF_NOWHERE}").read().decode())`;
const NODE_FETCH = `console.log(await (await fetch("${URL_OF_NOWHERE}")).text())`;
const NODE_HTTPS = `require("https").get("${URL_OF_NOWHERE}", (r) => r.pipe(process.stdout))`;
const GO = `package main
import ("fmt"; "io"; "net/http")
func main() {
	r, err := http.Get("${URL_OF_NOWHERE}")
	if err != nil { fmt.Println(err); return }
	b, _ := io.ReadAll(r.Body)
	fmt.Println(string(b))
}`;

const REQUESTS = `import requests; print(requests.get("${URL_OF_NOWHERE}").text)`;
const JAVA = `import java.net.URI;
class Main {
  public static void main(String[] args) throws Exception {
    try (var in = URI.create("${URL_OF_NOWHERE}").toURL().openStream()) { System.out.println(new String(in.readAllBytes())); }
  }
}`;

/** A program, how to ask whether it is there, and its arguments. */
const PROGRAMS: readonly (readonly [string, string, string, readonly string[]])[] = [
  ['curl', 'curl', '--version', ['-sS', URL_OF_NOWHERE]],
  ["Python's urllib", 'python3', '--version', ['-c', PYTHON]],
  ["Node's fetch", process.execPath, '--version', ['--input-type=module', '-e', NODE_FETCH]],
  ["Node's https", process.execPath, '--version', ['-e', NODE_HTTPS]],
];

describe('with the variables alone', () => {
  for (const [name, program, versionFlag, args] of PROGRAMS) {
    test.runIf(isInstalled(program, versionFlag))(`${name} reaches an intercepted host`, async () => {
      const here = await place();
      expect(await printedBy(program, args, here)).toContain(ANSWER);
      expect(here.asked).toEqual(['api.example.invalid:443', 'GET /x HTTP/1.1']);
    });
  }

  test.runIf(isInstalled('python3', '-c', 'import requests'))("Python's requests reaches one too", async () => {
    const here = await place();
    expect(await printedBy('python3', ['-c', REQUESTS], here)).toContain(ANSWER);
    expect(here.asked).toEqual(['api.example.invalid:443', 'GET /x HTTP/1.1']);
  });

  test.runIf(isInstalled('go', 'version'))('Go reaches an intercepted host', async () => {
    const here = await place();
    writeFileSync(path.join(here.cwd, 'main.go'), GO);
    expect(await printedBy('go', ['run', 'main.go'], here)).toContain(ANSWER);
  });

  test.runIf(isInstalled('npm'))('npm reads a registry through interception', async () => {
    const here = await place();
    const args = ['view', 'x', 'version', '--registry', 'https://api.example.invalid/'];
    expect(await printedBy('npm', args, here)).toContain('1.2.3');
  });

  test.runIf(isInstalled('java', '-version'))(
    'Java reaches an intercepted host, by the store that was made for it',
    async () => {
      const here = await place();
      expect((await ran(runCa, here.cwd, 'export', '--format', 'p12')).status).toBe(0);
      const { out } = await ran(run, here.cwd, '--format', 'json', '--proxy', `${here.variables.HTTPS_PROXY}`);
      writeFileSync(path.join(here.cwd, 'Main.java'), JAVA);
      expect(await printedBy('java', ['Main.java'], { ...here, variables: JSON.parse(out) })).toContain(ANSWER);
    },
  );

  test.runIf(isInstalled('git'))('git asks for a repository through interception', async () => {
    const here = await place();
    await printedBy('git', ['ls-remote', 'https://api.example.invalid/a.git'], here);
    expect(here.asked.slice(0, 2)).toEqual([
      'api.example.invalid:443',
      'GET /a.git/info/refs?service=git-upload-pack HTTP/1.1',
    ]);
  });

  test.runIf(isInstalled('pip'))('pip comes as far as the answer, which is not of an index', async () => {
    const here = await place();
    const index = ['--index-url', 'https://api.example.invalid/simple', '--disable-pip-version-check'];
    const printed = await printedBy('pip', ['download', '--no-deps', '--retries', '0', ...index, 'x'], here);
    expect(printed).toContain('No matching distribution');
    expect(printed).not.toMatch(/certificate|SSL/);
  });
});
