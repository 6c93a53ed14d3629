import { Ended } from '../client/connection.ts';
import { check, codeOf } from '../client/expect.ts';
import type { Kind } from './kind.ts';

const FROM = '127.0.0.2';
const DENIED = ['HOST_DENIED', 'PATH_DENIED', 'POLICY_UNAVAILABLE', 'IDENTITY_CONFLICT'] as const;

/**
 * Traffic of the sandbox whose policy is edited all the time. It may be allowed, refused, or cut at any moment, and nothing else:
 * a body that comes whole is the right one.
 */
export const edited: Kind = {
  name: 'edited',
  weight: 8,
  codes: [...DENIED, 'REQUEST_INVALID', 'TLS_FAILED'],
  async run(attempt) {
    const host = attempt.random.one(['edited.origin.test', 'pass-edited.origin.test']);
    const { connection: tunnel, answer: opened } = await attempt.askTunnel(`${host}:${attempt.world.ports.tls}`, {
      from: FROM,
    });
    if (opened.status !== 200) return isDenial(opened.status, codeOf(opened));
    try {
      // Where its file was removed it is in the sandbox for everyone, which intercepts what this one passes through.
      const ca = `${attempt.world.originCa}\n${attempt.world.proxyCa}`;
      const connection = await attempt.secure(tunnel, host, ca);
      const path = host.startsWith('pass-') ? '/open/2000' : attempt.random.one(['/trickle/60', '/bytes/2000']);
      const answer = await attempt.ask(connection, 'GET', attempt.url(host, path));
      if (answer.status !== 200) isDenial(answer.status, codeOf(answer));
    } catch (error) {
      if (!isCut(error)) throw error;
    }
  },
};

function isDenial(status: number, code: string | null): void {
  check(
    DENIED.some((one) => one === code),
    `neither allowed nor denied: ${status} ${code}`,
  );
}

/** What the ends of connections look like from here. */
const isCut = (error: unknown): boolean =>
  error instanceof Ended || (error instanceof Error && 'code' in error && error.code === 'ECONNRESET');
