// http-proxy is a reverse proxy without CONNECT, so it stands behind a server that ends the tunnel's TLS with one fixed leaf and
// hands it the requests. Its own part is what it is used for elsewhere: forwarding one request with a header set.
import { readFileSync } from 'node:fs';
import { createServer as createTunnelServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, createServer } from 'node:https';
import { createRequire } from 'node:module';

/** The little of http-proxy that is used here; the package brings no types of its own. */
interface HttpProxy {
  createProxyServer(options: object): {
    web(request: IncomingMessage, response: ServerResponse): void;
    on(event: 'error', listener: (error: Error, request: IncomingMessage, response: ServerResponse) => void): void;
  };
}

const setting = (name: string): string => process.env[name] ?? '';
const [host, port] = setting('BENCH_LISTEN').split(':');
const { createProxyServer }: HttpProxy = createRequire(import.meta.url)('http-proxy');
const trust = { ca: readFileSync(setting('BENCH_TRUST')), servername: 'origin.test' };

const proxy = createProxyServer({
  target: { protocol: 'https:', host: '127.0.0.1', port: Number(setting('BENCH_ORIGIN_PORT')), ...trust },
  agent: new Agent({ keepAlive: true, maxFreeSockets: 4096, ...trust }),
  secure: true,
  headers: { authorization: `Bearer ${setting('BENCH_BEARER')}` },
});
proxy.on('error', (_error, _request, response) => response.destroy());

const secure = createServer(
  {
    cert: readFileSync(setting('BENCH_LEAF_CERT')),
    key: readFileSync(setting('BENCH_LEAF_KEY')),
    // Kept open while it is idle, like every other peer.
    keepAliveTimeout: 600_000,
  },
  (request, response) => proxy.web(request, response),
);

createTunnelServer({ noDelay: true })
  .on('connect', (_request, socket, head) => {
    socket.on('error', () => {});
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    if (head.length > 0) socket.unshift(head);
    secure.emit('connection', socket);
  })
  .listen(Number(port), host);
