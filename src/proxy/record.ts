import type { ProxyError } from '../errors.ts';
import type { ExchangeRecord, Protocol } from '../observe/record.ts';
import type { Entrance } from './passage.ts';
import { requestId } from './request-id.ts';

/** Opens the record of one request or tunnel. It knows the monotonic clock alone, so that durations never jump. */
export function openRecord(
  entrance: Entrance,
  protocol: Protocol,
  generation: number,
  startedMs: number,
): ExchangeRecord {
  return {
    id: requestId(),
    generation,
    sandbox: null,
    client: entrance.client,
    listener: entrance.listener,
    ingress: entrance.ingress,
    protocol,
    method: null,
    scheme: null,
    host: null,
    port: null,
    path: null,
    rule: null,
    decision: 'deny',
    code: null,
    reason: null,
    injected: NONE,
    scrubbed: 0,
    limited: null,
    address: null,
    status: null,
    bytesIn: 0,
    bytesOut: 0,
    tls: null,
    startedMs,
    overheadMs: 0,
    upstreamMs: null,
  };
}

const NONE: readonly string[] = [];

/** Notes how it failed. The first failure is the cause; what follows from it is not told. */
export function noteFailure(record: ExchangeRecord, error: ProxyError): void {
  if (record.code !== null && record.decision !== 'would-deny') return;
  record.code = error.code;
  record.reason = error.reason;
}
