import type { Misplaced, Surface, Template } from '../policy/model.ts';

/** One placeholder that a rule binds: where it may stand, and what takes its place. */
export interface BoundPlaceholder {
  readonly token: string;
  readonly value: Template;
  readonly surfaces: readonly Surface[];
}

/** A field that a rule adds: its value as a whole, or the two halves of `Basic` (RFC 7617). */
export interface PlannedField {
  readonly name: string;
  readonly value: Template | { readonly username: Template; readonly password: Template };
}

/** A query parameter or cookie that a rule adds. */
export interface PlannedPair {
  readonly name: string;
  readonly value: Template;
}

/** What happens to a placeholder that turns up where the deciding rule does not bind it (SEMANTICS.md 7). */
export interface KnownToken {
  readonly token: string;
  readonly misplaced: Misplaced;
}

/**
 * What a rule changes in a request to one host, computed before the request comes (SEMANTICS.md 6). Order of application: fields in
 * `removed` go; the client's copies of injected query parameters and cookies go; placeholders are swapped; then ours are added.
 */
export interface Plan {
  /** Lower-case names, `_` read as `-`, of the client's fields that never leave: stripped, injected, credential and override fields. */
  readonly removed: ReadonlySet<string>;
  /** Those of `removed` that stay if a placeholder was swapped in them: the credential fields that this rule neither strips nor injects. */
  readonly spared: ReadonlySet<string>;
  /** Fields added at the end, in the rule's order. */
  readonly fields: readonly PlannedField[];
  readonly query: readonly PlannedPair[];
  readonly cookies: readonly PlannedPair[];
  readonly placeholders: readonly BoundPlaceholder[];
  /** Every token of the sandbox's policy; all plans of a policy share one list. */
  readonly tokens: readonly KnownToken[];
  /** Names of all secrets that this plan may open, each once. */
  readonly secrets: readonly string[];
  /** Names of the secrets that are masked in the answer: those that any rule of the host binds (SEMANTICS.md 8). One list a host. */
  readonly masked: readonly string[];
  /** True if the request leaves as it came (after hop-by-hop fields). */
  readonly empty: boolean;
  /** `Via: VERSION postern` is added (RFC 9110 section 7.6.3). */
  readonly via: boolean;
}
