import { Misuse } from '../../src/inject/binding.ts';
import { BodySwapper } from '../../src/inject/body-swap.ts';
import { compilePolicy } from '../../src/policy/compile.ts';
import { list, of, rules, sandbox, vault } from '../../test/support/specs.ts';
import { holds, same, type Target } from '../target.ts';

const TOKEN = 'PSTRN-GITHUB-0001';
/** What JSON has to escape, and what it need not. */
const VALUE = 'va"l\\ue & ü=%';
const MEMBER = 'k';
const VAULT = vault({ github: VALUE });

function plan() {
  const surface = { kind: 'body', name: MEMBER } as const;
  const inject = [
    { kind: 'placeholder', token: TOKEN, value: of('github'), in: [surface], misplaced: 'deny' },
  ] as const;
  const host = compilePolicy(sandbox({ rules: rules({ inject }) })).rulesFor('api.example.com');
  if (host === null) throw new Error('no rule names the host');
  return host.planAt(0);
}
const PLAN = plan();
const FIELDS = list(['Content-Type', 'application/json']);

/** What leaves, and whether the rest was refused because a token stood where it is not bound. */
function swap(pieces: readonly Buffer[]): { readonly out: string; readonly isRefused: boolean } {
  const swapper = new BodySwapper(FIELDS, PLAN, VAULT);
  let out = '';
  try {
    for (const piece of pieces) out += swapper.push(Buffer.from(piece)).toString('latin1');
    return { out: out + swapper.end().toString('latin1'), isRefused: false };
  } catch (error) {
    if (error instanceof Misuse) return { out, isRefused: true };
    throw error;
  }
}

/** A JSON body with placeholders: swapped in the one member that is bound, refused anywhere else, and otherwise untouched. */
export const target: Target = {
  name: 'body-swap',
  seeds: [
    `{"k":"${TOKEN}"}`,
    `{"a":1,"k":"x${TOKEN}y","b":[true,null]}`,
    `{"a":{"k":"${TOKEN}"},"k":["${TOKEN}",{"c":"d"}]}`,
    `{"a":"${TOKEN}"}`,
    `{"${TOKEN}":"k"}`,
    `{"a\\"k":"\\\\","k" : "${TOKEN}${TOKEN}"}`,
    `{"\\u006b":"${TOKEN}"}`,
    `["k","${TOKEN}"]`,
    'PSTRN-GITHUB-PSTRN-GITHUB-0001',
    'no JSON at all',
  ],
  dictionary: [
    TOKEN,
    'PSTRN-GITHUB-',
    '0001',
    '"k":',
    '"k":"',
    '"a":"',
    '{',
    '}',
    '[',
    ']',
    '"',
    '\\',
    '\\"',
    '\\\\',
    '\\u006b',
    ',',
    ':',
    ' ',
  ],
  bytesMax: 300,
  check(input) {
    const whole = swap([input]);
    const place = ((input[0] ?? 0) * 31 + input.length * 7) % (input.length + 1);
    const halves = swap([input.subarray(0, place), input.subarray(place)]);
    same('pieces are refused as the whole', halves.isRefused, whole.isRefused);
    if (!whole.isRefused) same('pieces leave as the whole', halves.out, whole.out);
    for (const { out } of [whole, halves]) holds('no token leaves', !out.includes(TOKEN));
    const text = input.toString('latin1');
    if (!text.includes(TOKEN)) same('nothing is touched without a token', whole, { out: text, isRefused: false });
    checkJson(input.toString('utf8'), whole);
  },
};

/** A JSON parser sees the value where it saw the token, in the members that are bound, and everything else as it was. */
function checkJson(text: string, { out, isRefused }: ReturnType<typeof swap>): void {
  let before: unknown;
  try {
    before = JSON.parse(text);
  } catch {
    return;
  }
  if (isRefused) return;
  const after: unknown = JSON.parse(Buffer.from(out, 'latin1').toString('utf8'));
  same('a parser reads the value in place of the token', after, withValue(before, OUTERMOST));
}

/** @param place a member of the outermost object by its name, that object itself, or what is deeper */
function withValue(value: unknown, place: Place): unknown {
  if (typeof value === 'string') {
    holds('a token is swapped in its member alone', place.name === MEMBER || !value.includes(TOKEN));
    return value.replaceAll(TOKEN, () => VALUE);
  }
  if (Array.isArray(value)) return value.map((each) => withValue(each, DEEPER));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => {
      holds('a token is no name', !key.includes(TOKEN));
      return [key, withValue(each, place === OUTERMOST ? { name: key } : DEEPER)];
    }),
  );
}

interface Place {
  readonly name: string | null;
}
const OUTERMOST: Place = { name: null };
const DEEPER: Place = { name: null };
