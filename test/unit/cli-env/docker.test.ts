import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { run as runCa } from '../../../src/cli/ca.ts';
import { run } from '../../../src/cli/env.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { isInstalled } from '../tls/tools.ts';
import { ran } from './console.ts';

/** Where the sandbox sees the files; everything in it is something to a shell. */
const AT = `/it's "$here"/a b`;

interface Place {
  readonly cwd: string;
  /** By name, as `--format json` has them. */
  readonly variables: Readonly<Record<string, string>>;
  /** Runs a line of a shell that finds our `postern`, and what else stands in `cwd/bin`. */
  shell(line: string, env?: Readonly<Record<string, string>>): Promise<string>;
}

async function place(): Promise<Place> {
  const cwd = temporaryFolder();
  // No store for Java: its variable has no way to write the double quote of this path.
  expect((await ran(runCa, cwd, 'init')).status).toBe(0);
  const args = ['--proxy', 'http://vm:p%40ss@10.0.3.1:8080', '--ca-at', AT];
  const [json, docker] = await Promise.all(
    ['json', 'docker'].map((format) => ran(run, cwd, '--format', format, ...args)),
  );
  mkdirSync(path.join(cwd, 'bin'));
  // What it prints was made in this process, from the sources.
  writeFileSync(path.join(cwd, 'printed'), docker?.out ?? '');
  writeFileSync(path.join(cwd, 'bin/postern'), `#!/bin/sh\ncat '${cwd}/printed'\n`, { mode: 0o755 });
  return {
    cwd,
    variables: JSON.parse(json?.out ?? '') as Readonly<Record<string, string>>,
    shell: async (line, env = {}) => {
      const PATH = `${path.join(cwd, 'bin')}:${process.env.PATH}`;
      const { stdout } = await promisify(execFile)('bash', ['-c', line], { cwd, env: { PATH, HOME: cwd, ...env } });
      return stdout;
    },
  };
}

/** The command that `docs/operations.md` tells people to use. */
function documented(): string {
  const text = readFileSync(fileURLToPath(new URL('../../../docs/operations.md', import.meta.url)), 'utf8');
  const [line = ''] = /postern env .*--build-arg.*/.exec(text) ?? [];
  return line;
}

interface Daemon {
  readonly env: Readonly<Record<string, string>>;
  /** Targets and bodies of what it was asked. */
  readonly asked: readonly (readonly [target: string, body: string])[];
}

/** Answers a docker CLI just so far that it says what it wants. */
async function daemon(cwd: string): Promise<Daemon> {
  const asked: (readonly [string, string])[] = [];
  const server = createServer((request, response) => void answer(request, response, asked));
  const socket = path.join(cwd, 'docker.sock');
  await once(server.listen(socket), 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { env: { DOCKER_HOST: `unix://${socket}`, DOCKER_BUILDKIT: '0' }, asked };
}

async function answer(request: IncomingMessage, response: ServerResponse, asked: (readonly [string, string])[]) {
  let body = '';
  for await (const part of request.setEncoding('latin1')) body += part;
  asked.push([request.url ?? '', body]);
  response.setHeader('api-version', '1.41').setHeader('content-type', 'application/json');
  if (request.url?.endsWith('/containers/create')) response.writeHead(201).end('{"Id":"c","Warnings":[]}');
  else response.end('{}');
}

describe('what is printed for docker', () => {
  test('is split into one word for each variable by the documented command, whatever stands in it', async () => {
    const { cwd, variables, shell } = await place();
    writeFileSync(path.join(cwd, 'bin/docker'), `#!/bin/sh\nprintf '%s\\0' "$@"\n`, { mode: 0o755 });
    const words = (await shell(documented())).split('\0').slice(0, -1);
    const args = Object.entries(variables).map(([name, value]) => `--build-arg=${name}=${value}`);
    expect(words).toEqual(['build', '.', ...args]);
  });

  if (!isInstalled('docker')) console.warn('SKIPPED: docker is not installed; apt-get install docker.io');
  describe.runIf(isInstalled('docker'))('reaches the daemon as it is by the real CLI', () => {
    test('with docker build', async () => {
      const { cwd, variables, shell } = await place();
      const { env, asked } = await daemon(cwd);
      writeFileSync(path.join(cwd, 'Dockerfile'), 'FROM scratch\n');
      writeFileSync(path.join(cwd, '.dockerignore'), '*\n!Dockerfile\n');
      await shell(documented(), env);
      const target = asked.map(([url]) => url).find((url) => url.includes('/build?')) ?? '';
      const query = new URL(target, 'http://docker').searchParams;
      expect(JSON.parse(query.get('buildargs') ?? '')).toEqual(variables);
    });

    test('with docker create --env-file', async () => {
      const { cwd, variables, shell } = await place();
      const { env, asked } = await daemon(cwd);
      await shell('docker create --env-file <(postern env --format docker) image', env);
      const [, body = ''] = asked.find(([url]) => url.endsWith('/containers/create')) ?? [];
      const { Env } = JSON.parse(body) as { readonly Env: readonly string[] };
      expect(Env).toEqual(Object.entries(variables).map(([name, value]) => `${name}=${value}`));
    });
  });
});
