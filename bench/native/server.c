#define _GNU_SOURCE
#include "server.h"
#include "tls_io.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

SSL_CTX *server_tls(const char *certificate, const char *key) {
  SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
  tls_settings(tls);
  if (SSL_CTX_use_certificate_chain_file(tls, certificate) == 1 && SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) == 1) return tls;
  fprintf(stderr, "origin: the certificate or key cannot be used\n");
  exit(1);
}

int server_listen(int epoll) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 4096) < 0) {
    perror("origin");
    exit(1);
  }
  getsockname(listener, (struct sockaddr *)&address, &size);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  printf("listening %d\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

int server_accept(int listener, SSL_CTX *tls, SSL **ssl) {
  int on = 1;
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return -1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  *ssl = SSL_new(tls);
  SSL_set_fd(*ssl, fd);
  return fd;
}
