import { embeddedIpv4 } from '../address/classes.ts';
import { type Ip, parseIp, unmapped } from '../address/ip.ts';
import { isPublicName } from '../address/public-suffix.ts';
import { ProxyError } from '../errors.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import type { AddressPolicy, AddressVerdict, Claim } from './address-policy.ts';
import type { Parent } from './parent.ts';
import type { HostResolver } from './resolver.ts';

/** Who wants to go where. */
export interface Destination {
  /** Canonical; IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
  readonly claim: Claim;
  readonly policy: CompiledPolicy;
}

/** What a generation says about ways. */
export interface Ways {
  readonly resolver: HostResolver;
  readonly addresses: AddressPolicy;
  readonly parent: Parent | null;
}

/** How to get to a destination. `addresses` were judged and are what may be dialled: the host's own, or the parent's. */
export type Way =
  | { readonly kind: 'direct'; readonly addresses: readonly Ip[] }
  | { readonly kind: 'parent'; readonly parent: Parent; readonly addresses: readonly Ip[] };

/**
 * The way to a host. Direct: its addresses in the order of the answer, without the forbidden ones; none left is `ADDRESS_DENIED`
 * (SEMANTICS.md 3). Through the parent: the name goes as a name, and only literals are judged. A promise only where DNS must be asked.
 */
export function wayTo(destination: Destination, ways: Ways): Way | Promise<Way> {
  const parent = parentFor(destination.host, ways);
  return parent === null ? direct(destination, ways) : through(parent, destination, ways);
}

/**
 * The parent that connections to this host take; null: none. A name with a fixed answer (`upstream.hosts`, `localhost`) is dialled there:
 * the answer is judged, and asking the parent for the name would be a way around that.
 */
export function parentFor(host: string, { parent, resolver }: Pick<Ways, 'parent' | 'resolver'>): Parent | null {
  return parent === null || resolver.fixed(host) !== null || parent.exempts(host) ? null : parent;
}

/** Why a host may not be asked of the parent, as far as its name or literal tells; null if it may. */
export function problemThrough(parent: Parent, destination: Destination, ways: Ways): string | null {
  const { host, port, claim } = destination;
  // Inside a CONNECT to the parent a sandbox could CONNECT to anything.
  if (host === parent.host && port === parent.port) return AT_PARENT;
  const ip = literalOf(host);
  if (ip !== null) {
    if (isAtParent(ip, port, ways)) return AT_PARENT;
    const verdict = verdictOn(ip, destination, ways.addresses);
    return verdict.ok ? null : verdict.reason;
  }
  if (claim === 'forward') return ways.addresses.mayForwardTo(host, port) ? null : 'it is not in "forward_to"';
  // Only public space is open to hosts that no rule names, and the likes of "metadata.google.internal" are never there.
  return claim === 'unnamed' && !isPublicName(host) ? 'it is no public name, and no rule names it' : null;
}

function through(parent: Parent, destination: Destination, ways: Ways): Way | Promise<Way> {
  const problem = problemThrough(parent, destination, ways);
  if (problem !== null) throw addressDenied(destination, problem);
  const ip = literalOf(destination.host);
  return then(parentAddresses(parent, ways), (addresses) => {
    if (ip !== null && destination.port === parent.port && isAmong(ip, addresses))
      throw addressDenied(destination, AT_PARENT);
    return { kind: 'parent', parent, addresses };
  });
}

function direct(destination: Destination, ways: Ways): Way | Promise<Way> {
  const literal = literalOf(destination.host);
  const answer = literal === null ? ways.resolver.resolve(destination.host) : [literal];
  const { parent } = ways;
  return then(answer, (ips) => {
    const addresses = judged(ips, destination, ways.addresses);
    if (parent === null || parent.port !== destination.port) return { kind: 'direct', addresses };
    return then(parentAddresses(parent, ways), (parents) => {
      const others = addresses.filter((ip) => !isAmong(ip, parents));
      if (others.length === 0) throw addressDenied(destination, AT_PARENT);
      return { kind: 'direct', addresses: others };
    });
  });
}

/**
 * Whether an address is the parent's, as far as that can be told without DNS: for what is open at a swap, which was made before there was this
 * parent. What is dialled is compared with what the parent's name resolves to.
 */
export function isAtParent(ip: Ip, port: number, { parent, resolver }: Ways): boolean {
  if (parent === null || parent.port !== port) return false;
  const literal = literalOf(parent.host);
  return isAmong(ip, literal === null ? (resolver.fixed(parent.host) ?? []) : [literal]);
}

export const AT_PARENT = 'it is where the parent proxy listens';

/**
 * The parent's addresses. They may be private, since the operator names them; but never our own listeners. A sandbox is not told the
 * parent's name.
 */
function parentAddresses(parent: Parent, { resolver, addresses }: Ways): readonly Ip[] | Promise<readonly Ip[]> {
  const literal = literalOf(parent.host);
  const answer = literal === null ? resolver.resolve(parent.host) : [literal];
  const usable = (ips: readonly Ip[]): readonly Ip[] => {
    const found = ips.filter((ip) => addresses.judgeParent(ip, parent.port).ok);
    if (found.length > 0) return found;
    throw unreachable('the parent proxy is at no address that can be dialled, or is this proxy itself');
  };
  if (!(answer instanceof Promise)) return usable(answer);
  return answer.then(usable, (cause: unknown) => {
    throw unreachable('the name of the parent proxy could not be resolved', cause);
  });
}

function judged(ips: readonly Ip[], destination: Destination, addresses: AddressPolicy): readonly Ip[] {
  let reason = '';
  const allowed = ips.filter((ip) => {
    const verdict = verdictOn(ip, destination, addresses);
    if (!verdict.ok) reason = verdict.reason;
    return verdict.ok;
  });
  if (allowed.length > 0) return allowed;
  throw addressDenied(destination, reason);
}

/** What the generation says of one address of a destination. */
export const verdictOn = (
  ip: Ip,
  { host, port, claim, policy }: Destination,
  addresses: AddressPolicy,
): AddressVerdict =>
  claim === 'forward' ? addresses.judgeForward(ip, host, port, policy) : addresses.judge(ip, port, claim, policy);

export const literalOf = (host: string): Ip | null => parseIp(host.replace(/^\[|\]$/g, ''));

/** Whether dialling the address would lead to one of those, a NAT64 or 6to4 router in between included. */
function isAmong(ip: Ip, ips: readonly Ip[]): boolean {
  const texts = [unmapped(ip), embeddedIpv4(ip)].map((each) => each?.text);
  return ips.some((each) => texts.includes(unmapped(each).text));
}

function addressDenied({ host }: Destination, why: string): ProxyError {
  return new ProxyError('ADDRESS_DENIED', { stage: 'resolve', side: 'client', reason: `${host}: ${why}` });
}

const unreachable = (reason: string, cause?: unknown): ProxyError =>
  new ProxyError('CONNECT_FAILED', { stage: 'resolve', side: 'upstream', reason, cause });

/** Goes on at once where there is nothing to wait for: most routes need no turn of the event loop. */
function then<T, U>(value: T | Promise<T>, next: (value: T) => U | Promise<U>): U | Promise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
