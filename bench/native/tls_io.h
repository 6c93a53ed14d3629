// One way to read and write for plain and TLS sockets that do not block.
#ifndef BENCH_TLS_IO_H
#define BENCH_TLS_IO_H
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

enum { IO_BLOCKED = -1, IO_CLOSED = -2, IO_BROKEN = -3 };

/** What a negative or zero result of OpenSSL means, in our words. */
static inline ssize_t tls_result(SSL *ssl, int result) {
  if (result > 0) return result;
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return IO_BLOCKED;
    case SSL_ERROR_ZERO_RETURN: return IO_CLOSED;
    default: return IO_BROKEN;
  }
}

static inline ssize_t plain_result(ssize_t result) {
  if (result > 0) return result;
  if (result == 0) return IO_CLOSED;
  return errno == EAGAIN || errno == EINTR ? IO_BLOCKED : IO_BROKEN;
}

/** An error that another connection left in OpenSSL's queue would be read as this one's (SSL_get_error(3)). */
static inline void tls_begin(void) { ERR_clear_error(); }

/** Bytes read, or IO_BLOCKED, IO_CLOSED, IO_BROKEN. A null `ssl` means plain. */
static inline ssize_t io_read(int fd, SSL *ssl, void *into, size_t room) {
  tls_begin();
  return ssl ? tls_result(ssl, SSL_read(ssl, into, (int)room)) : plain_result(read(fd, into, room));
}

/** Bytes written, or IO_BLOCKED, IO_CLOSED, IO_BROKEN. A null `ssl` means plain. */
static inline ssize_t io_write(int fd, SSL *ssl, const void *from, size_t count) {
  tls_begin();
  return ssl ? tls_result(ssl, SSL_write(ssl, from, (int)count)) : plain_result(write(fd, from, count));
}

/** The settings both ends of the benchmark share, so that every proxy between them does the same cryptography:
 *  X25519 and AES-128-GCM, whatever each would prefer on its own. */
static inline void tls_settings(SSL_CTX *context) {
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set1_groups_list(context, "X25519:P-256");
  // One read() a burst instead of two a record: neither end should be what limits a round.
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, 64 * 1024);
}
#endif
