/**
 * A policy as it stands after reading and validating, before compiling: plain data with canonical values and the place of each rule.
 * It is what the loading thread hands to the main one, so everything here survives structured cloning.
 */

/** A place in a file, 1-based, as editors count. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** What is wrong (or doubtful) at a place, and what to write instead. Prints as `file:line:column  path.to.key  text`. */
export interface Finding {
  readonly level: 'error' | 'warning';
  readonly place: Place;
  /** `rules[2].hosts[0]`; empty for the file as a whole. */
  readonly path: string;
  readonly text: string;
}

/** A value with secrets in it: literal pieces and names of secrets, in order. `"Bearer ${github}"` is ["Bearer ", {secret: "github"}]. */
export type Template = readonly (string | { readonly secret: string })[];

/** How a query or header value must be: exact, or a glob whose only wildcard is `*` (any run of characters, `/` included). */
export type ValueSpec = { readonly exact: string } | { readonly glob: string };

export interface ConditionSpec {
  readonly name: string;
  readonly value: ValueSpec;
}

export type Surface =
  | { readonly kind: 'header'; readonly name: string | null }
  | { readonly kind: 'query'; readonly name: string | null }
  | { readonly kind: 'path' }
  /** `name`: a parameter of a form, or a top-level member of a JSON object. */
  | { readonly kind: 'body'; readonly name: string | null };

/** What happens to a placeholder where no rule binds it (SEMANTICS.md 7); from the mildest to the strictest. */
export type Misplaced = 'pass' | 'deny' | 'quarantine';

export type InjectionSpec =
  | { readonly kind: 'bearer'; readonly value: Template }
  | { readonly kind: 'basic'; readonly username: Template; readonly password: Template }
  | { readonly kind: 'header'; readonly name: string; readonly value: Template }
  | { readonly kind: 'query'; readonly name: string; readonly value: Template }
  | { readonly kind: 'cookie'; readonly name: string; readonly value: Template }
  | {
      readonly kind: 'placeholder';
      readonly token: string;
      readonly value: Template;
      readonly in: readonly Surface[];
      readonly misplaced: Misplaced;
    };

export type Scheme = 'http' | 'https';

/** So many of something in a time: 600 requests a minute. */
export interface RateSpec {
  readonly amount: number;
  readonly windowMs: number;
}

/** What a rule allows in sum (SEMANTICS.md 11); null where there is no such limit. */
export interface LimitsSpec {
  readonly requests: RateSpec | null;
  /** `amount` in bytes. */
  readonly bytesOut: RateSpec | null;
  readonly concurrency: number | null;
  readonly bodyBytesMax: number | null;
}

/** Where requests are sent instead of to their origin (SEMANTICS.md 13). */
export interface ForwardSpec {
  /** `https://host[:port][/path]`, canonical. */
  readonly url: string;
  /** Canonical; IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
  /** What stands before the path of a request: empty, or beginning with `/` and not ending with one. */
  readonly path: string;
}

export interface RuleSpec {
  readonly place: Place;
  readonly name: string | null;
  /** Canonical: an exact name, an IP literal (IPv6 in brackets), or `*.suffix`. */
  readonly hosts: readonly string[];
  readonly schemes: readonly Scheme[];
  /** null: the default port of each scheme. */
  readonly ports: readonly number[] | null;
  /** Upper case; null: any but TRACE (and CONNECT, which is never a request). */
  readonly methods: readonly string[] | null;
  readonly paths: readonly string[] | null;
  readonly encodedSlash: boolean;
  readonly query: readonly ConditionSpec[];
  /** Names in lower case. */
  readonly headers: readonly ConditionSpec[];
  readonly action: 'allow' | 'deny';
  readonly tls: 'intercept' | 'passthrough';
  readonly websocket: boolean;
  readonly via: boolean;
  /** Lower case. */
  readonly strip: readonly string[];
  readonly keep: readonly string[];
  readonly inject: readonly InjectionSpec[];
  /** Secrets of the host are masked where the answer echoes them (SEMANTICS.md 8). */
  readonly scrub: boolean;
  /** null: to the origin. */
  readonly forward: ForwardSpec | null;
  readonly responseHeadMs: number | null;
  readonly idleMs: number | null;
  /** null for most rules, so that a request pays one comparison. A rule that has limits has a name. */
  readonly limits: LimitsSpec | null;
}

export type SecretSource =
  | { readonly kind: 'env'; readonly variable: string }
  /** Absolute path. */
  | { readonly kind: 'file'; readonly path: string };

export interface SecretSpec {
  readonly place: Place;
  readonly name: string;
  readonly source: SecretSource;
  /** Canonical hosts or `*.suffix` patterns that may receive it; null: wherever a rule of this policy binds it. */
  readonly hosts: readonly string[] | null;
}

/** The keys of one entry must all hold; the entries of `match` are alternatives. */
export interface MatchSpec {
  readonly place: Place;
  /** Canonical CIDR. */
  readonly source: string | null;
  /** An address as in `listen`: `host:port` or `unix:/path`. */
  readonly listener: string | null;
  readonly token: SecretSource | null;
  readonly any: boolean;
}

export interface SubnetsSpec {
  readonly allow: readonly { readonly place: Place; readonly cidr: string; readonly ports: readonly number[] | null }[];
  readonly deny: readonly { readonly place: Place; readonly cidr: string }[];
}

/** One policy file. Of several files without `sandbox`, one merged document is made, in the order of their names. */
export interface PolicySpec {
  readonly file: string;
  /** SHA-256 of the text, hex. */
  readonly hash: string;
  readonly sandbox: { readonly name: string; readonly match: readonly MatchSpec[] } | null;
  /** null: the file does not say, which means `deny`. */
  readonly default: 'deny' | 'allow' | null;
  readonly mode: 'enforce' | 'observe' | null;
  readonly introspect: boolean | null;
  readonly secrets: readonly SecretSpec[];
  readonly rules: readonly RuleSpec[];
  readonly subnets: SubnetsSpec;
}

/** The policy of one sandbox after merging: the unit that is compiled, hashed and replaced. */
export interface SandboxSpec {
  readonly name: string;
  readonly files: readonly string[];
  /** SHA-256 over the hashes of `files`, in order, hex. */
  readonly hash: string;
  /** null: the sandbox `default` of files without `sandbox`, which everyone is. */
  readonly match: readonly MatchSpec[] | null;
  readonly default: 'deny' | 'allow';
  readonly mode: 'enforce' | 'observe';
  readonly introspect: boolean;
  readonly secrets: readonly SecretSpec[];
  readonly rules: readonly RuleSpec[];
  readonly subnets: SubnetsSpec;
}
