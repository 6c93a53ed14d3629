// The origin of the HTTP/2 rounds: what origin.c is, with nothing but HTTP/2. A client that does not offer `h2` gets no handshake, so
// that no proxy speaks HTTP/1.1 behind our back.
//   origin-h2 CERT KEY BEARER      listens on a free port of 127.0.0.1 and prints "listening PORT"
#include "h2_link.h"
#include "server.h"
#include "tls_io.h"
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { EVENTS = 256 };

struct client {
  struct h2_link link;
  int fd;
  bool shaken;
};

/** One stream: what of its request matters, then how much of its answer is left. */
struct answer {
  bool get, allowed;
  int64_t size, left;
};

static char expected[512];
static SSL_CTX *tls;
static nghttp2_session_callbacks *callbacks;
static int epoll;

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  (void)user;
  if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, calloc(1, sizeof(struct answer)));
  return 0;
}

static bool is(const uint8_t *bytes, size_t length, const char *text) {
  return length == strlen(text) && memcmp(bytes, text, length) == 0;
}

static int on_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length, const uint8_t *value,
                    size_t value_length, uint8_t flags, void *user) {
  (void)flags, (void)user;
  struct answer *answer = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  if (!answer) return 0;
  // nghttp2 ends both with a NUL.
  if (is(name, name_length, ":method")) answer->get = is(value, value_length, "GET");
  else if (is(name, name_length, ":path")) answer->size = value_length > 1 ? atoll((const char *)value + 1) : 0;
  else if (is(name, name_length, "authorization")) answer->allowed = is(value, value_length, expected);
  return 0;
}

static ssize_t fill(nghttp2_session *session, int32_t stream, uint8_t *into, size_t room, uint32_t *flags, nghttp2_data_source *source,
                    void *user) {
  (void)session, (void)stream, (void)user;
  struct answer *answer = source->ptr;
  size_t count = answer->left < (int64_t)room ? (size_t)answer->left : room;
  memset(into, 'x', count);
  answer->left -= (int64_t)count;
  if (answer->left == 0) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return (ssize_t)count;
}

#define FIELD(name, value, value_length) \
  { (uint8_t *)(name), (uint8_t *)(value), sizeof(name) - 1, value_length, NGHTTP2_NV_FLAG_NONE }

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  (void)user;
  if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
  struct answer *answer = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  if (!answer) return 0;
  bool allowed = answer->get && answer->allowed;
  answer->left = allowed ? answer->size : 0;
  char length[24];
  int digits = snprintf(length, sizeof length, "%lld", (long long)answer->left);
  nghttp2_nv fields[] = {
      FIELD(":status", allowed ? "200" : "401", 3),
      FIELD("server", "origin", 6),
      FIELD("content-type", "application/octet-stream", 24),
      FIELD("cache-control", "no-store", 8),
      FIELD("content-length", length, (size_t)digits),
  };
  nghttp2_data_provider body = {.source.ptr = answer, .read_callback = fill};
  return nghttp2_submit_response(session, frame->hd.stream_id, fields, sizeof fields / sizeof *fields, answer->left > 0 ? &body : NULL);
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user) {
  (void)code, (void)user;
  free(nghttp2_session_get_stream_user_data(session, stream));
  return 0;
}

static void drop(struct client *c) {
  // Streams that are still open are closed by nobody; a proxy that hangs up amid a round is one of few, and we end with the round.
  if (c->link.session) nghttp2_session_del(c->link.session);
  if (c->shaken) SSL_shutdown(c->link.ssl);
  SSL_free(c->link.ssl);
  close(c->fd);
  free(c);
}

static bool serve(struct client *c) {
  if (!c->shaken) {
    tls_begin();
    ssize_t result = tls_result(c->link.ssl, SSL_accept(c->link.ssl));
    if (result < 0) return result == IO_BLOCKED;
    c->shaken = true;
    nghttp2_session_server_new(&c->link.session, callbacks, c);
    h2_link_begin(&c->link);
  }
  return h2_link_drive(&c->link);
}

static void accept_all(int listener) {
  SSL *ssl;
  for (int fd; (fd = server_accept(listener, tls, &ssl)) >= 0;) {
    struct client *c = calloc(1, sizeof *c);
    if (!c) exit(1);
    c->fd = fd;
    c->link.ssl = ssl;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
}

static int choose_h2(SSL *ssl, const unsigned char **chosen, unsigned char *length, const unsigned char *offered, unsigned offered_length,
                     void *user) {
  (void)ssl, (void)user;
  static const unsigned char h2[] = "\x02h2";
  int found = SSL_select_next_proto((unsigned char **)chosen, length, h2, sizeof h2 - 1, offered, offered_length);
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void prepare(char **argv) {
  signal(SIGPIPE, SIG_IGN);
  snprintf(expected, sizeof expected, "Bearer %s", argv[3]);
  tls = server_tls(argv[1], argv[2]);
  SSL_CTX_set_alpn_select_cb(tls, choose_h2, NULL);
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_field);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  epoll = epoll_create1(EPOLL_CLOEXEC);
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "origin-h2 CERT KEY BEARER\n");
    return 2;
  }
  prepare(argv);
  int listener = server_listen(epoll);
  for (;;) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      struct client *c = events[i].data.ptr;
      if (!c) accept_all(listener);
      else if (!serve(c)) drop(c);
    }
  }
}
