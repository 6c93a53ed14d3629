import { describe, expect, it } from 'vitest';
import { keyVariables, UNUSED_KEY } from '../../../src/environment/keys.ts';
import { proxyUrlOf } from '../../../src/environment/proxy-url.ts';
import { SDK_KEYS } from '../../../src/environment/sdk-keys.ts';
import { sandboxVariables } from '../../../src/environment/variables.ts';
import { compilePolicy } from '../../../src/policy/compile.ts';
import type { InjectionSpec, RuleSpec, Surface } from '../../../src/policy/model.ts';
import { bearer, header, of, rules, sandbox } from '../../support/specs.ts';

const TOKEN = 'PSTRN-TOKEN-0001';
const AUTHORIZATION: Surface = { kind: 'header', name: 'authorization' };

const placeholder = (token: string, secret: string, ...surfaces: readonly Surface[]): InjectionSpec => ({
  kind: 'placeholder',
  token,
  value: of(secret),
  in: surfaces.length === 0 ? [AUTHORIZATION] : surfaces,
  misplaced: 'deny',
});

const keysOf = (...parts: readonly Partial<RuleSpec>[]): Record<string, string> =>
  Object.fromEntries(keyVariables(compilePolicy(sandbox({ rules: rules(...parts) }))));

describe('placeholders', () => {
  it('stand under the name of their secret, in the order of the rules', () => {
    const keys = keysOf(
      { hosts: ['b.example.com'], inject: [placeholder('PSTRN-B-00000001', 'my-key')] },
      { hosts: ['a.example.com'], inject: [placeholder('PSTRN-A-00000001', 'Other_key')] },
    );
    expect(Object.entries(keys)).toEqual([
      ['POSTERN_PLACEHOLDER_MY_KEY', 'PSTRN-B-00000001'],
      ['POSTERN_PLACEHOLDER_OTHER_KEY', 'PSTRN-A-00000001'],
    ]);
  });

  it('of one secret are numbered from the second on, and one token is told once', () => {
    const keys = keysOf({
      inject: [
        placeholder('PSTRN-1-00000001', 'a-b'),
        placeholder('PSTRN-2-00000001', 'a_b'),
        placeholder('PSTRN-1-00000001', 'a-b'),
        placeholder('PSTRN-3-00000001', 'a_b_2'),
        placeholder('PSTRN-4-00000001', 'a_b'),
      ],
    });
    expect(keys).toEqual({
      POSTERN_PLACEHOLDER_A_B: 'PSTRN-1-00000001',
      POSTERN_PLACEHOLDER_A_B_2: 'PSTRN-2-00000001',
      POSTERN_PLACEHOLDER_A_B_2_2: 'PSTRN-3-00000001',
      POSTERN_PLACEHOLDER_A_B_3: 'PSTRN-4-00000001',
    });
  });

  it('that stand for several secrets bear all their names', () => {
    const both: InjectionSpec = {
      kind: 'placeholder',
      token: TOKEN,
      value: [{ secret: 'user' }, ':', { secret: 'pass' }],
      in: [AUTHORIZATION],
      misplaced: 'deny',
    };
    expect(keysOf({ inject: [both] })).toEqual({ POSTERN_PLACEHOLDER_USER_PASS: TOKEN });
  });
});

describe('the variables of an SDK', () => {
  it.each([
    ['api.openai.com', ['OPENAI_API_KEY']],
    ['api.anthropic.com', ['ANTHROPIC_API_KEY']],
    ['api.github.com', ['GITHUB_TOKEN', 'GH_TOKEN']],
    ['github.com', ['GITHUB_TOKEN', 'GH_TOKEN']],
    ['registry.npmjs.org', ['NPM_TOKEN', 'NODE_AUTH_TOKEN']],
    ['upload.pypi.org', ['TWINE_PASSWORD', 'UV_PUBLISH_TOKEN']],
  ])('for %s are %j: the placeholder, or a word that says that none is needed', (host, names) => {
    const swapped = keysOf({ hosts: [host], inject: [placeholder(TOKEN, 'key')] });
    const added = keysOf({ hosts: [host], inject: [bearer('key')] });
    for (const name of names) expect([swapped[name], added[name]]).toEqual([TOKEN, UNUSED_KEY]);
    expect(Object.keys(added)).toEqual(names);
  });

  it('are set for a host that only a wildcard names', () => {
    expect(keysOf({ hosts: ['*.openai.com'], inject: [bearer('key')] })).toEqual({ OPENAI_API_KEY: UNUSED_KEY });
  });

  it('have a placeholder where one rule injects and another swaps', () => {
    const parts = [{ inject: [bearer('key')] }, { inject: [placeholder(TOKEN, 'key')] }];
    const keys = keysOf(...parts.map((part) => ({ ...part, hosts: ['api.openai.com'] })));
    expect(keys.OPENAI_API_KEY).toBe(TOKEN);
  });

  it.each<[string, Partial<RuleSpec>]>([
    ['adds nothing', {}],
    ['denies', { action: 'deny', inject: [bearer('key')] }],
    ['is for another port', { ports: [8443], inject: [bearer('key')] }],
    ['is for http', { schemes: ['http'], inject: [bearer('key')] }],
    ['passes through', { tls: 'passthrough' }],
    ['has its placeholder in a body', { inject: [placeholder(TOKEN, 'key', { kind: 'body', name: null })] }],
    ['has it in another field', { inject: [placeholder(TOKEN, 'key', { kind: 'header', name: 'x-other' })] }],
  ])('are left alone where the rule %s', (_what, part) => {
    expect(keysOf({ hosts: ['api.openai.com'], ...part })).not.toHaveProperty('OPENAI_API_KEY');
  });

  it.each<[string, Surface]>([
    ['any field', { kind: 'header', name: null }],
    ['the field of the SDK', { kind: 'header', name: 'x-api-key' }],
    ['the field of newer ones', AUTHORIZATION],
  ])('have a placeholder that may stand in %s', (_what, surface) => {
    const keys = keysOf({ hosts: ['api.anthropic.com'], inject: [placeholder(TOKEN, 'key', surface)] });
    expect(keys.ANTHROPIC_API_KEY).toBe(TOKEN);
  });

  it('are set once where two hosts share them: a placeholder of the first counts', () => {
    const keys = keysOf(
      { hosts: ['github.com'], inject: [header('x-other', 'key')] },
      { hosts: ['api.github.com'], inject: [placeholder(TOKEN, 'key')] },
    );
    expect([keys.GITHUB_TOKEN, keys.GH_TOKEN]).toEqual([TOKEN, TOKEN]);
  });

  it('are names that a shell takes, and none that names the proxy or the CA', () => {
    const place = { proxyUrl: 'http://p:1', caFile: '/c', bundleFile: '/b', trustStoreFile: '/t' };
    const others = new Set(sandboxVariables(place).map(([name]) => name));
    for (const { host, variables, fields } of SDK_KEYS) {
      expect(host).toMatch(/^[a-z0-9.-]+$/);
      expect(fields.every((name) => name === name.toLowerCase())).toBe(true);
      for (const name of variables) expect([/^[A-Z][A-Z0-9_]+$/.test(name), others.has(name)]).toEqual([true, false]);
    }
  });
});

describe('a proxy URL', () => {
  it.each([
    ['http://p:1/', 'http://p:1'],
    ['http://vm:tok@p:1', 'http://vm:tok@p:1'],
    ["http://p:1'$(id)", null],
    ['https://p:1', null],
    ['http://p:1/?q', null],
    ['http://p:1/#f', null],
    ['http://p:1/\n', null],
    [' http://p:1', null],
    ['', null],
  ])('%j is %j', (text, url) => {
    expect(proxyUrlOf(text)).toBe(url);
  });
});
