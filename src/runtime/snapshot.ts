import type { SecureContext } from 'node:tls';
import type { CompiledPolicy } from '../policy/compiled.ts';
import type { Finding } from '../policy/model.ts';
import type { Vault } from '../secrets/secret.ts';
import type { LeafContexts } from '../tls/leaf-contexts.ts';
import type { AddressPolicy } from '../upstream/address-policy.ts';
import type { Parent } from '../upstream/parent.ts';
import type { HostResolver } from '../upstream/resolver.ts';
import type { IdentityIndex } from './identity.ts';
import type { Settings } from './settings.ts';

/** One sandbox in one generation. */
export interface Sandbox {
  readonly name: string;
  /** null: its files never loaded, or went away (503 `POLICY_UNAVAILABLE`). */
  readonly policy: CompiledPolicy | null;
  readonly vault: Vault;
  /** The files it came from, and the SHA-256 over their texts in order. */
  readonly files: readonly string[];
  readonly hash: string;
}

/**
 * One generation: everything a request needs to be decided and sent, frozen. A request holds one from start to end; a reload makes
 * another and swaps one reference (contract promise 5).
 */
export interface Snapshot {
  /** From 1, one more at each swap. */
  readonly generation: number;
  /** SHA-256 over the texts of every file of this generation, never over values. */
  readonly hash: string;
  readonly settings: Settings;
  readonly sandboxes: ReadonlyMap<string, Sandbox>;
  readonly identity: IdentityIndex;
  readonly addresses: AddressPolicy;
  /** Names to addresses; kept from the generation before where `upstream.dns` and `upstream.hosts` did not change. */
  readonly resolver: HostResolver;
  /** The proxy that upstream connections go through (`upstream.proxy`); null: none. */
  readonly parent: Parent | null;
  /** What the parent is told in `Proxy-Authorization`; null: nothing. Throws `SECRET_UNAVAILABLE`. */
  readonly parentCredentials: () => string | null;
  /** Trust anchors and protocol versions of every upstream connection. */
  readonly upstreamContext: SecureContext;
  /** Contexts of leaves that we mint, under the CA of this generation. */
  readonly leaves: LeafContexts;
  /** The certificates of ca.pem, for those who are to trust our leaves. */
  readonly caPem: string;
  /** What did not load, and doubts: shown in `/v1/status` and on the terminal. */
  readonly findings: readonly Finding[];
}
