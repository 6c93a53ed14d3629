#define _GNU_SOURCE
#include "response.h"
#include <stdlib.h>
#include <string.h>

void response_begin(struct response *r) {
  r->part = PART_HEAD;
  r->status = 0;
  r->close = false;
  r->head_length = 0;
}

/** The value of a field in the head, or null. The head starts with the status line, so every field follows a CRLF. */
static const char *field(const char *head, const char *name) {
  size_t length = strlen(name);
  for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
    if (strncasecmp(line + 2, name, length) != 0 || line[2 + length] != ':') continue;
    const char *value = line + 3 + length;
    return value + strspn(value, " \t");
  }
  return NULL;
}

static bool starts_with(const char *value, const char *token) {
  return value && strncasecmp(value, token, strlen(token)) == 0;
}

/** Reads status and framing from a whole head and chooses the part that follows. */
static enum outcome begin_body(struct response *r) {
  if (strncmp(r->head, "HTTP/1.", 7) != 0 || r->head_length < 12) return OUTCOME_MALFORMED;
  r->status = atoi(r->head + 9);
  if (r->status < 200) {
    if (r->status < 100 || r->status == 101) return OUTCOME_MALFORMED;
    r->head_length = 0;  // an interim response: the real one follows
    return OUTCOME_MORE;
  }
  const char *length = field(r->head, "content-length");
  r->close = starts_with(field(r->head, "connection"), "close");
  if (starts_with(field(r->head, "transfer-encoding"), "chunked")) {
    r->part = PART_CHUNK_SIZE;
    r->left = 0;
    r->in_extension = false;
    return OUTCOME_MORE;
  }
  r->part = length ? PART_LENGTH : PART_UNTIL_CLOSE;
  r->left = length ? atoll(length) : 0;
  if (r->status == 204 || r->status == 304) return OUTCOME_DONE;
  if (!length) r->close = true;
  return length && r->left == 0 ? OUTCOME_DONE : OUTCOME_MORE;
}

/** Takes bytes into the head; `*used` says how many of them belonged to it. */
static enum outcome feed_head(struct response *r, const char *bytes, size_t count, size_t *used) {
  size_t room = sizeof r->head - 1 - r->head_length;
  size_t taken = count < room ? count : room;
  memcpy(r->head + r->head_length, bytes, taken);
  size_t from = r->head_length > 3 ? r->head_length - 3 : 0;
  size_t total = r->head_length + taken;
  const char *end = memmem(r->head + from, total - from, "\r\n\r\n", 4);
  if (!end) {
    r->head_length = total;
    *used = taken;
    return taken == count ? OUTCOME_MORE : OUTCOME_MALFORMED;
  }
  size_t length = (size_t)(end - r->head) + 4;
  *used = length - r->head_length;
  r->head_length = length;
  r->head[length] = 0;
  return begin_body(r);
}

static enum outcome feed_chunk_size(struct response *r, char byte) {
  if (byte == '\n') {
    r->part = r->left > 0 ? PART_CHUNK_DATA : PART_TRAILERS;
    r->line = 0;
    r->in_extension = false;
    return OUTCOME_MORE;
  }
  if (byte == ';' || byte == '\r') r->in_extension = true;
  if (r->in_extension) return OUTCOME_MORE;
  const char *digits = "0123456789abcdef";
  const char *digit = byte ? strchr(digits, byte | 0x20) : NULL;
  if (!digit || r->left > INT64_MAX / 32) return OUTCOME_MALFORMED;
  r->left = r->left * 16 + (digit - digits);
  return OUTCOME_MORE;
}

static enum outcome feed_framing(struct response *r, char byte) {
  if (r->part == PART_CHUNK_SIZE) return feed_chunk_size(r, byte);
  if (r->part == PART_CHUNK_END) {
    if (byte == '\n') r->part = PART_CHUNK_SIZE;
    return byte == '\n' || byte == '\r' ? OUTCOME_MORE : OUTCOME_MALFORMED;
  }
  if (byte == '\n' && r->line == 0) return OUTCOME_DONE;
  if (byte == '\n') r->line = 0;
  else if (byte != '\r') r->line++;
  return OUTCOME_MORE;
}

/** Skips body bytes; `*used` says how many. */
static enum outcome feed_data(struct response *r, size_t count, size_t *used) {
  *used = (int64_t)count < r->left ? count : (size_t)r->left;
  r->left -= (int64_t)*used;
  if (r->left > 0) return OUTCOME_MORE;
  if (r->part == PART_LENGTH) return OUTCOME_DONE;
  r->part = PART_CHUNK_END;
  return OUTCOME_MORE;
}

enum outcome response_feed(struct response *r, const char *bytes, size_t count) {
  enum outcome outcome = OUTCOME_MORE;
  size_t at = 0;
  while (at < count && outcome == OUTCOME_MORE) {
    size_t used = 1;
    switch (r->part) {
      case PART_HEAD: outcome = feed_head(r, bytes + at, count - at, &used); break;
      case PART_LENGTH:
      case PART_CHUNK_DATA: outcome = feed_data(r, count - at, &used); break;
      case PART_UNTIL_CLOSE: used = count - at; break;
      default: outcome = feed_framing(r, bytes[at]);
    }
    at += used;
  }
  // The load asks for one thing at a time: bytes past the end answer nothing.
  return outcome == OUTCOME_DONE && at < count ? OUTCOME_MALFORMED : outcome;
}

enum outcome response_closed(const struct response *r) {
  return r->part == PART_UNTIL_CLOSE ? OUTCOME_DONE : OUTCOME_MALFORMED;
}
