// Latencies in a histogram of fixed size (two percent wide buckets), and CPU time of processes.
#ifndef BENCH_STATS_H
#define BENCH_STATS_H
#include <stdint.h>

enum { SUB_BUCKETS = 64, BUCKETS = 40 * SUB_BUCKETS };

struct histogram {
  int64_t count;
  int64_t max_us;
  int64_t at[BUCKETS];
};

void histogram_add(struct histogram *h, int64_t us);
/** The value below which the share `quantile` (0 to 1) of what was added lies, in microseconds. */
double histogram_quantile(const struct histogram *h, double quantile);

/** Seconds of CPU, user and system, of all threads of these processes; a process that is gone counts nothing. */
double cpu_seconds(const int *pids, int count);
#endif
