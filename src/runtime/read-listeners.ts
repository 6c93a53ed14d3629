import { parseListenAddress } from '../address/listen-address.ts';
import { below, quote, type Site } from '../policy/finding.ts';
import { withCanonical } from '../policy/reading/host-patterns.ts';
import type { ListenAddress } from './settings.ts';

const tcp = (host: string, port: number): ListenAddress => ({ kind: 'tcp', host, port, text: `${host}:${port}` });

/** Where a process listens that has no postern.yaml, or one that does not say. */
export const DEFAULT_LISTENERS = { proxy: [tcp('127.0.0.1', 8080)], admin: [tcp('127.0.0.1', 9464)] } as const;

/** Reads `listen.proxy` or `admin.listen`; the default if absent. */
export function readListeners(
  raw: readonly string[] | undefined,
  use: keyof typeof DEFAULT_LISTENERS,
  site: Site,
): readonly ListenAddress[] {
  if (raw === undefined) return DEFAULT_LISTENERS[use];
  const listeners: ListenAddress[] = [];
  for (const [index, text] of raw.entries()) {
    const { path } = below(site, index);
    const reading = parseListenAddress(text);
    if (!reading.ok) site.report.error(path, withCanonical(text, reading));
    else if (isAmong(reading.address, listeners))
      site.report.error(path, `${quote(text)} is in this list twice; remove one of them`);
    else listeners.push(reading.address);
  }
  return listeners;
}

/** The admin API never stands where clients connect (contract section 7). */
export function checkDistinct(proxy: readonly ListenAddress[], admin: readonly ListenAddress[], site: Site): void {
  for (const address of admin) {
    if (!isAmong(address, proxy)) continue;
    site.report.error(
      site.path,
      `${quote(address.text)} is in "listen.proxy" too; the admin API has a listener of its own`,
    );
  }
}

/** Port 0 is another port each time. */
const isAmong = (address: ListenAddress, others: readonly ListenAddress[]): boolean =>
  !address.text.endsWith(':0') && others.some((other) => other.text === address.text);
