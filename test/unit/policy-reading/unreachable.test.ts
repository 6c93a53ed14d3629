import { describe, expect, it } from 'vitest';
import { readPolicy } from '../../../src/policy/reading/read.ts';
import { findingsOf } from './support.ts';

const rules = (...lines: readonly string[]): string =>
  `version: 1\nrules:\n${lines.map((line) => `  - { ${line} }\n`).join('')}`;

describe('a rule that can never decide', () => {
  it.each([
    ['hosts: [a.example]', 'hosts: [a.example]'],
    ['hosts: [a.example]', 'hosts: [a.example], action: deny'],
    ['hosts: [a.example], action: deny', 'hosts: [a.example], methods: [GET]'],
    ['hosts: [a.example]', 'hosts: [a.example], paths: [/admin/**], action: deny'],
    ['hosts: [a.example]', 'hosts: [a.example], query: { a: b }, headers: { a: b }'],
    ['hosts: [a.example, b.example]', 'hosts: [b.example, a.example]'],
    ['hosts: ["*.a.example"]', 'hosts: [x.y.a.example]'],
    ['hosts: ["*.a.example"]', 'hosts: ["*.y.a.example"]'],
    ['hosts: [a.example], methods: [GET, POST]', 'hosts: [a.example], methods: [POST]'],
    ['hosts: [a.example], ports: [443, 8443]', 'hosts: [a.example]'],
    ['hosts: [a.example], schemes: [http, https]', 'hosts: [a.example]'],
    ['hosts: [a.example], websocket: false', 'hosts: [a.example]'],
    ['hosts: [a.example], tls: passthrough', 'hosts: [a.example], methods: [GET]'],
    ['hosts: [a.example], methods: [GET], paths: [/a]', 'hosts: [a.example]'].toReversed(),
    ['hosts: [a.example]', 'hosts: [a.example], tls: passthrough'],
  ])('is reported: after "%s", "%s"', (first, second) => {
    expect(findingsOf(rules(first, second))).toEqual([
      '4:5  rules[1]  warning: can never decide: rules[0] comes first and takes all of it; move it up, or remove it',
    ]);
  });

  it('is reported by the name of the rule before it, and may have several', () => {
    expect(
      findingsOf(rules('name: one, hosts: [a.example]', 'hosts: ["*.b.example"]', 'hosts: [a.example, x.b.example]')),
    ).toEqual([
      '5:5  rules[2]  warning: can never decide: one comes first and takes all of it; move it up, or remove it',
    ]);
  });
});

describe('a rule that may decide', () => {
  it.each([
    ['hosts: [a.example]', 'hosts: [b.example]'],
    ['hosts: [a.example]', 'hosts: [a.example, b.example]'],
    ['hosts: [a.example]', 'hosts: ["*.a.example"]'],
    ['hosts: ["*.a.example"]', 'hosts: [a.example]'],
    ['hosts: [a.example], methods: [GET]', 'hosts: [a.example]'],
    ['hosts: [a.example], methods: [GET]', 'hosts: [a.example], methods: [GET, POST]'],
    // "get" is in doubt: no allow rule for GET takes it, and a deny rule for GET does.
    ['hosts: [a.example], methods: [GET]', 'hosts: [a.example], methods: [GET], action: deny'],
    ['hosts: [a.example], paths: [/a/**]', 'hosts: [a.example], paths: [/a/b]'],
    ['hosts: [a.example], query: { a: b }', 'hosts: [a.example]'],
    ['hosts: [a.example], headers: { a: b }', 'hosts: [a.example]'],
    ['hosts: [a.example]', 'hosts: [a.example], ports: [8443]'],
    ['hosts: [a.example], ports: [8443]', 'hosts: [a.example]'],
    ['hosts: [a.example]', 'hosts: [a.example], schemes: [http, https]'],
    ['hosts: [a.example], schemes: [http]', 'hosts: [a.example]'],
    ['hosts: [a.example]', 'hosts: [a.example], encoded_slash: true, paths: ["/a/**"]'],
    ['hosts: [a.example], tls: passthrough', 'hosts: [a.example], schemes: [http]'],
    ['hosts: [a.example], tls: passthrough', 'hosts: [a.example], ports: [8443]'],
    ['hosts: [a.example], schemes: [http], ports: [80]', 'hosts: [a.example], tls: passthrough'],
  ])('is not reported: after "%s", "%s"', (first, second) => {
    expect(findingsOf(rules(first, second))).toEqual([]);
  });
});

describe('a policy of thousands of rules for one host', () => {
  it('is judged in a time that grows with its length', () => {
    const many = Array.from({ length: 3_000 }, (_, index) => `hosts: [a.example], paths: ["/p${index}/**"]`);
    const methods = Array.from(
      { length: 3_000 },
      (_, index) => `hosts: [a.example], methods: [${index % 2 === 0 ? 'GET' : 'POST'}], ports: [${index + 1}]`,
    );
    const started = performance.now();
    expect(readPolicy(rules(...many, ...methods), 'f').findings).toEqual([]);
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});
