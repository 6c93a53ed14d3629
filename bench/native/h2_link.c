#include "h2_link.h"
#include "tls_io.h"
#include <string.h>

static unsigned char scratch[64 * 1024];

void h2_link_begin(struct h2_link *link) {
  nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
  };
  // A server may not speak of push (RFC 9113 section 6.5.2).
  bool server = nghttp2_session_check_server_session(link->session);
  nghttp2_submit_settings(link->session, NGHTTP2_FLAG_NONE, server ? settings + 1 : settings, server ? 2 : 3);
  nghttp2_session_set_local_window_size(link->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
}

/** Takes frames from the session until a burst is together or there are no more. */
static bool gather(struct h2_link *link) {
  link->out_at = link->out_length = 0;
  while (link->out_length < LINK_BURST) {
    const uint8_t *piece;
    ssize_t length = nghttp2_session_mem_send(link->session, &piece);
    if (length < 0 || length > LINK_PIECE_MAX) return false;
    if (length == 0) break;
    memcpy(link->out + link->out_length, piece, (size_t)length);
    link->out_length += (size_t)length;
  }
  return true;
}

bool h2_link_flush(struct h2_link *link) {
  for (;;) {
    if (link->out_at == link->out_length && !gather(link)) return false;
    if (link->out_at == link->out_length) return true;
    ssize_t wrote = io_write(-1, link->ssl, link->out + link->out_at, link->out_length - link->out_at);
    if (wrote < 0) return wrote == IO_BLOCKED;
    link->out_at += (size_t)wrote;
  }
}

bool h2_link_drive(struct h2_link *link) {
  for (size_t since_flush = 0;;) {
    ssize_t got = io_read(-1, link->ssl, scratch, sizeof scratch);
    if (got == IO_BLOCKED) break;
    if (got < 0 || nghttp2_session_mem_recv(link->session, scratch, (size_t)got) < 0) return false;
    since_flush += (size_t)got;
    if (since_flush < LINK_BURST) continue;
    // The other end may wait for room while we read what it has sent.
    if (!h2_link_flush(link)) return false;
    since_flush = 0;
  }
  if (!h2_link_flush(link)) return false;
  return nghttp2_session_want_read(link->session) || nghttp2_session_want_write(link->session);
}
