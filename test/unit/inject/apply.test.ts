import { describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import type { FieldList } from '../../../src/headers/field-list.ts';
import { applyPlan, type Injected } from '../../../src/inject/apply.ts';
import type { Plan } from '../../../src/inject/plan.ts';
import { compilePolicy } from '../../../src/policy/compile.ts';
import type { InjectionSpec, Misplaced, RuleSpec, Surface } from '../../../src/policy/model.ts';
import type { Vault } from '../../../src/secrets/secret.ts';
import { bearer, header, lines, list, of, rules, sandbox, vault } from '../../support/specs.ts';

const VAULT = vault({ github: 'ghp_secret', openai: 'sk-secret/+= %&', user: 'octocat' });
const TOKEN = 'PSTRN-GITHUB-0001';

/** The plan of the first rule; further rules lend the host their traits and tokens. */
function planOf(...parts: readonly Partial<RuleSpec>[]): Plan {
  const host = compilePolicy(sandbox({ rules: rules(...parts) })).rulesFor('api.example.com');
  if (host === null) throw new Error('no rule names the host');
  return host.planAt(0);
}

const apply = (
  part: Partial<RuleSpec>,
  fields: FieldList,
  { target = '/', vault: from = VAULT }: { target?: string; vault?: Vault } = {},
): Injected => applyPlan({ target, fields }, planOf(part), from);

const fieldsOf = (part: Partial<RuleSpec>, ...pairs: readonly (readonly [string, string])[]): readonly string[] =>
  lines(apply(part, list(...pairs)).fields);

const targetOf = (part: Partial<RuleSpec>, target: string): string => apply(part, [], { target }).target;

const placeholder = (
  surfaces: readonly Surface[],
  misplaced: Misplaced = 'deny',
  value = of('github'),
): InjectionSpec => ({
  kind: 'placeholder',
  token: TOKEN,
  value,
  in: surfaces,
  misplaced,
});

const inHeader = (name: string | null): Surface => ({ kind: 'header', name });
const inQuery = (name: string | null): Surface => ({ kind: 'query', name });
const inPath: Surface = { kind: 'path' };

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'fine';
  } catch (thrown) {
    return thrown instanceof ProxyError ? `${thrown.code} at ${thrown.stage}` : String(thrown);
  }
}

describe('what is added', () => {
  it.each<[string, InjectionSpec, string]>([
    ['bearer', bearer('github'), 'Authorization: Bearer ghp_secret'],
    [
      'basic',
      { kind: 'basic', username: ['x-access-token'], password: of('github') },
      `Authorization: Basic ${Buffer.from('x-access-token:ghp_secret').toString('base64')}`,
    ],
    ['header', header('x-api-key', 'github'), 'x-api-key: ghp_secret'],
    ['header with text', { kind: 'header', name: 'X-Key', value: of('github', 'Token ') }, 'X-Key: Token ghp_secret'],
    ['cookie', { kind: 'cookie', name: 'sid', value: of('github') }, 'Cookie: sid=ghp_secret'],
  ])('%s', (_kind, injection, line) => {
    expect(fieldsOf({ inject: [injection] }, ['Accept', '*/*'])).toEqual(['Accept: */*', line]);
  });

  it('stands at the end, in the order of the rule, after everything that passes as it came', () => {
    const part = { inject: [header('x-b', 'github'), bearer('github'), header('x-a', 'user')] };
    expect(fieldsOf(part, ['Host', 'h'], ['ACCEPT', 'a'], ['accept', 'b'], ['x_y', 'z'])).toEqual([
      'Host: h',
      'ACCEPT: a',
      'accept: b',
      'x_y: z',
      'x-b: ghp_secret',
      'Authorization: Bearer ghp_secret',
      'x-a: octocat',
    ]);
  });

  it('goes into the query escaped, after what the client sent', () => {
    const part: Partial<RuleSpec> = { inject: [{ kind: 'query', name: 'api key', value: of('openai') }] };
    const added = 'api%20key=sk-secret%2F%2B%3D%20%25%26';
    expect(targetOf(part, '/a')).toBe(`/a?${added}`);
    expect(targetOf(part, '/a?')).toBe(`/a?${added}`);
    expect(targetOf(part, '/a?b=%2f&c')).toBe(`/a?b=%2f&c&${added}`);
  });

  it('never makes a query of the target of OPTIONS *', () => {
    expect(targetOf({ inject: [{ kind: 'query', name: 'key', value: of('openai') }] }, '*')).toBe('*');
  });

  it('is named for the audit line, each secret once', () => {
    const part = { inject: [header('a', 'github'), header('b', 'github'), header('c', 'user')] };
    expect(apply(part, []).injected).toEqual(['github', 'user']);
  });

  it('carries bytes above ASCII as UTF-8', () => {
    const from = vault({ github: 'gä' });
    expect(lines(apply({ inject: [header('x-k', 'github')] }, [], { vault: from }).fields)).toEqual(['x-k: gÃ¤']);
    const basic: InjectionSpec = { kind: 'basic', username: ['u'], password: of('github') };
    expect(lines(apply({ inject: [basic] }, [], { vault: from }).fields)).toEqual([
      `Authorization: Basic ${Buffer.from('u:gä').toString('base64')}`,
    ]);
  });

  it('follows a rotated secret, and the same plan serves two vaults', () => {
    const plan = planOf({ inject: [bearer('github')] });
    const authorization = (value: string) =>
      lines(applyPlan({ target: '/', fields: [] }, plan, vault({ github: value })).fields);
    expect(authorization('one')).toEqual(['Authorization: Bearer one']);
    expect(authorization('two')).toEqual(['Authorization: Bearer two']);
    expect(authorization('one')).toEqual(['Authorization: Bearer one']);
  });
});

describe('a client cannot have its own copy stand beside ours', () => {
  it.each(['Authorization', 'authorization', 'AUTHORIZATION'])('%s, however often', (name) => {
    const sent = [
      [name, 'Bearer mine'],
      ['A', 'a'],
      [name, 'Basic mine'],
      [name, ''],
    ] as const;
    expect(fieldsOf({ inject: [bearer('github')] }, ...sent)).toEqual(['A: a', 'Authorization: Bearer ghp_secret']);
  });

  it.each(['x-api-key', 'X_API_KEY', 'x_api-key', 'X-Api_Key'])('%s, with underscores for hyphens', (name) => {
    expect(fieldsOf({ inject: [header('X-Api-Key', 'github')] }, [name, 'mine'])).toEqual(['X-Api-Key: ghp_secret']);
  });

  it('the other way round: an injected name with an underscore takes the hyphened copy too', () => {
    expect(fieldsOf({ inject: [header('x_key', 'github')] }, ['X-Key', 'mine'])).toEqual(['x_key: ghp_secret']);
  });

  it.each([
    'key=mine',
    'KEY=kept&key=mine&key',
    'a=1&%6Bey=mine&b=2',
    'k%65y=mine&%6b%65%79=mine',
    'a=1;key=mine',
    'key',
    'key=%zz',
  ])('a query parameter: %s', (query) => {
    const part: Partial<RuleSpec> = { inject: [{ kind: 'query', name: 'key', value: of('github') }] };
    const left = targetOf(part, `/a?${query}`);
    expect(left.endsWith('key=ghp_secret')).toBe(true);
    expect(left).not.toContain('mine');
  });

  it('other parameters stay byte for byte', () => {
    const part: Partial<RuleSpec> = { inject: [{ kind: 'query', name: 'key', value: of('github') }] };
    expect(targetOf(part, '/a%2fb?x=%2F&&y=a+b&keys=1&key=mine&=&z')).toBe(
      '/a%2fb?x=%2F&&y=a+b&keys=1&=&z&key=ghp_secret',
    );
  });

  it.each([
    ['sid=mine', 'Cookie: sid=ghp_secret'],
    ['a=1; sid=mine; b=2', 'Cookie: a=1; b=2; sid=ghp_secret'],
    ['sid=mine; a=1', 'Cookie: a=1; sid=ghp_secret'],
    ['a=1;sid = mine;  b=2', 'Cookie: a=1;  b=2; sid=ghp_secret'],
    ['sid', 'Cookie: sid=ghp_secret'],
    ['a=1 sid=mine; b=2', 'Cookie: b=2; sid=ghp_secret'],
    ['a=1, sid=mine', 'Cookie: sid=ghp_secret'],
    ['a="x; sid=mine"; b=2', 'Cookie: a="x; b=2; sid=ghp_secret'],
    ['SID=other; xsid=1; sidx=2; a=sid', 'Cookie: SID=other; xsid=1; sidx=2; a=sid; sid=ghp_secret'],
  ])('a cookie among others: %s', (sent, expected) => {
    const part: Partial<RuleSpec> = { inject: [{ kind: 'cookie', name: 'sid', value: of('github') }] };
    expect(fieldsOf(part, ['Cookie', sent])).toEqual([expected]);
  });

  it('a cookie in several lines; ours joins the last that is left', () => {
    const part: Partial<RuleSpec> = { inject: [{ kind: 'cookie', name: 'sid', value: of('github') }] };
    expect(fieldsOf(part, ['cookie', 'a=1; sid=mine'], ['X', 'x'], ['Cookie', 'sid=mine'])).toEqual([
      'cookie: a=1; sid=ghp_secret',
      'X: x',
    ]);
  });
});

describe('a client cannot bring an account of its own to a host that gets ours', () => {
  const credentials = [
    ['Authorization', 'Bearer mine'],
    ['Cookie', 'session=mine'],
    ['X-Api-Key', 'mine'],
    ['Api-Key', 'mine'],
    ['X-Goog-Api-Key', 'mine'],
    ['X-Auth-Token', 'mine'],
    ['Private-Token', 'mine'],
    ['private_token', 'mine'],
  ] as const;

  it('every field that carries a credential goes on a rule that injects', () => {
    expect(fieldsOf({ inject: [header('x-k', 'github')] }, ...credentials, ['Accept', 'a'])).toEqual([
      'Accept: a',
      'x-k: ghp_secret',
    ]);
  });

  it('also one that only another rule of the host puts a credential in', () => {
    const plan = planOf(
      { inject: [bearer('github')], methods: ['GET'] },
      { inject: [header('X-Vendor-Key', 'github')], methods: ['POST'] },
      { inject: [placeholder([inHeader('x-trace-key')], 'pass')], methods: ['PUT'] },
    );
    const sent = list(['x-vendor-key', 'mine'], ['X_Vendor_Key', 'mine'], ['x-trace-key', 'mine']);
    expect(lines(applyPlan({ target: '/', fields: sent }, plan, VAULT).fields)).toEqual([
      'Authorization: Bearer ghp_secret',
    ]);
  });

  it('keep lets one pass, unless it is injected or stripped', () => {
    const kept: Partial<RuleSpec> = {
      inject: [header('x-k', 'github')],
      keep: ['x-auth-token', 'x-k', 'cookie'],
      strip: ['cookie'],
    };
    expect(fieldsOf(kept, ...credentials, ['X-K', 'mine'])).toEqual(['X-Auth-Token: mine', 'x-k: ghp_secret']);
  });

  it('rules that do not inject pass them all', () => {
    expect(fieldsOf({}, ...credentials)).toHaveLength(credentials.length);
  });
});

describe('what never leaves', () => {
  it('stripped fields, in every spelling', () => {
    expect(fieldsOf({ strip: ['x-internal'] }, ['X-Internal', '1'], ['x_internal', '2'], ['X', '3'])).toEqual(['X: 3']);
  });

  const overrides = [
    ['X-HTTP-Method', 'DELETE'],
    ['X-HTTP-Method-Override', 'DELETE'],
    ['X_Method_Override', 'DELETE'],
    ['X-Original-URL', '/admin'],
    ['X-Rewrite-URL', '/admin'],
  ] as const;

  it.each<[string, Partial<RuleSpec>]>([
    ['methods', { methods: ['GET'] }],
    ['paths', { paths: ['/**'] }],
  ])('fields that override what was judged, on a host with %s', (_what, part) => {
    expect(fieldsOf(part, ...overrides, ['A', 'a'])).toEqual(['A: a']);
  });

  it('but on a host without methods and paths they pass', () => {
    expect(fieldsOf({}, ...overrides)).toHaveLength(overrides.length);
  });

  it('a rule without methods of a host where another has them removes them too', () => {
    const plan = planOf({}, { methods: ['GET'] });
    expect(applyPlan({ target: '/', fields: list(...overrides) }, plan, VAULT).fields).toEqual([]);
  });

  it('a plan without anything to do hands the same list on', () => {
    const fields = list(['A', 'a']);
    const injected = applyPlan({ target: '/a?b', fields }, planOf({}), VAULT);
    expect(injected.fields).toBe(fields);
    expect(injected).toMatchObject({ target: '/a?b', injected: [] });
  });
});

describe('a secret that is not there', () => {
  const missing: Vault = new Map([['github', { unavailable: '/run/secrets/github: EACCES' }]]);
  it('is 503 where the rule adds it, without the reason, which is for the operator', () => {
    const run = () => apply({ inject: [bearer('github')] }, [], { vault: missing });
    expect(codeOf(run)).toBe('SECRET_UNAVAILABLE at inject');
    expect(run).toThrow('The secret "github" is not available.');
    expect(codeOf(() => apply({ inject: [bearer('nobody')] }, []))).toBe('SECRET_UNAVAILABLE at inject');
  });

  it('is 503 for a placeholder only where the placeholder came', () => {
    const part = { inject: [placeholder([inHeader('authorization')])] };
    expect(codeOf(() => apply(part, list(['A', 'a']), { vault: missing }))).toBe('fine');
    expect(codeOf(() => apply(part, list(['Authorization', TOKEN]), { vault: missing }))).toBe(
      'SECRET_UNAVAILABLE at inject',
    );
  });

  it.each(['a\r\nX-Evil: 1', 'a\nb', 'a\0b'])('is 503 where its value would end the field: %j', (value) => {
    const from = vault({ github: value });
    expect(codeOf(() => apply({ inject: [bearer('github')] }, [], { vault: from }))).toBe(
      'SECRET_UNAVAILABLE at inject',
    );
    const part = { inject: [placeholder([inHeader(null)])] };
    expect(codeOf(() => apply(part, list(['X', TOKEN]), { vault: from }))).toBe('SECRET_UNAVAILABLE at inject');
  });

  it('is 503 where its value would end the cookie, or the user of Basic', () => {
    const cookie: InjectionSpec = { kind: 'cookie', name: 'sid', value: of('github') };
    const basic: InjectionSpec = { kind: 'basic', username: of('github'), password: ['p'] };
    expect(codeOf(() => apply({ inject: [cookie] }, [], { vault: vault({ github: 'a; b=c' }) }))).toContain(
      'SECRET_UNAVAILABLE',
    );
    expect(codeOf(() => apply({ inject: [basic] }, [], { vault: vault({ github: 'a:b' }) }))).toContain(
      'SECRET_UNAVAILABLE',
    );
  });
});

describe('placeholders are swapped where they are bound', () => {
  it('in a field, once or more, with what stands around them', () => {
    const part = { inject: [placeholder([inHeader('x-key')])] };
    expect(fieldsOf(part, ['X-Key', `a ${TOKEN}${TOKEN} b`])).toEqual(['X-Key: a ghp_secretghp_secret b']);
    expect(apply(part, list(['X-Key', TOKEN])).injected).toEqual(['github']);
    expect(apply(part, list(['X-Key', 'none'])).injected).toEqual([]);
  });

  it('in any field for a bare "header", but never where the message is routed', () => {
    const part = { inject: [placeholder([inHeader(null)])] };
    expect(fieldsOf(part, ['X-Any', TOKEN], ['Cookie', `a=${TOKEN}`])).toEqual([
      'X-Any: ghp_secret',
      'Cookie: a=ghp_secret',
    ]);
    expect(codeOf(() => apply(part, list(['Host', `${TOKEN}.example.com`])))).toBe('PLACEHOLDER_MISUSE at inject');
    expect(codeOf(() => apply(part, list(['Content-Length', TOKEN])))).toBe('PLACEHOLDER_MISUSE at inject');
  });

  it('a credential field stays as the carrier of a placeholder, and goes without one', () => {
    const part = { inject: [placeholder([inHeader('authorization')])] };
    expect(fieldsOf(part, ['Authorization', `Bearer ${TOKEN}`], ['X-Api-Key', 'mine'])).toEqual([
      'Authorization: Bearer ghp_secret',
    ]);
    expect(fieldsOf(part, ['Authorization', 'Bearer mine'])).toEqual([]);
    expect(fieldsOf(part, ['Authorization', `Bearer ${TOKEN}`], ['Authorization', 'Bearer mine'])).toEqual([
      'Authorization: Bearer ghp_secret',
    ]);
  });

  it.each([`${TOKEN}:x-oauth-basic`, `user:${TOKEN}`, `${TOKEN}:${TOKEN}`, `pre${TOKEN}post:`])(
    'inside Basic, as user or password: %s',
    (credentials) => {
      const part = { inject: [placeholder([inHeader('authorization')])] };
      const swapped = credentials.replaceAll(TOKEN, 'ghp_secret');
      const basic = (text: string) => Buffer.from(text).toString('base64');
      expect(fieldsOf(part, ['Authorization', `Basic ${basic(credentials)}`])).toEqual([
        `Authorization: Basic ${basic(swapped)}`,
      ]);
      expect(fieldsOf(part, ['authorization', `bAsIc ${basic(credentials)}`])).toEqual([
        `authorization: Basic ${basic(swapped)}`,
      ]);
    },
  );

  it('other Basic credentials that may pass stay byte for byte, odd spelling included', () => {
    const part = { inject: [placeholder([inHeader('x-key')])], keep: ['authorization'] };
    expect(fieldsOf(part, ['Authorization', 'basic  dXNlcjpwYXNz'])).toEqual(['Authorization: basic  dXNlcjpwYXNz']);
  });

  it('in the query, escaped, also where the client escaped the placeholder', () => {
    const part = { inject: [placeholder([inQuery('key')], 'deny', of('openai'))] };
    const swapped = 'sk-secret%2F%2B%3D%20%25%26';
    expect(targetOf(part, `/a?b=%2f&key=${TOKEN}&c`)).toBe(`/a?b=%2f&key=${swapped}&c`);
    expect(targetOf(part, `/a?k%65y=x${TOKEN.replaceAll('-', '%2d')}y`)).toBe(`/a?k%65y=x${swapped}y`);
    const anywhere = { inject: [placeholder([inQuery(null)], 'deny', of('openai'))] };
    expect(targetOf(anywhere, `/a?${TOKEN}=1&x=%50STRN-GITHUB-0001`)).toBe(`/a?${swapped}=1&x=${swapped}`);
  });

  it('in the path, where a secret cannot make a segment or a query of its own', () => {
    const part = { inject: [placeholder([inPath], 'deny', of('openai'))] };
    expect(targetOf(part, `/bot${TOKEN}/send%2fx?y`)).toBe('/botsk-secret%2F%2B%3D%20%25%26/send%2fx?y');
    expect(targetOf(part, `/bot%50STRN%2DGITHUB-000%31/x`)).toBe('/botsk-secret%2F%2B%3D%20%25%26/x');
  });

  it('and what was put in is not read again', () => {
    const other = 'PSTRN-OTHER-00002';
    const coded = Buffer.from(`${TOKEN}:x`).toString('base64');
    const from = vault({ github: `${TOKEN} ${other}`, second: coded });
    const parts: Partial<RuleSpec>[] = [
      {
        inject: [
          placeholder([inHeader('x-key'), inHeader('authorization')], 'deny', of('github')),
          {
            kind: 'placeholder',
            token: other,
            value: of('second'),
            in: [inHeader('authorization')],
            misplaced: 'deny',
          },
        ],
      },
    ];
    const send = (...pairs: readonly (readonly [string, string])[]) =>
      lines(applyPlan({ target: '/', fields: list(...pairs) }, planOf(...parts), from).fields);
    expect(send(['X-Key', TOKEN])).toEqual([`X-Key: ${TOKEN} ${other}`]);
    expect(send(['Authorization', `Basic ${other}`])).toEqual([`Authorization: Basic ${coded}`]);
    const injected = planOf({ inject: [bearer('github')] }, ...parts);
    expect(lines(applyPlan({ target: '/', fields: [] }, injected, from).fields)).toEqual([
      `Authorization: Bearer ${TOKEN} ${other}`,
    ]);
  });
});

describe('a placeholder where it is not bound', () => {
  const basic = `Basic ${Buffer.from(`user:${TOKEN}`).toString('base64')}`;
  const places: [string, { fields?: FieldList; target?: string }][] = [
    ['another field', { fields: list(['X-Other', TOKEN]) }],
    ['the middle of a value', { fields: list(['X-Other', `{"a":"x${TOKEN}y"}`]) }],
    ['the name of a field', { fields: list([`X-${TOKEN}`, '1']) }],
    ['Basic of another field', { fields: list(['X-Other', basic]) }],
    ['the path', { target: `/a/${TOKEN}/b` }],
    ['the path, escaped', { target: `/a/${TOKEN.replace('P', '%50')}/b` }],
    ['the query', { target: `/a?x=${TOKEN}` }],
    [
      'the query, escaped throughout',
      { target: `/a?x=${[...TOKEN].map((char) => `%${char.charCodeAt(0).toString(16)}`).join('')}` },
    ],
    ['the name of a parameter', { target: `/a?${TOKEN}` }],
    ['a credential field that would go anyway', { fields: list(['Private-Token', TOKEN]) }],
  ];

  it.each(places)('is refused in %s', (_where, { fields = [], target = '/' }) => {
    const part = { inject: [placeholder([inHeader('x-key'), inQuery('key')])] };
    expect(codeOf(() => apply(part, fields, { target }))).toBe('PLACEHOLDER_MISUSE at inject');
  });

  it.each(places.slice(0, -1))('leaves unswapped in %s where it may pass', (_where, { fields = [], target = '/' }) => {
    const part = { inject: [placeholder([inHeader('x-key'), inQuery('key')], 'pass')] };
    expect(apply(part, fields, { target })).toEqual({ target, fields, injected: [] });
  });

  it('is found on a rule that binds nothing, and on what passes without a rule', () => {
    const plan = planOf({ methods: ['GET'] }, { methods: ['POST'], inject: [placeholder([inHeader('x-key')])] });
    expect(codeOf(() => applyPlan({ target: '/', fields: list(['X-Key', TOKEN]) }, plan, VAULT))).toBe(
      'PLACEHOLDER_MISUSE at inject',
    );
    const policy = compilePolicy(sandbox({ rules: rules({ inject: [placeholder([inHeader('x-key')])] }) }));
    expect(codeOf(() => applyPlan({ target: `/${TOKEN}`, fields: [] }, policy.bare, VAULT))).toBe(
      'PLACEHOLDER_MISUSE at inject',
    );
  });

  it('is refused if one of two rules that bind it says so', () => {
    const plan = planOf(
      { methods: ['GET'], inject: [placeholder([inHeader('x-key')], 'pass')] },
      { methods: ['POST'], inject: [placeholder([inHeader('x-key')], 'deny')] },
    );
    expect(codeOf(() => applyPlan({ target: '/', fields: list(['X', TOKEN]) }, plan, VAULT))).toBe(
      'PLACEHOLDER_MISUSE at inject',
    );
  });

  it('does not matter in a copy of what we inject: that copy goes unread', () => {
    const plan = planOf(
      { methods: ['GET'], inject: [bearer('github')] },
      { methods: ['POST'], inject: [placeholder([inHeader('x-key')])] },
    );
    const sent = list(['Authorization', `Bearer ${TOKEN}`]);
    expect(lines(applyPlan({ target: '/', fields: sent }, plan, VAULT).fields)).toEqual([
      'Authorization: Bearer ghp_secret',
    ]);
  });

  it('that only begins like one is an ordinary text', () => {
    const part = { inject: [placeholder([inHeader('x-key')])] };
    expect(fieldsOf(part, ['X-One', TOKEN.slice(0, -1)], ['X-Two', TOKEN.toLowerCase()])).toHaveLength(2);
  });
});
