import { lookup, Resolver } from 'node:dns/promises';
import { type Ip, parseIp } from '../address/ip.ts';
import { ProxyError } from '../errors.ts';

export interface ResolverOptions {
  /** `host:port` of DNS servers; empty means the system's resolver (getaddrinfo, /etc/hosts included). */
  readonly servers: readonly string[];
  /** Fixed answers, before DNS: canonical host to addresses. */
  readonly hosts: ReadonlyMap<string, readonly Ip[]>;
  readonly cacheMs: number;
  readonly timeoutMs: number;
}

interface Answer {
  readonly ips: readonly Ip[];
  readonly untilMs: number;
}

const CACHE_ENTRIES_MAX = 4_096;
const LOOPBACK = ['127.0.0.1', '::1'].map(knownIp);

/**
 * Names to addresses, in the order of the answer. Answers are cached for `cacheMs`, failures are not; equal questions at one time are one
 * question. What may be dialled is judged elsewhere, on every use: a cached answer is never a permission.
 */
export class HostResolver {
  readonly #options: ResolverOptions;
  readonly #cache = new Map<string, Answer>();
  readonly #pending = new Map<string, Promise<readonly Ip[]>>();
  readonly #dns: Resolver | null;

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#dns = options.servers.length === 0 ? null : new Resolver({ timeout: options.timeoutMs, tries: 2 });
    this.#dns?.setServers(options.servers);
  }

  /** The addresses of a canonical name; a promise only where DNS must be asked. Throws or rejects with `DNS_FAILED`. */
  resolve(host: string): readonly Ip[] | Promise<readonly Ip[]> {
    const fixed = this.#options.hosts.get(host);
    if (fixed !== undefined) return fixed;
    // RFC 6761 section 6.3: localhost and the names under it are loopback, whatever DNS says.
    if (host === 'localhost' || host.endsWith('.localhost')) return LOOPBACK;
    const cached = this.#cache.get(host);
    if (cached !== undefined && cached.untilMs > performance.now()) return cached.ips;
    return this.#pending.get(host) ?? this.#ask(host);
  }

  #ask(host: string): Promise<readonly Ip[]> {
    const question = this.#question(host).finally(() => this.#pending.delete(host));
    this.#pending.set(host, question);
    return question;
  }

  async #question(host: string): Promise<readonly Ip[]> {
    const texts = this.#dns === null ? await systemAnswer(host) : await dnsAnswer(this.#dns, host);
    const ips = texts.map(parseIp).filter((ip) => ip !== null);
    if (ips.length === 0) throw failed(host, undefined);
    if (this.#cache.size >= CACHE_ENTRIES_MAX) this.#dropOldest();
    this.#cache.delete(host);
    this.#cache.set(host, { ips, untilMs: performance.now() + this.#options.cacheMs });
    return ips;
  }

  #dropOldest(): void {
    for (const host of this.#cache.keys()) {
      this.#cache.delete(host);
      return;
    }
  }
}

async function systemAnswer(host: string): Promise<string[]> {
  try {
    return (await lookup(host, { all: true, order: 'verbatim' })).map((answer) => answer.address);
  } catch (cause) {
    throw failed(host, cause);
  }
}

/** A and AAAA, asked together; one of them may fail as long as the other answers. IPv6 first, as RFC 8305 section 4 prefers. */
async function dnsAnswer(dns: Resolver, host: string): Promise<string[]> {
  const [six, four] = await Promise.allSettled([dns.resolve6(host), dns.resolve4(host)]);
  const found = [six, four].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (found.length === 0) throw failed(host, four.status === 'rejected' ? four.reason : undefined);
  return found;
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
