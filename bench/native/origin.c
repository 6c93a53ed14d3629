// The benchmark's origin: TLS, HTTP/1.1 keep-alive, one thread. GET /N answers with N bytes, but only to a request that carries
// the credential; everything else gets 401, so that a proxy which injects nothing has no round.
//   origin CERT KEY BEARER      listens on a free port of 127.0.0.1 and prints "listening PORT"
#define _GNU_SOURCE
#include "server.h"
#include "tls_io.h"
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { HEAD_MAX = 16 * 1024, PIECE = 16 * 1024, EVENTS = 256 };

struct client {
  int fd;
  SSL *ssl;
  bool shaken, closing;
  size_t in_length;             // bytes of a request head that are here
  size_t out_length, out_at;    // the response's head and the first bytes of its body
  int64_t body_left;            // bytes of the body still to send
  char in[HEAD_MAX];
  char out[PIECE];
};

static char filler[PIECE];
static char expected[512];
static SSL_CTX *tls;
static int epoll;

static void drop(struct client *c) {
  if (c->shaken) SSL_shutdown(c->ssl);
  SSL_free(c->ssl);
  close(c->fd);
  free(c);
}

/** The value of a field in a head that ends with a NUL, up to its CRLF, compared byte for byte; names in any case. */
static bool field_is(const char *head, const char *name, const char *value) {
  size_t name_length = strlen(name), length = strlen(value);
  for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
    if (strncasecmp(line + 2, name, name_length) != 0 || line[2 + name_length] != ':') continue;
    const char *at = line + 3 + name_length;
    at += strspn(at, " ");
    return strncmp(at, value, length) == 0 && strncmp(at + length, "\r\n", 2) == 0;
  }
  return false;
}

/** Prepares the answer to the request head in `c->in`. */
static void answer(struct client *c) {
  bool get = strncmp(c->in, "GET /", 5) == 0;
  bool allowed = get && field_is(c->in, "authorization", expected);
  int64_t size = allowed ? atoll(c->in + 5) : 0;
  c->closing = field_is(c->in, "connection", "close");
  int head = snprintf(c->out, sizeof c->out,
                      "HTTP/1.1 %s\r\nServer: origin\r\nContent-Type: application/octet-stream\r\nCache-Control: no-store\r\n%sContent-Length: %lld\r\n\r\n",
                      allowed ? "200 OK" : "401 Unauthorized", c->closing ? "Connection: close\r\n" : "", (long long)size);
  int64_t room = (int64_t)sizeof c->out - head;
  int64_t first = size < room ? size : room;
  memset(c->out + head, 'x', (size_t)first);
  c->out_at = 0;
  c->out_length = (size_t)(head + first);
  c->body_left = size - first;
}

/** Sends what there is. True when nothing is left, false when the socket is full; a broken one sets `*broken`. */
static bool flush(struct client *c, bool *broken) {
  while (c->out_at < c->out_length || c->body_left > 0) {
    bool head = c->out_at < c->out_length;
    const char *from = head ? c->out + c->out_at : filler;
    size_t count = head ? c->out_length - c->out_at : (c->body_left < PIECE ? (size_t)c->body_left : PIECE);
    ssize_t wrote = io_write(c->fd, c->ssl, from, count);
    if (wrote < 0) {
      *broken = wrote != IO_BLOCKED;
      return false;
    }
    if (head) c->out_at += (size_t)wrote;
    else c->body_left -= wrote;
  }
  return true;
}

/** Answers the next whole request head that is here; false when there is none. */
static bool take_request(struct client *c) {
  char *end = memmem(c->in, c->in_length, "\r\n\r\n", 4);
  if (!end) return false;
  size_t length = (size_t)(end - c->in) + 4;
  char after = c->in[length];
  c->in[length] = 0;
  answer(c);
  c->in[length] = after;
  c->in_length -= length;
  memmove(c->in, c->in + length, c->in_length);
  return true;
}

/** Carries one client as far as its socket allows; false when it is over. */
static bool serve(struct client *c) {
  bool broken = false;
  if (!c->shaken) {
    tls_begin();
    ssize_t result = tls_result(c->ssl, SSL_accept(c->ssl));
    if (result < 0) return result == IO_BLOCKED;
    c->shaken = true;
  }
  for (;;) {
    if (!flush(c, &broken)) return !broken;
    if (c->closing) return false;
    if (take_request(c)) continue;
    size_t room = HEAD_MAX - 1 - c->in_length;
    ssize_t got = room > 0 ? io_read(c->fd, c->ssl, c->in + c->in_length, room) : IO_BROKEN;
    if (got < 0) return got == IO_BLOCKED;
    c->in_length += (size_t)got;
  }
}

static void accept_all(int listener) {
  SSL *ssl;
  for (int fd; (fd = server_accept(listener, tls, &ssl)) >= 0;) {
    struct client *c = malloc(sizeof *c);
    if (!c) exit(1);
    c->fd = fd;
    c->ssl = ssl;
    c->shaken = c->closing = false;
    c->in_length = c->out_length = c->out_at = 0;
    c->body_left = 0;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "origin CERT KEY BEARER\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  memset(filler, 'x', sizeof filler);
  snprintf(expected, sizeof expected, "Bearer %s", argv[3]);
  tls = server_tls(argv[1], argv[2]);
  epoll = epoll_create1(EPOLL_CLOEXEC);
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
