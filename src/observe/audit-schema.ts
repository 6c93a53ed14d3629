import { CATALOGUE } from '../errors.ts';

const string = (description: string) => ({ type: 'string', description }) as const;
const stringOrNull = (description: string) => ({ type: ['string', 'null'], description }) as const;
const count = (description: string) => ({ type: 'integer', minimum: 0, description }) as const;

const PROPERTIES = {
  level: { const: 30, description: "pino's number for info; the verdict is in `decision`." },
  time: { type: 'string', format: 'date-time', description: 'When it ended: RFC 3339, milliseconds, UTC.' },
  id: string('The request id, as in `x-postern-id`.'),
  generation: count('The generation of the policy that decided.'),
  sandbox: stringOrNull('Null if the client could not be told to be one.'),
  client: string('Address and port of the client; empty on a Unix socket.'),
  listener: string('The listener it came by, as in `listen`.'),
  ingress: { enum: ['proxy', 'socks', 'transparent', 'dns', 'unix'] },
  protocol: { enum: ['h1', 'h2', 'ws', 'tunnel', 'dns'] },
  method: stringOrNull('The request method.'),
  scheme: { enum: ['http', 'https', null] },
  host: stringOrNull('The canonical host.'),
  port: { type: ['integer', 'null'], minimum: 0, maximum: 65535 },
  path: stringOrNull("The client's path before any swap, without the query, cut at 1,024 bytes."),
  rule: stringOrNull('Name of the rule that decided, or its file and line.'),
  decision: { enum: ['allow', 'deny', 'would-deny'] },
  code: { enum: [...Object.keys(CATALOGUE), null], description: 'What went wrong or was refused; null if nothing.' },
  reason: stringOrNull('One sentence about `code`.'),
  injected: { type: 'array', items: { type: 'string' }, description: 'Names of the secrets that were put in.' },
  scrubbed: count('How many echoes of secrets were masked in the response.'),
  address: stringOrNull('Address and port that was dialled.'),
  status: { type: ['integer', 'null'], description: 'The status the client was sent.' },
  bytes_in: count('Body or tunnel bytes towards the client.'),
  bytes_out: count('Body or tunnel bytes towards the upstream.'),
  duration_ms: { type: 'number', minimum: 0, description: 'From the first byte of the head to the end.' },
  tls: stringOrNull("TLS version of the client's leg."),
};

/** JSON Schema of an audit line: what `postern schema audit` prints. A line has these fields, in this order, and no other. */
export const AUDIT_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Postern audit line',
  type: 'object',
  properties: PROPERTIES,
  required: Object.keys(PROPERTIES),
  additionalProperties: false,
} as const;
