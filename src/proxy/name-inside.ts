import { parseAuthority } from '../address/authority.ts';
import { type HostReading, hostFromRequest } from '../address/hostname.ts';
import { ProxyError } from '../errors.ts';
import { countOf, firstValue } from '../headers/field-list.ts';
import { HeadCutter, type HeadLimits } from '../http1/head.ts';
import { Inbox } from '../http1/inbox.ts';
import { parseRequestHead } from '../http1/request-head.ts';
import { readClientHello } from '../tls/client-hello.ts';
import type { Wire } from '../wire/wire.ts';
import { beginsMethod, firstBytes, TLS_HANDSHAKE } from './first-bytes.ts';
import type { Asked } from './opening.ts';

type Seen = { readonly host: string | null };

/**
 * The name that takes the place of an address nobody names: the SNI, or Host where HTTP is spoken (SEMANTICS.md 1). It is only looked at: each
 * request inside is checked against it again. Throws `ADDRESS_DENIED` where there is none.
 */
export async function nameInside(wire: Wire, { ground, port }: Asked): Promise<string> {
  const { limits } = ground.settings;
  wire.makeRoomFor(limits.headBytes);
  const hostOfHead = headLook(limits, port);
  const seen = await firstBytes(wire, limits.clientHeadMs, (bytes): Seen | null => {
    if (bytes[0] === TLS_HANDSHAKE) return serverNameIn(bytes);
    return beginsMethod(bytes) ? hostOfHead(bytes) : NONE;
  });
  if (seen !== null && seen.host !== null) return seen.host;
  const reason = 'a tunnel to an address that no rule names, without a name inside';
  throw new ProxyError('ADDRESS_DENIED', { stage: 'tunnel', side: 'client', reason });
}

const NONE: Seen = { host: null };

function serverNameIn(bytes: Buffer): Seen | null {
  const hello = readClientHello(bytes);
  if (hello.kind === 'need-more') return null;
  return hello.kind === 'hello' && hello.sni !== null ? nameOf(hostFromRequest(hello.sni)) : NONE;
}

/** Looks for the Host of a head that comes in pieces; what was searched once is not searched again. */
function headLook(limits: HeadLimits, port: number): (bytes: Buffer) => Seen | null {
  const cutter = new HeadCutter(limits);
  return (bytes) => {
    // The wire keeps its bytes: they are cut from an inbox of their own.
    const copy = new Inbox();
    copy.push(bytes);
    const text = cutter.cut(copy);
    if (text === null) return null;
    const head = typeof text === 'string' ? parseRequestHead(text, limits.headFields) : text;
    if (head.kind === 'refused' || countOf(head.fields, 'host') > 1) return NONE;
    const authority = parseAuthority(firstValue(head.fields, 'host') ?? '', 80);
    return authority.ok && authority.port === port ? nameOf(authority) : NONE;
  };
}

/** An address would stand for an address again: whoever means one asks for it. */
const nameOf = (reading: HostReading): Seen => (reading.ok && reading.kind === 'name' ? { host: reading.host } : NONE);
