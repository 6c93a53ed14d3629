// Reads one HTTP/1.1 response from pieces of any size (RFC 9112 section 6.3), and keeps only what the load needs of it.
#ifndef BENCH_RESPONSE_H
#define BENCH_RESPONSE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum outcome { OUTCOME_MORE, OUTCOME_DONE, OUTCOME_MALFORMED };
enum part { PART_HEAD, PART_LENGTH, PART_CHUNK_SIZE, PART_CHUNK_DATA, PART_CHUNK_END, PART_TRAILERS, PART_UNTIL_CLOSE };

struct response {
  enum part part;
  int status;
  bool close;         // the server will not answer again on this connection
  bool in_extension;  // inside a chunk extension, whose digits are no size
  int64_t left;       // bytes of the body or of the chunk still to come
  size_t line;        // bytes seen of the current trailer line
  size_t head_length;
  char head[8192];
};

void response_begin(struct response *r);
enum outcome response_feed(struct response *r, const char *bytes, size_t count);
/** The server has closed: fine only where the close is what ends the body. */
enum outcome response_closed(const struct response *r);
#endif
