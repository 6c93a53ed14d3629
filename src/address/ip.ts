/** An address: 4 or 16 bytes in network order. `text` is canonical (dotted quad, or RFC 5952 without brackets). */
export interface Ip {
  readonly family: 4 | 6;
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255" is the longest text an address can have (RFC 4291 section 2.2). */
const TEXT_LENGTH_MAX = 45;
const DECIMAL_OCTET = /^(?:0|[1-9][0-9]{0,2})$/;
const HEX_GROUP = /^[0-9a-fA-F]{1,4}$/;

/**
 * Reads the text of an address: a strict dotted quad (no leading zeros, which `inet_aton` reads as octal), or RFC 4291 text
 * without brackets and zone. Null for anything else.
 */
export function parseIp(text: string): Ip | null {
  if (text.length > TEXT_LENGTH_MAX) return null;
  const bytes = text.includes(':') ? bytesOfIpv6(text) : bytesOfIpv4(text);
  return bytes === null ? null : ipOf(Uint8Array.from(bytes));
}

/** An address from its 4 or 16 bytes; throws a RangeError for any other number of bytes. */
export function ipOf(bytes: Uint8Array): Ip {
  if (bytes.length !== 4 && bytes.length !== 16) throw new RangeError('an address has 4 or 16 bytes');
  return { family: bytes.length === 4 ? 4 : 6, bytes, text: formatIp(bytes) };
}

/** The canonical text of 4 or 16 bytes: dotted quad, or RFC 5952 section 4 without brackets. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  // RFC 5952 section 5: mixed notation where the prefix is known to carry an IPv4 address; Node prints v4-mapped peers this way too.
  if (isV4Mapped(bytes)) return `::ffff:${bytes.slice(12).join('.')}`;
  const groups = groupsOf(bytes);
  const run = longestZeroRun(groups);
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (run.length < 2) return hex(groups);
  return `${hex(groups.slice(0, run.start))}::${hex(groups.slice(run.start + run.length))}`;
}

/** The IPv4 address of a v4-mapped one (`::ffff:10.0.0.1`), which the kernel dials as IPv4; any other address as it is. */
export const unmapped = (ip: Ip): Ip => (ip.family === 6 && isV4Mapped(ip.bytes) ? ipOf(ip.bytes.slice(12)) : ip);

/** ::ffff:0:0/96 (RFC 4291 section 2.5.5.2). */
function isV4Mapped(bytes: Uint8Array): boolean {
  for (let index = 0; index < 10; index++) if (bytes[index] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

function bytesOfIpv4(text: string): number[] | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  const bytes: number[] = [];
  for (const part of parts) {
    if (!DECIMAL_OCTET.test(part) || Number(part) > 255) return null;
    bytes.push(Number(part));
  }
  return bytes;
}

function bytesOfIpv6(text: string): number[] | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const compressed = halves.length === 2;
  // An embedded dotted quad ends the address, so it may stand in the last half only.
  const head = bytesOfGroups(halves[0] ?? '', !compressed);
  const tail = compressed ? bytesOfGroups(halves[1] ?? '', true) : [];
  if (head === null || tail === null) return null;
  const missing = 16 - head.length - tail.length;
  // "::" stands for one or more groups of zeros (RFC 4291 section 2.2).
  if (compressed ? missing < 2 : missing !== 0) return null;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

function bytesOfGroups(text: string, quadMayEnd: boolean): number[] | null {
  if (text === '') return [];
  const parts = text.split(':');
  const bytes: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (quadMayEnd && index === parts.length - 1 && part.includes('.')) {
      const quad = bytesOfIpv4(part);
      return quad === null ? null : [...bytes, ...quad];
    }
    if (!HEX_GROUP.test(part)) return null;
    const group = Number.parseInt(part, 16);
    bytes.push(group >> 8, group & 0xff);
  }
  return bytes;
}

function groupsOf(bytes: Uint8Array): number[] {
  const groups: number[] = [];
  for (let index = 0; index < 16; index += 2) groups.push(((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0));
  return groups;
}

/** The first of the longest runs of zero groups (RFC 5952 section 4.2.3). */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let index = 0; index <= groups.length; index++) {
    if (groups[index] === 0) continue;
    if (index - start > best.length) best = { start, length: index - start };
    start = index + 1;
  }
  return best;
}
