// A raw tunnel: CONNECT, then bytes both ways. No interception, no injection; what any proxy on this runtime pays for moving bytes.
import { createServer } from 'node:http';
import { connect } from 'node:net';

const [host, port] = (process.env.BENCH_LISTEN ?? '').split(':');
const originPort = Number(process.env.BENCH_ORIGIN_PORT);

createServer()
  .on('connect', (_request, client, head) => {
    const upstream = connect({ port: originPort, host: '127.0.0.1', noDelay: true });
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    client.on('error', end);
    upstream.on('error', end);
    client.on('close', end);
    upstream.on('close', end);
    upstream.on('connect', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      if (head.length > 0) upstream.write(head);
      client.pipe(upstream);
      upstream.pipe(client);
    });
  })
  .listen(Number(port), host);
