/*
 * Opening protected records, and what may come in them after the handshake. RFC 8446 5.2, 5.4, 4.6.3, 6.
 *
 * A record is opened and judged on locals; the connection changes only when all of it is allowed.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include "dataplane/tls/nonce.h"
#include "dataplane/tls/record.h"

enum { MESSAGE_NEW_SESSION_TICKET = 4, MESSAGE_KEY_UPDATE = 24 };

static void refuse(struct tls_opened *out, enum drop_reason reason, enum tls_alert alert)
{
    *out = (struct tls_opened){.event = TLS_EVENT_REFUSED, .why = {reason, (uint8_t)alert}};
}

/* Counts one more KeyUpdate of the peer; false when there were too many in this window. */
static bool key_update_allowed(struct tls_conn *c, uint64_t now_us)
{
    uint32_t now_s = (uint32_t)(now_us / 1000000);
    if (now_s - c->key_update_window_s >= TLS_KEY_UPDATE_WINDOW_S || c->key_update_count == 0) {
        c->key_update_window_s = now_s;
        c->key_update_count = 0;
    }
    return c->key_update_count++ < TLS_KEY_UPDATE_MAX;
}

/* A whole KeyUpdate message. RFC 8446 4.6.3. */
static void consume_key_update(struct tls_conn *c, const uint8_t message[TLS_KEY_UPDATE_SIZE],
                               uint64_t now_us, struct tls_opened *out)
{
    struct tls_conn next = *c;
    if (be24(message + 1) != 1)
        return refuse(out, DROP_TLS_POST_HANDSHAKE, TLS_ALERT_DECODE_ERROR);
    if (message[4] > 1)
        return refuse(out, DROP_TLS_POST_HANDSHAKE, TLS_ALERT_ILLEGAL_PARAMETER);
    if (!key_update_allowed(&next, now_us))
        return refuse(out, DROP_TLS_KEY_UPDATE_RATE, TLS_ALERT_UNEXPECTED_MESSAGE);
    tls_secret_next(c->suite, c->read_secret, next.read_secret);
    next.read_epoch++;
    next.read_record = 0;
    next.handshake_len = 0;
    if (message[4] == 1)
        next.flags |= TLS_KEY_UPDATE_OWED;
    *c = next;
    wipe(&next, sizeof next);
    out->event = TLS_EVENT_KEY_UPDATE;
}

/* The tickets of a server: whole messages that fill the record. RFC 8446 4.6.1. */
static void consume_tickets(struct tls_conn *c, struct tls_opened *out)
{
    for (size_t at = 0; at < out->len;) {
        size_t left = out->len - at;
        if (left < 4 || out->data[at] != MESSAGE_NEW_SESSION_TICKET || be24(out->data + at + 1) > left - 4)
            return refuse(out, DROP_TLS_POST_HANDSHAKE, TLS_ALERT_UNEXPECTED_MESSAGE);
        at += 4 + be24(out->data + at + 1);
    }
    c->read_record++;
    out->event = TLS_EVENT_TICKET;
}

/*
 * A handshake record after the handshake. Only KeyUpdate may come, and (as the keys change with it) nothing
 * behind it in the same record; it may itself be cut into several records.
 */
static void consume_handshake(struct tls_conn *c, uint64_t now_us, struct tls_opened *out)
{
    uint8_t message[TLS_KEY_UPDATE_SIZE];
    size_t have = c->handshake_len, total = have + out->len;
    if (have == 0 && (c->flags & TLS_CLIENT) && out->data[0] == MESSAGE_NEW_SESSION_TICKET)
        return consume_tickets(c, out);
    if ((have ? c->handshake[0] : out->data[0]) != MESSAGE_KEY_UPDATE || total > sizeof message)
        return refuse(out, DROP_TLS_POST_HANDSHAKE, TLS_ALERT_UNEXPECTED_MESSAGE);
    memcpy(message, c->handshake, have);
    memcpy(message + have, out->data, out->len);
    if (total == sizeof message)
        return consume_key_update(c, message, now_us, out);
    memcpy(c->handshake, message, total);
    c->handshake_len = (uint8_t)total;
    c->read_record++;
    out->event = TLS_EVENT_NOTHING;
}

/* RFC 8446 6: one alert a record; every alert but close_notify and user_canceled is fatal, whatever level it
 * names. */
static void consume_alert(struct tls_conn *c, struct tls_opened *out)
{
    if (out->len != TLS_ALERT_SIZE)
        return refuse(out, DROP_TLS_ALERT, TLS_ALERT_DECODE_ERROR);
    uint8_t description = out->data[1];
    if (description == TLS_ALERT_CLOSE_NOTIFY) {
        c->read_record++;
        c->flags |= TLS_CLOSE_RECEIVED;
        out->event = TLS_EVENT_CLOSED;
    } else if (description == TLS_ALERT_USER_CANCELED) {
        c->read_record++;
        out->event = TLS_EVENT_NOTHING;
    } else {
        c->alert_received = description;
        refuse(out, DROP_TLS_ALERT, TLS_ALERT_NONE);
    }
}

/* Length of the inner plaintext without padding, its type byte included; 0 when there is nothing but padding.
 */
static size_t unpadded(const uint8_t *inner, size_t len)
{
    while (len && inner[len - 1] == 0)
        len--;
    return len;
}

void tls_open(struct tls_conn *c, const struct tls_keys *keys, const struct tls_record *r, uint8_t *dst,
              uint64_t now_us, struct tls_opened *out)
{
    assert(keys->epoch == c->read_epoch && r->type == TLS_APPLICATION_DATA && r->length > AEAD_TAG_SIZE);
    *out = (struct tls_opened){.event = TLS_EVENT_NOTHING};
    if (c->flags & TLS_CLOSE_RECEIVED)
        return;

    uint8_t nonce[TLS_IV_SIZE];
    const uint8_t *sealed = r->header + TLS_HEADER_SIZE;
    size_t len = (size_t)r->length - AEAD_TAG_SIZE;
    tls_nonce(keys, c->read_record, nonce);
    if (!aead_open(&keys->aead, nonce, r->header, TLS_HEADER_SIZE, sealed, len, sealed + len, dst))
        return refuse(out, DROP_TLS_RECORD_MAC, TLS_ALERT_BAD_RECORD_MAC);
    if (len > TLS_PLAINTEXT_MAX + 1)
        return refuse(out, DROP_TLS_RECORD_LENGTH, TLS_ALERT_RECORD_OVERFLOW);
    len = unpadded(dst, len);
    if (len == 0)
        return refuse(out, DROP_TLS_RECORD_PADDING, TLS_ALERT_UNEXPECTED_MESSAGE);

    uint8_t type = dst[len - 1];
    out->data = dst;
    out->len = len - 1;
    if (c->handshake_len && type != TLS_HANDSHAKE)
        return refuse(out, DROP_TLS_POST_HANDSHAKE, TLS_ALERT_UNEXPECTED_MESSAGE);
    if (type == TLS_APPLICATION_DATA) {
        c->read_record++;
        out->event = TLS_EVENT_DATA;
    } else if (type == TLS_HANDSHAKE && out->len) {
        consume_handshake(c, now_us, out);
    } else if (type == TLS_ALERT_RECORD) {
        consume_alert(c, out);
    } else {
        refuse(out, DROP_TLS_RECORD_TYPE, TLS_ALERT_UNEXPECTED_MESSAGE);
    }
}
