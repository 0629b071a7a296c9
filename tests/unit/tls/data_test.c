/*
 * Data both ways between OpenSSL's record layer and ours, after a handshake: what one seals the other opens.
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

static struct pki pki;
static struct tls_server *server;
static struct peer peer;
static struct tls_conn conn;
static uint8_t buffer[TLS_RECORD_MAX];
static struct tls_opened opened;

static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                     "TLS_CHACHA20_POLY1305_SHA256"};

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

static void connect_with(const char *suite)
{
    char nothing[1];
    peer_open(&peer, suite, NULL);
    peer_connect(&peer, server, &conn);
    assert_int_equal(SSL_read(peer.ssl, nothing, 1), -1); /* the ticket */
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

static void every_length_up_to_16_kib_passes_both_ways(void **state)
{
    static const size_t lengths[] = {1, 15, 16, 17, 255, 1187, 1400, 4095, 4096, 8191, 16383, 16384};
    static uint8_t text[TLS_PLAINTEXT_MAX], got[TLS_PLAINTEXT_MAX];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 7 + i / 256);
    for (int s = 0; s < 3; s++) {
        connect_with(suites[s]);
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            int len = (int)lengths[i];
            assert_int_equal(SSL_write(peer.ssl, text, len), len);
            assert_true(receive_record(&peer, &conn, buffer, 0, &opened));
            assert_int_equal(opened.len, len);
            assert_memory_equal(opened.data, text, lengths[i]);
            assert_false(receive_record(&peer, &conn, buffer, 0, &opened));
            send_record(&peer, &conn, TLS_APPLICATION_DATA, text, lengths[i]);
            assert_int_equal(SSL_read(peer.ssl, got, sizeof got), len);
            assert_memory_equal(got, text, lengths[i]);
        }
        peer_close(&peer);
    }
}

static void padded_records_of_the_client_are_opened(void **state)
{
    peer_open(&peer, NULL, NULL);
    SSL_set_block_padding(peer.ssl, 512);
    peer_connect(&peer, server, &conn);
    assert_client_says("short");
    assert_true(be16(buffer + 3) >= 512); /* so it was padded */
    assert_client_says("and once more");
    peer_close(&peer);
}

/* What the stack does when a KeyUpdate of ours is due. */
static void send_key_update(void)
{
    assert_true(tls_key_update_due(&conn));
    send_record(&peer, &conn, TLS_HANDSHAKE, tls_key_update_message, TLS_KEY_UPDATE_SIZE);
    tls_write_epoch_next(&conn);
    tls_write_previous_release(&conn);
}

static void key_updates_are_followed_in_both_directions(void **state)
{
    for (int s = 0; s < 3; s++) {
        connect_with(suites[s]);
        for (int round = 1; round <= 3; round++) {
            /* The client changes its key and asks us to change ours. */
            assert_int_equal(SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
            assert_int_equal(SSL_do_handshake(peer.ssl), 1);
            assert_true(receive_record(&peer, &conn, buffer, 0, &opened));
            assert_int_equal(opened.event, TLS_EVENT_KEY_UPDATE);
            assert_false(tls_may_send(&conn));
            assert_client_says("under my next key");
            send_key_update();
            assert_int_equal(conn.write_epoch, 2 * round - 1);
            assert_server_says("under mine");
            /* We change ours unasked, as after 2^23 records. */
            conn.flags |= TLS_KEY_UPDATE_OWED;
            send_key_update();
            assert_server_says("and the next");
            assert_client_says("still understood");
            assert_int_equal(conn.read_epoch, round);
        }
        peer_close(&peer);
    }
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
    assert_int_equal(SSL_shutdown(peer.ssl), 1);
    peer_close(&peer);
}

static void our_fatal_alert_is_understood(void **state)
{
    char text[8];
    uint8_t alert[TLS_ALERT_SIZE];
    connect_with(NULL);
    tls_alert_message(TLS_ALERT_BAD_RECORD_MAC, alert);
    send_record(&peer, &conn, TLS_ALERT_RECORD, alert, sizeof alert);
    assert_true(SSL_read(peer.ssl, text, sizeof text) <= 0);
    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_AD_REASON_OFFSET + TLS_ALERT_BAD_RECORD_MAC);
    ERR_clear_error();
    peer_close(&peer);
}

/* OpenSSL finds a fault in what we "send": its alert arrives, encrypted, and is reported. */
static void a_fatal_alert_of_the_client_is_reported(void **state)
{
    char text[8];
    static uint8_t garbage[40] = {23, 3, 3, 0, 35};
    connect_with(NULL);
    peer_give(&peer, garbage, sizeof garbage);
    assert_int_equal(SSL_read(peer.ssl, text, sizeof text), -1);
    ERR_clear_error();
    assert_true(receive_record(&peer, &conn, buffer, 0, &opened));
    assert_int_equal(opened.event, TLS_EVENT_REFUSED);
    assert_int_equal(opened.why.reason, DROP_TLS_ALERT);
    assert_int_equal(conn.alert_received, TLS_ALERT_BAD_RECORD_MAC);
    peer_close(&peer);
}

/* A new process has the connection's 192 bytes and nothing else. */
static void a_connection_goes_on_from_its_bytes_alone(void **state)
{
    uint8_t slot[sizeof(struct tls_conn)];
    connect_with("TLS_AES_256_GCM_SHA384");
    assert_client_says("before the kill");
    assert_server_says("before the kill");
    memcpy(slot, &conn, sizeof slot);
    memset(&conn, 0xee, sizeof conn);
    memcpy(&conn, slot, sizeof slot);
    assert_client_says("after it");
    assert_server_says("after it");
    peer_close(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_up_to_16_kib_passes_both_ways),
        cmocka_unit_test(padded_records_of_the_client_are_opened),
        cmocka_unit_test(key_updates_are_followed_in_both_directions),
        cmocka_unit_test(close_notify_passes_in_both_directions),
        cmocka_unit_test(our_fatal_alert_is_understood),
        cmocka_unit_test(a_fatal_alert_of_the_client_is_reported),
        cmocka_unit_test(a_connection_goes_on_from_its_bytes_alone),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
