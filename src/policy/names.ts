import type { CompiledPolicy, CompiledRule } from './compiled.ts';
import type { Claim, Denial } from './decision.ts';
import { hostReserved, hostUnnamed } from './denials.ts';
import { DEFAULT_PORTS } from './match.ts';
import { isReserved, OWN_NAME } from './reserved.ts';
import { decideTunnel } from './tunnel.ts';

/** Whether a sandbox may know where a name is. */
export type NameDecision =
  | {
      readonly effect: 'allow' | 'would-deny';
      readonly rule: CompiledRule | null;
      /** A port on which something could be allowed, for judging addresses. */
      readonly port: number;
      readonly claim: Claim;
    }
  | (Denial & { readonly effect: 'deny' });

/** A host that no rule names: `default` and `mode` speak for all ports alike. */
const ANY_PORT = 443;

/**
 * A name is known to a sandbox if it could be allowed to do something there, on any port: exactly the names of which a tunnel would be opened. The
 * name must not be an address.
 * @param redirected names are answered with the proxy's own address
 */
export function decideName(policy: CompiledPolicy, host: string, redirected: boolean): NameDecision {
  // Its pages are on one port alone, and without redirection only the proxy itself is asked for them.
  if (isReserved(host)) {
    if (host === OWN_NAME && policy.introspect && redirected)
      return { effect: 'allow', rule: null, port: DEFAULT_PORTS.http, claim: 'unnamed' };
    return { effect: 'deny', ...hostReserved(host, policy) };
  }
  let first: Denial | null = null;
  for (const port of portsOf(policy, host)) {
    const decision = decideTunnel(policy, host, port, 'transparent');
    if (decision.kind === 'deny') first ??= decision;
    else if (decision.kind === 'intercept')
      return { effect: decision.observed ? 'would-deny' : 'allow', rule: null, port, claim: decision.claim };
    else if (decision.kind === 'opaque')
      return { effect: decision.effect, rule: decision.rule, port, claim: decision.claim };
  }
  return { effect: 'deny', ...(first ?? hostUnnamed(host)) };
}

/** The ports of the rules that name the host, each once, those that allow first. */
function portsOf(policy: CompiledPolicy, host: string): ReadonlySet<number> {
  const rules = policy.rulesFor(host)?.rules ?? [];
  const allowing = rules.filter(({ spec }) => spec.action === 'allow');
  const ports = (allowing.length > 0 ? allowing : rules.slice(0, 1)).flatMap(
    ({ spec }) => spec.ports ?? spec.schemes.map((scheme) => DEFAULT_PORTS[scheme]),
  );
  return new Set(ports.length > 0 ? ports : [ANY_PORT]);
}
