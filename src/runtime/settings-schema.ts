import * as z from 'zod/mini';
import { described, duration, flag, list, size, text, tokenShape } from '../policy/reading/schema-parts.ts';

/** The shape of postern.yaml (contract section 3). What values mean is judged in `read-settings.ts`. */

const addresses = (wanted: string, description: string) =>
  z.optional(described(z.array(z.string(), { error: wanted }), description));
const count = (description: string) => z.optional(described(z.int({ error: 'must be a whole number' }), description));

const transparentShape = z.strictObject(
  {
    listen: described(z.string({ error: 'must be an address, e.g. "0.0.0.0:8443"' }), 'host:port or unix:/path'),
    port: described(z.int({ error: 'must be a port, e.g. 443' }), 'The port that clients meant'),
  },
  { error: 'must be a map, e.g. { listen: "0.0.0.0:8443", port: 443 }' },
);

const listenShape = z.strictObject({
  proxy: z.optional(
    list(
      z.string(),
      'must be a list of addresses, e.g. [127.0.0.1:8080]',
      'Where clients connect. Default: [127.0.0.1:8080]',
    ),
  ),
  transparent: z.optional(
    described(
      z.array(transparentShape, { error: 'must be a list, e.g. [{ listen: "0.0.0.0:8443", port: 443 }]' }),
      'Where redirected TCP arrives: TLS by its server name, HTTP by its Host. Default: nowhere',
    ),
  ),
  dns: addresses(
    'must be a list of addresses, e.g. [127.0.0.1:5353]',
    'Where DNS is answered for names that the policy allows, by UDP and TCP. Default: nowhere',
  ),
  dns_answers: addresses(
    'must be a list of addresses, e.g. [172.16.42.1]',
    'With "transparent": what allowed names are answered with. Default: the address that the question came to',
  ),
});

const adminShape = z.strictObject({
  listen: addresses(
    'must be a list of addresses, e.g. [127.0.0.1:9464]',
    'Health, metrics and API: host:port or unix:/path. Default: [127.0.0.1:9464]',
  ),
  token: z.optional(described(tokenShape, 'Needed from elsewhere than this machine, and for changes')),
});

const parentShape = z.strictObject(
  {
    url: described(
      z.string({ error: 'must be a URL, e.g. "http://proxy.corp.example:3128"' }),
      'http://host:port, or https://host:port to speak TLS with it',
    ),
    username: text('For Basic authentication to it, with "password"'),
    password: z.optional(described(tokenShape, 'The source of the password; a file is re-read when it changes')),
    no_proxy: addresses(
      'must be a list of hosts and blocks, e.g. ["*.corp.example", 10.0.0.0/8]',
      'Hosts, "*.suffix" and blocks of addresses that are dialled directly',
    ),
  },
  { error: 'must be a map, e.g. { url: "http://proxy.corp.example:3128" }' },
);

const upstreamShape = z.strictObject({
  trust: addresses('must be a list of files, e.g. [/etc/ssl/corp.pem]', 'PEM files added to the system roots'),
  dns: addresses('must be a list of addresses, e.g. [10.0.0.2:53]', "Resolvers. Default: the system's"),
  hosts: z.optional(
    described(
      z.record(z.string(), list(z.string(), 'must be a list of addresses, e.g. [10.20.3.4]', 'Where this host is'), {
        error: 'must be a map of hosts, e.g. { api.corp.example: [10.20.3.4] }',
      }),
      'Fixed answers before DNS',
    ),
  ),
  allow_addresses: addresses(
    'must be a list of blocks, e.g. [10.20.0.0/16]',
    'Private space that rules which name the host may reach; all other is refused',
  ),
  proxy: z.optional(
    described(parentShape, 'The proxy that every upstream connection goes through, by CONNECT. Default: none'),
  ),
});

const forwardToShape = z.strictObject(
  {
    host: described(z.string(), 'A host that rules may forward to: an exact name, or an address'),
    ports: z.optional(list(z.int(), 'must be a list of numbers, e.g. [443]', 'Default: [443]')),
    addresses: z.optional(
      list(
        z.string(),
        'must be a list of blocks, e.g. [10.20.0.0/16]',
        'The only addresses that the host may be at, private ones included. Default: public ones',
      ),
    ),
  },
  { error: 'must be a map, e.g. { host: audit.corp.example, addresses: [10.20.0.0/16] }' },
);

const limitsShape = z.strictObject({
  connections: count('Client connections. Default: 10000'),
  connections_per_sandbox: count('Client connections of one sandbox, and its streams of HTTP/2. Default: 2000'),
  head_bytes: size('Head of a request or response. Default: 64KiB'),
  head_fields: count('Fields of a request or response. Default: 200'),
  client_head: duration('For a client to send its request head. Default: 30s'),
  connect: duration('For a connection to a host. Default: 10s'),
  tls: duration('For a TLS handshake, on either side. Default: 10s'),
  response_head: duration('For a host to begin its answer. Default: 10m'),
  idle: duration('Silence on a connection with a request in flight. Default: 5m'),
  tunnel_idle: duration('Silence in a tunnel or WebSocket. Default: 1h'),
  drain: duration('For requests in flight at shutdown. Default: 30s'),
  leaf_cache: count('Certificates kept in memory. Default: 2000'),
  dns_cache: duration('How long answers are kept. Default: 60s'),
});

export const settingsShape = z.strictObject({
  version: described(z.literal(1, { error: 'must be 1' }), 'Always 1'),
  listen: z.optional(listenShape),
  admin: z.optional(adminShape),
  policies: text('A policy file, or a folder whose *.yaml are read. Default: policies/'),
  ca: z.optional(
    z.strictObject({
      dir: text('Holds ca.pem, ca-key.pem and bundle.pem. Default: certs/'),
      leaf_ttl: duration('How long leaf certificates are valid. Default: 24h'),
    }),
  ),
  upstream: z.optional(upstreamShape),
  forward_to: z.optional(
    list(forwardToShape, 'must be a list, e.g. [ { host: audit.corp.example } ]', 'Where rules may forward to'),
  ),
  limits: z.optional(limitsShape),
  log: z.optional(
    z.strictObject({
      level: z.optional(
        described(
          z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']),
          'Of the operational log on stderr. Default: info',
        ),
      ),
      audit: text('stdout, or a file. Default: stdout'),
      audit_required: flag('Refuses traffic while audit lines cannot be written. Default: false'),
    }),
  ),
  state: text('A folder where quarantines outlive a restart. Default: none'),
  strict_files: flag('Secret files that others can read are errors, not warnings. Default: false'),
});

export type RawSettings = z.output<typeof settingsShape>;
