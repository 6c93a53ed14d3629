#include "report.h"
#include <stdio.h>

struct seen seen;

void report_protocol(const struct connection *c) {
  const unsigned char *alpn;
  unsigned length;
  if (!c->ssl || seen.protocol[0]) return;
  SSL_get0_alpn_selected(c->ssl, &alpn, &length);
  snprintf(seen.protocol, sizeof seen.protocol, "%s %s%s%.*s", SSL_get_version(c->ssl), SSL_get_cipher_name(c->ssl), length ? " " : "",
           (int)length, length ? (const char *)alpn : "");
}

void report_print(double elapsed_s, double cpu_s) {
  const struct histogram *latency = &seen.latency;
  double megabytes = (double)bytes_received / 1e6;
  printf("{\"seconds\":%.3f,\"ok\":%ld,\"otherStatus\":%ld,\"errors\":%ld,\"hungUp\":%ld,\"opened\":%ld,\"megabytes\":%.3f,", elapsed_s,
         seen.ok, seen.other_status, seen.errors, seen.hung_up, seen.opened, megabytes);
  printf("\"p50Us\":%.0f,\"p90Us\":%.0f,\"p99Us\":%.0f,\"p999Us\":%.0f,\"maxUs\":%ld,\"openingP50Us\":%.0f,", histogram_quantile(latency, .5),
         histogram_quantile(latency, .9), histogram_quantile(latency, .99), histogram_quantile(latency, .999), (long)latency->max_us,
         histogram_quantile(&seen.opening_time, .5));
  printf("\"cpuSeconds\":%.3f,\"protocol\":\"%s\",\"lastStatus\":%d,\"lastFailure\":\"%s\"}\n", cpu_s, seen.protocol, seen.last_status,
         seen.last_failure ? seen.last_failure : "");
}
