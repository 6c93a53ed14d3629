/** chat.mjs CLIENT URL: over one WebSocket a short text, 1 MiB of text and every byte as binary; prints what came back of each, and the extensions. */

const [client, url] = process.argv.slice(2);

const CLIENTS = {
  ws: async () => {
    const { Agent } = await import('node:https');
    const { WebSocket } = await import('ws');
    // `ws` makes its connection itself, past the agent that reads the variables, unless it is given one.
    const socket = new WebSocket(url, { agent: new Agent({ proxyEnv: process.env }), perMessageDeflate: true });
    return socket;
  },
  WebSocket: async () => new WebSocket(url),
  'WebSocket-proxy': async () => new WebSocket(url, { proxy: process.env.HTTPS_PROXY }),
};

const socket = await CLIENTS[client]();
socket.binaryType = 'arraybuffer';
const next = (event) =>
  new Promise((resolve, reject) => {
    socket.addEventListener(event, resolve, { once: true });
    socket.addEventListener('error', (error) => reject(error.error ?? new Error('failed')), { once: true });
  });
await next('open');
for (const message of ['hello', 'x'.repeat(1024 * 1024), Buffer.from([...Array(256).keys()])]) {
  socket.send(message);
  const { data } = await next('message');
  console.log(Buffer.from(data).equals(Buffer.from(message)));
}
console.log(socket.extensions);
socket.close();
await next('close');
