import { errorCode } from '../errors.ts';
import { hasErrors } from '../policy/finding.ts';
import type { Quarantine } from '../runtime/quarantine.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Need } from './admin-access.ts';
import type { Scrape } from './scrape.ts';
import { type Liveness, outcomeJson, statusOf } from './status.ts';

export interface AdminContext {
  readonly runtime: Runtime;
  readonly scrape: Scrape;
  /** Asked for each request. */
  readonly liveness: () => Liveness;
  /** Null until the start is over. */
  readonly quarantine: () => Quarantine | null;
  /** ca.pem and the system's roots. */
  readonly bundlePem: () => string;
  /** The public keys that statements are signed with, a JWK Set. Rejects where the key cannot be had. */
  readonly jwks: () => Promise<string>;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** `NAME` stands for one segment, which `answer` is given. */
  readonly path: string;
  readonly need: Need;
  answer(context: AdminContext, name: string): Answer | Promise<Answer>;
}

/** Everything that the admin listener answers (contract section 7). */
export const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/healthz', need: 'open', answer: () => text(200, 'alive\n') },
  { method: 'GET', path: '/readyz', need: 'open', answer: readyz },
  { method: 'GET', path: '/metrics', need: 'read', answer: metrics },
  { method: 'GET', path: '/v1/status', need: 'read', answer: status },
  { method: 'POST', path: '/v1/reload', need: 'read', answer: reload },
  { method: 'DELETE', path: '/v1/sandboxes/NAME/quarantine', need: 'change', answer: liftQuarantine },
  {
    method: 'GET',
    path: '/ca.pem',
    need: 'read',
    answer: ({ runtime }) => pem(runtime.state.authority.authority.caPem),
  },
  // Public by nature, and asked for by receivers on other machines.
  { method: 'GET', path: '/.well-known/jwks.json', need: 'open', answer: jwks },
  { method: 'GET', path: '/bundle.pem', need: 'read', answer: ({ bundlePem }) => pem(bundlePem()) },
];

/** The segment that stands where the route says NAME, empty where it says none; null if this is another path. */
export function nameIn(path: string, route: Route): string | null {
  const [before = '', after] = route.path.split('NAME');
  if (after === undefined) return path === route.path ? '' : null;
  if (!path.startsWith(before) || !path.endsWith(after)) return null;
  const name = path.slice(before.length, path.length - after.length);
  return name !== '' && !name.includes('/') ? name : null;
}

/** Named by the contract, built later: whoever calls them should not look for a typing error. */
const LATER = /^\/(v1\/(sandboxes|secrets|events)(\/.*)?)?$/;

export const isForLater = (path: string): boolean => LATER.test(path);

export const json = (code: number, body: object): Answer => ({
  status: code,
  type: 'application/json; charset=utf-8',
  body: `${JSON.stringify(body)}\n`,
});

export const failure = (code: number, message: string): Answer => json(code, { error: { message } });

const text = (code: number, body: string): Answer => ({ status: code, type: 'text/plain; charset=utf-8', body });

const pem = (body: string): Answer => ({ status: 200, type: 'application/x-pem-file', body });

function readyz({ liveness }: AdminContext): Answer {
  const { ready, draining } = liveness();
  if (ready && !draining) return text(200, 'ready\n');
  return text(503, draining ? 'draining\n' : 'starting\n');
}

async function metrics({ scrape }: AdminContext): Promise<Answer> {
  return { status: 200, ...(await scrape.text()) };
}

async function jwks({ jwks: keys }: AdminContext): Promise<Answer> {
  try {
    return { status: 200, type: 'application/json', body: await keys() };
  } catch {
    return failure(503, 'the key that statements are signed with is not available');
  }
}

function status({ runtime, liveness, quarantine }: AdminContext): Answer {
  return json(200, statusOf(runtime.state, runtime.findings, liveness(), quarantine()?.entries ?? []));
}

/** Answers when the reload is over: what it says is in force, is. */
async function reload({ runtime }: AdminContext): Promise<Answer> {
  const outcome = await runtime.reload('POST /v1/reload');
  return json(hasErrors(outcome.findings) ? 422 : 200, outcomeJson(outcome));
}

/** Answers when it is lifted, also for the time after a restart. */
async function liftQuarantine({ quarantine }: AdminContext, name: string): Promise<Answer> {
  try {
    const lifted = (await quarantine()?.lift(name)) ?? false;
    return lifted ? json(200, { sandbox: name, quarantine: null }) : failure(404, 'no such sandbox is in quarantine');
  } catch (error) {
    return failure(500, `the quarantine stays, since the folder "state" cannot be written (${errorCode(error)})`);
  }
}
