/*
 * DTLS associations against OpenSSL as a client: keys agree, fingerprints decide, hellos may come in pieces
 * and in any order, lost flights are sent again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "dataplane/base/bytes.h"
#include "dataplane/webrtc/helper.h"
#include "dataplane/webrtc/srtp.h"
#include "tests/unit/include/wait.h"

#define DATAGRAMS_MAX 64u
#define PROFILES      "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM"

/* Datagrams on their way. */
struct flight {
    unsigned count;
    struct {
        size_t len;
        uint8_t bytes[2048];
    } datagram[DATAGRAMS_MAX];
};

struct client {
    SSL_CTX *context;
    SSL *ssl;
    struct dtls_expected expected; /* of its certificate */
};

static struct peer_identity box;
static struct dtls_server *server;

static struct dtls_result result;

static unsigned never(SSL *ssl, unsigned before_us)
{
    return 3600000000u;
}

static struct client client_new(const char *profiles, const char *groups, unsigned mtu)
{
    struct client c = {.expected.hash = PEER_SHA256};
    struct peer_identity own;
    assert_true(dtls_identity_make(&own));
    memcpy(c.expected.fingerprint, own.fingerprint, sizeof own.fingerprint);
    c.context = SSL_CTX_new(DTLS_client_method());
    SSL_CTX_use_certificate_ASN1(c.context, own.certificate_length, own.certificate);
    SSL_CTX_use_PrivateKey_ASN1(EVP_PKEY_EC, c.context, own.key, own.key_length);
    SSL_CTX_set_options(c.context, SSL_OP_NO_QUERY_MTU);
    assert_int_equal(SSL_CTX_set1_groups_list(c.context, groups), 1);
    if (profiles)
        assert_int_equal(SSL_CTX_set_tlsext_use_srtp(c.context, profiles), 0);
    c.ssl = SSL_new(c.context);
    SSL_set_bio(c.ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    BIO_set_mem_eof_return(SSL_get_rbio(c.ssl), -1);
    SSL_set_connect_state(c.ssl);
    SSL_set_mtu(c.ssl, mtu);
    DTLS_set_timer_cb(c.ssl, never);
    return c;
}

static void client_free(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->context);
}

static void cut(struct flight *f, const uint8_t *p, size_t len, size_t record_max)
{
    f->count = 0;
    for (size_t at = 0; at < len;) {
        size_t size = record_max ? 13u + be16(p + at + 11) : dtls_cut(p + at, len - at);
        assert_true(f->count < DATAGRAMS_MAX && size <= DTLS_DATAGRAM_MAX);
        memcpy(f->datagram[f->count].bytes, p + at, size);
        f->datagram[f->count++].len = size;
        at += size;
    }
}

/* The client takes its next step; what it wants to send, a record a datagram. */
static void client_step(struct client *c, const struct flight *in, struct flight *out)
{
    uint8_t bytes[16384];
    for (unsigned i = 0; in && i < in->count; i++) {
        BIO_write(SSL_get_rbio(c->ssl), in->datagram[i].bytes, (int)in->datagram[i].len);
        SSL_do_handshake(c->ssl);
    }
    if (!in)
        SSL_do_handshake(c->ssl);
    int n = BIO_read(SSL_get_wbio(c->ssl), bytes, sizeof bytes);
    cut(out, bytes, n > 0 ? (size_t)n : 0, 1);
}

static void server_step(struct dtls *d, const struct flight *in, struct flight *out)
{
    out->count = 0;
    for (unsigned i = 0; i < in->count; i++) {
        dtls_input(d, in->datagram[i].bytes, in->datagram[i].len, &result);
        if (result.send_len)
            cut(out, result.send, result.send_len, 0);
        if (result.keyed || result.state == DTLS_FAILED)
            return;
    }
}

static void reverse(struct flight *f)
{
    for (unsigned i = 0; i < f->count / 2; i++) {
        struct flight *swap = malloc(sizeof *swap);
        swap->datagram[0] = f->datagram[i];
        f->datagram[i] = f->datagram[f->count - 1 - i];
        f->datagram[f->count - 1 - i] = swap->datagram[0];
        free(swap);
    }
}

/* To the end; true: keys came. */
static bool shake(struct client *c, struct dtls *d)
{
    static struct flight to_server, to_client;
    client_step(c, NULL, &to_server);
    for (unsigned round = 0; round < 8; round++) {
        server_step(d, &to_server, &to_client);
        if (result.state == DTLS_FAILED)
            return false;
        bool keyed = result.keyed;
        client_step(c, &to_client, &to_server);
        if (keyed)
            return true;
    }
    return false;
}

static void expect_same_keys(struct client *c)
{
    uint8_t material[92];
    size_t key = srtp_key_size(result.keys.profile), salt = srtp_salt_size(result.keys.profile);
    assert_int_equal(SSL_get_selected_srtp_profile(c->ssl)->id, result.keys.profile);
    assert_int_equal(
        SSL_export_keying_material(c->ssl, material, 2 * (key + salt), "EXTRACTOR-dtls_srtp", 19, NULL, 0, 0),
        1);
    assert_memory_equal(result.keys.key_in, material, key);
    assert_memory_equal(result.keys.key_out, material + key, key);
    assert_memory_equal(result.keys.salt_in, material + 2 * key, salt);
    assert_memory_equal(result.keys.salt_out, material + 2 * key + salt, salt);
}

static void both_sides_have_the_same_keys_of_the_profile_we_prefer(void **state)
{
    struct client c = client_new(PROFILES, "X25519:P-256", 1200);
    struct dtls *d = dtls_new(server, &c.expected);
    assert_true(shake(&c, d));
    assert_int_equal(result.keys.profile, PROFILE_AEAD_AES_128_GCM);
    assert_true(SSL_is_init_finished(c.ssl));
    expect_same_keys(&c);
    dtls_free(d);
    client_free(&c);
}

static void a_client_that_offers_one_profile_gets_it(void **state)
{
    static const char *const names[] = {"SRTP_AEAD_AES_256_GCM", "SRTP_AES128_CM_SHA1_80"};
    static const uint8_t profiles[] = {PROFILE_AEAD_AES_256_GCM, PROFILE_AES128_CM_SHA1_80};
    for (unsigned i = 0; i < 2; i++) {
        struct client c = client_new(names[i], "P-256", 1200);
        struct dtls *d = dtls_new(server, &c.expected);
        assert_true(shake(&c, d));
        assert_int_equal(result.keys.profile, profiles[i]);
        expect_same_keys(&c);
        dtls_free(d);
        client_free(&c);
    }
}

static void without_srtp_there_is_no_association(void **state)
{
    struct client c = client_new(NULL, "X25519:P-256", 1200);
    struct dtls *d = dtls_new(server, &c.expected);
    assert_false(shake(&c, d));
    assert_int_equal(result.state, DTLS_FAILED);
    dtls_free(d);
    client_free(&c);
}

static void another_certificate_than_announced_gets_no_keys(void **state)
{
    struct client c = client_new(PROFILES, "X25519:P-256", 1200);
    struct dtls_expected expected = c.expected;
    expected.fingerprint[31] ^= 1;
    struct dtls *d = dtls_new(server, &expected);
    assert_false(shake(&c, d));
    assert_int_equal(result.state, DTLS_FAILED);
    assert_false(result.keyed);
    dtls_free(d);
    client_free(&c);
}

/* A hello as long as those with post-quantum key shares, by a list of protocols. */
static struct client client_with_a_long_hello(void)
{
    static uint8_t protocols[1500];
    struct client c = client_new(PROFILES, "X25519:P-256", 256);
    for (size_t at = 0; at < sizeof protocols; at += 15) {
        memset(protocols + at, 'a' + (int)(at % 26), 15);
        protocols[at] = 14;
    }
    SSL_set_alpn_protos(c.ssl, protocols, sizeof protocols);
    return c;
}

static void a_hello_in_fragments_and_backwards_is_put_together(void **state)
{
    static struct flight hello, answer;
    struct client c = client_with_a_long_hello();
    struct dtls *d = dtls_new(server, &c.expected);
    client_step(&c, NULL, &hello);
    assert_true(hello.count >= 6);
    reverse(&hello);
    server_step(d, &hello, &answer);
    assert_int_equal(result.state, DTLS_SHAKING);
    assert_true(answer.count > 0);
    client_step(&c, &answer, &hello);
    server_step(d, &hello, &answer);
    assert_true(result.keyed);
    expect_same_keys(&c);
    dtls_free(d);
    client_free(&c);
}

static void a_flight_that_was_lost_is_sent_again(void **state)
{
    static struct flight to_server, to_client;
    struct client c = client_new(PROFILES, "X25519:P-256", 1200);
    struct dtls *d = dtls_new(server, &c.expected);
    client_step(&c, NULL, &to_server);
    server_step(d, &to_server, &to_client); /* which nobody receives */
    dtls_again(d, &result);
    assert_true(result.send_len > 200);
    cut(&to_client, result.send, result.send_len, 0);
    client_step(&c, &to_client, &to_server);
    server_step(d, &to_server, &to_client);
    assert_true(result.keyed);
    expect_same_keys(&c);
    dtls_again(d, &result);
    assert_int_equal(result.send_len, 0); /* it is over */
    dtls_free(d);
    client_free(&c);
}

static void a_close_notify_ends_it_and_rubbish_does_not(void **state)
{
    static struct flight to_server, to_client;
    static const uint8_t rubbish[32] = {23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 19};
    uint8_t bytes[2048];
    struct client c = client_new(PROFILES, "X25519:P-256", 1200);
    struct dtls *d = dtls_new(server, &c.expected);
    assert_true(shake(&c, d));
    dtls_input(d, rubbish, sizeof rubbish, &result);
    assert_int_equal(result.state, DTLS_DONE);
    SSL_shutdown(c.ssl);
    int n = BIO_read(SSL_get_wbio(c.ssl), bytes, sizeof bytes);
    cut(&to_server, bytes, (size_t)n, 1);
    server_step(d, &to_server, &to_client);
    assert_int_equal(result.state, DTLS_CLOSED);
    dtls_free(d);
    client_free(&c);
}

static void a_peer_that_never_ends_its_handshake_is_refused(void **state)
{
    static struct flight hello;
    struct client c = client_new(PROFILES, "X25519:P-256", 1200);
    struct dtls *d = dtls_new(server, &c.expected);
    client_step(&c, NULL, &hello);
    unsigned n = 0;
    do
        dtls_input(d, hello.datagram[0].bytes, hello.datagram[0].len, &result);
    while (result.state == DTLS_SHAKING && n++ < 10000);
    assert_int_equal(result.state, DTLS_FAILED);
    assert_true(n * hello.datagram[0].len <= DTLS_INPUT_MAX + 2048);
    dtls_free(d);
    client_free(&c);
}

/* The result of what was handed in, when the thread has made one. */
static void wait_for(struct dtls_helper *h, struct dtls_helper_result *r)
{
    while (!dtls_helper_poll(h, 0, r))
        wait_turn();
}

static void the_thread_does_the_same_and_bounds_associations(void **state)
{
    static struct flight to_server, to_client;
    char error[DTLS_ERROR_MAX];
    struct dtls_helper_config config = {
        .server = server, .workers = 1, .associations_max = 2, .ring_bytes = 256u << 10};
    struct dtls_helper *h = dtls_helper_start(&config, error);
    struct dtls_helper_result r = {.result.state = DTLS_SHAKING};
    struct client c = client_new(PROFILES, "X25519:P-256", 1200);
    assert_non_null(h);
    client_step(&c, NULL, &to_server);
    assert_true(dtls_helper_begin(h, 0, 7, &c.expected, to_server.datagram[0].bytes,
                                  (uint32_t)to_server.datagram[0].len));
    wait_for(h, &r);
    assert_int_equal(r.handle, 7);
    cut(&to_client, r.result.send, r.result.send_len, 0);
    client_step(&c, &to_client, &to_server);
    for (unsigned i = 0; i < to_server.count; i++) {
        assert_true(
            dtls_helper_input(h, 0, 7, to_server.datagram[i].bytes, (uint32_t)to_server.datagram[i].len));
        wait_for(h, &r);
    }
    assert_true(r.result.keyed);
    result = r.result;
    expect_same_keys(&c);
    assert_true(dtls_helper_begin(h, 0, 8, &c.expected, to_server.datagram[0].bytes, 1));
    assert_false(dtls_helper_begin(h, 0, 9, &c.expected, to_server.datagram[0].bytes, 1));
    dtls_helper_end(h, 0, 8);
    assert_true(dtls_helper_begin(h, 0, 9, &c.expected, to_server.datagram[0].bytes, 1));
    dtls_helper_end(h, 0, 9);
    dtls_helper_end(h, 0, 7);
    dtls_helper_stop(h);
    client_free(&c);
}

static int start(void **state)
{
    char error[DTLS_ERROR_MAX];
    if (!aead_init(AEAD_BACKEND_AUTO) || !dtls_identity_make(&box))
        return -1;
    server = dtls_server_new(&box, error);
    return server ? 0 : -1;
}

static int stop(void **state)
{
    dtls_server_free(server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_have_the_same_keys_of_the_profile_we_prefer),
        cmocka_unit_test(a_client_that_offers_one_profile_gets_it),
        cmocka_unit_test(without_srtp_there_is_no_association),
        cmocka_unit_test(another_certificate_than_announced_gets_no_keys),
        cmocka_unit_test(a_hello_in_fragments_and_backwards_is_put_together),
        cmocka_unit_test(a_flight_that_was_lost_is_sent_again),
        cmocka_unit_test(a_close_notify_ends_it_and_rubbish_does_not),
        cmocka_unit_test(a_peer_that_never_ends_its_handshake_is_refused),
        cmocka_unit_test(the_thread_does_the_same_and_bounds_associations),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
