import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as secure } from 'node:tls';
import type { Switch } from './client-origin.ts';
import { listening } from './listening.ts';
import type { Postern } from './postern.ts';

/** A port of loopback behind which is an origin as a sandbox reaches it: for a client that speaks neither TLS nor to proxies. */
export function bridgeTo(postern: Postern, authority: string): Promise<number> {
  const servername = authority.replace(/:\d+$/, '');
  return listening(
    createServer((client) => {
      client.on('error', () => {});
      const asking = request({
        host: '127.0.0.1',
        port: postern.proxyPort,
        method: 'CONNECT',
        path: authority,
        headers: { host: authority },
      });
      asking.once('error', () => client.destroy());
      asking.once('connect', (answer, tunnel: Socket) => {
        if (answer.statusCode !== 200) {
          client.destroy();
          return;
        }
        const inside = secure({ socket: tunnel, servername, ca: postern.ca });
        // The client names us as its host, and is small enough with its head to send it at once.
        client.once('data', (head: Buffer) => {
          inside.write(head.toString('latin1').replace(/^Host: .*$/im, `Host: ${authority}`), 'latin1');
          join(client, inside);
        });
      });
      asking.end();
    }),
  );
}

/** Hands each WebSocket to a server on this port of loopback, its handshake included. */
export function handingTo(port: () => number): Switch {
  return (asked, socket, head) => {
    const server = connect(port(), '127.0.0.1');
    server.write(headOf(asked));
    server.write(head);
    join(socket, server);
  };
}

function headOf({ method, url, rawHeaders }: IncomingMessage): string {
  const fields = rawHeaders.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('');
  return `${method} ${url} HTTP/1.1\r\n${fields}\r\n`;
}

function join(one: Duplex, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.pipe(to);
    from.on('error', () => {});
    from.once('close', () => to.destroy());
  }
}
