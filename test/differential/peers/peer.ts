import type { Case, MessageReading } from '../message.ts';

/** An independent reader of HTTP/1.1. */
export interface Peer {
  readonly name: PeerName;
  /** Its version, for messages. */
  readonly version: string;
  read(cases: readonly Pick<Case, 'bytes' | 'answerTo'>[]): Promise<readonly MessageReading[]>;
  close(): Promise<void> | void;
}

export type PeerName = 'llhttp' | 'h11' | 'net/http' | 'nginx';
