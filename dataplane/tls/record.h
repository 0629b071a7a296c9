/*
 * The record layer of TLS 1.3, and of TLS 1.2 with AEAD suites, after the handshake: bytes in, contents out,
 * and contents in, bytes out. No I/O, no clock.
 *
 * Owns: cutting records out of a byte stream (also during the handshake, whose records go to the helper),
 * opening and sealing, post-handshake messages, alerts, key epochs. Refuses by name (tls_refusal): wrong
 * types and lengths, what does not authenticate, KeyUpdates and empty records in a flood, any other
 * post-handshake message from a client (renegotiation above all). Read first: RFC 8446 5, 4.6, 6; RFC 5246
 * 6.2.3.3; RFC 8449.
 *
 *  receive: tls_record_parse -> tls_keys_read (or the cache) -> tls_open -> act on `event`
 *  send:    number = tls_take_record(conn), remember {number, conn->write_epoch, source}; after the commit,
 * and again for every retransmission: tls_seal(keys of that epoch, number, type, content). A pure function:
 * the same bytes each time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_RECORD_H
#define VOXPOP_TLS_RECORD_H

#include "dataplane/tls/alert.h"
#include "dataplane/tls/keys.h"

#define TLS_HEADER_SIZE     5
#define TLS_PLAINTEXT_MAX   16384                     /* RFC 8446 5.1 */
#define TLS_PROTECTED_MAX   (TLS_PLAINTEXT_MAX + 256) /* RFC 8446 5.2, without the header */
#define TLS_RECORD_MAX      (TLS_HEADER_SIZE + TLS_PROTECTED_MAX)
#define TLS_SEAL_OVERHEAD   (TLS_HEADER_SIZE + 1 + AEAD_TAG_SIZE) /* TLS 1.3; tls_overhead() knows all */
#define TLS_OVERHEAD_MAX    (TLS_HEADER_SIZE + 8 + AEAD_TAG_SIZE) /* TLS 1.2 with AES-GCM */
#define TLS_SPANS_MAX       3
#define TLS_KEY_UPDATE_SIZE 5
#define TLS_ALERT_SIZE      2

/* RFC 8446 5.5 allows 2^24.5 full records a key with AES-GCM; we change it well before. */
#define TLS_RECORDS_PER_KEY (1u << 23)
#define TLS_KEY_UPDATE_AT   (TLS_RECORDS_PER_KEY - (1u << 16)) /* leaves room for records in flight */

/* TLS 1.2 cannot change its key: the connection ends before AES-GCM's limit, and its client comes again. */
#define TLS12_RECORDS_PER_KEY ((1u << 24) + (1u << 22))
#define TLS12_END_AT          (TLS12_RECORDS_PER_KEY - (1u << 18)) /* leaves room for the end */

#define TLS_EMPTY_RECORDS_MAX 32 /* records without content, one behind the other */

#define TLS_KEY_UPDATE_WINDOW_S 60 /* the peer may change its key this often a window */
#define TLS_KEY_UPDATE_MAX      8

enum tls_content {
    TLS_CHANGE_CIPHER_SPEC = 20,
    TLS_ALERT_RECORD = 21,
    TLS_HANDSHAKE = 22,
    TLS_APPLICATION_DATA = 23,
};

/* Which records may come. */
enum tls_phase {
    TLS_PHASE_HELLO,     /* nothing heard yet: a ClientHello (or somebody who does not speak TLS) */
    TLS_PHASE_HANDSHAKE, /* up to and including the peer's Finished */
    TLS_PHASE_OPEN,      /* protected records only */
    TLS_PHASE_OPEN12,    /* the same in TLS 1.2, which shows their type */
};

/* The phase of a connection that is open. */
static inline enum tls_phase tls_open_phase(const struct tls_conn *c)
{
    return tls_is_12(c->suite) ? TLS_PHASE_OPEN12 : TLS_PHASE_OPEN;
}

struct tls_record {
    const uint8_t *header; /* where the record begins: its 5-byte header, which is also the additional data */
    uint8_t type;          /* enum tls_content */
    uint16_t length;       /* bytes after the header */
};

/*
 * The record at the start of [p, p+len): returns its size in bytes with *r filled in; 0 when more bytes are
 * needed; -1 when it must be refused, with *why filled in.
 */
int tls_record_parse(const uint8_t *p, size_t len, enum tls_phase phase, struct tls_record *r,
                     struct tls_refusal *why);

enum tls_event {
    TLS_EVENT_NOTHING, /* taken, nothing to do: a part of a message, data after close_notify, user_canceled */
    TLS_EVENT_DATA,    /* application data, possibly of length 0 */
    TLS_EVENT_KEY_UPDATE, /* the read epoch has changed: derive again before the next record. See
                             tls_key_update_due */
    TLS_EVENT_TICKET,     /* client only: a NewSessionTicket's bytes */
    TLS_EVENT_CLOSED,     /* close_notify: the peer will send no more; answer with ours, then close */
    TLS_EVENT_REFUSED,    /* `why` tells; send its alert and close. The connection state is unchanged, but for
                             alert_received */
};

struct tls_opened {
    enum tls_event event;
    const uint8_t *data; /* within dst */
    size_t len;
    struct tls_refusal why;
};

/*
 * Opens one parsed protected record. `keys` are those of the current read epoch. The plaintext goes to `dst`
 * (r->length bytes of room), which may be r->header + TLS_HEADER_SIZE: in place. Changes `c` only when the
 * record authenticates and is allowed.
 */
void tls_open(struct tls_conn *c, const struct tls_keys *keys, const struct tls_record *r, uint8_t *dst,
              uint64_t now_us, struct tls_opened *out);

struct tls_span {
    const uint8_t *data;
    size_t len;
};

/* Bytes of a sealed record of TLS 1.3 with `len` bytes of content. */
static inline size_t tls_sealed_size(size_t len)
{
    return len + TLS_SEAL_OVERHEAD;
}

/*
 * Seals the content gathered from up to TLS_SPANS_MAX spans as record `number` to dst, with
 * tls_overhead(suite) more bytes, and returns that size. dst may overlap no span, except that a single span
 * may already lie in its place, at dst + tls_content_at(suite).
 */
size_t tls_seal(const struct tls_keys *keys, uint64_t number, enum tls_content type,
                const struct tls_span *spans, size_t n, uint8_t *dst);

/*
 * The same in two steps, to seal many records together: lays the record out at dst and fills in a job for
 * tls_seal_batch. keys, dst and the job must stay where they are until then.
 */
size_t tls_seal_prepare(const struct tls_keys *keys, uint64_t number, enum tls_content type,
                        const struct tls_span *spans, size_t n, uint8_t *dst, struct aead_seal *job);
void tls_seal_batch(const struct aead_seal *jobs, size_t n);

/* What a handshake leaves behind. Wipe after tls_conn_start. */
struct tls_secrets {
    uint16_t suite;
    uint16_t record_limit; /* most bytes of content that the peer takes in a record, 0: as many as allowed */
    uint8_t client[TLS_SECRET_SIZE_MAX]; /* client_application_traffic_secret_0, or as in keys.h */
    uint8_t server[TLS_SECRET_SIZE_MAX];
    uint32_t client_records; /* records already sealed under each: our numbers go on from there */
    uint32_t server_records;
};

/* The connection is open. `client`: we are the client. */
void tls_conn_start(struct tls_conn *c, const struct tls_secrets *s, bool client);

/* Takes the number of the next record to seal, in the current write epoch. */
static inline uint64_t tls_take_record(struct tls_conn *c)
{
    return c->write_record++;
}

/*
 * Whether we should send a KeyUpdate now: the peer asked, or the key is used up; and the previous epoch is
 * not held any more. If so: take a record number, send tls_key_update_message() as TLS_HANDSHAKE with it,
 * then tls_write_epoch_next().
 */
bool tls_key_update_due(const struct tls_conn *c);

/* tls_key_update_due for a key that is used up alone. */
bool tls_needs_key_update(const struct tls_conn *c);

/* TLS 1.2: the key is used up, and the connection is to end. */
bool tls_key_is_used_up(const struct tls_conn *c);

/* Whether application data may be sent: not while a KeyUpdate is owed or overdue that waits for the previous
 * epoch, nor after close. */
bool tls_may_send(const struct tls_conn *c);

/* The five bytes of a KeyUpdate that asks for nothing. */
extern const uint8_t tls_key_update_message[TLS_KEY_UPDATE_SIZE];

/* Records are sealed under the next key from now on; the previous secret is kept. Only when it was released
 * before. */
void tls_write_epoch_next(struct tls_conn *c);

/* Every record of the previous write epoch is acknowledged: forgets its secret. */
void tls_write_previous_release(struct tls_conn *c);

/* Fills in the content of an alert record; close_notify is a warning, all others are fatal. */
void tls_alert_message(uint8_t alert, uint8_t message[TLS_ALERT_SIZE]);

/* A whole alert record in plaintext, for connections that have no keys yet: 7 bytes to dst. */
size_t tls_plain_alert(uint8_t alert, uint8_t *dst);

#endif
