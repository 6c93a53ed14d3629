// mockttp, a testing proxy, passing everything through with one header set. Recording is off; upstream connections are kept for as long
// as the client's, which is how it pools.
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';

/** The little of mockttp that is used here: it is installed only for the benchmark, so its types are not there to import. */
interface Mockttp {
  getLocal(options: object): {
    start(port: number): Promise<void>;
    forAnyRequest(): { thenPassThrough(options: object): Promise<unknown> };
  };
}

const setting = (name: string): string => process.env[name] ?? '';
const [, port] = setting('BENCH_LISTEN').split(':');

// Every name is this machine: the origin is the only server the benchmark has. mockttp takes a resolver, but only one that speaks DNS.
const loopback = (_name: string, options: dns.LookupAllOptions | dns.LookupOneOptions, found: unknown): void => {
  if (typeof found !== 'function') return;
  if (options.all === true) process.nextTick(found, null, [{ address: '127.0.0.1', family: 4 }]);
  else process.nextTick(found, null, '127.0.0.1', 4);
};
Object.assign(dns, { lookup: loopback });
syncBuiltinESMExports();

const packageName = 'mockttp';
const { getLocal }: Mockttp = await import(packageName);
const server = getLocal({
  https: { certPath: setting('BENCH_CA_CERT'), keyPath: setting('BENCH_CA_KEY') },
  http2: setting('BENCH_HTTP2') !== '',
  recordTraffic: false,
  maxBodySize: 0,
});
await server.start(Number(port));
await server.forAnyRequest().thenPassThrough({
  transformRequest: { updateHeaders: { authorization: `Bearer ${setting('BENCH_BEARER')}` } },
});
