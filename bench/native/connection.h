// One client connection through the proxy: TCP, CONNECT, TLS, requests. It makes no decisions: connection_step carries it as far as
// the socket allows and says what happened, the driver says what comes next.
#ifndef BENCH_CONNECTION_H
#define BENCH_CONNECTION_H
#include "response.h"
#include <openssl/ssl.h>
#include <stdint.h>

enum mode { MODE_MITM, MODE_PLAIN, MODE_DIRECT };
enum state { CLOSED, CONNECTING, TUNNEL_WRITE, TUNNEL_READ, HANDSHAKE, READY, REQUEST_WRITE, RESPONSE_READ };
enum event { EVENT_WAIT, EVENT_OPENED, EVENT_ANSWERED, EVENT_HUNG_UP, EVENT_FAILED };

/** What every connection asks for, and where. */
struct target {
  enum mode mode;
  char proxy[64];
  int proxy_port;
  char host[256];
  int port;
  char path[1024];
  char fields[4096];
  long first_host;  // 0: every connection asks for `host`; otherwise the next asks for h<first_host>.<host>, counted up
  SSL_CTX *tls;
};

struct connection {
  int fd;
  enum state state;
  SSL *ssl;
  int64_t opened_us, asked_us;
  long requests;
  bool held;
  char name[300];
  char out[6144];
  size_t out_length, out_at;
  struct response response;
  const char *failure;  // why, after EVENT_FAILED
};

extern int64_t bytes_received;

void connection_open(struct connection *c, struct target *target, int epoll);
void connection_ask(struct connection *c, const struct target *target, int64_t asked_us);
enum event connection_step(struct connection *c, const struct target *target);
void connection_close(struct connection *c);
#endif
