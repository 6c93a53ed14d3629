import { describe, expect, it } from 'vitest';
import { readRequestHead } from '../../../src/http2/request-head.ts';

const LIMITS = { headBytes: 1_000, headFields: 5 };
const PSEUDO = [':method', 'GET', ':scheme', 'https', ':authority', 'a.test', ':path', '/x?y'];

const read = (list: readonly string[], sensitive: readonly string[] = []) =>
  readRequestHead({ list, sensitive }, 'https', LIMITS);

describe('a request head of HTTP/2', () => {
  it('is read as one of HTTP/1.1 would be', () => {
    expect(read([...PSEUDO, 'x-a', '1', 'x-a', '2'])).toEqual({
      kind: 'request',
      method: 'GET',
      target: '/x?y',
      version: '2',
      fields: [
        { name: 'host', lower: 'host', value: 'a.test' },
        { name: 'x-a', lower: 'x-a', value: '1' },
        { name: 'x-a', lower: 'x-a', value: '2' },
      ],
    });
  });

  it('has one Host where both say the same, and two where they do not', () => {
    const hosts = (value: string): readonly string[] => {
      const head = read([...PSEUDO, 'host', value]);
      return head.kind === 'refused'
        ? []
        : head.fields.filter(({ lower }) => lower === 'host').map((each) => each.value);
    };
    expect(hosts('A.test')).toEqual(['a.test']);
    expect(hosts('b.test')).toEqual(['a.test', 'b.test']);
  });

  it('has one Cookie, in the place of the first, never indexed if any part was so', () => {
    expect(read([...PSEUDO, 'cookie', 'a=1', 'x-b', '2', 'cookie', 'c=3'], ['cookie'])).toMatchObject({
      fields: [
        { lower: 'host' },
        { lower: 'cookie', value: 'a=1; c=3', sensitive: true },
        { lower: 'x-b', value: '2' },
      ],
    });
  });

  it('of CONNECT has the authority for its target', () => {
    expect(read([':method', 'CONNECT', ':authority', 'b.test:443'])).toMatchObject({
      method: 'CONNECT',
      target: 'b.test:443',
    });
  });

  const without = (name: string) => PSEUDO.filter((_, at) => PSEUDO[at - (at % 2)] !== name);
  const given = (name: string, value: string) => [...without(name), name, value];

  it.each([
    ['no method', without(':method'), 'invalid'],
    ['a method that is no token', given(':method', 'G T'), 'invalid'],
    ['another scheme', given(':scheme', 'http'), 'target'],
    ['no scheme', without(':scheme'), 'target'],
    ['no path', without(':path'), 'target'],
    ['an empty path', given(':path', ''), 'target'],
    ['a URL for a path', given(':path', 'https://a.test/'), 'target'],
    ['a space in the path', given(':path', '/a b'), 'target'],
    ['a byte above ASCII in the path', given(':path', '/\xe9'), 'target'],
    ['a path twice', [...PSEUDO, ':path', '/z'], 'invalid'],
    ['an authority twice', [...PSEUDO, ':authority', 'b.test'], 'invalid'],
    ['an unknown pseudo-header field', [...PSEUDO, ':proxy', 'b'], 'invalid'],
    ['extended CONNECT', [...PSEUDO, ':protocol', 'websocket'], 'invalid'],
    ['a pseudo-header field after others', [':method', 'GET', 'x', 'y', ...PSEUDO.slice(2)], 'invalid'],
    ['a name in upper case', [...PSEUDO, 'X-A', '1'], 'invalid'],
    ['a name that is no token', [...PSEUDO, 'x a', '1'], 'invalid'],
    ['an empty name', [...PSEUDO, '', '1'], 'invalid'],
    ['CR in a value', [...PSEUDO, 'x', 'a\rb'], 'invalid'],
    ['LF in a value', [...PSEUDO, 'x', 'a\nb'], 'invalid'],
    ['NUL in a value', [...PSEUDO, 'x', 'a\0b'], 'invalid'],
    ['CR in the authority', given(':authority', 'a\r'), 'invalid'],
    ['too many fields', [...PSEUDO, ...Array.from({ length: 12 }, (_, at) => `x${at % 2}`)], 'too-large'],
    ['too many bytes', [...PSEUDO, 'x', 'y'.repeat(1_000)], 'too-large'],
  ])('with %s is refused', (_what, list, verdict) => {
    expect(read(list)).toMatchObject({ kind: 'refused', verdict });
  });
});
