import { describe, expect, it } from 'vitest';
import { formatFinding } from '../../../src/policy/finding.ts';
import { readSettings } from '../../../src/runtime/read-settings.ts';

const errorsOf = (line: string): readonly string[] =>
  readSettings(`version: 1\n${line}\n`, 'postern.yaml', '/srv').findings.map((finding) =>
    formatFinding(finding, 'f').slice('f:'.length),
  );

const entry = (listen: string, port: number | string = 443): string => `{ listen: "${listen}", port: ${port} }`;

describe('listen.transparent', () => {
  it.each([
    [
      'listen: { transparent: ["0.0.0.0:8443"] }',
      '2:25  listen.transparent[0]  must be a map, e.g. { listen: "0.0.0.0:8443", port: 443 }',
    ],
    [
      'listen: { transparent: 8443 }',
      '2:24  listen.transparent  must be a list, e.g. [{ listen: "0.0.0.0:8443", port: 443 }]',
    ],
    [
      'listen: { transparent: [{ listen: "0.0.0.0:8443" }] }',
      '2:25  listen.transparent[0].port  is missing; it must be a port, e.g. 443',
    ],
    [
      'listen: { transparent: [{ port: 443 }] }',
      '2:25  listen.transparent[0].listen  is missing; it must be an address, e.g. "0.0.0.0:8443"',
    ],
    [
      `listen: { transparent: [${entry('0.0.0.0:8443', 0)}] }`,
      '2:57  listen.transparent[0].port  is not a port from 1 to 65535',
    ],
    [
      `listen: { transparent: [${entry('0.0.0.0:8443', 65_536)}] }`,
      '2:57  listen.transparent[0].port  is not a port from 1 to 65535',
    ],
    [
      `listen: { transparent: [${entry(':8443')}] }`,
      '2:35  listen.transparent[0].listen  ":8443" names no interface; write "0.0.0.0:8443"',
    ],
    [
      `listen: { transparent: [${entry('127.0.0.1:1')}, ${entry('127.0.0.1:1', 80)}] }`,
      '2:73  listen.transparent[1].listen  "127.0.0.1:1" is in "listen.transparent" too; each has addresses of its own',
    ],
    [
      `listen: { proxy: ["127.0.0.1:1"], transparent: [${entry('127.0.0.1:1')}] }`,
      '2:59  listen.transparent[0].listen  "127.0.0.1:1" is in "listen.proxy" too; each has addresses of its own',
    ],
    [
      `{ listen: { transparent: [${entry('127.0.0.1:9464')}] } }`.slice(2, -2),
      '2:35  listen.transparent[0].listen  "127.0.0.1:9464" is in "admin.listen" too; each has addresses of its own',
    ],
  ])('is refused with %s', (line, finding) => {
    expect(errorsOf(line)).toEqual([finding]);
  });

  it('may have one port twice, and free ports', () => {
    expect(errorsOf(`listen: { transparent: [${entry('127.0.0.1:0')}, ${entry('127.0.0.1:0')}] }`)).toEqual([]);
  });
});

describe('listen.dns', () => {
  const transparent = `transparent: [${entry('127.0.0.1:0')}]`;

  it.each([
    [
      'listen: { dns: ["unix:/run/dns.sock"] }',
      '2:17  listen.dns[0]  is no address; DNS is UDP and TCP, e.g. "127.0.0.1:5353"',
    ],
    [
      'listen: { dns: ["dns.test:53"] }',
      '2:17  listen.dns[0]  "dns.test:53" is a name; write the address of an interface, e.g. "127.0.0.1:8080" or "0.0.0.0:8080"',
    ],
    [
      'listen: { dns: ["127.0.0.1:8080"] }',
      '2:17  listen.dns[0]  "127.0.0.1:8080" is in "listen.proxy" too; each has addresses of its own',
    ],
    [
      `listen: { dns: ["0.0.0.0:53"], ${transparent} }`,
      '2:17  listen.dns[0]  names no single address, which names could be answered with; write "dns_answers" beside it',
    ],
    [
      'listen: { dns: ["127.0.0.1:53"], dns_answers: [10.0.0.1] }',
      '2:47  listen.dns_answers  is what "listen.dns" answers with where there is "listen.transparent"; remove it, or add what is missing',
    ],
    [
      `listen: { dns: ["127.0.0.1:53"], dns_answers: ["[::1]"], ${transparent} }`,
      '2:48  listen.dns_answers[0]  is not an IPv4 or IPv6 address, without port and brackets',
    ],
    [
      `listen: { dns: ["127.0.0.1:53"], dns_answers: ["::0001"], ${transparent} }`,
      '2:48  listen.dns_answers[0]  is not the canonical spelling of the address; write "::1"',
    ],
    [
      '{ listen: { dns: ["127.0.0.1:53"] }, upstream: { dns: ["127.0.0.1:53"] } }',
      '2:56  upstream.dns[0]  "127.0.0.1:53" is in "listen.dns": this proxy cannot ask itself',
    ],
  ])('is refused with %s', (line, finding) => {
    const body = line.startsWith('{ ') ? line.slice(2, -2).replace(', upstream', '\nupstream') : line;
    expect(errorsOf(body).map((each) => each.replace(/^\d+:\d+/, ''))).toEqual([finding.replace(/^\d+:\d+/, '')]);
  });

  it('on every address needs nothing else where nothing is redirected', () => {
    expect(errorsOf('listen: { dns: ["0.0.0.0:5353"] }')).toEqual([]);
  });
});
