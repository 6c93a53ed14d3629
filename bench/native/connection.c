#define _GNU_SOURCE
#include "connection.h"
#include "clock.h"
#include "tls_io.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

int64_t bytes_received = 0;
static char scratch[64 * 1024];

static enum event failed(struct connection *c, const char *why) {
  c->failure = why;
  return EVENT_FAILED;
}

void connection_open(struct connection *c, struct target *target, int epoll) {
  int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)target->proxy_port)};
  inet_pton(AF_INET, target->proxy, &address.sin_addr);
  if (target->first_host) snprintf(c->name, sizeof c->name, "h%ld.%s", target->first_host++, target->host);
  else snprintf(c->name, sizeof c->name, "%s", target->host);
  c->ssl = NULL;
  c->requests = 0;
  c->held = false;
  c->state = CONNECTING;
  c->opened_us = now_us();
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) { perror("socket"); exit(1); }
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // Edge-triggered: a socket is nearly always writable, and a level would wake the load for nothing all the time.
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
  connect(c->fd, (struct sockaddr *)&address, sizeof address);  // its failure shows in CONNECTING
  epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

/** A clean end, as clients make it: close_notify, then FIN. */
void connection_close(struct connection *c) {
  if (c->state == CLOSED) return;
  if (c->ssl) {
    if (c->state >= READY) SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
  }
  close(c->fd);
  c->ssl = NULL;
  c->state = CLOSED;
}

static void queue(struct connection *c, enum state state, int length) {
  c->out_length = (size_t)length;
  c->out_at = 0;
  c->state = state;
}

/** Starts one request. `asked_us` is when it was due, which is earlier than now where the load is behind its rate. */
void connection_ask(struct connection *c, const struct target *target, int64_t asked_us) {
  char absolute[400] = "";
  if (target->mode == MODE_PLAIN) snprintf(absolute, sizeof absolute, "http://%s:%d", c->name, target->port);
  int length = snprintf(c->out, sizeof c->out, "GET %s%s HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: bench/1\r\nAccept: */*\r\n%s\r\n",
                        absolute, target->path, c->name, target->port, target->fields);
  c->asked_us = asked_us;
  c->requests++;
  queue(c, REQUEST_WRITE, length);
  response_begin(&c->response);
}

static void begin_handshake(struct connection *c, const struct target *target) {
  // The certificate is not verified here: the probe before each round has done that, and its cost would be the load's.
  c->ssl = SSL_new(target->tls);
  SSL_set_fd(c->ssl, c->fd);
  SSL_set_tlsext_host_name(c->ssl, c->name);
  SSL_set_connect_state(c->ssl);
  c->state = HANDSHAKE;
}

/** The steps below return EVENT_WAIT with `*again` set where the state moved on and there may be more to do. */
static enum event step_connecting(struct connection *c, const struct target *target, bool *again) {
  int error = 0;
  socklen_t size = sizeof error;
  struct sockaddr_in peer;
  socklen_t peer_size = sizeof peer;
  getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) return failed(c, strerror(error));
  if (getpeername(c->fd, (struct sockaddr *)&peer, &peer_size) < 0) return EVENT_WAIT;
  *again = true;
  if (target->mode == MODE_PLAIN) {
    c->state = READY;
    return EVENT_OPENED;
  }
  if (target->mode == MODE_DIRECT) {
    begin_handshake(c, target);
    return EVENT_WAIT;
  }
  int length = snprintf(c->out, sizeof c->out, "CONNECT %s:%d HTTP/1.1\r\nHost: %s:%d\r\n\r\n", c->name, target->port, c->name, target->port);
  queue(c, TUNNEL_WRITE, length);
  return EVENT_WAIT;
}

static enum event step_write(struct connection *c, enum state next, bool *again) {
  ssize_t wrote = io_write(c->fd, c->ssl, c->out + c->out_at, c->out_length - c->out_at);
  if (wrote == IO_BLOCKED) return EVENT_WAIT;
  if (wrote < 0) return failed(c, "closed while we were writing");
  c->out_at += (size_t)wrote;
  *again = true;
  if (c->out_at < c->out_length) return EVENT_WAIT;
  c->out_length = 0;
  c->state = next;
  return EVENT_WAIT;
}

/** The proxy's answer to CONNECT; nothing may follow it before our ClientHello. */
static enum event step_tunnel_read(struct connection *c, const struct target *target, bool *again) {
  ssize_t got = io_read(c->fd, NULL, c->out + c->out_length, sizeof c->out - 1 - c->out_length);
  if (got == IO_BLOCKED) return EVENT_WAIT;
  if (got < 0) return failed(c, "closed during CONNECT");
  c->out_length += (size_t)got;
  c->out[c->out_length] = 0;
  *again = true;
  if (!strstr(c->out, "\r\n\r\n")) return EVENT_WAIT;
  if (c->out_length < 12 || atoi(c->out + 9) != 200) return failed(c, "CONNECT refused");
  begin_handshake(c, target);
  return EVENT_WAIT;
}

static enum event step_handshake(struct connection *c) {
  tls_begin();
  ssize_t result = tls_result(c->ssl, SSL_connect(c->ssl));
  if (result == IO_BLOCKED) return EVENT_WAIT;
  if (result < 0) return failed(c, "TLS handshake failed");
  c->state = READY;
  return EVENT_OPENED;
}

static enum event step_response(struct connection *c, bool *again) {
  ssize_t got = io_read(c->fd, c->ssl, scratch, sizeof scratch);
  if (got == IO_BLOCKED) return EVENT_WAIT;
  enum outcome outcome = got < 0 ? response_closed(&c->response) : response_feed(&c->response, scratch, (size_t)got);
  if (outcome == OUTCOME_MALFORMED) return failed(c, got == IO_CLOSED ? "closed inside a response" : got < 0 ? "broken inside a response" : "malformed response");
  if (got > 0) bytes_received += got;
  *again = true;
  if (outcome == OUTCOME_MORE) return EVENT_WAIT;
  c->state = READY;
  return EVENT_ANSWERED;
}

/** Nothing is asked for, so nothing but session tickets and the end may come. */
static enum event step_ready(struct connection *c) {
  ssize_t got = io_read(c->fd, c->ssl, scratch, sizeof scratch);
  if (got == IO_BLOCKED) return EVENT_WAIT;
  return got > 0 ? failed(c, "bytes that answer nothing") : EVENT_HUNG_UP;
}

enum event connection_step(struct connection *c, const struct target *target) {
  for (;;) {
    bool again = false;
    enum event event = EVENT_WAIT;
    switch (c->state) {
      case CLOSED: return EVENT_WAIT;
      case CONNECTING: event = step_connecting(c, target, &again); break;
      case TUNNEL_WRITE: event = step_write(c, TUNNEL_READ, &again); break;
      case TUNNEL_READ: event = step_tunnel_read(c, target, &again); break;
      case HANDSHAKE: event = step_handshake(c); break;
      case READY: event = step_ready(c); break;
      case REQUEST_WRITE: event = step_write(c, RESPONSE_READ, &again); break;
      case RESPONSE_READ: event = step_response(c, &again); break;
    }
    if (event != EVENT_WAIT || !again) return event;
  }
}
