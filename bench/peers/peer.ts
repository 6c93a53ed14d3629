import type { Certificates } from '../harness/certificates.ts';

/** What a peer is told when it is set up. */
export interface PeerContext {
  /** A folder of its own for configuration and state; kept between starts of one instance. */
  readonly folder: string;
  readonly port: number;
  /** A second port that is free, for peers with an admin interface. */
  readonly adminPort: number;
  readonly originPort: number;
  readonly certificates: Certificates;
  /** The credential that the peer adds as `Authorization: Bearer …`. */
  readonly bearer: string;
  /** How many names h1 … hN.origin.test it must be able to reach besides origin.test. */
  readonly hosts: number;
  /** Clients come with HTTP/2, which is otherwise neither offered nor used. */
  readonly http2: boolean;
}

/** How to start a peer: everything else about its life is common to all. */
export interface Command {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The authority that clients of this peer trust, where it is not `certificates.caCert`. */
  readonly clientTrust?: string;
}

/** `client`: HTTP/1.1 to the origin; `none` cannot take part. */
export type Http2 = 'both' | 'client' | 'none';

/** A program that is measured. One file each; all verify the origin against `certificates.trust`. */
export interface Peer {
  readonly name: string;
  /** What it is, in a few words for the table's legend. */
  readonly about: string;
  /** How clients speak to it: by CONNECT, or with TLS straight to its port. */
  readonly mode: 'mitm' | 'direct';
  /** Whether it adds the credential; where not, the load sends it. */
  readonly injects: boolean;
  /** Whether it signs certificates for names it has not seen. */
  readonly mints: boolean;
  /** What it speaks in the rounds of HTTP/2, with the client and with the origin. */
  readonly http2: Http2;
  /** What to do where `version` finds nothing. */
  readonly install: string;
  /** The installed version, or undefined where it is not installed. */
  version(): string | undefined;
  /** Writes its configuration and says how to start it. */
  prepare(context: PeerContext): Command;
}
