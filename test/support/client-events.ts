import type { ServerResponse } from 'node:http';
import { type Answer, echo } from './client-origin.ts';

/** A stream of server-sent events, each written only when the client has said that it has the one before. */
export class AcknowledgedEvents {
  /** For each event of the last stream: milliseconds from its writing to the client's word that it has it. */
  readonly timesMs: number[] = [];
  #frames: readonly string[] = [];
  #stream: ServerResponse | null = null;
  #sentMs = 0;

  begin(response: ServerResponse, frames: readonly string[]): void {
    this.timesMs.length = 0;
    this.#frames = frames;
    this.#stream = response;
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    this.#send();
  }

  acknowledge(response: ServerResponse): void {
    this.timesMs.push(performance.now() - this.#sentMs);
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    this.#send();
  }

  #send(): void {
    const frame = this.#frames[this.timesMs.length];
    this.#sentMs = performance.now();
    if (frame === undefined) this.#stream?.end();
    else this.#stream?.write(frame);
  }
}

export interface EventServer {
  readonly answer: Answer;
  readonly timesMs: readonly number[];
}

const TEXTS = Array.from({ length: 20 }, (_, number) => `event ${number}`);

/** What a client prints that had them all. */
export const ALL_EVENTS = TEXTS.map((text) => `${text}\n`).join('');

/**
 * `GET /events` sends an event, and the next one only when `POST /ack` has said that it arrived: what anybody on the way keeps back until there
 * is more never ends. Other paths are echoed.
 */
export function eventServer(): EventServer {
  const events = new AcknowledgedEvents();
  const frames = TEXTS.map((text, id) => `id: ${id}\ndata: ${text}\n\n`);
  const answer: Answer = (request, response, path) => {
    if (path === '/ack') events.acknowledge(response);
    else if (path === '/events') events.begin(response, frames);
    else echo(request, response, path);
  };
  return { answer, timesMs: events.timesMs };
}

/** The median and the worst, for the table. */
export function timesText(timesMs: readonly number[]): string {
  const sorted = timesMs.toSorted((one, other) => one - other);
  const ms = (index: number): string => (sorted[index] ?? 0).toFixed(1);
  return `${sorted.length} events, each one sent when the one before was acknowledged: ${ms(sorted.length >> 1)} ms (median), ${ms(sorted.length - 1)} ms (worst)`;
}
