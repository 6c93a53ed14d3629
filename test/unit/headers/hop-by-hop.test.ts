import { describe, expect, it } from 'vitest';
import { requestWithoutHopByHop, responseTrailers, responseWithoutHopByHop } from '../../../src/headers/hop-by-hop.ts';
import { applyPlan } from '../../../src/inject/apply.ts';
import { compilePolicy } from '../../../src/policy/compile.ts';
import { bearer, lines, list, rules, sandbox, vault } from '../../support/specs.ts';

type Pairs = readonly (readonly [string, string])[];

const request = (...pairs: Pairs): readonly string[] => lines(requestWithoutHopByHop(list(...pairs)));
const response = (...pairs: Pairs): readonly string[] => lines(responseWithoutHopByHop(list(...pairs)));

describe('fields of one connection do not leave it', () => {
  it.each([
    'Connection',
    'Keep-Alive',
    'Proxy-Connection',
    'Proxy-Authorization',
    'Proxy-Authenticate',
    'Proxy-Anything',
    'proxy_authorization',
    'Transfer-Encoding',
    'transfer_encoding',
    'Upgrade',
    'HTTP2-Settings',
    'TE',
  ])('%s', (name) => {
    expect(request(['A', 'a'], [name, 'x'], [name.toUpperCase(), 'y'], ['B', 'b'])).toEqual(['A: a', 'B: b']);
    expect(response(['A', 'a'], [name, 'x'], ['B', 'b'])).toEqual(['A: a', 'B: b']);
  });

  it('a nominated field goes, in any case and from any Connection line', () => {
    expect(
      request(
        ['connection', 'close, X-One'],
        ['x-one', '1'],
        ['Connection', ' , x-TWO ,'],
        ['X-Two', '2'],
        ['X-Three', '3'],
      ),
    ).toEqual(['X-Three: 3']);
  });

  it('everything else keeps its place, case and copies', () => {
    const pairs = [
      ['Host', 'h'],
      ['X-A', '1'],
      ['x-a', '2'],
      ['Cookie', 'c'],
      ['Content-Length', '3'],
      ['Trailer', 't'],
    ] as const;
    expect(request(...pairs.slice(0, 3), ['Connection', 'close'], ...pairs.slice(3))).toEqual(lines(list(...pairs)));
  });

  it('a list without any is handed on as it is', () => {
    const fields = list(['Host', 'h'], ['Accept', '*/*'], ['Proxied', 'x']);
    expect(requestWithoutHopByHop(fields)).toBe(fields);
    expect(responseWithoutHopByHop(fields)).toBe(fields);
  });

  it.each([
    ['trailers', ['TE: trailers']],
    ['Trailers', ['TE: trailers']],
    ['deflate;q=0.5, trailers', ['TE: trailers']],
    ['deflate', []],
    ['trailersx', []],
  ])('TE: %s keeps only what gRPC needs', (value, expected) => {
    expect(request(['Connection', 'TE'], ['TE', value])).toEqual(expected);
  });
});

describe('a client cannot nominate away', () => {
  it.each(['Host', 'Content-Length', 'Trailer'])('%s, which says how the message is read', (name) => {
    expect(request(['Connection', name], [name, 'x'])).toEqual([`${name}: x`]);
  });

  it('the field that we inject, since nominations are honoured before it exists', () => {
    const policy = compilePolicy(sandbox({ rules: rules({ inject: [bearer('github')] }) }));
    const plan = policy.rulesFor('api.example.com')?.planAt(0);
    const fields = requestWithoutHopByHop(list(['Connection', 'authorization, close'], ['Authorization', 'mine']));
    expect(plan && lines(applyPlan({ target: '/', fields }, plan, vault({ github: 's' })).fields)).toEqual([
      'Authorization: Bearer s',
    ]);
  });

  it('a field by a name that only looks like it', () => {
    expect(request(['Connection', 'x_one, x-on'], ['x-one', '1'])).toEqual(['x-one: 1']);
  });
});

describe('what an upstream must not tell our client', () => {
  it('another way to itself, or anything in our name', () => {
    expect(
      response(
        ['Alt-Svc', 'h3=":443"'],
        ['X-Postern-Error', 'HOST_DENIED'],
        ['x_postern_id', '1'],
        ['X-Poster', '2'],
        ['A', 'a'],
      ),
    ).toEqual(['X-Poster: 2', 'A: a']);
  });

  it('but Proxy-Status is meant for whoever reads the response', () => {
    expect(response(['Proxy-Status', 'cdn; hit'], ['Proxy-Authenticate', 'Basic'])).toEqual(['Proxy-Status: cdn; hit']);
  });

  it('requests may carry fields of those names', () => {
    expect(request(['Alt-Svc', 'x'], ['Connection', 'close'])).toEqual(['Alt-Svc: x']);
  });
});

describe('what may follow the body of a response', () => {
  it('is anything but a length, which some readers check and none needs', () => {
    const trailers = list(['X-Sum', '1'], ['Content-Length', '9'], ['content_length', '9'], ['Connection', 'x']);
    expect(lines(responseTrailers(trailers))).toEqual(['X-Sum: 1']);
  });
});
