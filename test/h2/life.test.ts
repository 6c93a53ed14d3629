import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream, sensitiveHeaders } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { h2Answer, h2Request } from '../support/h2-client.ts';
import { policyFor, startH2Scene } from '../support/h2-scene.ts';
import { SECRET } from '../support/scene.ts';

closeOpened();

/** A handler that hands each stream to the test, and the test's way to wait for them. */
function asked() {
  const streams: ServerHttp2Stream[] = [];
  const waiting: ((stream: ServerHttp2Stream) => void)[] = [];
  let taken = 0;
  const handler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void => {
    HEADERS.set(stream, headers);
    streams.push(stream);
    waiting.shift()?.(stream);
  };
  const next = (): Promise<ServerHttp2Stream> => {
    const there = streams[taken++];
    return there === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(there);
  };
  return { handler, next, streams };
}

describe('a stream through the interception', () => {
  it('that its client cancels is cancelled at the origin', async () => {
    const { handler, next } = asked();
    const { session, postern } = await startH2Scene({ handler });
    const stream = (await session()).request({ ':path': '/' });
    stream.on('error', () => {});
    const seen = await next();
    const closed = once(seen, 'close');
    stream.close(constants.NGHTTP2_CANCEL);
    await closed;
    expect(seen.rstCode).toBe(constants.NGHTTP2_CANCEL);
    expect(await postern.audited({ code: 'REQUEST_INVALID' })).toMatchObject({ protocol: 'h2', status: null });
  });

  it.each([
    ['REFUSED_STREAM', constants.NGHTTP2_REFUSED_STREAM],
    ['ENHANCE_YOUR_CALM', constants.NGHTTP2_ENHANCE_YOUR_CALM],
    ['INTERNAL_ERROR', constants.NGHTTP2_INTERNAL_ERROR],
    ['CANCEL', constants.NGHTTP2_CANCEL],
  ])('that the origin resets in its answer with %s ends so at its client', async (_name, code) => {
    const { session } = await startH2Scene({
      handler: (stream) => {
        // Without, Node ends the answer before it resets the stream.
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.write('half');
        setImmediate(() => stream.close(code));
      },
    });
    const answer = await h2Request(await session(), { ':path': '/' });
    expect(answer).toMatchObject({ status: 200, rstCode: code });
  });

  it('that the origin resets before its answer is 502', async () => {
    const { session } = await startH2Scene({
      handler: (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
    });
    const answer = await h2Request(await session(), { ':method': 'POST', ':path': '/' }, 'x');
    expect(answer).toMatchObject({ status: 502, headers: { 'x-postern-error': 'UPSTREAM_RESET' } });
  });

  it('whose answer comes before its request is over is answered in full, and told to stop', async () => {
    const { session } = await startH2Scene({
      handler: (stream) => {
        stream.respond({ ':status': 413 });
        stream.end('too much');
      },
    });
    const client = await session();
    const stream = client.request({ ':method': 'POST', ':path': '/' });
    stream.write(Buffer.alloc(10_000));
    const answer = await h2Answer(stream);
    expect(answer).toMatchObject({ status: 413, body: Buffer.from('too much'), rstCode: 0 });
    expect((await h2Request(client, { ':path': '/' })).status).toBe(413);
  });

  it.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('has no body for %s %d', async (method, status) => {
    const { session } = await startH2Scene({
      handler: (stream) => {
        const length = status === 204 ? {} : { 'content-length': 12 };
        stream.respond({ ':status': status, ...length, etag: '"a"' }, { endStream: true });
      },
    });
    const answer = await h2Request(await session(), { ':method': method, ':path': '/' });
    expect(answer).toMatchObject({ status, headers: { etag: '"a"' }, rstCode: 0 });
    expect(answer.body).toHaveLength(0);
  });

  it('carries interim answers, and the body that waits for one', async () => {
    const { session } = await startH2Scene({
      handler: (stream, headers) => {
        expect(headers.expect).toBe('100-continue');
        stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
        stream.additionalHeaders({ ':status': 100 });
        stream.respond({ ':status': 200 });
        stream.pipe(stream);
      },
    });
    const stream = (await session()).request({ ':method': 'POST', ':path': '/', expect: '100-continue' });
    stream.once('continue', () => stream.end('now'));
    const answer = await h2Answer(stream);
    expect(answer).toMatchObject({ status: 200, interim: [103, 100], body: Buffer.from('now') });
  });

  it('never lets a secret be indexed, and passes on what the client marked so', async () => {
    const { handler, next } = asked();
    const { session } = await startH2Scene({ handler });
    const client = await session();
    const headers = { ':path': '/', 'x-own': 'v', 'x-private': 'p', priority: 'u=1', te: 'trailers' };
    Object.assign(headers, { [http2Sensitive]: ['x-private'] });
    const stream = client.request(headers);
    stream.on('error', () => {});
    const seen = await next();
    const { sensitive, all } = headersOf(seen);
    expect(all).toMatchObject({ authorization: `Bearer ${SECRET}`, priority: 'u=1', te: 'trailers' });
    expect([...sensitive].sort()).toEqual(['authorization', 'x-private']);
  });
});

describe('many streams on one connection', () => {
  it('run beside one another on one connection to the origin', async () => {
    const { handler, streams } = asked();
    const { session, origin } = await startH2Scene({ handler });
    const client = await session();
    const answers = Array.from({ length: 100 }, (_, index) => h2Request(client, { ':path': `/${index}` }));
    while (streams.length < 100) await new Promise((resolve) => setImmediate(resolve));
    for (const stream of streams.reverse()) {
      stream.respond({ ':status': 200 });
      stream.end(String(headersOf(stream).all[':path']));
    }
    const bodies = (await Promise.all(answers)).map(({ body }) => body.toString());
    expect(bodies).toEqual(Array.from({ length: 100 }, (_, index) => `/${index}`));
    expect(origin.sessions).toHaveLength(1);
  });

  it('are not held up by one that is not read, and neither is memory', async () => {
    const big = Buffer.alloc(64 * 1024, 'x');
    const { session, postern } = await startH2Scene({
      handler: (stream, headers) => {
        stream.respond({ ':status': 200 });
        if (headers[':path'] !== '/endless') {
          stream.end(Buffer.alloc(2_000_000, 'y'));
          return;
        }
        const more = (): void => {
          while (stream.writable && stream.write(big));
          stream.once('drain', more);
        };
        more();
      },
    });
    const client = await session();
    const slow = Array.from({ length: 10 }, () => client.request({ ':path': '/endless' }));
    for (const stream of slow) {
      stream.on('error', () => {});
      await once(stream, 'response');
      stream.pause();
    }
    const before = rssOf(postern.child.pid ?? 0);
    for (let round = 0; round < 10; round++) {
      const answer = await h2Request(client, { ':path': `/${round}` });
      expect(answer.body).toHaveLength(2_000_000);
    }
    expect(rssOf(postern.child.pid ?? 0) - before).toBeLessThan(64 * 1024 * 1024);
    for (const stream of slow) stream.close(constants.NGHTTP2_CANCEL);
  });
});

describe('a connection', () => {
  it('that the origin closes with GOAWAY serves what runs; the next request goes on another', async () => {
    const { handler, next } = asked();
    const { session, origin } = await startH2Scene({ handler });
    const client = await session();
    const first = h2Request(client, { ':path': '/1' });
    const running = await next();
    origin.sessions[0]?.close();
    const second = h2Request(client, { ':method': 'POST', ':path': '/2' }, 'x');
    const other = await next();
    expect(origin.sessions).toHaveLength(2);
    other.respond({ ':status': 200 });
    other.end('2');
    running.respond({ ':status': 200 });
    running.end('1');
    expect((await first).body.toString() + (await second).body.toString()).toBe('12');
  });

  it('that the origin has torn down while it was idle is replaced without an error', async () => {
    const { session, origin } = await startH2Scene({});
    const client = await session();
    for (let round = 0; round < 5; round++) {
      expect((await h2Request(client, { ':method': 'POST', ':path': '/' }, 'x')).status).toBe(200);
      const [last] = origin.sessions.slice(-1);
      last?.destroy();
      if (last !== undefined && !last.destroyed) await once(last, 'close');
    }
  });

  it('of a client is told of the drain, finishes what runs, and is closed', async () => {
    const { handler, next } = asked();
    const { session, postern } = await startH2Scene({ handler });
    const client = await session();
    const answer = h2Request(client, { ':path': '/' });
    const running = await next();
    const goaway = once(client, 'goaway');
    const closed = once(client, 'close');
    const ended = postern.stop();
    await goaway;
    running.respond({ ':status': 200 });
    running.end('finished');
    expect((await answer).body.toString()).toBe('finished');
    await closed;
    expect(await ended).toBe(0);
  });

  it('of a client whose streams outlast the drain is ended all the same', async () => {
    const { handler, next } = asked();
    const { session, postern } = await startH2Scene({ handler, limits: { drain: '1s' } });
    const answer = h2Request(await session(), { ':path': '/' });
    await next();
    expect(await postern.stop()).toBe(0);
    expect(await answer).toMatchObject({ status: 503, headers: { 'x-postern-error': 'DRAINING' } });
  });
});

describe('an edit of the policy', () => {
  it('ends the stream that it denies, and no other of the connection', async () => {
    const { handler, next } = asked();
    const { session, postern, origin } = await startH2Scene({ handler });
    const client = await session();
    const denied = h2Request(client, { ':path': '/denied' });
    await next();
    const kept = h2Request(client, { ':path': '/kept' });
    const running = await next();
    const deny = '  - { name: no, hosts: [origin.test], ports: [PORT], paths: ["/denied"], action: deny }';
    postern.replace('policies/test.yaml', policyFor(origin.port, deny));
    expect(await denied).toMatchObject({ status: 403, headers: { 'x-postern-error': 'RULE_DENIED' } });
    running.respond({ ':status': 200 });
    running.end('kept');
    expect((await kept).body.toString()).toBe('kept');
    expect(client.closed).toBe(false);
  });

  it('that leaves nothing of the host closes the connection, after its streams were told', async () => {
    const { handler, next } = asked();
    const { session, postern } = await startH2Scene({ handler });
    const client = await session();
    const answer = h2Request(client, { ':path': '/' });
    await next();
    const goaway = once(client, 'goaway');
    postern.replace('policies/test.yaml', 'version: 1\nrules: []\n');
    expect(await answer).toMatchObject({ status: 403, headers: { 'x-postern-error': 'HOST_DENIED' } });
    await goaway;
    if (!client.destroyed) await once(client, 'close');
  });
});

const http2Sensitive: PropertyKey = sensitiveHeaders;

/** What a stream of Node's was opened with. */
function headersOf(stream: ServerHttp2Stream): {
  readonly all: IncomingHttpHeaders;
  readonly sensitive: readonly string[];
} {
  const all = HEADERS.get(stream) ?? {};
  return { all, sensitive: Reflect.get(all, sensitiveHeaders) ?? [] };
}

const HEADERS = new WeakMap<ServerHttp2Stream, IncomingHttpHeaders>();

const rssOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
