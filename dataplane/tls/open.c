/*
 * Opening protected records, and what may come in them after the handshake. RFC 8446 5.2, 5.4, 4.6.3, 6; RFC
 * 5246 6.2.3.3, 7.4.1.1.
 *
 * A record is opened and judged on locals; the connection changes only when all of it is allowed.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include "dataplane/tls/nonce.h"
#include "dataplane/tls/oracle.h"
#include "dataplane/tls/record.h"

enum { MESSAGE_NEW_SESSION_TICKET = 4, MESSAGE_KEY_UPDATE = 24 };

static void refuse(struct tls_opened *out, enum drop_reason reason, enum tls_alert alert)
{
    *out = (struct tls_opened){.event = TLS_EVENT_REFUSED, .why = {reason, (uint8_t)alert}};
}

/* The record is allowed: the next one is expected. */
static void took(struct tls_conn *c, struct tls_opened *out)
{
    c->read_record++;
    out->event = TLS_EVENT_NOTHING;
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

/* A whole KeyUpdate message whose last byte is `request`. RFC 8446 4.6.3. */
static void consume_key_update(struct tls_conn *c, uint8_t request, uint64_t now_us, struct tls_opened *out)
{
    struct tls_conn next = *c;
    if (!key_update_allowed(&next, now_us))
        return refuse(out, DROP_TLS_KEY_UPDATE_RATE, TLS_ALERT_UNEXPECTED_MESSAGE);
    tls_secret_next(c->suite, c->read_secret, next.read_secret);
    tls_keep_read_key(&next);
    next.read_epoch++;
    next.read_record = 0;
    next.handshake_len = 0;
    next.empty_records = 0;
    if (request == 1)
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
    took(c, out);
    out->event = TLS_EVENT_TICKET;
}

/*
 * A handshake record after the handshake. Only KeyUpdate may come, and (as the keys change with it) nothing
 * behind it in the same record; it may itself be cut into several records.
 */
static void consume_handshake(struct tls_conn *c, uint64_t now_us, struct tls_opened *out)
{
    static const uint8_t key_update[TLS_KEY_UPDATE_SIZE] = {MESSAGE_KEY_UPDATE, 0, 0, 1, 1};
    size_t have = c->handshake_len, total = have + out->len;
    if (have == 0 && (c->flags & TLS_CLIENT) && out->data[0] == MESSAGE_NEW_SESSION_TICKET)
        return consume_tickets(c, out);
    if ((have == 0 && out->data[0] != MESSAGE_KEY_UPDATE) || total > TLS_KEY_UPDATE_SIZE)
        return refuse(out, DROP_TLS_POST_HANDSHAKE, TLS_ALERT_UNEXPECTED_MESSAGE);
    for (size_t i = have; i < total && i < TLS_KEY_UPDATE_SIZE - 1; i++)
        if (out->data[i - have] != key_update[i])
            return refuse(out, DROP_TLS_POST_HANDSHAKE, TLS_ALERT_DECODE_ERROR);
    if (total == TLS_KEY_UPDATE_SIZE) {
        uint8_t request = out->data[out->len - 1];
        if (request > 1)
            return refuse(out, DROP_TLS_POST_HANDSHAKE, TLS_ALERT_ILLEGAL_PARAMETER);
        return consume_key_update(c, request, now_us, out);
    }
    c->handshake_len = (uint8_t)total;
    took(c, out);
}

/* RFC 8446 6: one alert a record; every alert but close_notify and user_canceled is fatal, whatever level it
 * names. */
static void consume_alert(struct tls_conn *c, struct tls_opened *out)
{
    if (out->len != TLS_ALERT_SIZE)
        return refuse(out, DROP_TLS_ALERT_MALFORMED, TLS_ALERT_DECODE_ERROR);
    uint8_t description = out->data[1];
    if (description == TLS_ALERT_CLOSE_NOTIFY) {
        took(c, out);
        c->flags |= TLS_CLOSE_RECEIVED;
        out->event = TLS_EVENT_CLOSED;
    } else if (description == TLS_ALERT_USER_CANCELED && c->empty_records < TLS_EMPTY_RECORDS_MAX) {
        took(c, out);
        c->empty_records++; /* they tell nothing, and cost as much */
    } else if (description == TLS_ALERT_USER_CANCELED) {
        refuse(out, DROP_TLS_EMPTY_RECORDS, TLS_ALERT_UNEXPECTED_MESSAGE);
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

/*
 * Decrypts the record to dst. Returns the bytes there, or -1 when it does not authenticate. Whoever sends it
 * chooses the explicit nonce of TLS 1.2; the record number is authenticated all the same.
 */
static int decrypt(const struct tls_conn *c, const struct tls_keys *keys, const struct tls_record *r,
                   uint8_t *dst)
{
    uint8_t nonce[TLS_IV_SIZE], own[TLS12_AAD_SIZE];
    const uint8_t *aad = r->header, *sealed = r->header + tls_content_at(c->suite);
    size_t overhead = tls_content_at(c->suite) - TLS_HEADER_SIZE + AEAD_TAG_SIZE, aad_len = TLS_HEADER_SIZE;
    tls_oracle_open(keys, c->read_record, r);
    bool good = r->length >= overhead;
    size_t len = good ? r->length - overhead : 0;
    tls_nonce(keys, c->read_record, nonce);
    if (tls_is_12(c->suite)) {
        tls12_aad(c->read_record, r->type, len, own);
        aad = own;
        aad_len = sizeof own;
        if (good && sealed - r->header > TLS_HEADER_SIZE)
            memcpy(nonce + TLS12_SALT_SIZE, r->header + TLS_HEADER_SIZE, TLS_IV_SIZE - TLS12_SALT_SIZE);
    }
    good = good && aead_open(&keys->aead, nonce, aad, aad_len, sealed, len, sealed + len, dst);
    tls_oracle_opened(good ? dst : NULL, len);
    return good ? (int)len : -1;
}

/* What an authentic record is allowed to be. TLS 1.2 has no handshake message that does not begin another
 * handshake. */
static void judge(struct tls_conn *c, uint8_t type, uint64_t now_us, struct tls_opened *out)
{
    if (c->handshake_len && type != TLS_HANDSHAKE)
        return refuse(out, DROP_TLS_POST_HANDSHAKE, TLS_ALERT_UNEXPECTED_MESSAGE);
    if (type == TLS_APPLICATION_DATA && out->len == 0) {
        if (c->empty_records >= TLS_EMPTY_RECORDS_MAX)
            return refuse(out, DROP_TLS_EMPTY_RECORDS, TLS_ALERT_UNEXPECTED_MESSAGE);
        took(c, out);
        c->empty_records++;
        out->event = TLS_EVENT_DATA;
    } else if (type == TLS_APPLICATION_DATA) {
        took(c, out);
        c->empty_records = 0;
        out->event = TLS_EVENT_DATA;
    } else if (type == TLS_HANDSHAKE && tls_is_12(c->suite)) {
        refuse(out, DROP_TLS_RENEGOTIATION, TLS_ALERT_NO_RENEGOTIATION);
    } else if (type == TLS_HANDSHAKE && out->len) {
        consume_handshake(c, now_us, out);
    } else if (type == TLS_ALERT_RECORD) {
        consume_alert(c, out);
    } else {
        refuse(out, DROP_TLS_RECORD_TYPE, TLS_ALERT_UNEXPECTED_MESSAGE);
    }
}

void tls_open(struct tls_conn *c, const struct tls_keys *keys, const struct tls_record *r, uint8_t *dst,
              uint64_t now_us, struct tls_opened *out)
{
    assert(keys->epoch == c->read_epoch && keys->suite == c->suite);
    *out = (struct tls_opened){.event = TLS_EVENT_NOTHING};
    if (c->flags & TLS_CLOSE_RECEIVED)
        return;
    int decrypted = decrypt(c, keys, r, dst);
    if (decrypted < 0)
        return refuse(out, DROP_TLS_RECORD_MAC, TLS_ALERT_BAD_RECORD_MAC);
    bool inner = !tls_is_12(c->suite);
    size_t len = (size_t)decrypted;
    if (len > TLS_PLAINTEXT_MAX + (inner ? 1 : 0))
        return refuse(out, DROP_TLS_RECORD_LENGTH, TLS_ALERT_RECORD_OVERFLOW);
    if (inner && (len = unpadded(dst, len)) == 0)
        return refuse(out, DROP_TLS_RECORD_PADDING, TLS_ALERT_UNEXPECTED_MESSAGE);
    out->data = dst;
    out->len = inner ? len - 1 : len;
    judge(c, inner ? dst[len - 1] : r->type, now_us, out);
}
