import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { constants, sensitiveHeaders } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { answering } from '../support/h2-origins.ts';
import { answerOn, ask, startNodeScene } from '../support/h2-stage.ts';
import { nodeClient } from '../support/h2-ways.ts';
import { SECRET } from '../support/scene.ts';

closeOpened();

describe('a stream through the interception', () => {
  it('that its client cancels is cancelled at the origin', async () => {
    const { way, postern, origin } = await startNodeScene({});
    const stream = (await nodeClient(way)).request({ ':path': '/' });
    stream.on('error', () => {});
    const { closed } = await origin.next();
    stream.close(constants.NGHTTP2_CANCEL);
    expect(await closed).toBe(constants.NGHTTP2_CANCEL);
    expect(await postern.audited({ code: 'REQUEST_INVALID' })).toMatchObject({ protocol: 'h2', status: null });
  });

  it.each([
    ['REFUSED_STREAM', constants.NGHTTP2_REFUSED_STREAM],
    ['ENHANCE_YOUR_CALM', constants.NGHTTP2_ENHANCE_YOUR_CALM],
    ['INTERNAL_ERROR', constants.NGHTTP2_INTERNAL_ERROR],
    ['CANCEL', constants.NGHTTP2_CANCEL],
  ])('that the origin resets in its answer with %s ends so at its client', async (_name, code) => {
    const { way } = await startNodeScene({
      onRequest: ({ stream }) => {
        // Without, Node ends the answer before it resets the stream.
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.write('half');
        setImmediate(() => stream.close(code));
      },
    });
    const answer = await ask(await nodeClient(way), { ':path': '/' });
    expect(answer).toMatchObject({ status: 200, code });
  });

  it('that the origin resets before its answer is 502', async () => {
    const { way } = await startNodeScene({
      onRequest: ({ stream }) => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
    });
    const answer = await ask(await nodeClient(way), { ':method': 'POST', ':path': '/' }, { body: 'x' });
    expect(answer).toMatchObject({ status: 502, fields: { 'x-postern-error': 'UPSTREAM_RESET' } });
  });

  it('whose answer comes before its request is over is answered in full, and told to stop', async () => {
    const { way } = await startNodeScene({
      reads: false,
      onRequest: ({ stream }) => {
        stream.respond({ ':status': 413 });
        stream.end('too much');
      },
    });
    const client = await nodeClient(way);
    const stream = client.request({ ':method': 'POST', ':path': '/' });
    stream.write(Buffer.alloc(10_000));
    const answer = await answerOn(stream);
    expect(answer).toMatchObject({ status: 413, body: Buffer.from('too much'), code: 0 });
    expect((await ask(client, { ':path': '/' })).status).toBe(413);
  });

  it.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('has no body for %s %d', async (method, status) => {
    const { way } = await startNodeScene({
      onRequest: ({ stream }) => {
        const length = status === 204 ? {} : { 'content-length': 12 };
        stream.respond({ ':status': status, ...length, etag: '"a"' }, { endStream: true });
      },
    });
    const answer = await ask(await nodeClient(way), { ':method': method, ':path': '/' });
    expect(answer).toMatchObject({ status, fields: { etag: '"a"' }, code: 0 });
    expect(answer.body).toHaveLength(0);
  });

  it('carries interim answers, and the body that waits for one', async () => {
    const { way } = await startNodeScene({
      onRequest: ({ stream, fields }) => {
        expect(fields.expect).toBe('100-continue');
        stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
        stream.additionalHeaders({ ':status': 100 });
        stream.respond({ ':status': 200 });
        stream.pipe(stream);
      },
    });
    const stream = (await nodeClient(way)).request({ ':method': 'POST', ':path': '/', expect: '100-continue' });
    stream.once('continue', () => stream.end('now'));
    const answer = await answerOn(stream);
    expect(answer).toMatchObject({ status: 200, interim: [103, 100], body: Buffer.from('now') });
  });

  it('never lets a secret be indexed, and passes on what the client marked so', async () => {
    const { way, origin } = await startNodeScene({});
    const headers = { ':path': '/', 'x-own': 'v', 'x-private': 'p', priority: 'u=1', te: 'trailers' };
    const stream = (await nodeClient(way)).request({ ...headers, [sensitiveHeaders]: ['x-private'] });
    stream.on('error', () => {});
    const { fields } = await origin.next();
    const sensitive: readonly string[] = Reflect.get(fields, sensitiveHeaders) ?? [];
    expect(fields).toMatchObject({ authorization: `Bearer ${SECRET}`, priority: 'u=1', te: 'trailers' });
    expect([...sensitive].sort()).toEqual(['authorization', 'x-private']);
  });
});

describe('many streams on one connection', () => {
  it('run beside one another on one connection to the origin', async () => {
    const { way, origin } = await startNodeScene({});
    const client = await nodeClient(way);
    const answers = Array.from({ length: 100 }, (_, index) => ask(client, { ':path': `/${index}` }));
    for (let count = 0; count < 100; count++) await origin.next();
    for (const { stream, fields } of origin.requests.toReversed()) {
      stream.respond({ ':status': 200 });
      stream.end(fields[':path']);
    }
    const bodies = (await Promise.all(answers)).map(({ body }) => body.toString());
    expect(bodies).toEqual(Array.from({ length: 100 }, (_, index) => `/${index}`));
    expect(origin.sessions).toHaveLength(1);
  });

  it('are not held up by one that is not read, and neither is memory', async () => {
    const big = Buffer.alloc(64 * 1024, 'x');
    const { way, postern } = await startNodeScene({
      onRequest: ({ stream, fields }) => {
        stream.respond({ ':status': 200 });
        if (fields[':path'] !== '/endless') {
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
    const client = await nodeClient(way);
    const slow = Array.from({ length: 10 }, () => client.request({ ':path': '/endless' }));
    for (const stream of slow) {
      stream.on('error', () => {});
      await once(stream, 'response');
      stream.pause();
    }
    const before = rssOf(postern.child.pid ?? 0);
    for (let round = 0; round < 10; round++) {
      const answer = await ask(client, { ':path': `/${round}` });
      expect(answer.body).toHaveLength(2_000_000);
    }
    expect(rssOf(postern.child.pid ?? 0) - before).toBeLessThan(64 * 1024 * 1024);
    for (const stream of slow) stream.close(constants.NGHTTP2_CANCEL);
  });
});

describe('a connection', () => {
  it('that the origin closes with GOAWAY serves what runs; the next request goes on another', async () => {
    const { way, origin } = await startNodeScene({});
    const client = await nodeClient(way);
    const stream = client.request({ ':path': '/1' });
    const first = answerOn(stream);
    const running = await origin.next();
    running.session.close();
    // What comes behind the GOAWAY shows that it was read: a body that had begun before would be lost with its stream.
    const hinted = once(stream, 'headers');
    running.stream.additionalHeaders({ ':status': 103 });
    await hinted;
    const second = ask(client, { ':method': 'POST', ':path': '/2' }, { body: 'x' });
    const other = await origin.next();
    expect(origin.sessions).toHaveLength(2);
    other.stream.respond({ ':status': 200 });
    other.stream.end('2');
    running.stream.respond({ ':status': 200 });
    running.stream.end('1');
    expect((await first).body.toString() + (await second).body.toString()).toBe('12');
  });

  it('that the origin has torn down while it was idle is replaced without an error', async () => {
    const { way, origin } = await startNodeScene({ onRequest: answering('ok') });
    const client = await nodeClient(way);
    for (let round = 0; round < 5; round++) {
      expect((await ask(client, { ':method': 'POST', ':path': '/' }, { body: 'x' })).status).toBe(200);
      const [last] = origin.sessions.slice(-1);
      last?.destroy();
      if (last !== undefined && !last.destroyed) await once(last, 'close');
    }
  });

  it('of a client is told of the drain, finishes what runs, and is closed', async () => {
    const { way, postern, origin } = await startNodeScene({});
    const client = await nodeClient(way);
    const answer = ask(client, { ':path': '/' });
    const { stream } = await origin.next();
    const goaway = once(client, 'goaway');
    const closed = once(client, 'close');
    const ended = postern.stop();
    await goaway;
    stream.respond({ ':status': 200 });
    stream.end('finished');
    expect((await answer).body.toString()).toBe('finished');
    await closed;
    expect(await ended).toBe(0);
  });

  it('of a client whose streams outlast the drain is ended all the same', async () => {
    const { way, postern, origin } = await startNodeScene({}, { limits: { drain: '1s' } });
    const answer = ask(await nodeClient(way), { ':path': '/' });
    await origin.next();
    expect(await postern.stop()).toBe(0);
    expect(await answer).toMatchObject({ status: 503, fields: { 'x-postern-error': 'DRAINING' } });
  });
});

describe('an edit of the policy', () => {
  it('ends the stream that it denies, and no other of the connection', async () => {
    const { way, postern, origin, policy } = await startNodeScene({});
    const client = await nodeClient(way);
    const denied = ask(client, { ':path': '/denied' });
    await origin.next();
    const kept = ask(client, { ':path': '/kept' });
    const running = await origin.next();
    const deny = '  - { name: no, hosts: [origin.test], ports: [PORT], paths: ["/denied"], action: deny }';
    postern.replace('policies/test.yaml', policy('', deny));
    expect(await denied).toMatchObject({ status: 403, fields: { 'x-postern-error': 'RULE_DENIED' } });
    running.stream.respond({ ':status': 200 });
    running.stream.end('kept');
    expect((await kept).body.toString()).toBe('kept');
    expect(client.closed).toBe(false);
  });

  it('that leaves nothing of the host closes the connection, after its streams were told', async () => {
    const { way, postern, origin } = await startNodeScene({});
    const client = await nodeClient(way);
    const answer = ask(client, { ':path': '/' });
    await origin.next();
    const goaway = once(client, 'goaway');
    postern.replace('policies/test.yaml', 'version: 1\nrules: []\n');
    expect(await answer).toMatchObject({ status: 403, fields: { 'x-postern-error': 'HOST_DENIED' } });
    await goaway;
    if (!client.destroyed) await once(client, 'close');
  });
});

const rssOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
