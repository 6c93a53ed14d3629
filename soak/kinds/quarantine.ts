import type { Attempt } from '../client/attempt.ts';
import { check, codeOf, expectRefused, expectWhole } from '../client/expect.ts';
import { PLACEHOLDER } from '../world/configuration.ts';
import type { Kind } from './kind.ts';

const HOST = 'api.origin.test';
const FROM = '127.0.0.3';

/** A sandbox that misuses its placeholder is denied everything until an operator lifts it, and is as before then. */
export const quarantine: Kind = {
  name: 'quarantine',
  weight: 2,
  codes: ['PLACEHOLDER_MISUSE', 'QUARANTINED'],
  alone: true,
  async run(attempt) {
    expectWhole(await post(attempt, 'client_secret'));
    expectRefused(await post(attempt, 'other'), 403, 'PLACEHOLDER_MISUSE');
    const { answer } = await attempt.askTunnel(`${HOST}:${attempt.world.ports.tls}`, { from: FROM });
    check(codeOf(answer) === 'QUARANTINED', `expected QUARANTINED, got ${answer.status} ${codeOf(answer)}`);
    const lifted = await attempt.world.admin.liftQuarantine('quarantine');
    check(lifted.status === 200, `lifting it: ${lifted.status} ${lifted.body}`);
    expectWhole(await post(attempt, 'client_secret'));
  },
};

async function post(attempt: Attempt, member: string) {
  const connection = await attempt.intercepted(HOST, { from: FROM });
  const body = JSON.stringify({ [member]: `${PLACEHOLDER}-Q` });
  const fields = ['Content-Type: application/json'];
  return attempt.ask(connection, 'POST', attempt.url(HOST, '/seen'), { fields, body });
}
