import { describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { compilePolicy } from '../../../src/policy/compile.ts';
import type { ClientRequest } from '../../../src/proxy/client-request.ts';
import { Flight } from '../../../src/proxy/flight.ts';
import { prepareBody } from '../../../src/proxy/prepare-body.ts';
import type { BodySource } from '../../../src/wire/body.ts';
import { deadlines } from '../../../src/wire/deadlines.ts';
import { exchangeRecord } from '../../support/record.ts';
import { list, of, rules, sandbox, vault } from '../../support/specs.ts';

const TOKEN = 'PSTRN-GITHUB-0001';
const nothing = (): void => {};
const head = {
  kind: 'request',
  method: 'POST',
  target: '/',
  version: '1.1',
  fields: list(['Content-Length', '10']),
} as const;
const client: ClientRequest = {
  protocol: 'h1',
  head,
  startedMs: 0,
  gone: false,
  bodyTaken: false,
  headSent: false,
  framing: () => ({ kind: 'none' }),
  body: () => null,
  onAbort: nothing,
  sendInterim: nothing,
  cutOff: nothing,
  takeOver: () => null,
  sendHead: () => ({ write: () => true, whenDrained: nothing, flush: nothing, end: nothing }),
};

describe('a body that is held', () => {
  it('is watched no longer once its request was ended from outside, although nobody hears of the body again', async () => {
    const inject = [
      { kind: 'placeholder', token: TOKEN, value: of('github'), in: [{ kind: 'body', name: null }], misplaced: 'deny' },
    ] as const;
    const policy = compilePolicy(sandbox({ rules: rules({ inject }) }));
    const plan = policy.rulesFor('api.example.com')?.planAt(0);
    if (plan === undefined) throw new Error('no rule names the host');
    const body: BodySource = { moveTo: () => new Promise(nothing) };
    const before = deadlines.size;
    const flight = new Flight(client, exchangeRecord());
    const received = { head, body, chunked: false, websocketKey: null } as unknown as Parameters<typeof prepareBody>[0]; // a target is not looked at
    const decision = { plan, rule: null } as unknown as Parameters<typeof prepareBody>[1]; // only the plan is
    const standing = {
      sandbox: { vault: vault({ github: 'secret-0001' }) },
      snapshot: { settings: { limits: { idleMs: 1_000 } } },
    };
    const preparing = prepareBody(received, decision, standing as unknown as Parameters<typeof prepareBody>[2], flight); // as above
    const waiting = flight.waitFor(Promise.resolve(preparing));
    expect(deadlines.size).toBe(before + 1);
    flight.cut(new ProxyError('DRAINING', { stage: 'relay', side: 'proxy' }));
    await expect(waiting).rejects.toMatchObject({ code: 'DRAINING' });
    flight.end();
    expect(deadlines.size).toBe(before);
  });
});
