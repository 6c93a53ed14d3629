import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { KNOWN_DIFFERENCES } from './known-differences.ts';
import { rowOf } from './table.ts';

const document = readFileSync(new URL('../../docs/parsers.md', import.meta.url), 'utf8');

describe('docs/parsers.md', () => {
  it('has the row of every known difference, and no other', () => {
    const rows = document.split('\n').filter((line) => line.startsWith('| `'));
    expect(rows).toEqual(KNOWN_DIFFERENCES.map(rowOf));
  });

  it('has those in what we write in its first table, the others in its second', () => {
    const [written = '', raw = ''] = document.split('\n## ').filter((part) => part.includes('| `'));
    const idsIn = (part: string): readonly string[] =>
      [...part.matchAll(/^\| `([a-z0-9-]+)`/gm)].map(([, id = '']) => id);
    const idsOf = (where: string): readonly string[] =>
      KNOWN_DIFFERENCES.filter((known) => known.where === where).map(({ id }) => id);
    expect([idsIn(written), idsIn(raw)]).toEqual([idsOf('written'), idsOf('raw')]);
  });
});
