import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { bind } from '../runtime/bind.ts';
import type { ListenAddress } from '../runtime/settings.ts';
import { accessProblem, type Caller } from './admin-access.ts';
import { type AdminContext, type Answer, failure, isForLater, nameIn, ROUTES, type Route } from './admin-routes.ts';
import { type Log, stackOf } from './log.ts';

/**
 * Not by `import`: for that Node reads every export of a module, and one of them, `http.WebSocket`, loads all of undici. That is 70 ms and
 * 7 MB instead of 5 ms and 1 MB (Node 24.21).
 */
const { createServer } = process.getBuiltinModule('node:http');

const HEAD_BYTES_MAX = 8 * 1024;
const CONNECTIONS_MAX = 100;
const HEAD_MS_MAX = 5_000;
const REQUEST_MS_MAX = 10_000;
const KEEP_ALIVE_MS = 15_000;
const SOCKET_MODE = 0o600;

export interface AdminOptions extends AdminContext {
  readonly log: Log;
  /** Compares with the admin token; null where none is configured. Asked for each request, since the token may be rotated. */
  readonly tokenTest: () => ((text: string) => boolean) | null;
}

/**
 * Health, metrics and the API, on listeners of their own (contract section 7). Off the hot path, so it is `node:http`; the proxy refuses to
 * dial its addresses, so no sandbox reaches it through the proxy.
 */
export class AdminServer {
  readonly #options: AdminOptions;
  readonly #servers: Server[] = [];

  constructor(options: AdminOptions) {
    this.#options = options;
  }

  /** Binds one address and serves it; resolves with the address as bound. Rejects with the system's error. */
  async listen(address: ListenAddress): Promise<ListenAddress> {
    const server = createServer(
      {
        maxHeaderSize: HEAD_BYTES_MAX,
        headersTimeout: HEAD_MS_MAX,
        requestTimeout: REQUEST_MS_MAX,
        keepAliveTimeout: KEEP_ALIVE_MS,
      },
      (request, response) => void this.#serve(request, response, address.kind === 'unix'),
    );
    server.maxConnections = CONNECTIONS_MAX;
    const bound = await bind(server, address, { socketMode: SOCKET_MODE });
    server.on('error', () => {});
    this.#servers.push(server);
    return bound;
  }

  /** Ends every connection, also those that are kept alive: nothing here is worth waiting for. */
  async close(): Promise<void> {
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const server of this.#servers) server.closeAllConnections();
    await Promise.all(closed);
  }

  async #serve(request: IncomingMessage, response: ServerResponse, isUnix: boolean): Promise<void> {
    response.on('error', () => {});
    try {
      send(response, await this.#answer(request, isUnix));
    } catch (error) {
      this.#options.log.error('an admin request failed, which is a bug', { stack: stackOf(error) });
      send(response, failure(500, 'the request failed, which is a bug; the log says where'));
    }
  }

  #answer(request: IncomingMessage, isUnix: boolean): Answer | Promise<Answer> {
    const path = (request.url ?? '').replace(/\?.*$/s, '');
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const here = ROUTES.filter((each) => nameIn(path, each) !== null);
    const route = here.find((each) => each.method === method);
    const problem = accessProblem(callerOf(request, isUnix), route?.need ?? 'read', this.#options.tokenTest());
    if (problem !== null) return failure(problem.status, problem.message);
    if (route !== undefined) return route.answer(this.#options, nameIn(path, route) ?? '');
    return here.length > 0 ? failure(405, `use ${methodsOf(here)}`) : failure(404, missing(path));
  }
}

const methodsOf = (routes: readonly Route[]): string => routes.map(({ method }) => method).join(', ');

const missing = (path: string): string =>
  isForLater(path)
    ? 'this version does not have it yet'
    : `there is no such path; there are ${ROUTES.map((route) => route.path).join(' ')}`;

function callerOf({ socket, headers }: IncomingMessage, isUnix: boolean): Caller {
  return { isUnix, remoteAddress: socket.remoteAddress ?? '', localAddress: socket.localAddress ?? '', headers };
}

function send(response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 401 ? { 'www-authenticate': 'Bearer realm="postern admin"' } : {}),
    // What was sent as a body is not read: the connection cannot carry another request.
    ...(response.req.complete ? {} : { connection: 'close' }),
  });
  response.end(body);
}
