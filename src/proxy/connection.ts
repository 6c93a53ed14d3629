import type { Socket } from 'node:net';
import type { ProxyError } from '../errors.ts';
import type { ClientEvidence } from '../runtime/identity.ts';
import type { Snapshot } from '../runtime/snapshot.ts';
import { SOCKS4, SOCKS5 } from '../socks5/reader.ts';
import { closeGently } from '../wire/close.ts';
import type { Wire } from '../wire/wire.ts';
import { countFor } from './admit.ts';
import { type ExchangeConnection, exchange } from './exchange.ts';
import { firstBytes } from './first-bytes.ts';
import type { Flight } from './flight.ts';
import { H1Client } from './h1-client.ts';
import { H2Client } from './h2-client.ts';
import { claimAgain, judgeFlight } from './judge-again.ts';
import type { OpenConnection } from './open-set.ts';
import type { OpaqueRun, TunnelConnection } from './opening.ts';
import type { Entrance, Passage } from './passage.ts';
import type { Services } from './services.ts';
import { refuseSocks4, serveSocks } from './socks.ts';
import { tunnel } from './tunnel.ts';
import type { WayIn } from './way-in.ts';

/** One client connection from its acceptance to its end, through a CONNECT and the TLS inside it. */
export class ClientConnection implements OpenConnection, TunnelConnection, ExchangeConnection {
  entrance: Entrance;
  readonly services: Services;
  sandbox: string | null = null;
  #wire: Wire;
  /** Serves what is spoken where nobody speaks to a proxy; null: they do. */
  readonly #serveOtherwise: WayIn['serve'] | null;
  #client: H1Client | null = null;
  #passage: Passage | null = null;
  #streams: H2Client | null = null;
  /** What runs now: one request of HTTP/1.1, or many of HTTP/2. */
  readonly #flights = new Set<Flight>();
  #opaque: OpaqueRun | null = null;

  constructor(wire: Wire, entrance: Entrance, services: Services, serveOtherwise: WayIn['serve'] | null = null) {
    this.#wire = wire;
    this.#serveOtherwise = serveOtherwise;
    this.entrance = entrance;
    this.services = services;
  }

  /** Serves what is spoken to the proxy itself: SOCKS, or HTTP with absolute-form targets, until a CONNECT makes it a tunnel. */
  async serve(): Promise<void> {
    const { clientAddress: address, listener } = this.entrance;
    const wire = this.#wire;
    if (this.#serveOtherwise !== null) {
      const evidence = { address, listener, credentials: null, tokenless: true } as const;
      this.#countAtOnce(evidence);
      return await this.#serveOtherwise(
        wire,
        { entrance: this.entrance, tunnel: null, evidence, standing: null },
        this,
      );
    }
    const evidence = { address, listener, credentials: null };
    this.#countAtOnce(evidence);
    const first = await this.#firstByte(wire);
    if (first === null) return closeGently(wire);
    const isSocks = first === SOCKS5 || first === SOCKS4;
    if (isSocks) this.entrance = { ...this.entrance, ingress: 'socks' };
    const passage: Passage = { entrance: this.entrance, tunnel: null, evidence, standing: null };
    if (first === SOCKS4) refuseSocks4(wire, passage, this.services);
    else if (isSocks) await serveSocks(wire, passage, this);
    else await this.serveRequests(wire, passage);
  }

  /** What tells SOCKS from HTTP; null if nothing came. */
  async #firstByte(wire: Wire): Promise<number | null> {
    this.#opaque = { judge: () => null, cut: () => wire.destroy(), drain: () => wire.destroy() };
    const { clientHeadMs } = this.services.runtime.current.settings.limits;
    const first = await firstBytes(wire, clientHeadMs, (bytes) => bytes[0] ?? null);
    this.#opaque = null;
    return first;
  }

  /** Where no token can change whose it is, a connection counts before it has asked for anything: it may never do so. */
  #countAtOnce(evidence: ClientEvidence): void {
    const { identity } = this.services.runtime.current;
    if (identity.usesTokens && evidence.tokenless !== true) return;
    const found = identity.identify(evidence);
    if (found.kind === 'sandbox') countFor(this, found.name);
  }

  /** Serves the requests of one wire, one after another, until either side is done. Resolves with their number. */
  async serveRequests(wire: Wire, passage: Passage): Promise<number> {
    this.#wire = wire;
    this.#passage = passage;
    const client = new H1Client(wire, this.services.runtime.current.settings.limits);
    this.#client = client;
    if (this.services.open.draining) client.drain();
    for (let count = 0; ; count++) {
      const request = await client.next();
      if (request === null) return count;
      if (mayConnect(passage) && request.head.kind === 'request' && request.head.method === 'CONNECT') {
        // Whatever comes of it, it leaves the request behind: as a tunnel that is over, or as a refusal.
        if ((await tunnel(request, client, passage, this)) === 'over') return count + 1;
      } else {
        await exchange(request, passage, this);
      }
      if (request.persists) continue;
      closeGently(wire);
      return count + 1;
    }
  }

  /** Serves the requests of one HTTP/2 connection inside a tunnel, beside one another. Resolves with their number when it is closed. */
  async serveStreams(secure: Wire, raw: Socket, passage: Passage): Promise<number> {
    this.#passage = passage;
    let count = 0;
    const { limits } = this.services.runtime.current.settings;
    const { streams } = this.services.open;
    const sandbox = passage.tunnel?.sandbox ?? '';
    const client = new H2Client(secure, raw, limits, {
      opened: (request) => {
        count++;
        streams.add(sandbox);
        void exchange(request, passage, this);
      },
      closed: () => streams.remove(sandbox),
    });
    this.#streams = client;
    if (this.services.open.draining) client.drain();
    await client.closed;
    return count;
  }

  began(flight: Flight): void {
    this.#flights.add(flight);
  }

  ended(flight: Flight): void {
    this.#flights.delete(flight);
  }

  /** Counts the connection for its sandbox, the first time that is known. */
  belongTo(sandbox: string): void {
    if (this.sandbox !== null) return;
    this.sandbox = sandbox;
    this.services.open.connections.add(sandbox);
  }

  /** Something opaque runs now, or no longer. */
  runs(opaque: OpaqueRun | null): void {
    this.#opaque = opaque;
  }

  judgeAgain(next: Snapshot): number {
    const passage = this.#passage;
    if (passage !== null) passage.standing = null;
    if (this.#opaque !== null) {
      const error = this.#opaque.judge(next);
      if (error !== null) this.#opaque.cut(error);
      return error === null ? 0 : 1;
    }
    if (passage === null) return 0;
    const { tunnel } = passage;
    if (this.#streams !== null && tunnel !== null && claimAgain(tunnel, passage, next) === null) this.#streams.drain();
    let cut = 0;
    for (const flight of [...this.#flights]) {
      const error = judgeFlight(flight, passage, next);
      if (error === null) continue;
      flight.cut(error);
      cut++;
    }
    return cut;
  }

  cut(error: ProxyError): void {
    if (this.#opaque !== null) this.#opaque.cut(error);
    else if (this.#flights.size === 0 && this.#streams === null) this.#wire.destroy();
    for (const flight of [...this.#flights]) flight.cut(error);
    this.#streams?.end();
  }

  drain(): void {
    if (this.#opaque !== null) this.#opaque.drain();
    else if (this.#streams !== null) this.#streams.drain();
    else this.#client?.drain();
  }
}

/** Where a CONNECT would be one: spoken to a proxy that the client knows of, and not in a tunnel. */
const mayConnect = ({ tunnel, entrance }: Passage): boolean => tunnel === null && entrance.meantPort === null;
