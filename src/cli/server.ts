import { errorCode, ProxyError } from '../errors.ts';
import { LineSink } from '../observe/line-sink.ts';
import type { Log } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import { Recorder } from '../observe/observer.ts';
import { judgeAddress } from '../proxy/judge-again.ts';
import { listen, type ProxyListener } from '../proxy/listener.ts';
import { OpenSet } from '../proxy/open-set.ts';
import type { Services } from '../proxy/services.ts';
import type { Sources } from '../runtime/reading.ts';
import { Runtime } from '../runtime/runtime.ts';
import type { ListenAddress } from '../runtime/settings.ts';
import type { Snapshot } from '../runtime/snapshot.ts';
import type { Origin } from '../upstream/origin.ts';
import { Pool } from '../upstream/pool.ts';
import { VERSION } from '../version.ts';

/** Longest that the last lines may take to be written. */
const FLUSH_MS = 1_000;

/** A listener could not be bound, or the audit file not opened: the text says which and why. */
export class ServeError extends Error {
  override readonly name = 'ServeError';
}

/** Everything of one running proxy, wired together: the runtime, the data path, what is recorded, and the order of starting and stopping. */
export class Server {
  readonly runtime: Runtime;
  readonly metrics: Metrics;
  readonly open = new OpenSet();
  readonly #log: Log;
  #audit: LineSink | null = null;
  #pool: Pool | null = null;
  #listeners: readonly ProxyListener[] = [];

  constructor(sources: Sources, log: Log) {
    this.#log = log;
    this.metrics = new Metrics({
      version: VERSION,
      auditDropped: () => this.#audit?.dropped ?? 0,
      caExpirySeconds: () => (this.runtime.isStarted ? this.runtime.state.authority.authority.notAfter.getTime() / 1000 : null),
      secretAges: () => [],
    });
    this.runtime = new Runtime({
      sources,
      log,
      metrics: this.metrics,
      listeners: () => this.addresses,
      onMinted: (outcome) => {
        this.metrics.leaves[outcome]++;
      },
    });
  }

  /** Where the proxy listens; port 0 has become a real one. */
  get addresses(): readonly ListenAddress[] {
    return this.#listeners.map(({ address }) => address);
  }

  /** Loads everything, then listens. Throws `StartError` or `ServeError`; nothing is left open then. */
  async start(): Promise<void> {
    const first = await this.runtime.start();
    const audit = this.#openAudit(first);
    const observer = new Recorder(audit, this.metrics);
    observer.auditRequired = first.settings.log.auditRequired;
    const pool = new Pool(observer);
    this.#pool = pool;
    const services: Services = { runtime: this.runtime, pool, observer, open: this.open };
    this.#listeners = await Promise.all(first.settings.listen.proxy.map((address) => bind(address, services)));
    for (const { address } of this.#listeners) this.#log.info('listening', { listener: address.text });
    this.runtime.onSwap((next, previous) => {
      observer.auditRequired = next.settings.log.auditRequired;
      this.#judgeAgain(next, previous, pool);
    });
  }

  reopenAudit(): void {
    this.#audit?.reopen();
  }

  /** Accepts nothing more, lets what runs finish within the drain time, writes the last lines. */
  async stop(): Promise<void> {
    const { drainMs } = this.runtime.current.settings.limits;
    const closed = this.#listeners.map((listener) => listener.close());
    await this.open.drain(drainMs, new ProxyError('DRAINING', { stage: 'relay', side: 'proxy' }));
    await Promise.all(closed);
    this.#pool?.close();
    await this.runtime.close();
    await this.#audit?.close(FLUSH_MS);
  }

  #judgeAgain(next: Snapshot, previous: Snapshot, pool: Pool): void {
    const sameTrust = next.upstreamContext === previous.upstreamContext;
    const cut = this.open.judgeAgain(next);
    pool.judgeAgain((origin, ip) => sameTrust && mayKeep(origin, ip, next));
    if (cut > 0) this.#log.info('ended what the new policy denies', { count: cut, generation: next.generation });
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
function mayKeep(origin: Origin, ip: string, next: Snapshot): boolean {
  const policy = next.sandboxes.get(origin.sandbox)?.policy ?? null;
  return policy !== null && judgeAddress(ip, origin.port, origin.claim, policy, next) === null;
}

async function bind(address: ListenAddress, services: Services): Promise<ProxyListener> {
  try {
    return await listen(address, services);
  } catch (error) {
    const code = errorCode(error);
    const hint = code === 'EADDRINUSE' ? 'another process listens there; choose another with --listen' : code;
    throw new ServeError(`listen.proxy: cannot listen on ${address.text}: ${hint}`);
  }
}
