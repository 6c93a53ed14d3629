#include "options.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "load -p HOST:PORT -u https://HOST:PORT/PATH [options]    load through a proxy; prints one line of JSON\n"
    "  -m mitm|plain|direct  CONNECT and TLS inside (default) | absolute-form http | TLS straight to -p\n"
    "  -c N      connections (32)             -d S   seconds measured (5), or the longest that -n may take\n"
    "  -w S      seconds of warming up (1)    -H F   a field to send, \"name: value\"; may be repeated\n"
    "  -r N      requests a connection; with 1 a latency includes opening it\n"
    "  -s N      requests beside one another on a connection (load-h2, which knows -p -u -m -c -d -w -H -P besides)\n"
    "  -n N      stop after N connections of one request each; no warming up\n"
    "  -N FIRST  each connection asks for another host: h<FIRST>.HOST, h<FIRST+1>.HOST, ...\n"
    "  -R RATE   requests a second, on schedule; latency counts from when a request was due\n"
    "  -K        open all, one request each, print \"held\", keep them open until SIGTERM\n"
    "  -P PIDS   processes whose CPU time is measured over the same window, comma-separated\n";

static void refuse(const char *what) {
  fprintf(stderr, "load: %s\n%s", what, usage);
  exit(2);
}

static void read_mode(const char *text, struct target *target) {
  if (strcmp(text, "mitm") == 0) target->mode = MODE_MITM;
  else if (strcmp(text, "plain") == 0) target->mode = MODE_PLAIN;
  else if (strcmp(text, "direct") == 0) target->mode = MODE_DIRECT;
  else refuse("-m is mitm, plain or direct");
}

static void read_url(const char *text, struct target *target) {
  char scheme[8];
  target->port = 443;
  strcpy(target->path, "/");
  if (sscanf(text, "%7[a-z]://%255[^:/]:%d%1023s", scheme, target->host, &target->port, target->path) < 3)
    refuse("-u is scheme://host:port/path");
}

static void read_pids(char *text, struct options *options) {
  for (char *pid = strtok(text, ","); pid; pid = strtok(NULL, ",")) {
    if (options->pid_count == PIDS_MAX) refuse("too many processes in -P");
    options->pids[options->pid_count++] = atoi(pid);
  }
}

static void add_field(const char *field, struct target *target) {
  size_t used = strlen(target->fields);
  if (used + strlen(field) + 3 > sizeof target->fields) refuse("-H is too long");
  snprintf(target->fields + used, sizeof target->fields - used, "%s\r\n", field);
}

void options_read(int argc, char **argv, struct options *options, struct target *target) {
  *options = (struct options){.connections = 32, .streams = 1, .warm_s = 1, .measured_s = 5};
  *target = (struct target){.mode = MODE_MITM};
  int option;
  while ((option = getopt(argc, argv, "p:u:m:c:d:w:H:r:s:n:N:R:KP:")) > 0) switch (option) {
      case 'p':
        if (sscanf(optarg, "%63[0-9.]:%d", target->proxy, &target->proxy_port) != 2) refuse("-p is an IPv4 address and a port");
        break;
      case 'u': read_url(optarg, target); break;
      case 'm': read_mode(optarg, target); break;
      case 'c': options->connections = atoi(optarg); break;
      case 'd': options->measured_s = atof(optarg); break;
      case 'w': options->warm_s = atof(optarg); break;
      case 'H': add_field(optarg, target); break;
      case 'r': options->requests_per_connection = atol(optarg); break;
      case 's': options->streams = atoi(optarg); break;
      case 'n': options->tickets = atol(optarg); break;
      case 'N': target->first_host = atol(optarg); break;
      case 'R': options->rate = atof(optarg); break;
      case 'K': options->hold = true; break;
      case 'P': read_pids(optarg, options); break;
      default: refuse("unknown option");
    }
  if (!target->proxy_port || !target->host[0]) refuse("-p and -u are needed");
  if (options->connections < 1) refuse("-c is at least 1");
  if (options->streams < 1 || options->streams > STREAMS_MAX) refuse("-s is 1 to 100");
  if (options->hold) options->tickets = options->connections;
  if (options->tickets) {
    options->requests_per_connection = 1;
    options->warm_s = 0;
  }
}
