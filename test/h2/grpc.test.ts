import { describe, expect, it } from 'vitest';
import { orMissing } from '../support/built-once.ts';
import { TestAuthority } from '../support/certificates.ts';
import { closeOpened } from '../support/closing.ts';
import { type Grpc, goGrpc, grpcCases, pythonGrpc, runInterop, startGrpcServer } from '../support/grpc.ts';
import { startPostern } from '../support/postern.ts';
import { certificateFor, loopback, SECRET } from '../support/scene.ts';

closeOpened();

const SUITE_MS = 300_000;
const CREDENTIAL = `Bearer ${SECRET}`;

/** Cases of Go's client that Python's server has no answer for. */
const ONLY_GO = ['orca_per_rpc'];
const found = {
  Go: await orMissing("Go's gRPC", goGrpc),
  Python: await orMissing("Python's gRPC", pythonGrpc),
};
type Language = keyof typeof found;
const PAIRS: readonly (readonly [client: Language, server: Language])[] = [
  ['Go', 'Go'],
  ['Python', 'Go'],
  ['Go', 'Python'],
  ['Python', 'Python'],
];

/** Left out: one of its forty calls is reset with INTERNAL_ERROR in about one run of thirty, and why is not known yet (docs/limitations.md). */
const SOAK = 'rpc_soak';

describe.each(PAIRS)("gRPC's interop suite, client of %s and server of %s", (clientIn, serverIn) => {
  const client = 'there' in found[clientIn] ? found[clientIn].there : null;
  const server = 'there' in found[serverIn] ? found[serverIn].there : null;
  const isThere = client !== null && server !== null;

  const casesOf = async (grpc: Grpc): Promise<readonly string[]> =>
    (await grpcCases(grpc)).filter((name) => name !== SOAK && (serverIn === 'Go' || !ONLY_GO.includes(name)));

  it.runIf(isThere)(
    'passes without a proxy, with a credential of its own',
    async () => {
      if (client === null || server === null) return;
      const authority = new TestAuthority();
      const { port } = await startGrpcServer(server, authority.issue({ names: ['origin.test'] }), CREDENTIAL);
      const cases = await casesOf(client);
      const results = await runInterop({
        client,
        target: `127.0.0.1:${port}`,
        name: 'origin.test',
        ca: authority.pem,
        authorization: CREDENTIAL,
        cases,
      });
      expect(results).toEqual(Object.fromEntries(cases.map((name) => [name, null])));
    },
    SUITE_MS,
  );

  it.runIf(isThere)(
    'passes through the proxy, which adds the credential',
    async () => {
      if (client === null || server === null) return;
      const { port } = await startGrpcServer(server, certificateFor('origin.test'), CREDENTIAL);
      const postern = await startPostern({ ...loopback(), policies: bearerFor(port) });
      const cases = await casesOf(client);
      const results = await runInterop({
        client,
        target: `origin.test:${port}`,
        ca: postern.ca,
        proxy: postern.proxyUrl,
        cases,
      });
      expect(results).toEqual(Object.fromEntries(cases.map((name) => [name, null])));
      const requests = postern.audit.filter(({ method }) => method === 'POST');
      expect(requests.length).toBeGreaterThanOrEqual(cases.length);
      expect(requests.every(({ protocol, injected }) => protocol === 'h2' && `${injected}` === 'token')).toBe(true);
    },
    SUITE_MS,
  );
});

describe('a gRPC call that its client gives up', () => {
  it.runIf('there' in found.Go)(
    'ends at the server too, through the proxy',
    async () => {
      if (!('there' in found.Go)) return;
      const { there: client } = found.Go;
      const server = await startGrpcServer(client, certificateFor('origin.test'), CREDENTIAL);
      const postern = await startPostern({ ...loopback(), policies: bearerFor(server.port) });
      const given = { client, target: `origin.test:${server.port}`, ca: postern.ca, proxy: postern.proxyUrl };
      expect(await runInterop({ ...given, cases: ['cancel_after_first_response'] })).toEqual({
        cancel_after_first_response: null,
      });
      await server.wrote(/^ended .*FullDuplexCall context canceled$/);
    },
    SUITE_MS,
  );
});

describe('gRPC without the credential', () => {
  it.runIf('there' in found.Go)(
    'is refused by the origin, through a proxy that adds none',
    async () => {
      if (!('there' in found.Go)) return;
      const { there: client } = found.Go;
      const { port } = await startGrpcServer(client, certificateFor('origin.test'), CREDENTIAL);
      const base = loopback();
      const passthrough = `version: 1\nrules: [{ name: all, hosts: [origin.test], ports: [${port}], tls: passthrough }]\n`;
      const postern = await startPostern({ ...base, policies: passthrough });
      const { empty_unary } = await runInterop({
        client,
        target: `origin.test:${port}`,
        ca: base.files?.['origin-ca.pem'] ?? '',
        proxy: postern.proxyUrl,
        cases: ['empty_unary'],
      });
      expect(empty_unary).toMatch(/code = Unauthenticated desc = 0 credentials/);
    },
    SUITE_MS,
  );
});

const bearerFor = (port: number): string => `version: 1
secrets: { token: { file: ../secret.txt } }
rules:
  - { name: grpc, hosts: [origin.test], ports: [${port}], inject: [{ bearer: "\${token}" }] }
`;
