/** fetch.mjs CLIENT URL: a GET, then a POST of 1 MiB; prints what came back. fetch.mjs CLIENT URL events: a stream, with a word for each event. */
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';

const [client, url, mode] = process.argv.slice(2);
const BODY = 'x'.repeat(1024 * 1024);

/** Each answers with the body of the answer, as a stream. */
const CLIENTS = {
  https: async () => {
    const { request } = await import('node:https');
    return (path, method, body) =>
      new Promise((resolve, reject) => {
        const asking = request(url + path, { method }, resolve);
        asking.on('error', reject);
        asking.end(body);
      });
  },
  fetch: async () => fetching(fetch),
  undici: async () => {
    const { EnvHttpProxyAgent, request } = await import('undici');
    const dispatcher = new EnvHttpProxyAgent({ allowH2: false });
    return async (path, method, body) => (await request(url + path, { method, body, dispatcher })).body;
  },
  'undici-h2': async () => {
    const { EnvHttpProxyAgent, request } = await import('undici');
    const dispatcher = new EnvHttpProxyAgent({ allowH2: true });
    return async (path, method, body) => (await request(url + path, { method, body, dispatcher })).body;
  },
  axios: async () => {
    const { default: axios } = await import('axios');
    return async (path, method, data) => (await axios({ url: url + path, method, data, responseType: 'stream' })).data;
  },
};

function fetching(fetch) {
  return async (path, method, body) => {
    const answer = await fetch(url + path, { method, body });
    return answer.body === null ? Readable.from([]) : Readable.fromWeb(answer.body);
  };
}

async function textOf(stream) {
  let text = '';
  for await (const piece of stream.setEncoding('utf8')) text += piece;
  return text;
}

const ask = await CLIENTS[client]();
if (mode === 'events') {
  for await (const line of createInterface({ input: await ask('events', 'GET') })) {
    if (!line.startsWith('data: ')) continue;
    process.stdout.write(`${line.slice(6)}\n`);
    await textOf(await ask('ack', 'POST'));
  }
} else {
  process.stdout.write(await textOf(await ask('', 'GET')));
  process.stdout.write(await textOf(await ask('', 'POST', BODY)));
}
