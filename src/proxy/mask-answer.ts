import { ProxyError } from '../errors.ts';
import type { FieldList } from '../headers/field-list.ts';
import { responseWithoutHopByHop } from '../headers/hop-by-hop.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import { type Coding, codingOf } from '../scrub/accept-encoding.ts';
import type { Needles } from '../scrub/needles.ts';
import { scrubFields } from '../scrub/scrub-fields.ts';
import { scrubText } from '../scrub/scrub-text.ts';
import { type Extent, Scrubber } from '../scrub/scrubber.ts';
import type { UpstreamResponse } from '../upstream/awaiting.ts';
import type { BodyFailure, BodySink } from '../wire/body.ts';
import { DecodingSink } from './decoding-sink.ts';
import { type BodyEditor, EditingSink } from './edited-body.ts';
import type { Flight } from './flight.ts';
import { Silence } from './silence.ts';

const PARTIAL_CONTENT = 206;

/** What of a head of an upstream's the client gets: without hop-by-hop fields and, where needles are given, without the secrets in it. */
export function shownHead(
  { reason, fields }: ResponseHead,
  needles: Needles | null,
  flight: Flight,
): Pick<ResponseHead, 'reason' | 'fields'> {
  const passed = responseWithoutHopByHop(fields);
  if (needles === null) return { reason, fields: passed };
  const scrubbed = scrubText(reason, needles);
  flight.record.scrubbed += scrubbed.count;
  return { reason: scrubbed.text, fields: maskFields(passed, needles, flight) };
}

/** How the body of an answer is to be read for secrets. */
export interface BodyReading {
  /** The coding that is taken off; null: the text is sent as it is. */
  readonly coding: Coding | null;
  readonly extent: Extent;
}

/** Throws `RESPONSE_INVALID` for a body that cannot be read (SEMANTICS.md 8). */
export function bodyReading({ head, framing }: UpstreamResponse): BodyReading {
  const coding = codingOf(head.fields);
  const isPart = head.status === PARTIAL_CONTENT;
  if (isPart && isMultipart(head.fields)) throw unreadable('in several parts, which was not asked for');
  const extent = isPart ? 'part' : 'whole';
  if (coding === 'identity') return { coding: null, extent };
  const isReadable = coding !== 'unreadable' && !isPart;
  if (!isReadable && framing.kind !== 'none')
    throw unreadable(isPart ? 'part of a coded text' : 'in a coding that was not asked for');
  return { coding: isReadable ? coding : null, extent };
}

/** RFC 9110 section 14.6. */
const isMultipart = (fields: FieldList): boolean =>
  fields.some(({ lower, value }) => lower === 'content-type' && /^multipart\/byteranges\b/i.test(value));

function unreadable(what: string): ProxyError {
  const reason = `the body of the answer is ${what}, so that secrets in it could not be masked`;
  return new ProxyError('RESPONSE_INVALID', { stage: 'relay', side: 'upstream', reason });
}

/** Fields without the secrets that they echo, counted on the record. */
function maskFields(fields: FieldList, needles: Needles, flight: Flight): FieldList {
  const scrubbed = scrubFields(fields, needles);
  flight.record.scrubbed += scrubbed.count;
  return scrubbed.fields;
}

/** Masks a body and its trailers, and counts on the record when it is over. */
class BodyMask implements BodyEditor {
  readonly #scrubber: Scrubber;
  readonly #needles: Needles;
  readonly #flight: Flight;

  constructor(needles: Needles, extent: Extent, flight: Flight) {
    this.#scrubber = new Scrubber(needles, extent);
    this.#needles = needles;
    this.#flight = flight;
    flight.atEnd(() => {
      flight.record.scrubbed += this.#scrubber.count;
    });
  }

  push(bytes: Buffer): Buffer {
    return this.#scrubber.push(bytes);
  }

  end(): Buffer {
    return this.#scrubber.end();
  }

  trailers(fields: FieldList): FieldList {
    return maskFields(fields, this.#needles, this.#flight);
  }
}

/** Where the body of an answer goes so that its secrets are masked, and what must be waited for besides the body itself. */
export interface MaskingSink {
  readonly sink: BodySink;
  /** The end of a body that `moveTo` has answered for; a decoder may still be at it. */
  settled(moved: BodyFailure | Promise<BodyFailure>): BodyFailure | Promise<BodyFailure>;
}

/** Puts the masking, and where needed the decoding, before the client's sink. */
export function maskingSink(
  client: BodySink,
  { coding, extent }: BodyReading,
  needles: Needles,
  idleMs: number,
  flight: Flight,
): MaskingSink {
  const masking = new EditingSink(client, new BodyMask(needles, extent, flight));
  if (coding === null) return { sink: masking, settled: (moved) => moved };
  // A client that does not read holds the decoder up when nothing of the upstream's is left to wait for.
  const silence = new Silence(idleMs, () => flight.cut(silent()));
  const decoding = new DecodingSink(masking, coding, () => silence.break());
  flight.atEnd(() => {
    silence.close();
    decoding.destroy();
  });
  const settled = (moved: BodyFailure | Promise<BodyFailure>): Promise<BodyFailure> => {
    const whole = Promise.resolve(moved).then((failure) => failure ?? decoding.finished);
    return flight.waitFor(Promise.race([whole, decoding.finished]));
  };
  return { sink: decoding, settled };
}

const silent = (): ProxyError =>
  new ProxyError('IDLE_TIMEOUT', { stage: 'relay', side: 'client', reason: 'nothing moved for too long' });
