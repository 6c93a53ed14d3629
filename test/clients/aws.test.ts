import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { client, versionOf } from '../support/client-matrix.ts';
import { nodeFile, nodePackage } from '../support/client-node.ts';
import { MIB } from '../support/client-origin.ts';
import { PYTHON, pythonFile, pythonPackage, pythonProgram } from '../support/client-python.ts';
import { clientWorld, expectSeen } from '../support/client-world.ts';
import type { CommandResult } from '../support/command.ts';
import { ACCOUNT, s3Server } from '../support/s3-server.ts';
import { SECRET } from '../support/scene.ts';

/** What they sign with keys of the sandbox's own stays, and the credential that the origin asks for is another field. */
const world = clientWorld({
  origins: { s3: { answer: s3Server(), credentials: { 'x-origin-key': [SECRET] } } },
  policy: ({ s3 }) => `rules:
  - name: s3
    hosts: [origin.test]
    ports: [${s3}]
    keep: [authorization]
    inject: [{ header: { name: x-origin-key, value: "\${token}" } }]
`,
});

const variables = (): Readonly<Record<string, string>> => ({
  AWS_ENDPOINT_URL: world().url('s3'),
  AWS_REGION: 'eu-central-1',
  AWS_DEFAULT_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'of the sandbox',
});

async function runs(program: string, args: readonly string[]): Promise<CommandResult> {
  const result = await world().run(program, args, { env: variables(), timeoutMs: 30_000 });
  expect(result.code, result.stdout + result.stderr).toBe(0);
  return result;
}

/** All of it signed by the client, with the credential, to these places. */
function expectSigned(...requests: readonly string[]): void {
  const seen = world()
    .origin('s3')
    .taken()
    .map((one) => ({ ...one, path: one.path.split('?')[0] ?? '' }));
  expectSeen(seen, 'h1', requests);
  for (const { headers } of seen) expect(headers.authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/);
}

const OWN_KEYS = 'keys of its own to sign with, since Postern does not sign';
const OBJECT = 'an object of 1 MiB put to S3, and got';

client(
  {
    name: 'AWS SDK, Python (boto3)',
    ...pythonPackage('boto3'),
    needs: OWN_KEYS,
  },
  (prove) => {
    prove({ protocol: 'h1', what: `${OBJECT}; an identity asked of STS` }, async () => {
      const { stdout } = await runs(PYTHON, [pythonFile('s3.py')]);
      expect(stdout).toBe(`True\n${ACCOUNT}\n`);
      expectSigned('PUT /bucket/bytes', 'GET /bucket/bytes', 'POST /');
    });
  },
);

const JAVASCRIPT = {
  name: 'AWS SDK, JavaScript (v3)',
  ...nodePackage('@aws-sdk/client-s3'),
  needs: `${OWN_KEYS}; \`requestHandler: { httpsAgent: new https.Agent({ proxyEnv: process.env }) }\``,
};

client(JAVASCRIPT, (prove) => {
  prove({ protocol: 'h1', what: `${OBJECT}, as bytes and as a stream` }, async () => {
    const { stdout } = await runs(process.execPath, [nodeFile('s3.mjs')]);
    expect(stdout).toBe('true\ntrue\n');
    expectSigned('PUT /bucket/bytes', 'GET /bucket/bytes', 'PUT /bucket/stream', 'GET /bucket/stream');
  });
});

const AWS = pythonProgram('aws');
const CLI = {
  name: 'AWS CLI',
  version: versionOf(AWS, ['--version'], /aws-cli\/(\S+)/),
  install: pythonPackage('awscli').install,
  needs: OWN_KEYS,
};

client(CLI, (prove) => {
  prove({ protocol: 'h1', what: `${OBJECT}; an identity asked of STS`, timeoutMs: 60_000 }, async () => {
    const { home } = world();
    writeFileSync(join(home, 'sent'), MIB);
    await runs(AWS, ['s3', 'cp', '--quiet', 'sent', 's3://bucket/cli']);
    await runs(AWS, ['s3', 'cp', '--quiet', 's3://bucket/cli', 'got']);
    expect(readFileSync(join(home, 'got'), 'utf8')).toBe(MIB);
    const { stdout } = await runs(AWS, ['sts', 'get-caller-identity', '--output', 'text', '--query', 'Account']);
    expect(stdout).toBe(`${ACCOUNT}\n`);
    expectSigned('PUT /bucket/cli', 'HEAD /bucket/cli', 'GET /bucket/cli', 'POST /');
  });
});
