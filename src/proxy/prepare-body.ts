import { ProxyError } from '../errors.ts';
import { countOf, type FieldList, firstValue } from '../headers/field-list.ts';
import { BodySwapper, bodyTreatment } from '../inject/body-swap.ts';
import type { BodySource } from '../wire/body.ts';
import type { Passing } from './decide-request.ts';
import { EditedBody } from './edited-body.ts';
import type { Flight } from './flight.ts';
import { HeldBody, releaseRoom, takeRoom, WholeBody } from './held-body.ts';
import type { Standing } from './passage.ts';
import type { Received } from './receive.ts';
import { Silence } from './silence.ts';

/** A body up to this is read whole before it is sent, so that its new length can be declared: some servers take no chunks. */
const HELD_BYTES_MAX = 256 * 1024;

/** The body of a request as it leaves. */
export interface OutgoingBody {
  readonly source: BodySource | null;
  readonly chunked: boolean;
  /** What Content-Length must say instead of what the client said; null: as it came. */
  readonly length: number | null;
}

/**
 * Gets the body ready to leave: as it is, searched for misplaced placeholders on its way, or with placeholders swapped. A promise only
 * where a body is read whole first. Throws `BODY_ENCODED`.
 */
export function prepareBody(
  { head, body, chunked }: Received,
  { plan, rule }: Passing,
  { sandbox, snapshot }: Standing,
  flight: Flight,
): OutgoingBody | Promise<OutgoingBody> {
  const asItIs = { source: body, chunked, length: null };
  if (body === null || plan.tokens.length === 0) return asItIs;
  const treatment = bodyTreatment(head.fields, plan);
  if (treatment === 'none') return asItIs;
  const swapper = new BodySwapper(head.fields, plan, sandbox.vault);
  if (treatment === 'search') return { source: new EditedBody(body, swapper), chunked, length: null };
  flight.atEnd(() => noteInjected(flight, swapper));
  const declared = Number(firstValue(head.fields, 'content-length') ?? Number.POSITIVE_INFINITY);
  const idleMs = rule?.spec.idleMs ?? snapshot.settings.limits.idleMs;
  if (mayBeHeld(head.fields, declared)) return holdBody({ body, declared, swapper, idleMs }, flight);
  return { source: new EditedBody(body, swapper), chunked: true, length: null };
}

/** A client that waits for 100 (Continue) sends nothing before the host was asked (RFC 9110 section 10.1.1). */
const mayBeHeld = (fields: FieldList, declared: number): boolean =>
  declared <= HELD_BYTES_MAX && countOf(fields, 'expect') === 0 && takeRoom(declared);

interface Holding {
  readonly body: BodySource;
  /** Content-Length, bytes. */
  readonly declared: number;
  readonly swapper: BodySwapper;
  readonly idleMs: number;
}

/** Reads the whole body before anything is dialled: a misplaced placeholder in it is told in full, and the host sees nothing. */
async function holdBody({ body, declared, swapper, idleMs }: Holding, flight: Flight): Promise<OutgoingBody> {
  const held = new HeldBody(declared);
  const silence = new Silence(idleMs, () => flight.cut(silent()));
  flight.atEnd(() => {
    releaseRoom(declared);
    // Where the request is ended from outside, its body loses the connection and never says how it ended.
    silence.close();
  });
  const failure = await body.moveTo(held, () => silence.break());
  silence.close();
  if (failure !== null) throw failure;
  const start = swapper.push(held.bytes);
  const swapped = Buffer.concat([start, swapper.end()]);
  return { source: new WholeBody(swapped), chunked: false, length: swapped.length };
}

/** Which secrets went into the body is known only now. */
function noteInjected({ record }: Flight, swapper: BodySwapper): void {
  if (swapper.injected.length > 0) record.injected = [...new Set([...record.injected, ...swapper.injected])];
}

const silent = (): ProxyError =>
  new ProxyError('IDLE_TIMEOUT', {
    stage: 'receive',
    side: 'client',
    reason: 'the request body did not move for too long',
  });
