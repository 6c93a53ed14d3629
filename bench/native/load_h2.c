// The load of the HTTP/2 rounds: what load.c is in its closed loop, with so many requests beside one another on every connection.
// An answer counts when it was 2xx and brought as many bytes as its path asked for. A proxy that does not agree on `h2` has no figure.
#include "clock.h"
#include "h2_link.h"
#include "options.h"
#include "report.h"
#include "tls_io.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { ERRORS_MAX = 1000, EVENTS = 256, FIELDS_MAX = 16 };

/** One place for a request: a stream after the other. */
struct place {
  int64_t asked_us, bytes;
  int status;
};

/** `connection` carries it up to the end of the handshake, `link` from there. It is first: events point to it. */
struct peer {
  struct connection connection;
  struct h2_link link;
  struct place places[STREAMS_MAX];
};

static struct options options;
static struct target target;
static struct peer *peers;
static nghttp2_session_callbacks *callbacks;
static nghttp2_nv fields[FIELDS_MAX];
static size_t field_count;
static int64_t wanted_bytes, warm_us, end_us;
static int epoll;
static volatile sig_atomic_t stopped;

static void stop(int signal_number) {
  (void)signal_number;
  stopped = 1;
}

static bool measured(int64_t at_us) { return at_us >= warm_us && at_us <= end_us; }

static void failed(const char *why) {
  seen.errors++;
  seen.last_failure = why;
}

static void add_field(const char *name, const char *value) {
  if (field_count == FIELDS_MAX) {
    fprintf(stderr, "load-h2: too many fields\n");
    exit(2);
  }
  fields[field_count++] = (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
}

/** The request that all make, from the options: pseudo-fields first, then what -H has added. Names must be in lower case. */
static void prepare_fields(void) {
  static char authority[300];
  snprintf(authority, sizeof authority, "%s:%d", target.host, target.port);
  add_field(":method", "GET");
  add_field(":scheme", "https");
  add_field(":authority", authority);
  add_field(":path", target.path);
  add_field("user-agent", "bench/1");
  add_field("accept", "*/*");
  for (char *name = strtok(target.fields, "\r\n"); name; name = strtok(NULL, "\r\n")) {
    char *colon = strchr(name, ':');
    if (!colon) continue;
    *colon = 0;
    add_field(name, colon + 1 + strspn(colon + 1, " "));
  }
}

static void ask(struct peer *peer, struct place *place) {
  *place = (struct place){.asked_us = now_us()};
  int32_t stream = nghttp2_submit_request(peer->link.session, NULL, fields, field_count, NULL, place);
  if (stream < 0) failed(nghttp2_strerror(stream));
}

static int on_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length, const uint8_t *value,
                    size_t value_length, uint8_t flags, void *user) {
  (void)value_length, (void)flags, (void)user;
  struct place *place = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  if (place && name_length == 7 && memcmp(name, ":status", 7) == 0) place->status = atoi((const char *)value);
  return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t length, void *user) {
  (void)flags, (void)bytes, (void)user;
  struct place *place = nghttp2_session_get_stream_user_data(session, stream);
  if (place) place->bytes += (int64_t)length;
  bytes_received += (int64_t)length;
  return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user) {
  struct place *place = nghttp2_session_get_stream_user_data(session, stream);
  if (!place) return 0;
  int64_t now = now_us();
  bool ok = place->status >= 200 && place->status < 300;
  if (code != NGHTTP2_NO_ERROR) failed(nghttp2_http2_strerror(code));
  else if (ok && place->bytes != wanted_bytes) failed("a body of another size");
  else if (!ok) {
    seen.other_status++;
    seen.last_status = place->status;
  } else if (measured(now)) {
    seen.ok++;
    histogram_add(&seen.latency, now - place->asked_us);
  }
  if (seen.errors < ERRORS_MAX) ask(user, place);
  return 0;
}

static bool speaks_h2(SSL *ssl) {
  const unsigned char *alpn;
  unsigned length;
  SSL_get0_alpn_selected(ssl, &alpn, &length);
  return length == 2 && memcmp(alpn, "h2", 2) == 0;
}

static void end(struct peer *peer, const char *why) {
  if (why) failed(why);
  if (peer->link.session) nghttp2_session_del(peer->link.session);
  peer->link = (struct h2_link){0};
  connection_close(&peer->connection);
  if (why && seen.errors < ERRORS_MAX && now_us() < end_us) connection_open(&peer->connection, &target, epoll);
}

/** From here on the session has the socket. */
static void begin(struct peer *peer) {
  int64_t now = now_us();
  struct connection *c = &peer->connection;
  report_protocol(c);
  if (measured(now)) {
    seen.opened++;
    histogram_add(&seen.opening_time, now - c->opened_us);
  }
  peer->link.ssl = c->ssl;
  nghttp2_session_client_new(&peer->link.session, callbacks, peer);
  h2_link_begin(&peer->link);
  for (int i = 0; i < options.streams; i++) ask(peer, &peer->places[i]);
}

static void drive(struct peer *peer) {
  if (!peer->link.session) switch (connection_step(&peer->connection, &target)) {
      case EVENT_WAIT: return;
      case EVENT_OPENED:
        if (!speaks_h2(peer->connection.ssl)) {
          end(peer, "no h2");
          return;
        }
        begin(peer);
        break;
      default: end(peer, peer->connection.failure ? peer->connection.failure : "closed too early"); return;
    }
  if (!h2_link_drive(&peer->link)) end(peer, "the connection ended");
}

static void prepare(void) {
  static const unsigned char h2[] = "\x02h2";
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, stop);
  target.tls = SSL_CTX_new(TLS_client_method());
  tls_settings(target.tls);
  SSL_CTX_set_session_cache_mode(target.tls, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_protos(target.tls, h2, sizeof h2 - 1);
  wanted_bytes = atoll(target.path + 1);
  prepare_fields();
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_field);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  peers = calloc((size_t)options.connections, sizeof *peers);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < options.connections; i++) connection_open(&peers[i].connection, &target, epoll);
}

static void turn(void) {
  struct epoll_event events[EVENTS];
  int count = epoll_wait(epoll, events, EVENTS, 20);
  for (int i = 0; i < count; i++) drive((struct peer *)events[i].data.ptr);
}

int main(int argc, char **argv) {
  options_read(argc, argv, &options, &target);
  prepare();
  warm_us = now_us() + (int64_t)(options.warm_s * 1e6);
  end_us = warm_us + (int64_t)(options.measured_s * 1e6);
  double cpu_before = -1;
  while (!stopped && seen.errors < ERRORS_MAX && now_us() <= end_us) {
    if (cpu_before < 0 && now_us() >= warm_us) {
      warm_us = now_us();  // the window starts where the CPU time was read
      bytes_received = 0;
      cpu_before = cpu_seconds(options.pids, options.pid_count);
    }
    turn();
  }
  bool any = cpu_before >= 0;
  double cpu_s = any ? cpu_seconds(options.pids, options.pid_count) - cpu_before : 0;
  report_print(any ? (double)(now_us() - warm_us) / 1e6 : 0, cpu_s);
  for (int i = 0; i < options.connections; i++) end(&peers[i], NULL);
  return 0;
}
