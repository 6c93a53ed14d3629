import type { H1Upstream } from './h1-upstream.ts';
import type { H2Exchange } from './h2-exchange.ts';

/** What one exchange goes to its origin on: an HTTP/1.1 connection, or a stream of an HTTP/2 one. */
export type Carrier = H1Upstream | H2Exchange;
