import type { Http2Stream } from 'node:http2';

/**
 * Resets a stream of which something is missing. Node ends what it has not sent to the end when it closes a stream. If the session is in the middle
 * of reading or writing, that END_STREAM leaves before the reset, or in its place: a cut message would be whole to its reader. So nothing is ended.
 */
export function resetStream(stream: Http2Stream, code: number): void {
  stream.end = () => stream;
  stream.close(code);
}
