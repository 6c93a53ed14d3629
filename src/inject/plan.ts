import type { Surface, Template } from '../policy/model.ts';

/** One placeholder that a rule binds: where it may stand, and what takes its place. */
export interface BoundPlaceholder {
  readonly token: string;
  readonly value: Template;
  readonly surfaces: readonly Surface[];
}

/**
 * What a rule changes in a request, computed when the policy is compiled (SEMANTICS.md 6). Order of application: fields in
 * `removed` go; the client's copies of injected query parameters and cookies go; placeholders are swapped; then ours are added.
 */
export interface Plan {
  /** Lower-case names, `_` read as `-`, of the client's fields that never leave: stripped, injected, credential and override fields. */
  readonly removed: ReadonlySet<string>;
  /** Those of `removed` that stay if a placeholder was swapped in them: the credential fields that this rule neither strips nor injects. */
  readonly spared: ReadonlySet<string>;
  /** Fields added at the end, in the rule's order. */
  readonly fields: readonly { readonly name: string; readonly value: Template; readonly basic?: { readonly username: Template; readonly password: Template } }[];
  readonly query: readonly { readonly name: string; readonly value: Template }[];
  readonly cookies: readonly { readonly name: string; readonly value: Template }[];
  readonly placeholders: readonly BoundPlaceholder[];
  /** Every token of the sandbox's policy with what happens when it turns up where this rule does not bind it. */
  readonly tokens: readonly { readonly token: string; readonly misplaced: 'deny' | 'pass' }[];
  /** Names of all secrets that this plan opens, for the audit line and for 503 `SECRET_UNAVAILABLE`. */
  readonly secrets: readonly string[];
  /** True if the request leaves as it came (after hop-by-hop fields). */
  readonly empty: boolean;
  /** Add `Via: 1.1 postern` (RFC 9110 section 7.6.3). */
  readonly via: boolean;
}
