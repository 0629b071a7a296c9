/*
 * Handshakes of TLS 1.3 and 1.2 by OpenSSL, one record at a time, and the threads that run them away from the
 * packet path.
 *
 * Owns: the server's context (certificates, suites, groups, ticket keys), handshakes under way, and their
 * secrets until they are handed over. OpenSSL never sees a byte after the client's Finished: the caller cuts
 * records and waits for each one's result before handing in the next. Refuses: versions below 1.2 (or 1.3, by
 * configuration), suites of TLS 1.2 that are not ECDHE with an AEAD, early data, renegotiation, ALPN without
 * http/1.1, more handshakes or handshake bytes than allowed, plain HTTP. Needs no clock: deadlines are the
 * caller's (tls_helper_cancel). Read first: RFC 8446 2, 4, 7.1; RFC 5246 7, 8.1; RFC 7627; RFC 5077.
 *
 *      START --record--> MORE --record--> MORE ... --client's Finished--> DONE     (secrets, tickets to send)
 *                          \---anything refused or cancelled------------> FAILED   (alert to send)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_HANDSHAKE_H
#define VOXPOP_TLS_HANDSHAKE_H

#include "dataplane/tls/record.h"
#include "ticket_keys.h"

#define TLS_HANDSHAKE_BYTES_MAX 49152 /* from a client: post-quantum hellos, twice, padded */
#define TLS_FLIGHT_MAX          32768 /* to a client in one step: bounds the certificate chain */
#define TLS_CERTIFICATES_MAX    64
#define TLS_TICKET_LIFETIME_S   43200
#define TLS_NAME_MAX            255
#define TLS_ERROR_MAX           256

/* ---- the server's context ---- */

struct tls_server;

struct tls_certificate_files {
    const char *certificate; /* path; PEM, leaf first */
    const char *key;         /* path; PEM */
};

struct tls_ticket_keys {
    uint8_t current[TICKET_KEY_SIZE], previous[TICKET_KEY_SIZE]; /* name, HMAC, AES */
    bool has_previous;
};

struct tls_server_config {
    const struct tls_certificate_files *certificates; /* the first is shown to who asks for none of them */
    unsigned certificate_count;                       /* 1 to TLS_CERTIFICATES_MAX */
    struct tls_ticket_keys tickets; /* from the region, so that a restart keeps tickets valid */
    uint32_t ticket_lifetime_s;     /* 0: TLS_TICKET_LIFETIME_S */
    bool tls13_only;
};

/* NULL, with one helpful line in `error`, when a certificate or a key cannot be used. */
struct tls_server *tls_server_new(const struct tls_server_config *config, char error[TLS_ERROR_MAX]);
void tls_server_free(struct tls_server *s); /* after every handshake of it */

/*
 * For the handshakes that begin from now on: certificates and versions as in `config`, whose tickets are not
 * looked at. False, with a line in `error`: one of them cannot be used, and everything stays as it was. From
 * any one thread.
 */
bool tls_server_reload(struct tls_server *s, const struct tls_server_config *config,
                       char error[TLS_ERROR_MAX]);

/* The ticket keys have changed. From any one thread. */
void tls_server_tickets(struct tls_server *s, const struct tls_ticket_keys *keys);

/* One line on what is served, for the log: "pop.example (ECDSA, until 2027-01-31), ...". */
void tls_server_describe(struct tls_server *s, char *out, size_t size);

/* ---- one handshake, without a thread ---- */

enum tls_step { TLS_STEP_MORE, TLS_STEP_DONE, TLS_STEP_FAILED };

/* What a step gives back. `send` belongs to the handshake and is valid until its next step or its end. */
struct tls_step_result {
    enum tls_step step;
    const uint8_t *send; /* bytes for the peer, whole records; possibly none */
    uint32_t send_len;
    struct tls_refusal why;             /* FAILED; its alert is already in `send` */
    struct tls_secrets secrets;         /* DONE; wipe after use */
    bool resumed;                       /* DONE: by a ticket */
    bool alpn_http11;                   /* DONE: ALPN was offered and http/1.1 chosen */
    char server_name[TLS_NAME_MAX + 1]; /* DONE: SNI, or empty */
};

struct tls_handshake;

struct tls_handshake *tls_handshake_new(struct tls_server *s); /* NULL: out of memory */
void tls_handshake_free(struct tls_handshake *h);

/* Feeds exactly one record, header included. After DONE or FAILED only tls_handshake_free is left to do. */
void tls_handshake_step(struct tls_handshake *h, const uint8_t *record, size_t len,
                        struct tls_step_result *out);

/* ---- the client's side, for the load generator and tests ---- */

struct tls_client;         /* a context */
struct tls_client_session; /* what a resumption needs; belongs to its holder */

/* ca_path NULL: does not verify. suite 0 and groups NULL: OpenSSL's default order. */
struct tls_client *tls_client_new(const char *ca_path, uint16_t suite, const char *groups,
                                  char error[TLS_ERROR_MAX]);
void tls_client_free(struct tls_client *c);
void tls_client_session_free(struct tls_client_session *s);

/*
 * Starts: *out holds the ClientHello to send. `resume` may be NULL. want_ticket: goes on to feed OpenSSL after Finished
 * until a ticket came, which tls_client_take_session then gives; DONE counts the server's records that this took.
 * One session may be resumed any number of times.
 */
struct tls_handshake *tls_client_start(struct tls_client *c, const char *server_name,
                                       struct tls_client_session *resume, bool want_ticket,
                                       struct tls_step_result *out);
struct tls_client_session *tls_client_take_session(struct tls_handshake *h);
/* A client's later steps are tls_handshake_step and tls_handshake_free. */

/* ---- the helper threads ---- */

struct tls_helper;

struct tls_helper_config {
    struct tls_server *server; /* outlives the helper */
    unsigned workers;
    unsigned threads;        /* that shake hands; 0: one */
    uint32_t handshakes_max; /* under way at once, per worker */
    int cpu;                 /* the core to run on, or -1: wherever the caller may */
    uint32_t ring_bytes;     /* each ring, both ways; a power of two, at least 256 KiB */
};

struct tls_helper *tls_helper_start(const struct tls_helper_config *config, char error[TLS_ERROR_MAX]);
void tls_helper_stop(struct tls_helper *h); /* ends the threads and every handshake under way */

/*
 * Worker `worker` hands in one record of the handshake of connection `handle` (unique among the worker's
 * handshakes under way). `first`: its first record. False, to be counted as TLS_HANDSHAKE_BUSY: too many
 * handshakes or the ring is full; nothing was taken. A record that is not the first of a handshake nobody
 * knows fails with TLS_HANDSHAKE_LOST. Never blocks.
 */
bool tls_helper_submit(struct tls_helper *h, unsigned worker, uint64_t handle, bool first,
                       const uint8_t *record, uint32_t len);

/*
 * Forgets a handshake under way; once only. Never refused: room is kept for it. A result that is already on
 * its way may still be polled: the caller knows its handle to be stale.
 */
void tls_helper_cancel(struct tls_helper *h, unsigned worker, uint64_t handle);

struct tls_helper_result {
    uint64_t handle;
    struct tls_step_result step; /* `send` is valid until the next poll of this worker */
};

/* The next result for this worker, in order; false when there is none. */
bool tls_helper_poll(struct tls_helper *h, unsigned worker, struct tls_helper_result *out);

/* Handshakes of this worker under way. */
uint32_t tls_helper_live(const struct tls_helper *h, unsigned worker);

#endif
