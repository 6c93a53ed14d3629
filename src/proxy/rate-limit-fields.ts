import type { Quota } from '../errors.ts';
import { type Field, field } from '../headers/field-list.ts';

/** Registered by the draft; of the three, `content-bytes` is the one for bytes, heads and tunnels included. */
const UNITS: Readonly<Record<Quota['limit'], string>> = {
  requests: 'requests',
  bytes_out: 'content-bytes',
  concurrency: 'concurrent-requests',
};

/**
 * What a client that met a quota is told: `Retry-After` (RFC 9110 section 10.2.3) and the fields of draft-ietf-httpapi-ratelimit-headers-11,
 * Lists of Items as RFC 9651 has them. Only on answers of our own: those of an origin stay as they are.
 */
export function quotaFields({ limit, amount, available, windowS, retryAfterS }: Quota): readonly Field[] {
  const unit = limit === 'requests' ? '' : `;qu="${UNITS[limit]}"`;
  const window = windowS === null ? '' : `;w=${windowS}`;
  // Section 6 of the draft: Retry-After is not earlier than the end of the effective window, which is what "t" says.
  const effective = windowS === null ? '' : `;t=${retryAfterS}`;
  return [
    field('Retry-After', String(retryAfterS)),
    field('RateLimit-Policy', `"${limit}";q=${amount}${unit}${window}`),
    field('RateLimit', `"${limit}";r=${available}${effective}`),
  ];
}
