import { parseIp } from '../address/ip.ts';
import { type ListenAddress, parseListenAddress } from '../address/listen-address.ts';
import { below, quote, type Site } from '../policy/finding.ts';
import { withCanonical } from '../policy/reading/host-patterns.ts';
import type { Listeners, TransparentListener } from './settings.ts';
import type { RawSettings } from './settings-schema.ts';

type RawListen = NonNullable<RawSettings['listen']>;

/** Reads `listen.transparent`: where redirected connections arrive, and which port they were meant for. */
export function readTransparent(raw: RawListen['transparent'], site: Site): readonly TransparentListener[] {
  return (raw ?? []).flatMap(({ listen, port }, index) => {
    const entry = below(site, index);
    if (port < 1 || port > 65_535) entry.report.error(below(entry, 'port').path, 'is not a port from 1 to 65535');
    const address = readAddress(listen, below(entry, 'listen'));
    return address === null ? [] : [{ address, port }];
  });
}

/** Reads `listen.dns`: UDP and TCP, so a Unix socket is none. */
export function readDns(raw: RawListen['dns'], site: Site): readonly ListenAddress[] {
  return (raw ?? []).flatMap((text, index) => {
    const at = below(site, index);
    const address = readAddress(text, at);
    if (address?.kind === 'unix') at.report.error(at.path, 'is no address; DNS is UDP and TCP, e.g. "127.0.0.1:5353"');
    return address === null ? [] : [address];
  });
}

/** Reads `listen.dns_answers`: canonical addresses, IPv6 without brackets. */
export function readDnsAnswers(raw: RawListen['dns_answers'], site: Site): readonly string[] {
  return (raw ?? []).filter((text, index) => {
    const at = below(site, index);
    const ip = parseIp(text);
    if (ip === null) at.report.error(at.path, 'is not an IPv4 or IPv6 address, without port and brackets');
    else if (ip.text !== text)
      at.report.error(at.path, `is not the canonical spelling of the address; write ${quote(ip.text)}`);
    return ip?.text === text;
  });
}

function readAddress(text: string, { report, path }: Site): ListenAddress | null {
  const reading = parseListenAddress(text);
  if (reading.ok) return reading.address;
  report.error(path, withCanonical(text, reading));
  return null;
}

/** One address is one listener, and what is spoken on it is fixed. `listen.proxy` and `admin.listen` are compared among themselves elsewhere. */
export function checkWaysIn(
  { proxy, transparent, dns, dnsAnswers }: Listeners,
  admin: readonly ListenAddress[],
  { report }: Site,
): void {
  const takenBy = new Map<string, string>();
  for (const { text } of proxy) takenBy.set(text, 'listen.proxy');
  for (const { text } of admin) takenBy.set(text, 'admin.listen');
  const take = ({ text }: ListenAddress, list: string, path: readonly (string | number)[]): void => {
    const other = takenBy.get(text);
    // Port 0 is another port each time.
    if (text.endsWith(':0')) return;
    if (other !== undefined)
      report.error(path, `${quote(text)} is in ${quote(other)} too; each has addresses of its own`);
    takenBy.set(text, list);
  };
  for (const [index, { address }] of transparent.entries())
    take(address, 'listen.transparent', ['listen', 'transparent', index, 'listen']);
  for (const [index, address] of dns.entries()) take(address, 'listen.dns', ['listen', 'dns', index]);
  checkAnswers({ transparent, dns, dnsAnswers }, report);
}

/** A socket that is bound to every address does not tell at which of them a datagram arrived. */
function checkAnswers({ transparent, dns, dnsAnswers }: Omit<Listeners, 'proxy'>, report: Site['report']): void {
  if (dnsAnswers.length > 0 && (transparent.length === 0 || dns.length === 0)) {
    const text =
      'is what "listen.dns" answers with where there is "listen.transparent"; remove it, or add what is missing';
    report.error(['listen', 'dns_answers'], text);
  }
  if (transparent.length === 0 || dnsAnswers.length > 0) return;
  for (const [index, address] of dns.entries()) {
    if (address.kind === 'tcp' && !['0.0.0.0', '::', 'localhost'].includes(address.host)) continue;
    const text = 'names no single address, which names could be answered with; write "dns_answers" beside it';
    report.error(['listen', 'dns', index], text);
  }
}

/** The proxy would ask itself, and wait for its own answer. */
export function checkResolvers({ dns }: Listeners, resolvers: readonly string[], { report }: Site): void {
  for (const [index, text] of resolvers.entries()) {
    if (dns.every((address) => address.text !== text)) continue;
    report.error(['upstream', 'dns', index], `${quote(text)} is in "listen.dns": this proxy cannot ask itself`);
  }
}
