/*
 * A certificate with its chain and its key, from PEM files. Known to dataplane/tls alone.
 *
 * Refuses, in one line that says what to do: files that cannot be read or are not PEM, keys with a
 * passphrase, keys that do not belong to the certificate or are neither ECDSA P-256 nor RSA of 2048 to 4096
 * bits, certificates out of date, chains longer than a flight.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_CERT_H
#define VOXPOP_TLS_CERT_H

#include <openssl/ssl.h>
#include "dataplane/tls/names.h"

struct tls_cert {
    X509 *leaf;
    STACK_OF(X509) * chain; /* behind the leaf, possibly empty */
    EVP_PKEY *key;
    bool rsa; /* else ECDSA */
    struct tls_names names;
};

bool tls_cert_load(struct tls_cert *c, const char *certificate_path, const char *key_path, char *error,
                   size_t error_size);
void tls_cert_free(struct tls_cert *c);

#endif
