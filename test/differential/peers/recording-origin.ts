import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { readRequest } from '../../support/http1.ts';

/** Tells which case a request is of: the port of our side of the connection. Before all fields of the case, and not counted among them. */
const OWN_FIELD = /\r\nX-Case: (\d+)\r\n/;

/** Answers what it is told to for each connection of nginx's client, and keeps what it got. */
export class RecordingOrigin {
  readonly #server: Server;
  readonly #gotByCase = new Map<string, string[]>();
  readonly #answerByCase = new Map<string, string>();
  readonly #sockets = new Set<Socket>();

  constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  listen(): Promise<number> {
    return new Promise((resolve) =>
      this.#server.listen(0, '127.0.0.1', () => resolve((this.#server.address() as AddressInfo).port)),
    );
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  answer(id: string, bytes: string): void {
    this.#answerByCase.set(id, bytes);
  }

  /** The requests that came for a case, and forgets them: ports are used again. */
  take(id: string): readonly string[] {
    const got = this.#gotByCase.get(id) ?? [];
    this.#gotByCase.delete(id);
    this.#answerByCase.delete(id);
    return got;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    let received = '';
    socket.on('data', (bytes: Buffer) => {
      received += bytes.toString('latin1');
      const own = OWN_FIELD.exec(received);
      const request = received.replace(OWN_FIELD, '\r\n');
      if (own === null || readRequest([request]) === 'incomplete') return;
      const id = own[1] ?? '';
      this.#gotByCase.set(id, [...(this.#gotByCase.get(id) ?? []), request]);
      const answer = this.#answerByCase.get(id) ?? 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
      socket.end(answer, 'latin1');
    });
  }
}
