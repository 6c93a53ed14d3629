// The benchmark's load: one thread, epoll, OpenSSL, a closed loop or a fixed rate. `load -h` prints its options; SIGTERM ends the
// measured window early and it reports what it has.
// Counted are answers inside the measured window; errors count whenever they happen, since a proxy has no excuse while warming up.
#include "clock.h"
#include "options.h"
#include "report.h"
#include "stats.h"
#include "tls_io.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

enum { OPENING_MAX = 64, ERRORS_MAX = 1000, EVENTS = 256 };

static struct options options;
static struct target target;
static struct connection *connections;
static int slots_opened, opening, epoll, timer;
static int64_t started_us, warm_us, end_us;
static long tickets_left, running, scheduled;
static volatile sig_atomic_t stopped;

static struct connection **parked;  // at a fixed rate: open connections with nothing due
static int parked_count;

static void stop(int signal_number) {
  (void)signal_number;
  stopped = 1;
}

static bool measured(int64_t at_us) { return at_us >= warm_us && at_us <= end_us; }

static void open_slot(struct connection *c) {
  if (options.tickets && tickets_left == 0) return;
  tickets_left--;
  running++;
  opening++;
  connection_open(c, &target, epoll);
}

/** Opens connections that have not been opened yet, a few at a time, so that no accept queue overflows. */
static void open_more(void) {
  while (slots_opened < options.connections && opening < OPENING_MAX) open_slot(&connections[slots_opened++]);
}

static void end_slot(struct connection *c, bool again) {
  connection_close(c);
  running--;
  if (again && now_us() < end_us) open_slot(c);
}

static int64_t due_us(long request) { return started_us + (int64_t)((double)request * 1e6 / options.rate); }

/** Asks now, or parks the connection until the schedule has something for it. */
static void ask_or_park(struct connection *c) {
  int64_t now = now_us();
  if (options.rate == 0) {
    // With one request a connection, opening it is part of what the client waits for.
    connection_ask(c, &target, options.requests_per_connection == 1 ? c->opened_us : now);
  } else if (due_us(scheduled) <= now) {
    connection_ask(c, &target, due_us(scheduled++));
  } else {
    parked[parked_count++] = c;
  }
}

static void on_opened(struct connection *c) {
  int64_t now = now_us();
  opening--;
  if (measured(now)) {
    seen.opened++;
    histogram_add(&seen.opening_time, now - c->opened_us);
  }
  report_protocol(c);
  ask_or_park(c);
}

static void on_answered(struct connection *c) {
  int64_t now = now_us();
  bool ok = c->response.status >= 200 && c->response.status < 300;
  if (!ok) seen.last_status = c->response.status;
  if (measured(now)) {
    if (ok) seen.ok++;
    else seen.other_status++;
    histogram_add(&seen.latency, now - c->asked_us);
  } else if (!ok) {
    seen.other_status++;
  }
  if (options.hold) {
    c->held = true;
    return;
  }
  bool last = options.requests_per_connection && c->requests >= options.requests_per_connection;
  if (last || c->response.close) end_slot(c, true);
  else ask_or_park(c);
}

static void unpark(const struct connection *c) {
  for (int i = 0; i < parked_count; i++)
    if (parked[i] == c) parked[i] = parked[--parked_count];
}

/** A server may close a connection that asks for nothing; where it is held that counts as a loss. */
static void on_hung_up(struct connection *c) {
  seen.hung_up++;
  unpark(c);
  end_slot(c, !c->held);
}

static void on_failed(struct connection *c) {
  seen.errors++;
  seen.last_failure = c->failure;
  if (c->state < READY) opening--;
  end_slot(c, seen.errors < ERRORS_MAX);
}

static void drive(struct connection *c) {
  for (;;) {
    switch (connection_step(c, &target)) {
      case EVENT_WAIT: return;
      case EVENT_OPENED: on_opened(c); break;
      case EVENT_ANSWERED: on_answered(c); break;
      case EVENT_HUNG_UP: on_hung_up(c); return;
      case EVENT_FAILED: on_failed(c); return;
    }
    // An answered slot may hold a new connection by now, whose own events will come.
    if (c->state == CLOSED || c->state == CONNECTING || (c->state == READY && c->held)) return;
  }
}

/** Wakes the loop when the next request is due (CLOCK_MONOTONIC, as now_us). */
static void arm_timer(void) {
  int64_t due = due_us(scheduled);
  struct itimerspec when = {.it_value = {.tv_sec = due / 1000000, .tv_nsec = due % 1000000 * 1000}};
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void ask_what_is_due(void) {
  while (parked_count > 0 && due_us(scheduled) <= now_us()) {
    struct connection *c = parked[--parked_count];
    connection_ask(c, &target, due_us(scheduled++));
    drive(c);
  }
  if (parked_count > 0) arm_timer();
}

static bool finished(void) {
  if (stopped || seen.errors >= ERRORS_MAX) return true;
  if (options.tickets && tickets_left == 0 && running == 0) return true;
  return !options.hold && now_us() > end_us;
}

/** All are open and answered: says so, then waits for the harness, which looks at the proxy's memory meanwhile. */
static void announce_held(void) {
  static bool announced = false;
  if (announced || !options.hold || slots_opened < options.connections) return;
  for (int i = 0; i < options.connections; i++)
    if (connections[i].state != CLOSED && !connections[i].held) return;
  announced = true;
  printf("held\n");
  fflush(stdout);
}

static void turn(void) {
  struct epoll_event events[EVENTS];
  int count = epoll_wait(epoll, events, EVENTS, 20);
  for (int i = 0; i < count; i++) {
    uint64_t expirations;
    if (events[i].data.ptr != &timer) drive(events[i].data.ptr);
    else if (read(timer, &expirations, sizeof expirations) < 0) continue;
  }
}

static void prepare(void) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, stop);
  target.tls = SSL_CTX_new(TLS_client_method());
  tls_settings(target.tls);
  SSL_CTX_set_session_cache_mode(target.tls, SSL_SESS_CACHE_OFF);
  connections = calloc((size_t)options.connections, sizeof *connections);
  parked = calloc((size_t)options.connections, sizeof *parked);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = &timer};
  epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
  tickets_left = options.tickets;
}

int main(int argc, char **argv) {
  options_read(argc, argv, &options, &target);
  prepare();
  started_us = now_us();
  warm_us = started_us + (int64_t)(options.warm_s * 1e6);
  end_us = warm_us + (int64_t)(options.measured_s * 1e6);
  double cpu_before = options.warm_s > 0 ? -1 : cpu_seconds(options.pids, options.pid_count);
  while (!finished()) {
    if (cpu_before < 0 && now_us() >= warm_us) {
      warm_us = now_us();  // the window starts where the CPU time was read
      bytes_received = 0;
      cpu_before = cpu_seconds(options.pids, options.pid_count);
    }
    open_more();
    if (options.rate > 0) ask_what_is_due();
    turn();
    announce_held();
  }
  // Ended while warming up: nothing was measured, and the report says so.
  bool any = cpu_before >= 0;
  double elapsed_s = any ? (double)(now_us() - warm_us) / 1e6 : 0;
  double cpu_s = any ? cpu_seconds(options.pids, options.pid_count) - cpu_before : 0;
  report_print(elapsed_s, cpu_s);
  for (int i = 0; i < options.connections; i++) connection_close(&connections[i]);
  return 0;
}
