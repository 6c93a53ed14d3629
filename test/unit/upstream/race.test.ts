import { connect, createServer, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { type Ip, parseIp } from '../../../src/address/ip.ts';
import { ProxyError } from '../../../src/errors.ts';
import { firstConnected } from '../../../src/upstream/race.ts';
import { closeAfterTest, closeOpened } from '../../support/closing.ts';
import { fullListener } from '../../support/full-listener.ts';
import { listening } from '../../support/listening.ts';

closeOpened();

const SECONDS = 1_000;

interface Tried {
  readonly text: string;
  readonly socket: Socket;
}

/** A race to addresses of which each stands for a port of loopback. */
function race(portByAddress: ReadonlyMap<string, number>, limitMs = 30 * SECONDS) {
  const tried: Tried[] = [];
  const waiting: (() => void)[] = [];
  const ending = new AbortController();
  const connectTo = ({ text }: Ip): Socket => {
    const socket = connect({ port: portByAddress.get(text) ?? 0, host: '127.0.0.1' });
    closeAfterTest(socket, () => socket.destroy());
    tried.push({ text, socket });
    for (const wake of waiting.splice(0)) wake();
    return socket;
  };
  const toError = (cause: unknown): ProxyError =>
    new ProxyError('CONNECT_FAILED', { stage: 'dispatch', side: 'upstream', cause });
  const addresses = [...portByAddress.keys()].map(parseIp).filter((ip) => ip !== null);
  const result = firstConnected(addresses, connectTo, { limitMs, signal: ending.signal }, toError);
  result.catch(() => {});
  const untilTried = async (count: number): Promise<void> => {
    while (tried.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  return { result, tried, untilTried, abort: () => ending.abort() };
}

async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await listening(server);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

const openPort = (): Promise<number> => listening(createServer((socket) => socket.on('error', () => {})));

it('is won by an address that takes longer than the next one was waited for', { timeout: 20 * SECONDS }, async () => {
  const [slow, mute] = [await fullListener(), await fullListener()];
  const { result, tried, untilTried } = race(
    new Map([
      ['192.0.2.1', slow.port],
      ['192.0.2.2', mute.port],
    ]),
  );
  await untilTried(2);
  slow.open();
  const winner = await result;
  expect(winner.remotePort).toBe(slow.port);
  expect(tried.map(({ socket }) => socket.destroyed)).toEqual([false, true]);
});

it('goes to the next address as soon as one has failed', async () => {
  const open = await openPort();
  const { result, tried } = race(
    new Map([
      ['192.0.2.1', await closedPort()],
      ['192.0.2.2', open],
      ['192.0.2.3', open],
    ]),
  );
  expect((await result).remotePort).toBe(open);
  expect(tried.map(({ text }) => text)).toEqual(['192.0.2.1', '192.0.2.2']);
});

it('takes the families in turns, and tells of every failure when all have failed', async () => {
  const closed = await closedPort();
  const { result, tried } = race(
    new Map(['2001:db8::1', '2001:db8::2', '2001:db8::3', '192.0.2.1', '192.0.2.2'].map((text) => [text, closed])),
  );
  const { cause } = await result.then(
    () => expect.fail('it connected'),
    (error: ProxyError) => error,
  );
  expect(cause).toBeInstanceOf(AggregateError);
  expect((cause as AggregateError).errors).toHaveLength(5);
  expect(tried.map(({ text }) => text)).toEqual([
    '2001:db8::1',
    '192.0.2.1',
    '2001:db8::2',
    '192.0.2.2',
    '2001:db8::3',
  ]);
});

it('closes all that it has begun when it is aborted, or has taken too long', async () => {
  const { port } = await fullListener();
  const both = new Map([
    ['192.0.2.1', port],
    ['192.0.2.2', port],
  ]);
  const aborted = race(both);
  await aborted.untilTried(2);
  aborted.abort();
  await expect(aborted.result).rejects.toMatchObject({ code: 'CONNECT_FAILED', cause: undefined });
  expect(aborted.tried.every(({ socket }) => socket.destroyed)).toBe(true);
  const late = race(both, 400);
  await expect(late.result).rejects.toMatchObject({ cause: 'timeout' });
  expect(late.tried.map(({ socket }) => socket.destroyed)).toEqual([true, true]);
});

it('has no more than eight beside one another: the longest is given up for the next', async () => {
  const { port } = await fullListener();
  const { tried, untilTried, abort } = race(
    new Map(Array.from({ length: 10 }, (_, at): [string, number] => [`192.0.2.${at}`, port])),
  );
  await untilTried(10);
  expect(tried.map(({ socket }) => socket.destroyed)).toEqual([true, true, ...Array.from({ length: 8 }, () => false)]);
  abort();
});

it('does not begin where it was aborted before', async () => {
  const ending = AbortSignal.abort();
  const none = (): Socket => expect.fail('an address was tried');
  const toError = (): ProxyError => new ProxyError('CONNECT_FAILED', { stage: 'dispatch', side: 'upstream' });
  const addresses = ['192.0.2.1', '192.0.2.2'].map(parseIp).filter((ip) => ip !== null);
  await expect(firstConnected(addresses, none, { limitMs: SECONDS, signal: ending }, toError)).rejects.toThrow();
});
