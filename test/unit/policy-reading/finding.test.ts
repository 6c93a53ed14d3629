import { describe, expect, it } from 'vitest';
import { formatFinding, formatPath, hasErrors, nearest, quote, reportFor } from '../../../src/policy/finding.ts';

const place = { file: 'policies/dev.yaml', line: 14, column: 12 };

describe('a finding', () => {
  it('is printed as file:line:column, the path, and what is wrong', () => {
    const text = '"*.com" covers a public suffix';
    expect(formatFinding({ level: 'error', place, path: 'rules[2].hosts[0]', text })).toBe(
      'policies/dev.yaml:14:12  rules[2].hosts[0]  "*.com" covers a public suffix',
    );
    expect(formatFinding({ level: 'warning', place, path: '', text: 'is odd' }, 'dev.yaml')).toBe(
      'dev.yaml:14:12  warning: is odd',
    );
  });

  it('names its path as an author would', () => {
    expect(formatPath(['rules', 2, 'hosts', 0])).toBe('rules[2].hosts[0]');
    expect(formatPath(['upstream', 'hosts', 'a.example'])).toBe('upstream.hosts["a.example"]');
    expect(formatPath(['a b'])).toBe('["a b"]');
    expect(formatPath([])).toBe('');
  });
});

describe('quoted text', () => {
  it('stays on one line, is short, and gives a terminal nothing to obey', () => {
    expect(quote('a"b')).toBe('"a\\"b"');
    expect(quote('a\u001b[31m\n\u202eb\u200b')).toBe('"a\\u001b[31m\\n\\u202eb\\u200b"');
    expect(quote('x'.repeat(1_000)).length).toBeLessThan(100);
  });
});

describe('the nearest word', () => {
  it.each([
    ['defalt', 'default'],
    ['host', 'hosts'],
    ['Hosts', 'hosts'],
    ['mehtods', 'methods'],
    ['xyz', null],
    ['a', null],
  ])('to %s is %s', (word, expected) => {
    expect(nearest(word, ['default', 'hosts', 'methods', 'version'])).toBe(expected);
  });
});

describe('a report', () => {
  const report = () => reportFor((path) => ({ file: 'f', line: Number(path[0] ?? 1), column: 1 }));

  it('is in the order of the file', () => {
    const one = report();
    one.error([3], 'third');
    one.warning([1], 'first');
    one.error([2], 'second');
    expect(one.findings().map((finding) => finding.text)).toEqual(['first', 'second', 'third']);
  });

  it('counts what is too much of one level, and never loses an error behind warnings', () => {
    const one = report();
    for (let line = 1; line <= 150; line++) one.warning([line], 'odd');
    expect(one.failed()).toBe(false);
    one.error([999], 'wrong');
    expect(one.failed()).toBe(true);
    expect(hasErrors(one.findings())).toBe(true);
    expect(one.findings().length).toBe(102);
    expect(one.findings().at(-1)?.text).toBe('50 more warnings are not shown');
  });
});
