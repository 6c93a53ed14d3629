import { afterAll, describe, expect, it } from 'vitest';
import { mutate } from '../../fuzz/mutate.ts';
import { Random } from '../../fuzz/random.ts';
import { compare } from './compare.ts';
import { DICTIONARY } from './dictionary.ts';
import { throughUs } from './forwarded.ts';
import { KNOWN_DIFFERENCES, knownDifference } from './known-differences.ts';
import { asWeRead, type Case, type MessageReading } from './message.ts';
import { startPeers } from './peers/installed.ts';
import type { Peer } from './peers/peer.ts';
import { REQUESTS } from './request-cases.ts';
import { RESPONSES } from './response-cases.ts';

const CASES: readonly Case[] = [...REQUESTS, ...RESPONSES];
/** Changed cases for each peer. nginx is asked over the network, and waits where a message is not complete. */
const MUTANTS = { ordinary: 20_000, nginx: 3_000 } as const;
const SEED = 3;

const peers = await startPeers();
afterAll(() => Promise.all(peers.map((each) => ('peer' in each ? each.peer.close() : null))));

/** What the peer reads in another way than we do, and nobody explained. */
async function unexplained(peer: Peer, cases: readonly Case[], written: boolean): Promise<readonly string[]> {
  const asked = cases
    .map((one) => ({ one, ours: written ? asWeRead(one) : throughUs(one).ours }))
    // What we refuse nobody else sees.
    .filter(({ ours }) => ours.kind !== 'refused');
  const theirs = await peer.read(asked.map(({ one }) => one));
  return asked.flatMap(({ one, ours }, index) => {
    const reading: MessageReading = theirs[index] ?? { kind: 'incomplete' };
    const difference = compare(ours, reading, peer.name);
    if (difference === null || knownDifference({ peer: peer.name, difference, ours, one, written })) return [];
    return [`${difference} of ${one.name}: ${JSON.stringify({ bytes: one.bytes, ours, theirs: reading })}`];
  });
}

const writtenFor = (cases: readonly Case[]): readonly Case[] =>
  cases.flatMap((one) => {
    const { written } = throughUs(one);
    return written === null ? [] : [written];
  });

/** The same for the same seed: messages that we take, a little changed. */
function mutants(count: number): readonly Case[] {
  const random = new Random(SEED);
  const taken = CASES.filter((one) => throughUs(one).ours.kind === 'message');
  const shape = { bytesMax: 4_096, dictionary: DICTIONARY.map((token) => Buffer.from(token, 'latin1')) };
  return Array.from({ length: count }, () => {
    const parent = taken[random.below(taken.length)];
    const other = random.pick(CASES);
    const bytes = mutate(bytesOf(parent), bytesOf(other), random, shape).toString('latin1');
    return { name: `${parent?.name}, changed`, bytes, answerTo: parent?.answerTo ?? null };
  });
}

const bytesOf = (one: Case | undefined): Buffer => Buffer.from(one?.bytes ?? '', 'latin1');

describe.each(peers.map((each) => [each.name, 'peer' in each ? each.peer : null] as const))('%s', (name, peer) => {
  describe.skipIf(peer === null)('reads', () => {
    const there = (): Peer => {
      if (peer === null) throw new Error(`${name} is not there`);
      return peer;
    };
    const changed = mutants(name === 'nginx' ? MUTANTS.nginx : MUTANTS.ordinary);

    it('what we accept of every known attack as we do, or in a way that is documented', async () => {
      expect(await unexplained(there(), CASES, false)).toEqual([]);
    });

    it('what we write for it as we do', async () => {
      const written = writtenFor(CASES);
      expect(written.length).toBeGreaterThan(100);
      expect(await unexplained(there(), written, true)).toEqual([]);
    });

    it('what we accept of messages that were changed at random as we do, or in a way that is documented', async () => {
      expect(await unexplained(there(), changed, false)).toEqual([]);
    });

    it('what we write for those as we do', async () => {
      const written = writtenFor(changed);
      expect(written.length).toBeGreaterThan(changed.length / 10);
      expect(await unexplained(there(), written, true)).toEqual([]);
    });

    it.each(KNOWN_DIFFERENCES.filter(({ peer: whose }) => whose === name).map((known) => [known.id, known] as const))(
      'differently what is documented as %s',
      async (_id, { example, where, differences }) => {
        const one = where === 'written' ? throughUs(example).written : example;
        expect(one).not.toBeNull();
        if (one === null) return;
        const [theirs] = await there().read([one]);
        expect(differences).toContain(compare(asWeRead(one), theirs ?? { kind: 'incomplete' }, name));
      },
    );
  });
});

describe('what we write', () => {
  it('is the message that we read: start line, fields, body and trailers', () => {
    for (const one of [...CASES, ...mutants(MUTANTS.ordinary)]) {
      const { ours, written } = throughUs(one);
      if (written === null || ours.kind !== 'message') continue;
      const again = asWeRead(written);
      expect(again).toMatchObject({ kind: 'message', body: ours.body, end: written.bytes.length });
      if (one.answerTo !== null) expect(again).toMatchObject({ start: ours.start });
    }
  });
});
