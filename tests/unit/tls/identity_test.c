/*
 * Several certificates: which one a client is shown, and loading them anew while handshakes are under way.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "dataplane/tls/identity.h"
#include "peer.h"

static struct pki first, second, wild, rsa;
static struct tls_server *server;

static int start(void **state)
{
    pki_make_for(&first, PKI_P256, 30, "DNS:pop.example,DNS:www.pop.example,IP:198.18.0.1");
    pki_make_for(&second, PKI_P256, 30, "DNS:other.example");
    pki_make_for(&wild, PKI_P256, 30, "DNS:*.wild.example,DNS:deep.wild.example");
    pki_make_for(&rsa, PKI_RSA, 30, "DNS:pop.example,DNS:rsa.example,DNS:exact.wild.example");
    server = server_of_all((const struct pki *const[]){&first, &second, &wild, &rsa}, 4);
    return aead_init(AEAD_BACKEND_AUTO) ? 0 : 1;
}

static int stop(void **state)
{
    tls_server_free(server);
    pki_remove(&first);
    pki_remove(&second);
    pki_remove(&wild);
    pki_remove(&rsa);
    return 0;
}

static X509 *certificate_of(const struct pki *p)
{
    BIO *b = BIO_new_file(p->certificate, "r");
    X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
    BIO_free(b);
    assert_non_null(x);
    return x;
}

/* Shakes hands with `name` (NULL: none) and RSA signatures alone or any, in TLS 1.3 and in 1.2, and compares
 * what was shown. */
static void assert_shown(struct tls_server *s, const char *name, bool rsa_alone, const struct pki *expected)
{
    X509 *want = certificate_of(expected);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct peer p;
        struct tls_step_result result;
        struct tls_handshake *h = tls_handshake_new(s);
        peer_open(&p, NULL, NULL);
        SSL_set_min_proto_version(p.ssl, version);
        SSL_set_max_proto_version(p.ssl, version);
        if (name)
            SSL_set_tlsext_host_name(p.ssl, name);
        if (rsa_alone)
            assert_int_equal(SSL_set1_sigalgs_list(p.ssl, "rsa_pss_rsae_sha256:rsa_pkcs1_sha256"), 1);
        peer_shake(&p, h, &result);
        assert_int_equal(result.step, TLS_STEP_DONE);
        X509 *shown = SSL_get1_peer_certificate(p.ssl);
        if (X509_cmp(shown, want) != 0)
            fail_msg("%s was shown another certificate in version %x", name ? name : "(none)", version);
        X509_free(shown);
        tls_handshake_free(h);
        peer_close(&p);
    }
    X509_free(want);
}

static void a_client_is_shown_the_certificate_for_the_name_it_asks_for(void **state)
{
    assert_shown(server, "pop.example", false, &first);
    assert_shown(server, "www.pop.example", false, &first);
    assert_shown(server, "other.example", false, &second);
    assert_shown(server, "OTHER.Example", false, &second);
    assert_shown(server, "rsa.example", false, &rsa);
}

static void a_wildcard_stands_for_one_label_and_gives_way_to_an_exact_name(void **state)
{
    assert_shown(server, "a.wild.example", false, &wild);
    assert_shown(server, "deep.wild.example", false, &wild);
    assert_shown(server, "a.b.wild.example", false, &first);
    assert_shown(server, "wild.example", false, &first);
    assert_shown(server, "exact.wild.example", true, &rsa);
}

static void who_asks_for_nobody_or_a_stranger_is_shown_the_first(void **state)
{
    assert_shown(server, NULL, false, &first);
    assert_shown(server, "stranger.example", false, &first);
}

static void a_client_without_ecdsa_is_shown_the_rsa_certificate_of_the_same_name(void **state)
{
    assert_shown(server, "pop.example", true, &rsa);
    assert_shown(server, NULL, true, &rsa); /* the first one's name has it */
}

static void names_are_matched_by_the_table(void **state)
{
    static const struct {
        const char *certificate, *client;
        enum tls_name_match match;
    } cases[] = {
        {"a.example", "a.example", TLS_NAME_EXACT},
        {"a.example", "A.EXAMPLE", TLS_NAME_EXACT},
        {"A.Example", "a.example", TLS_NAME_EXACT},
        {"a.example", "a.example.", TLS_NAME_EXACT},
        {"a.example", "a.example..", TLS_NAME_NO},
        {"a.example", "b.example", TLS_NAME_NO},
        {"a.example", "aa.example", TLS_NAME_NO},
        {"a.example", "a.example.org", TLS_NAME_NO},
        {"a.example", "", TLS_NAME_NO},
        {"a.example", ".", TLS_NAME_NO},
        {"*.example.org", "a.example.org", TLS_NAME_WILDCARD},
        {"*.example.org", "example.org", TLS_NAME_NO},
        {"*.example.org", ".example.org", TLS_NAME_NO},
        {"*.example.org", "a.b.example.org", TLS_NAME_NO},
        {"*.example.org", "*.example.org", TLS_NAME_NO}, /* a client asks for hosts */
        {"*.org", "example.org", TLS_NAME_NO},
        {"*", "org", TLS_NAME_NO},
        {"f*.example.org", "foo.example.org", TLS_NAME_NO},
        {"a.*.org", "a.example.org", TLS_NAME_NO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pki p;
        struct tls_cert c;
        char names[64], error[TLS_ERROR_MAX];
        snprintf(names, sizeof names, "DNS:%s", cases[i].certificate);
        pki_make_for(&p, PKI_P256, 30, names);
        assert_true(tls_cert_load(&c, p.certificate, p.key, error, sizeof error));
        if (tls_names_match(&c.names, cases[i].client, strlen(cases[i].client)) != cases[i].match)
            fail_msg("%s for %s", cases[i].certificate, cases[i].client);
        tls_cert_free(&c);
        pki_remove(&p);
    }
}

static void one_bad_certificate_of_several_is_named(void **state)
{
    struct tls_certificate_files files[2];
    char error[TLS_ERROR_MAX] = "";
    struct pki late;
    pki_make(&late, PKI_P256, -1);
    struct tls_server_config config = server_config((const struct pki *const[]){&first, &late}, 2, files);
    assert_null(tls_server_new(&config, error));
    assert_non_null(strstr(error, late.certificate));
    pki_remove(&late);
}

static void certificates_loaded_anew_are_shown_to_the_next_client(void **state)
{
    struct pki p;
    char error[TLS_ERROR_MAX] = "", names[128];
    struct tls_certificate_files files[2];
    pki_make_for(&p, PKI_P256, 30, "DNS:old.example");
    struct tls_server *s = server_of(&p);
    X509 *old = certificate_of(&p);

    /* A handshake is under way meanwhile: it goes on with what it began with. */
    static uint8_t bytes[4096];
    struct peer peer;
    struct tls_step_result result;
    struct tls_handshake *h = tls_handshake_new(s);
    peer_open(&peer, NULL, NULL);
    SSL_do_handshake(peer.ssl);
    size_t n = peer_take(&peer, bytes, sizeof bytes);

    pki_renew(&p, PKI_RSA, "DNS:new.example");
    struct tls_server_config config = server_config((const struct pki *const[]){&p, &second}, 2, files);
    assert_true(tls_server_reload(s, &config, error));
    assert_shown(s, "new.example", false, &p);
    assert_shown(s, "other.example", false, &second);
    tls_server_describe(s, names, sizeof names);
    assert_non_null(strstr(names, "new.example (RSA, until 20"));
    assert_non_null(strstr(names, "other.example (ECDSA, until 20"));

    tls_handshake_step(h, bytes, n, &result);
    peer_give(&peer, result.send, result.send_len);
    peer_shake(&peer, h, &result);
    assert_int_equal(result.step, TLS_STEP_DONE);
    X509 *shown = SSL_get1_peer_certificate(peer.ssl);
    assert_int_equal(X509_cmp(shown, old), 0);
    X509_free(shown);
    X509_free(old);
    tls_handshake_free(h);
    peer_close(&peer);
    tls_server_free(s);
    pki_remove(&p);
}

static void a_reload_that_is_refused_changes_nothing(void **state)
{
    struct pki p, q;
    char error[TLS_ERROR_MAX] = "";
    pki_make_for(&p, PKI_P256, 30, "DNS:pop.example");
    pki_make_for(&q, PKI_P256, 30, "DNS:pop.example");
    struct tls_server *s = server_of(&p);
    struct tls_certificate_files mixed = {p.certificate, q.key};
    struct tls_server_config config = {.certificates = &mixed, .certificate_count = 1};
    assert_false(tls_server_reload(s, &config, error));
    assert_non_null(strstr(error, q.key));
    assert_non_null(strstr(error, "does not belong to"));
    assert_shown(s, "pop.example", false, &p);
    tls_server_free(s);
    pki_remove(&p);
    pki_remove(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_is_shown_the_certificate_for_the_name_it_asks_for),
        cmocka_unit_test(a_wildcard_stands_for_one_label_and_gives_way_to_an_exact_name),
        cmocka_unit_test(who_asks_for_nobody_or_a_stranger_is_shown_the_first),
        cmocka_unit_test(a_client_without_ecdsa_is_shown_the_rsa_certificate_of_the_same_name),
        cmocka_unit_test(names_are_matched_by_the_table),
        cmocka_unit_test(one_bad_certificate_of_several_is_named),
        cmocka_unit_test(certificates_loaded_anew_are_shown_to_the_next_client),
        cmocka_unit_test(a_reload_that_is_refused_changes_nothing),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
