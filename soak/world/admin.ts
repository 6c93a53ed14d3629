import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';

export interface AdminAnswer {
  readonly status: number;
  readonly body: string;
}

/** The admin listener. Each question has a connection of its own, so that none is left open beside what is measured. */
export class Admin {
  readonly #port: number;
  readonly #token: string;

  constructor(port: number, token: string) {
    this.#port = port;
    this.#token = token;
  }

  get(path: string): Promise<AdminAnswer> {
    return this.#ask('GET', path, {});
  }

  /** Resolves when what is on disk is in force, or was refused (422). */
  reload(): Promise<AdminAnswer> {
    return this.#ask('POST', '/v1/reload', {});
  }

  liftQuarantine(sandbox: string): Promise<AdminAnswer> {
    const authorization = `Bearer ${this.#token}`;
    return this.#ask('DELETE', `/v1/sandboxes/${sandbox}/quarantine`, { authorization });
  }

  #ask(method: string, path: string, headers: Readonly<Record<string, string>>): Promise<AdminAnswer> {
    return new Promise((resolve, reject) => {
      const asked = request(
        { host: '127.0.0.1', port: this.#port, method, path, headers, agent: false, timeout: 20_000 },
        (answer: IncomingMessage) => {
          text(answer).then((body) => resolve({ status: answer.statusCode ?? 0, body }), reject);
        },
      );
      asked.on('timeout', () => asked.destroy(new Error(`${method} ${path} was not answered`)));
      asked.on('error', reject);
      asked.end();
    });
  }
}
