import { lstatSync } from 'node:fs';
import type { Log } from '../observe/log.ts';
import { whyNotBound } from '../runtime/bind.ts';
import type { ListenAddress } from '../runtime/settings.ts';
import type { ProxyListener } from './listener.ts';

/** A VM's folder may be made after its policy, and be made anew under it. */
const LOOK_MS = 1_000;

/**
 * The Unix sockets that policies name: opened and removed while the proxy runs. One that cannot be opened, or whose file somebody removed, is
 * tried again until it is not wanted.
 */
export class PolicyListeners {
  readonly #listen: (address: ListenAddress) => Promise<ProxyListener>;
  readonly #log: Log;
  readonly #openByText = new Map<string, ProxyListener>();
  readonly #whyFailedByText = new Map<string, string>();
  #wanted: readonly ListenAddress[] = [];
  readonly #closing = new Set<Promise<void>>();
  #isSettling = false;
  #isClosed = false;
  #settled: Promise<void> = Promise.resolve();
  #look: NodeJS.Timeout | null = null;

  constructor(listen: (address: ListenAddress) => Promise<ProxyListener>, log: Log) {
    this.#listen = listen;
    this.#log = log;
  }

  get open(): readonly string[] {
    return [...this.#openByText.keys()];
  }

  get failed(): readonly { readonly listener: string; readonly reason: string }[] {
    return [...this.#whyFailedByText].map(([listener, reason]) => ({ listener, reason }));
  }

  /** Makes these the ones that are open. Resolves when they are, or could not be. Never rejects. */
  follow(wanted: readonly ListenAddress[]): Promise<void> {
    // Policies may still change while the proxy drains.
    this.#wanted = this.#isClosed ? [] : wanted;
    if (!this.#isSettling) this.#settled = this.#settle();
    return this.#settled;
  }

  /** Removes all of them. Resolves when their connections have ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.follow([]);
    await Promise.all(this.#closing);
  }

  /** What is wanted may change while a socket is being opened: then it is looked at again. */
  async #settle(): Promise<void> {
    this.#isSettling = true;
    this.#dropVanished();
    let done: readonly ListenAddress[] | null = null;
    while (done !== this.#wanted) {
      done = this.#wanted;
      this.#removeUnwanted(new Set(done.map(({ text }) => text)));
      for (const address of done) if (!this.#openByText.has(address.text)) await this.#open(address);
    }
    this.#isSettling = false;
    this.#lookAgainLater();
  }

  #removeUnwanted(wanted: ReadonlySet<string>): void {
    for (const [text, listener] of [...this.#openByText]) {
      if (wanted.has(text)) continue;
      this.#close(text, listener);
      this.#log.info('no longer listening', { listener: text });
    }
    for (const text of [...this.#whyFailedByText.keys()]) if (!wanted.has(text)) this.#whyFailedByText.delete(text);
  }

  /** Without its file nobody can connect, and nothing tells of it. A look costs about two microseconds. */
  #dropVanished(): void {
    for (const [text, listener] of [...this.#openByText]) {
      const { address } = listener;
      if (address.kind !== 'unix' || !isGone(address.path)) continue;
      this.#close(text, listener);
      this.#log.warn('the socket was removed, and is made again', { listener: text });
    }
  }

  #close(text: string, listener: ProxyListener): void {
    this.#openByText.delete(text);
    const closing = listener.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  async #open(address: ListenAddress): Promise<void> {
    const { text } = address;
    try {
      this.#openByText.set(text, await this.#listen(address));
      this.#whyFailedByText.delete(text);
      this.#log.info('listening', { listener: text });
    } catch (error) {
      const reason = whyNotBound(address, error);
      // Told once, not each second.
      if (this.#whyFailedByText.get(text) !== reason) this.#log.error('cannot listen', { listener: text, reason });
      this.#whyFailedByText.set(text, reason);
    }
  }

  #lookAgainLater(): void {
    if (this.#look !== null) clearTimeout(this.#look);
    this.#look = null;
    if (this.#wanted.length > 0) this.#look = setTimeout(() => void this.follow(this.#wanted), LOOK_MS).unref();
  }
}

/** Only an answer says so: a folder that may not be looked into can still hold it. */
function isGone(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) === undefined;
  } catch {
    return false;
  }
}
