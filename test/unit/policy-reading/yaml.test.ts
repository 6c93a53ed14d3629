import { describe, expect, it } from 'vitest';
import { parseYaml } from '../../../src/policy/reading/yaml.ts';
import { shown } from './support.ts';

const read = (text: string) => {
  const { value, report } = parseYaml(text, 'f.yaml');
  return { value, findings: shown(report.findings()) };
};
const findings = (text: string) => read(text).findings;

describe('a YAML file', () => {
  it('is read as plain data', () => {
    expect(read('a: [1, "2", three]\nb: { c: true, d: null }\n')).toEqual({
      value: { a: [1, '2', 'three'], b: { c: true, d: null } },
      findings: [],
    });
  });

  it('has one spelling for numbers, truth and nothing; all else is text', () => {
    const text = 'a: [yes, no, on, True, 017, 0o17, 0x1f, 1e3, 1.5, +1, 1_000, .inf, Null, -3, 0, ~]';
    expect(read(text).value).toEqual({
      a: ['yes', 'no', 'on', 'True', '017', '0o17', '0x1f', '1e3', '1.5', '+1', '1_000', '.inf', 'Null', -3, 0, null],
    });
  });

  it('may begin with a byte order mark, which is no character of the first line', () => {
    expect(read('\ufeffa: 1\n')).toEqual({ value: { a: 1 }, findings: [] });
    expect(findings('\ufeffa: !x 1\n')).toEqual(['1:4  is a tag that is not known; remove it']);
  });

  it('may have Windows line ends, which do not move places', () => {
    expect(findings('a: 1\r\nb:\r\n  - !x d\r\n')).toEqual(['3:5  is a tag that is not known; remove it']);
  });

  it('may name a value once and use it again', () => {
    expect(read('a: &hosts [x, y]\nb: *hosts\n')).toEqual({ value: { a: ['x', 'y'], b: ['x', 'y'] }, findings: [] });
  });
});

describe('a YAML file that says nothing', () => {
  it.each([[''], ['\n\n'], ['# only a comment\n'], ['---\n'], ['~'], ['null\n']])('is refused: %j', (text) => {
    expect(findings(text)).toEqual(['1:1  is empty; write at least "version: 1"']);
  });

  it.each([['hello'], ['- a\n- b\n'], ['42'], ['[a]']])('or is no map is refused: %j', (text) => {
    expect(findings(text)).toEqual(['1:1  must be a map of keys; begin with "version: 1"']);
  });
});

describe('YAML that two readers could take for different things', () => {
  it.each([
    ['a: 1\nb: 2\na: 3\n', '3:1  is the second key of this name; remove one of them'],
    ['a: { b: 1, "b": 2 }\n', '1:12  is the second key of this name; remove one of them'],
    ['a: 1\n---\nb: 2\n', '2:1  begins a second document; a file has one, so remove "---" and what follows'],
    ['a: 1\n...\nb: 2\n', '3:1  begins a second document; a file has one, so remove "---" and what follows'],
    ['%YAML 1.1\n---\na: no\n', '1:1  asks for YAML 1.1, which reads "no" as false; remove the %YAML line'],
    ['%FOO bar\n---\na: 1\n', '1:1  is a directive that is not known; remove the line'],
    ['a: !include other.yaml\n', '1:4  is a tag that is not known; remove it'],
    ['a: !!binary aGk=\n', '1:4  is a tag that is not known; remove it'],
    ['a: !!set { b }\n', '1:4  is a tag that is not known; remove it'],
    ['a: !!int "017"\n', '1:4  is a tag that is not known; remove it'],
    [
      'a: &x { b: 1 }\nc:\n  <<: *x\n',
      '3:3  is a merge key, which is not read; repeat the keys, or name the whole value with an alias',
    ],
    ['? [a, b]\n: 1\n', '1:3  is a key that is no plain text'],
    ['a: 1\rb: 2\n', '1:5  has the character U+000D, which does not belong in a text file; remove it'],
    ['a: 1 # \u202e2\nb: 1\n', '1:8  has the character U+202E, which does not belong in a text file; remove it'],
    ['a: x\nb: \0\n', '2:4  has the character U+0000, which does not belong in a text file; remove it'],
  ])('is refused at its place: %j', (text, finding) => {
    expect(findings(text)).toEqual([finding]);
  });

  it('keeps no key that would vanish when maps are copied', () => {
    const { value, findings: found } = read('a: { __proto__: x, b: 1 }\n"\\u005f_proto__": { c: 1 }\nconstructor: 1\n');
    expect(value).toEqual({ a: { b: 1 }, constructor: 1 });
    expect(found).toEqual(['1:6  is not a name that can be used here', '2:1  is not a name that can be used here']);
  });
});

describe('a star without quotes', () => {
  it.each([
    ['hosts: [*.example.com]\n', '1:9  is read as a YAML alias; put it in quotes: "*.example.com"'],
    ['hosts:\n  - *.example.com\n', '2:5  is read as a YAML alias; put it in quotes: "*.example.com"'],
    ['hosts: *\n', '1:8  is read as a YAML alias; put quotes around a value that begins with "*"'],
    ['a: &x [*x]\n', '1:8  is read as a YAML alias; put it in quotes: "*x"'],
  ])('is explained: %j', (text, finding) => {
    expect(findings(text)).toEqual([finding]);
  });
});

describe('a dollar and braces without quotes', () => {
  const why = 'is not YAML; inside braces or brackets a value with ${…} needs quotes: "${name}"';

  it('inside braces is explained', () => {
    expect(findings('a: { value: ${key} }\n')).toEqual([`1:14  ${why}`]);
    expect(findings('a: { value: Bearer ${key} }\n')).toEqual([`1:21  ${why}`]);
    expect(findings('a: [ ${key} ]\n')).toEqual([`1:7  ${why}`]);
  });

  it('outside of them is fine', () => {
    expect(read('a: ${key}\nb: Bearer ${key}\n').value).toEqual({ a: '${key}', b: 'Bearer ${key}' });
  });
});

describe('broken YAML', () => {
  it.each([
    ['a:\n\t- b\n', '2:1  is not YAML; indent with spaces, not with tabs'],
    ['a: "x\n', '2:1  is not YAML: Missing closing "quote'],
    ['a:\n  - b\n c: d\n', '3:1  is not YAML: All mapping items must start at the same column'],
    ['a: b: c\n', '1:4  is not YAML: Nested mappings are not allowed in compact mappings'],
    ['a: @b\n', '1:4  is not YAML: Plain value cannot start with reserved character @'],
  ])('is refused at its place: %j', (text, finding) => {
    expect(findings(text)).toEqual([finding]);
  });

  it('is reported for a few lines only, since one slip makes all that follows unreadable', () => {
    const found = findings(`a: [\n${'b: } x\n'.repeat(50)}`);
    expect(found.length).toBeGreaterThan(0);
    expect(found.length).toBeLessThanOrEqual(5);
  });

  it('is refused without repeating what might be a secret', () => {
    for (const text of [
      'a: [x] "hunter2hunter2"\n',
      'a: "b" hunter2hunter2\n',
      'a: x\n"hunter2hunter2"\n',
      '- a\nhunter2hunter2: x: y\n',
    ]) {
      const found = findings(text);
      expect(found.length).toBeGreaterThan(0);
      expect(found.join()).not.toContain('hunter2');
    }
  });
});

describe('YAML made to exhaust its reader', () => {
  it('by nested aliases is refused, and no value is expanded', () => {
    const levels = Array.from(
      { length: 9 },
      (_, level) => `l${level + 1}: &l${level + 1} [${`*l${level},`.repeat(9)}]`,
    );
    const text = `l0: &l0 [x, x, x, x, x, x, x, x, x]\n${levels.join('\n')}\n`;
    expect(findings(text)).toEqual(['6:10  makes the aliases of this file stand for more than 100000 values']);
  });

  it('by nesting is refused', () => {
    expect(findings('['.repeat(20_000)).join()).toContain('is nested too deeply');
    expect(findings(Array.from({ length: 3_000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')).join()).toContain(
      'is nested too deeply',
    );
  });

  it('by length is refused before it is parsed', () => {
    expect(findings(' '.repeat(32 * 1024 * 1024 + 1))).toEqual(['1:1  is longer than 33554432 characters']);
  });
});
