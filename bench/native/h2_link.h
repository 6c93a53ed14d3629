// An nghttp2 session on a TLS socket that does not block: what both ends of the HTTP/2 rounds do with their bytes.
#ifndef BENCH_H2_LINK_H
#define BENCH_H2_LINK_H
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

/** Windows that no round fills, so that the proxy's own are what limits it: of a stream and of a connection. */
enum { STREAM_WINDOW = 4 * 1024 * 1024, CONNECTION_WINDOW = 64 * 1024 * 1024 };
/** What is written at once, and the most that nghttp2 hands over in one piece: a frame, or a whole header block. */
enum { LINK_BURST = 64 * 1024, LINK_PIECE_MAX = 64 * 1024 + 9 };

struct h2_link {
  SSL *ssl;
  nghttp2_session *session;
  size_t out_length, out_at;
  unsigned char out[LINK_BURST + LINK_PIECE_MAX];
};

/** Queues the preface's settings. */
void h2_link_begin(struct h2_link *link);
/** Reads and writes as far as the socket allows; false when the connection is over. */
bool h2_link_drive(struct h2_link *link);
/** Writes what the session has to say; false when the connection is over. */
bool h2_link_flush(struct h2_link *link);
#endif
