import { setTimeout as passed } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { expectUnharmed } from '../support/attack.ts';
import { closeOpened } from '../support/closing.ts';
import {
  data,
  ERROR_NAMES,
  goaway,
  headers,
  ping,
  reset,
  SETTING,
  settings,
  windowUpdate,
} from '../support/h2-frames.ts';
import { block } from '../support/h2-hpack.ts';
import type { FramePeer } from '../support/h2-peer.ts';
import { startFrameScene } from '../support/h2-stage.ts';
import { frameClient, requestFields, type Way } from '../support/h2-ways.ts';
import { auditWritten, inFlightByRule, metricBecomes } from '../support/observed.ts';

closeOpened();

const RUN_MS = 8_000;
const CLIENTS = 3;

/** The same choices for the same seed (a linear congruential generator); what the network makes of them differs. */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(end: number): number {
    this.#state = (Math.imul(this.#state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return Math.floor((this.#state / 0x8000_0000) * end);
  }

  one<T>(list: readonly [T, ...T[]]): T {
    return list[this.below(list.length)] ?? list[0];
  }
}

const anyError = (dice: Dice) => ERROR_NAMES[dice.below(ERROR_NAMES.length)] ?? 'CANCEL';
const anyWindow = (dice: Dice): Buffer =>
  settings([[SETTING.INITIAL_WINDOW_SIZE, dice.one([0, 1, 65_535, 1_000_000])]]);

/** Answers with what an origin may send, in an order that it may not always. */
function misbehave(connection: FramePeer, dice: Dice): void {
  const begun = new Set<number>();
  const timer = setInterval(() => {
    if (connection.closed) return clearInterval(timer);
    for (const id of connection.streams.keys()) if (dice.below(4) === 0) connection.send(answerPart(id, begun, dice));
    switch (dice.below(200)) {
      case 0:
        return connection.send(goaway(dice.one([0, 5, 1_000_001]), dice.one(['NO_ERROR', 'PROTOCOL_ERROR'])));
      case 1:
        return connection.send(anyWindow(dice));
      case 2:
        return connection.send(settings([[SETTING.MAX_CONCURRENT_STREAMS, dice.one([0, 1, 100])]]));
      case 3:
        return connection.send(settings([[SETTING.HEADER_TABLE_SIZE, dice.one([0, 4_096])]]), ping());
      case 4:
      case 5:
        return connection.socket.destroy();
    }
  }, 5);
}

function answerPart(id: number, begun: Set<number>, dice: Dice): Buffer {
  if (!begun.has(id) && dice.below(3) > 0) {
    begun.add(id);
    const status = dice.one(['200', '204', '205', '206', '304', '404']);
    return headers(id, block([[':status', status]]), { end: dice.below(3) === 0 });
  }
  switch (dice.below(7)) {
    case 0:
      return reset(id, anyError(dice));
    case 1:
      return windowUpdate(id, 1 + dice.below(100_000));
    case 2:
      return begun.has(id)
        ? headers(id, block([['x-end', '1']]), { end: true })
        : headers(id, block([[':status', '103']]));
    default:
      return begun.has(id) ? data(id, 'x'.repeat(dice.below(9_000)), { end: dice.below(3) === 0 }) : ping();
  }
}

/** Asks, sends, resets and leaves, on one connection after another. */
async function ask(way: Way, dice: Dice, untilMs: number, next: () => number): Promise<void> {
  while (performance.now() < untilMs) {
    const settled = dice.one([undefined, [[SETTING.INITIAL_WINDOW_SIZE, dice.one([0, 1, 100])] as const]]);
    const client = await frameClient(way, { credits: dice.below(2) === 0, ...(settled && { settings: settled }) });
    const lastMs = Math.min(untilMs, performance.now() + dice.below(2_000));
    const open: number[] = [];
    for (let id = 1; !client.closed && client.goaway === null && performance.now() < lastMs; ) {
      const stream = open[dice.below(open.length)];
      const any = 1 + 2 * dice.below((id + 1) / 2);
      const part = dice.below(10);
      if (part < 4) {
        const end = dice.below(2) === 0;
        const request = { method: dice.one(['GET', 'POST', 'HEAD', 'PUT']), path: `/${next()}` };
        client.head(id, requestFields(way.authority, {}, request), { end });
        if (!end) open.push(id);
        id += 2;
      } else if (part < 7 && stream !== undefined) {
        const end = dice.below(3) === 0;
        client.send(data(stream, 'y'.repeat(dice.below(3_000)), { end }));
        if (end) open.splice(open.indexOf(stream), 1);
      } else if (part === 7 && any < id) client.send(reset(any, anyError(dice)));
      else if (part === 8 && any < id) client.send(windowUpdate(dice.one([0, any]), 1 + dice.below(100_000)));
      else if (dice.below(20) === 0) client.send(anyWindow(dice));
      if (dice.below(3) === 0) await passed(dice.below(4));
    }
    if (dice.below(2) === 0) client.socket.end();
    else client.socket.destroy();
  }
}

it('whatever two hostile peers say to each other, each request ends, with one line, and nothing is left', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  const { postern, origin, way } = await startFrameScene(
    { onConnection: (connection) => misbehave(connection, new Dice(seed + origin.connections.length)) },
    { rule: 'limits: { concurrency: 100000 }', limits: { idle: '2s', response_head: '2s', client_head: '2s' } },
  );
  const untilMs = performance.now() + RUN_MS;
  let asked = 0;
  const clients = Array.from({ length: CLIENTS }, (_none, index) =>
    ask(way, new Dice(seed + 1_000 * index), untilMs, () => ++asked),
  );
  await Promise.all(clients);
  await metricBecomes(postern, 'postern_connections{side="client"}', 0);
  while ((await inFlightByRule(postern)).all !== 0) await passed(50);
  await auditWritten(postern);
  expectUnharmed(postern);

  const lines = postern.audit.filter(({ host }) => host === 'origin.test');
  expect(new Set(lines.map(({ id }) => id)).size).toBe(lines.length);
  const paths = new Set(lines.map(({ path }) => path));
  const seen = origin.connections.flatMap(({ streams }) => [...streams.values()].map(({ sections }) => sections[0]));
  const arrived = seen.map((fields) => fields?.find(({ name }) => name === ':path')?.value).filter((path) => path);
  expect(arrived.length).toBeGreaterThan(100);
  expect(arrived.filter((path) => path !== undefined && !paths.has(path))).toEqual([]);
}, 60_000);
