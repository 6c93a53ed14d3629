import { describe, expect, it } from 'vitest';
import { readPolicy } from '../../../src/policy/reading/read.ts';
import { findingsOf, policyOf, shown } from './support.ts';

/** The example of the contract, with what this release has of it. */
const EXAMPLE = `version: 1
sandbox:
  name: vm-42
  match:
    - source: 10.0.3.2/32
      listener: 127.0.0.1:8080
    - token: { file: tokens/vm-42 }
default: deny
mode: observe
introspect: false
secrets:
  github: { env: GITHUB_TOKEN, hosts: [api.github.com, github.com] }
  openai: { file: /run/secrets/openai }
rules:
  - name: github-read
    hosts: [api.github.com]
    schemes: [https]
    ports: [443]
    methods: [GET, HEAD]
    paths: ["/repos/acme/**"]
    encoded_slash: true
    query:   { ref: main, tag: { glob: "v*" } }
    headers: { Accept: { glob: "application/*" } }
    action: allow
    tls: intercept
    websocket: false
    via: true
    strip: [Cookie]
    keep: [X-Auth-Token]
    scrub: false
    inject:
      - bearer: "\${github}"
      - header: { name: X-Api-Key, value: "k \${github}" }
      - query: { name: key, value: "\${github}" }
      - cookie: { name: sid, value: "\${github}" }
      - placeholder: { token: PSTRN-GITHUB-0001, value: "\${github}", in: ["header:X-Token", "query:t", query, path], misplaced: pass }
    response_head: 20m
    idle: 30s
    limits: { requests: 600/min, concurrency: 20 }
  - hosts: ["*.openai.com", 10.0.0.1, "[::1]"]
    inject:
      - basic: { username: x, password: "\${openai}" }
  - name: pinned
    hosts: [pinned.example.com]
    tls: passthrough
    action: deny
subnets:
  allow: [ { cidr: 10.1.0.0/16, ports: [5432] }, { cidr: 10.2.0.1 } ]
  deny:  [ 10.1.9.0/24 ]
`;

const DEFAULTS = {
  name: null,
  schemes: ['https'],
  ports: null,
  methods: null,
  paths: null,
  encodedSlash: false,
  query: [],
  headers: [],
  action: 'allow',
  tls: 'intercept',
  websocket: true,
  via: false,
  strip: [],
  keep: [],
  inject: [],
  forward: null,
  scrub: true,
  responseHeadMs: null,
  idleMs: null,
  limits: null,
};

describe('a policy file', () => {
  const policy = policyOf(EXAMPLE);

  it('is read whole: sandbox, secrets and subnets', () => {
    const file = '/etc/postern/policies/f.yaml';
    expect(policy).toMatchObject({ file, default: 'deny', mode: 'observe', introspect: false });
    expect(policy.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(policy.sandbox).toEqual({
      name: 'vm-42',
      match: [
        {
          place: { file, line: 5, column: 7 },
          source: '10.0.3.2/32',
          listener: '127.0.0.1:8080',
          token: null,
          any: false,
        },
        {
          place: { file, line: 7, column: 7 },
          source: null,
          listener: null,
          token: { kind: 'file', path: '/etc/postern/policies/tokens/vm-42' },
          any: false,
        },
      ],
    });
    expect(policy.secrets).toEqual([
      {
        place: { file, line: 12, column: 3 },
        name: 'github',
        source: { kind: 'env', variable: 'GITHUB_TOKEN' },
        hosts: ['api.github.com', 'github.com'],
      },
      {
        place: { file, line: 13, column: 3 },
        name: 'openai',
        source: { kind: 'file', path: '/run/secrets/openai' },
        hosts: null,
      },
    ]);
    expect(policy.subnets).toEqual({
      allow: [
        { place: { file, line: 48, column: 12 }, cidr: '10.1.0.0/16', ports: [5432] },
        { place: { file, line: 48, column: 50 }, cidr: '10.2.0.1/32', ports: null },
      ],
      deny: [{ place: { file, line: 49, column: 12 }, cidr: '10.1.9.0/24' }],
    });
  });

  it('is read whole: rules, with names of fields in lower case', () => {
    const file = '/etc/postern/policies/f.yaml';
    const github = [{ secret: 'github' }];
    expect(policy.rules).toEqual([
      {
        place: { file, line: 15, column: 5 },
        name: 'github-read',
        hosts: ['api.github.com'],
        schemes: ['https'],
        ports: [443],
        methods: ['GET', 'HEAD'],
        paths: ['/repos/acme/**'],
        encodedSlash: true,
        query: [
          { name: 'ref', value: { exact: 'main' } },
          { name: 'tag', value: { glob: 'v*' } },
        ],
        headers: [{ name: 'accept', value: { glob: 'application/*' } }],
        action: 'allow',
        tls: 'intercept',
        websocket: false,
        via: true,
        strip: ['cookie'],
        keep: ['x-auth-token'],
        inject: [
          { kind: 'bearer', value: github },
          { kind: 'header', name: 'X-Api-Key', value: ['k ', ...github] },
          { kind: 'query', name: 'key', value: github },
          { kind: 'cookie', name: 'sid', value: github },
          {
            kind: 'placeholder',
            token: 'PSTRN-GITHUB-0001',
            value: github,
            in: [
              { kind: 'header', name: 'x-token' },
              { kind: 'query', name: 't' },
              { kind: 'query', name: null },
              { kind: 'path' },
            ],
            misplaced: 'pass',
          },
        ],
        scrub: false,
        forward: null,
        responseHeadMs: 1_200_000,
        idleMs: 30_000,
        limits: {
          requests: { amount: 600, windowMs: 60_000 },
          bytesOut: null,
          concurrency: 20,
          bodyBytesMax: null,
        },
      },
      {
        ...DEFAULTS,
        place: { file, line: 40, column: 5 },
        hosts: ['*.openai.com', '10.0.0.1', '[::1]'],
        inject: [{ kind: 'basic', username: ['x'], password: [{ secret: 'openai' }] }],
      },
      {
        ...DEFAULTS,
        place: { file, line: 43, column: 5 },
        name: 'pinned',
        hosts: ['pinned.example.com'],
        tls: 'passthrough',
        action: 'deny',
      },
    ]);
  });

  it('survives being handed from one thread to another', () => {
    expect(structuredClone(policy)).toEqual(policy);
  });

  it('may say nothing but its version, which allows nothing', () => {
    expect(policyOf('version: 1\n')).toMatchObject({
      sandbox: null,
      default: null,
      mode: null,
      introspect: null,
      secrets: [],
      rules: [],
      subnets: { allow: [], deny: [] },
    });
    expect(policyOf('{ "version": 1, "rules": [] }').rules).toEqual([]);
  });

  it('has the hash of its text, byte order mark and comments included', () => {
    const hashes = ['version: 1\n', 'version: 1 # x\n', '\ufeffversion: 1\n'].map((text) => policyOf(text).hash);
    expect(new Set(hashes).size).toBe(3);
  });

  it('finds its files beside itself, wherever the process runs', () => {
    const text =
      'version: 1\nsecrets: { a: { file: ../s/a } }\nrules: [ { hosts: [a.example.com], inject: [ { bearer: "${a}" } ] } ]\n';
    expect(readPolicy(text, 'policies/f.yaml', '/etc/postern').spec?.secrets[0]?.source).toEqual({
      kind: 'file',
      path: '/etc/postern/s/a',
    });
  });
});

describe('the keys of a policy file', () => {
  it.each([
    ['rules: []\n', ['1:1  version  is missing; it must be 1']],
    ['version: 2\n', ['1:10  version  must be 1']],
    ['version: "1"\n', ['1:10  version  must be 1']],
    ['version: 1\ndefault: allowed\n', ['2:10  default  must be deny or allow']],
    ['version: 1\nmode: Observe\n', ['2:7  mode  must be enforce or observe']],
    ['version: 1\nintrospect: yes\n', ['2:13  introspect  must be true or false']],
    ['version: 1\nrules:\n', ['2:7  rules  is empty; it must be a list of rules']],
    ['version: 1\nrules: {}\n', ['2:8  rules  must be a list of rules']],
    ['version: 1\nrules: [x]\n', ['2:9  rules[0]  must be a rule: a map with "hosts" and conditions']],
    [
      'version: 1\nrules: [{}]\n',
      ['2:9  rules[0].hosts  is missing; it must be a list of hosts, e.g. [api.example.com]'],
    ],
    ['version: 1\nsecrets: [x]\n', ['2:10  secrets  must be a map of names, e.g. { github: { env: GITHUB_TOKEN } }']],
    ['version: 1\nsubnets: x\n', ['2:10  subnets  must be a map of keys']],
    ['version: 1\nsandbox: vm-1\n', ['2:10  sandbox  must be a map of keys']],
    ['version: 1\nruls: []\n', ['2:1  ruls  is not a known key; did you mean "rules"?']],
    [
      'version: 1\nallow: []\n',
      [
        '2:1  allow  is not a known key; known here: version, default, mode, introspect, sandbox, secrets, rules, subnets',
      ],
    ],
    ['version: 1\nrules: []\nrules: []\n', ['3:1  is the second key of this name; remove one of them']],
  ])('are told what is wrong: %j', (text, findings) => {
    expect(findingsOf(text)).toEqual(findings);
  });
});

describe('what comes in a later release', () => {
  const later = 'comes in a later release, and until then is refused rather than ignored; remove it';

  it.each([
    ['version: 1\nboundary: true\n', `2:1  boundary  ${later}`],
    ['version: 1\ngrant: { github: [api.github.com] }\n', `2:1  grant  ${later}`],
  ])('is refused at its place: %j', (text, finding) => {
    const { spec, findings } = readPolicy(text, 'f');
    expect(spec).toBeNull();
    expect(shown(findings)).toEqual([finding]);
  });

  it.each([['command'], ['vault'], ['oauth2'], ['github_app'], ['google'], ['sts']])(
    'is refused as a kind of secret: %s',
    (kind) => {
      const findings = findingsOf(`version: 1\nsecrets:\n  a: { ${kind}: {} }\n`);
      expect(findings[0]).toBe(
        `3:8  secrets.a.${kind}  is a kind of secret that comes in a later release; until then write { env: VARIABLE } or { file: PATH }`,
      );
    },
  );
});

describe('a file with many mistakes', () => {
  it('has all of them reported, in the order of the file', () => {
    const text = `version: 2
defalt: deny
secrets:
  a: { vault: x }
  b: {}
rules:
  - hosts: [Example.com]
    methods: get
    paths: [x]
  - host: [example.com]
    ports: [0]
  - hosts: ["*"]
subnets: { deny: [10.0.0.1/8] }
`;
    const places = findingsOf(text).map((line) => line.split('  ').slice(0, 2).join(' '));
    expect(places).toEqual([
      '1:10 version',
      '2:1 defalt',
      '4:8 secrets.a.vault',
      '5:6 secrets.b',
      '7:13 rules[0].hosts[0]',
      '8:14 rules[0].methods',
      '9:13 rules[0].paths[0]',
      '10:5 rules[1].hosts',
      '10:5 rules[1].host',
      '12:13 rules[2].hosts[0]',
      '13:19 subnets.deny[0]',
    ]);
  });

  it('never has a value repeated that might be a secret in the wrong place', () => {
    const canary = 'ghp_canary0123456789';
    const texts = [
      `version: 1\nsecrets: { a: ${canary} }\n`,
      `version: 1\nsecrets: { a: { value: ${canary} } }\n`,
      `version: 1\nsecrets: { a: { env: "${canary}!" } }\n`,
      `version: 1\nsecrets: ${canary}\n`,
      `version: 1\nrules: [ { hosts: [a.example.com], inject: [ { bearer: ${canary} } ] } ]\n`,
      `version: 1\nrules: [ { hosts: [a.example.com], inject: [ { bearer: "$${canary}" } ] } ]\n`,
      `version: 1\nrules: [ { hosts: [a.example.com], inject: ${canary} } ]\n`,
      `version: 1\nrules: [ { hosts: [a.example.com], inject: [ ${canary} ] } ]\n`,
      `version: 1\nrules: [ { hosts: [a.example.com], inject: [ { header: { name: x, value: "${canary}" } } ] } ]\n`,
      `version: 1\nrules: [ { hosts: [a.example.com], inject: [ { placeholder: { token: "${canary}!", value: ${canary}, in: [path] } } ] } ]\n`,
      `version: 1\nsandbox: { name: a, match: [ { token: ${canary} } ] }\n`,
    ];
    for (const text of texts) {
      const findings = findingsOf(text);
      expect(findings.length, text).toBeGreaterThan(0);
      expect(findings.join('\n'), text).not.toContain(canary);
    }
  });
});
