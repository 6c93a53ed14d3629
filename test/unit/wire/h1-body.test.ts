import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { bodyReader } from '../../../src/http1/body-reader.ts';
import type { BodySink } from '../../../src/wire/body.ts';
import { H1Body } from '../../../src/wire/h1-body.ts';
import { Wire } from '../../../src/wire/wire.ts';
import { closeAfterTest, closeOpened } from '../../support/closing.ts';

closeOpened();

const FAULTS = { side: 'upstream', invalid: 'RESPONSE_INVALID', cut: 'UPSTREAM_RESET' } as const;
const LIMITS = { headBytes: 1_000, headFields: 10 };

/** A wire, and the peer that sends to it. */
async function wireAndPeer(): Promise<readonly [Wire, Socket]> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const near = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  const far = await accepted;
  server.close();
  for (const socket of [near, far]) closeAfterTest(socket, () => socket.destroy()).on('error', () => {});
  return [new Wire(near), far];
}

/** Takes everything, and is full after each write until the next turn. */
class FullSink implements BodySink {
  text = '';
  ended = false;

  write(bytes: Buffer): boolean {
    this.text += bytes.toString('latin1');
    return false;
  }

  whenDrained(resume: () => void): void {
    setImmediate(resume);
  }

  end(): void {
    this.ended = true;
  }
}

describe('a body that is moved', () => {
  it('ends where its last bytes filled the sink: nothing more will arrive to say so', async () => {
    const [wire, peer] = await wireAndPeer();
    const sink = new FullSink();
    const body = new H1Body(wire, bodyReader({ kind: 'length', bytes: 5 }, LIMITS), FAULTS);
    const moved = body.moveTo(sink, () => {});
    peer.write('hello');
    expect(await moved).toBe(null);
    expect(sink).toMatchObject({ text: 'hello', ended: true });
  });

  it('leaves to the next message what comes after its end, also where its last bytes filled the sink', async () => {
    const [wire, peer] = await wireAndPeer();
    const sink = new FullSink();
    const body = new H1Body(wire, bodyReader({ kind: 'length', bytes: 5 }, LIMITS), FAULTS);
    const moved = body.moveTo(sink, () => {});
    peer.write('helloHTTP/1.1 ');
    expect(await moved).toBe(null);
    expect(sink.text).toBe('hello');
    expect(wire.inbox.takeAll().toString('latin1')).toBe('HTTP/1.1 ');
  });
});
