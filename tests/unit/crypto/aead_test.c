/*
 * The AEADs against published vectors, against one another, and against libsodium.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <pthread.h>
#include <sodium.h>
#include "dataplane/base/bytes.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/hchacha20.h"
#include "hex.h"

static const enum aead_backend backends[] = {AEAD_BACKEND_IPSEC_MB, AEAD_BACKEND_OPENSSL};

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint32_t random_u32(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 32);
}

static void random_bytes(uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)random_u32();
}

struct vector {
    const char *name;
    enum aead_algorithm algorithm;
    const char *key, *nonce, *aad, *plain, *sealed; /* sealed: ciphertext, then tag */
};

#define SUNSCREEN                                                                                            \
    "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a204966204920636f756c" \
    "64206f66666572"                                                                                         \
    "20796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73637265656e20776f756c642062" \
    "652069742e"
#define COUNTING_KEY  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define VOICE_NONCE12 "00000001 0000000000000000"
#define VOICE_NONCE24 "00000001 0000000000000000000000000000000000000000"

static const struct vector vectors[] = {
    {"GCM specification, case 4", AEAD_AES_128_GCM, "feffe9928665731c6d6a8f9467308308",
     "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf"
     "5aa0de657ba637b39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b3"
     "96a0aac973d58e091"
     "5bc94fbc3221a5db94fae95ae7121a47"},
    {"GCM specification, case 16", AEAD_AES_256_GCM,
     "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf"
     "5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6"
     "393ba7a0abcc9f662"
     "76fc6ece0f4e1768cddf8853bb2d551b"},
    {"RFC 8439 2.8.2", AEAD_CHACHA20_POLY1305,
     "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", "070000004041424344454647",
     "50515253c0c1c2c3c4c5c6c7", SUNSCREEN,
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0"
     "a9e060b2905d6a5b67e"
     "cd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6"
     "116"
     "1ae10b594f09e26a7e902ecbd0600691"},
    {"draft-irtf-cfrg-xchacha A.3.1", AEAD_XCHACHA20_POLY1305,
     "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
     "404142434445464748494a4b4c4d4e4f5051525354555657", "50515253c0c1c2c3c4c5c6c7", SUNSCREEN,
     "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c67"
     "08c54c216cb96b72e12"
     "13b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b"
     "52e"
     "c0875924c1c7987947deafd8780acf49"},
    {"voice, AES-256-GCM", AEAD_AES_256_GCM, COUNTING_KEY, VOICE_NONCE12, "80780001000003c000003039",
     "f8fffe", "bcc933 52177d1556c79e0ebde42f854ca27751"},
    {"voice, AES-256-GCM, extension", AEAD_AES_256_GCM, COUNTING_KEY, VOICE_NONCE12,
     "90780001000003c000003039bede0001", "107f0000 f8fffe",
     "5449cdaaf4a50a 4d792b1c863c31ae19470177147b27f5"},
    {"voice, XChaCha20-Poly1305", AEAD_XCHACHA20_POLY1305, COUNTING_KEY, VOICE_NONCE24,
     "80780001000003c000003039", "f8fffe", "f158af f80ffdd729b8527eeadceb6aa6333a05"},
    {"voice, XChaCha20-Poly1305, extension", AEAD_XCHACHA20_POLY1305, COUNTING_KEY, VOICE_NONCE24,
     "90780001000003c000003039bede0001", "107f0000 f8fffe",
     "19d8512097ff6f a07c68321c079743d660077ebaf6ce8f"},
};

static void published_vectors_are_met_by_both_backends(void **state)
{
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const struct vector *v = &vectors[i];
        uint8_t raw[32], nonce[24], aad[64], plain[256], sealed[256], out[256], tag[16];
        assert_int_equal(unhex(v->key, raw), aead_key_size(v->algorithm));
        assert_int_equal(unhex(v->nonce, nonce), aead_nonce_size(v->algorithm));
        size_t aad_len = unhex(v->aad, aad), len = unhex(v->plain, plain);
        assert_int_equal(unhex(v->sealed, sealed), len + AEAD_TAG_SIZE);
        for (int b = 0; b < 2; b++) {
            struct aead_key key;
            aead_key_expand_on(backends[b], &key, v->algorithm, raw);
            aead_seal(&key, nonce, aad, aad_len, plain, len, out, tag);
            assert_memory_equal(out, sealed, len);
            assert_memory_equal(tag, sealed + len, AEAD_TAG_SIZE);
            assert_true(aead_open(&key, nonce, aad, aad_len, sealed, len, sealed + len, out));
            assert_memory_equal(out, plain, len);
        }
    }
}

static void hchacha20_meets_the_drafts_vector(void **state)
{
    uint8_t key[32], input[16], want[32], subkey[32];
    unhex(COUNTING_KEY, key);
    unhex("000000090000004a0000000031415927", input);
    unhex("82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc", want);
    hchacha20(subkey, key, input);
    assert_memory_equal(subkey, want, 32);
}

#define LENGTH_MAX 17000

static void backends_agree_at_every_length(void **state)
{
    static uint8_t plain[LENGTH_MAX], sealed[2][LENGTH_MAX], opened[LENGTH_MAX];
    for (int round = 0; round < 1200; round++) {
        /* Every short length in turn, then lengths up to a whole TLS record. */
        size_t len = round < 800 ? (size_t)round : random_u32() % LENGTH_MAX, aad_len = random_u32() % 40;
        uint8_t raw[32], nonce[24], aad[40], tag[2][16];
        random_bytes(raw, sizeof raw);
        random_bytes(nonce, sizeof nonce);
        random_bytes(aad, sizeof aad);
        random_bytes(plain, len);
        for (unsigned a = 0; a < AEAD_ALGORITHM_COUNT; a++) {
            struct aead_key keys[2];
            for (int b = 0; b < 2; b++) {
                aead_key_expand_on(backends[b], &keys[b], (enum aead_algorithm)a, raw);
                aead_seal(&keys[b], nonce, aad, aad_len, plain, len, sealed[b], tag[b]);
            }
            assert_memory_equal(sealed[0], sealed[1], len);
            assert_memory_equal(tag[0], tag[1], 16);
            for (int b = 0; b < 2; b++) {
                assert_true(aead_open(&keys[b], nonce, aad, aad_len, sealed[0], len, tag[0], opened));
                assert_memory_equal(opened, plain, len);
            }
        }
    }
}

static void xchacha20_agrees_with_libsodium(void **state)
{
    uint8_t plain[600], sealed[600], want[600], aad[40], raw[32], nonce[24], tag[16], want_tag[16];
    for (size_t len = 0; len < sizeof plain; len++) {
        size_t aad_len = len % sizeof aad;
        random_bytes(plain, len);
        random_bytes(aad, aad_len);
        random_bytes(raw, 32);
        random_bytes(nonce, 24);
        crypto_aead_xchacha20poly1305_ietf_encrypt_detached(want, want_tag, NULL, plain, len, aad, aad_len,
                                                            NULL, nonce, raw);
        for (int b = 0; b < 2; b++) {
            struct aead_key key;
            aead_key_expand_on(backends[b], &key, AEAD_XCHACHA20_POLY1305, raw);
            aead_seal(&key, nonce, aad, aad_len, plain, len, sealed, tag);
            assert_memory_equal(sealed, want, len);
            assert_memory_equal(tag, want_tag, 16);
        }
    }
}

static void sealing_in_place_gives_the_same_bytes(void **state)
{
    uint8_t raw[32], nonce[24], aad[5] = {23, 3, 3, 0, 9}, plain[300], apart[300], place[300], tag[2][16];
    random_bytes(raw, 32);
    random_bytes(nonce, 24);
    random_bytes(plain, sizeof plain);
    for (int b = 0; b < 2; b++)
        for (unsigned a = 0; a < AEAD_ALGORITHM_COUNT; a++) {
            struct aead_key key;
            aead_key_expand_on(backends[b], &key, (enum aead_algorithm)a, raw);
            memcpy(place, plain, sizeof plain);
            aead_seal(&key, nonce, aad, 5, plain, sizeof plain, apart, tag[0]);
            aead_seal(&key, nonce, aad, 5, place, sizeof place, place, tag[1]);
            assert_memory_equal(apart, place, sizeof place);
            assert_memory_equal(tag[0], tag[1], 16);
            assert_true(aead_open(&key, nonce, aad, 5, place, sizeof place, tag[1], place));
            assert_memory_equal(place, plain, sizeof plain);
        }
}

/* Flips one bit of everything that is authenticated, in turn. */
static void any_changed_bit_is_refused_and_nothing_is_shown(void **state)
{
    enum { LEN = 37, AAD = 12 };
    static const uint8_t zero[LEN];
    for (int b = 0; b < 2; b++)
        for (unsigned a = 0; a < AEAD_ALGORITHM_COUNT; a++) {
            struct {
                uint8_t nonce[24], aad[AAD], sealed[LEN], tag[16];
            } good, bad;
            uint8_t raw[32], plain[LEN], out[LEN];
            struct aead_key key;
            random_bytes(raw, 32);
            random_bytes((uint8_t *)&good, sizeof good);
            random_bytes(plain, LEN);
            aead_key_expand_on(backends[b], &key, (enum aead_algorithm)a, raw);
            aead_seal(&key, good.nonce, good.aad, AAD, plain, LEN, good.sealed, good.tag);
            for (size_t bit = 0; bit < 8 * sizeof good; bit++) {
                if (bit / 8 >= aead_nonce_size((enum aead_algorithm)a) && bit / 8 < 24)
                    continue; /* a short nonce ends here */
                if (a == AEAD_XSALSA20_POLY1305 && bit / 8 >= 24 && bit / 8 < 24 + AAD)
                    continue; /* a secretbox has no additional data */
                bad = good;
                ((uint8_t *)&bad)[bit / 8] ^= (uint8_t)(1 << bit % 8);
                memset(out, 0xaa, LEN);
                assert_false(aead_open(&key, bad.nonce, bad.aad, AAD, bad.sealed, LEN, bad.tag, out));
                assert_memory_equal(out, zero, LEN);
            }
            assert_true(aead_open(&key, good.nonce, good.aad, AAD, good.sealed, LEN, good.tag, out));
        }
}

static void a_batch_of_mixed_keys_equals_single_seals(void **state)
{
    enum { N = 65, LEN = 300 };
    static struct aead_key keys[N];
    static struct aead_seal jobs[N];
    static uint8_t plain[LEN], aad[20], out[N][LEN + 16], want[LEN + 16];
    random_bytes(plain, LEN);
    random_bytes(aad, sizeof aad);
    for (size_t n = 0; n <= N; n += n < 8 ? 1 : 19) {
        for (size_t i = 0; i < n; i++) {
            uint8_t raw[32];
            uint32_t len = random_u32() % (LEN + 1);
            random_bytes(raw, 32);
            aead_key_expand_on(backends[i % 2], &keys[i],
                               (enum aead_algorithm)(random_u32() % AEAD_ALGORITHM_COUNT), raw);
            jobs[i] = (struct aead_seal){&keys[i], aad, plain, out[i], out[i] + len, sizeof aad, len, {0}, {0}};
            random_bytes(jobs[i].nonce, sizeof jobs[i].nonce);
        }
        aead_seal_batch(jobs, n);
        for (size_t i = 0; i < n; i++) {
            aead_seal(&keys[i], jobs[i].nonce, aad, sizeof aad, plain, jobs[i].len, want, want + jobs[i].len);
            assert_memory_equal(out[i], want, jobs[i].len + 16);
        }
    }
}

static void backend_names_are_read_and_written(void **state)
{
    enum aead_backend b = AEAD_BACKEND_OPENSSL;
    assert_true(aead_backend_parse("auto", &b));
    assert_int_equal(b, AEAD_BACKEND_AUTO);
    assert_true(aead_backend_parse("ipsec-mb", &b));
    assert_int_equal(b, AEAD_BACKEND_IPSEC_MB);
    assert_true(aead_backend_parse("openssl", &b));
    assert_string_equal(aead_backend_name(b), "openssl");
    assert_false(aead_backend_parse("ipsec", &b));
    assert_int_equal(b, AEAD_BACKEND_OPENSSL);
    assert_true(aead_init(AEAD_BACKEND_OPENSSL));
    assert_int_equal(aead_backend_current(), AEAD_BACKEND_OPENSSL);
    assert_true(aead_init(AEAD_BACKEND_AUTO));
    assert_int_not_equal(aead_backend_current(), AEAD_BACKEND_AUTO);
}

/* Two keys in turns on each of two threads: a context keyed for one thread or key never serves another. */
static void *seal_in_turns(void *failed)
{
    struct aead_key keys[2];
    uint8_t raw[32] = {0}, nonce[12] = {0}, out[2][64], tag[16], plain[64] = {0}, want[2][64];
    for (int k = 0; k < 2; k++) {
        raw[0] = (uint8_t)(k + 1);
        aead_key_expand_on(AEAD_BACKEND_OPENSSL, &keys[k], AEAD_AES_256_GCM, raw);
        aead_seal(&keys[k], nonce, NULL, 0, plain, sizeof plain, want[k], tag);
    }
    for (int i = 0; i < 2000; i++) {
        int k = i / 3 % 2;
        aead_seal(&keys[k], nonce, NULL, 0, plain, sizeof plain, out[k], tag);
        if (memcmp(out[k], want[k], sizeof plain) != 0 ||
            !aead_open(&keys[k], nonce, NULL, 0, out[k], 64, tag, out[k]))
            *(bool *)failed = true;
    }
    return NULL;
}

static void threads_and_keys_do_not_disturb_each_other(void **state)
{
    pthread_t threads[2];
    bool failed[2] = {false, false};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, seal_in_turns, &failed[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_false(failed[0] || failed[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors_are_met_by_both_backends),
        cmocka_unit_test(hchacha20_meets_the_drafts_vector),
        cmocka_unit_test(backends_agree_at_every_length),
        cmocka_unit_test(xchacha20_agrees_with_libsodium),
        cmocka_unit_test(sealing_in_place_gives_the_same_bytes),
        cmocka_unit_test(any_changed_bit_is_refused_and_nothing_is_shown),
        cmocka_unit_test(a_batch_of_mixed_keys_equals_single_seals),
        cmocka_unit_test(backend_names_are_read_and_written),
        cmocka_unit_test(threads_and_keys_do_not_disturb_each_other),
    };
    if (!aead_init(AEAD_BACKEND_IPSEC_MB))
        return 77; /* this processor has one backend only: nothing to compare */
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
