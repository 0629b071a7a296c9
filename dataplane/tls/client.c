/*
 * The client's side, for the load generator and for tests: OpenSSL shakes hands, then our record layer goes
 * on.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dataplane/tls/session.h"

struct tls_client {
    SSL_CTX *ctx;
};

/* A ticket came: the first one is kept, for tls_client_take_session. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_handshake *h = SSL_get_app_data(ssl);
    if (!h->want_ticket || h->session)
        return 0;
    h->session = malloc(sizeof *h->session);
    if (!h->session)
        return 0;
    h->session->session = session;
    return 1;
}

static bool configure(SSL_CTX *ctx, const char *ca_path, uint16_t suite, const char *groups)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    tls_context_prepare(ctx, TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    if (ca_path) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        if (SSL_CTX_load_verify_locations(ctx, ca_path, NULL) != 1)
            return false;
    }
    const struct tls_suite_info *info = suite ? tls_suite_info(suite) : NULL;
    if (suite && !(info && SSL_CTX_set_ciphersuites(ctx, info->name) == 1))
        return false;
    if (groups && SSL_CTX_set1_groups_list(ctx, groups) != 1)
        return false;
    return SSL_CTX_set_alpn_protos(ctx, alpn, sizeof alpn - 1) == 0;
}

struct tls_client *tls_client_new(const char *ca_path, uint16_t suite, const char *groups,
                                  char error[TLS_ERROR_MAX])
{
    struct tls_client *c = calloc(1, sizeof *c);
    SSL_CTX *ctx = c ? SSL_CTX_new(TLS_client_method()) : NULL;
    if (!ctx || !configure(ctx, ca_path, suite, groups)) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        snprintf(error, TLS_ERROR_MAX, "TLS client cannot be set up (CA %s): %s", ca_path ? ca_path : "none",
                 reason ? reason : "unknown suite or out of memory");
        ERR_clear_error();
        SSL_CTX_free(ctx);
        free(c);
        return NULL;
    }
    c->ctx = ctx;
    return c;
}

void tls_client_free(struct tls_client *c)
{
    if (!c)
        return;
    SSL_CTX_free(c->ctx);
    free(c);
}

void tls_client_session_free(struct tls_client_session *s)
{
    if (!s)
        return;
    SSL_SESSION_free(s->session);
    free(s);
}

/* A copy of it: OpenSSL lets each session of TLS 1.3 be resumed only once. */
static bool set_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION *copy = SSL_SESSION_dup(session);
    bool ok = copy && SSL_set_session(ssl, copy) == 1;
    SSL_SESSION_free(copy);
    return ok;
}

struct tls_handshake *tls_client_start(struct tls_client *c, const char *server_name,
                                       struct tls_client_session *resume, bool want_ticket,
                                       struct tls_step_result *out)
{
    struct tls_handshake *h = tls_handshake_on(c->ctx, true);
    if (!h)
        return NULL;
    h->want_ticket = want_ticket;
    bool ok = !server_name ||
              (SSL_set_tlsext_host_name(h->ssl, server_name) == 1 && SSL_set1_host(h->ssl, server_name) == 1);
    ok = ok && (!resume || set_session(h->ssl, resume->session));
    if (!ok) {
        tls_handshake_free(h);
        return NULL;
    }
    tls_handshake_advance(h, out);
    return h;
}

struct tls_client_session *tls_client_take_session(struct tls_handshake *h)
{
    struct tls_client_session *s = h->session;
    h->session = NULL;
    return s;
}
