// What both origins begin with: their TLS and a listener.
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H
#include <openssl/ssl.h>

/** A context with a certificate; exits with a message where it cannot be used. */
SSL_CTX *server_tls(const char *certificate, const char *key);
/** Listens on a free port of 127.0.0.1, prints "listening PORT", and is in an epoll with a null pointer. */
int server_listen(int epoll);
/** The next connection that waits, set up, with its TLS; -1 when there is none. */
int server_accept(int listener, SSL_CTX *tls, SSL **ssl);
#endif
