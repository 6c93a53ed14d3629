import { format, inspect } from 'node:util';
import { serialize } from 'node:v8';
import { describe, expect, it } from 'vitest';
import { field } from '../../../src/headers/field-list.ts';
import { applyPlan } from '../../../src/inject/apply.ts';
import { BodySwapper } from '../../../src/inject/body-swap.ts';
import { additionsOf, needlesFor, Opener } from '../../../src/inject/open.ts';
import type { Plan } from '../../../src/inject/plan.ts';
import { Swapper } from '../../../src/inject/swap.ts';
import { tokenIndexOf } from '../../../src/inject/tokens.ts';
import { Scrubber } from '../../../src/scrub/scrubber.ts';
import { Secret, type Vault } from '../../../src/secrets/secret.ts';
import { formsIn } from '../../support/canary.ts';
import { type RuntimeScene, started } from '../../support/runtime.ts';

const VALUE = 'cAnAry/+"\\one=42&x~Zz?1';
const TOKEN = 'cAnAry-token-three-44';
const UNFIT = 'cAnAry;with-what-ends-a:cookie-or-user';

const POLICY = `version: 1
sandbox: { name: vm, match: [{ token: { file: ../token.txt } }] }
secrets: { github: { file: ../secret.txt }, unfit: { file: ../unfit.txt } }
rules:
  - hosts: [api.example.com]
    inject:
      - bearer: "\${github}"
      - query: { name: key, value: "\${github}" }
      - cookie: { name: sid, value: "\${github}" }
      - placeholder: { token: PSTRN-GITHUB-0001, value: "\${github}", in: ["header:x-key", body] }
  - hosts: [cookie.example.com]
    inject: [{ cookie: { name: sid, value: "\${unfit}" } }]
  - hosts: [user.example.com]
    inject: [{ basic: { username: "\${unfit}", password: x } }]
`;

/** Whatever a program may do to an object to see what is in it, or to send it elsewhere. */
const PRINTINGS: Readonly<Record<string, (thing: unknown) => string>> = {
  inspect: (thing) => inspect(thing, { depth: Number.POSITIVE_INFINITY, showHidden: true, showProxy: true }),
  'inspect without custom texts': (thing) => inspect(thing, { depth: 12, showHidden: true, customInspect: false }),
  'inspect with getters': (thing) => inspect(thing, { depth: 12, getters: true }),
  'console.log': (thing) => format('%s %o %O %j %d', thing, thing, thing, thing, thing) + format(thing),
  string: (thing) => String(thing),
  JSON: (thing) => JSON.stringify(thing),
  clone: (thing) => inspect(structuredClone(thing), { depth: 12, showHidden: true }),
  serialize: (thing) => serialize(thing).toString('latin1'),
  'cause of an error': (thing) => inspect(new Error('failed', { cause: thing }), { depth: 12, showHidden: true }),
  entries: (thing) => JSON.stringify(Object.entries(Object.getOwnPropertyDescriptors(thing))),
};

/** A thing that cannot be printed in one way shows what the attempt says. */
function printed(thing: unknown, print: (thing: unknown) => string): string {
  try {
    return String(print(thing));
  } catch (error) {
    return inspect(error, { depth: 12, showHidden: true });
  }
}

async function start(): Promise<RuntimeScene> {
  return await started({
    'policies/vm.yaml': POLICY,
    'secret.txt': VALUE,
    'token.txt': TOKEN,
    'unfit.txt': UNFIT,
  });
}

function planFor({ runtime }: RuntimeScene, host: string): { readonly plan: Plan; readonly vault: Vault } {
  const sandbox = runtime.current.sandboxes.get('vm');
  const plan = sandbox?.policy?.rulesFor(host)?.planAt(0);
  if (sandbox === undefined || plan === undefined) throw new Error(`no rule names ${host}`);
  return { plan, vault: sandbox.vault };
}

const SECRETS = [VALUE, TOKEN, UNFIT].map((text) => Buffer.from(text));

describe('what holds secrets while the program runs', () => {
  it('shows none, whichever way it is printed, after it was used', async () => {
    const scene = await start();
    const { plan, vault } = planFor(scene, 'api.example.com');
    const request = { target: '/', fields: [field('X-Key', 'PSTRN-GITHUB-0001')] };
    // Used as a request uses them, so that everything that is opened once and kept is there.
    expect(JSON.stringify(applyPlan(request, plan, vault))).toContain('cAnAry');
    const needles = needlesFor(plan, vault);
    const tokens = tokenIndexOf(plan.tokens);
    if (needles === null || tokens === null) throw new Error('the plan masks and swaps');
    const scrubber = new Scrubber(needles);
    scrubber.push(Buffer.from(`held: ${VALUE.slice(0, -1)}`));
    expect(scrubber.heldBytes).toBeGreaterThan(10);
    const opener = new Opener(vault);
    expect(opener.fieldValue([{ secret: 'github' }])).toBe(VALUE);
    const bodySwapper = new BodySwapper([], plan, vault);
    expect(bodySwapper.push(Buffer.from('PSTRN-GITHUB-0001')).toString()).toBe(VALUE);
    const holders = {
      Secret: vault.get('github'),
      Vault: vault,
      Plan: plan,
      Needles: needles,
      Scrubber: scrubber,
      Opener: opener,
      Swapper: new Swapper(plan, tokens, opener),
      BodySwapper: bodySwapper,
      Snapshot: scene.runtime.current,
      Generation: scene.runtime.state,
      Runtime: scene.runtime,
      Identity: scene.runtime.current.identity,
    };
    expect(holders.Secret).toBeInstanceOf(Secret);
    const shown = Object.entries(holders).flatMap(([name, thing]) =>
      Object.entries(PRINTINGS).flatMap(([way, print]) =>
        formsIn(printed(thing, print), SECRETS).map((form) => `${name} by ${way}: ${form}`),
      ),
    );
    expect(shown).toEqual([]);
  });

  it('has one exception, which nothing can reach: what a plan adds, opened', async () => {
    const scene = await start();
    const { plan, vault } = planFor(scene, 'api.example.com');
    // It is there to be written to a connection; the cache that keeps it is no property of anything.
    expect(inspect(additionsOf(plan, vault), { depth: 5 })).toContain('cAnAry');
    for (const thing of [plan, vault, scene.runtime])
      expect(formsIn(inspect(thing, { depth: 30, showHidden: true }), SECRETS)).toEqual([]);
  });

  it.each(['cookie.example.com', 'user.example.com'])(
    'is not in the error about a value that cannot stand where it is to go: %s',
    async (host) => {
      const { plan, vault } = planFor(await start(), host);
      let thrown: unknown = null;
      try {
        applyPlan({ target: '/', fields: [] }, plan, vault);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toMatchObject({ code: 'SECRET_UNAVAILABLE' });
      const { stack, cause } = thrown as Error;
      const texts = [String(stack), inspect(cause), ...Object.values(PRINTINGS).map((print) => printed(thrown, print))];
      expect(formsIn(texts.join('\n'), SECRETS)).toEqual([]);
    },
  );
});
