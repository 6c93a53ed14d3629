import { describe, expect, it } from 'vitest';
import { HeadCutter } from '../../../src/http1/head.ts';
import { Inbox } from '../../../src/http1/inbox.ts';

const inboxOf = (...pieces: readonly string[]): Inbox => {
  const inbox = new Inbox();
  for (const piece of pieces) inbox.push(Buffer.from(piece));
  return inbox;
};

describe('an inbox', () => {
  it('gives what came, in order, in pieces of any size', () => {
    const inbox = inboxOf('abc', 'de', 'f');
    expect([inbox.take(2).toString(), inbox.takeText(2), inbox.length]).toEqual(['ab', 'cd', 2]);
    inbox.push(Buffer.from('g'));
    inbox.skip(1);
    expect([inbox.peek().toString(), inbox.takeAll().toString(), inbox.length]).toEqual(['fg', 'fg', 0]);
  });

  it('finds and shows bytes counted from the front', () => {
    const inbox = inboxOf('xxabcabc');
    inbox.skip(2);
    expect([inbox.indexOf(Buffer.from('abc')), inbox.indexOf(Buffer.from('abc'), 1), inbox.indexOf(0x7a)]).toEqual([
      0, 3, -1,
    ]);
    expect([inbox.at(0), inbox.at(5), inbox.at(6)]).toEqual([0x61, 0x63, undefined]);
  });

  it('gives a whole read on without copying it', () => {
    const bytes = Buffer.from('abc');
    const inbox = new Inbox();
    inbox.push(bytes);
    expect(inbox.takeAll()).toBe(bytes);
  });

  it('never writes over what it gave away, however small pieces and takes alternate', () => {
    const inbox = new Inbox();
    const sent = Array.from({ length: 3_000 }, (_, index) => String.fromCharCode(97 + (index % 26)));
    const taken: Buffer[] = [];
    for (const [index, letter] of sent.entries()) {
      inbox.push(Buffer.from(letter));
      expect(inbox.at(0)).toBeDefined();
      if (index % 7 === 0) taken.push(inbox.take(3));
      if (index % 500 === 0) taken.push(inbox.takeAll());
    }
    taken.push(inbox.takeAll());
    expect(Buffer.concat(taken).toString()).toBe(sent.join(''));
  });

  it('moves what lies there a few times, not for each byte that comes after it', () => {
    const inbox = new Inbox();
    const places = new Set<ArrayBufferLike>();
    for (let sent = 0; sent < 64 * 1024; sent++) {
      inbox.push(Buffer.from('a'));
      places.add(inbox.peek().buffer);
    }
    expect(inbox.length).toBe(64 * 1024);
    expect(places.size).toBeLessThan(32);
  });
});

describe('a head cutter', () => {
  const limits = { headBytes: 40, headFields: 10 };

  it('waits until the empty line is there, and leaves what follows', () => {
    const cutter = new HeadCutter(limits);
    const inbox = inboxOf('GET / HTTP/1.1\r\nA: b\r\n\r');
    expect(cutter.cut(inbox)).toBeNull();
    inbox.push(Buffer.from('\nrest'));
    expect(cutter.cut(inbox)).toBe('GET / HTTP/1.1\r\nA: b');
    expect(inbox.takeAll().toString()).toBe('rest');
    expect(cutter.cut(inboxOf('B\r\n\r\n'))).toBe('B');
  });

  it('takes exactly headBytes and refuses one more', () => {
    const head = (length: number): string => `${'a'.repeat(length - 4)}\r\n\r\n`;
    expect(new HeadCutter(limits).cut(inboxOf(head(40)))).toBe('a'.repeat(36));
    expect(new HeadCutter(limits).cut(inboxOf(head(41)))).toMatchObject({ verdict: 'too-large' });
    expect(new HeadCutter(limits).cut(inboxOf('a'.repeat(41)))).toMatchObject({ verdict: 'too-large' });
  });
});
