/*
 * A TLS connection after its handshake, as it lies in the connection's slot in the region: all that a new
 * process needs to go on reading and writing records. Expanded keys are not kept: they are made when used
 * (dataplane/tls/keys.h), which also says what lies in the 48 bytes of a secret.
 *
 *      NONE --tls_conn_start--> OPEN            (flags tell the halves that are closed)
 *
 * Writer of every field: the worker that owns the connection, within its transaction. A record number is
 * taken before the commit and sealed after it, so no number that was ever used on the wire is taken back. An
 * epoch is the number of KeyUpdates in its direction, modulo 2^16; record numbers start from 0 in each.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_CONN_H
#define VOXPOP_TLS_CONN_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_SECRET_SIZE_MAX 48
#define TLS_IV_SIZE         12

enum tls_conn_state {
    TLS_CONN_NONE = 0,
    TLS_CONN_HANDSHAKE, /* the helper thread holds it; if that dies the connection is lost */
    TLS_CONN_OPEN,
};

enum tls_conn_flag {
    TLS_CLOSE_SENT = 1 << 0,      /* our close_notify or fatal alert was taken; no record may follow it */
    TLS_CLOSE_RECEIVED = 1 << 1,  /* the peer's close_notify; what follows is ignored */
    TLS_KEY_UPDATE_OWED = 1 << 2, /* the peer asked for our KeyUpdate: before the next application data */
    TLS_PREVIOUS_HELD = 1 << 3, /* write_secret_previous is valid: records of that epoch are unacknowledged */
    TLS_CLIENT = 1 << 4,        /* we are the client (load generator) */
};

/* What sealing a record takes stands together, from the key that is kept behind a secret on: one cache line. */
struct tls_conn {
    uint8_t write_secret[TLS_SECRET_SIZE_MAX];
    uint64_t read_record;  /* number of the next record to open */
    uint64_t write_record; /* number of the next record to seal */
    uint16_t suite;        /* as in RFC 8446 B.4 and RFC 5246 A.5, e.g. 0x1301; tells the version, too */
    uint16_t read_epoch;
    uint16_t write_epoch;
    uint8_t state; /* enum tls_conn_state */
    uint8_t flags; /* enum tls_conn_flag */
    uint32_t
        key_update_window_s;  /* start of the window in which the peer's KeyUpdates are counted, seconds */
    uint8_t key_update_count; /* KeyUpdates of the peer in that window */
    uint8_t handshake_len;    /* bytes heard of a KeyUpdate that is not complete yet */
    uint16_t record_limit;    /* most bytes of content that the peer takes in a record (RFC 8449) */
    uint8_t alert_received;   /* description of the peer's fatal alert, 0 for none */
    uint8_t empty_records;    /* records without content, one behind the other */
    uint8_t reserved[2];
    uint8_t write_iv[TLS_IV_SIZE]; /* beside a kept key (keys.h) */
    uint8_t read_secret[TLS_SECRET_SIZE_MAX];
    uint8_t write_secret_previous[TLS_SECRET_SIZE_MAX]; /* of write_epoch - 1, for retransmissions */
};
_Static_assert(sizeof(struct tls_conn) == 192, "tls_conn is a published format");
_Static_assert(offsetof(struct tls_conn, write_secret) == 0 && offsetof(struct tls_conn, read_record) == 48 &&
                   offsetof(struct tls_conn, write_record) == 56 && offsetof(struct tls_conn, suite) == 64 &&
                   offsetof(struct tls_conn, read_epoch) == 66 &&
                   offsetof(struct tls_conn, write_epoch) == 68 && offsetof(struct tls_conn, state) == 70 &&
                   offsetof(struct tls_conn, flags) == 71 &&
                   offsetof(struct tls_conn, key_update_window_s) == 72 &&
                   offsetof(struct tls_conn, key_update_count) == 76 &&
                   offsetof(struct tls_conn, handshake_len) == 77 &&
                   offsetof(struct tls_conn, record_limit) == 78 &&
                   offsetof(struct tls_conn, alert_received) == 80 &&
                   offsetof(struct tls_conn, empty_records) == 81 &&
                   offsetof(struct tls_conn, write_iv) == 84 && offsetof(struct tls_conn, read_secret) == 96 &&
                   offsetof(struct tls_conn, write_secret_previous) == 144,
               "tls_conn is a published format");

#endif
