import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../../src/policy/compile.ts';
import type { InjectionSpec, RuleSpec, SandboxSpec } from '../../../src/policy/model.ts';
import { outlineOf } from '../../../src/policy/outline.ts';
import { outlineText } from '../../../src/policy/outline-text.ts';
import { bearer, header, limits, of, perMinute, place, rules, sandbox } from '../../support/specs.ts';

const PLACEHOLDER: InjectionSpec = {
  kind: 'placeholder',
  token: 'PSTRN-OPENAI-0001',
  value: of('hush'),
  in: [{ kind: 'header', name: 'authorization' }, { kind: 'body', name: null }, { kind: 'path' }],
  misplaced: 'deny',
};

const PARTS: readonly Partial<RuleSpec>[] = [
  {
    name: 'read',
    hosts: ['api.example.com', '*.x.example.com'],
    methods: ['GET'],
    paths: ['/repos/**'],
    query: [{ name: 'ref', value: { exact: 'main' } }],
    headers: [
      { name: 'accept', value: { glob: 'application/*' } },
      { name: 'authorization', value: { exact: 'Bearer pass-in-a-policy' } },
    ],
    strip: ['cookie'],
    inject: [
      bearer('hush'),
      header('X-Key', 'hush'),
      { kind: 'query', name: 'key', value: of('hush') },
      { kind: 'cookie', name: 'sid', value: of('hush') },
    ],
    limits: limits({ requests: perMinute(600) }),
  },
  { hosts: ['swap.example.com'], websocket: false, ports: [8443], inject: [PLACEHOLDER] },
  { hosts: ['swap2.example.com'], inject: [{ ...PLACEHOLDER, misplaced: 'quarantine' }] },
  { name: 'shut', action: 'deny', hosts: ['shut.example.com'] },
  { hosts: ['pass.example.com'], tls: 'passthrough' },
];

const outlined = (rest: Partial<SandboxSpec> = {}) =>
  outlineOf(
    compilePolicy(
      sandbox({
        name: 'vm-1',
        secrets: [{ place: place(2), name: 'hush', source: { kind: 'file', path: '/run/secrets/deep' }, hosts: null }],
        rules: rules(...PARTS),
        subnets: {
          allow: [{ place: place(90), cidr: '10.1.0.0/16', ports: [5432] }],
          deny: [{ place: place(91), cidr: '10.1.9.0/24' }],
        },
        ...rest,
      }),
    ),
  );

describe('what a sandbox is told of its policy', () => {
  it('is each rule with its conditions, and what is added by the name of its place', () => {
    expect(outlined().rules[0]).toEqual({
      name: 'read',
      action: 'allow',
      hosts: ['api.example.com', '*.x.example.com'],
      schemes: ['https'],
      ports: [443],
      methods: ['GET'],
      paths: ['/repos/**'],
      query: [{ name: 'ref', value: { exact: 'main' } }],
      headers: [
        { name: 'accept', value: { glob: 'application/*' } },
        { name: 'authorization', value: null },
      ],
      tls: 'intercept',
      websocket: true,
      adds: { fields: ['authorization', 'x-key'], query: ['key'], cookies: ['sid'] },
      placeholders: [],
      removes: ['cookie'],
      limits: ['requests 600/min'],
    });
  });

  it('is where each placeholder may stand, and the strictest thing that happens elsewhere', () => {
    const { rules: told, placeholders } = outlined();
    expect(told[1]?.placeholders).toEqual([
      { token: 'PSTRN-OPENAI-0001', in: ['header:authorization', 'body', 'path'] },
    ]);
    expect(placeholders).toEqual([{ token: 'PSTRN-OPENAI-0001', misplaced: 'quarantine' }]);
  });

  it('has no secret, no name and source of one, no file, and no credential that a condition wants', () => {
    const outline = outlined();
    for (const text of [JSON.stringify(outline), outlineText(outline)])
      for (const hidden of ['hush', 'deep', 'secrets', '.yaml', 'pass-in-a-policy']) expect(text).not.toContain(hidden);
  });

  it('is the same each time', () => {
    expect(outlineText(outlined())).toBe(outlineText(outlined()));
  });
});

describe('the words', () => {
  const words = outlineText(outlined());

  it.each([
    'What sandbox "vm-1" may reach through this proxy.',
    'Everything else is refused.',
    '1. Allowed ("read")',
    'api.example.com, *.x.example.com (any name below it)',
    '/repos/**  (* is within a segment',
    'ref must be "main"',
    'accept must be like "application/*"',
    'field authorization, field x-key, query parameter key, cookie sid: added for you',
    'cookie: these fields of yours do not leave',
    'requests 600/min',
    'write PSTRN-OPENAI-0001 where the real value belongs, in header:authorization or body or path',
    'https on port 8443',
    'websocket    refused',
    '4. Refused ("shut")',
    'any, unread: nothing is added',
    '10.1.0.0/16 on port 5432',
    '10.1.9.0/24, also for names that resolve into it',
    'PSTRN-OPENAI-0001: this sandbox is denied everything (QUARANTINED)',
    'x-postern-error',
  ])('say %j', (part) => {
    expect(words).toContain(part);
  });

  it('are lines of printable ASCII that a terminal can show', () => {
    expect(words).toMatch(/^[\x20-\x7e\n]+\n$/);
  });

  it('say what becomes of hosts that no rule names', () => {
    expect(outlineText(outlined({ default: 'allow' }))).toContain('A host that no rule names may be reached');
    expect(outlineText(outlined({ mode: 'observe' }))).toContain('only observes');
    const nothing = outlineText(outlined({ rules: [], subnets: { allow: [], deny: [] } }));
    expect(nothing).toMatch(/There are no rules\. Everything else is refused\.\n\nWhen a request is refused\n/);
  });
});
