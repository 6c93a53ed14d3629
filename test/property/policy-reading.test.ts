import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCidr } from '../../src/address/cidr.ts';
import { canonicalHost } from '../../src/address/hostname.ts';
import { formatFinding, hasErrors } from '../../src/policy/finding.ts';
import type { Finding } from '../../src/policy/model.ts';
import { covers, readHostPattern } from '../../src/policy/reading/host-patterns.ts';
import { readPolicy } from '../../src/policy/reading/read.ts';
import { parseTemplate } from '../../src/policy/reading/templates.ts';
import { readSettings } from '../../src/runtime/read-settings.ts';

const POLICY = `version: 1
sandbox: { name: vm-42, match: [ { source: 10.0.3.2/32 }, { token: { file: t } } ] }
default: deny
secrets:
  github: { env: GITHUB_TOKEN, hosts: [api.github.com, "*.example.com"] }
rules:
  - name: read
    hosts: &hosts [api.github.com]
    methods: [GET, HEAD]
    paths: ["/repos/acme/**"]
    query: { ref: main, tag: { glob: "v*" } }
    strip: [cookie]
    inject:
      - bearer: "\${github}"
      - placeholder: { token: PSTRN-GITHUB-0001, value: "\${github}", in: ["header:x-token", path] }
  - hosts: *hosts
    tls: passthrough
subnets: { allow: [ { cidr: 10.1.0.0/16, ports: [5432] } ], deny: [ 10.1.9.0/24 ] }
`;

const SETTINGS = `version: 1
listen: { proxy: [127.0.0.1:8080] }
admin: { listen: ["unix:/run/x.sock"], token: { env: ADMIN } }
upstream: { hosts: { a.example: [10.0.0.1] }, allow_addresses: [10.0.0.0/8], proxy: { url: "http://corp:3128", username: me, password: { env: P }, no_proxy: [a.example, 10.0.0.0/8] } }
limits: { connections: 10, head_bytes: 64KiB, idle: 5m }
`;

/** What an editor, a merge or an attacker might put into a file. */
const splinter = fc.oneof(
  fc.constantFrom(
    '*',
    '&a ',
    '*a',
    '- ',
    ': ',
    '{',
    '}',
    '[',
    ']',
    '"',
    "'",
    '#',
    '!x ',
    '|\n',
    '? ',
    '<<: ',
    '---\n',
    '\t',
    '\r',
    '\0',
    '\n  ',
    '${',
    '$$',
  ),
  fc.constantFrom(
    'null',
    'true',
    '0',
    '-1',
    '1e9',
    'limits: 1',
    'scrub: true',
    'body',
    '127.1',
    '*.com',
    '__proto__: 1',
    'constructor',
    '\ufeff',
    '\u202e',
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
);

/** A text with up to four cuts, each filled with a splinter. */
const damaged = (text: string) =>
  fc
    .array(fc.tuple(fc.nat(text.length), fc.nat(12), splinter), { minLength: 1, maxLength: 4 })
    .map((cuts) =>
      cuts.reduce((sofar, [at, length, filling]) => sofar.slice(0, at) + filling + sofar.slice(at + length), text),
    );

function checkPlaces(findings: readonly Finding[], text: string): void {
  const lines = text.replace(/^\ufeff/, '').split('\n');
  for (const finding of findings) {
    const { file, line, column } = finding.place;
    expect(file).toBe('f.yaml');
    expect(line).toBeGreaterThan(0);
    expect(line).toBeLessThanOrEqual(lines.length);
    expect(column).toBeGreaterThan(0);
    expect(column).toBeLessThanOrEqual((lines[line - 1]?.length ?? 0) + 1);
    // One line, and nothing that a terminal would obey.
    expect(formatFinding(finding)).not.toMatch(/[\x00-\x1f\x7f\u202e]/);
  }
}

describe('a damaged file', () => {
  it('is read or refused at places that it has, and is never taken with an error', () => {
    fc.assert(
      fc.property(damaged(POLICY), (text) => {
        const { spec, findings } = readPolicy(text, 'f.yaml');
        checkPlaces(findings, text);
        expect(spec === null).toBe(hasErrors(findings));
      }),
      { numRuns: 400 },
    );
  });

  it('is so too if it is postern.yaml', () => {
    fc.assert(
      fc.property(damaged(SETTINGS), (text) => {
        const { settings, findings } = readSettings(text, 'f.yaml');
        checkPlaces(findings, text);
        expect(settings === null).toBe(hasErrors(findings));
      }),
      { numRuns: 300 },
    );
  });
});

describe('whatever a policy says once it is taken', () => {
  it('is canonical, and of this release', () => {
    fc.assert(
      fc.property(damaged(POLICY), (text) => {
        const { spec } = readPolicy(text, 'f.yaml');
        for (const rule of spec?.rules ?? []) {
          expect(rule.hosts.length).toBeGreaterThan(0);
          for (const host of rule.hosts) expect(canonicalHost(host.replace(/^\*\./, ''))).toMatchObject({ ok: true });
          for (const path of rule.paths ?? []) expect(path).toMatch(/^\//);
          for (const each of rule.inject)
            if (each.kind === 'placeholder') expect(each.token).toMatch(/^[\w-]{12,128}$/);
        }
        for (const { cidr } of spec?.subnets.deny ?? [])
          expect(parseCidr(cidr)).toMatchObject({ ok: true, cidr: { text: cidr } });
      }),
      { numRuns: 300 },
    );
  });
});

describe('a template', () => {
  it('is read back from what it was written from', () => {
    const piece = fc.oneof(
      fc.stringMatching(/^[ -~]{1,8}$/),
      fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_-]{0,8}$/).map((secret) => ({ secret })),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
        const text = pieces
          .map((each) => (typeof each === 'string' ? each.replaceAll('$', '$$$$') : `\${${each.secret}}`))
          .join('');
        const reading = parseTemplate(text, 'field');
        const rejoined =
          reading.ok &&
          reading.template
            .map((each) => (typeof each === 'string' ? each.replaceAll('$', '$$$$') : `\${${each.secret}}`))
            .join('');
        expect(rejoined).toBe(text);
      }),
    );
  });
});

describe('a host pattern', () => {
  const label = fc.stringMatching(/^[a-z][a-z0-9]{0,3}$/);
  const pattern = fc
    .tuple(fc.boolean(), fc.array(label, { minLength: 1, maxLength: 3 }))
    .map(([wild, labels]) => `${wild ? '*.' : ''}${labels.join('.')}.example.com`);

  it('covers exactly the hosts below it, which is what covering a pattern means', () => {
    fc.assert(
      fc.property(pattern, pattern, label, (outer, inner, sub) => {
        expect(readHostPattern(outer)).toMatchObject({ ok: true, pattern: outer });
        const sample = inner.replace('*', sub);
        if (covers(outer, inner)) expect(covers(outer, sample)).toBe(true);
        const expected = outer.startsWith('*.')
          ? sample.endsWith(outer.slice(1)) && sample !== outer.slice(2)
          : sample === outer;
        expect(covers(outer, sample)).toBe(expected);
      }),
    );
  });
});
