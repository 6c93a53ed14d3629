import { hasErrors } from '../policy/finding.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Need } from './admin-access.ts';
import type { Scrape } from './scrape.ts';
import { type Liveness, outcomeJson, statusOf } from './status.ts';

export interface AdminContext {
  readonly runtime: Runtime;
  readonly scrape: Scrape;
  /** Asked for each request. */
  readonly liveness: () => Liveness;
  /** ca.pem and the system's roots. */
  readonly bundlePem: () => string;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly need: Need;
  answer(context: AdminContext): Answer | Promise<Answer>;
}

/** Everything that the admin listener answers (contract section 7). */
export const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/healthz', need: 'open', answer: () => text(200, 'alive\n') },
  { method: 'GET', path: '/readyz', need: 'open', answer: readyz },
  { method: 'GET', path: '/metrics', need: 'read', answer: metrics },
  { method: 'GET', path: '/v1/status', need: 'read', answer: status },
  { method: 'POST', path: '/v1/reload', need: 'read', answer: reload },
  {
    method: 'GET',
    path: '/ca.pem',
    need: 'read',
    answer: ({ runtime }) => pem(runtime.state.authority.authority.caPem),
  },
  { method: 'GET', path: '/bundle.pem', need: 'read', answer: ({ bundlePem }) => pem(bundlePem()) },
];

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

function status({ runtime, liveness }: AdminContext): Answer {
  return json(200, statusOf(runtime.state, runtime.findings, liveness()));
}

/** Answers when the reload is over: what it says is in force, is. */
async function reload({ runtime }: AdminContext): Promise<Answer> {
  const outcome = await runtime.reload('POST /v1/reload');
  return json(hasErrors(outcome.findings) ? 422 : 200, outcomeJson(outcome));
}
