import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../../src/policy/compile.ts';
import { claimOf, decide, decideFor, forwardOf } from '../../../src/policy/decide.ts';
import type { Decision, RequestFacts } from '../../../src/policy/decision.ts';
import type { RuleSpec, SandboxSpec } from '../../../src/policy/model.ts';
import { bearer, facts, forwardTo, list, rules, sandbox } from '../../support/specs.ts';

const policyOf = (parts: readonly Partial<RuleSpec>[], rest: Partial<SandboxSpec> = {}) =>
  compilePolicy(sandbox({ rules: rules(...parts), ...rest }));

const ask = (parts: readonly Partial<RuleSpec>[], request: Partial<RequestFacts>, rest: Partial<SandboxSpec> = {}) =>
  decide(policyOf(parts, rest), facts(request));

const codeOf = (decision: Decision): string => (decision.effect === 'allow' ? 'allow' : decision.code);

describe('the first rule whose every condition holds decides', () => {
  it('takes the first of two rules that hold', () => {
    const decision = ask([{ name: 'first' }, { name: 'second', action: 'deny' }], {});
    expect(decision).toMatchObject({ effect: 'allow', rule: { label: 'first', index: 0 } });
  });

  it('denies by an explicit rule before a later one that allows', () => {
    const decision = ask([{ name: 'no-admin', action: 'deny', paths: ['/admin/**'] }, {}], { path: '/admin/users' });
    expect(decision).toMatchObject({ effect: 'deny', code: 'RULE_DENIED', rule: { label: 'no-admin' } });
  });

  it('names a rule without a name by its file and line', () => {
    expect(ask([{}], {})).toMatchObject({ rule: { label: 'policies/test.yaml:10' } });
  });

  it('keeps the order of rules that name a host exactly and by wildcard', () => {
    const parts: Partial<RuleSpec>[] = [
      { name: 'wide', hosts: ['*.example.com'], methods: ['GET'] },
      { name: 'exact', hosts: ['api.example.com'] },
      { name: 'wider', hosts: ['*.example.com'], action: 'deny' },
    ];
    expect(ask(parts, { method: 'GET' })).toMatchObject({ rule: { label: 'wide' } });
    expect(ask(parts, { method: 'POST' })).toMatchObject({ rule: { label: 'exact' } });
    expect(ask(parts, { method: 'POST', host: 'other.example.com' })).toMatchObject({ rule: { label: 'wider' } });
  });

  it('skips passthrough rules, which no request is inside of', () => {
    expect(codeOf(ask([{ tls: 'passthrough' }], {}))).toBe('HOST_DENIED');
    expect(ask([{ tls: 'passthrough' }, { name: 'inside' }], {})).toMatchObject({ rule: { label: 'inside' } });
  });
});

describe('the code names the furthest step that any rule of the host reached', () => {
  const full: Partial<RuleSpec> = {
    schemes: ['https'],
    ports: [443],
    methods: ['GET'],
    paths: ['/v1/**'],
    query: [{ name: 'ref', value: { exact: 'main' } }],
    headers: [{ name: 'accept', value: { exact: 'text/plain' } }],
  };
  const met: Partial<RequestFacts> = { path: '/v1/x', query: 'ref=main', fields: list(['Accept', 'text/plain']) };
  it.each<[string, Partial<RequestFacts>, string]>([
    ['everything holds', {}, 'allow'],
    ['another host', { host: 'example.org' }, 'HOST_DENIED'],
    ['the apex of no wildcard', { host: 'example.com' }, 'HOST_DENIED'],
    ['another scheme', { scheme: 'http' }, 'HOST_DENIED'],
    ['another port', { port: 8443 }, 'HOST_DENIED'],
    ['another method', { method: 'POST' }, 'METHOD_DENIED'],
    ['another path', { path: '/v2/x' }, 'PATH_DENIED'],
    ['another query value', { query: 'ref=dev' }, 'RULE_DENIED'],
    ['no query', { query: null }, 'RULE_DENIED'],
    ['another field value', { fields: list(['Accept', 'text/html']) }, 'RULE_DENIED'],
    ['no field', { fields: [] }, 'RULE_DENIED'],
  ])('%s', (_what, changed, code) => {
    expect(codeOf(ask([full], { ...met, ...changed }))).toBe(code);
  });

  it('takes the furthest of several rules, not the last', () => {
    const parts = [{ methods: ['GET'], paths: ['/a'] }, { methods: ['POST'] }];
    expect(codeOf(ask(parts, { method: 'GET', path: '/b' }))).toBe('PATH_DENIED');
    expect(codeOf(ask(parts.toReversed(), { method: 'GET', path: '/b' }))).toBe('PATH_DENIED');
  });
});

describe('a deny rule that does not hold', () => {
  it('is not why a request is refused, so it does not name the code', () => {
    const noAdmin: Partial<RuleSpec> = { action: 'deny', paths: ['/admin/**'] };
    expect(codeOf(ask([noAdmin, { methods: ['GET'] }], { method: 'POST', path: '/x' }))).toBe('METHOD_DENIED');
    expect(codeOf(ask([noAdmin], { path: '/x' }))).toBe('HOST_DENIED');
  });
});

describe('ports', () => {
  it('are the own port of each scheme without "ports"', () => {
    const both: Partial<RuleSpec>[] = [{ schemes: ['http', 'https'] }];
    expect(codeOf(ask(both, { scheme: 'http', port: 80 }))).toBe('allow');
    expect(codeOf(ask(both, { scheme: 'https', port: 443 }))).toBe('allow');
    expect(codeOf(ask(both, { scheme: 'http', port: 443 }))).toBe('HOST_DENIED');
    expect(codeOf(ask(both, { scheme: 'https', port: 80 }))).toBe('HOST_DENIED');
  });

  it('hold for every scheme of the rule when they are listed', () => {
    const both: Partial<RuleSpec>[] = [{ schemes: ['http', 'https'], ports: [8080] }];
    expect(codeOf(ask(both, { scheme: 'http', port: 8080 }))).toBe('allow');
    expect(codeOf(ask(both, { scheme: 'https', port: 8080 }))).toBe('allow');
  });
});

describe('methods', () => {
  it.each(['TRACE', 'trace', 'CONNECT', 'Connect'])('%s is denied, whatever the rules say', (method) => {
    expect(codeOf(ask([{}], { method }))).toBe('METHOD_DENIED');
    expect(codeOf(ask([], { method }, { default: 'allow' }))).toBe('METHOD_DENIED');
    expect(ask([{}], { method }, { mode: 'observe' })).toMatchObject({ effect: 'deny', code: 'METHOD_DENIED' });
  });

  it('a lower-case method neither passes an allow rule nor escapes a deny rule', () => {
    expect(codeOf(ask([{ methods: ['DELETE'] }], { method: 'delete' }))).toBe('METHOD_DENIED');
    expect(codeOf(ask([{ methods: ['DELETE'], action: 'deny' }, {}], { method: 'delete' }))).toBe('RULE_DENIED');
  });
});

describe('paths', () => {
  it.each([
    '/v1/../admin',
    '/v1//admin',
    '/v1/%2e%2e/admin',
    '/v1/..;/admin',
    '/v1\\admin',
    '/v1/%2fadmin',
    '/v1/%252e',
  ])('%s is ambiguous on a host with paths, in every mode and whatever comes first', (path) => {
    const parts: Partial<RuleSpec>[] = [{ paths: ['/v1/**'] }, { methods: ['DELETE'] }];
    expect(ask(parts, { path })).toMatchObject({ effect: 'deny', code: 'PATH_AMBIGUOUS' });
    expect(ask(parts, { path }, { mode: 'observe' })).toMatchObject({ effect: 'deny', code: 'PATH_AMBIGUOUS' });
  });

  it('any path will do on a host without paths', () => {
    expect(codeOf(ask([{ methods: ['GET'] }], { path: '/a/..//b;c%2F' }))).toBe('allow');
  });

  it('an encoded slash is allowed only by a rule that says so', () => {
    const says: Partial<RuleSpec> = { name: 'says', paths: ['/projects/*/issues'], encodedSlash: true };
    const silent: Partial<RuleSpec> = { name: 'silent', paths: ['/projects/**'] };
    const request = { path: '/projects/group%2fname/issues' };
    expect(ask([silent, says], request)).toMatchObject({ effect: 'allow', rule: { label: 'says' } });
    expect(codeOf(ask([silent], request))).toBe('PATH_AMBIGUOUS');
    expect(codeOf(ask([silent, says], { path: '/projects/group%2Fname/wiki' }))).toBe('PATH_DENIED');
    expect(codeOf(ask([{ name: 'any path' }, says], { path: '/else/a%2Fb' }))).toBe('PATH_DENIED');
  });

  it('an encoded slash meets a deny rule in either reading', () => {
    const allow: Partial<RuleSpec> = { paths: ['/**'], encodedSlash: true };
    const asWritten: Partial<RuleSpec> = { paths: ['/a%2Fb'], action: 'deny' };
    const decoded: Partial<RuleSpec> = { paths: ['/a/b'], action: 'deny' };
    expect(codeOf(ask([asWritten, allow], { path: '/a%2fb' }))).toBe('RULE_DENIED');
    expect(codeOf(ask([decoded, allow], { path: '/a%2fb' }))).toBe('RULE_DENIED');
    expect(codeOf(ask([allow, decoded], { path: '/a%2fb' }))).toBe('allow');
  });

  it.each([
    ['/v1/x:delete', '/v1/x%3Adelete'],
    ['/v1/x:delete', '/v1/x%3adelete'],
    ['/v1/x%3Adelete', '/v1/x:delete'],
    ['/v1/*:delete', '/v1/x%3Adelete'],
    ['/v1/a%7Cb', '/v1/a|b'],
    ['/v1/a%2Ab', '/v1/a*b'],
    ['/v1/(a)', '/v1/%28a%29'],
    ['/admin/**', '/%61dmin/x'],
  ])('another spelling does not walk around a deny rule: %s and %s', (pattern, path) => {
    expect(codeOf(ask([{ action: 'deny', paths: [pattern] }, {}], { path }))).toBe('RULE_DENIED');
    expect(codeOf(ask([{ action: 'deny', paths: [pattern] }, {}], { path: '/v1/other' }))).toBe('allow');
  });

  it('dot segments that appear after decoding a slash are ambiguous even where the slash is allowed', () => {
    const allow: Partial<RuleSpec> = { paths: ['/**'], encodedSlash: true };
    expect(codeOf(ask([allow], { path: '/a/..%2Fb' }))).toBe('PATH_AMBIGUOUS');
    expect(codeOf(ask([allow], { path: '/a%2F..' }))).toBe('PATH_AMBIGUOUS');
    expect(codeOf(ask([allow], { path: '/a%2F%2Fb' }))).toBe('PATH_AMBIGUOUS');
  });
});

describe('a condition in doubt neither lets an allow rule match nor a deny rule miss', () => {
  const query: Partial<RuleSpec> = { query: [{ name: 'ref', value: { exact: 'main' } }] };
  const headers: Partial<RuleSpec> = { headers: [{ name: 'x-team', value: { exact: 'blue' } }] };
  it.each<[string, Partial<RuleSpec>, Partial<RequestFacts>]>([
    ['a repeated parameter', query, { query: 'ref=main&ref=dev' }],
    ['a repeated parameter, once escaped', query, { query: 'ref=main&%72ef=dev' }],
    ['a raw semicolon', query, { query: 'ref=main;ref=dev' }],
    ['a bad escape in a name', query, { query: 'ref=main&a%zz=1' }],
    ['a bad escape in the value', query, { query: 'ref=main%' }],
    ['overlong UTF-8 in the value', query, { query: 'ref=%C0%AD' }],
    ['two lines of one field', headers, { fields: list(['X-Team', 'blue'], ['x-team', 'red']) }],
    ['two lines with one value', headers, { fields: list(['X-Team', 'blue'], ['X-Team', 'blue']) }],
    ['a line with an underscore', headers, { fields: list(['X-Team', 'blue'], ['X_Team', 'red']) }],
    ['only a line with an underscore', headers, { fields: list(['X_Team', 'blue']) }],
  ])('%s', (_what, condition, request) => {
    expect(codeOf(ask([condition], request))).toBe('RULE_DENIED');
    expect(codeOf(ask([{ ...condition, action: 'deny' }, {}], request))).toBe('RULE_DENIED');
  });
});

describe('hosts that no rule names', () => {
  it('are denied by default, and pass with the bare plan under default: allow, on any port', () => {
    expect(codeOf(ask([{}], { host: 'example.org' }))).toBe('HOST_DENIED');
    const decision = ask([{}], { host: 'example.org', port: 8443 }, { default: 'allow' });
    expect(decision).toMatchObject({ effect: 'allow', rule: null, plan: { empty: true } });
    expect(claimOf(decision)).toBe('unnamed');
  });

  it('do not make default: allow speak for a named host without a matching rule', () => {
    expect(codeOf(ask([{ methods: ['GET'] }], { method: 'POST' }, { default: 'allow' }))).toBe('METHOD_DENIED');
  });

  it.each(['192.0.2.7', '[2001:db8::7]'])(
    'an address that nothing names is denied even under default: allow: %s',
    (host) => {
      expect(codeOf(ask([], { host }, { default: 'allow' }))).toBe('ADDRESS_DENIED');
      expect(ask([], { host }, { mode: 'observe' })).toMatchObject({ effect: 'deny', code: 'ADDRESS_DENIED' });
      expect(codeOf(ask([{ hosts: [host] }], { host }))).toBe('allow');
    },
  );

  it('a wildcard does not cover its apex, another suffix, or an address', () => {
    const wild: Partial<RuleSpec>[] = [{ hosts: ['*.example.com', '*.0.2.7'] }];
    expect(codeOf(ask(wild, { host: 'a.b.example.com' }))).toBe('allow');
    expect(codeOf(ask(wild, { host: 'example.com' }))).toBe('HOST_DENIED');
    expect(codeOf(ask(wild, { host: 'notexample.com' }))).toBe('HOST_DENIED');
    expect(codeOf(ask(wild, { host: 'example.com.evil.test' }))).toBe('HOST_DENIED');
    expect(codeOf(ask(wild, { host: '192.0.2.7' }))).toBe('ADDRESS_DENIED');
  });
});

describe('mode: observe', () => {
  const inject: Partial<RuleSpec> = { methods: ['GET'], paths: ['/v1/**'], inject: [bearer('github')] };
  it('turns a denial of its rules into a pass without a credential', () => {
    const decision = ask([inject], { method: 'POST' }, { mode: 'observe' });
    expect(decision).toMatchObject({ effect: 'would-deny', code: 'METHOD_DENIED', plan: { secrets: [], fields: [] } });
    expect(claimOf(decision)).toBe('unnamed');
  });

  it('still removes override fields there, since the host is judged by method', () => {
    const decision = ask([inject], { method: 'POST' }, { mode: 'observe' });
    expect(decision.effect === 'would-deny' && decision.plan.removed.has('x-http-method-override')).toBe(true);
  });

  it('passes hosts that no rule names, and explicit denies, as would-deny', () => {
    expect(ask([inject], { host: 'example.org' }, { mode: 'observe' })).toMatchObject({
      effect: 'would-deny',
      code: 'HOST_DENIED',
    });
    expect(ask([{ action: 'deny' }], {}, { mode: 'observe' })).toMatchObject({
      effect: 'would-deny',
      code: 'RULE_DENIED',
    });
  });

  it('leaves an allowed request as it is, with its credential', () => {
    const decision = ask([inject], { path: '/v1/x' }, { mode: 'observe' });
    expect(decision).toMatchObject({ effect: 'allow', plan: { secrets: ['github'] } });
    expect(claimOf(decision)).toBe('named');
  });
});

describe('websocket: false', () => {
  it('refuses upgrades by the rule that decides, also when only observing', () => {
    const parts: Partial<RuleSpec>[] = [{ name: 'no-ws', websocket: false }, { name: 'ws' }];
    expect(ask(parts, { websocket: true })).toMatchObject({ code: 'PROTOCOL_DENIED', rule: { label: 'no-ws' } });
    expect(ask(parts, { websocket: true }, { mode: 'observe' })).toMatchObject({
      effect: 'deny',
      code: 'PROTOCOL_DENIED',
    });
    expect(codeOf(ask(parts, { websocket: false }))).toBe('allow');
  });
});

describe('what a denial says', () => {
  const hintOf = (decision: Decision): string | undefined => (decision.effect === 'allow' ? undefined : decision.hint);
  const reasonOf = (decision: Decision): string => (decision.effect === 'allow' ? '' : decision.reason);

  it('tells which methods, paths and origins would do', () => {
    const parts: Partial<RuleSpec>[] = [{ name: 'read', methods: ['GET', 'HEAD'], paths: ['/repos/**'] }];
    expect(hintOf(ask(parts, { method: 'POST' }))).toBe('Methods that are allowed here: GET, HEAD.');
    expect(hintOf(ask(parts, { path: '/x' }))).toBe('Paths that are allowed with this method: /repos/**.');
    expect(hintOf(ask(parts, { port: 8443 }))).toBe('Allowed on this host: https.');
    expect(reasonOf(ask(parts, { method: 'POST' }))).toBe(
      'No rule allows POST on https://api.example.com:443; the nearest is "read".',
    );
  });

  it('names the query and fields that a rule looks at, and no values of either side', () => {
    const parts: Partial<RuleSpec>[] = [
      {
        name: 'ref',
        query: [{ name: 'ref', value: { exact: 'expected' } }],
        headers: [{ name: 'x-a', value: { exact: 'e' } }],
      },
    ];
    const decision = ask(parts, { query: 'ref=sent-by-the-client' });
    expect(hintOf(decision)).toBe(
      'The rules here look at: query "ref", field "x-a". Send each once, with an allowed value.',
    );
    expect(`${reasonOf(decision)} ${hintOf(decision)}`).not.toMatch(/sent-by|expected/);
  });

  it('stays short and printable, whatever the client sent and however many rules there are', () => {
    const many = Array.from(
      { length: 500 },
      (_, index): Partial<RuleSpec> => ({ paths: [`/p${index}/**`], methods: ['GET'] }),
    );
    const decision = ask(many, { path: '/x', method: 'GET' });
    expect(hintOf(decision)).toBe(
      'Paths that are allowed with this method: /p0/**, /p1/**, /p2/**, /p3/**, /p4/**, /p5/** and more.',
    );
    const odd = ask(many, { method: `\u001b[31m${'A'.repeat(5000)}` });
    expect(reasonOf(odd).length).toBeLessThan(300);
    expect(reasonOf(odd)).toMatch(/^[\x20-\x7e]+$/);
  });
});

describe('a connection that keeps the rules of its host', () => {
  it('gets the same decision as one that looks them up', () => {
    const policy = policyOf([{ methods: ['GET'] }]);
    const host = policy.rulesFor('api.example.com');
    expect(decideFor(policy, host, facts())).toEqual(decide(policy, facts()));
    expect(host).toBe(policy.rulesFor('api.example.com'));
  });
});

describe('a rule that forwards', () => {
  const forward = forwardTo('audit.example', '/in');

  it('says where to, for what it allows alone', () => {
    const decision = ask([{ methods: ['GET'], forward }], { method: 'GET' });
    expect([forwardOf(decision), claimOf(decision)]).toEqual([forward, 'forward']);
    const other = ask([{ methods: ['GET'], forward }], { method: 'PUT' }, { mode: 'observe' });
    expect([other.effect, forwardOf(other), claimOf(other)]).toEqual(['would-deny', null, 'unnamed']);
    expect(forwardOf(ask([{}], {}))).toBeNull();
  });

  it('makes paths of its host count: what could leave the path of the URL is refused', () => {
    expect(codeOf(ask([{ forward }], { path: '/../admin' }))).toBe('PATH_AMBIGUOUS');
    expect(codeOf(ask([{ forward }], { path: '/a%2Fb' }))).toBe('PATH_AMBIGUOUS');
    expect(codeOf(ask([{ forward, encodedSlash: true }], { path: '/a%2Fb' }))).toBe('allow');
    expect(codeOf(ask([{ forward, encodedSlash: true }], { path: '/a%2F..%2F..' }))).toBe('PATH_AMBIGUOUS');
    expect(codeOf(ask([{}], { path: '/../admin' }))).toBe('allow');
  });
});
