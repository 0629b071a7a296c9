/*
 * Loading a certificate chain and its key into an OpenSSL context. Known to dataplane/tls alone.
 *
 * Refuses, in one line that says what to do: files that cannot be read or are not PEM, keys with a
 * passphrase, keys that do not belong to the certificate or are not ECDSA P-256, certificates out of date,
 * chains longer than a flight.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_CERT_H
#define VOXPOP_TLS_CERT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

bool tls_cert_load(SSL_CTX *ctx, const char *certificate_path, const char *key_path, char *error,
                   size_t error_size);

#endif
