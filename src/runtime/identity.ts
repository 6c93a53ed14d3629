import { type Ip, parseIp, unmapped } from '../address/ip.ts';
import type { MatchSpec, SandboxSpec, SecretSource } from '../policy/model.ts';
import type { Secret } from '../secrets/secret.ts';

/**
 * Which sandbox a client is (SEMANTICS.md 9). Evidence is the client's address, the listener it came by, and a token.
 * Built once per generation.
 */
export interface ClientEvidence {
  /** Canonical address without port; null on a Unix socket. */
  readonly address: string | null;
  /** The listener's text, as in `listen` (`127.0.0.1:8080`, `unix:/run/x.sock`). */
  readonly listener: string;
  /** From Proxy-Authorization (Basic) or SOCKS5; null if none was sent. */
  readonly credentials: { readonly username: string; readonly password: string } | null;
  /** It came by a way on which no token can be sent (transparent, DNS), so it is not asked for one. */
  readonly tokenless?: true;
}

export type Identity =
  | { readonly kind: 'sandbox'; readonly name: string }
  | { readonly kind: 'refused'; readonly code: 'TOKEN_REQUIRED' | 'IDENTITY_CONFLICT'; readonly reason: string };

export interface IdentityIndex {
  /** True if any file identifies by token: then the answer may differ from request to request on a plain-HTTP connection. */
  readonly usesTokens: boolean;
  identify(evidence: ClientEvidence): Identity;
}

/** One entry of a sandbox's `match`: every key that it has must hold. */
interface Entry {
  readonly sandbox: string;
  readonly prefix: number | null;
  readonly listener: string | null;
  readonly hasToken: boolean;
}

/** Which keys an entry has, and how much of the address counts. Entries of one shape are found by one look-up, however many. */
interface Shape {
  readonly family: 4 | 6 | null;
  readonly prefix: number | null;
  readonly hasListener: boolean;
  readonly hasToken: boolean;
}

/**
 * Indexes the sandboxes. A client costs one look-up for each shape of entry that occurs (a few), not one for each sandbox.
 * @param tokenOf the token of a `match` entry, as loaded; one that could not be had lets nobody in.
 */
export function buildIdentity(
  sandboxes: readonly SandboxSpec[],
  tokenOf: (source: SecretSource) => Secret | { readonly unavailable: string },
): IdentityIndex {
  const index = new Index();
  for (const sandbox of sandboxes) {
    if (sandbox.match === null) index.addEveryone(sandbox.name);
    else for (const spec of sandbox.match) index.add(sandbox.name, spec, tokenOf);
  }
  return { usesTokens: index.usesTokens, identify: (evidence) => index.identify(evidence) };
}

class Index {
  readonly #everyone = new Set<string>();
  readonly #tokensBySandbox = new Map<string, Secret[]>();
  readonly #shapes = new Map<string, Shape>();
  readonly #entriesByKey = new Map<string, Entry[]>();

  /** Also true where no token could be had: then those sandboxes are closed, and the others know why a client is asked for one. */
  get usesTokens(): boolean {
    return this.#tokensBySandbox.size > 0;
  }

  addEveryone(sandbox: string): void {
    this.#everyone.add(sandbox);
  }

  add(sandbox: string, spec: MatchSpec, tokenOf: (source: SecretSource) => Secret | { unavailable: string }): void {
    if (spec.token !== null) this.#addToken(sandbox, tokenOf(spec.token));
    const source = spec.source === null ? null : readSource(spec.source);
    if (source === null && spec.listener === null && spec.token === null) {
      if (spec.any) this.addEveryone(sandbox);
      return;
    }
    const shape: Shape = {
      family: source?.ip.family ?? null,
      prefix: source?.prefix ?? null,
      hasListener: spec.listener !== null,
      hasToken: spec.token !== null,
    };
    this.#shapes.set(Object.values(shape).join(), shape);
    const entry: Entry = { sandbox, prefix: shape.prefix, listener: spec.listener, hasToken: shape.hasToken };
    const key = keyOf(shape, { ip: source?.ip ?? null, listener: spec.listener ?? '', username: sandbox });
    const entries = this.#entriesByKey.get(key);
    if (entries === undefined) this.#entriesByKey.set(key, [entry]);
    else entries.push(entry);
  }

  identify(evidence: ClientEvidence): Identity {
    const username = this.usesTokens ? (evidence.credentials?.username ?? null) : null;
    // Said before anything else: a wrong token is a wrong token, also from an address that is known.
    if (username !== null && !this.#isToken(username, evidence.credentials?.password ?? '')) return WRONG_TOKEN;
    const ip = evidence.address === null ? null : parseIp(evidence.address);
    const client = { ip: ip === null ? null : unmapped(ip), listener: evidence.listener, username };
    const pointedAt = new Set(strongest(this.#holding(client)).map(({ sandbox }) => sandbox));
    if (pointedAt.size === 0) for (const sandbox of this.#everyone) pointedAt.add(sandbox);
    // A token is evidence of its own, even where the other keys of its entry do not hold: then two things are true of the client.
    if (username !== null && pointedAt.size > 0) pointedAt.add(username);
    const [name] = pointedAt;
    if (pointedAt.size > 1) return conflict([...pointedAt]);
    if (name !== undefined) return { kind: 'sandbox', name };
    if (!this.usesTokens || evidence.tokenless === true) return UNKNOWN;
    return username === null ? NO_TOKEN : TOKEN_ELSEWHERE;
  }

  #addToken(sandbox: string, token: Secret | { readonly unavailable: string }): void {
    const tokens = this.#tokensBySandbox.get(sandbox) ?? [];
    this.#tokensBySandbox.set(sandbox, 'unavailable' in token ? tokens : [...tokens, token]);
  }

  #isToken(username: string, password: string): boolean {
    return (this.#tokensBySandbox.get(username) ?? []).some((token) => token.matches(password));
  }

  /** Entries whose every key holds. */
  #holding(client: Client): readonly Entry[] {
    const found: Entry[] = [];
    for (const shape of this.#shapes.values()) {
      if (shape.hasToken && client.username === null) continue;
      if (shape.family !== null && shape.family !== client.ip?.family) continue;
      for (const entry of this.#entriesByKey.get(keyOf(shape, client)) ?? []) found.push(entry);
    }
    return found;
  }
}

interface Client {
  readonly ip: Ip | null;
  readonly listener: string;
  /** The sandbox whose token was given; null without one. */
  readonly username: string | null;
}

/** The text under which entries of a shape are found: the parts that the shape looks at. */
function keyOf(shape: Shape, { ip, listener, username }: Client): string {
  const network = shape.prefix === null || ip === null ? '' : networkOf(ip, shape.prefix);
  return `${network} ${shape.hasToken ? username : ''} ${shape.hasListener ? listener : ''}`;
}

/** The first `prefix` bits of an address, and how many they are. */
function networkOf({ bytes, family }: Ip, prefix: number): string {
  let text = `${family}/${prefix}`;
  for (let index = 0; index * 8 < prefix; index++) {
    const bits = Math.min(8, prefix - index * 8);
    text += `.${(bytes[index] ?? 0) & (0xff << (8 - bits)) & 0xff}`;
  }
  return text;
}

/**
 * The longest CIDR wins, among entries that say nothing else: one entry beats another if its block is smaller and it has every
 * other key that the other has. What remains are different pieces of evidence.
 */
const strongest = (entries: readonly Entry[]): readonly Entry[] =>
  entries.filter((entry) => !entries.some((other) => beats(other, entry)));

const beats = (one: Entry, other: Entry): boolean =>
  one.prefix !== null &&
  other.prefix !== null &&
  one.prefix > other.prefix &&
  (one.hasToken || !other.hasToken) &&
  (one.listener !== null || other.listener === null);

function readSource(cidr: string): { readonly ip: Ip; readonly prefix: number } {
  const [address = '', prefix] = cidr.split('/');
  const ip = parseIp(address);
  if (ip === null) throw new TypeError(`a validated policy holds the source ${cidr}`);
  return { ip, prefix: prefix === undefined ? ip.bytes.length * 8 : Number(prefix) };
}

const refused = (code: 'TOKEN_REQUIRED' | 'IDENTITY_CONFLICT', reason: string): Identity => ({
  kind: 'refused',
  code,
  reason,
});

const WRONG_TOKEN = refused('TOKEN_REQUIRED', 'The token is wrong, or no sandbox of that name has one.');
const NO_TOKEN = refused('TOKEN_REQUIRED', 'Nothing tells which sandbox the client is, and it sent no token.');
const TOKEN_ELSEWHERE = refused('TOKEN_REQUIRED', 'The token is right, but not from this address or on this listener.');
const UNKNOWN = refused('IDENTITY_CONFLICT', 'Nothing tells which sandbox the client is.');

const conflict = ([one, other]: readonly string[]): Identity =>
  refused('IDENTITY_CONFLICT', `The client is both "${one}" and "${other}".`);
