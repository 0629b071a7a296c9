/*
 * Handshakes between our server and OpenSSL's client, and between our server and our client.
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

/* Both directions carry data under the secrets that the handshake gave. */
static void assert_data_flows(struct peer *p, struct tls_conn *c)
{
    static uint8_t buffer[TLS_RECORD_MAX];
    char text[16];
    struct tls_opened opened;
    assert_int_equal(SSL_write(p->ssl, "hello", 5), 5);
    assert_true(receive_record(p, c, buffer, 0, &opened));
    assert_int_equal(opened.event, TLS_EVENT_DATA);
    assert_int_equal(opened.len, 5);
    assert_memory_equal(opened.data, "hello", 5);
    send_record(p, c, TLS_APPLICATION_DATA, "world!", 6);
    assert_int_equal(SSL_read(p->ssl, text, sizeof text), 6);
    assert_memory_equal(text, "world!", 6);
}

static void every_suite_is_negotiated_and_carries_data(void **state)
{
    static const struct {
        const char *name;
        uint16_t suite;
    } suites[] = {{"TLS_AES_128_GCM_SHA256", 0x1301},
                  {"TLS_AES_256_GCM_SHA384", 0x1302},
                  {"TLS_CHACHA20_POLY1305_SHA256", 0x1303}};
    for (int i = 0; i < 3; i++) {
        struct peer p;
        struct tls_conn c;
        peer_open(&p, suites[i].name, NULL);
        peer_connect(&p, server, &c);
        assert_int_equal(c.suite, suites[i].suite);
        assert_int_equal(c.read_record, 0);
        assert_int_equal(c.write_record, 1); /* the ticket */
        assert_data_flows(&p, &c);
        peer_close(&p);
    }
}

static void a_key_share_of_a_foreign_group_is_asked_for_again(void **state)
{
    struct peer p;
    struct tls_step_result result;
    struct tls_handshake *h = tls_handshake_new(server);
    peer_open(&p, NULL, "P-521:X25519");
    assert_true(peer_shake(&p, h, &result) >= 3); /* two hellos and a Finished at least */
    assert_int_equal(result.step, TLS_STEP_DONE);
    assert_int_equal(SSL_get_negotiated_group(p.ssl), NID_X25519);
    struct tls_conn c;
    tls_conn_start(&c, &result.secrets, false);
    assert_data_flows(&p, &c);
    tls_handshake_free(h);
    peer_close(&p);
}

static void aes_128_is_chosen_of_what_a_client_offers(void **state)
{
    struct peer p;
    struct tls_conn c;
    peer_open(&p, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256", NULL);
    peer_connect(&p, server, &c);
    assert_int_equal(c.suite, TLS_AES_128_GCM_SHA256);
    peer_close(&p);
}

static void p256_is_taken_where_x25519_is_not_offered(void **state)
{
    struct peer p;
    struct tls_conn c;
    peer_open(&p, NULL, "P-256");
    peer_connect(&p, server, &c);
    assert_data_flows(&p, &c);
    peer_close(&p);
}

static void a_hello_in_several_records_is_put_together(void **state)
{
    struct peer p;
    struct tls_conn c;
    struct tls_step_result result;
    struct tls_handshake *h = tls_handshake_new(server);
    peer_open(&p, NULL, NULL);
    char name[250];
    memset(name, 'n', sizeof name - 1);
    name[60] = name[120] = name[180] = '.';
    name[249] = 0;
    SSL_set_tlsext_host_name(p.ssl, name);
    /* Our own cut: records of 100 bytes each of the hello that OpenSSL made. */
    static uint8_t hello[4096], piece[200];
    SSL_do_handshake(p.ssl);
    size_t len = peer_take(&p, hello, sizeof hello);
    assert_true(len > 400);
    for (size_t at = TLS_HEADER_SIZE; at < len;) {
        size_t n = len - at < 100 ? len - at : 100;
        memcpy(piece, hello, TLS_HEADER_SIZE);
        put_be16(piece + 3, (uint16_t)n);
        memcpy(piece + TLS_HEADER_SIZE, hello + at, n);
        tls_handshake_step(h, piece, TLS_HEADER_SIZE + n, &result);
        at += n;
        assert_int_equal(result.step, TLS_STEP_MORE);
        assert_int_equal(result.send_len != 0, at == len);
    }
    peer_give(&p, result.send, result.send_len);
    peer_shake(&p, h, &result);
    assert_int_equal(result.step, TLS_STEP_DONE);
    assert_string_equal(result.server_name, name);
    tls_conn_start(&c, &result.secrets, false);
    assert_data_flows(&p, &c);
    tls_handshake_free(h);
    peer_close(&p);
}

/* The content of extension `type` in a ClientHello record: its offset, and its length in *len. */
static size_t find_extension(const uint8_t *hello, uint16_t type, size_t *len)
{
    size_t at = TLS_HEADER_SIZE + 4 + 2 + 32;
    at += 1u + hello[at];        /* session id */
    at += 2u + be16(hello + at); /* suites */
    at += 1u + hello[at];        /* compression */
    size_t end = at + 2 + be16(hello + at);
    for (at += 2; at < end; at += 4u + be16(hello + at + 2))
        if (be16(hello + at) == type) {
            *len = be16(hello + at + 2);
            return at + 4;
        }
    fail_msg("no extension %u", type);
    return 0;
}

static void add_to_be16(uint8_t *p, size_t n)
{
    put_be16(p, (uint16_t)(be16(p) + n));
}

/* Inserts n bytes at `at` within extension `type`, whose content begins with a list length, and mends all
 * lengths. */
static size_t insert(uint8_t *hello, size_t len, uint16_t type, const uint8_t *bytes, size_t n)
{
    size_t extension_len, content = find_extension(hello, type, &extension_len), at = content + 2;
    memmove(hello + at + n, hello + at, len - at);
    memcpy(hello + at, bytes, n);
    add_to_be16(hello + content, n);
    add_to_be16(hello + content - 2, n);
    add_to_be16(hello + 3, n);
    put_be24(hello + 6, (uint32_t)(be24(hello + 6) + n));
    size_t list = TLS_HEADER_SIZE + 4 + 2 + 32;
    list += 1u + hello[list];
    list += 2u + be16(hello + list);
    list += 1u + hello[list];
    add_to_be16(hello + list, n);
    return len + n;
}

/* What newer clients send: X25519MLKEM768 (0x11ec) first, with a share of 1216 bytes, and then X25519's, or
 * none that we know. */
static void a_post_quantum_share_is_passed_over(void **state)
{
    static const uint8_t retry_random[8] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11};
    static uint8_t hello[4096], share[4 + 1216] = {0x11, 0xec, 0x04, 0xc0};
    for (int alone = 0; alone < 2; alone++) {
        struct peer p;
        struct tls_step_result result;
        struct tls_handshake *h = tls_handshake_new(server);
        /* A share of a group that we do not take stands for "none that we know". */
        peer_open(&p, NULL, alone ? "P-521:X25519" : "X25519:P-521");
        SSL_do_handshake(p.ssl);
        size_t len = peer_take(&p, hello, sizeof hello);
        len = insert(hello, len, 10, share, 2);
        len = insert(hello, len, 51, share, sizeof share);
        assert_true(len > 1460);
        tls_handshake_step(h, hello, len, &result);
        assert_int_equal(result.step, TLS_STEP_MORE);
        assert_true(result.send_len > 80);
        assert_int_equal(memcmp(result.send + TLS_HEADER_SIZE + 6, retry_random, 8) == 0, alone);
        tls_handshake_free(h);
        peer_close(&p);
    }
}

static SSL_SESSION *kept_session;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION_free(kept_session);
    kept_session = session;
    return 1;
}

/* The server is made anew, as after a restart: the ticket key alone must do. */
static void a_ticket_resumes_on_another_server_with_the_same_ticket_key_only(void **state)
{
    struct peer p;
    struct tls_conn c;
    char text[16];
    peer_open(&p, NULL, NULL);
    SSL_CTX_set_session_cache_mode(p.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(p.ctx, keep_session);
    peer_connect(&p, server, &c);
    assert_int_equal(SSL_read(p.ssl, text, sizeof text), -1); /* takes the ticket in */
    assert_non_null(kept_session);
    assert_data_flows(&p, &c);
    SSL_set_shutdown(p.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    peer_close(&p);

    struct tls_server *other = server_of(&pki);
    struct tls_handshake *h = tls_handshake_new(other);
    struct tls_step_result result;
    peer_open(&p, NULL, NULL);
    SSL_set_session(p.ssl, kept_session);
    peer_shake(&p, h, &result);
    assert_int_equal(result.step, TLS_STEP_DONE);
    assert_true(result.resumed);
    assert_true(SSL_session_reused(p.ssl));
    tls_conn_start(&c, &result.secrets, false);
    assert_data_flows(&p, &c);
    tls_handshake_free(h);
    tls_server_free(other);
    peer_close(&p);

    struct tls_ticket_keys another = {.current = "another key"};
    other = server_of(&pki);
    tls_server_tickets(other, &another);
    h = tls_handshake_new(other);
    peer_open(&p, NULL, NULL);
    SSL_set_session(p.ssl, kept_session);
    peer_shake(&p, h, &result);
    assert_int_equal(result.step, TLS_STEP_DONE);
    assert_false(result.resumed);
    tls_handshake_free(h);
    tls_server_free(other);
    peer_close(&p);
    SSL_SESSION_free(kept_session);
    kept_session = NULL;
}

/* Runs a handshake that must fail, and returns the result with the client's view of our alert in *seen. */
static struct tls_step_result failing(struct peer *p, int *seen)
{
    struct tls_step_result result;
    struct tls_handshake *h = tls_handshake_new(server);
    peer_shake(p, h, &result);
    assert_int_equal(result.step, TLS_STEP_FAILED);
    ERR_clear_error();
    SSL_do_handshake(p->ssl);
    *seen = ERR_GET_REASON(ERR_peek_last_error()) - SSL_AD_REASON_OFFSET;
    ERR_clear_error();
    tls_handshake_free(h);
    peer_close(p);
    return result;
}

static void a_client_of_tls_1_1_is_told_protocol_version(void **state)
{
    struct peer p;
    int seen;
    peer_open(&p, NULL, NULL);
    SSL_set_security_level(p.ssl, 0);
    SSL_set_min_proto_version(p.ssl, TLS1_1_VERSION);
    SSL_set_max_proto_version(p.ssl, TLS1_1_VERSION);
    struct tls_step_result r = failing(&p, &seen);
    assert_int_equal(r.why.reason, DROP_TLS_VERSION);
    assert_int_equal(r.why.alert, TLS_ALERT_PROTOCOL_VERSION);
    assert_int_equal(seen, TLS_ALERT_PROTOCOL_VERSION);
}

static void alpn_without_http11_is_refused(void **state)
{
    struct peer p;
    int seen;
    peer_open(&p, NULL, NULL);
    SSL_set_alpn_protos(p.ssl, (const unsigned char *)"\x02h2\x07spdy/99", 11);
    struct tls_step_result r = failing(&p, &seen);
    assert_int_equal(r.why.reason, DROP_TLS_NO_PROTOCOL);
    assert_int_equal(r.why.alert, TLS_ALERT_NO_APPLICATION_PROTOCOL);
    assert_int_equal(seen, TLS_ALERT_NO_APPLICATION_PROTOCOL);
}

static void alpn_with_http11_gets_it(void **state)
{
    struct peer p;
    struct tls_step_result result;
    const unsigned char *chosen;
    unsigned chosen_len;
    struct tls_handshake *h = tls_handshake_new(server);
    peer_open(&p, NULL, NULL);
    SSL_set_alpn_protos(p.ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12);
    peer_shake(&p, h, &result);
    assert_int_equal(result.step, TLS_STEP_DONE);
    assert_true(result.alpn_http11);
    SSL_get0_alpn_selected(p.ssl, &chosen, &chosen_len);
    assert_int_equal(chosen_len, 8);
    assert_memory_equal(chosen, "http/1.1", 8);
    tls_handshake_free(h);
    peer_close(&p);
}

static void a_client_that_distrusts_the_certificate_ends_it_by_alert(void **state)
{
    struct peer p;
    int seen;
    peer_open(&p, NULL, NULL);
    SSL_set_verify(p.ssl, SSL_VERIFY_PEER, NULL);
    struct tls_step_result r = failing(&p, &seen);
    assert_int_equal(r.why.reason, DROP_TLS_ALERT);
    assert_int_equal(r.send_len, 0);
}

static void assert_first_bytes_refused(const void *bytes, size_t len, enum drop_reason reason,
                                       uint32_t send_len)
{
    struct tls_step_result result;
    struct tls_handshake *h = tls_handshake_new(server);
    tls_handshake_step(h, bytes, len, &result);
    assert_int_equal(result.step, TLS_STEP_FAILED);
    assert_int_equal(result.why.reason, reason);
    assert_int_equal(result.send_len, send_len);
    tls_handshake_step(h, bytes, len, &result);
    assert_int_equal(result.step, TLS_STEP_FAILED);
    tls_handshake_free(h);
}

static void strangers_are_refused_by_name(void **state)
{
    assert_first_bytes_refused("GET / HTTP/1.1\r\n\r\n", 18, DROP_TLS_PLAIN_HTTP, 0);
    assert_first_bytes_refused("\x80\x2e\x01\x00\x02", 5, DROP_TLS_RECORD_TYPE, 7);
    assert_first_bytes_refused("\x16\x02\x00\x00\x01\x01", 6, DROP_TLS_RECORD_VERSION, 7);
    assert_first_bytes_refused("\x16\x03\x01\x00\x05hello", 10, DROP_TLS_HANDSHAKE_FAILED, 7);
    assert_first_bytes_refused("\x17\x03\x03\x00\x05hello", 10, DROP_TLS_RECORD_TYPE, 7);
}

static void a_step_takes_exactly_one_record(void **state)
{
    static const uint8_t two[] = {22, 3, 1, 0, 1, 1, 22, 3, 1, 0, 1, 1};
    assert_first_bytes_refused(two, sizeof two, DROP_TLS_RECORD_LENGTH, 7);
    assert_first_bytes_refused(two, 5, DROP_TLS_RECORD_LENGTH, 7);
}

/* A hello that announces 16 MiB and never ends. */
static void handshake_bytes_are_bounded(void **state)
{
    static uint8_t record[TLS_HEADER_SIZE + TLS_PLAINTEXT_MAX] = {22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff};
    struct tls_step_result result = {.step = TLS_STEP_MORE};
    struct tls_handshake *h = tls_handshake_new(server);
    uint64_t taken = 0;
    for (; result.step == TLS_STEP_MORE; taken += sizeof record)
        tls_handshake_step(h, record, sizeof record, &result);
    assert_int_equal(result.step, TLS_STEP_FAILED);
    assert_int_equal(result.why.reason, DROP_TLS_HANDSHAKE_BYTES);
    assert_true(taken <= TLS_HANDSHAKE_BYTES_MAX + sizeof record);
    tls_handshake_free(h);
}

static void a_changed_byte_in_the_finished_fails_the_handshake(void **state)
{
    struct peer p;
    struct tls_step_result result;
    static uint8_t flight[4096];
    struct tls_handshake *h = tls_handshake_new(server);
    peer_open(&p, NULL, NULL);
    SSL_do_handshake(p.ssl);
    size_t n = peer_take(&p, flight, sizeof flight);
    tls_handshake_step(h, flight, n, &result);
    peer_give(&p, result.send, result.send_len);
    SSL_do_handshake(p.ssl);
    n = peer_take(&p, flight, sizeof flight);
    assert_int_equal(flight[0], TLS_CHANGE_CIPHER_SPEC);
    tls_handshake_step(h, flight, 6, &result);
    assert_int_equal(result.step, TLS_STEP_MORE);
    flight[n - 20] ^= 1;
    tls_handshake_step(h, flight + 6, n - 6, &result);
    assert_int_equal(result.step, TLS_STEP_FAILED);
    assert_int_equal(result.why.alert, TLS_ALERT_BAD_RECORD_MAC);
    tls_handshake_free(h);
    peer_close(&p);
}

/* Carries whole records from one end to the other until the receiver's result is not MORE, or none are left.
 */
static void carry(struct tls_step_result *from, struct tls_handshake *to, struct tls_step_result *out)
{
    static uint8_t bytes[TLS_FLIGHT_MAX];
    size_t len = from->send_len;
    if (len)
        memcpy(bytes, from->send, len);
    *out = (struct tls_step_result){.step = TLS_STEP_MORE};
    static uint8_t send[TLS_FLIGHT_MAX];
    uint32_t send_len = 0;
    for (size_t at = 0; at < len;) {
        size_t n = (size_t)TLS_HEADER_SIZE + be16(bytes + at + 3);
        assert_int_equal(out->step, TLS_STEP_MORE);
        tls_handshake_step(to, bytes + at, n, out);
        if (out->send_len)
            memcpy(send + send_len, out->send, out->send_len);
        send_len += out->send_len;
        at += n;
    }
    out->send = send;
    out->send_len = send_len;
}

/* Our client against our server; what remains are two connections that must understand each other. */
static struct tls_client_session *both_ours(struct tls_client *client, struct tls_client_session *resume,
                                            bool *resumed)
{
    struct tls_step_result c, s;
    struct tls_conn cc, sc;
    struct tls_handshake *sh = tls_handshake_new(server),
                         *ch = tls_client_start(client, "pop.test", resume, true, &c);
    assert_non_null(ch);
    carry(&c, sh, &s);
    carry(&s, ch, &c);
    assert_int_equal(c.step, TLS_STEP_MORE); /* finished, but it wants a ticket */
    carry(&c, sh, &s);
    assert_int_equal(s.step, TLS_STEP_DONE);
    assert_int_equal(s.secrets.server_records, 1);
    tls_conn_start(&sc, &s.secrets, false);
    *resumed = s.resumed;
    assert_string_equal(s.server_name, "pop.test");
    carry(&s, ch, &c);
    assert_int_equal(c.step, TLS_STEP_DONE);
    tls_conn_start(&cc, &c.secrets, true);
    assert_int_equal(cc.read_record, sc.write_record);
    assert_int_equal(cc.write_record, sc.read_record);
    assert_memory_equal(cc.read_secret, sc.write_secret, 48);
    assert_memory_equal(cc.write_secret, sc.read_secret, 48);
    struct tls_client_session *session = tls_client_take_session(ch);
    assert_non_null(session);
    tls_handshake_free(ch);
    tls_handshake_free(sh);
    return session;
}

static void our_client_connects_and_resumes(void **state)
{
    for (uint16_t suite = 0x1301; suite <= 0x1303; suite++) {
        char error[TLS_ERROR_MAX];
        struct tls_client *client = tls_client_new(pki.certificate, suite, NULL, error);
        bool resumed;
        assert_non_null(client);
        struct tls_client_session *first = both_ours(client, NULL, &resumed);
        assert_false(resumed);
        struct tls_client_session *second = both_ours(client, first, &resumed);
        assert_true(resumed);
        struct tls_client_session *third = both_ours(client, first, &resumed);
        assert_true(resumed);
        tls_client_session_free(first);
        tls_client_session_free(second);
        tls_client_session_free(third);
        tls_client_free(client);
    }
}

static void our_client_refuses_a_server_it_cannot_verify(void **state)
{
    struct pki other;
    char error[TLS_ERROR_MAX];
    struct tls_step_result c, s;
    pki_make(&other, PKI_P256, 30);
    struct tls_client *client = tls_client_new(other.certificate, 0, NULL, error);
    struct tls_handshake *sh = tls_handshake_new(server),
                         *ch = tls_client_start(client, NULL, NULL, false, &c);
    carry(&c, sh, &s);
    uint8_t flight[8192];
    assert_true(s.send_len <= sizeof flight);
    memcpy(flight, s.send, s.send_len);
    c.step = TLS_STEP_MORE;
    for (size_t at = 0; at < s.send_len && c.step == TLS_STEP_MORE;
         at += (size_t)TLS_HEADER_SIZE + be16(flight + at + 3))
        tls_handshake_step(ch, flight + at, (size_t)TLS_HEADER_SIZE + be16(flight + at + 3), &c);
    assert_int_equal(c.step, TLS_STEP_FAILED);
    tls_handshake_free(ch);
    tls_handshake_free(sh);
    tls_client_free(client);
    pki_remove(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_suite_is_negotiated_and_carries_data),
        cmocka_unit_test(a_key_share_of_a_foreign_group_is_asked_for_again),
        cmocka_unit_test(aes_128_is_chosen_of_what_a_client_offers),
        cmocka_unit_test(p256_is_taken_where_x25519_is_not_offered),
        cmocka_unit_test(a_hello_in_several_records_is_put_together),
        cmocka_unit_test(a_post_quantum_share_is_passed_over),
        cmocka_unit_test(a_ticket_resumes_on_another_server_with_the_same_ticket_key_only),
        cmocka_unit_test(a_client_of_tls_1_1_is_told_protocol_version),
        cmocka_unit_test(alpn_without_http11_is_refused),
        cmocka_unit_test(alpn_with_http11_gets_it),
        cmocka_unit_test(a_client_that_distrusts_the_certificate_ends_it_by_alert),
        cmocka_unit_test(strangers_are_refused_by_name),
        cmocka_unit_test(a_step_takes_exactly_one_record),
        cmocka_unit_test(handshake_bytes_are_bounded),
        cmocka_unit_test(a_changed_byte_in_the_finished_fails_the_handshake),
        cmocka_unit_test(our_client_connects_and_resumes),
        cmocka_unit_test(our_client_refuses_a_server_it_cannot_verify),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
