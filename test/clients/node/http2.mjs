/** http2.mjs URL: `node:http2` through a CONNECT of its own, since it reads no proxy variable; a GET and a POST of 1 MiB on one session. */
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:http2';
import { connect as secure } from 'node:tls';

const url = new URL(process.argv[2]);
const proxy = new URL(process.env.HTTPS_PROXY);
// Node would name the proxy as the host, which RFC 9110 7.2 does not have.
const headers = { host: url.host };
const asking = request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: url.host, headers }).end();
const [answer, tunnel] = await once(asking, 'connect');
if (answer.statusCode !== 200) throw new Error(`CONNECT: ${answer.statusCode} ${answer.statusMessage}`);
const socket = secure({ socket: tunnel, servername: url.hostname, ALPNProtocols: ['h2'] });
const session = connect(url, { createConnection: () => socket });
for (const [method, body] of [['GET'], ['POST', 'x'.repeat(1024 * 1024)]]) {
  const stream = session.request({ ':method': method, ':path': '/' }).setEncoding('utf8');
  if (body !== undefined) stream.end(body);
  for await (const text of stream) process.stdout.write(text);
}
session.close();
