import { type FieldList, field } from '../../src/headers/field-list.ts';
import type { RequestFacts } from '../../src/policy/decision.ts';
import type {
  ForwardSpec,
  InjectionSpec,
  LimitsSpec,
  MatchSpec,
  Place,
  RateSpec,
  RuleSpec,
  SandboxSpec,
  SecretSource,
  Template,
} from '../../src/policy/model.ts';
import { Secret, type Vault } from '../../src/secrets/secret.ts';

/** Validated policies without a file: what a test does not say is what a file would not say. */
export const place = (line: number, file = 'policies/test.yaml'): Place => ({ file, line, column: 3 });

export const rule = (parts: Partial<RuleSpec> = {}): RuleSpec => ({
  place: place(1),
  name: null,
  hosts: ['api.example.com'],
  schemes: ['https'],
  ports: null,
  methods: null,
  paths: null,
  encodedSlash: false,
  query: [],
  headers: [],
  action: 'allow',
  tls: 'intercept',
  websocket: true,
  via: false,
  strip: [],
  keep: [],
  inject: [],
  scrub: true,
  forward: null,
  responseHeadMs: null,
  idleMs: null,
  limits: null,
  ...parts,
});

/** Where a rule forwards to. */
export const forwardTo = (host: string, path = ''): ForwardSpec => ({
  url: `https://${host}${path}`,
  host,
  port: 443,
  path,
});

/** Limits of a rule; what is not said is not limited. */
export const limits = (parts: Partial<LimitsSpec>): LimitsSpec => ({
  requests: null,
  bytesOut: null,
  concurrency: null,
  bodyBytesMax: null,
  ...parts,
});

export const perMinute = (amount: number): RateSpec => ({ amount, windowMs: 60_000 });

export const sandbox = (parts: Partial<SandboxSpec> = {}): SandboxSpec => ({
  name: 'default',
  files: ['policies/test.yaml'],
  hash: '0'.repeat(64),
  match: null,
  default: 'deny',
  mode: 'enforce',
  introspect: false,
  secrets: [],
  rules: [],
  subnets: { allow: [], deny: [] },
  ...parts,
});

/** The rules of a sandbox, each on a line of its own. */
export const rules = (...parts: readonly Partial<RuleSpec>[]): readonly RuleSpec[] =>
  parts.map((each, index) => rule({ place: place(10 + index), ...each }));

export const facts = (parts: Partial<RequestFacts> = {}): RequestFacts => ({
  method: 'GET',
  scheme: 'https',
  host: 'api.example.com',
  port: 443,
  path: '/',
  query: null,
  fields: [],
  websocket: false,
  ...parts,
});

/** `list(['Accept', '*\/*'], ['Cookie', 'a=1'])`. */
export const list = (...pairs: readonly (readonly [string, string])[]): FieldList =>
  pairs.map(([name, value]) => field(name, value));

/** `Name: value` lines, as they would stand in a head. */
export const lines = (fields: FieldList): readonly string[] => fields.map(({ name, value }) => `${name}: ${value}`);

export const vault = (values: Readonly<Record<string, string>>): Vault =>
  new Map(Object.entries(values).map(([name, value]) => [name, new Secret(name, value)]));

/** A template with one secret, after an optional literal. */
export const of = (secret: string, before?: string): Template =>
  before === undefined ? [{ secret }] : [before, { secret }];

export const bearer = (secret: string): InjectionSpec => ({ kind: 'bearer', value: of(secret) });

export const header = (name: string, secret: string): InjectionSpec => ({ kind: 'header', name, value: of(secret) });

export const match = (parts: Partial<MatchSpec>): MatchSpec => ({
  place: place(3),
  source: null,
  listener: null,
  token: null,
  any: false,
  ...parts,
});

export const tokenFile = (path: string): SecretSource => ({ kind: 'file', path });
