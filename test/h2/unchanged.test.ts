import { expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { answering, rawValues } from '../support/h2-origins.ts';
import { ask, startNodeScene } from '../support/h2-stage.ts';
import { nodeClient } from '../support/h2-ways.ts';

closeOpened();

const LARGE_BYTES = 17 * 1024 * 1024;

it.each([70_000, LARGE_BYTES])('a body of %i bytes arrives whole, there and back', async (bytes) => {
  const { way } = await startNodeScene({
    onRequest: ({ stream, bytes: body }) => {
      void body.then((whole) => {
        stream.respond({ ':status': 200 });
        stream.end(whole);
      });
    },
  });
  const body = Buffer.alloc(bytes, 'twenty-three characters');
  const answer = await ask(await nodeClient(way), { ':method': 'POST', ':path': '/' }, { body });
  expect(answer.status).toBe(200);
  expect(answer.body.equals(body)).toBe(true);
});

it('te: trailers, priority and the crumbs of a cookie pass as they came', async () => {
  const { origin, way } = await startNodeScene({ onRequest: answering('ok') }, { rule: 'keep: [cookie]' });
  const session = await nodeClient(way);
  await ask(session, { ':path': '/', te: 'trailers', priority: 'u=1, i', cookie: ['a=1', 'b=2', 'c=3'] });
  const [request] = origin.requests;
  if (request === undefined) throw new Error('nothing was asked');
  expect(rawValues(request, 'te')).toEqual(['trailers']);
  expect(rawValues(request, 'priority')).toEqual(['u=1, i']);
  expect(rawValues(request, 'cookie').join('; ')).toBe('a=1; b=2; c=3');
});

it.each([
  ['HEAD', 200],
  ['GET', 204],
  ['GET', 304],
  ['POST', 205],
] as const)('an answer without a body is one: %s %i', async (method, status) => {
  const { way } = await startNodeScene({
    onRequest: ({ stream }) => stream.respond({ ':status': status, etag: '"x"' }, { endStream: true }),
  });
  const answer = await ask(await nodeClient(way), { ':method': method, ':path': '/' });
  expect([answer.status, answer.body.length, answer.code]).toEqual([status, 0, 0]);
  expect(answer.raw).toContain('"x"');
});

it('a hundred streams of one connection are answered side by side, each with its own', async () => {
  const { origin, way } = await startNodeScene({});
  const session = await nodeClient(way);
  const asked = Array.from({ length: 100 }, (_, n) => ask(session, { ':path': `/${n}` }));
  for (let n = 0; n < 100; n++) await origin.next();
  // The last first: nobody waits for another.
  for (const { stream, raw } of [...origin.requests].reverse()) {
    stream.respond({ ':status': 200 });
    stream.end(raw[raw.indexOf(':path') + 1]);
  }
  const answers = await Promise.all(asked);
  expect(answers.map(({ body }) => body.toString())).toEqual(answers.map((_, n) => `/${n}`));
});
