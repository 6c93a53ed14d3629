#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H
#include "connection.h"
#include <stdbool.h>

/** Streams: what every server allows (RFC 9113 section 6.5.2 recommends no fewer). */
enum { PIDS_MAX = 64, STREAMS_MAX = 100 };

struct options {
  int connections;
  int streams;                   // on each, over HTTP/2
  double warm_s, measured_s;
  long requests_per_connection;  // 0: as many as fit
  long tickets;                  // 0: until the time is over; otherwise so many connections, one request each
  double rate;                   // 0: closed loop; otherwise requests a second, whatever the answers take
  bool hold;                     // one request a connection, which then stays open until SIGTERM
  int pids[PIDS_MAX];
  int pid_count;
};

/** Fills both from the command line; exits with status 2 and a message where it cannot. */
void options_read(int argc, char **argv, struct options *options, struct target *target);
#endif
