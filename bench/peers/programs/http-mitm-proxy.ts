// http-mitm-proxy as its README sets it up, with keep-alive on both sides. It makes an authority of its own (RSA, the only kind it has)
// in BENCH_FOLDER/ca, and a leaf with a new RSA key for every name.
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import type { LookupFunction } from 'node:net';

/** The little of http-mitm-proxy that is used here: it is installed only for the benchmark, so its types are not there to import. */
interface Context {
  readonly proxyToServerRequestOptions?: { readonly headers: Record<string, string> };
}
interface MitmProxy {
  onError(listener: () => void): void;
  onRequest(listener: (context: Context, next: () => void) => void): void;
  listen(options: object): void;
}

const setting = (name: string): string => process.env[name] ?? '';
const [host, port] = setting('BENCH_LISTEN').split(':');
const packageName = 'http-mitm-proxy';
const { Proxy: MitmProxyServer }: { Proxy: new () => MitmProxy } = await import(packageName);

// Every name is this machine: the origin is the only server the benchmark has.
const lookup: LookupFunction = (_name, options, found) => {
  if (options.all === true) found(null, [{ address: '127.0.0.1', family: 4 }]);
  else found(null, '127.0.0.1', 4);
};

const bearer = `Bearer ${setting('BENCH_BEARER')}`;
const proxy = new MitmProxyServer();
proxy.onError(() => {});
proxy.onRequest((context, next) => {
  const options = context.proxyToServerRequestOptions;
  if (options !== undefined) options.headers.authorization = bearer;
  next();
});
proxy.listen({
  host,
  port: Number(port),
  sslCaDir: `${setting('BENCH_FOLDER')}/ca`,
  keepAlive: true,
  httpsAgent: new Agent({ keepAlive: true, maxFreeSockets: 4096, ca: readFileSync(setting('BENCH_TRUST')), lookup }),
});
