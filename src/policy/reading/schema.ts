import * as z from 'zod/mini';
import { described, duration, flag, list, rate, size, text, tokenShape } from './schema-parts.ts';

/**
 * The shape of a policy file (contract section 4): keys, types and closed sets of words. What values mean is judged by the readers
 * beside this file, which can say more than a schema. Descriptions are for editors (`postern schema policy`).
 */

const HOSTS = 'must be a list of hosts, e.g. [api.example.com]';

const hosts = (description: string) => list(z.string(), HOSTS, description);

const valueSpec = z.union([z.string(), z.strictObject({ glob: z.string() })], {
  error: 'must be a text (in quotes) or { glob: "v*" }',
});
const conditions = (description: string) =>
  z.optional(described(z.record(z.string(), valueSpec, { error: 'must be a map of names and values' }), description));

const fieldNames = (description: string) =>
  z.optional(list(z.string(), 'must be a list of field names, e.g. [x-debug]', description));

const basicShape = z.strictObject({ username: z.string(), password: z.string() });
const pairShape = z.strictObject({ name: z.string(), value: z.string() });
const placeholderShape = z.strictObject({
  token: described(
    z.string(),
    'What the sandbox holds in place of the secret: 12 to 128 characters of A-Z a-z 0-9 _ -',
  ),
  value: described(z.string(), 'What takes its place, e.g. "${github}"'),
  in: list(
    z.string(),
    'must be a list of places, e.g. ["header:authorization"]',
    'Where it is swapped: header, query, path, body, header:NAME, query:NAME, body:NAME (of a form, or of a JSON object)',
  ),
  misplaced: z.optional(
    described(
      z.enum(['deny', 'pass', 'quarantine'], { error: 'must be deny, pass or quarantine' }),
      'What happens when it turns up elsewhere: deny (default), pass (leaves as it is) or quarantine (all of the sandbox is denied until an operator lifts it)',
    ),
  ),
});

const injectionShape = z.strictObject(
  {
    bearer: text('Authorization: Bearer …'),
    basic: z.optional(described(basicShape, 'Authorization: Basic …')),
    header: z.optional(described(pairShape, 'A header field')),
    query: z.optional(described(pairShape, 'A query parameter')),
    cookie: z.optional(described(pairShape, 'A cookie')),
    placeholder: z.optional(described(placeholderShape, 'A token of the sandbox that is swapped for a secret')),
  },
  {
    error: 'must be one of { bearer: … }, { basic: … }, { header: … }, { query: … }, { cookie: … }, { placeholder: … }',
  },
);

const limitsShape = z.strictObject(
  {
    requests: rate('How many requests may leave, e.g. 600/min', '600/min'),
    bytes_out: rate('How many bytes of requests may leave, tunnels included, e.g. 1GiB/day', '1GiB/day'),
    concurrency: z.optional(
      described(
        z.int({ error: 'must be a whole number, e.g. 20' }),
        'How many requests and tunnels may be open at once',
      ),
    ),
    body: size('The largest request body, e.g. 100MiB'),
  },
  { error: 'must be a map, e.g. { requests: 600/min, concurrency: 20 }' },
);

export const ruleShape = z.strictObject(
  {
    name: text('Shown in answers, the audit log and metrics; unique in the file'),
    hosts: hosts('Exact names or addresses, or "*.example.com" (any depth, not example.com itself)'),
    schemes: z.optional(
      list(
        z.enum(['http', 'https'], { error: 'must be http or https' }),
        'must be a list, e.g. [https]',
        'Default: [https]',
      ),
    ),
    ports: z.optional(list(z.int(), 'must be a list of numbers, e.g. [443]', "Default: each scheme's own port")),
    methods: z.optional(list(z.string(), 'must be a list, e.g. [GET, HEAD]', 'Default: any but TRACE and CONNECT')),
    paths: z.optional(
      list(z.string(), 'must be a list, e.g. ["/v1/**"]', '* within a segment, ** whole segments. Default: any path'),
    ),
    encoded_slash: flag('Paths with %2F may match too. Default: false'),
    query: conditions('Parameters that must be there with this value: exact, or { glob: "v*" }'),
    headers: conditions('Fields that must be there with this value: exact, or { glob: "application/*" }'),
    action: z.optional(described(z.enum(['allow', 'deny']), 'Default: allow')),
    tls: z.optional(
      described(
        z.enum(['intercept', 'passthrough']),
        'passthrough: only the name is seen, nothing is added. Default: intercept',
      ),
    ),
    websocket: flag('false refuses upgrades. Default: true'),
    via: flag('Adds a Via field (RFC 9110 section 7.6.3). Default: false'),
    strip: fieldNames("The client's fields that never leave"),
    keep: fieldNames("Credential fields of the client's that may leave although this rule injects"),
    inject: z.optional(
      list(
        injectionShape,
        'must be a list, e.g. [ { bearer: "${github}" } ]',
        'What is added, with secrets as "${name}"',
      ),
    ),
    response_head: duration('How long the host may take to begin its answer. Default: limits.response_head'),
    idle: duration('How long a connection may be silent. Default: limits.idle'),
    limits: z.optional(described(limitsShape, 'What may leave by this rule in sum; the rule needs a name')),
    forward: text(
      'Sends what matches to this https URL of yours instead, with Forwarded (RFC 7239) and a signed statement; forward_to of postern.yaml must allow it',
    ),
    scrub: flag('Secrets of the host are masked where an answer echoes them. Default: true'),
  },
  { error: 'must be a rule: a map with "hosts" and conditions' },
);

export const secretShape = z.strictObject(
  {
    env: text('The environment variable of the proxy that holds it; read once'),
    file: text('The file that holds it, relative to this file; read again when it changes'),
    hosts: z.optional(hosts('The only hosts that may receive it. Default: wherever a rule binds it')),
  },
  { error: 'must be { env: VARIABLE } or { file: PATH }' },
);

export const sandboxShape = z.strictObject({
  name: described(z.string(), 'Lower-case letters, digits and hyphens, at most 63'),
  match: list(
    z.strictObject({
      source: text("The client's address or block, e.g. 10.0.3.2/32"),
      listener: text('The address it connected to, as in listen.proxy'),
      token: z.optional(described(tokenShape, 'Proxy-Authorization: Basic NAME:TOKEN')),
      any: flag('Everyone whom no other file names'),
    }),
    'must be a list, e.g. [ { source: 10.0.3.2/32 } ]',
    'Entries are alternatives; the keys of one entry must all hold',
  ),
});

export const subnetsShape = z.strictObject({
  allow: z.optional(
    list(
      z.strictObject({
        cidr: z.string(),
        ports: z.optional(list(z.int(), 'must be a list of numbers, e.g. [5432]', 'Default: 80 and 443')),
      }),
      'must be a list, e.g. [ { cidr: 10.1.0.0/16, ports: [5432] } ]',
      'Addresses that may be reached as raw TCP',
    ),
  ),
  deny: z.optional(
    list(z.string(), 'must be a list, e.g. [10.1.9.0/24]', 'Addresses that are never reached, by whatever name'),
  ),
});

const header = {
  version: described(z.literal(1, { error: 'must be 1' }), 'Always 1'),
  default: z.optional(described(z.enum(['deny', 'allow']), 'For hosts that no rule names. Default: deny')),
  mode: z.optional(
    described(z.enum(['enforce', 'observe']), 'observe: denials pass, and are audited. Default: enforce'),
  ),
  introspect: flag('The sandbox may ask http://postern.internal for its CA, variables and policy. Default: false'),
};

/** The file as a whole, for JSON Schema. */
export const policyShape = z.strictObject({
  ...header,
  sandbox: z.optional(described(sandboxShape, 'Whom the file governs; without it, everyone')),
  secrets: z.optional(z.record(z.string(), secretShape)),
  rules: z.optional(described(z.array(ruleShape), 'The first rule whose every condition holds decides')),
  subnets: z.optional(described(subnetsShape, 'Raw addresses')),
});

/** The file with its parts unread: they are judged one by one, so that a slip in one rule does not hide those in the others. */
export const policyFrame = z.strictObject({
  ...header,
  sandbox: z.optional(z.unknown()),
  secrets: z.optional(
    z.record(z.string(), z.unknown(), { error: 'must be a map of names, e.g. { github: { env: GITHUB_TOKEN } }' }),
  ),
  rules: z.optional(z.array(z.unknown(), { error: 'must be a list of rules' })),
  subnets: z.optional(z.unknown()),
});

export type RawRule = z.output<typeof ruleShape>;
export type RawLimits = NonNullable<RawRule['limits']>;
export type RawInjection = NonNullable<RawRule['inject']>[number];
export type RawPlaceholder = NonNullable<RawInjection['placeholder']>;
export type RawSecret = z.output<typeof secretShape>;
export type RawSandbox = z.output<typeof sandboxShape>;
export type RawSubnets = z.output<typeof subnetsShape>;
