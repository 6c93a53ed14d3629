import { below, quote, type Site } from '../finding.ts';
import { sizeText } from '../limits-text.ts';
import type { LimitsSpec, RateSpec } from '../model.ts';
import type { RawLimits } from './schema.ts';
import { parseCountRate, parseSize, parseSizeRate, type RateReading } from './units.ts';

const REQUESTS_MAX = 1_000_000_000;
/** A RateLimit field has fifteen digits for it (RFC 9651 section 3.3.1). */
const BYTES_MAX = 100_000 * 1024 ** 3;
const CONCURRENCY_MAX = 1_000_000;

/** Reads `limits` of a rule, and reports what is wrong with it. */
export function readLimits(raw: RawLimits, site: Site): LimitsSpec {
  const { requests, bytes_out: bytesOut, concurrency, body } = raw;
  const isEmpty = [requests, bytesOut, concurrency, body].every((limit) => limit === undefined);
  // A limit that was reported is left out here, and would be told a second time.
  if (isEmpty && !site.report.failed())
    site.report.error(site.path, 'limits nothing; write at least one of requests, bytes_out, concurrency, body');
  return {
    requests: readRate(requests, parseCountRate, REQUESTS_MAX, below(site, 'requests')),
    bytesOut: readRate(bytesOut, parseSizeRate, BYTES_MAX, below(site, 'bytes_out')),
    concurrency: readConcurrency(concurrency, below(site, 'concurrency')),
    bodyBytesMax: readBody(body, below(site, 'body')),
  };
}

const LETS_NOTHING_PASS = 'lets nothing pass; write "action: deny" for that, or a number above 0';

function readRate(
  raw: string | undefined,
  parse: (text: string) => RateReading,
  max: number,
  site: Site,
): RateSpec | null {
  if (raw === undefined) return null;
  const reading = parse(raw);
  if (!reading.ok) site.report.error(site.path, `${quote(raw)} ${reading.why}`);
  else if (reading.amount === 0) site.report.error(site.path, LETS_NOTHING_PASS);
  else if (reading.amount > max) {
    const most = parse === parseSizeRate ? sizeText(max) : String(max);
    site.report.error(site.path, `${quote(raw)} is more than ${most}; write less, or leave it out for no limit`);
  } else return { amount: reading.amount, windowMs: reading.windowMs };
  return null;
}

function readConcurrency(raw: number | undefined, site: Site): number | null {
  if (raw === undefined || (raw >= 1 && raw <= CONCURRENCY_MAX)) return raw ?? null;
  const text = raw === 0 ? LETS_NOTHING_PASS : `is out of bounds; write a number from 1 to ${CONCURRENCY_MAX}`;
  site.report.error(site.path, text);
  return null;
}

/** `0B` is a limit that means something: requests without a body. */
function readBody(raw: string | undefined, site: Site): number | null {
  if (raw === undefined) return null;
  const reading = parseSize(raw);
  if (reading.ok) return reading.value;
  site.report.error(site.path, `${quote(raw)} ${reading.why}`);
  return null;
}
