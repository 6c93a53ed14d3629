import { hostFromRequest } from '../address/hostname.ts';
import type { ListenAddress } from '../address/listen-address.ts';
import { type Answer, REFUSAL_OF_ANY, writeAnswer } from '../dns/answer.ts';
import { isOfInternet, type Query, readQuery } from '../dns/query.ts';
import { EXTENDED_ERROR, isMetaType, RCODE, TYPE, typeName } from '../dns/types.ts';
import { errorCode, ProxyError, toProxyError } from '../errors.ts';
import type { ExchangeRecord } from '../observe/record.ts';
import { decideName } from '../policy/names.ts';
import type { ClientEvidence } from '../runtime/identity.ts';
import { quarantined } from './admit.ts';
import { denied } from './decide-request.ts';
import { addressesOf, type Lookup, ownAddresses } from './name-addresses.ts';
import type { Entrance } from './passage.ts';
import { noteFailure, openRecord } from './record.ts';
import type { Services } from './services.ts';
import { identify, policyOf } from './standing.ts';

/** Who asks, and by which listener. */
export interface Asker {
  readonly entrance: Entrance;
  readonly evidence: ClientEvidence;
  readonly listener: ListenAddress;
  /** The bytes that an answer may have. */
  bytesMax(query: Pick<Query, 'edns'>): number;
}

/**
 *   client ──A api.example.com?──▶ identify ─ decide ─▶ our own address, or judged ones
 * Answers a question about a name where the sandbox could be allowed something there, and refuses all others without asking anybody: a name that
 * is denied leaves nothing in a query upstream. Resolves to the bytes of the answer, or null where none is due. Never rejects.
 */
export async function answerName(bytes: Buffer, asker: Asker, services: Services): Promise<Buffer | null> {
  const reading = readQuery(bytes);
  if (reading.kind === 'ignore') return null;
  const { runtime, observer } = services;
  const record = openRecord(asker.entrance, 'dns', runtime.current.generation, performance.now());
  let answer: Answer;
  if (reading.kind === 'refused') {
    noteFailure(record, new ProxyError('REQUEST_INVALID', { stage: 'receive', side: 'client', reason: reading.why }));
    answer = { rcode: reading.rcode, records: [], extended: null };
  } else {
    answer = await answerTo(reading, asker, services, record).catch((thrown: unknown) => {
      const error = toProxyError(thrown, 'resolve');
      noteFailure(record, error);
      return answerFor(error);
    });
  }
  observer.concluded(record);
  return writeAnswer(reading, answer, asker.bytesMax(reading));
}

async function answerTo(query: Query, asker: Asker, services: Services, record: ExchangeRecord): Promise<Answer> {
  const { question } = query;
  const snapshot = services.runtime.current;
  record.method = typeName(question.type);
  const reading = question.name === null ? null : hostFromRequest(question.name);
  if (reading?.ok === true) record.host = reading.host;
  const sandbox = identify(snapshot, asker.evidence);
  record.sandbox = sandbox.name;
  if (!services.observer.accepting) throw overloaded('audit lines cannot be written');
  if (services.quarantine.has(sandbox.name)) throw quarantined();
  if (!isOfInternet(question) || isMetaType(question.type))
    throw refusal('PROTOCOL_DENIED', 'a class or type of question that is not answered here');
  if (reading?.ok !== true || reading.kind !== 'name') throw refusal('TARGET_INVALID', 'the question names no host');
  const policy = policyOf(sandbox);
  const lookup: Lookup = { host: reading.host, sandbox: sandbox.name, policy, snapshot, services };
  const own = ownAddresses(snapshot.settings.listen, asker.listener);
  const decision = decideName(policy, lookup.host, own !== null);
  record.rule = decision.rule?.label ?? null;
  if (decision.effect === 'deny') throw denied(decision);
  record.decision = decision.effect;
  if (question.type === TYPE.ANY) return { rcode: RCODE.NOERROR, records: [REFUSAL_OF_ANY], extended: null };
  const family = FAMILY_BY_TYPE.get(question.type);
  // Neither aliases nor service parameters are passed on: with them come addresses and keys that nobody judged.
  if (family === undefined) return NO_DATA;
  const ips = own ?? (await addressesOf(lookup, decision));
  const records = ips
    .filter((ip) => ip.family === family)
    .map((ip) => ({ type: question.type, data: Buffer.from(ip.bytes) }));
  return { rcode: RCODE.NOERROR, records, extended: null };
}

const NO_DATA: Answer = { rcode: RCODE.NOERROR, records: [], extended: null };
const FAMILY_BY_TYPE: ReadonlyMap<number, 4 | 6> = new Map([
  [TYPE.A, 4],
  [TYPE.AAAA, 6],
]);

/** What a refusal or failure is in the words of DNS. */
function answerFor(error: ProxyError): Answer {
  const { code, status, cause } = error;
  if (code === 'DNS_FAILED' && errorCode(cause) === 'ENOTFOUND') return { ...NO_DATA, rcode: RCODE.NXDOMAIN };
  if (code === 'DNS_FAILED' && errorCode(cause) === 'ENODATA') return NO_DATA;
  if (status >= 500 || code === 'RATE_LIMITED')
    return { rcode: RCODE.SERVFAIL, records: [], extended: { code: EXTENDED_ERROR.OTHER, text: code } };
  const about = error.stage === 'identify' ? EXTENDED_ERROR.PROHIBITED : EXTENDED_ERROR.BLOCKED;
  return { rcode: RCODE.REFUSED, records: [], extended: { code: about, text: code } };
}

const refusal = (code: 'PROTOCOL_DENIED' | 'TARGET_INVALID', reason: string): ProxyError =>
  new ProxyError(code, { stage: 'receive', side: 'client', reason });

const overloaded = (reason: string): ProxyError =>
  new ProxyError('OVERLOADED', { stage: 'identify', side: 'proxy', reason });
