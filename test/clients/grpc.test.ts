import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { orMissing } from '../support/built-once.ts';
import { client } from '../support/client-matrix.ts';
import { closeOpened } from '../support/closing.ts';
import { type Grpc, goGrpc, pythonGrpc, runInterop, startGrpcServer } from '../support/grpc.ts';
import { startPostern } from '../support/postern.ts';
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

async function proveCalls(caller: Grpc): Promise<void> {
  if (server === null) return;
  const { port } = await startGrpcServer(server, certificateFor('origin.test'), `Bearer ${SECRET}`);
  const postern = await startPostern({
    ...loopback(),
    policies: `version: 1
secrets: { token: { file: ../secret.txt } }
rules:
  - { name: grpc, hosts: [origin.test], ports: [${port}], inject: [{ bearer: "\${token}" }] }
`,
  });
  const target = `origin.test:${port}`;
  const results = await runInterop({ client: caller, target, ca: postern.ca, proxy: postern.proxyUrl, cases: CASES });
  expect(results).toEqual(Object.fromEntries(CASES.map((name) => [name, null])));
}

const NEEDS = 'its proxy variable and the CA, which the suite takes as a file';
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
  needs: NEEDS,
};

client(PYTHON, (prove) => {
  prove({ protocol: 'grpc', what: WHAT, timeoutMs: 120_000 }, async () => {
    if ('there' in python) await proveCalls(python.there);
  });
});
