/*
 * The server's context: what we offer, in which order. RFC 8446 4.2, 4.6.1; RFC 7301.
 *
 * AES-128-GCM first: its keys are derived with SHA-256, in a third of the time that SHA-384 takes, each time
 * an idle connection wakes.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dataplane/tls/cert.h"
#include "dataplane/tls/session.h"

#define SUITES  "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
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

static bool configure(SSL_CTX *ctx, const struct tls_server_config *config)
{
    static const unsigned char context[] = "voxpop";
    tls_context_prepare(ctx);
    SSL_CTX_set_options(ctx,
                        SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    unsigned char ticket_key[TLS_TICKET_KEY_SIZE];
    memcpy(ticket_key, config->ticket_key, sizeof ticket_key);
    bool ok = SSL_CTX_set_ciphersuites(ctx, SUITES) == 1 && SSL_CTX_set1_groups_list(ctx, GROUPS) == 1 &&
              SSL_CTX_set_num_tickets(ctx, TICKETS) == 1 && SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
              SSL_CTX_set_session_id_context(ctx, context, sizeof context - 1) == 1 &&
              SSL_CTX_set_tlsext_ticket_keys(ctx, ticket_key, sizeof ticket_key) == 1;
    OPENSSL_cleanse(ticket_key, sizeof ticket_key);
    return ok;
}

struct tls_server *tls_server_new(const struct tls_server_config *config, char error[TLS_ERROR_MAX])
{
    struct tls_server *s = calloc(1, sizeof *s);
    SSL_CTX *ctx = s ? SSL_CTX_new(TLS_server_method()) : NULL;
    if (!ctx || !configure(ctx, config)) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        snprintf(error, TLS_ERROR_MAX, "TLS cannot be set up: %s", reason ? reason : "out of memory");
        goto fail;
    }
    if (!tls_cert_load(ctx, config->certificate_path, config->key_path, error, TLS_ERROR_MAX))
        goto fail;
    s->ctx = ctx;
    return s;
fail:
    SSL_CTX_free(ctx);
    free(s);
    return NULL;
}

void tls_server_free(struct tls_server *s)
{
    if (!s)
        return;
    SSL_CTX_free(s->ctx);
    free(s);
}

struct tls_handshake *tls_handshake_new(struct tls_server *s)
{
    return tls_handshake_on(s->ctx, false);
}
