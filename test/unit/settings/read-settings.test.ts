import { describe, expect, it } from 'vitest';
import { STARTER_CONFIG } from '../../../src/cli/starter.ts';
import { formatFinding } from '../../../src/policy/finding.ts';
import { defaultSettings, readSettings } from '../../../src/runtime/read-settings.ts';

const findingsOf = (text: string): readonly string[] =>
  readSettings(text, 'postern.yaml', '/srv').findings.map((finding) => formatFinding(finding, 'f').slice('f:'.length));

/** What is wrong with a file that says `version: 1` and these lines; the first is line 2. */
const errorsOf = (...lines: readonly string[]): readonly string[] => findingsOf(`version: 1\n${lines.join('\n')}\n`);

const LATER = 'comes in a later release, and until then is refused rather than ignored; remove it';

describe('postern.yaml', () => {
  it('is read whole', () => {
    const text = `version: 1
listen:
  proxy: [127.0.0.1:8080, "[::1]:8080"]
  transparent: [{ listen: "0.0.0.0:8443", port: 443 }, { listen: "unix:/run/vm/v.sock_80", port: 80 }]
  dns: [0.0.0.0:5353]
  dns_answers: [172.16.42.1, "fd00::1"]
admin:
  listen: [127.0.0.1:9464, "unix:/run/postern-admin.sock"]
  token: { file: secrets/admin }
policies: policies.d/
ca: { dir: /var/lib/postern/, leaf_ttl: 12h }
upstream:
  trust: [ /etc/ssl/extra-ca.pem, corp.pem ]
  dns: [ 10.0.0.2:53, "[fd00::2]:53" ]
  hosts: { api.corp.example: [10.20.3.4, "fd00::4"] }
  allow_addresses: [ 10.20.0.0/16, 10.30.0.1 ]
forward_to: [ { host: audit.corp.example, addresses: [10.20.0.0/16] } ]
limits: { connections: 5, connections_per_sandbox: 4, head_bytes: 128KiB, head_fields: 100, client_head: 1s, connect: 2s,
          tls: 3s, response_head: 4m, idle: 5m, tunnel_idle: 6h, drain: 7s, leaf_cache: 8, dns_cache: 9s }
log: { level: warn, audit: audit.jsonl, audit_required: true }
strict_files: true
state: /var/lib/postern-state
`;
    const { settings, findings } = readSettings(text, 'etc/postern.yaml', '/srv');
    expect(findings).toEqual([]);
    expect(settings).toEqual({
      file: '/srv/etc/postern.yaml',
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      listen: {
        proxy: [
          { kind: 'tcp', host: '127.0.0.1', port: 8080, text: '127.0.0.1:8080' },
          { kind: 'tcp', host: '::1', port: 8080, text: '[::1]:8080' },
        ],
        transparent: [
          { address: { kind: 'tcp', host: '0.0.0.0', port: 8443, text: '0.0.0.0:8443' }, port: 443 },
          { address: { kind: 'unix', path: '/run/vm/v.sock_80', text: 'unix:/run/vm/v.sock_80' }, port: 80 },
        ],
        dns: [{ kind: 'tcp', host: '0.0.0.0', port: 5353, text: '0.0.0.0:5353' }],
        dnsAnswers: ['172.16.42.1', 'fd00::1'],
      },
      admin: {
        listen: [
          { kind: 'tcp', host: '127.0.0.1', port: 9464, text: '127.0.0.1:9464' },
          { kind: 'unix', path: '/run/postern-admin.sock', text: 'unix:/run/postern-admin.sock' },
        ],
        token: { kind: 'file', path: '/srv/etc/secrets/admin' },
      },
      policies: '/srv/etc/policies.d',
      ca: { dir: '/var/lib/postern', leafTtlMs: 43_200_000 },
      upstream: {
        trust: ['/etc/ssl/extra-ca.pem', '/srv/etc/corp.pem'],
        dns: ['10.0.0.2:53', '[fd00::2]:53'],
        hosts: [{ host: 'api.corp.example', addresses: ['10.20.3.4', 'fd00::4'] }],
        allowAddresses: ['10.20.0.0/16', '10.30.0.1/32'],
        proxy: null,
      },
      forwardTo: [{ host: 'audit.corp.example', ports: [443], addresses: ['10.20.0.0/16'] }],
      limits: {
        connections: 5,
        connectionsPerSandbox: 4,
        headBytes: 131_072,
        headFields: 100,
        clientHeadMs: 1_000,
        connectMs: 2_000,
        tlsMs: 3_000,
        responseHeadMs: 240_000,
        idleMs: 300_000,
        tunnelIdleMs: 21_600_000,
        drainMs: 7_000,
        leafCacheEntries: 8,
        dnsCacheMs: 9_000,
      },
      log: { level: 'warn', audit: '/srv/etc/audit.jsonl', auditRequired: true },
      strictFiles: true,
      state: '/var/lib/postern-state',
    });
    expect(structuredClone(settings)).toEqual(settings);
  });

  it.each([['version: 1\n'], [STARTER_CONFIG]])('that says little means the defaults: %#', (text) => {
    const { settings, findings } = readSettings(text, '/srv/postern.yaml');
    expect(findings).toEqual([]);
    expect({ ...settings, file: null, hash: '' }).toEqual({ ...defaultSettings('/srv'), hash: '' });
  });

  it('has defaults that stand in the contract', () => {
    expect(defaultSettings('/srv')).toMatchObject({
      file: null,
      listen: { proxy: [{ text: '127.0.0.1:8080' }] },
      admin: { listen: [{ text: '127.0.0.1:9464' }], token: null },
      policies: '/srv/policies',
      ca: { dir: '/srv/certs', leafTtlMs: 86_400_000 },
      log: { level: 'info', audit: 'stdout', auditRequired: false },
      strictFiles: false,
    });
  });

  it('may switch the admin listener off, and ask for free ports', () => {
    const { settings } = readSettings(
      'version: 1\nlisten: { proxy: ["127.0.0.1:0", "127.0.0.1:0"] }\nadmin: { listen: [] }\n',
      'f',
    );
    expect(settings?.admin.listen).toEqual([]);
    expect(settings?.listen.proxy.length).toBe(2);
  });
});

describe('a mistake in postern.yaml', () => {
  it.each([
    ['listen: { proxy: [8080] }', '2:19  listen.proxy[0]  must be a text; put it in quotes: "8080"'],
    ['listen: { proxy: [":8080"] }', '2:19  listen.proxy[0]  ":8080" names no interface; write "0.0.0.0:8080"'],
    ['listen: { proxy: [] }', '2:18  listen.proxy  is empty; it must be a list of addresses, e.g. [127.0.0.1:8080]'],
    [
      'listen: { proxy: ["proxy.example:80"] }',
      expect.stringContaining('is a name; write the address of an interface'),
    ],
    [
      'listen: { proxy: ["127.0.0.1:1", "127.0.0.1:1"] }',
      '2:34  listen.proxy[1]  "127.0.0.1:1" is in this list twice; remove one of them',
    ],
    ['listen: { proxi: [] }', '2:11  listen.proxi  is not a known key; did you mean "proxy"?'],
    [
      'admin: { listen: ["127.0.0.1:8080"] }',
      '2:18  admin.listen  "127.0.0.1:8080" is in "listen.proxy" too; the admin API has a listener of its own',
    ],
    [
      'admin: { listen: ["unix:run/x"] }',
      expect.stringContaining('2:19  admin.listen[0]  "unix:run/x" is not an absolute path'),
    ],
    ['admin: { token: {} }', '2:17  admin.token  has no source; write { env: VARIABLE } or { file: PATH }'],
    ['policies: ~/policies', '2:11  policies  begins with "~", which only a shell reads; write the path in full'],
    ['policies: ""', '2:11  policies  is empty; write the path of a file'],
    ['ca: { leaf_ttl: 24 }', '2:17  ca.leaf_ttl  must be a duration with its unit, e.g. 30s or 10m'],
    ['ca: { leaf_ttl: 1m }', '2:17  ca.leaf_ttl  is out of bounds; write something from 10m to 24d'],
    [
      'upstream: { verify: false }',
      '2:13  upstream.verify  is not a known key; known here: trust, dns, hosts, allow_addresses, proxy',
    ],
    [
      'upstream: { dns: [10.0.0.2] }',
      '2:19  upstream.dns[0]  "10.0.0.2" is not the address and port of a resolver; write "10.0.0.2:53"',
    ],
    [
      'upstream: { dns: ["dns.google:53"] }',
      '2:19  upstream.dns[0]  "dns.google:53" is not the address and port of a resolver',
    ],
    [
      'upstream: { hosts: { A.example: [10.0.0.1] } }',
      '2:22  upstream.hosts["A.example"]  "A.example" has upper-case letters; write "a.example"',
    ],
    [
      'upstream: { hosts: { "*.example.com": [10.0.0.1] } }',
      expect.stringContaining('has a character that host names do not have'),
    ],
    [
      'upstream: { hosts: { 10.0.0.1: [10.0.0.2] } }',
      expect.stringContaining('is an address already; only names have fixed answers'),
    ],
    [
      'upstream: { hosts: { a.example: [b.example] } }',
      expect.stringContaining('"b.example" is not an address; write e.g. 10.20.3.4'),
    ],
    [
      'upstream: { hosts: { a.example: ["[::1]"] } }',
      expect.stringContaining('"[::1]" is not in canonical form; write "::1"'),
    ],
    [
      'upstream: { hosts: { a.example: 10.0.0.1 } }',
      '2:33  upstream.hosts["a.example"]  must be a list of addresses, e.g. [10.20.3.4]',
    ],
    [
      'upstream: { allow_addresses: [10.0.0.1/8] }',
      expect.stringContaining('has bits set after the prefix; write "10.0.0.0/8"'),
    ],
    ['limits: { connections: 0 }', '2:24  limits.connections  is out of bounds; write something from 1 to 1000000'],
    ['limits: { connections: many }', '2:24  limits.connections  must be a whole number'],
    ['limits: { head_bytes: 65536 }', '2:23  limits.head_bytes  must be a size with its unit, e.g. 64KiB'],
    ['limits: { head_bytes: 1KiB }', '2:23  limits.head_bytes  is out of bounds; write something from 4KiB to 16MiB'],
    ['limits: { head_bytes: 64KB }', expect.stringContaining('"64KB" is not a size')],
    ['limits: { idle: 5 min }', expect.stringContaining('"5 min" is not a duration')],
    ['limits: { idle: 10ms }', '2:17  limits.idle  is out of bounds; write something from 1s to 1d'],
    ['log: { level: verbose }', '2:15  log.level  must be trace or debug or info or warn or error or fatal'],
    ['log: { audit: "" }', '2:15  log.audit  is empty; write the path of a file'],
    ['log: { audit_required: 1 }', '2:24  log.audit_required  must be true or false'],
  ])('is told with what to write: %s', (line, finding) => {
    expect(errorsOf(line)).toEqual([finding]);
    expect(readSettings(`version: 1\n${line}\n`, 'f').settings).toBeNull();
  });

  it('may have clients at a socket', () => {
    const { settings } = readSettings('version: 1\nlisten: { proxy: ["unix:/run/x.sock"] }\n', 'f');
    expect(settings?.listen.proxy).toEqual([{ kind: 'unix', path: '/run/x.sock', text: 'unix:/run/x.sock' }]);
  });

  it.each([
    ['unix:/run/../x.sock', 'is not the shortest spelling of its path; write "unix:/x.sock"'],
    ['unix:/run/x.sock/', 'is not the shortest spelling of its path; write "unix:/run/x.sock"'],
    ['unix:/', 'names no file; write "unix:/run/postern.sock"'],
  ])('has no socket at %s', (text, why) => {
    expect(errorsOf(`listen: { proxy: ["${text}"] }`)).toEqual([`2:19  listen.proxy[0]  "${text}" ${why}`]);
  });

  it('has no socket for clients and for the admin API', () => {
    expect(
      errorsOf('{ listen: { proxy: ["unix:/run/x.sock"] }, admin: { listen: ["unix:/run/x.sock"] } }'.slice(2, -2)),
    ).toHaveLength(1);
  });

  it.each([['listen: { reuse_port: true }', '2:11  listen.reuse_port  ']])(
    'that asks for later work is refused: %s',
    (line, finding) => {
      expect(errorsOf(line)).toEqual([`${finding}${LATER}`]);
    },
  );

  it('is reported with all the others, and never repeats what may be a secret', () => {
    const found = errorsOf(
      'admin: { token: hunter2hunter2, listen: ["x"] }',
      'limits: { idle: 5, drain: 1x, foo: 1 }',
      'log: { level: loud, audit_required: maybe }',
    );
    expect(found.map((line) => line.split('  ')[1])).toEqual([
      'admin.token',
      'admin.listen[0]',
      'limits.idle',
      'limits.drain',
      'limits.foo',
      'log.level',
      'log.audit_required',
    ]);
    expect(found.join()).not.toContain('hunter2');
  });

  it('such as no version, no content or no map is refused', () => {
    expect(findingsOf('listen: {}\n')).toEqual(['1:1  version  is missing; it must be 1']);
    expect(findingsOf('')).toEqual(['1:1  is empty; write at least "version: 1"']);
    expect(findingsOf('- a\n')).toEqual(['1:1  must be a map of keys; begin with "version: 1"']);
  });
});
