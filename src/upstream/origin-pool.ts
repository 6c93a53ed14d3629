import type { H1Upstream } from './h1-upstream.ts';
import type { H2Upstream } from './h2-upstream.ts';
import { Origin } from './origin.ts';

/** A connection as the pool keeps it, busy with exchanges of HTTP/2 or idle. */
export type Pooled = H1Upstream | H2Upstream;

/** An origin with its connections. */
export class OriginPool extends Origin {
  /** HTTP/1.1 connections between two requests; the last one used is the first one taken. */
  readonly idle: H1Upstream[] = [];
  /** HTTP/2 connections, idle and in use. */
  readonly sessions: H2Upstream[] = [];
  /** Whoever finds out what the origin speaks does it for all who wait for that. */
  finding: Promise<void> | null = null;
  /** Whoever still has it may use it, but nothing is kept in it: the pool no longer knows of it. */
  forgotten = false;
}
