/*
 * The inside of a handshake, shared by the server's, the client's and the common half. Known to dataplane/tls
 * alone.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_SESSION_H
#define VOXPOP_TLS_SESSION_H

#include <openssl/ssl.h>
#include "dataplane/tls/handshake.h"

struct tls_server {
    SSL_CTX *ctx;
};

struct tls_client_session {
    SSL_SESSION *session;
};

enum tls_handshake_phase {
    TLS_HS_HELLO, /* nothing heard from the peer */
    TLS_HS_RUNNING,
    TLS_HS_TICKET, /* client: finished, still waiting for a ticket */
    TLS_HS_OVER,   /* done or failed */
};

struct tls_handshake {
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    enum tls_handshake_phase phase;
    bool client;
    bool want_ticket;
    bool have_client_secret, have_server_secret;
    uint8_t alert_sent; /* by OpenSSL; TLS_ALERT_NONE for none */
    uint32_t received;  /* bytes of the peer's handshake */
    struct tls_secrets secrets;
    struct tls_client_session *session; /* client: the ticket that came */
    uint8_t plain_alert[TLS_HEADER_SIZE + TLS_ALERT_SIZE];
};

/* Versions, callbacks and modes of either side. */
void tls_context_prepare(SSL_CTX *ctx);

struct tls_handshake *tls_handshake_on(SSL_CTX *ctx, bool client);

/* Runs OpenSSL as far as it comes with what it was fed. */
void tls_handshake_advance(struct tls_handshake *h, struct tls_step_result *out);

#endif
