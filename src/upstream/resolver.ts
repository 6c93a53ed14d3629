import { lookup, Resolver } from 'node:dns/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type Ip, parseIp } from '../address/ip.ts';
import { ProxyError } from '../errors.ts';

export interface ResolverOptions {
  /** `host:port` of DNS servers; empty means the system's resolver (getaddrinfo, /etc/hosts included). */
  readonly servers: readonly string[];
  /** Fixed answers, before DNS: canonical host to addresses. */
  readonly hosts: ReadonlyMap<string, readonly Ip[]>;
  readonly cacheMs: number;
  /** For one question, whoever answers it and however often it is sent. */
  readonly timeoutMs: number;
}

interface Answer {
  readonly ips: readonly Ip[];
  readonly untilMs: number;
}

const CACHE_ENTRIES_MAX = 4_096;
/** Addresses in all of these, some 500 bytes each. */
const CACHE_ADDRESSES_MAX = 32_768;
/** Addresses of one family that are kept of an answer. Thousands fit into one, and whoever serves a domain has names without end. */
const FAMILY_ADDRESSES_MAX = 128;
/** A question that is lost is sent once more, after half the time. */
const TRIES = 2;
/** How long the addresses of one family wait for those of the other (RFC 8305 section 3). Servers exist that never answer for AAAA. */
const RESOLUTION_DELAY_MS = 50;
const LOOPBACK = ['127.0.0.1', '::1'].map(knownIp);

/**
 * Names to addresses, in the order of the answer. Answers are cached for `cacheMs`, failures are not; equal questions at one time are one
 * question. What may be dialled is judged elsewhere, on every use: a cached answer is never a permission.
 */
export class HostResolver {
  readonly #options: ResolverOptions;
  readonly #cache = new Map<string, Answer>();
  #cachedAddresses = 0;
  readonly #pending = new Map<string, Promise<readonly Ip[]>>();
  readonly #dns: Resolver | null;

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#dns = options.servers.length === 0 ? null : resolverOf(options);
  }

  /** The addresses of a canonical name; a promise only where DNS must be asked. Throws or rejects with `DNS_FAILED`. */
  resolve(host: string): readonly Ip[] | Promise<readonly Ip[]> {
    return this.known(host) ?? this.#pending.get(host) ?? this.#ask(host);
  }

  /** The addresses of a canonical name as far as they are known without asking; null if DNS must be asked. */
  known(host: string): readonly Ip[] | null {
    const fixed = this.fixed(host);
    if (fixed !== null) return fixed;
    const cached = this.#cache.get(host);
    return cached !== undefined && cached.untilMs > performance.now() ? cached.ips : null;
  }

  /** The addresses of a canonical name that DNS is never asked for; null for others. */
  fixed(host: string): readonly Ip[] | null {
    const fixed = this.#options.hosts.get(host);
    if (fixed !== undefined) return fixed;
    // RFC 6761 section 6.3: localhost and the names under it are loopback, whatever DNS says.
    return host === 'localhost' || host.endsWith('.localhost') ? LOOPBACK : null;
  }

  #ask(host: string): Promise<readonly Ip[]> {
    const question = this.#inTime(host).finally(() => this.#pending.delete(host));
    this.#pending.set(host, question);
    return question;
  }

  /** The system's resolver has time limits of its own, which are nobody's here. An answer that is late is kept for who asks next. */
  #inTime(host: string): Promise<readonly Ip[]> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(failed(host, 'timeout')), this.#options.timeoutMs);
      this.#question(host)
        .finally(() => clearTimeout(timer))
        .then(resolve, reject);
    });
  }

  async #question(host: string): Promise<readonly Ip[]> {
    const texts = this.#dns === null ? await systemAnswer(host) : await dnsAnswer(this.#dns, host);
    const ips = texts.map(parseIp).filter((ip) => ip !== null);
    if (ips.length === 0) throw failed(host, undefined);
    this.#keep(host, ips);
    return ips;
  }

  /** In place of the oldest where there is no room. */
  #keep(host: string, ips: readonly Ip[]): void {
    this.#forget(host);
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size < CACHE_ENTRIES_MAX && this.#cachedAddresses + ips.length <= CACHE_ADDRESSES_MAX) break;
      this.#forget(oldest);
    }
    this.#cachedAddresses += ips.length;
    this.#cache.set(host, { ips, untilMs: performance.now() + this.#options.cacheMs });
  }

  #forget(host: string): void {
    this.#cachedAddresses -= this.#cache.get(host)?.ips.length ?? 0;
    this.#cache.delete(host);
  }
}

async function systemAnswer(host: string): Promise<string[]> {
  try {
    const found = await lookup(host, { all: true, order: 'verbatim' });
    // It has put them in an order of its own (RFC 6724).
    return found.slice(0, 2 * FAMILY_ADDRESSES_MAX).map(({ address }) => address);
  } catch (cause) {
    throw failed(host, cause);
  }
}

function resolverOf({ servers, timeoutMs }: ResolverOptions): Resolver {
  const dns = new Resolver({ timeout: Math.ceil(timeoutMs / TRIES), tries: TRIES });
  dns.setServers(servers);
  return dns;
}

/** A and AAAA, asked together; one of them may fail, or be late, as long as the other answers. IPv6 first, as RFC 8305 section 4 prefers. */
async function dnsAnswer(dns: Resolver, host: string): Promise<string[]> {
  const found: string[][] = [[], []];
  const questions = [dns.resolve6(host), dns.resolve4(host)];
  const noted = questions.map(async (question, family) => {
    found[family] = (await question).slice(0, FAMILY_ADDRESSES_MAX);
  });
  const all = Promise.allSettled(noted);
  await Promise.any(noted).catch((cause: AggregateError) => {
    throw failed(host, cause.errors.at(-1));
  });
  await Promise.race([all, delay(RESOLUTION_DELAY_MS, undefined, { ref: false })]);
  return found.flat();
}

function failed(host: string, cause: unknown): ProxyError {
  return new ProxyError('DNS_FAILED', {
    stage: 'resolve',
    side: 'upstream',
    reason: `${host} could not be resolved`,
    cause,
  });
}

function knownIp(text: string): Ip {
  const ip = parseIp(text);
  if (ip === null) throw new TypeError(`${text} is no address`);
  return ip;
}
