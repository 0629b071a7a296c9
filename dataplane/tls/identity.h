/*
 * Who the server is: its certificates, and the OpenSSL context built on them. Replaced as a whole when
 * certificates are loaded anew; each handshake holds the one that it began with. Known to dataplane/tls
 * alone.
 *
 * A client is shown the certificate whose names match what it asks for (exact before wildcard, ECDSA and RSA
 * beside each other where there are both), else the first.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_IDENTITY_H
#define VOXPOP_TLS_IDENTITY_H

#include <stdatomic.h>
#include "dataplane/tls/cert.h"
#include "dataplane/tls/handshake.h"

struct tls_identity {
    _Atomic unsigned holders;
    SSL_CTX *ctx;
    unsigned count;
    struct tls_cert certs[TLS_CERTIFICATES_MAX];
};

/* Reads the files; NULL with a line in `error`. The context is not configured otherwise yet. Held once. */
struct tls_identity *tls_identity_load(const struct tls_certificate_files *files, unsigned count,
                                       char error[TLS_ERROR_MAX]);
void tls_identity_release(struct tls_identity *i); /* NULL is no identity */

/* The certificates to show for a name (NULL: none given): one of each kind, or NULL where there is none. */
struct tls_shown {
    const struct tls_cert *ecdsa, *rsa;
};
struct tls_shown tls_identity_choose(const struct tls_identity *i, const char *name);

/* OpenSSL asks for the certificates of a handshake: 1, or 0 to fail. */
int tls_identity_show(SSL *ssl, const struct tls_identity *i);

#endif
