#include "stats.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/** Values below 64 have a bucket each; above, each power of two has 64 buckets. */
static int bucket_of(int64_t us) {
  if (us < SUB_BUCKETS) return us < 0 ? 0 : (int)us;
  int shift = 63 - __builtin_clzll((unsigned long long)us) - 6;
  int bucket = (shift + 1) * SUB_BUCKETS + (int)((us >> shift) - SUB_BUCKETS);
  return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static double middle_of(int bucket) {
  if (bucket < SUB_BUCKETS) return bucket;
  int shift = bucket / SUB_BUCKETS - 1;
  return ((double)(bucket % SUB_BUCKETS) + SUB_BUCKETS + 0.5) * (double)(1LL << shift);
}

void histogram_add(struct histogram *h, int64_t us) {
  h->count++;
  h->at[bucket_of(us)]++;
  if (us > h->max_us) h->max_us = us;
}

double histogram_quantile(const struct histogram *h, double quantile) {
  int64_t wanted = (int64_t)((double)h->count * quantile);
  for (int i = 0; i < BUCKETS; i++) {
    wanted -= h->at[i];
    if (wanted < 0) return middle_of(i);
  }
  return (double)h->max_us;
}

static double one_process(int pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  // The name in brackets may hold anything, so fields are counted from its last bracket (proc_pid_stat(5)).
  char *rest = strrchr(text, ')');
  long user = 0, system = 0;
  if (!rest || sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system) != 2) return 0;
  return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

double cpu_seconds(const int *pids, int count) {
  double sum = 0;
  for (int i = 0; i < count; i++) sum += one_process(pids[i]);
  return sum;
}
