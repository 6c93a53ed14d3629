import { describe, expect, it } from 'vitest';
import type { ProxyError } from '../../../src/errors.ts';
import { Misuse } from '../../../src/inject/binding.ts';
import { BodySwapper, bodyTreatment } from '../../../src/inject/body-swap.ts';
import type { Plan } from '../../../src/inject/plan.ts';
import { compilePolicy } from '../../../src/policy/compile.ts';
import type { InjectionSpec, Misplaced } from '../../../src/policy/model.ts';
import { list, of, rules, sandbox, vault } from '../../support/specs.ts';

const TOKEN = 'PSTRN-GITHUB-0001';
const VALUE = 'va"l\\ue & ü=%';
const VAULT = vault({ github: VALUE, other: 'second' });
const JSON_TYPE = 'application/json; charset=utf-8';
const FORM_TYPE = 'application/x-www-form-urlencoded';

interface Case {
  /** Of `body:NAME`; null for `body`; undefined for a rule that binds the token elsewhere only. */
  readonly name?: string | null;
  readonly type?: string;
  readonly misplaced?: Misplaced;
}

function planOf({ name, misplaced = 'deny' }: Case): Plan {
  const surface = name === undefined ? ({ kind: 'path' } as const) : ({ kind: 'body', name } as const);
  const inject: InjectionSpec[] = [
    { kind: 'placeholder', token: TOKEN, value: of('github'), in: [surface], misplaced },
  ];
  const host = compilePolicy(sandbox({ rules: rules({ inject }) })).rulesFor('api.example.com');
  if (host === null) throw new Error('no rule names the host');
  return host.planAt(0);
}

const swapperOf = (it: Case): BodySwapper =>
  new BodySwapper(list(['Content-Type', it.type ?? 'text/plain']), planOf(it), VAULT);

/** The body as it leaves, pushed in pieces of this many bytes. */
function swapped(body: string, it: Case, size = Number.POSITIVE_INFINITY): string {
  const swapper = swapperOf(it);
  const bytes = Buffer.from(body);
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += Math.min(size, bytes.length))
    out.push(swapper.push(bytes.subarray(at, Math.min(bytes.length, at + size))));
  return Buffer.concat([...out, swapper.end()]).toString();
}

function misuseOf(run: () => unknown): Misuse {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof Misuse) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
}

describe('a placeholder in a body', () => {
  it.each<[string, Case, string, string]>([
    ['as it is in text', { name: null }, `a ${TOKEN} b`, `a ${VALUE} b`],
    ['escaped in JSON', { name: null, type: JSON_TYPE }, `{"a":"${TOKEN}"}`, JSON.stringify({ a: VALUE })],
    ['by a suffix', { name: null, type: 'application/x+json' }, `["${TOKEN}"]`, JSON.stringify([VALUE])],
    ['escaped in a form', { name: null, type: FORM_TYPE }, `a=${TOKEN}`, `a=${encodeURIComponent(VALUE)}`],
    ['twice', { name: null }, TOKEN + TOKEN, VALUE + VALUE],
    [
      'in its member',
      { name: 'k', type: JSON_TYPE },
      `{"a":1,"k":"x${TOKEN}"}`,
      JSON.stringify({ a: 1, k: `x${VALUE}` }),
    ],
    [
      'in its member, whose name is escaped',
      { name: 'kü', type: JSON_TYPE },
      `{"\\u006b\\u00FC" : "${TOKEN}"}`,
      `{"\\u006b\\u00FC" : ${JSON.stringify(VALUE)}}`,
    ],
    [
      'in its member after strings with quotes',
      { name: 'k', type: JSON_TYPE },
      `{"a\\"":["}\\\\"],"k":"${TOKEN}"}`,
      `{"a\\"":["}\\\\"],"k":${JSON.stringify(VALUE)}}`,
    ],
    [
      'in its member twice',
      { name: 'k', type: JSON_TYPE },
      `{"k":"${TOKEN} ${TOKEN}"}`,
      JSON.stringify({ k: `${VALUE} ${VALUE}` }),
    ],
    [
      'in its parameter',
      { name: 'k', type: FORM_TYPE },
      `a=1&k=${TOKEN}&b=2`,
      `a=1&k=${encodeURIComponent(VALUE)}&b=2`,
    ],
    [
      'in its parameter, whose name is escaped',
      { name: 'k k', type: FORM_TYPE },
      `%6b+k=${TOKEN}`,
      `%6b+k=${encodeURIComponent(VALUE)}`,
    ],
  ])('is swapped %s', (_how, it, body, expected) => {
    for (const size of [1, 2, 7, 16, 17, 1000]) expect(swapped(body, it, size)).toBe(expected);
  });

  it.each<[string, Case, string]>([
    ['the rule binds it elsewhere', {}, TOKEN],
    ['it is in another member', { name: 'k', type: JSON_TYPE }, `{"a":"${TOKEN}"}`],
    ['it is in the name of a member', { name: 'k', type: JSON_TYPE }, `{"${TOKEN}":"k"}`],
    ['it is in a member of the same name further down', { name: 'k', type: JSON_TYPE }, `{"a":{"k":"${TOKEN}"}}`],
    ['it is in a list of the member', { name: 'k', type: JSON_TYPE }, `{"k":["${TOKEN}"]}`],
    ['it is outside a string', { name: 'k', type: JSON_TYPE }, `{"k":${TOKEN}}`],
    ['the text is a list', { name: 'k', type: JSON_TYPE }, `["k","${TOKEN}"]`],
    ['a comment stands before it', { name: 'k', type: JSON_TYPE }, `{"a":/*"k":*/"${TOKEN}"}`],
    ['a comment of one line hides it', { name: 'k', type: JSON_TYPE }, `{"a"://\n"k":"${TOKEN}"}`],
    ['other quotes stand around it', { name: 'k', type: JSON_TYPE }, `{"a":'"k":"${TOKEN}"'}`],
    ['it is in a second document', { name: 'k', type: JSON_TYPE }, `{}\n{"k":"${TOKEN}"}`],
    ['a value is named as if it were a name', { name: 'k', type: JSON_TYPE }, `{"a":"k":"${TOKEN}"}`],
    ['two colons stand before it', { name: 'k', type: JSON_TYPE }, `{"k"::"${TOKEN}"}`],
    [
      'a raw control character stands in a string before it',
      { name: 'k', type: JSON_TYPE },
      `{"a":"\u0001","k":"${TOKEN}"}`,
    ],
    ['it is in another parameter', { name: 'k', type: FORM_TYPE }, `k=1&a=${TOKEN}`],
    ['it is in the name of a parameter', { name: 'k', type: FORM_TYPE }, `k${TOKEN}=1`],
    ['a semicolon could end its parameter', { name: 'k', type: FORM_TYPE }, `k=1;a=${TOKEN}`],
    ['a semicolon stands in its name', { name: 'k', type: FORM_TYPE }, `a;k=${TOKEN}`],
    ['the form is JSON to those who do not look', { name: 'k', type: FORM_TYPE }, `{"a":"&k=${TOKEN}"}`],
    ['the body is neither form nor JSON', { name: 'k', type: 'text/plain' }, `{"k":"${TOKEN}"}`],
    ['the body has no type', { name: 'k', type: '' }, `k=${TOKEN}`],
  ])('is misplaced where %s', (_why, it, body) => {
    for (const size of [1, 7, 1000]) {
      expect(misuseOf(() => swapped(body, it, size))).toMatchObject({ code: 'PLACEHOLDER_MISUSE', quarantines: false });
      expect(swapped(body, { ...it, misplaced: 'pass' }, size)).toBe(body);
      expect(misuseOf(() => swapped(body, { ...it, misplaced: 'quarantine' }, size))).toMatchObject({
        quarantines: true,
      });
    }
  });

  it('never leaves in part where it may not leave', () => {
    const swapper = swapperOf({});
    let left = '';
    const misuse = misuseOf(() => {
      for (const byte of Buffer.from(`before PSTRN ${TOKEN}`)) left += swapper.push(Buffer.from([byte])).toString();
    });
    expect(misuse.message).toContain(TOKEN);
    expect(left).toBe('before PSTRN ');
  });

  it('is not read again where it is the value of another', () => {
    const inject: InjectionSpec[] = [
      { kind: 'placeholder', token: TOKEN, value: of('loop'), in: [{ kind: 'body', name: null }], misplaced: 'deny' },
    ];
    const host = compilePolicy(sandbox({ rules: rules({ inject }) })).rulesFor('api.example.com');
    const swapper = new BodySwapper([], host?.planAt(0) ?? planOf({}), vault({ loop: `${TOKEN}!` }));
    expect(swapper.push(Buffer.from(TOKEN)).toString()).toBe(`${TOKEN}!`);
  });

  it('is refused in a trailer', () => {
    expect(misuseOf(() => swapperOf({ name: null }).trailers(list(['X', TOKEN]))).code).toBe('PLACEHOLDER_MISUSE');
  });

  it('whose secret is not there is SECRET_UNAVAILABLE', () => {
    const swapper = new BodySwapper([], planOf({ name: null }), new Map());
    expect(() => swapper.push(Buffer.from(TOKEN))).toThrow(
      expect.objectContaining({ code: 'SECRET_UNAVAILABLE' }) as ProxyError,
    );
  });
});

describe('a body without placeholders', () => {
  it('passes as the same bytes, and what was held is not lost', () => {
    const swapper = swapperOf({ name: null });
    const bytes = Buffer.from('PSTRN-GITHUB-0002 and \xff\x00', 'latin1');
    expect(swapper.push(bytes)).toBe(bytes);
    expect(swapper.push(Buffer.from('x PSTRN-GITHUB-000')).toString()).toBe('x ');
    expect(swapper.end().toString()).toBe('PSTRN-GITHUB-000');
    expect(swapper.injected).toEqual([]);
  });

  it('holds back nothing but what could begin a token', () => {
    const swapper = swapperOf({});
    expect(swapper.push(Buffer.from('data: {"x":1}\n\n')).toString()).toBe('data: {"x":1}\n\n');
    expect(swapper.push(Buffer.from('PSTRN-X')).toString()).toBe('PSTRN-X');
    expect(swapper.push(Buffer.from('aP')).toString()).toBe('a');
  });
});

describe('what is done with a body', () => {
  it.each<[string, string | null, Case, string]>([
    ['nothing is bound in it', null, {}, 'search'],
    ['something is', null, { name: null }, 'swap'],
    ['it is identity-coded', 'Identity', { name: null }, 'swap'],
    ['it is coded and nothing is bound in it', 'gzip', {}, 'none'],
  ])('where %s', (_when, coding, it, treatment) => {
    const fields = coding === null ? [] : list(['Content-Encoding', coding]);
    expect(bodyTreatment(fields, planOf(it))).toBe(treatment);
  });

  it('where it is coded and something is bound in it: BODY_ENCODED', () => {
    const fields = list(['Content-Encoding', 'br']);
    expect(() => bodyTreatment(fields, planOf({ name: 'k' }))).toThrow(
      expect.objectContaining({ code: 'BODY_ENCODED', status: 415 }) as ProxyError,
    );
  });
});
