import type { Postern } from './postern.ts';
import type { RawClient } from './raw-client.ts';

export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

export const get = (authority: string): string => `GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
export const post = (authority: string, framing: string, body = ''): string =>
  `POST / HTTP/1.1\r\nHost: ${authority}\r\n${framing}\r\n\r\n${body}`;
export const chunk = (bytes: number): string => `${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n`;

/** The whole answer to what met a limit. */
export const REFUSED = /^HTTP\/1\.1 (?:429 RATE_LIMITED|413 BODY_TOO_LARGE)\r\n[\s\S]*\}\}\n/;

/** One request after another on one connection: the status of each answer, which is `OK` or a refusal. */
export async function statuses(client: RawClient, request: string, count: number): Promise<readonly string[]> {
  const found: string[] = [];
  for (let index = 0; index < count; index++) {
    client.send(request);
    const answer = await client.take(/^HTTP\/1\.1 (?:200 OK\r\n[\s\S]*?ok|429 [\s\S]*?\}\}\n)/);
    found.push(answer.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length));
  }
  return found;
}

interface Usage {
  readonly bytes_out?: { readonly used: number; readonly available: number };
  readonly in_flight: number;
}

/** What `/v1/status` says of the first rule with limits; undefined before it was used. */
export async function usage(postern: Postern): Promise<Usage | undefined> {
  const response = await fetch(`${postern.adminUrl}/v1/status`);
  const { sandboxes } = (await response.json()) as {
    readonly sandboxes: readonly { readonly limits: readonly Usage[] }[];
  };
  return sandboxes[0]?.limits[0];
}

/** Waits until nothing of the rule is in flight: when that is, only the running program can say. */
export async function untilNoneInFlight(postern: Postern): Promise<void> {
  while ((await usage(postern))?.in_flight !== 0) await new Promise((resolve) => setTimeout(resolve, 10));
}
