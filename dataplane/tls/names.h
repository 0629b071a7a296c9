/*
 * The DNS names that a certificate is valid for, and whether a client's name is one of them. RFC 6125 6.4,
 * RFC 9525.
 *
 * A wildcard is the whole left-most label, stands for exactly one label, and has at least two labels behind
 * it. Names are compared without regard to case; a dot at a client's end is passed over. Common names are not
 * looked at.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_NAMES_H
#define VOXPOP_TLS_NAMES_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#define TLS_CERT_NAMES_MAX 64  /* of one certificate */
#define TLS_CERT_NAME_MAX  255 /* bytes */

struct tls_names {
    unsigned count;
    char *name[TLS_CERT_NAMES_MAX]; /* lower case; a wildcard begins with "*." */
};

enum tls_name_match { TLS_NAME_NO, TLS_NAME_WILDCARD, TLS_NAME_EXACT };

/* The certificate's subjectAltName entries of type DNS. False: out of memory. What is no name is left out. */
bool tls_names_of(const X509 *certificate, struct tls_names *names);
void tls_names_free(struct tls_names *names);

/* The best match of the client's name. */
enum tls_name_match tls_names_match(const struct tls_names *names, const char *client, size_t len);

#endif
