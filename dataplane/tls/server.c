/*
 * The server's context: what we offer, in which order. RFC 8446 4.2, 4.6.1; RFC 7301; RFC 8422.
 *
 * AES-128-GCM first: its keys are derived with SHA-256, in a third of the time that SHA-384 takes, each time
 * an idle connection wakes.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dataplane/tls/session.h"

#define SUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define SUITES12                                                                                             \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"               \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define GROUPS  "X25519:P-256"
#define TICKETS 1 /* each is a record more to send; a resumed connection gets another */

/* http/1.1 or nothing: a client that offers only other protocols would not understand us. */
static int on_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_len,
                   const unsigned char *offered, unsigned offered_len, void *unused)
{
    static const char http11[] = "http/1.1";
    for (unsigned at = 0; at < offered_len && offered[at] < offered_len - at; at += 1u + offered[at])
        if (offered[at] == sizeof http11 - 1 && memcmp(offered + at + 1, http11, sizeof http11 - 1) == 0) {
            *chosen = offered + at + 1;
            *chosen_len = offered[at];
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int on_certificate(SSL *ssl, void *unused)
{
    const struct tls_handshake *h = SSL_get_app_data(ssl);
    return tls_identity_show(ssl, h->identity);
}

static bool configure(SSL_CTX *ctx, const struct tls_server_config *config)
{
    static const unsigned char context[] = "voxpop";
    tls_context_prepare(ctx, config->tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_options(ctx,
                        SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    SSL_CTX_set_cert_cb(ctx, on_certificate, NULL);
    uint32_t lifetime_s = config->ticket_lifetime_s ? config->ticket_lifetime_s : TLS_TICKET_LIFETIME_S;
    return SSL_CTX_set_ciphersuites(ctx, SUITES) == 1 && SSL_CTX_set_cipher_list(ctx, SUITES12) == 1 &&
           SSL_CTX_set1_groups_list(ctx, GROUPS) == 1 && SSL_CTX_set_num_tickets(ctx, TICKETS) == 1 &&
           SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
           SSL_CTX_set_session_id_context(ctx, context, sizeof context - 1) == 1 &&
           tls_tickets_prepare(ctx, lifetime_s) && tls_record_limit_prepare(ctx);
}

static struct tls_identity *identity_of(const struct tls_server_config *config, char error[TLS_ERROR_MAX])
{
    struct tls_identity *i = tls_identity_load(config->certificates, config->certificate_count, error);
    if (i && !configure(i->ctx, config)) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        snprintf(error, TLS_ERROR_MAX, "TLS cannot be set up: %s", reason ? reason : "out of memory");
        ERR_clear_error();
        tls_identity_release(i);
        return NULL;
    }
    return i;
}

struct tls_server *tls_server_new(const struct tls_server_config *config, char error[TLS_ERROR_MAX])
{
    struct tls_identity *i = identity_of(config, error);
    struct tls_server *s = i ? calloc(1, sizeof *s) : NULL;
    if (!s) {
        if (i)
            snprintf(error, TLS_ERROR_MAX, "TLS cannot be set up: out of memory");
        tls_identity_release(i);
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    s->identity = i;
    s->tickets = config->tickets;
    return s;
}

void tls_server_free(struct tls_server *s)
{
    if (!s)
        return;
    tls_identity_release(s->identity);
    pthread_mutex_destroy(&s->lock);
    OPENSSL_cleanse(s, sizeof *s);
    free(s);
}

bool tls_server_reload(struct tls_server *s, const struct tls_server_config *config,
                       char error[TLS_ERROR_MAX])
{
    struct tls_identity *fresh = identity_of(config, error);
    if (!fresh)
        return false;
    pthread_mutex_lock(&s->lock);
    struct tls_identity *old = s->identity;
    s->identity = fresh;
    pthread_mutex_unlock(&s->lock);
    tls_identity_release(old);
    return true;
}

void tls_server_tickets(struct tls_server *s, const struct tls_ticket_keys *keys)
{
    pthread_mutex_lock(&s->lock);
    s->tickets = *keys;
    pthread_mutex_unlock(&s->lock);
}

/* The server's identity, held for the caller. */
static struct tls_identity *hold(struct tls_server *s)
{
    pthread_mutex_lock(&s->lock);
    struct tls_identity *i = s->identity;
    atomic_fetch_add(&i->holders, 1);
    pthread_mutex_unlock(&s->lock);
    return i;
}

static size_t describe(const struct tls_cert *c, char *out, size_t size)
{
    struct tm end;
    ASN1_TIME_to_tm(X509_get0_notAfter(c->leaf), &end);
    int n =
        snprintf(out, size, "%s (%s, until %04d-%02d-%02d)", c->names.count ? c->names.name[0] : "no name",
                 c->rsa ? "RSA" : "ECDSA", end.tm_year + 1900, end.tm_mon + 1, end.tm_mday);
    return n < 0 ? 0 : (size_t)n;
}

void tls_server_describe(struct tls_server *s, char *out, size_t size)
{
    struct tls_identity *i = hold(s);
    size_t used = 0;
    out[0] = 0;
    for (unsigned k = 0; k < i->count && used + 2 < size; k++) {
        if (k)
            used += (size_t)snprintf(out + used, size - used, ", ");
        used += describe(&i->certs[k], out + used, size - used);
    }
    tls_identity_release(i);
}

struct tls_handshake *tls_handshake_new(struct tls_server *s)
{
    struct tls_identity *i = hold(s);
    struct tls_handshake *h = tls_handshake_on(i->ctx, false);
    if (!h) {
        tls_identity_release(i);
        return NULL;
    }
    h->server = s;
    h->identity = i;
    return h;
}
