/**
 * Which rules name a host, by position, without looking at the others: exact names by one lookup, wildcards by one for each label.
 * `*.example.com` is any depth below `example.com`, and not `example.com` itself (SEMANTICS.md 2).
 */
export class HostIndex {
  /** Positions by exact host; a lone number where only one rule names it, since most of a large policy is that. */
  readonly #byHost = new Map<string, number | number[]>();
  /** Positions by what follows `*.`. */
  readonly #bySuffix = new Map<string, number | number[]>();

  /** Rules are added in order, each once. */
  add(hosts: readonly string[], position: number): void {
    for (const host of hosts) {
      if (host.startsWith('*.')) append(this.#bySuffix, host.slice(2), position);
      else append(this.#byHost, host, position);
    }
  }

  /**
   * The pattern that settles which rules name the host: the host itself where a rule names it exactly, else the longest wildcard
   * that covers it. Hosts with the same key have the same rules: what else covers them is a shorter part of that key.
   */
  keyOf(host: string): string | null {
    if (this.#byHost.has(host)) return host;
    for (const suffix of suffixesOf(host)) if (this.#bySuffix.has(suffix)) return `*.${suffix}`;
    return null;
  }

  /** The positions of all rules that name the hosts of this key, in order, each once. */
  positionsOf(key: string): readonly number[] {
    const wildcard = key.startsWith('*.');
    const own = wildcard ? this.#bySuffix.get(key.slice(2)) : this.#byHost.get(key);
    const found = [
      own,
      ...suffixesOf(wildcard ? key.slice(2) : key).map((suffix) => this.#bySuffix.get(suffix)),
    ].flat();
    const positions = new Set(found.filter((position) => position !== undefined));
    return [...positions].sort((one, other) => one - other);
  }
}

function append(positions: Map<string, number | number[]>, key: string, position: number): void {
  const known = positions.get(key);
  if (known === undefined) positions.set(key, position);
  else if (typeof known === 'number') positions.set(key, known === position ? known : [known, position]);
  else if (known.at(-1) !== position) known.push(position);
}

/** Everything that follows a dot, the longest first. An address has no labels: `*.0.0.1` covers no host. */
function suffixesOf(host: string): readonly string[] {
  if (isAddress(host)) return [];
  const suffixes: string[] = [];
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) suffixes.push(host.slice(dot + 1));
  return suffixes;
}

/** Whether a canonical host is an IP literal: no name ends in a numeric label (SEMANTICS.md 2), and only IPv6 has brackets. */
export function isAddress(host: string): boolean {
  const last = host.charCodeAt(host.length - 1);
  if (last === CLOSING_BRACKET) return true;
  return last >= DIGIT_ZERO && last <= DIGIT_NINE && DOTTED_QUAD.test(host);
}

const CLOSING_BRACKET = 0x5d;
const DIGIT_ZERO = 0x30;
const DIGIT_NINE = 0x39;
const DOTTED_QUAD = /^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/;
