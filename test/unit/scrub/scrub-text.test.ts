import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { fieldText } from '../../../src/headers/field-list.ts';
import { SCRUB_BYTES_MIN } from '../../../src/scrub/forms.ts';
import { type Needles, needlesOf } from '../../../src/scrub/needles.ts';
import { scrubText } from '../../../src/scrub/scrub-text.ts';

function needles(...values: string[]): Needles {
  const made = needlesOf(values);
  if (made === null) throw new Error('nothing to look for');
  return made;
}

describe('a text', () => {
  const made = needles('hunter2-and-more', 'pässwörd');

  it.each<[string, string, number]>([
    ['', '', 0],
    ['short', 'short', 0],
    ['application/json; charset=utf-8', 'application/json; charset=utf-8', 0],
    ['hunter2-and-more', '****************', 1],
    ['a=hunter2-and-more; b=hunter2-and-more', 'a=****************; b=****************', 2],
    ['https://x.test/?t=hunter2%2Dand%2Dmore', 'https://x.test/?t=********************', 1],
    ['hunter2-and-mor', 'hunter2-and-mor', 0],
    ['xhunter2-and-hunter2-and-more', 'xhunter2-and-****************', 1],
    [`${'x'.repeat(500)}hunter2-and-more`, `${'x'.repeat(500)}****************`, 1],
    [fieldText('a pässwörd'), 'a **********', 1],
  ])('%j', (text, masked, count) => {
    expect(scrubText(text, made)).toEqual({ text: masked, count });
  });
});

describe('needles', () => {
  it('of nothing are none', () => {
    expect(needlesOf([])).toBeNull();
  });

  it('of a value too short to be told from chance are none', () => {
    expect(needlesOf(['x'.repeat(SCRUB_BYTES_MIN - 1)])).toBeNull();
    expect(needlesOf(['x'.repeat(SCRUB_BYTES_MIN)])).not.toBeNull();
    expect(needlesOf(['äääx'])).toBeNull();
    expect(needlesOf(['ääää'])).not.toBeNull();
    expect(scrubText('x'.repeat(7), needles('x'.repeat(7), 'hunter2-and-more')).count).toBe(0);
  });

  it('print as [needles], whatever prints them', () => {
    const made = needles('hunter2-and-more');
    expect(inspect(made, { depth: null, showHidden: true })).toBe('[needles]');
    expect(inspect({ made }, { depth: null })).toBe('{ made: [needles] }');
    expect(JSON.stringify({ made })).toBe('{"made":"[needles]"}');
    expect(`${made}`).toBe('[needles]');
    expect(Object.keys(made)).toEqual([]);
  });
});
