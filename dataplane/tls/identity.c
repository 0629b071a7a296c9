/*
 * Choosing a certificate by the name that the client gives. RFC 6066 3, RFC 8446 4.4.2.2.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tls/identity.h"
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int use(SSL *ssl, const struct tls_cert *c)
{
    return !c || SSL_use_cert_and_key(ssl, c->leaf, c->key, c->chain, 1) == 1;
}

struct tls_identity *tls_identity_load(const struct tls_certificate_files *files, unsigned count,
                                       char error[TLS_ERROR_MAX])
{
    struct tls_identity *i = calloc(1, sizeof *i);
    if (!i || !(i->ctx = SSL_CTX_new(TLS_server_method()))) {
        free(i);
        snprintf(error, TLS_ERROR_MAX, "TLS cannot be set up: out of memory");
        return NULL;
    }
    atomic_store(&i->holders, 1);
    for (; i->count < count; i->count++)
        if (!tls_cert_load(&i->certs[i->count], files[i->count].certificate, files[i->count].key, error,
                           TLS_ERROR_MAX))
            goto fail;
    struct tls_shown first = tls_identity_choose(i, NULL);
    const struct tls_cert *both[] = {first.ecdsa, first.rsa};
    for (int k = 0; k < 2; k++)
        if (both[k] &&
            SSL_CTX_use_cert_and_key(i->ctx, both[k]->leaf, both[k]->key, both[k]->chain, 1) != 1) {
            const char *reason = ERR_reason_error_string(ERR_peek_last_error());
            snprintf(error, TLS_ERROR_MAX, "TLS cannot use its certificate: %s",
                     reason ? reason : "unknown error");
            ERR_clear_error();
            goto fail;
        }
    return i;
fail:
    tls_identity_release(i);
    return NULL;
}

void tls_identity_release(struct tls_identity *i)
{
    if (!i || atomic_fetch_sub(&i->holders, 1) != 1)
        return;
    for (unsigned k = 0; k < i->count; k++)
        tls_cert_free(&i->certs[k]);
    SSL_CTX_free(i->ctx);
    free(i);
}

/* The best match of one kind, the earlier one of two that are equal. */
static const struct tls_cert *best(const struct tls_identity *i, const char *name, bool rsa)
{
    const struct tls_cert *found = NULL;
    enum tls_name_match quality = TLS_NAME_NO;
    for (unsigned k = 0; name && k < i->count; k++) {
        enum tls_name_match m =
            i->certs[k].rsa == rsa ? tls_names_match(&i->certs[k].names, name, strlen(name)) : TLS_NAME_NO;
        if (m > quality) {
            quality = m;
            found = &i->certs[k];
        }
    }
    return found;
}

struct tls_shown tls_identity_choose(const struct tls_identity *i, const char *name)
{
    struct tls_shown s = {best(i, name, false), best(i, name, true)};
    if (s.ecdsa || s.rsa)
        return s;
    /* Nobody's name: the first certificate, and one of the other kind for the same names. */
    const struct tls_cert *first = &i->certs[0];
    const char *its = first->names.count ? first->names.name[0] : NULL;
    s = first->rsa ? (struct tls_shown){best(i, its, false), first}
                   : (struct tls_shown){first, best(i, its, true)};
    return s;
}

int tls_identity_show(SSL *ssl, const struct tls_identity *i)
{
    if (i->count == 1)
        return 1; /* the context's own */
    struct tls_shown s = tls_identity_choose(i, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    SSL_certs_clear(ssl);
    return use(ssl, s.ecdsa) && use(ssl, s.rsa);
}
