import { ProxyError } from '../errors.ts';
import { field } from '../headers/field-list.ts';
import type { Flight } from './flight.ts';
import { ownPage } from './own-pages.ts';
import type { Entrance, Standing } from './passage.ts';
import type { Received } from './receive.ts';
import { policyOf } from './standing.ts';

/**
 *   client ──GET http://postern.internal/…──▶ decide ──▶ a page of ours
 * Answers a request that the policy let pass to the proxy's own name. It ends here: no stage that resolves, dials or opens a secret
 * follows. Throws `METHOD_NOT_ALLOWED`, and what `ownPage` throws.
 */
export function answerItself(received: Received, standing: Standing, entrance: Entrance, flight: Flight): void {
  const { client, record } = flight;
  const { method, fields } = received.head;
  const isHead = method === 'HEAD';
  if (method !== 'GET' && !isHead) throw new ProxyError('METHOD_NOT_ALLOWED', { stage: 'decide', side: 'client' });
  const { path, query } = received.target;
  const { snapshot, sandbox } = standing;
  const { reachedAt, meantPort } = entrance;
  const page = ownPage({ path, query, fields, snapshot, policy: policyOf(sandbox), reachedAt, meantPort });
  const bytes = page.parts.reduce((sum, { length }) => sum + length, 0);
  record.status = 200;
  record.overheadMs = performance.now() - client.startedMs;
  const sink = client.sendHead({
    status: record.status,
    reason: 'OK',
    fields: [
      field('Content-Type', page.type),
      field('Content-Length', String(bytes)),
      // Of one sandbox and one generation: nobody else may be shown it, nor this one later.
      field('Cache-Control', 'no-store'),
    ],
    length: isHead ? 'none' : 'declared',
  });
  if (!isHead) {
    for (const part of page.parts) if (part.length > 0) sink.write(part);
    record.bytesIn += bytes;
  }
  sink.end([]);
}
