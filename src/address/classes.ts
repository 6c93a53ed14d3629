import { sharesPrefix } from './cidr.ts';
import { type Ip, ipOf, parseIp } from './ip.ts';

/**
 * What kind of address an upstream is at (SEMANTICS.md 3). `public` is the only class that any host may be reached at; the text
 * completes "the address is …". Names are stable: they stand in reasons, logs and tests.
 */
const TEXT_BY_NAME = {
  public: 'a public address',
  unspecified: 'an address of "this network" (0.0.0.0/8, ::)',
  loopback: 'a loopback address',
  private: 'a private address (RFC 1918, RFC 4193, site-local)',
  'link-local': 'a link-local address',
  metadata: 'the address of a cloud metadata service',
  cgnat: 'a shared address behind a carrier NAT (RFC 6598)',
  ietf: 'an address of IETF protocol assignments',
  benchmark: 'an address for benchmarks',
  documentation: 'an address for documentation',
  multicast: 'a multicast address',
  broadcast: 'the broadcast address',
  reserved: 'a reserved address',
  'v4-compatible': 'an obsolete IPv4-compatible address',
  'nat64-local': 'an address of a local NAT64 (RFC 8215)',
  teredo: 'a Teredo address',
  discard: 'an address whose packets are discarded',
  orchid: 'an ORCHID, which is an identifier and not an address',
  'segment-routing': 'a segment routing identifier',
} as const;

export type ClassName = keyof typeof TEXT_BY_NAME;

export interface AddressClass {
  readonly name: ClassName;
  readonly text: string;
}

/** Every class by its name. */
export const CLASSES: ReadonlyMap<ClassName, AddressClass> = new Map(
  // The keys of a literal are exactly the names; Object.keys cannot say so in its type.
  (Object.keys(TEXT_BY_NAME) as ClassName[]).map((name) => [name, { name, text: TEXT_BY_NAME[name] }]),
);

/**
 * The blocks that are not public, the narrower before the wider: the IANA IPv4 and IPv6 special-purpose address registries
 * (RFC 6890 and updates), and the addresses at which clouds serve credentials: AWS, GCP, Azure, OCI and most others
 * (169.254.169.254), AWS over IPv6, ECS tasks, EKS pods, GCP over IPv6, Alibaba, Oracle Classic, Azure's wire server, Scaleway.
 */
const BLOCKS: readonly (readonly [ClassName, readonly string[]])[] = [
  ['metadata', ['169.254.169.254/32', '169.254.170.2/32', '169.254.170.23/32', '169.254.42.42/32']],
  ['metadata', ['100.100.100.200/32', '192.0.0.192/32', '168.63.129.16/32']],
  ['metadata', ['fd00:ec2::254/128', 'fd00:ec2::23/128', 'fd20:ce::254/128', 'fd00:42::42/128']],
  ['unspecified', ['0.0.0.0/8', '::/128']],
  ['loopback', ['127.0.0.0/8', '::1/128']],
  ['private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fec0::/10']],
  ['link-local', ['169.254.0.0/16', 'fe80::/10']],
  ['cgnat', ['100.64.0.0/10']],
  ['benchmark', ['198.18.0.0/15', '2001:2::/48']],
  ['documentation', ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '2001:db8::/32', '3fff::/20']],
  ['multicast', ['224.0.0.0/4', 'ff00::/8']],
  ['broadcast', ['255.255.255.255/32']],
  // 192.88.99.0/24 was the 6to4 relay anycast (RFC 7526 took it out of use).
  ['reserved', ['240.0.0.0/4', '192.88.99.0/24']],
  ['teredo', ['2001::/32']],
  ['orchid', ['2001:10::/28', '2001:20::/28']],
  ['ietf', ['192.0.0.0/24', '2001::/23']],
  ['nat64-local', ['64:ff9b:1::/48']],
  ['discard', ['100::/64', '100:0:0:1::/64']],
  ['segment-routing', ['5f00::/16']],
  ['v4-compatible', ['::/96']],
  // Only 2000::/3 is global unicast so far (RFC 4291 section 2.4); whatever lies outside is somebody's experiment.
  ['public', ['0.0.0.0/0', '2000::/3']],
  ['reserved', ['::/0']],
];

/** Blocks whose addresses are classified by the IPv4 address in them, and where it begins (RFC 4291, RFC 6052, RFC 3056). */
const EMBEDDED: readonly (readonly [string, number])[] = [
  ['::ffff:0:0/96', 12],
  ['64:ff9b::/96', 12],
  ['2002::/16', 2],
];

/** Where RFC 6052 section 2.2 puts the IPv4 bytes for prefixes of 48, 56, 64 and 96 bits; byte 8 is always skipped. */
const NAT64_LAYOUTS: readonly (readonly [number, number, number, number])[] = [
  [6, 7, 9, 10],
  [7, 9, 10, 11],
  [9, 10, 11, 12],
  [12, 13, 14, 15],
];

const TABLE = BLOCKS.flatMap(([name, blocks]) => blocks.map((block) => ({ ...blockOf(block), name })));
const EMBEDDED_TABLE = EMBEDDED.map(([block, offset]) => ({ ...blockOf(block), offset }));

/** The class of an address; total. v4-mapped, NAT64 and 6to4 addresses have the class of the IPv4 address inside. */
export function classify(ip: Ip): AddressClass {
  const name = nameOf(embeddedIpv4(ip) ?? ip);
  return { name, text: TEXT_BY_NAME[name] };
}

/**
 * The IPv4 address that a v4-mapped, NAT64 (64:ff9b::/96) or 6to4 address leads to; null for any other. Whoever compares an
 * address with a list of IPv4 blocks must look at this one as well.
 */
export function embeddedIpv4(ip: Ip): Ip | null {
  const found = EMBEDDED_TABLE.find((entry) => holds(entry, ip));
  return found === undefined ? null : ipOf(ip.bytes.slice(found.offset, found.offset + 4));
}

function nameOf(ip: Ip): ClassName {
  const name = TABLE.find((entry) => holds(entry, ip))?.name ?? 'reserved';
  // Where the operator's prefix ends is unknown, so every layout is looked at: an allowed local NAT64 must not lead to credentials.
  if (name === 'nat64-local' && NAT64_LAYOUTS.some((layout) => nameOf(pick(ip, layout)) === 'metadata'))
    return 'metadata';
  return name;
}

interface Block {
  readonly bytes: Uint8Array;
  readonly prefix: number;
}

const holds = (block: Block, ip: Ip): boolean =>
  block.bytes.length === ip.bytes.length && sharesPrefix(block.bytes, ip.bytes, block.prefix);

const pick = (ip: Ip, layout: readonly number[]): Ip => ipOf(Uint8Array.from(layout, (index) => ip.bytes[index] ?? 0));

function blockOf(text: string): Block {
  const slash = text.lastIndexOf('/');
  const ip = parseIp(text.slice(0, slash));
  if (ip === null) throw new TypeError(`the table of address classes has a bad block: ${text}`);
  return { bytes: ip.bytes, prefix: Number(text.slice(slash + 1)) };
}
