import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { STARTER_POLICY } from '../../src/cli/starter.ts';
import { field } from '../../src/headers/field-list.ts';
import { compilePolicy } from '../../src/policy/compile.ts';
import { decide } from '../../src/policy/decide.ts';
import { formatFinding } from '../../src/policy/finding.ts';
import type { PolicySpec } from '../../src/policy/model.ts';
import { readPolicy } from '../../src/policy/reading/read.ts';
import { groupSandboxes } from '../../src/policy/reading/sandboxes.ts';

const policies = fileURLToPath(new URL('../../policies/', import.meta.url));
const examples = readdirSync(`${policies}examples`);

function read(text: string, file: string): PolicySpec {
  const { spec, findings } = readPolicy(text, file);
  expect(findings.map((finding) => formatFinding(finding))).toEqual([]);
  return spec ?? expect.fail(`${file} was refused without a finding`);
}
const load = (name: string): PolicySpec => read(readFileSync(`${policies}${name}`, 'utf8'), `policies/${name}`);

function policyOf(spec: PolicySpec) {
  const [sandbox] = groupSandboxes([spec]).sandboxes;
  return compilePolicy(sandbox ?? expect.fail('no sandbox'));
}

/** What a policy says about `METHOD URL`: the code of a denial, or the rule and the secrets that are put in. */
function verdictOn(spec: PolicySpec, request: string): string {
  const [method = '', address = ''] = request.split(' ');
  const { protocol, host, pathname, search } = new URL(address);
  // Not as the URL class would have it: "%2f" and the like must arrive as they are.
  const path = address.slice(address.indexOf(host) + host.length).split('?')[0] ?? pathname;
  const decision = decide(policyOf(spec), {
    method,
    scheme: protocol === 'http:' ? 'http' : 'https',
    host,
    port: protocol === 'http:' ? 80 : 443,
    path,
    query: search === '' ? null : search.slice(1),
    fields: [field('Host', host)],
    websocket: false,
  });
  if (decision.effect !== 'allow') return decision.code;
  return [decision.rule?.label, ...decision.plan.secrets].join(' ');
}

const VERDICTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'default.yaml': {
    'GET https://httpbin.org/bearer': 'demo demo',
    'GET https://httpbingo.org/headers': 'demo demo',
    'POST https://httpbin.org/bearer': 'METHOD_DENIED',
    'GET https://httpbin.org/anything': 'PATH_DENIED',
    'GET http://httpbin.org/bearer': 'HOST_DENIED',
    'GET https://example.com/': 'example',
    'GET https://www.example.com/': 'HOST_DENIED',
    'GET https://api.github.com/user': 'HOST_DENIED',
  },
  'examples/github-read-only.yaml': {
    'GET https://api.github.com/repos/acme/app/pulls?state=open': 'github-api-read github',
    'GET https://api.github.com/repos/acme/app/contents/src/main.ts': 'github-api-read github',
    'POST https://api.github.com/repos/acme/app/issues': 'METHOD_DENIED',
    'GET https://api.github.com/repos/other/app': 'PATH_DENIED',
    'GET https://api.github.com/repos/acme/../other/app': 'PATH_AMBIGUOUS',
    'POST https://api.github.com/graphql': 'METHOD_DENIED',
    'GET https://codeload.github.com/acme/app/legacy.tar.gz/refs/heads/main': 'github-downloads',
    'GET https://github.com/acme/app': 'HOST_DENIED',
  },
  'examples/npm-install.yaml': {
    'GET https://registry.npmjs.org/left-pad': 'npm-packages',
    'GET https://registry.npmjs.org/@types%2fnode': 'npm-packages',
    'GET https://registry.npmjs.org/@types/node/-/node-24.0.0.tgz': 'npm-packages',
    'POST https://registry.npmjs.org/-/npm/v1/security/advisories/bulk': 'npm-audit',
    'PUT https://registry.npmjs.org/left-pad': 'METHOD_DENIED',
    'POST https://registry.npmjs.org/-/v1/login': 'PATH_DENIED',
    'GET https://registry.npmjs.org/..%2f..%2fx': 'PATH_AMBIGUOUS',
    'GET https://nodejs.org/download/release/v24.1.0/node-v24.1.0-headers.tar.gz': 'node-headers',
    'GET https://evil.example/left-pad': 'HOST_DENIED',
  },
  'examples/pypi-install.yaml': {
    'GET https://pypi.org/simple/requests/': 'pypi-index',
    'GET https://pypi.org/pypi/requests/2.32.0/json': 'pypi-index',
    'GET https://files.pythonhosted.org/packages/aa/bb/requests-2.32.0-py3-none-any.whl': 'pypi-files',
    'POST https://pypi.org/legacy/': 'METHOD_DENIED',
    'POST https://upload.pypi.org/legacy/': 'HOST_DENIED',
    'GET https://pypi.org/manage/projects/': 'PATH_DENIED',
  },
  'examples/openai.yaml': {
    'POST https://api.openai.com/v1/responses': 'openai-models openai',
    'GET https://api.openai.com/v1/models': 'openai-read openai',
    'POST https://api.openai.com/v1/files': 'PATH_DENIED',
    'DELETE https://api.openai.com/v1/models/ft-x': 'METHOD_DENIED',
    'GET https://api.openai.com/v1/organization/users': 'PATH_DENIED',
    'POST http://api.openai.com/v1/responses': 'HOST_DENIED',
  },
  'examples/anthropic.yaml': {
    'POST https://api.anthropic.com/v1/messages': 'anthropic-messages anthropic',
    'POST https://api.anthropic.com/v1/messages/count_tokens': 'anthropic-messages anthropic',
    'GET https://api.anthropic.com/v1/models': 'anthropic-models anthropic',
    'POST https://api.anthropic.com/v1/files': 'PATH_DENIED',
    'GET https://api.anthropic.com/v1/organizations/users': 'PATH_DENIED',
  },
  'examples/git-https.yaml': {
    'GET https://github.com/acme/app.git/info/refs?service=git-upload-pack': 'git-fetch-begin github',
    'POST https://github.com/acme/app.git/git-upload-pack': 'git-fetch github',
    'GET https://github.com/acme/app.git/info/refs?service=git-receive-pack': 'RULE_DENIED',
    'GET https://github.com/acme/app.git/info/refs?service=git-upload-pack&service=git-receive-pack': 'RULE_DENIED',
    'POST https://github.com/acme/app.git/git-receive-pack': 'PATH_DENIED',
    'POST https://github.com/other/app.git/git-upload-pack': 'PATH_DENIED',
    'POST https://api.github.com/graphql': 'HOST_DENIED',
  },
  'examples/locked.yaml': {
    'GET https://example.com/': 'HOST_DENIED',
    'GET http://localhost/': 'HOST_DENIED',
  },
};

describe.each(['default.yaml', ...examples.map((name) => `examples/${name}`)])('policies/%s', (name) => {
  const spec = load(name);
  const verdicts = Object.entries(VERDICTS[name] ?? {});

  it('is known to this test, and explains itself', () => {
    expect(verdicts.length).toBeGreaterThan(1);
    expect(readFileSync(`${policies}${name}`, 'utf8')).toMatch(/^# /);
  });

  it.each(verdicts)('%s: %s', (request, expected) => {
    expect(verdictOn(spec, request)).toBe(expected);
  });
});

describe('the examples', () => {
  it('stand together in one folder', () => {
    const { sandboxes, findings } = groupSandboxes(
      ['default.yaml', ...examples.map((name) => `examples/${name}`)].map(load),
    );
    expect(findings.map((finding) => formatFinding(finding))).toEqual([]);
    expect(sandboxes.map(({ name }) => name)).toEqual(['default']);
  });

  it('name hosts for every secret', () => {
    for (const name of examples)
      for (const secret of load(`examples/${name}`).secrets) expect(secret.hosts).not.toBeNull();
  });
});

describe('the policy that init writes', () => {
  it('lets its demonstration through and nothing else', () => {
    const spec = read(STARTER_POLICY, 'policies/default.yaml');
    expect(verdictOn(spec, 'GET https://httpbin.org/bearer')).toBe('demo demo');
    expect(verdictOn(spec, 'GET https://api.github.com/')).toBe('HOST_DENIED');
  });
});
