import { networkInterfaces } from 'node:os';
import { blockHolding } from '../address/blocks.ts';
import { type Cidr, parseCidr } from '../address/cidr.ts';
import { type AddressClass, type ClassName, classify, embeddedIpv4 } from '../address/classes.ts';
import { type Ip, parseIp, unmapped } from '../address/ip.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import type { Claim } from '../policy/decision.ts';
import { type ForwardPlace, type ForwardTarget, forwardPlaces, placeKey } from './forward-targets.ts';

export type { Claim } from '../policy/decision.ts';

export type AddressVerdict = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** What may be dialled in this generation (SEMANTICS.md 3): address classes, `allow_addresses`, `subnets.deny`, our own listeners. */
export interface AddressPolicy {
  judge(ip: Ip, port: number, claim: Exclude<Claim, 'forward'>, policy: CompiledPolicy): AddressVerdict;
  /** Whether `forward_to` holds this host and port: what can be said before, or without, an address. */
  mayForwardTo(host: string, port: number): boolean;
  /** An address of a host that a rule forwards to (SEMANTICS.md 13). */
  judgeForward(ip: Ip, host: string, port: number, policy: CompiledPolicy): AddressVerdict;
  /** An address of the parent proxy: the operator names it, so private space is open to it; what leads back to us is not. */
  judgeParent(ip: Ip, port: number): AddressVerdict;
}

/** Where we listen ourselves. `host` is an address, with or without brackets, or `localhost`; Unix sockets cannot be dialled. */
export type OwnListener =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix' };

export interface AddressPolicyOptions {
  /** Canonical blocks of forbidden space that hosts named by a rule may be at. */
  readonly allowAddresses: readonly string[];
  readonly forwardTo?: readonly ForwardTarget[];
  /** Asked at each judgement, since a listener knows its port only once it is bound. */
  readonly listeners: () => readonly OwnListener[];
  /** The addresses of this machine, which a listener on all of them is reached at; asked only for a port that has such a listener. */
  readonly interfaces?: () => readonly string[];
}

/** Builds the judgement of one generation. Throws a TypeError for a block that is not canonical (settings are validated before). */
export function buildAddressPolicy(options: AddressPolicyOptions): AddressPolicy {
  const allowed = options.allowAddresses.map(mustParse);
  const places = forwardPlaces(options.forwardTo ?? []);
  const interfaces = options.interfaces ?? addressesOfThisMachine;
  const problemOfLoop = (address: Ip, port: number): string | null => {
    const listeners = options.listeners();
    const inside = embeddedIpv4(address);
    return (
      problemOfOwn(address, port, listeners, interfaces) ??
      // A NAT64 or 6to4 router would bring the connection back to us.
      (inside === null ? null : problemOfOwn(inside, port, listeners, interfaces))
    );
  };
  return {
    judgeParent(ip, port) {
      const address = unmapped(ip);
      const found = classify(address);
      const reason = NEVER.has(found.name) ? `${ip.text} is ${found.text}` : problemOfLoop(address, port);
      return reason === null ? OK : { ok: false, reason };
    },
    mayForwardTo: (host, port) => places.has(placeKey(host, port)),
    judgeForward(ip, host, port, policy) {
      const address = unmapped(ip);
      const reason =
        problemOfLoop(address, port) ??
        problemOfDenied(address, policy) ??
        problemOfForward(address, places.get(placeKey(host, port)));
      return reason === null ? OK : { ok: false, reason };
    },
    judge(ip, port, claim, policy) {
      // What is dialled at a v4-mapped address is the IPv4 address.
      const address = unmapped(ip);
      const reason =
        problemOfLoop(address, port) ??
        problemOfDenied(address, policy) ??
        (claim === 'subnet' ? problemOfSubnet(address, port, policy) : problemOfHost(address, claim, allowed));
      return reason === null ? OK : { ok: false, reason };
    },
  };
}

const OK: AddressVerdict = { ok: true };

/** Classes that lead nowhere or back to this machine; no list can open them. */
const NEVER: ReadonlySet<ClassName> = new Set(['unspecified', 'multicast', 'broadcast', 'discard']);

/** A host name: public space, or what `allow_addresses` holds if a rule names the host. */
function problemOfHost(ip: Ip, claim: Claim, allowed: readonly Cidr[]): string | null {
  const found = classify(ip);
  if (found.name === 'public') return null;
  if (claim === 'named' && isOpened(ip, found, allowed)) return null;
  return `${ip.text} is ${found.text}, which ${claim === 'named' ? 'is not in "allow_addresses"' : 'only a rule that names the host can open'}`;
}

/** A host of `forward_to`: the blocks that its entry has, public ones included; without them, public space. */
function problemOfForward(ip: Ip, place: ForwardPlace | undefined): string | null {
  if (place === undefined) return 'it is not in "forward_to"';
  const found = classify(ip);
  if (place.blocks === null ? found.name === 'public' : isOpened(ip, found, place.blocks)) return null;
  return `${ip.text} is ${found.text}, which its entry of "forward_to" does not open`;
}

/** An address literal that goes raw: `subnets.allow` must hold it on this port. */
function problemOfSubnet(ip: Ip, port: number, policy: CompiledPolicy): string | null {
  const found = classify(ip);
  const blocks = policy.subnets.allow.filter(({ ports }) => ports.has(port)).map(({ cidr }) => cidr);
  if (isOpened(ip, found, blocks)) return null;
  return `${ip.text} is ${found.text}, which "subnets.allow" does not open on port ${port}`;
}

/** Whether a list opens an address. Where clouds serve credentials, a block that merely covers the address is not meant. */
function isOpened(ip: Ip, { name }: AddressClass, blocks: readonly Cidr[]): boolean {
  if (NEVER.has(name)) return false;
  const holding = blocks.filter((block) => block.contains(ip));
  return name === 'metadata' ? holding.some(isExact) : holding.length > 0;
}

const isExact = ({ family, prefix }: Cidr): boolean => prefix === (family === 4 ? 32 : 128);

/** `subnets.deny` wins over every allow. */
function problemOfDenied(ip: Ip, policy: CompiledPolicy): string | null {
  const block = blockHolding(policy.subnets.deny, ip);
  return block === null ? null : `${ip.text} lies in ${block.text}, which "subnets.deny" refuses`;
}

/** Our own listeners are never reachable, whatever a policy says: a loop, and the way to the admin API. */
function problemOfOwn(
  ip: Ip,
  port: number,
  listeners: readonly OwnListener[],
  interfaces: () => readonly string[],
): string | null {
  for (const listener of listeners) {
    if (listener.kind === 'tcp' && listener.port === port && isReachedAt(listener.host, ip, interfaces)) {
      return `${ip.text} is where this proxy listens on port ${port}`;
    }
  }
  return null;
}

function isReachedAt(host: string, ip: Ip, interfaces: () => readonly string[]): boolean {
  const bound = parseIp(host.replace(/^\[|\]$/g, ''));
  const isLoopback = classify(ip).name === 'loopback';
  // `localhost`: which loopback addresses it is bound to is the resolver's choice.
  if (bound === null) return isLoopback;
  const address = unmapped(bound);
  if (address.text === ip.text) return true;
  // A listener on all addresses; on `::` IPv4 arrives as well.
  if (!isUnspecified(address)) return false;
  return isLoopback || interfaces().includes(ip.text);
}

const isUnspecified = (ip: Ip): boolean => ip.text === '0.0.0.0' || ip.text === '::';

/** The canonical addresses of every interface, without zones. */
function addressesOfThisMachine(): readonly string[] {
  const found = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return found.map(({ address }) => parseIp(address.replace(/%.*$/, ''))?.text ?? address);
}

function mustParse(text: string): Cidr {
  const reading = parseCidr(text);
  if (!reading.ok) throw new TypeError(`validated settings hold the block ${text}, which ${reading.why}`);
  return reading.cidr;
}
