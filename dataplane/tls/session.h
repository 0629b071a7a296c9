/*
 * The inside of a handshake, shared by the server's, the client's and the common half. Known to dataplane/tls
 * alone.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_SESSION_H
#define VOXPOP_TLS_SESSION_H

#include <openssl/ssl.h>
#include <pthread.h>
#include "dataplane/tls/handshake.h"
#include "dataplane/tls/identity.h"

struct tls_server {
    pthread_mutex_t lock; /* of the two below; never held for long, never taken by a worker */
    struct tls_identity *identity;
    struct tls_ticket_keys tickets;
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
    struct tls_server *server;     /* not of a client */
    struct tls_identity *identity; /* not of a client; held */
    bool want_ticket;
    bool have_client_secret, have_server_secret;
    uint16_t record_limit; /* as the client offered it, 0: it did not */
    uint8_t alert_sent;    /* by OpenSSL; TLS_ALERT_NONE for none */
    uint32_t received;     /* bytes of the peer's handshake */
    struct tls_secrets secrets;
    struct tls_client_session *session; /* client: the ticket that came */
    uint8_t plain_alert[TLS_HEADER_SIZE + TLS_ALERT_SIZE];
};

/* Versions, callbacks and modes of either side. */
void tls_context_prepare(SSL_CTX *ctx, int version_min);

/* Tickets under the server's keys. */
bool tls_tickets_prepare(SSL_CTX *ctx, uint32_t lifetime_s);

/* The record size limit, either way. RFC 8449. */
bool tls_record_limit_prepare(SSL_CTX *ctx);
uint16_t tls_record_limit_of(const struct tls_handshake *h); /* for the secrets, whose suite is known */

/* What a handshake of TLS 1.2 leaves behind: the keys, from its master secret. */
bool tls12_secrets(SSL *ssl, struct tls_secrets *s);

struct tls_handshake *tls_handshake_on(SSL_CTX *ctx, bool client);

/* Runs OpenSSL as far as it comes with what it was fed. */
void tls_handshake_advance(struct tls_handshake *h, struct tls_step_result *out);

#endif
