import { describe, expect, it } from 'vitest';
import { expectUnharmed, getFrom, getInside, OK } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { answeringWhole } from '../support/origin.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { seenBy, startPlainScene, startScene } from '../support/scene.ts';

closeOpened();

const scene = shared(
  () => startScene({ origin: { onConnection: answeringWhole(OK) } }),
  ({ postern }) => expectUnharmed(postern),
);

const smuggled = (): string => getInside(scene().authority, '/smuggled');

/** The statuses of all answers on a connection that the proxy ends. */
async function statusesOn(client: RawClient): Promise<readonly string[]> {
  const all = await client.untilEnded();
  return [...all.matchAll(/HTTP\/1\.1 (\d\d\d)/g)].map(([, status]) => status ?? '');
}

/** Nothing was ever read as the smuggled request, by us or by the origin. */
function expectNoneSmuggled(): void {
  const { origin, postern } = scene();
  expect(seenBy(origin)).not.toMatch(/^[A-Z]+ \/smuggled/m);
  expect(postern.audit.filter(({ path }) => path === '/smuggled')).toEqual([]);
}

describe('a request behind another', () => {
  it.each([
    ['two lengths', 'Content-Length: 4\r\nContent-Length: 0\r\n'],
    ['a length and chunks', 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n'],
    ['an unknown coding', 'Transfer-Encoding: cow\r\n'],
    ['a length that is none', 'Content-Length: x\r\n'],
    ['two Hosts and a length', 'Host: evil.test\r\nContent-Length: 4\r\n'],
    ['a Host of another and a length', 'X: y\r\nContent-Length: 400\r\n'],
  ])('that has %s is not read', async (_attack, fields) => {
    const client = await scene().tunnel();
    const host = fields.startsWith('X') ? 'evil.test' : scene().authority;
    client.send(`POST /attack HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n0\r\n\r\n${smuggled()}`);
    expect(await statusesOn(client)).toHaveLength(1);
    expectNoneSmuggled();
  });

  it.each([
    ['Connection: close', 'HTTP/1.1', 'Connection: close\r\n'],
    ['Connection: close among others', 'HTTP/1.1', 'Connection: keep-alive, CLOSE\r\n'],
    ['Connection: close on a second line', 'HTTP/1.1', 'Connection: x\r\nConnection: close\r\n'],
    ['HTTP/1.0', 'HTTP/1.0', ''],
    ['HTTP/1.0 and keep-alive that is nominated', 'HTTP/1.0', 'Connection: keep-alivex\r\n'],
  ])('that has %s is not read', async (_attack, version, fields) => {
    const client = await scene().tunnel();
    client.send(`${getInside(scene().authority, '/good', fields).replace('HTTP/1.1', version)}${smuggled()}`);
    expect(await statusesOn(client)).toEqual(['200']);
    expectNoneSmuggled();
  });

  it('of a good one is judged on its own, and the one behind it too', async () => {
    const { authority, tunnel } = scene();
    const client = await tunnel();
    const wrong = getInside('evil.test', '/wrong');
    client.send(getInside(authority, '/1') + wrong + getInside(authority, '/2') + wrong + wrong);
    client.send(getInside(authority, '/3', 'Connection: close\r\n'));
    expect(await statusesOn(client)).toEqual(['200', '421', '200', '421', '421', '200']);
    expect(seenBy(scene().origin)).not.toContain('/wrong');
  });

  it('and 500 more are answered in their order, one at a time', async () => {
    const { authority, tunnel, origin } = scene();
    const client = await tunnel();
    const before = origin.connections.length;
    const requests = Array.from({ length: 500 }, (_, index) => getInside(authority, `/n${index}`));
    client.send(requests.join('') + getInside(authority, '/last', 'Connection: close\r\n'));
    expect(await statusesOn(client)).toHaveLength(501);
    const order = seenBy(origin).match(/(?<=^GET \/n)\d+/gm);
    expect(order).toEqual(requests.map((_request, index) => String(index)));
    expect(origin.connections.length).toBeLessThanOrEqual(before + 1);
  });

  it('after one empty line is read, as some clients end a body with one; after two it is not', async () => {
    const { authority, tunnel } = scene();
    const one = await tunnel();
    one.send(`${getInside(authority)}\r\n${getInside(authority, '/', 'Connection: close\r\n')}`);
    expect(await statusesOn(one)).toEqual(['200', '200']);
    const two = await tunnel();
    two.send(`${getInside(authority)}\r\n\r\n${smuggled()}`);
    expect(await statusesOn(two)).toEqual(['200', '400']);
    expectNoneSmuggled();
  });

  it.each([
    ['is refused', 'evil.test:443'],
    ['is no authority', 'evil.test'],
  ])('CONNECT that %s is not read (CVE-2025-64763)', async (_attack, authority) => {
    const client = await connectRaw(scene().postern.proxyPort);
    client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n${getFrom('plain.test', '/smuggled')}`);
    expect(await statusesOn(client)).toHaveLength(1);
    expectNoneSmuggled();
  });
});

describe('a request in the body of another', () => {
  const carriers = shared(
    () => startPlainScene(),
    ({ postern }) => expectUnharmed(postern),
  );

  it.each(['GET', 'HEAD', 'OPTIONS', 'DELETE', 'POST', 'PROPFIND', 'X'])(
    'of the method %s is its body, for us and for the origin (CVE-2025-32094)',
    async (method) => {
      const { authority, postern, origin } = carriers();
      const client = await connectRaw(postern.proxyPort);
      const body = getInside(authority, '/smuggled');
      const fields = `Host: ${authority}\r\nContent-Length: ${body.length}\r\n\r\n`;
      client.send(`${method} http://${authority}/carrier HTTP/1.1\r\n${fields}${body}`);
      const connection = await origin.next();
      await connection.until(/\/smuggled HTTP[\s\S]*\r\n\r\n$/);
      connection.socket.end(OK.replace('\r\n', '\r\nConnection: close\r\n'));
      await client.until(/HTTP\/1\.1 200 OK\r\n/);
      expect(connection.received).toBe(`${method} /carrier HTTP/1.1\r\n${fields}${body}`);
      expect(postern.audit.filter(({ path }) => path === '/smuggled')).toEqual([]);
    },
  );
});

describe('an expectation', () => {
  it.each([
    ['nobody knows', 'Expect: 200-ok'],
    ['has more before it', 'Expect: y 100-continue'],
    ['has more behind it', 'Expect: 100-continue, y'],
    ['has a parameter', 'Expect: 100-continue;q=1'],
    ['comes twice in a list', 'Expect: 100-continue, 100-continue'],
    ['comes twice', 'Expect: 100-continue\r\nExpect: 100-continue'],
    ['comes a second time as another', 'Expect: 100-continue\r\nExpect: y 100-continue'],
    ['is empty', 'Expect:'],
    ['has a no-break space', 'Expect: 100-continue\xa0'],
  ])('that %s is refused, and the body is not read as a request', async (_attack, fields) => {
    const client = await scene().tunnel();
    const body = smuggled();
    client.send(
      `POST / HTTP/1.1\r\nHost: ${scene().authority}\r\n${fields}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    expect(await statusesOn(client)).toEqual(['417']);
    expectNoneSmuggled();
  });
});

describe('a body', () => {
  it('whose answer came before it is not what the next request on the connection begins with (CVE-2025-4366)', async () => {
    const { authority, postern, origin } = await startPlainScene();
    const client = await connectRaw(postern.proxyPort);
    const body = getInside(authority, '/smuggled');
    client.send(`${getFrom(authority, '/slow', `Content-Length: ${body.length}\r\n`).replace('GET', 'POST')}`);
    const first = await origin.next();
    await first.until(/\r\n\r\n$/);
    first.socket.write(OK);
    await client.take(/ok$/);
    client.send(body);
    const next = await connectRaw(postern.proxyPort);
    next.send(getFrom(authority, '/good'));
    const second = await origin.next();
    await second.until(/^GET \/good [\s\S]*\r\n\r\n$/);
    second.socket.write(OK);
    expect(await next.take(/ok$/)).toBe(OK);
    expect(seenBy(origin)).not.toMatch(/GET \/smuggled/);
    expect(postern.audit.filter(({ path }) => path === '/smuggled')).toEqual([]);
  });

  it.each([
    ['a length', 'Content-Length: 10\r\n\r\nabc', /\r\n\r\nabc$/],
    ['chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\nabc', /\r\n3\r\nabc(\r\n)?$/],
    ['chunks, between two', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n', /\r\n3\r\nabc\r\n$/],
    ['chunks, in the last', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n', /\r\n3\r\nabc\r\n$/],
  ])('of %s that stops reaches the origin as one that is cut', async (_attack, rest, seen) => {
    const { authority, postern, origin } = await startPlainScene();
    const client = await connectRaw(postern.proxyPort);
    client.send(`POST http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n${rest}`);
    const connection = await origin.next();
    await connection.until(seen);
    client.end();
    await connection.untilEnded();
    expect(connection.received).toMatch(seen);
  });

  it('in chunks reaches the origin without their extensions and in sizes of ours', async () => {
    const { authority, tunnel, origin } = scene();
    const client = await tunnel();
    const body = '0003;a="b;c";d\r\nabc\r\n02 ;x\r\nde\r\n00;last\r\n\r\n';
    client.send(`POST /chunks HTTP/1.1\r\nHost: ${authority}\r\nTransfer-Encoding: CHUNKED\r\n\r\n${body}`);
    await client.take(/ok$/);
    expect(seenBy(origin)).toMatch(/POST \/chunks [\s\S]*Transfer-Encoding: chunked\r\n\r\n[\s\S]*0\r\n\r\n/);
    expect(seenBy(origin)).not.toMatch(/a="b|;last|CHUNKED/);
  });

  it('has no length under a look-alike of the name', async () => {
    const { authority, tunnel, origin } = scene();
    const client = await tunnel();
    const lengths = 'Content_Length: 400\r\nContent-Length: 4\r\ncontent_length: 0\r\n';
    client.send(`POST /twin HTTP/1.1\r\nHost: ${authority}\r\n${lengths}\r\n\r\n\r\n`);
    await client.take(/ok$/);
    expect(seenBy(origin)).toMatch(/POST \/twin HTTP\/1\.1\r\nHost: \S+\r\nContent-Length: 4\r\nAuthorization: /);
    expect(seenBy(origin)).not.toMatch(/content_length/i);
  });
});
