/*
 * The record layer by itself: cutting, sealing, opening, key epochs. Peers are made with our own seal, where
 * OpenSSL cannot be made to send what the test needs.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../crypto/hex.h"
#include "dataplane/base/bytes.h"
#include "dataplane/tls/key_cache.h"
#include "dataplane/tls/record.h"

static struct tls_secrets secrets_of(uint16_t suite)
{
    struct tls_secrets s = {.suite = suite};
    for (int i = 0; i < TLS_SECRET_SIZE_MAX; i++) {
        s.client[i] = (uint8_t)(i + 1);
        s.server[i] = (uint8_t)(200 - i);
    }
    return s;
}

/* A server's connection in the open state, and the client's view of it. */
struct pair {
    struct tls_conn server, client;
    uint8_t wire[TLS_RECORD_MAX + 300];
    uint8_t plain[TLS_RECORD_MAX];
    struct tls_opened opened;
};

static void pair_open(struct pair *p, uint16_t suite)
{
    struct tls_secrets s = secrets_of(suite);
    memset(p, 0, sizeof *p);
    tls_conn_start(&p->server, &s, false);
    tls_conn_start(&p->client, &s, true);
}

/* Opens the record at wire with `to`'s keys. */
static enum tls_event open_wire(struct pair *p, struct tls_conn *to, size_t size, uint64_t now_us)
{
    struct tls_record r;
    struct tls_refusal why;
    struct tls_keys keys;
    assert_int_equal(tls_record_parse(p->wire, size, TLS_PHASE_OPEN, &r, &why), size);
    tls_keys_read(&keys, to);
    tls_open(to, &keys, &r, p->plain, now_us, &p->opened);
    return p->opened.event;
}

/* `from` seals the content and `to` opens it. */
static enum tls_event pass(struct pair *p, struct tls_conn *from, struct tls_conn *to, enum tls_content type,
                           const void *data, size_t len, uint64_t now_us)
{
    struct tls_keys keys;
    struct tls_span span = {data, len};
    tls_keys_write(&keys, from, from->write_epoch);
    return open_wire(p, to, tls_seal(&keys, tls_take_record(from), type, &span, 1, p->wire), now_us);
}

static enum tls_event to_server(struct pair *p, enum tls_content type, const void *data, size_t len)
{
    return pass(p, &p->client, &p->server, type, data, len, 0);
}

static void assert_refused(const struct pair *p, enum drop_reason reason, uint8_t alert)
{
    assert_int_equal(p->opened.event, TLS_EVENT_REFUSED);
    assert_int_equal(p->opened.why.reason, reason);
    assert_int_equal(p->opened.why.alert, alert);
}

/* RFC 8448 3, "{client} send application_data record". */
static void rfc8448_application_data_is_sealed_to_the_byte(void **state)
{
    uint8_t want[72], secret[32], plain[50], out[72];
    struct tls_keys keys;
    unhex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5", secret);
    assert_int_equal(unhex("17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 "
                           "aa 66 bc ab 3f 2b 98"
                           "19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd 1e "
                           "3d ea e6 3a ee bb"
                           "21 69 49 15 e4",
                           want),
                     sizeof want);
    for (int i = 0; i < 50; i++)
        plain[i] = (uint8_t)i;
    tls_keys_derive(&keys, TLS_AES_128_GCM_SHA256, secret, 0);
    struct tls_span spans[] = {{plain, 3}, {plain + 3, 0}, {plain + 3, 47}};
    assert_int_equal(tls_seal(&keys, 0, TLS_APPLICATION_DATA, spans, 3, out), sizeof want);
    assert_memory_equal(out, want, sizeof want);
}

static void a_record_is_recreated_byte_for_byte_after_later_records_and_a_key_update(void **state)
{
    static uint8_t first[400], again[400];
    for (uint16_t suite = 0x1301; suite <= 0x1303; suite++) {
        struct tls_secrets s = secrets_of(suite);
        struct tls_conn c;
        struct tls_keys keys;
        struct tls_span spans[] = {{(const uint8_t *)"{\"s\":7,", 7}, {(const uint8_t *)"\"op\":0}", 7}};
        tls_conn_start(&c, &s, false);
        uint64_t number = tls_take_record(&c);
        uint16_t epoch = c.write_epoch;
        assert_true(tls_keys_write(&keys, &c, epoch));
        size_t size = tls_seal(&keys, number, TLS_APPLICATION_DATA, spans, 2, first);
        for (int i = 0; i < 5; i++)
            tls_seal(&keys, tls_take_record(&c), TLS_APPLICATION_DATA, spans, 1, again);
        tls_write_epoch_next(&c);
        /* Another process: nothing but the connection is left. */
        struct tls_conn survivor = c;
        assert_true(tls_keys_write(&keys, &survivor, epoch));
        assert_int_equal(tls_seal(&keys, number, TLS_APPLICATION_DATA, spans, 2, again), size);
        assert_memory_equal(first, again, size);
        tls_write_previous_release(&survivor);
        assert_false(tls_keys_write(&keys, &survivor, epoch));
        static const uint8_t zero[TLS_SECRET_SIZE_MAX];
        assert_memory_equal(survivor.write_secret_previous, zero, suite == TLS_AES_256_GCM_SHA384 ? 48 : 32);
    }
}

static void content_may_already_lie_in_its_place(void **state)
{
    struct tls_secrets s = secrets_of(TLS_AES_128_GCM_SHA256);
    struct tls_keys keys;
    uint8_t apart[100], place[100];
    tls_keys_derive(&keys, s.suite, s.server, 0);
    memset(place + TLS_HEADER_SIZE, 'x', 50);
    memset(apart + TLS_HEADER_SIZE, 'y', 50);
    uint8_t content[50];
    memset(content, 'x', 50);
    tls_seal(&keys, 3, TLS_APPLICATION_DATA, &(struct tls_span){content, 50}, 1, apart);
    tls_seal(&keys, 3, TLS_APPLICATION_DATA, &(struct tls_span){place + TLS_HEADER_SIZE, 50}, 1, place);
    assert_memory_equal(apart, place, tls_sealed_size(50));
}

static void records_prepared_together_equal_those_sealed_singly(void **state)
{
    static struct tls_keys keys[9];
    struct aead_seal jobs[9];
    static uint8_t together[9][200], singly[200];
    struct tls_span span = {(const uint8_t *)"the same event for everybody", 28};
    for (unsigned i = 0; i < 9; i++) {
        struct tls_secrets s = secrets_of((uint16_t)(0x1301 + i % 3));
        s.server[0] = (uint8_t)i;
        tls_keys_derive(&keys[i], s.suite, s.server, 0);
        tls_seal_prepare(&keys[i], i * 1000, TLS_APPLICATION_DATA, &span, 1, together[i], &jobs[i]);
    }
    tls_seal_batch(jobs, 9);
    for (unsigned i = 0; i < 9; i++) {
        size_t size = tls_seal(&keys[i], i * 1000, TLS_APPLICATION_DATA, &span, 1, singly);
        assert_memory_equal(together[i], singly, size);
    }
}

struct parse_case {
    const char *bytes; /* hexadecimal; the content may be missing */
    enum tls_phase phase;
    int result;
    enum drop_reason reason;
    uint8_t alert;
};

static void records_are_cut_or_refused_by_the_table(void **state)
{
    static const struct parse_case cases[] = {
        {"", TLS_PHASE_HELLO, 0, 0, 0},
        {"16", TLS_PHASE_HELLO, 0, 0, 0},
        {"16030100", TLS_PHASE_HELLO, 0, 0, 0},
        {"160301000201", TLS_PHASE_HELLO, 0, 0, 0},
        {"16030100020100", TLS_PHASE_HELLO, 7, 0, 0},
        {"1603ff00020100ff", TLS_PHASE_HELLO, 7, 0, 0}, /* minor versions are ignored */
        {"1604010002", TLS_PHASE_HELLO, -1, DROP_TLS_RECORD_VERSION, TLS_ALERT_PROTOCOL_VERSION},
        {"1602", TLS_PHASE_HELLO, -1, DROP_TLS_RECORD_VERSION, TLS_ALERT_PROTOCOL_VERSION},
        {"1603014000", TLS_PHASE_HELLO, 0, 0, 0},
        {"1603014001", TLS_PHASE_HELLO, -1, DROP_TLS_RECORD_LENGTH, TLS_ALERT_RECORD_OVERFLOW},
        {"1603010000", TLS_PHASE_HELLO, -1, DROP_TLS_RECORD_LENGTH, TLS_ALERT_DECODE_ERROR},
        {"14", TLS_PHASE_HELLO, -1, DROP_TLS_RECORD_TYPE, TLS_ALERT_UNEXPECTED_MESSAGE},
        {"17", TLS_PHASE_HELLO, -1, DROP_TLS_RECORD_TYPE, TLS_ALERT_UNEXPECTED_MESSAGE},
        {"80", TLS_PHASE_HELLO, -1, DROP_TLS_RECORD_TYPE, TLS_ALERT_UNEXPECTED_MESSAGE},
        {"47", TLS_PHASE_HELLO, 0, 0, 0}, /* "G" */
        {"474554", TLS_PHASE_HELLO, 0, 0, 0},
        {"47455420", TLS_PHASE_HELLO, -1, DROP_TLS_PLAIN_HTTP, TLS_ALERT_NONE},
        {"504f5354", TLS_PHASE_HELLO, -1, DROP_TLS_PLAIN_HTTP, TLS_ALERT_NONE},
        {"474558", TLS_PHASE_HELLO, -1, DROP_TLS_RECORD_TYPE, TLS_ALERT_UNEXPECTED_MESSAGE},
        {"47455420", TLS_PHASE_HANDSHAKE, -1, DROP_TLS_RECORD_TYPE, TLS_ALERT_UNEXPECTED_MESSAGE},
        {"140303000101", TLS_PHASE_HANDSHAKE, 6, 0, 0},
        {"1403030002", TLS_PHASE_HANDSHAKE, -1, DROP_TLS_RECORD_LENGTH, TLS_ALERT_RECORD_OVERFLOW},
        {"15030300020100", TLS_PHASE_HANDSHAKE, 7, 0, 0},
        {"1503030001", TLS_PHASE_HANDSHAKE, -1, DROP_TLS_RECORD_LENGTH, TLS_ALERT_DECODE_ERROR},
        {"1703034100", TLS_PHASE_HANDSHAKE, 0, 0, 0},
        {"1703034100", TLS_PHASE_OPEN, 0, 0, 0},
        {"1703034101", TLS_PHASE_OPEN, -1, DROP_TLS_RECORD_LENGTH, TLS_ALERT_RECORD_OVERFLOW},
        {"1703030010", TLS_PHASE_OPEN, -1, DROP_TLS_RECORD_LENGTH, TLS_ALERT_DECODE_ERROR},
        {"1703030011", TLS_PHASE_OPEN, 0, 0, 0},
        {"16", TLS_PHASE_OPEN, -1, DROP_TLS_RECORD_TYPE, TLS_ALERT_UNEXPECTED_MESSAGE},
        {"14", TLS_PHASE_OPEN, -1, DROP_TLS_RECORD_TYPE, TLS_ALERT_UNEXPECTED_MESSAGE},
        {"15", TLS_PHASE_OPEN, -1, DROP_TLS_RECORD_TYPE, TLS_ALERT_UNEXPECTED_MESSAGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bytes[16];
        struct tls_record r = {.type = 99};
        struct tls_refusal why = {0};
        size_t len = unhex(cases[i].bytes, bytes);
        assert_int_equal(tls_record_parse(bytes, len, cases[i].phase, &r, &why), cases[i].result);
        assert_int_equal(why.reason, cases[i].reason);
        assert_int_equal(why.alert, cases[i].alert);
        assert_int_equal(r.type, cases[i].result > 0 ? bytes[0] : 99); /* written on success only */
    }
}

static void every_changed_byte_is_refused_and_changes_nothing(void **state)
{
    static struct pair p;
    for (uint16_t suite = 0x1301; suite <= 0x1303; suite++) {
        pair_open(&p, suite);
        assert_int_equal(to_server(&p, TLS_APPLICATION_DATA, "payload", 7), TLS_EVENT_DATA);
        struct tls_keys keys;
        tls_keys_write(&keys, &p.client, 0);
        size_t size = tls_seal(&keys, 1, TLS_APPLICATION_DATA,
                               &(struct tls_span){(const uint8_t *)"payload", 7}, 1, p.wire);
        const struct tls_conn before = p.server;
        for (size_t at = 0; at < size; at++) {
            if (at == 0 || at == 1 || at == 3 || at == 4)
                continue; /* type, major version and length are the parser's */
            p.wire[at] ^= 0x10;
            open_wire(&p, &p.server, size, 0);
            assert_refused(&p, DROP_TLS_RECORD_MAC, TLS_ALERT_BAD_RECORD_MAC);
            assert_memory_equal(&p.server, &before, sizeof before);
            p.wire[at] ^= 0x10;
        }
        assert_int_equal(open_wire(&p, &p.server, size, 0), TLS_EVENT_DATA);
        assert_int_equal(open_wire(&p, &p.server, size, 0),
                         TLS_EVENT_REFUSED); /* the same again is a replay */
    }
}

/* Seals an inner plaintext of our making: content, type and padding. */
static enum tls_event open_inner(struct pair *p, const uint8_t *inner, size_t len)
{
    struct tls_keys keys;
    uint8_t nonce[12];
    tls_keys_write(&keys, &p->client, p->client.write_epoch);
    memcpy(nonce, keys.iv, 12);
    put_be64(nonce + 4, be64(nonce + 4) ^ p->client.write_record++);
    p->wire[0] = TLS_APPLICATION_DATA;
    put_be16(p->wire + 1, 0x0303);
    put_be16(p->wire + 3, (uint16_t)(len + 16));
    aead_seal(&keys.aead, nonce, p->wire, 5, inner, len, p->wire + 5, p->wire + 5 + len);
    return open_wire(p, &p->server, 5 + len + 16, 0);
}

static void padding_is_stripped_and_padding_alone_refused(void **state)
{
    static struct pair p;
    uint8_t inner[300] = {'h', 'i', 0, TLS_APPLICATION_DATA};
    pair_open(&p, TLS_AES_128_GCM_SHA256);
    assert_int_equal(open_inner(&p, inner, sizeof inner), TLS_EVENT_DATA);
    assert_int_equal(p.opened.len, 3); /* a zero before the type is content */
    assert_memory_equal(p.opened.data, "hi\0", 3);
    memset(inner, 0, sizeof inner);
    open_inner(&p, inner, sizeof inner);
    assert_refused(&p, DROP_TLS_RECORD_PADDING, TLS_ALERT_UNEXPECTED_MESSAGE);
}

static void inner_plaintexts_end_at_16385_bytes_padding_included(void **state)
{
    static struct pair p;
    static uint8_t inner[TLS_PLAINTEXT_MAX + 2];
    memset(inner, 'a', sizeof inner);
    pair_open(&p, TLS_AES_128_GCM_SHA256);
    inner[TLS_PLAINTEXT_MAX] = TLS_APPLICATION_DATA;
    assert_int_equal(open_inner(&p, inner, TLS_PLAINTEXT_MAX + 1), TLS_EVENT_DATA);
    assert_int_equal(p.opened.len, TLS_PLAINTEXT_MAX);
    inner[TLS_PLAINTEXT_MAX + 1] = 0;
    open_inner(&p, inner, TLS_PLAINTEXT_MAX + 2);
    assert_refused(&p, DROP_TLS_RECORD_LENGTH, TLS_ALERT_RECORD_OVERFLOW);
}

static void empty_application_data_is_allowed_but_not_empty_handshakes(void **state)
{
    static struct pair p;
    pair_open(&p, TLS_CHACHA20_POLY1305_SHA256);
    assert_int_equal(to_server(&p, TLS_APPLICATION_DATA, NULL, 0), TLS_EVENT_DATA);
    assert_int_equal(p.opened.len, 0);
    to_server(&p, TLS_HANDSHAKE, NULL, 0);
    assert_refused(&p, DROP_TLS_RECORD_TYPE, TLS_ALERT_UNEXPECTED_MESSAGE);
    pair_open(&p, TLS_CHACHA20_POLY1305_SHA256);
    to_server(&p, TLS_CHANGE_CIPHER_SPEC, "\1", 1);
    assert_refused(&p, DROP_TLS_RECORD_TYPE, TLS_ALERT_UNEXPECTED_MESSAGE);
}

static const uint8_t update_requested[TLS_KEY_UPDATE_SIZE] = {24, 0, 0, 1, 1};

/* The client sends a KeyUpdate and goes on under its next key. */
static enum tls_event client_updates(struct pair *p, const uint8_t *message, uint64_t now_us)
{
    enum tls_event e = pass(p, &p->client, &p->server, TLS_HANDSHAKE, message, TLS_KEY_UPDATE_SIZE, now_us);
    tls_write_epoch_next(&p->client);
    tls_write_previous_release(&p->client);
    return e;
}

static void a_key_update_changes_the_read_key_and_one_that_asks_is_owed_an_answer(void **state)
{
    static struct pair p;
    pair_open(&p, TLS_AES_256_GCM_SHA384);
    assert_int_equal(client_updates(&p, tls_key_update_message, 0), TLS_EVENT_KEY_UPDATE);
    assert_int_equal(p.server.read_epoch, 1);
    assert_int_equal(p.server.read_record, 0);
    assert_false(tls_key_update_due(&p.server));
    assert_true(tls_may_send(&p.server));
    assert_int_equal(to_server(&p, TLS_APPLICATION_DATA, "after", 5), TLS_EVENT_DATA);

    assert_int_equal(client_updates(&p, update_requested, 0), TLS_EVENT_KEY_UPDATE);
    assert_true(tls_key_update_due(&p.server));
    assert_false(tls_may_send(&p.server));
    pass(&p, &p.server, &p.client, TLS_HANDSHAKE, tls_key_update_message, TLS_KEY_UPDATE_SIZE, 0);
    assert_int_equal(p.opened.event, TLS_EVENT_KEY_UPDATE);
    tls_write_epoch_next(&p.server);
    assert_false(tls_key_update_due(&p.server));
    assert_true(tls_may_send(&p.server));
    assert_int_equal(pass(&p, &p.server, &p.client, TLS_APPLICATION_DATA, "new", 3, 0), TLS_EVENT_DATA);
}

/* Two write epochs at most: an answer waits until the epoch before is acknowledged, and data waits for the
 * answer. */
static void an_owed_key_update_waits_for_the_previous_epoch(void **state)
{
    static struct pair p;
    pair_open(&p, TLS_AES_128_GCM_SHA256);
    tls_write_epoch_next(&p.server);
    client_updates(&p, update_requested, 0);
    assert_false(tls_key_update_due(&p.server));
    assert_false(tls_may_send(&p.server));
    tls_write_previous_release(&p.server);
    assert_true(tls_key_update_due(&p.server));
}

static void a_key_update_in_pieces_is_put_together(void **state)
{
    static struct pair p;
    pair_open(&p, TLS_AES_128_GCM_SHA256);
    assert_int_equal(to_server(&p, TLS_HANDSHAKE, update_requested, 1), TLS_EVENT_NOTHING);
    assert_int_equal(to_server(&p, TLS_HANDSHAKE, update_requested + 1, 3), TLS_EVENT_NOTHING);
    assert_int_equal(p.server.read_epoch, 0);
    assert_int_equal(to_server(&p, TLS_HANDSHAKE, update_requested + 4, 1), TLS_EVENT_KEY_UPDATE);
    assert_int_equal(p.server.read_epoch, 1);
    assert_true(p.server.flags & TLS_KEY_UPDATE_OWED);
    assert_int_equal(p.server.handshake_len, 0);
}

static void post_handshake_messages_other_than_key_update_are_refused(void **state)
{
    static const struct {
        const char *message;
        uint8_t alert;
    } cases[] = {
        {"04000001aa", TLS_ALERT_UNEXPECTED_MESSAGE},   /* NewSessionTicket from a client */
        {"01000000", TLS_ALERT_UNEXPECTED_MESSAGE},     /* ClientHello: renegotiation */
        {"1800000102", TLS_ALERT_ILLEGAL_PARAMETER},    /* KeyUpdate of neither kind */
        {"180000020000", TLS_ALERT_UNEXPECTED_MESSAGE}, /* too long */
        {"1800000200", TLS_ALERT_DECODE_ERROR},         /* length wrong */
        {"180000010018", TLS_ALERT_UNEXPECTED_MESSAGE}, /* something behind it, across the key change */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct pair p;
        uint8_t message[16];
        pair_open(&p, TLS_AES_128_GCM_SHA256);
        struct tls_conn before = p.server;
        to_server(&p, TLS_HANDSHAKE, message, unhex(cases[i].message, message));
        assert_refused(&p, DROP_TLS_POST_HANDSHAKE, cases[i].alert);
        assert_memory_equal(&before, &p.server, sizeof before);
    }
}

static void data_between_the_pieces_of_a_message_is_refused(void **state)
{
    static struct pair p;
    pair_open(&p, TLS_AES_128_GCM_SHA256);
    to_server(&p, TLS_HANDSHAKE, update_requested, 2);
    to_server(&p, TLS_APPLICATION_DATA, "x", 1);
    assert_refused(&p, DROP_TLS_POST_HANDSHAKE, TLS_ALERT_UNEXPECTED_MESSAGE);
}

static void key_updates_beyond_the_rate_are_refused_and_allowed_again_later(void **state)
{
    static struct pair p;
    const uint64_t start = 1000 * 1000000ull, window = TLS_KEY_UPDATE_WINDOW_S * 1000000ull;
    pair_open(&p, TLS_AES_128_GCM_SHA256);
    for (int i = 0; i < TLS_KEY_UPDATE_MAX; i++)
        assert_int_equal(client_updates(&p, tls_key_update_message, start + (uint64_t)i),
                         TLS_EVENT_KEY_UPDATE);
    struct pair late = p;
    client_updates(&p, tls_key_update_message, start + window - 1000001);
    assert_refused(&p, DROP_TLS_KEY_UPDATE_RATE, TLS_ALERT_UNEXPECTED_MESSAGE);
    for (int i = 0; i < TLS_KEY_UPDATE_MAX; i++)
        assert_int_equal(client_updates(&late, tls_key_update_message, start + window), TLS_EVENT_KEY_UPDATE);
    client_updates(&late, tls_key_update_message, start + window);
    assert_refused(&late, DROP_TLS_KEY_UPDATE_RATE, TLS_ALERT_UNEXPECTED_MESSAGE);
}

static void close_notify_ends_reading_and_fatal_alerts_are_kept(void **state)
{
    static struct pair p;
    pair_open(&p, TLS_AES_128_GCM_SHA256);
    assert_int_equal(to_server(&p, TLS_ALERT_RECORD, "\x01\x5a", 2), TLS_EVENT_NOTHING); /* user_canceled */
    assert_int_equal(to_server(&p, TLS_ALERT_RECORD, "\x01\x00", 2), TLS_EVENT_CLOSED);
    assert_true(p.server.flags & TLS_CLOSE_RECEIVED);
    assert_int_equal(to_server(&p, TLS_APPLICATION_DATA, "late", 4), TLS_EVENT_NOTHING);

    pair_open(&p, TLS_AES_128_GCM_SHA256);
    to_server(&p, TLS_ALERT_RECORD, "\x01\x14", 2); /* the level is of no account */
    assert_refused(&p, DROP_TLS_ALERT, TLS_ALERT_NONE);
    assert_int_equal(p.server.alert_received, TLS_ALERT_BAD_RECORD_MAC);

    pair_open(&p, TLS_AES_128_GCM_SHA256);
    to_server(&p, TLS_ALERT_RECORD, "\x01\x00\x01\x00", 4);
    assert_refused(&p, DROP_TLS_ALERT_MALFORMED, TLS_ALERT_DECODE_ERROR);
}

static void a_client_takes_tickets_and_nothing_like_them(void **state)
{
    static struct pair p;
    pair_open(&p, TLS_AES_128_GCM_SHA256);
    assert_int_equal(pass(&p, &p.server, &p.client, TLS_HANDSHAKE, "\4\0\0\2ab\4\0\0\1c", 11, 0),
                     TLS_EVENT_TICKET);
    assert_int_equal(p.opened.len, 11);
    pass(&p, &p.server, &p.client, TLS_HANDSHAKE, "\4\0\0\3ab", 6, 0);
    assert_refused(&p, DROP_TLS_POST_HANDSHAKE, TLS_ALERT_UNEXPECTED_MESSAGE);
}

static void our_key_is_changed_before_2_to_the_23_records(void **state)
{
    struct tls_secrets s = secrets_of(TLS_AES_128_GCM_SHA256);
    struct tls_conn c;
    tls_conn_start(&c, &s, false);
    c.write_record = TLS_KEY_UPDATE_AT - 1;
    assert_false(tls_key_update_due(&c));
    tls_take_record(&c);
    assert_true(tls_needs_key_update(&c) && tls_key_update_due(&c) && tls_may_send(&c));
    c.flags |= TLS_PREVIOUS_HELD;
    c.write_record = (1u << 23) - 1;
    assert_true(tls_may_send(&c));
    tls_take_record(&c);
    assert_false(tls_may_send(&c)); /* stops rather than go over */
    tls_write_previous_release(&c);
    tls_write_epoch_next(&c);
    assert_int_equal(c.write_record, 0);
    assert_true(tls_may_send(&c) && !tls_key_update_due(&c));
    c.flags |= TLS_CLOSE_SENT;
    assert_false(tls_may_send(&c));
}

static void cached_keys_equal_derived_ones_and_stay_put_for_a_burst(void **state)
{
    struct tls_key_cache *cache = tls_key_cache_new(8);
    struct tls_secrets s = secrets_of(TLS_AES_128_GCM_SHA256);
    struct tls_conn c;
    const struct tls_keys *held[64];
    unsigned n = 0, refused = 0;
    tls_conn_start(&c, &s, false);
    for (uint64_t handle = 0; handle < 64; handle++) {
        const struct tls_keys *k = tls_key_cache_write(cache, handle, &c, 0);
        if (k)
            held[n++] = k;
        else
            refused++;
    }
    assert_int_equal(n, 8);
    assert_int_equal(refused, 56);
    for (unsigned i = 0; i < n; i++)
        for (unsigned j = 0; j < i; j++)
            assert_ptr_not_equal(held[i], held[j]);
    struct tls_keys derived;
    tls_keys_write(&derived, &c, 0);
    assert_memory_equal(held[3]->raw, derived.raw, 16);
    assert_memory_equal(held[3]->iv, derived.iv, 12);

    tls_key_cache_begin(cache);
    uint64_t misses = tls_key_cache_misses(cache);
    assert_non_null(tls_key_cache_read(cache, 1000, &c));
    assert_int_equal(tls_key_cache_misses(cache), misses + 1);
    assert_non_null(tls_key_cache_read(cache, 1000, &c));
    assert_int_equal(tls_key_cache_misses(cache), misses + 1);
    tls_write_epoch_next(&c);
    const struct tls_keys *next = tls_key_cache_write(cache, 1000, &c, 1),
                          *previous = tls_key_cache_write(cache, 1000, &c, 0);
    assert_memory_not_equal(next->raw, previous->raw, 16);
    assert_memory_equal(previous->raw, derived.raw, 16);
    tls_write_previous_release(&c);
    assert_null(tls_key_cache_write(cache, 1000, &c, 0));
    tls_key_cache_forget(cache, 1000);
    misses = tls_key_cache_misses(cache);
    assert_non_null(tls_key_cache_write(cache, 1000, &c, 1));
    assert_int_equal(tls_key_cache_misses(cache), misses + 1);
    tls_key_cache_free(cache);
}

static int start(void **state)
{
    return aead_init(AEAD_BACKEND_AUTO) ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc8448_application_data_is_sealed_to_the_byte),
        cmocka_unit_test(a_record_is_recreated_byte_for_byte_after_later_records_and_a_key_update),
        cmocka_unit_test(content_may_already_lie_in_its_place),
        cmocka_unit_test(records_prepared_together_equal_those_sealed_singly),
        cmocka_unit_test(records_are_cut_or_refused_by_the_table),
        cmocka_unit_test(every_changed_byte_is_refused_and_changes_nothing),
        cmocka_unit_test(padding_is_stripped_and_padding_alone_refused),
        cmocka_unit_test(inner_plaintexts_end_at_16385_bytes_padding_included),
        cmocka_unit_test(empty_application_data_is_allowed_but_not_empty_handshakes),
        cmocka_unit_test(a_key_update_changes_the_read_key_and_one_that_asks_is_owed_an_answer),
        cmocka_unit_test(an_owed_key_update_waits_for_the_previous_epoch),
        cmocka_unit_test(a_key_update_in_pieces_is_put_together),
        cmocka_unit_test(post_handshake_messages_other_than_key_update_are_refused),
        cmocka_unit_test(data_between_the_pieces_of_a_message_is_refused),
        cmocka_unit_test(key_updates_beyond_the_rate_are_refused_and_allowed_again_later),
        cmocka_unit_test(close_notify_ends_reading_and_fatal_alerts_are_kept),
        cmocka_unit_test(a_client_takes_tickets_and_nothing_like_them),
        cmocka_unit_test(our_key_is_changed_before_2_to_the_23_records),
        cmocka_unit_test(cached_keys_equal_derived_ones_and_stay_put_for_a_burst),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
