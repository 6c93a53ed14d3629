import { relative } from 'node:path';
import { Ledger } from '../budget/ledger.ts';
import { errorCode, ProxyError } from '../errors.ts';
import { AdminServer } from '../observe/admin-server.ts';
import type { Greeting } from '../observe/greeting.ts';
import { LineSink } from '../observe/line-sink.ts';
import type { Log } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import { Recorder } from '../observe/observer.ts';
import { Scrape } from '../observe/scrape.ts';
import type { Liveness } from '../observe/status.ts';
import { quarantined } from '../proxy/admit.ts';
import { connectionsWithinDescriptors } from '../proxy/descriptors.ts';
import { listenDns } from '../proxy/dns-listener.ts';
import { type Held, isStillTheWay } from '../proxy/judge-again.ts';
import { listen, type ProxyListener } from '../proxy/listener.ts';
import { Lookups } from '../proxy/lookups.ts';
import { OpenSet } from '../proxy/open-set.ts';
import { PolicyListeners } from '../proxy/policy-listeners.ts';
import type { Services } from '../proxy/services.ts';
import { serveTransparent } from '../proxy/transparent.ts';
import { whyNotBound } from '../runtime/bind.ts';
import { policyListeners } from '../runtime/policy-sockets.ts';
import { Quarantine, QuarantineError } from '../runtime/quarantine.ts';
import type { Sources } from '../runtime/reading.ts';
import { Runtime } from '../runtime/runtime.ts';
import type { ListenAddress } from '../runtime/settings.ts';
import type { Snapshot } from '../runtime/snapshot.ts';
import { Secret } from '../secrets/secret.ts';
import { KeyFileError } from '../statement/key-file.ts';
import { NO_KEYS, StatementSigner } from '../statement/signer.ts';
import { bundleOf, refreshBundle } from '../tls/bundle.ts';
import type { Origin } from '../upstream/origin.ts';
import { Pool } from '../upstream/pool.ts';
import { VERSION } from '../version.ts';

/** Longest that the last lines may take to be written. */
const FLUSH_MS = 1_000;

const FAILED_LEAF_EVERY_MS = 60_000;

/** A listener could not be bound, or the audit file not opened: the text says which and why. */
export class ServeError extends Error {
  override readonly name = 'ServeError';
}

/** One running proxy: the runtime, the data path and what is recorded, wired together, and the order in which they start and stop. */
export class Server {
  readonly runtime: Runtime;
  readonly #sources: Sources;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #open = new OpenSet();
  readonly #ledger = new Ledger();
  readonly #admin: AdminServer;
  #audit: LineSink | null = null;
  #quarantine: Quarantine | null = null;
  #signer: StatementSigner | null = null;
  #pool: Pool | null = null;
  #listeners: readonly ProxyListener[] = [];
  /** Of clients that do not speak to a proxy, by what the log and the status call them. */
  #otherListeners: Readonly<Record<'transparent' | 'dns', readonly ProxyListener[]>> = { transparent: [], dns: [] };
  #policyListeners: PolicyListeners | null = null;
  #adminAddresses: readonly ListenAddress[] = [];
  #isUp = false;
  #failedLeafToldMs = Number.NEGATIVE_INFINITY;

  constructor(sources: Sources, log: Log) {
    this.#sources = sources;
    this.#log = log;
    this.#metrics = new Metrics({
      version: VERSION,
      auditDropped: () => this.#audit?.dropped ?? 0,
      caExpirySeconds: () => this.runtime.state.authority.authority.notAfter.getTime() / 1000,
      quarantined: () => this.#quarantine?.entries.map(({ sandbox }) => sandbox) ?? [],
      secretAges: () => this.runtime.secretAges(),
    });
    this.runtime = new Runtime({
      sources,
      log,
      metrics: this.#metrics,
      // Those of policies are Unix sockets, which nobody dials.
      listeners: () => [...this.#everyListener.map(({ address }) => address), ...this.#adminAddresses],
      onMinted: (outcome) => {
        this.#metrics.leaves[outcome]++;
        if (outcome === 'failed') this.#tellOfFailedLeaf();
      },
    });
    this.#admin = new AdminServer({
      log,
      runtime: this.runtime,
      scrape: new Scrape(this.#metrics),
      liveness: () => this.#liveness(),
      quarantine: () => this.#quarantine,
      jwks: async () =>
        this.runtime.current.settings.forwardTo.length === 0 ? NO_KEYS : ((await this.#signer?.jwks()) ?? NO_KEYS),
      bundlePem: () => bundleOf(this.runtime.state.authority.authority.caPem).pem,
      tokenTest: () => {
        const token = this.runtime.state.adminToken;
        return token instanceof Secret ? (text) => token.matches(text) : null;
      },
    });
  }

  /** Loads everything, then listens. Throws `StartError` or `ServeError`. */
  async start(): Promise<void> {
    const first = await this.runtime.start();
    const observer = new Recorder(this.#openAudit(first), this.#metrics);
    observer.auditRequired = first.settings.log.auditRequired;
    const connectionsMax = this.#connectionsMax(first);
    const pool = new Pool(observer, connectionsMax);
    this.#pool = pool;
    const quarantine = await this.#openQuarantine(first);
    const signer = await this.#openSigner(first);
    const { runtime } = this;
    const ledger = this.#ledger;
    const services: Services = {
      runtime,
      pool,
      ledger,
      observer,
      signer,
      open: this.#open,
      quarantine,
      lookups: new Lookups(),
      connectionsMax,
    };
    this.runtime.onSwap((next, previous) => {
      observer.auditRequired = next.settings.log.auditRequired;
      this.#ledger.follow(next.sandboxes, previous.sandboxes);
      this.#judgeAgain(next, previous, pool);
      void this.#followPolicies();
      void this.#readyToSign(next, signer);
    });
    const { listen: wanted, admin } = first.settings;
    this.#listeners = await Promise.all(wanted.proxy.map((at) => bound('listen.proxy', at, listen(at, services))));
    const transparent = wanted.transparent.map(({ address, port }) => {
      const way = { ingress: 'transparent', meantPort: port, serve: serveTransparent } as const;
      return bound('listen.transparent', address, listen(address, services, way));
    });
    const dns = wanted.dns.map((at) => bound('listen.dns', at, listenDns(at, services)));
    // Together, so that none fails unheard while another is waited for.
    const [redirecting, naming] = await Promise.all([Promise.all(transparent), Promise.all(dns)]);
    this.#otherListeners = { transparent: redirecting, dns: naming };
    this.#adminAddresses = await Promise.all(
      admin.listen.map((at) => bound('admin.listen', at, this.#admin.listen(at))),
    );
    this.#policyListeners = new PolicyListeners((at) => listen(at, services), this.#log);
    await this.#followPolicies();
    // Said to be up only once an edit would be seen and bundle.pem is there for the clients.
    await Promise.all([this.runtime.watch(), this.#refreshBundle()]);
    this.#isUp = true;
    for (const { address } of this.#listeners) this.#log.info('listening', { listener: address.text });
    for (const [kind, listeners] of Object.entries(this.#otherListeners))
      for (const { address } of listeners) this.#log.info(`${kind} listening`, { listener: address.text });
    for (const { text } of this.#adminAddresses) this.#log.info('admin listening', { listener: text });
  }

  reopenAudit(): void {
    this.#audit?.reopen();
  }

  /** Accepts nothing more, lets what runs finish within the drain time, writes the last lines. */
  async stop(drainMs: number = this.runtime.current.settings.limits.drainMs): Promise<void> {
    const closed = [...this.#everyListener.map((listener) => listener.close()), this.#policyListeners?.close()];
    await this.#open.drain(drainMs, new ProxyError('DRAINING', { stage: 'relay', side: 'proxy' }));
    await Promise.all(closed);
    this.#pool?.close();
    await this.#admin.close();
    await this.runtime.close();
    await this.#audit?.close(FLUSH_MS);
  }

  /** Opens and removes the sockets that policies name (SEMANTICS.md 10). One that cannot be opened keeps nobody else out. */
  async #followPolicies(): Promise<void> {
    const { governed, snapshot } = this.runtime.state;
    await this.#policyListeners?.follow(policyListeners(governed, snapshot.settings));
  }

  get #everyListener(): readonly ProxyListener[] {
    return [...this.#listeners, ...this.#otherListeners.transparent, ...this.#otherListeners.dns];
  }

  get #proxyListenerTexts(): readonly string[] {
    return [...this.#listeners.map(({ address }) => address.text), ...(this.#policyListeners?.open ?? [])];
  }

  get #otherListenerTexts(): Greeting['otherListeners'] {
    const { transparent, dns } = this.#otherListeners;
    return { transparent: transparent.map(({ address }) => address.text), dns: dns.map(({ address }) => address.text) };
  }

  greeting(): Greeting {
    const { snapshot, authority } = this.runtime.state;
    const { settings, sandboxes } = snapshot;
    return {
      version: VERSION,
      program: relative(process.cwd(), process.argv[1] ?? '') || 'postern',
      proxyListeners: this.#proxyListenerTexts,
      listenOverridden: this.#sources.overrides.proxy !== undefined,
      otherListeners: this.#otherListenerTexts,
      adminListeners: this.#adminAddresses.map(({ text }) => text),
      caFile: authority.paths.ca,
      caCreated: authority.created,
      caExpires: authority.authority.notAfter,
      policies: settings.policies,
      sandboxes: [...sandboxes.values()].map(({ name, policy }) => ({
        name,
        rules: policy?.rules.length ?? 0,
        loaded: policy !== null,
      })),
      audit: settings.log.audit,
      findings: this.runtime.findings,
    };
  }

  #liveness(): Liveness {
    return {
      ready: this.#isUp,
      draining: this.#open.draining,
      proxyListeners: this.#proxyListenerTexts,
      otherListeners: this.#otherListenerTexts,
      adminListeners: this.#adminAddresses.map(({ text }) => text),
      listenersFailed: this.#policyListeners?.failed ?? [],
      connections: this.#metrics.connections,
      tunnels: this.#metrics.tunnels,
      auditDropped: this.#audit?.dropped ?? 0,
      auditHealthy: this.#audit?.healthy ?? false,
      uses: (sandbox) => this.#ledger.uses(sandbox),
    };
  }

  /** SEMANTICS.md 13: the effective number of connections is capped by the descriptor limit, with a warning. */
  #connectionsMax({ settings }: Snapshot): number {
    const most = connectionsWithinDescriptors();
    if (most < settings.limits.connections) {
      this.#log.warn('the descriptor limit (ulimit -n) allows fewer connections than limits.connections', {
        count: most,
      });
    }
    return most;
  }

  #judgeAgain(next: Snapshot, previous: Snapshot, pool: Pool): void {
    const cut = this.#open.judgeAgain(next);
    pool.judgeAgain((origin, upstream) => upstream.trust === next.upstreamContext && mayKeep(origin, upstream, next));
    if (cut > 0) this.#log.info('ended what the new policy denies', { count: cut, generation: next.generation });
    if (next.leaves !== previous.leaves) void this.#refreshBundle();
  }

  /** Each tunnel has its audit line; the log says it to the operator, and not for each of them. */
  #tellOfFailedLeaf(): void {
    const nowMs = performance.now();
    if (nowMs - this.#failedLeafToldMs < FAILED_LEAF_EVERY_MS) return;
    this.#failedLeafToldMs = nowMs;
    const { authority, paths } = this.runtime.state.authority;
    const reason = `the CA is valid until ${authority.notAfter.toISOString()}`;
    this.#log.error('no certificates can be made for intercepted hosts', { file: paths.ca, reason });
  }

  async #refreshBundle(): Promise<void> {
    const { authority, paths } = this.runtime.state.authority;
    const outcome = await refreshBundle(paths.bundle, authority.caPem);
    if (outcome.kind === 'failed')
      this.#log.warn('bundle.pem cannot be written', { file: paths.bundle, code: outcome.code });
  }

  async #openQuarantine({ settings }: Snapshot): Promise<Quarantine> {
    const opening = Quarantine.open(settings.state, {
      onPut: ({ sandbox, id }) => {
        this.#log.error('a sandbox is in quarantine: it misused a placeholder', { sandbox, id });
        this.#open.cutSandbox(sandbox, quarantined());
      },
      onUnsaved: (file, code) =>
        this.#log.error('a quarantine cannot be written and would not survive a restart', { file, code }),
    });
    this.#quarantine = await opening.catch((error: unknown) => {
      throw error instanceof QuarantineError ? new ServeError(error.message) : error;
    });
    return this.#quarantine;
  }

  /** A key that cannot be had is told at the start, not to the first request that is forwarded. */
  async #openSigner({ settings }: Snapshot): Promise<StatementSigner> {
    const signer = new StatementSigner(settings.state);
    this.#signer = signer;
    if (settings.forwardTo.length === 0) return signer;
    await signer.ready().catch((error: unknown) => {
      throw error instanceof KeyFileError ? new ServeError(error.message) : error;
    });
    return signer;
  }

  async #readyToSign({ settings }: Snapshot, signer: StatementSigner): Promise<void> {
    if (settings.forwardTo.length === 0) return;
    await signer.ready().catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : '';
      this.#log.error('no request can be forwarded: the key for statements is not available', { reason });
    });
  }

  #openAudit(snapshot: Snapshot): LineSink {
    const { audit: target } = snapshot.settings.log;
    const onHealth = (code: string | null): void => {
      if (code === null) this.#log.info('audit lines are written again');
      else this.#log.error('audit lines cannot be written', { code });
    };
    try {
      this.#audit = new LineSink({ target, onHealth });
      return this.#audit;
    } catch (error) {
      throw new ServeError(`log.audit: ${target} cannot be opened for writing (${errorCode(error)})`);
    }
  }
}

/** Whether an idle connection may serve its sandbox under another generation. */
function mayKeep({ sandbox, host, port, claim }: Origin, held: Held, next: Snapshot): boolean {
  const policy = next.sandboxes.get(sandbox)?.policy ?? null;
  return policy !== null && isStillTheWay(held, { host, port, claim, policy }, next);
}

async function bound<T>(key: string, address: ListenAddress, binding: Promise<T>): Promise<T> {
  try {
    return await binding;
  } catch (error) {
    throw new ServeError(`${key}: cannot listen on ${address.text}: ${whyNotBound(address, error)}`);
  }
}
