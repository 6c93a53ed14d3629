import { describe, expect, it } from 'vitest';
import { parseDuration, parseSize } from '../../../src/policy/reading/units.ts';

describe('a duration', () => {
  it.each([
    ['1ms', 1],
    ['250ms', 250],
    ['30s', 30_000],
    ['10m', 600_000],
    ['24h', 86_400_000],
    ['24d', 2_073_600_000],
  ])('has a whole number and a unit: %s', (text, value) => {
    expect(parseDuration(text)).toEqual({ ok: true, value });
  });

  it.each([
    [''],
    ['30'],
    ['s'],
    ['30 s'],
    ['30S'],
    ['1.5h'],
    ['-1s'],
    ['+1s'],
    ['030s'],
    ['1h30m'],
    ['30sec'],
    ['1e3s'],
    ['0s'],
    ['25d'],
    ['99999999999s'],
    ['infinity'],
  ])('is refused: %j', (text) => {
    expect(parseDuration(text).ok).toBe(false);
  });
});

describe('a size', () => {
  it.each([
    ['0B', 0],
    ['512B', 512],
    ['64KiB', 65_536],
    ['100MiB', 104_857_600],
    ['1GiB', 1_073_741_824],
  ])('has a whole number and a unit: %s', (text, value) => {
    expect(parseSize(text)).toEqual({ ok: true, value });
  });

  it.each([[''], ['64'], ['64KB'], ['64kib'], ['64 KiB'], ['1.5MiB'], ['064KiB'], ['-1B'], ['9999999999GiB']])(
    'is refused: %j',
    (text) => {
      expect(parseSize(text).ok).toBe(false);
    },
  );
});
