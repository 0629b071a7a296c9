/*
 * TLS 1.2: OpenSSL's client shakes hands with our server, and then its record layer and ours understand each
 * other.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/err.h>
#include "dataplane/base/bytes.h"
#include "peer.h"

static struct pki ecdsa, rsa;
static struct tls_server *server;
static struct peer peer;
static struct tls_conn conn;
static uint8_t buffer[TLS_RECORD_MAX];
static struct tls_opened opened;

static const struct {
    const char *name;
    uint16_t suite;
    uint16_t overhead;
} suites[] = {
    {"ECDHE-ECDSA-AES128-GCM-SHA256", 0xc02b, 29}, {"ECDHE-ECDSA-AES256-GCM-SHA384", 0xc02c, 29},
    {"ECDHE-RSA-AES128-GCM-SHA256", 0xc02f, 29},   {"ECDHE-RSA-AES256-GCM-SHA384", 0xc030, 29},
    {"ECDHE-RSA-CHACHA20-POLY1305", 0xcca8, 21},   {"ECDHE-ECDSA-CHACHA20-POLY1305", 0xcca9, 21},
};
enum { SUITES = sizeof suites / sizeof suites[0] };

static int start(void **state)
{
    pki_make_for(&ecdsa, PKI_P256, 30, "DNS:pop.test");
    pki_make_for(&rsa, PKI_RSA, 30, "DNS:pop.test");
    server = server_of_all((const struct pki *const[]){&ecdsa, &rsa}, 2);
    return aead_init(AEAD_BACKEND_AUTO) ? 0 : 1;
}

static int stop(void **state)
{
    tls_server_free(server);
    pki_remove(&ecdsa);
    pki_remove(&rsa);
    return 0;
}

static void connect_with(const char *suite)
{
    peer_open12(&peer, suite);
    peer_connect(&peer, server, &conn);
}

static void assert_client_says(const char *text)
{
    size_t len = strlen(text);
    assert_int_equal(SSL_write(peer.ssl, text, (int)len), len);
    assert_true(receive_record(&peer, &conn, buffer, 0, &opened));
    assert_int_equal(opened.event, TLS_EVENT_DATA);
    assert_int_equal(opened.len, len);
    assert_memory_equal(opened.data, text, len);
}

static void assert_server_says(const char *text)
{
    char got[64];
    send_record(&peer, &conn, TLS_APPLICATION_DATA, text, strlen(text));
    assert_int_equal(SSL_read(peer.ssl, got, sizeof got), strlen(text));
    assert_memory_equal(got, text, strlen(text));
}

static void every_suite_is_negotiated_and_carries_data(void **state)
{
    for (int i = 0; i < SUITES; i++) {
        connect_with(suites[i].name);
        assert_int_equal(conn.suite, suites[i].suite);
        assert_int_equal(tls_overhead(conn.suite), suites[i].overhead);
        assert_int_equal(conn.read_record, 1); /* the two Finished */
        assert_int_equal(conn.write_record, 1);
        assert_client_says("hello");
        assert_server_says("world");
        assert_client_says("and again");
        assert_server_says("and again");
        peer_close(&peer);
    }
}

static void every_length_up_to_16_kib_passes_both_ways(void **state)
{
    static const int lengths[] = {1, 15, 16, 17, 255, 1187, 4096, 16383, 16384};
    static uint8_t text[TLS_PLAINTEXT_MAX], got[TLS_PLAINTEXT_MAX];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 7 + i / 256);
    for (int s = 0; s < SUITES; s++) {
        connect_with(suites[s].name);
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            assert_int_equal(SSL_write(peer.ssl, text, lengths[i]), lengths[i]);
            assert_true(receive_record(&peer, &conn, buffer, 0, &opened));
            assert_int_equal(opened.len, lengths[i]);
            assert_memory_equal(opened.data, text, (size_t)lengths[i]);
            send_record(&peer, &conn, TLS_APPLICATION_DATA, text, (size_t)lengths[i]);
            assert_int_equal(SSL_read(peer.ssl, got, sizeof got), lengths[i]);
            assert_memory_equal(got, text, (size_t)lengths[i]);
        }
        peer_close(&peer);
    }
}

static void a_record_is_recreated_byte_for_byte(void **state)
{
    uint8_t first[128], again[128];
    for (int s = 0; s < SUITES; s++) {
        struct tls_keys keys;
        struct tls_span span = {(const uint8_t *)"{\"op\":11}", 9};
        connect_with(suites[s].name);
        uint64_t number = tls_take_record(&conn);
        tls_keys_write(&keys, &conn, 0);
        size_t size = tls_seal(&keys, number, TLS_APPLICATION_DATA, &span, 1, first);
        tls_seal(&keys, tls_take_record(&conn), TLS_APPLICATION_DATA, &span, 1, again);
        assert_memory_not_equal(first, again, size);
        struct tls_conn survivor = conn; /* another process: nothing but the connection is left */
        tls_keys_write(&keys, &survivor, 0);
        memset(again, 0, sizeof again);
        assert_int_equal(tls_seal(&keys, number, TLS_APPLICATION_DATA, &span, 1, again), size);
        assert_memory_equal(first, again, size);
        peer_close(&peer);
    }
}

static SSL_SESSION *kept;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION_free(kept);
    kept = session;
    return 1;
}

static void a_ticket_resumes_on_another_server_with_the_same_ticket_key(void **state)
{
    for (int s = 0; s < SUITES; s++) {
        peer_open12(&peer, suites[s].name);
        SSL_CTX_set_session_cache_mode(peer.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(peer.ctx, keep_session);
        peer_connect(&peer, server, &conn);
        assert_non_null(kept);
        SSL_set_shutdown(peer.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        peer_close(&peer);

        struct tls_server *other = server_of_all((const struct pki *const[]){&ecdsa, &rsa}, 2);
        struct tls_handshake *h = tls_handshake_new(other);
        struct tls_step_result result;
        peer_open12(&peer, suites[s].name);
        SSL_set_session(peer.ssl, kept);
        peer_shake(&peer, h, &result);
        assert_int_equal(result.step, TLS_STEP_DONE);
        assert_true(result.resumed);
        assert_true(SSL_session_reused(peer.ssl));
        tls_conn_start(&conn, &result.secrets, false);
        tls_handshake_free(h);
        assert_client_says("once more");
        assert_server_says("with feeling");
        peer_close(&peer);
        tls_server_free(other);
        SSL_SESSION_free(kept);
        kept = NULL;
    }
}

static void assert_refused(enum drop_reason reason, uint8_t alert)
{
    assert_int_equal(opened.event, TLS_EVENT_REFUSED);
    assert_int_equal(opened.why.reason, reason);
    assert_int_equal(opened.why.alert, alert);
}

static void a_client_that_renegotiates_is_refused(void **state)
{
    connect_with(NULL);
    assert_int_equal(SSL_renegotiate(peer.ssl), 1);
    SSL_do_handshake(peer.ssl);
    struct tls_conn before = conn;
    assert_true(receive_record(&peer, &conn, buffer, 0, &opened));
    assert_refused(DROP_TLS_RENEGOTIATION, TLS_ALERT_NO_RENEGOTIATION);
    assert_memory_equal(&before, &conn, sizeof before);
    peer_close(&peer);
}

static void close_notify_passes_in_both_directions(void **state)
{
    char text[8];
    uint8_t alert[TLS_ALERT_SIZE];
    connect_with(NULL);
    assert_int_equal(SSL_shutdown(peer.ssl), 0);
    assert_true(receive_record(&peer, &conn, buffer, 0, &opened));
    assert_int_equal(opened.event, TLS_EVENT_CLOSED);
    tls_alert_message(TLS_ALERT_CLOSE_NOTIFY, alert);
    send_record(&peer, &conn, TLS_ALERT_RECORD, alert, sizeof alert);
    assert_int_equal(SSL_read(peer.ssl, text, sizeof text), 0);
    assert_int_equal(SSL_get_error(peer.ssl, 0), SSL_ERROR_ZERO_RETURN);
    peer_close(&peer);
}

static void our_fatal_alert_is_understood(void **state)
{
    char text[8];
    uint8_t alert[TLS_ALERT_SIZE];
    connect_with(NULL);
    tls_alert_message(TLS_ALERT_BAD_RECORD_MAC, alert);
    send_record(&peer, &conn, TLS_ALERT_RECORD, alert, sizeof alert);
    ERR_clear_error();
    assert_true(SSL_read(peer.ssl, text, sizeof text) <= 0);
    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_AD_REASON_OFFSET + TLS_ALERT_BAD_RECORD_MAC);
    ERR_clear_error();
    peer_close(&peer);
}

/* Header and explicit nonce are authenticated too; what the parser refuses before is not tried. */
static void every_changed_byte_is_refused_and_changes_nothing(void **state)
{
    for (int s = 0; s < SUITES; s++) {
        struct tls_record r;
        struct tls_refusal why;
        struct tls_keys keys;
        uint8_t plain[256];
        connect_with(suites[s].name);
        assert_int_equal(SSL_write(peer.ssl, "payload", 7), 7);
        size_t size = peer_take(&peer, buffer, sizeof buffer);
        const struct tls_conn before = conn;
        tls_keys_read(&keys, &conn);
        for (size_t at = 0; at < size; at++) {
            if (at == 1 || at == 2 || at == 3 || at == 4)
                continue; /* version and length */
            buffer[at] ^= at ? 0x10 : TLS_APPLICATION_DATA ^ TLS_ALERT_RECORD;
            assert_int_equal(tls_record_parse(buffer, size, TLS_PHASE_OPEN12, &r, &why), size);
            tls_open(&conn, &keys, &r, plain, 0, &opened);
            assert_refused(DROP_TLS_RECORD_MAC, TLS_ALERT_BAD_RECORD_MAC);
            assert_memory_equal(&conn, &before, sizeof before);
            buffer[at] ^= at ? 0x10 : TLS_APPLICATION_DATA ^ TLS_ALERT_RECORD;
        }
        assert_int_equal(tls_record_parse(buffer, size, TLS_PHASE_OPEN12, &r, &why), size);
        tls_open(&conn, &keys, &r, plain, 0, &opened);
        assert_int_equal(opened.event, TLS_EVENT_DATA);
        tls_open(&conn, &keys, &r, plain, 0, &opened);
        assert_refused(DROP_TLS_RECORD_MAC, TLS_ALERT_BAD_RECORD_MAC); /* the same again is a replay */
        peer_close(&peer);
    }
}

/* Shorter than nonce and tag together: nothing is read behind the record. */
static void records_too_short_to_authenticate_are_refused(void **state)
{
    for (int s = 0; s < SUITES; s++) {
        struct tls_keys keys;
        connect_with(suites[s].name);
        tls_keys_read(&keys, &conn);
        for (uint16_t length = AEAD_TAG_SIZE; length <= 24; length++) {
            uint8_t wire[TLS_HEADER_SIZE + 24] = {TLS_APPLICATION_DATA, 3, 3, 0, (uint8_t)length}, plain[32];
            struct tls_record r = {wire, TLS_APPLICATION_DATA, length};
            tls_open(&conn, &keys, &r, plain, 0, &opened);
            assert_refused(DROP_TLS_RECORD_MAC, TLS_ALERT_BAD_RECORD_MAC);
        }
        peer_close(&peer);
    }
}

static struct tls_step_result failing(struct tls_server *s)
{
    struct tls_step_result result;
    struct tls_handshake *h = tls_handshake_new(s);
    peer_shake(&peer, h, &result);
    assert_int_equal(result.step, TLS_STEP_FAILED);
    tls_handshake_free(h);
    peer_close(&peer);
    return result;
}

static void suites_without_ecdhe_or_aead_are_refused(void **state)
{
    static const char *const weak[] = {"AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256",
                                       "DHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM"};
    for (int i = 0; i < 4; i++) {
        peer_open12(&peer, weak[i]);
        struct tls_step_result r = failing(server);
        assert_int_equal(r.why.reason, DROP_TLS_HANDSHAKE_FAILED);
        assert_int_equal(r.why.alert, TLS_ALERT_HANDSHAKE_FAILURE);
    }
}

static void a_server_of_tls_1_3_alone_refuses_1_2(void **state)
{
    char error[TLS_ERROR_MAX] = "";
    struct tls_certificate_files files[1];
    struct tls_server_config config = server_config((const struct pki *const[]){&ecdsa}, 1, files);
    config.tls13_only = true;
    struct tls_server *strict = tls_server_new(&config, error);
    assert_non_null(strict);
    peer_open12(&peer, NULL);
    struct tls_step_result r = failing(strict);
    assert_int_equal(r.why.reason, DROP_TLS_VERSION);
    assert_int_equal(r.why.alert, TLS_ALERT_PROTOCOL_VERSION);
    tls_server_free(strict);
}

/* RFC 7627: without it a resumption could be taken over to another connection. */
static void the_master_secret_is_bound_to_the_handshake(void **state)
{
    connect_with(NULL);
    assert_int_equal(SSL_get_extms_support(peer.ssl), 1);
    peer_close(&peer);
}

static void a_key_that_is_used_up_ends_the_connection_and_is_not_changed(void **state)
{
    connect_with(NULL);
    conn.write_record = TLS12_END_AT - 1;
    assert_false(tls_key_is_used_up(&conn));
    tls_take_record(&conn);
    assert_true(tls_key_is_used_up(&conn));
    assert_false(tls_key_update_due(&conn)); /* there is no such message */
    assert_true(tls_may_send(&conn));        /* for the end */
    conn.write_record = TLS12_RECORDS_PER_KEY;
    assert_false(tls_may_send(&conn));
    peer_close(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_suite_is_negotiated_and_carries_data),
        cmocka_unit_test(every_length_up_to_16_kib_passes_both_ways),
        cmocka_unit_test(a_record_is_recreated_byte_for_byte),
        cmocka_unit_test(a_ticket_resumes_on_another_server_with_the_same_ticket_key),
        cmocka_unit_test(a_client_that_renegotiates_is_refused),
        cmocka_unit_test(close_notify_passes_in_both_directions),
        cmocka_unit_test(our_fatal_alert_is_understood),
        cmocka_unit_test(every_changed_byte_is_refused_and_changes_nothing),
        cmocka_unit_test(records_too_short_to_authenticate_are_refused),
        cmocka_unit_test(suites_without_ecdhe_or_aead_are_refused),
        cmocka_unit_test(a_server_of_tls_1_3_alone_refuses_1_2),
        cmocka_unit_test(the_master_secret_is_bound_to_the_handshake),
        cmocka_unit_test(a_key_that_is_used_up_ends_the_connection_and_is_not_changed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
