import type { Code } from '../errors.ts';
import type { FieldList } from '../headers/field-list.ts';
import type { Plan } from '../inject/plan.ts';
import type { CompiledRule } from './compiled.ts';
import type { Place, Scheme } from './model.ts';

/** What the policy is asked about one request. All of it is as the upstream would receive it, before any edit of ours. */
export interface RequestFacts {
  readonly method: string;
  readonly scheme: Scheme;
  /** Canonical: lower-case A-labels, or an IP literal (IPv6 in brackets). */
  readonly host: string;
  readonly port: number;
  /** The path as it came, beginning with `/` (or `*` for OPTIONS), without the query. */
  readonly path: string;
  /** The query as it came, without `?`; null if there was none. */
  readonly query: string | null;
  /** After hop-by-hop and nominated fields are gone (SEMANTICS.md 5). */
  readonly fields: FieldList;
  /** A WebSocket upgrade was asked for. */
  readonly websocket: boolean;
}

/**
 * Who asks for an address: a host that an allowing rule names, a host that only `default: allow` or `observe` lets pass, or an
 * address literal of `subnets.allow`. Private space depends on it (SEMANTICS.md 3). `forward`: nobody but the operator, for the host of a
 * rule's `forward`, which `forward_to` judges (SEMANTICS.md 13).
 */
export type Claim = 'named' | 'unnamed' | 'subnet' | 'forward';

/**
 * The verdict on one request. `would-deny` is a denial that `mode: observe` turns into a pass, always without a credential.
 * `rule` is the rule that decided; null where `default` did, or where no rule of the host held.
 */
export type Decision =
  | { readonly effect: 'allow'; readonly rule: CompiledRule | null; readonly plan: Plan }
  | (Denial & { readonly effect: 'would-deny'; readonly plan: Plan })
  | (Denial & { readonly effect: 'deny' });

export interface Denial {
  readonly code: Code;
  readonly rule: CompiledRule | null;
  /** One sentence of canonical data, for the answer and the audit line. */
  readonly reason: string;
  readonly hint?: string;
}

/** How a connection reached us: `socks` and `transparent` clients resolved the name themselves, so an address may stand for one. */
export type TunnelKind = 'connect' | 'socks' | 'transparent';

/**
 * The verdict on a tunnel, before anything is read from it (SEMANTICS.md 1).
 * `intercept`: some rule could allow something on this host and port, or (`observed`) only `mode: observe` lets requests pass. Its claim is
 * `forward` where one of those rules forwards: then the host itself may be nobody's to ask, and is not looked up for the tunnel.
 * `opaque`: bytes pass after a ClientHello that names the authority. `raw`: an address literal that `subnets.allow` holds; bytes
 * pass as they are. `named-inside`: an address that nothing names; the SNI (or Host) takes its place and is judged in turn, and
 * with neither it is `ADDRESS_DENIED`.
 */
export type TunnelDecision =
  | { readonly kind: 'intercept'; readonly observed: boolean; readonly claim: Claim }
  | {
      readonly kind: 'opaque';
      readonly rule: CompiledRule | null;
      readonly effect: 'allow' | 'would-deny';
      readonly claim: Claim;
    }
  | { readonly kind: 'raw'; readonly place: Place; readonly claim: 'subnet' }
  | { readonly kind: 'named-inside' }
  | (Denial & { readonly kind: 'deny' });
