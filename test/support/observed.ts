import { readdirSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import type { Postern } from './postern.ts';
import { connectRaw } from './raw-client.ts';

/** What `/metrics` says at this moment: values by series, labels as they stand in the text. */
export async function metricsOf(postern: Postern): Promise<ReadonlyMap<string, number>> {
  const text = await scrape(postern);
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

/** On a connection of its own, closed when this resolves: it would count among the descriptors of the next. */
function scrape({ adminUrl }: Postern): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(`${adminUrl}/metrics`, { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      response.socket.on('close', () => resolve(text));
    });
    request.on('error', reject);
  });
}

/** One series; 0 if it is not there. */
export async function metric(postern: Postern, series: string): Promise<number> {
  return (await metricsOf(postern)).get(series) ?? 0;
}

/** Asks for the metrics until they are as wanted. */
export async function metricsUntil(
  postern: Postern,
  wanted: (metrics: ReadonlyMap<string, number>) => boolean,
): Promise<void> {
  while (!wanted(await metricsOf(postern))) await new Promise((resolve) => setTimeout(resolve, 20));
}

export const metricBecomes = (postern: Postern, series: string, value: number): Promise<void> =>
  metricsUntil(postern, (metrics) => (metrics.get(series) ?? 0) === value);

/** What a proxy holds while nothing goes on. */
export interface Held {
  readonly descriptors: number;
  readonly timers: number;
}

/** Waits until no connection and no tunnel is open, and says what is held then. */
export async function heldWhenQuiet(postern: Postern): Promise<Held> {
  let held: Held = { descriptors: 0, timers: 0 };
  await metricsUntil(postern, (metrics) => {
    const timers = metrics.get('nodejs_active_resources{type="Timeout"}') ?? 0;
    held = { descriptors: metrics.get('process_open_fds') ?? 0, timers };
    const open = ['postern_connections{side="client"}', 'postern_connections{side="upstream"}', 'postern_tunnels'];
    return open.every((series) => metrics.get(series) === 0);
  });
  return held;
}

/** Requests that count against the limits of their rule, by the rules of the sandbox `default` that have limits. */
export async function inFlightByRule({ adminUrl }: Postern): Promise<Readonly<Record<string, number>>> {
  const status = (await (await fetch(`${adminUrl}/v1/status`)).json()) as {
    readonly sandboxes: readonly {
      readonly name: string;
      readonly limits: readonly { readonly rule: string; readonly in_flight: number }[];
    }[];
  }; // what `statusOf` makes
  const limits = status.sandboxes.find(({ name }) => name === 'default')?.limits ?? [];
  return Object.fromEntries(limits.map(({ rule, in_flight }) => [rule, in_flight]));
}

/** Waits until every audit line of what has ended so far is written: lines keep their order, so until the line of a request made now. */
export async function auditWritten(postern: Postern): Promise<void> {
  const host = `marker-${++markers}.example`;
  const client = await connectRaw(postern.proxyPort);
  client.send(`GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  await postern.audited({ host });
  client.socket.destroy();
}
let markers = 0;

export const descriptorsOf = (postern: Postern): number => readdirSync(`/proc/${postern.child.pid}/fd`).length;

/** Resident bytes now, and the most there ever were. */
export const residentBytes = (postern: Postern): number => statusBytes(postern, 'VmRSS');
export const residentBytesMax = (postern: Postern): number => statusBytes(postern, 'VmHWM');

function statusBytes({ child }: Postern, name: string): number {
  const text = readFileSync(`/proc/${child.pid}/status`, 'latin1');
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]) * 1024;
}
