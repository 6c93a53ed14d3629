import { describe, expect, it } from 'vitest';
import { parseCountRate, parseSizeRate } from '../../../src/policy/reading/units.ts';
import { findingsOf, ruleFindings, ruleOf } from './support.ts';

const ALL = 'limits: { requests: 600/min, bytes_out: 1GiB/day, concurrency: 20, body: 100MiB }';

describe('a rate', () => {
  it.each([
    ['5/s', 5, 1_000],
    ['600/min', 600, 60_000],
    ['1/h', 1, 3_600_000],
    ['100000/day', 100_000, 86_400_000],
  ])('of requests: %s', (text, amount, windowMs) => {
    expect(parseCountRate(text)).toEqual({ ok: true, amount, windowMs });
  });

  it.each([
    ['1GiB/day', 1024 ** 3, 86_400_000],
    ['512B/s', 512, 1_000],
    ['64KiB/min', 65_536, 60_000],
  ])('of bytes: %s', (text, amount, windowMs) => {
    expect(parseSizeRate(text)).toEqual({ ok: true, amount, windowMs });
  });

  it.each([
    [''],
    ['600'],
    ['/min'],
    ['600/'],
    ['600/m'],
    ['600/minute'],
    ['600/sec'],
    ['600/d'],
    ['600/Min'],
    ['600 / min'],
    ['600/min/s'],
    ['0600/min'],
    ['-1/s'],
    ['1.5/s'],
    ['1e3/s'],
    ['1k/s'],
    ['600/10s'],
    ['99999999999/s'],
    ['1MiB/s'],
  ])('of requests is refused: %j', (text) => {
    expect(parseCountRate(text)).toEqual({
      ok: false,
      why: 'is not a rate; write a whole number, "/" and s, min, h or day, e.g. 600/min',
    });
  });

  it.each([[''], ['1GiB'], ['1000/day'], ['1GB/day'], ['1GiB/d'], ['1 GiB/day'], ['1.5GiB/day'], ['1GiB/day ']])(
    'of bytes is refused: %j',
    (text) => {
      expect(parseSizeRate(text).ok).toBe(false);
    },
  );
});

describe('limits of a rule', () => {
  it('are read, each of them or one alone', () => {
    expect(ruleOf('name: a', ALL).limits).toEqual({
      requests: { amount: 600, windowMs: 60_000 },
      bytesOut: { amount: 1024 ** 3, windowMs: 86_400_000 },
      concurrency: 20,
      bodyBytesMax: 100 * 1024 ** 2,
    });
    expect(ruleOf('name: a', 'limits: { body: 0B }').limits).toEqual({
      requests: null,
      bytesOut: null,
      concurrency: null,
      bodyBytesMax: 0,
    });
    expect(ruleOf('name: a').limits).toBeNull();
  });

  it.each([
    ['{}', '6:13  rules[0].limits  limits nothing; write at least one of requests, bytes_out, concurrency, body'],
    ['600/min', '6:13  rules[0].limits  must be a map, e.g. { requests: 600/min, concurrency: 20 }'],
    ['{ request: 1/s }', '6:15  rules[0].limits.request  is not a known key; did you mean "requests"?'],
    [
      '{ rps: 1/s }',
      '6:15  rules[0].limits.rps  is not a known key; known here: requests, bytes_out, concurrency, body',
    ],
    ['{ requests: 600 }', '6:25  rules[0].limits.requests  must be a rate, e.g. 600/min'],
    [
      '{ requests: 600/minute }',
      '6:25  rules[0].limits.requests  "600/minute" is not a rate; write a whole number, "/" and s, min, h or day, e.g. 600/min',
    ],
    [
      '{ requests: 0/s }',
      '6:25  rules[0].limits.requests  lets nothing pass; write "action: deny" for that, or a number above 0',
    ],
    [
      '{ requests: 9999999999/s }',
      '6:25  rules[0].limits.requests  "9999999999/s" is more than 1000000000; write less, or leave it out for no limit',
    ],
    ['{ bytes_out: 1000 }', '6:26  rules[0].limits.bytes_out  must be a rate, e.g. 1GiB/day'],
    [
      '{ bytes_out: 1GB/day }',
      '6:26  rules[0].limits.bytes_out  "1GB/day" is not a rate; write a size (B, KiB, MiB, GiB), "/" and s, min, h or day, e.g. 1GiB/day',
    ],
    [
      '{ bytes_out: 0B/day }',
      '6:26  rules[0].limits.bytes_out  lets nothing pass; write "action: deny" for that, or a number above 0',
    ],
    [
      '{ bytes_out: 100001GiB/s }',
      '6:26  rules[0].limits.bytes_out  "100001GiB/s" is more than 100000GiB; write less, or leave it out for no limit',
    ],
    ['{ concurrency: 20/s }', '6:28  rules[0].limits.concurrency  must be a whole number, e.g. 20'],
    ['{ concurrency: 1.5 }', '6:28  rules[0].limits.concurrency  must be a whole number, e.g. 20'],
    [
      '{ concurrency: 0 }',
      '6:28  rules[0].limits.concurrency  lets nothing pass; write "action: deny" for that, or a number above 0',
    ],
    ['{ concurrency: -1 }', '6:28  rules[0].limits.concurrency  is out of bounds; write a number from 1 to 1000000'],
    ['{ body: 100 }', '6:21  rules[0].limits.body  must be a size with its unit, e.g. 64KiB'],
    [
      '{ body: 100MB }',
      '6:21  rules[0].limits.body  "100MB" is not a size; write a whole number and a unit (B, KiB, MiB, GiB), e.g. 64KiB',
    ],
    ['{ body: }', '6:21  rules[0].limits.body  is empty; it must be a size with its unit, e.g. 64KiB'],
  ])('are refused with what to write: %s', (text, finding) => {
    expect(ruleFindings('name: a', `limits: ${text}`)).toEqual([finding]);
  });

  it('are all reported, not only the first that is wrong', () => {
    expect(
      ruleFindings('name: a', 'limits: { requests: 1, bytes_out: 1, concurrency: x, body: 1, z: 1 }'),
    ).toHaveLength(5);
  });

  it('need a name to be counted under', () => {
    expect(ruleFindings(ALL)).toEqual([
      '5:5  rules[0].limits  needs a name to be counted under; give the rule a "name"',
    ]);
  });

  it('of which only those that need no look inside stand on a passthrough rule', () => {
    const why =
      'cannot be on a rule with "tls: passthrough", which sees only the name and the port; remove it, or intercept';
    expect(ruleFindings('name: a', 'tls: passthrough', ALL)).toEqual([
      `7:15  rules[0].limits.requests  ${why}`,
      `7:72  rules[0].limits.body  ${why}`,
    ]);
    expect(ruleOf('name: a', 'tls: passthrough', 'limits: { bytes_out: 1MiB/h, concurrency: 2 }').limits).toMatchObject(
      {
        bytesOut: { amount: 1024 ** 2, windowMs: 3_600_000 },
        concurrency: 2,
      },
    );
  });

  it('have no meaning where nothing leaves', () => {
    const why = 'has no meaning on a rule with "action: deny", whose requests never leave; remove it';
    expect(ruleFindings('name: a', 'action: deny', ALL)).toEqual([`7:5  rules[0].limits  ${why}`]);
    expect(ruleFindings('name: a', 'tls: passthrough', 'action: deny', 'limits: { concurrency: 1 }')).toEqual([
      `8:5  rules[0].limits  ${why}`,
    ]);
  });

  it('cannot be hidden by a second rule of the same name', () => {
    const rule = '  - { name: a, hosts: [a.example], limits: { concurrency: 1 } }\n';
    expect(findingsOf(`version: 1\nrules:\n${rule}${rule}`)).toContainEqual(
      expect.stringContaining('"a" is the name of rules[0] too; names are unique in a file'),
    );
  });
});
