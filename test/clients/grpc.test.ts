import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { orMissing } from '../support/built-once.ts';
import { client } from '../support/client-matrix.ts';
import { nodeFile, nodePackage } from '../support/client-node.ts';
import { pythonFile } from '../support/client-python.ts';
import { environmentOf } from '../support/client-world.ts';
import { closeOpened } from '../support/closing.ts';
import { runCommand } from '../support/command.ts';
import { type Grpc, goGrpc, pythonGrpc, runInterop, startGrpcServer } from '../support/grpc.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { certificateFor, loopback, SECRET } from '../support/scene.ts';

closeOpened();

/** The whole suite is `test/h2/grpc.test.ts`. */
const CASES = ['empty_unary', 'client_streaming', 'server_streaming', 'ping_pong', 'status_code_and_message'];

const go = await orMissing("Go's gRPC", goGrpc);
const python = await orMissing("Python's gRPC", pythonGrpc);
const server = 'there' in go ? go.there : null;

/** The version that a file of pinned ones names. */
function pinned(path: string, pattern: RegExp): string {
  const text = readFileSync(fileURLToPath(new URL(`../h2/${path}`, import.meta.url)), 'utf8');
  return pattern.exec(text)?.[1] ?? 'unknown';
}

interface Place {
  readonly postern: Postern;
  readonly target: string;
}

async function place(server: Grpc): Promise<Place> {
  const { port } = await startGrpcServer(server, certificateFor('origin.test'), `Bearer ${SECRET}`);
  const postern = await startPostern({
    ...loopback(),
    policies: `version: 1
secrets: { token: { file: ../secret.txt } }
rules:
  - { name: grpc, hosts: [origin.test], ports: [${port}], inject: [{ bearer: "\${token}" }] }
`,
  });
  return { postern, target: `origin.test:${port}` };
}

async function proveCalls(caller: Grpc): Promise<void> {
  if (server === null) return;
  const { postern, target } = await place(server);
  const results = await runInterop({ client: caller, target, ca: postern.ca, proxy: postern.proxyUrl, cases: CASES });
  expect(results).toEqual(Object.fromEntries(CASES.map((name) => [name, null])));
}

/** A program that is told nothing but what `postern env` prints. */
async function proveDefaults(command: readonly string[], own: Readonly<Record<string, string>> = {}): Promise<void> {
  if (server === null) return;
  const { postern, target } = await place(server);
  const [program = '', ...args] = command;
  const env = { ...own, HOME: postern.folder, ...(await environmentOf(postern)) };
  const { code, stdout, stderr } = await runCommand(program, [...args, target], { env });
  expect(stderr).toBe('');
  expect(code).toBe(0);
  // Tag and length of the payload, tag and length of its bytes, and these.
  expect(stdout).toBe(`${4 + 4 + 65_536}\n`);
}

const NEEDS = 'its proxy variable and the CA, which the suite takes as a file';
const CALL = 'a unary call with an answer of 64 KiB';
const WHAT =
  'calls: unary, streams of each side and of both, status details; the whole interop suite runs in `test/h2`';

const GO = {
  name: 'gRPC, Go',
  version: server === null ? null : pinned('grpc-go/go.mod', /google\.golang\.org\/grpc v(\S+)/),
  install: 'Go 1.26 or newer builds it',
  needs: NEEDS,
};

client(GO, (prove) => {
  prove({ protocol: 'grpc', what: WHAT, timeoutMs: 120_000 }, async () => {
    if ('there' in go) await proveCalls(go.there);
  });
});

const PYTHON = {
  name: 'gRPC, Python',
  version: server === null || !('there' in python) ? null : pinned('grpc-python/requirements.txt', /^grpcio==(\S+)/m),
  install: 'pip brings it; its server is built with Go',
};

client(PYTHON, (prove) => {
  prove({ protocol: 'grpc', what: CALL, timeoutMs: 60_000 }, async () => {
    if ('there' in python) await proveDefaults(['python3', pythonFile('grpc_call.py')], python.there.env);
  });
  prove({ protocol: 'grpc', what: WHAT, needs: NEEDS, timeoutMs: 120_000 }, async () => {
    if ('there' in python) await proveCalls(python.there);
  });
});

const JAVASCRIPT = nodePackage('@grpc/grpc-js');

client(
  {
    name: 'gRPC, JavaScript',
    version: server === null ? null : JAVASCRIPT.version,
    install: `${JAVASCRIPT.install}; its server is built with Go`,
  },
  (prove) => {
    prove({ protocol: 'grpc', what: CALL, timeoutMs: 60_000 }, () =>
      proveDefaults([process.execPath, nodeFile('grpc.mjs')]),
    );
  },
);
