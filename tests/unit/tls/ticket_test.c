/*
 * Session tickets: keys that change and outlive the server, how long a ticket is good; and the record limit
 * that a client asks for in its hello.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "dataplane/base/bytes.h"
#include "peer.h"

static struct pki pki;
static struct tls_server *server;
static struct peer peer;
static struct tls_step_result result;

static int start(void **state)
{
    pki_make(&pki, PKI_P256, 30);
    return aead_init(AEAD_BACKEND_AUTO) ? 0 : 1;
}

static int stop(void **state)
{
    pki_remove(&pki);
    return 0;
}

static int make_server(void **state)
{
    server = server_of(&pki);
    return 0;
}

static int free_server(void **state)
{
    tls_server_free(server);
    return 0;
}

static SSL_SESSION *kept;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION_free(kept);
    kept = session;
    return 1;
}

/* Shakes hands, resuming `session` if there is one, and keeps what ticket comes. Returns whether it was a
 * resumption. */
static bool shake(int version, SSL_SESSION *session)
{
    char nothing[1];
    struct tls_handshake *h = tls_handshake_new(server);
    peer_open(&peer, NULL, NULL);
    SSL_set_min_proto_version(peer.ssl, version);
    SSL_set_max_proto_version(peer.ssl, version);
    SSL_CTX_set_session_cache_mode(peer.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(peer.ctx, keep_session);
    if (session)
        assert_int_equal(SSL_set_session(peer.ssl, session), 1);
    peer_shake(&peer, h, &result);
    assert_int_equal(result.step, TLS_STEP_DONE);
    SSL_do_handshake(peer.ssl);
    SSL_read(peer.ssl, nothing, 1);
    if (version == TLS1_2_VERSION) /* a resumed one is not told by the callback */
        keep_session(peer.ssl, SSL_get1_session(peer.ssl));
    SSL_set_shutdown(peer.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    tls_handshake_free(h);
    peer_close(&peer);
    return result.resumed;
}

static SSL_SESSION *take_kept(void)
{
    SSL_SESSION *s = kept;
    kept = NULL;
    assert_non_null(s);
    return s;
}

/* The two newest of a row of keys. */
static void set_keys(unsigned newest)
{
    struct tls_ticket_keys keys = {.has_previous = newest > 0};
    memset(keys.current, 'a' + (int)newest, sizeof keys.current);
    memset(keys.previous, 'a' + (int)newest - 1, sizeof keys.previous);
    tls_server_tickets(server, &keys);
}

static void a_ticket_outlives_one_change_of_keys_and_not_two(void **state)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        set_keys(0);
        assert_false(shake(version, NULL));
        SSL_SESSION *ticket = take_kept();
        set_keys(1);
        assert_true(shake(version, ticket));
        set_keys(2);
        assert_false(shake(version, ticket));
        SSL_SESSION_free(ticket);
        SSL_SESSION_free(kept);
        kept = NULL;
    }
}

static void a_ticket_under_the_key_before_is_replaced_by_one_under_the_key_in_use(void **state)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        set_keys(0);
        shake(version, NULL);
        SSL_SESSION *old = take_kept();
        set_keys(1);
        assert_true(shake(version, old));
        SSL_SESSION *renewed = take_kept();
        set_keys(2);
        assert_true(shake(version, renewed));
        SSL_SESSION_free(old);
        SSL_SESSION_free(renewed);
        SSL_SESSION_free(kept);
        kept = NULL;
    }
}

static void a_client_is_told_how_long_its_ticket_is_good(void **state)
{
    static const struct {
        uint32_t asked, told;
    } cases[] = {{0, TLS_TICKET_LIFETIME_S}, {3600, 3600}, {604800, 604800}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
            char error[TLS_ERROR_MAX];
            struct tls_certificate_files files[1];
            struct tls_server_config config = server_config((const struct pki *const[]){&pki}, 1, files);
            config.ticket_lifetime_s = cases[i].asked;
            assert_true(tls_server_reload(server, &config, error));
            shake(version, NULL);
            SSL_SESSION *ticket = take_kept();
            assert_int_equal(SSL_SESSION_get_ticket_lifetime_hint(ticket), cases[i].told);
            SSL_SESSION_free(ticket);
        }
}

static void a_ticket_that_was_tampered_with_is_passed_over(void **state)
{
    set_keys(0);
    shake(TLS1_3_VERSION, NULL);
    SSL_SESSION *ticket = take_kept();
    uint8_t der[4096], *p = der;
    const unsigned char *bytes, *q;
    size_t len;
    int n = i2d_SSL_SESSION(ticket, &p);
    SSL_SESSION_get0_ticket(ticket, &bytes, &len);
    for (size_t at = 0; at < len; at += 13) { /* name, IV, contents, MAC */
        uint8_t changed[4096];
        memcpy(changed, der, (size_t)n);
        uint8_t *place = memmem(changed, (size_t)n, bytes, len);
        assert_non_null(place);
        place[at] ^= 1;
        q = changed;
        SSL_SESSION *bad = d2i_SSL_SESSION(NULL, &q, n);
        assert_non_null(bad);
        assert_false(shake(TLS1_3_VERSION, bad));
        SSL_SESSION_free(bad);
    }
    assert_true(shake(TLS1_3_VERSION, ticket));
    SSL_SESSION_free(ticket);
    SSL_SESSION_free(kept);
    kept = NULL;
}

/* ---- the record limit ---- */

static uint8_t offer[4];
static size_t offer_len;
static int answered; /* bytes of the server's answer, -1: none */
static uint16_t answer;

static int add_offer(SSL *ssl, unsigned type, unsigned context, const unsigned char **out, size_t *len,
                     X509 *x, size_t chain_index, int *alert, void *unused)
{
    *out = offer;
    *len = offer_len;
    return 1;
}

static int read_answer(SSL *ssl, unsigned type, unsigned context, const unsigned char *in, size_t len,
                       X509 *x, size_t chain_index, int *alert, void *unused)
{
    answered = (int)len;
    answer = be16(in);
    return 1;
}

/* Opens a peer that offers these bytes as its limit. */
static void open_with_offer(int version, const void *bytes, size_t len)
{
    memcpy(offer, bytes, len);
    offer_len = len;
    answered = -1;
    peer_open(&peer, NULL, NULL);
    SSL_CTX_add_custom_ext(peer.ctx, 28,
                           SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS |
                               SSL_EXT_TLS1_2_SERVER_HELLO,
                           add_offer, NULL, NULL, read_answer, NULL);
    SSL_free(peer.ssl); /* it knows the extensions from before */
    peer.ssl = SSL_new(peer.ctx);
    peer.in = BIO_new(BIO_s_mem());
    peer.out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(peer.in, -1);
    SSL_set_bio(peer.ssl, peer.in, peer.out);
    SSL_set_connect_state(peer.ssl);
    SSL_set_min_proto_version(peer.ssl, version);
    SSL_set_max_proto_version(peer.ssl, version);
}

static size_t longest_record(const uint8_t *p, size_t len)
{
    size_t longest = 0;
    for (size_t at = 0; at < len; at += TLS_HEADER_SIZE + be16(p + at + 3))
        if (p[at] == TLS_APPLICATION_DATA && be16(p + at + 3) > longest)
            longest = be16(p + at + 3);
    return longest;
}

static void a_record_limit_bounds_our_records_and_is_answered_by_ours(void **state)
{
    static const struct {
        int version;
        uint8_t offer[2];
        uint16_t limit, answer;
    } cases[] = {
        {TLS1_3_VERSION, {0x02, 0x01}, 512, 16385},   {TLS1_3_VERSION, {0x00, 0x40}, 63, 16385},
        {TLS1_3_VERSION, {0x40, 0x01}, 16384, 16385}, {TLS1_3_VERSION, {0xff, 0xff}, 16384, 16385},
        {TLS1_2_VERSION, {0x02, 0x00}, 512, 16384},   {TLS1_2_VERSION, {0x40, 0x00}, 16384, 16384},
    };
    static uint8_t hello[8192];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_handshake *h = tls_handshake_new(server);
        open_with_offer(cases[i].version, cases[i].offer, 2);
        SSL_do_handshake(peer.ssl);
        size_t n = peer_take(&peer, hello, sizeof hello);
        tls_handshake_step(h, hello, n, &result);
        assert_true(longest_record(result.send, result.send_len) <=
                    (cases[i].limit < 512 ? 512u : cases[i].limit) + 17u);
        peer_give(&peer, result.send, result.send_len);
        peer_shake(&peer, h, &result);
        assert_int_equal(result.step, TLS_STEP_DONE);
        assert_int_equal(result.secrets.record_limit, cases[i].limit);
        assert_int_equal(answered, 2);
        assert_int_equal(answer, cases[i].answer);
        tls_handshake_free(h);
        peer_close(&peer);
    }
}

static void who_asks_for_no_limit_is_told_none(void **state)
{
    shake(TLS1_3_VERSION, NULL);
    assert_int_equal(result.secrets.record_limit, TLS_PLAINTEXT_MAX);
    SSL_SESSION_free(kept);
    kept = NULL;
}

static void limits_that_are_none_are_refused(void **state)
{
    static const struct {
        uint8_t offer[3];
        size_t len;
        uint8_t alert;
    } cases[] = {{{0, 63}, 2, TLS_ALERT_ILLEGAL_PARAMETER},
                 {{0, 0}, 2, TLS_ALERT_ILLEGAL_PARAMETER},
                 {{64}, 1, TLS_ALERT_DECODE_ERROR},
                 {{64, 0, 0}, 3, TLS_ALERT_DECODE_ERROR}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_handshake *h = tls_handshake_new(server);
        open_with_offer(TLS1_3_VERSION, cases[i].offer, cases[i].len);
        peer_shake(&peer, h, &result);
        assert_int_equal(result.step, TLS_STEP_FAILED);
        assert_int_equal(result.why.alert, cases[i].alert);
        tls_handshake_free(h);
        peer_close(&peer);
    }
}

static void the_older_fragment_length_bounds_our_records_too(void **state)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls_handshake *h = tls_handshake_new(server);
        peer_open(&peer, NULL, NULL);
        SSL_set_min_proto_version(peer.ssl, version);
        SSL_set_max_proto_version(peer.ssl, version);
        SSL_set_tlsext_max_fragment_length(peer.ssl, TLSEXT_max_fragment_length_1024);
        peer_shake(&peer, h, &result);
        assert_int_equal(result.step, TLS_STEP_DONE);
        assert_int_equal(result.secrets.record_limit, 1024);
        tls_handshake_free(h);
        peer_close(&peer);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_server, free_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_ticket_outlives_one_change_of_keys_and_not_two),
        TEST(a_ticket_under_the_key_before_is_replaced_by_one_under_the_key_in_use),
        TEST(a_client_is_told_how_long_its_ticket_is_good),
        TEST(a_ticket_that_was_tampered_with_is_passed_over),
        TEST(a_record_limit_bounds_our_records_and_is_answered_by_ours),
        TEST(who_asks_for_no_limit_is_told_none),
        TEST(limits_that_are_none_are_refused),
        TEST(the_older_fragment_length_bounds_our_records_too),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
