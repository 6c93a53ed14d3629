import type { Http2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { HeadLimits } from '../http1/head.ts';

/** More pairs than a head may have: what is a little too large gets an answer that says so, what is far too large a reset. */
const PAIRS_MARGIN = 56;
/** A head of ours may be larger than the one that came: injected fields and swapped placeholders add to it. */
const SEND_FACTOR = 4;

/** What both sides set on an HTTP/2 connection. `node:http2` bounds what these do not name: CONTINUATION frames, unanswered pings and settings. */
export const sessionOptions = ({ headBytes, headFields }: HeadLimits) => ({
  maxHeaderListPairs: headFields + PAIRS_MARGIN,
  maxSendHeaderBlockLength: SEND_FACTOR * headBytes,
  // Which field may come twice is ours to say.
  strictSingleValueFields: false,
});

/**
 * Ends a connection and everything on it with an error code of RFC 9113 section 7, which tells its streams that they are not complete: Node takes a
 * code without an error for NO_ERROR. And Node waits with the end for what it is writing, for ever if nobody reads it; so the socket goes too, a
 * turn later, by when a GOAWAY has left if it can leave.
 */
export function breakSession(session: Http2Session, socket: Socket, code: number): void {
  session.destroy(new Error(`the connection was ended with error code ${code}`), code);
  setImmediate(() => socket.destroy());
}
