// What a load has seen, and the line of JSON that it prints of it at its end.
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H
#include "connection.h"
#include "stats.h"

struct seen {
  long ok, other_status, errors, opened, hung_up;
  int last_status;
  const char *last_failure;
  char protocol[64];
  struct histogram latency, opening_time;
};

extern struct seen seen;

/** Keeps which protocol the first connection speaks; for the report, so that a run can be seen to have compared like with like. */
void report_protocol(const struct connection *c);
void report_print(double elapsed_s, double cpu_s);
#endif
