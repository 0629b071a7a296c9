/*
 * The other end of our TLS in tests: a real OpenSSL client on memory BIOs, and a server with a certificate
 * made for the run.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TEST_TLS_PEER_H
#define VOXPOP_TEST_TLS_PEER_H

#include <openssl/ssl.h>
#include "dataplane/tls/handshake.h"

/* Files of this run, in a directory of their own. */
struct pki {
    char directory[64], certificate[96], key[96];
};

enum pki_key { PKI_P256, PKI_RSA, PKI_P384, PKI_RSA_SHORT };

/* days: from now until the certificate ends; may be negative. */
void pki_make(struct pki *p, enum pki_key kind, int days);
/* The same for the names "DNS:a.example,DNS:*.b.example". */
void pki_make_for(struct pki *p, enum pki_key kind, int days, const char *names);
/* Puts another certificate and key for the same names in the place of these. */
void pki_renew(struct pki *p, enum pki_key kind, const char *names);
void pki_remove(struct pki *p);

extern const uint8_t test_ticket_key[TICKET_KEY_SIZE];

/* A server's configuration with the files of `count` of them, whose `files` has room for as many. */
struct tls_server_config server_config(const struct pki *const *pki, unsigned count,
                                       struct tls_certificate_files *files);

struct tls_server *server_of(const struct pki *p);
struct tls_server *server_of_all(const struct pki *const *pki, unsigned count);

/* The OpenSSL client. The test sets what it wants on ctx or ssl before the first pump. */
struct peer {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
};

void peer_open(struct peer *p, const char *suites, const char *groups);

/* The same for TLS 1.2 alone, with a suite by OpenSSL's name, or NULL. */
void peer_open12(struct peer *p, const char *suite);
void peer_close(struct peer *p);

/* Takes up to `cap` of the bytes that the client wants to send. */
size_t peer_take(struct peer *p, uint8_t *dst, size_t cap);
void peer_give(struct peer *p, const uint8_t *src, size_t len);

/* Shakes hands until a result that is not MORE; returns the number of records the client sent. */
int peer_shake(struct peer *p, struct tls_handshake *h, struct tls_step_result *out);

/* The same, then opens the connection: both ends are ready for data. */
void peer_connect(struct peer *p, struct tls_server *s, struct tls_conn *c);

/* Our end seals one record, as the stack would, and gives it to the client. */
void send_record(struct peer *p, struct tls_conn *c, enum tls_content type, const void *data, size_t len);

/* Our end opens the client's next record. buffer holds TLS_RECORD_MAX bytes; *opened points into it. False:
 * nothing came. */
bool receive_record(struct peer *p, struct tls_conn *c, uint8_t *buffer, uint64_t now_us,
                    struct tls_opened *opened);

#endif
