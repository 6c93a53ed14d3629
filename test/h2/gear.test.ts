import { sensitiveHeaders } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { TestAuthority } from '../support/certificates.ts';
import { closeOpened } from '../support/closing.ts';
import { data, errorCode, frame, headers, PREFACE, reset, TYPE } from '../support/h2-frames.ts';
import { block, decodeHuffman, encodeHuffman, HpackDecoder, huffman, indexed, literal } from '../support/h2-hpack.ts';
import { startFrameOrigin, startNodeOrigin } from '../support/h2-origins.ts';
import { headOf, statusOf, values } from '../support/h2-peer.ts';
import { directly, frameClient, nodeClient, requestFields } from '../support/h2-ways.ts';

closeOpened();

const authority = new TestAuthority();
const tls = authority.issue({ names: ['origin.test'] });

describe('our own HPACK', () => {
  it('reads the examples of RFC 7541 appendix C.4, tables included', () => {
    const decoder = new HpackDecoder();
    const decode = (hex: string) =>
      decoder.decode(Buffer.from(hex, 'hex')).map(({ name, value }) => `${name}: ${value}`);
    expect(decode('828684418cf1e3c2e5f23a6ba0ab90f4ff')).toEqual([
      ':method: GET',
      ':scheme: http',
      ':path: /',
      ':authority: www.example.com',
    ]);
    expect(decode('828684be5886a8eb10649cbf')).toContain('cache-control: no-cache');
    expect(decode('828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf')).toEqual([
      ':method: GET',
      ':scheme: https',
      ':path: /index.html',
      ':authority: www.example.com',
      'custom-key: custom-value',
    ]);
  });

  it('codes every byte as it decodes it', () => {
    const all = Buffer.from([...Array(256).keys()]).toString('latin1');
    expect(decodeHuffman(encodeHuffman(all))).toBe(all);
  });
});

describe('a client of frames', () => {
  it('asks a server of Node and reads its answer, trailers and all', async () => {
    const origin = await startNodeOrigin({
      tls,
      onRequest: ({ stream, raw }) => {
        stream.additionalHeaders({ ':status': 103, link: '</x>' });
        stream.respond({ ':status': 200, 'x-asked': raw.join('|') }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': '1' }));
        stream.end('hello');
      },
    });
    const way = directly(origin.port, authority.pem);
    const client = await frameClient(way);
    client.send(
      headers(
        1,
        Buffer.concat([
          indexed(2),
          block(requestFields(way.authority).slice(1)),
          Buffer.from([0x00, 0x01, 0x78]),
          huffman('y'),
        ]),
        { end: true },
      ),
    );
    expect(await client.outcome(1)).toBe('200');
    const { sections, body } = await client.finished(1);
    expect(sections.map(statusOf)).toEqual(['103', '200', '']);
    expect(values(sections[1] ?? [], 'x-asked')[0]).toBe(
      `:method|GET|:scheme|https|:authority|${way.authority}|:path|/|x|y`,
    );
    expect(body).toBe('hello');
    expect(values(sections[2] ?? [], 'x-end')).toEqual(['1']);
  });

  it('sees how a stream and a connection end', async () => {
    const origin = await startNodeOrigin({ tls, onRequest: ({ stream }) => stream.close(errorCode('REFUSED_STREAM')) });
    const way = directly(origin.port, authority.pem);
    const client = await frameClient(way);
    client.head(1, requestFields(way.authority), { end: true });
    expect(await client.outcome(1)).toBe('reset REFUSED_STREAM');
    client.send(frame(TYPE.DATA, 0, 0, Buffer.from('x')));
    expect(await client.outcome(3)).toBe('goaway PROTOCOL_ERROR');
    await client.untilClosed();
  });
});

describe('an origin of frames', () => {
  it('answers a client of Node, and sees what must never be indexed', async () => {
    const origin = await startFrameOrigin({ tls });
    const session = await nodeClient(directly(origin.port, authority.pem));
    const fields = {
      ':path': '/x',
      authorization: 'Bearer a-token',
      'x-plain': 'y',
      [sensitiveHeaders]: ['authorization'],
    };
    const stream = session.request(fields, { endStream: true });
    const connection = await origin.next();
    const { sections } = await connection.finished(1);
    const as = Object.fromEntries((sections[0] ?? []).map((field) => [field.name, field.as]));
    expect(as).toMatchObject({ authorization: 'never', 'x-plain': 'added' });
    connection.head(1, [[':status', '299']]);
    connection.send(data(1, 'by hand'), reset(1, 'ENHANCE_YOUR_CALM'));
    const status = await new Promise((resolve) => stream.on('response', (head) => resolve(head[':status'])));
    expect(status).toBe(299);
    await new Promise<void>((resolve) => stream.on('error', () => {}).on('close', resolve));
    expect(stream.rstCode).toBe(errorCode('ENHANCE_YOUR_CALM'));
  });

  it('keeps a preface apart from frames', async () => {
    const origin = await startFrameOrigin({ tls });
    const client = await frameClient(directly(origin.port, authority.pem));
    client.send(headers(1, literal([':method', 'GET']), { end: true }));
    const connection = await origin.next();
    await connection.finished(1);
    expect(connection.frames.map(({ type }) => type).filter((type) => type !== TYPE.SETTINGS)).toEqual([TYPE.HEADERS]);
    expect(headOf(await connection.finished(1))).toHaveLength(1);
    expect(PREFACE).toHaveLength(24);
  });
});
