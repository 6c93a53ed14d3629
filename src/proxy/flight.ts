import assert from 'node:assert';
import { ProxyError } from '../errors.ts';
import type { ExchangeRecord } from '../observe/record.ts';
import type { CompiledRule } from '../policy/compiled.ts';
import type { RequestFacts } from '../policy/decision.ts';
import type { ForwardSpec } from '../policy/model.ts';
import type { Carrier } from '../upstream/carrier.ts';
import type { Allowance } from './allowance.ts';
import type { ClientRequest } from './client-request.ts';

/**
 * One request between its decision and its end: what must be known to end it from outside (the client left, a reload denies it, the drain
 * time is over) and to judge it again.
 */
export class Flight {
  readonly client: ClientRequest;
  readonly record: ExchangeRecord;
  /** What was decided about; set by `decide`. */
  #facts: RequestFacts | null = null;
  rule: CompiledRule | null = null;
  /** Where it is sent instead of to its origin. */
  forward: ForwardSpec | null = null;
  /** What the limits of the rule leave it; null for most rules, which have none. */
  allowance: Allowance | null = null;
  /** Set once the upgrade was accepted: from then on the bytes are nobody's requests. */
  upgraded = false;
  #upstream: Carrier | null = null;
  #cut: ProxyError | null = null;
  #whenCut: ((error: ProxyError) => void) | null = null;
  #atEnd: (() => void)[] | null = null;
  #dialling: AbortController | null = null;
  #judgeUpstream: ((upstream: Carrier) => ProxyError | null) | null = null;

  constructor(client: ClientRequest, record: ExchangeRecord) {
    this.client = client;
    this.record = record;
    client.onAbort(() => this.cut(clientLeft()));
  }

  /** The connection that carries it, from the moment there is one; null again when it was given back. */
  carriedBy(upstream: Carrier | null): void {
    this.#upstream = upstream;
    if (upstream === null) return;
    const error = this.#judgeUpstream?.(upstream) ?? null;
    if (error !== null) this.cut(error);
    if (this.#cut !== null) upstream.abandon();
  }

  get upstream(): Carrier | null {
    return this.#upstream;
  }

  /** What was decided about. Throws before `decide`. */
  get facts(): RequestFacts {
    assert(this.#facts !== null, 'the request was not decided yet');
    return this.#facts;
  }

  decidedOn(facts: RequestFacts, rule: CompiledRule | null): void {
    this.#facts = facts;
    this.rule = rule;
  }

  get decided(): boolean {
    return this.#facts !== null;
  }

  /** Bytes are about to leave for the upstream. False: a limit of the rule does not let them, and has ended the request. */
  spend(bytes: number, part: 'body' | 'other'): boolean {
    if (this.allowance === null) return true;
    const over = part === 'body' ? this.allowance.spendBody(bytes) : this.allowance.spend(bytes, 'dispatch');
    if (over !== null) this.cut(over);
    return over === null;
  }

  /** There is no connection yet: the one that is being dialled for an older generation is judged by this when it is there. */
  judgeUpstream(judge: (upstream: Carrier) => ProxyError | null): void {
    this.#judgeUpstream = judge;
  }

  /** Ends it with this error, whatever it waits for. The first error stays. */
  cut(error: ProxyError): void {
    this.#cut ??= error;
    this.#upstream?.abandon();
    this.#dialling?.abort();
    this.#whenCut?.(this.#cut);
  }

  /** For a connection that is being dialled: aborted when the flight is ended. */
  dialling(): AbortSignal {
    this.#dialling = new AbortController();
    return this.#dialling.signal;
  }

  /** Calls back if it is ended from outside. One callback at a time. */
  whenCut(callback: (error: ProxyError) => void): void {
    this.#whenCut = callback;
  }

  /** Waits for something, but no longer than the request lives: what comes too late is given to `discard`. */
  waitFor<T>(thing: Promise<T>, discard: (late: T) => void = ignore): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#whenCut = reject;
      if (this.#cut !== null) reject(this.#cut);
      const arrived = (value: T): void => {
        this.#whenCut = null;
        if (this.#cut === null) resolve(value);
        else discard(value);
      };
      thing.then(arrived, reject);
    });
  }

  /** Called once when the exchange is over, whatever came of it. */
  atEnd(callback: () => void): void {
    this.#atEnd ??= [];
    this.#atEnd.push(callback);
  }

  /** The exchange is over. */
  end(): void {
    this.allowance?.giveBack();
    for (const callback of this.#atEnd ?? []) callback();
  }

  /** Throws the error that ended it. Stages call this after every wait. */
  check(): void {
    if (this.#cut !== null) throw this.#cut;
  }

  /** The error that ended it, if it was ended; else the one that a stage met, which may be a mere consequence. */
  causeOf(error: ProxyError): ProxyError {
    return this.#cut ?? error;
  }
}

function ignore(): void {}

const clientLeft = (): ProxyError =>
  new ProxyError('REQUEST_INVALID', {
    stage: 'relay',
    side: 'client',
    reason: 'the client left before the answer was complete',
  });
