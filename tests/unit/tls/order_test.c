/*
 * Records that come in the wrong place, or are wrong, while hands are shaken: each ends the handshake with
 * its alert and is counted by its name. What comes after the handshake is in tests/sim/tls_sim.c and
 * record_test.c.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../crypto/hex.h"
#include "dataplane/base/bytes.h"
#include "peer.h"

static struct pki pki;
static struct tls_server *server;
static struct tls_step_result result;

static int start(void **state)
{
    pki_make(&pki, PKI_P256, 30);
    server = server_of(&pki);
    return aead_init(AEAD_BACKEND_AUTO) ? 0 : 1;
}

static int stop(void **state)
{
    tls_server_free(server);
    pki_remove(&pki);
    return 0;
}

/* A ClientHello of OpenSSL's. */
static size_t hello_of(int version, uint8_t *hello, size_t room)
{
    struct peer p;
    peer_open(&p, NULL, NULL);
    SSL_set_min_proto_version(p.ssl, version);
    SSL_set_max_proto_version(p.ssl, version);
    SSL_do_handshake(p.ssl);
    size_t n = peer_take(&p, hello, room);
    peer_close(&p);
    return n;
}

enum stage {
    AT_ONCE,     /* nothing went before */
    IN_HELLO,    /* the first half of a ClientHello went before, as a record of its own */
    AFTER_HELLO, /* a ClientHello went before, and was answered */
};

static struct tls_handshake *bring_to(enum stage stage, int version)
{
    static uint8_t hello[4096], half[4096];
    struct tls_handshake *h = tls_handshake_new(server);
    size_t n = hello_of(version, hello, sizeof hello);
    if (stage == IN_HELLO) {
        memcpy(half, hello, TLS_HEADER_SIZE + 100);
        put_be16(half + 3, 100);
        tls_handshake_step(h, half, TLS_HEADER_SIZE + 100, &result);
        assert_int_equal(result.step, TLS_STEP_MORE);
        assert_int_equal(result.send_len, 0);
    } else if (stage == AFTER_HELLO) {
        tls_handshake_step(h, hello, n, &result);
        assert_int_equal(result.step, TLS_STEP_MORE);
        assert_true(result.send_len > 80);
    }
    return h;
}

#define BOTH 0

static const struct {
    const char *what;
    enum stage stage;
    int version;
    const char *record; /* hexadecimal */
    unsigned zeros;     /* that many behind it */
    enum drop_reason reason;
    uint8_t alert;
} cases[] = {
    {"an alert first", AT_ONCE, BOTH, "15030300020228", 0, DROP_TLS_RECORD_TYPE,
     TLS_ALERT_UNEXPECTED_MESSAGE},
    {"data first", AT_ONCE, BOTH, "1703030012", 18, DROP_TLS_RECORD_TYPE, TLS_ALERT_UNEXPECTED_MESSAGE},
    {"a change of ciphers first", AT_ONCE, BOTH, "140303000101", 0, DROP_TLS_RECORD_TYPE,
     TLS_ALERT_UNEXPECTED_MESSAGE},
    {"an empty record first", AT_ONCE, BOTH, "1603010000", 0, DROP_TLS_RECORD_LENGTH, TLS_ALERT_DECODE_ERROR},
    {"a record that is too long", AT_ONCE, BOTH, "1603014001", 16385, DROP_TLS_RECORD_LENGTH,
     TLS_ALERT_RECORD_OVERFLOW},
    {"a Finished first", AT_ONCE, BOTH, "160301000414000000", 0, DROP_TLS_HANDSHAKE_FAILED,
     TLS_ALERT_UNEXPECTED_MESSAGE},
    {"a hello that ends too early", AT_ONCE, BOTH, "160301000601000002", 2, DROP_TLS_HANDSHAKE_FAILED,
     TLS_ALERT_DECODE_ERROR},
    {"data in a hello", IN_HELLO, BOTH, "1703030012", 18, DROP_TLS_HANDSHAKE_FAILED,
     TLS_ALERT_UNEXPECTED_MESSAGE},
    {"a change of ciphers in a hello", IN_HELLO, BOTH, "140303000101", 0, DROP_TLS_HANDSHAKE_FAILED,
     TLS_ALERT_UNEXPECTED_MESSAGE},
    {"an empty record in a hello", IN_HELLO, BOTH, "1603010000", 0, DROP_TLS_RECORD_LENGTH,
     TLS_ALERT_DECODE_ERROR},
    {"another version in a hello", IN_HELLO, BOTH, "1602010001", 1, DROP_TLS_RECORD_VERSION,
     TLS_ALERT_PROTOCOL_VERSION},
    {"an alert in a hello", IN_HELLO, BOTH, "15030300020228", 0, DROP_TLS_HANDSHAKE_FAILED,
     TLS_ALERT_UNEXPECTED_MESSAGE},
    {"the peer's alert", AFTER_HELLO, BOTH, "15030300020228", 0, DROP_TLS_ALERT, TLS_ALERT_NONE},
    {"an alert of one byte", AFTER_HELLO, BOTH, "150303000102", 0, DROP_TLS_RECORD_LENGTH,
     TLS_ALERT_DECODE_ERROR},
    {"an alert that is too long", AFTER_HELLO, BOTH, "150303001b", 27, DROP_TLS_RECORD_LENGTH,
     TLS_ALERT_RECORD_OVERFLOW},
    {"an unknown type", AFTER_HELLO, BOTH, "630303000101", 0, DROP_TLS_RECORD_TYPE,
     TLS_ALERT_UNEXPECTED_MESSAGE},
    {"a long change of ciphers", AFTER_HELLO, BOTH, "14030300020101", 0, DROP_TLS_RECORD_LENGTH,
     TLS_ALERT_RECORD_OVERFLOW},
    {"a change of ciphers to nothing", AFTER_HELLO, BOTH, "140303000102", 0, DROP_TLS_RECORD_TYPE,
     TLS_ALERT_UNEXPECTED_MESSAGE},
    {"data before Finished", AFTER_HELLO, TLS1_3_VERSION, "1703030030", 48, DROP_TLS_HANDSHAKE_FAILED,
     TLS_ALERT_BAD_RECORD_MAC},
    {"data that is too short for a tag", AFTER_HELLO, BOTH, "1703030010", 16, DROP_TLS_RECORD_LENGTH,
     TLS_ALERT_DECODE_ERROR},
    {"data that is too long", AFTER_HELLO, BOTH, "1703034101", 16641, DROP_TLS_RECORD_LENGTH,
     TLS_ALERT_RECORD_OVERFLOW},
    {"a Finished in the clear", AFTER_HELLO, TLS1_3_VERSION, "160303002414000020", 32,
     DROP_TLS_HANDSHAKE_FAILED, TLS_ALERT_UNEXPECTED_MESSAGE},
    {"a second hello", AFTER_HELLO, TLS1_3_VERSION, "160303000401000000", 0, DROP_TLS_HANDSHAKE_FAILED,
     TLS_ALERT_UNEXPECTED_MESSAGE},
    {"a second hello", AFTER_HELLO, TLS1_2_VERSION, "160303000401000000", 0, DROP_TLS_HANDSHAKE_FAILED,
     TLS_ALERT_UNEXPECTED_MESSAGE},
    {"data before Finished", AFTER_HELLO, TLS1_2_VERSION, "1703030030", 48, DROP_TLS_HANDSHAKE_FAILED,
     TLS_ALERT_UNEXPECTED_MESSAGE},
    {"a change of ciphers before keys", AFTER_HELLO, TLS1_2_VERSION, "140303000101", 0,
     DROP_TLS_HANDSHAKE_FAILED, TLS_ALERT_UNEXPECTED_MESSAGE},
    {"a Finished before keys", AFTER_HELLO, TLS1_2_VERSION, "16030300101400000c", 12,
     DROP_TLS_HANDSHAKE_FAILED, TLS_ALERT_UNEXPECTED_MESSAGE},
    {"a key exchange that is none", AFTER_HELLO, TLS1_2_VERSION, "16030300051000000100", 0,
     DROP_TLS_HANDSHAKE_FAILED, TLS_ALERT_ILLEGAL_PARAMETER},
};

static void run(size_t i, int version)
{
    static uint8_t record[TLS_HEADER_SIZE + 20000];
    memset(record, 0, sizeof record);
    size_t n = unhex(cases[i].record, record) + cases[i].zeros;
    struct tls_handshake *h = bring_to(cases[i].stage, version);
    tls_handshake_step(h, record, n, &result);
    if (result.step != TLS_STEP_FAILED || result.why.reason != cases[i].reason ||
        result.why.alert != cases[i].alert)
        fail_msg("%s (%x): step %d, counted %s, alert %u", cases[i].what, (unsigned)version, result.step,
                 drop_reason_name(result.why.reason), result.why.alert);
    if (cases[i].alert == TLS_ALERT_NONE) {
        assert_int_equal(result.send_len, 0);
    } else { /* alone, fatal, and the last thing that is sent */
        assert_true(result.send_len >= TLS_HEADER_SIZE + TLS_ALERT_SIZE);
        assert_int_equal(TLS_HEADER_SIZE + be16(result.send + 3), result.send_len);
    }
    tls_handshake_free(h);
}

static void what_is_wrong_or_out_of_place_is_told_by_its_alert_and_counted_by_its_name(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
            if (cases[i].version == BOTH || cases[i].version == version)
                run(i, version);
}

/* RFC 8446 5: it is passed over in TLS 1.3, but not without end. */
static void changes_of_ciphers_without_end_are_refused(void **state)
{
    static const uint8_t change[] = {20, 3, 3, 0, 1, 1};
    struct tls_handshake *h = bring_to(AFTER_HELLO, TLS1_3_VERSION);
    unsigned n = 0;
    for (; n < 10000 && result.step == TLS_STEP_MORE; n++)
        tls_handshake_step(h, change, sizeof change, &result);
    assert_in_range(n, 2, 9000);
    assert_int_equal(result.step, TLS_STEP_FAILED);
    tls_handshake_free(h);
}

/* A hello in pieces of one byte each is a hello: bounded in bytes, not in pieces. */
static void a_hello_of_one_byte_records_is_put_together(void **state)
{
    static uint8_t hello[4096];
    size_t n = hello_of(TLS1_3_VERSION, hello, sizeof hello);
    struct tls_handshake *h = tls_handshake_new(server);
    for (size_t at = TLS_HEADER_SIZE; at < n; at++) {
        uint8_t piece[] = {22, 3, 1, 0, 1, hello[at]};
        tls_handshake_step(h, piece, sizeof piece, &result);
        assert_int_equal(result.step, TLS_STEP_MORE);
        assert_int_equal(result.send_len != 0, at == n - 1);
    }
    tls_handshake_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_or_out_of_place_is_told_by_its_alert_and_counted_by_its_name),
        cmocka_unit_test(changes_of_ciphers_without_end_are_refused),
        cmocka_unit_test(a_hello_of_one_byte_records_is_put_together),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
