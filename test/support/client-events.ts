import type { ServerResponse } from 'node:http';
import { type Answer, echo } from './client-origin.ts';

/** Events of one stream, and what became of them. */
export interface EventServer {
  readonly answer: Answer;
  /** For each event of the last stream: milliseconds from its writing to the client's word that it has it. */
  readonly timesMs: readonly number[];
}

export const EVENTS = 20;

/**
 * `GET /events` sends an event, and the next one only when `POST /ack` has said that it arrived: what anybody on the way keeps back until there
 * is more never ends. Other paths are echoed.
 */
export function eventServer(): EventServer {
  const timesMs: number[] = [];
  let stream: ServerResponse | null = null;
  let sentMs = 0;
  const send = (): void => {
    sentMs = performance.now();
    stream?.write(`id: ${timesMs.length}\ndata: event ${timesMs.length}\n\n`);
  };
  const answer: Answer = (request, response, path) => {
    if (path === '/ack') {
      timesMs.push(performance.now() - sentMs);
      response.end();
      if (timesMs.length < EVENTS) send();
      else stream?.end();
    } else if (path === '/events') {
      timesMs.length = 0;
      stream = response;
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      send();
    } else echo(request, response, path);
  };
  return { answer, timesMs };
}

/** What a client prints that had them all. */
export const ALL_EVENTS = Array.from({ length: EVENTS }, (_, number) => `event ${number}\n`).join('');

/** The median and the worst, for the table. */
export function timesText(timesMs: readonly number[]): string {
  const sorted = timesMs.toSorted((one, other) => one - other);
  const ms = (index: number): string => (sorted[index] ?? 0).toFixed(1);
  return `${sorted.length} events one by one, each at the client and acknowledged within ${ms(sorted.length >> 1)} ms (median), ${ms(sorted.length - 1)} ms (worst)`;
}
