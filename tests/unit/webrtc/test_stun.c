/*
 * Binding requests as ICE agents send them, and the answers of a lite one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/bytes.h"
#include "dataplane/webrtc/stun.h"

/* RFC 5769 2.1 */
static const uint8_t sample[108] =
    "\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
    "\x80\x22\x00\x10STUN test "
    "client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36"
    "\x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20"
    "\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2"
    "\x80\x28\x00\x04\xe5\x7a\x3b\xcf";
static const char password[] = "VOkJxbRl1RmTxUk/WvJxBt";
#define PASSWORD password, sizeof password - 1

/* RFC 5769 2.2 and 2.3, without SOFTWARE, are made anew below: these are their mapped addresses. */
static const uint8_t mapped4[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
static const uint8_t mapped6[16] = {0x20, 0x01, 0x0d, 0xb8, 0x12, 0x34, 0x56, 0x78,
                                    0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77};

static struct stun_request parsed(void)
{
    struct stun_request r;
    assert_int_equal(stun_parse(sample, sizeof sample, &r), STUN_REQUEST);
    return r;
}

static void the_request_of_rfc_5769_is_understood(void **state)
{
    struct stun_request r = parsed();
    assert_int_equal(r.username_length, 9);
    assert_memory_equal(r.username, "evtj:h6vY", 9);
    assert_true(r.controlled);
    assert_false(r.controlling);
    assert_false(r.use_candidate);
    assert_true(r.has_fingerprint);
    assert_int_equal(r.unknown_count, 0);
    assert_true(stun_authentic(sample, &r, PASSWORD));
}

static void another_password_or_a_changed_byte_does_not_authenticate(void **state)
{
    struct stun_request r = parsed();
    assert_false(stun_authentic(sample, &r, password, sizeof password - 2));
    for (size_t bit = 0; bit < 8 * sizeof sample; bit++) {
        uint8_t changed[sizeof sample];
        memcpy(changed, sample, sizeof changed);
        changed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum stun_result result = stun_parse(changed, sizeof changed, &r);
        if (result == STUN_REQUEST &&
            !r.has_fingerprint) /* the attribute's type was changed: one behind integrity */
            continue;
        assert_int_not_equal(result, STUN_REQUEST);
    }
}

static void lengths_that_do_not_fit_are_malformed(void **state)
{
    struct stun_request r;
    for (size_t len = 0; len < sizeof sample; len++) {
        uint8_t *p = malloc(len ? len : 1);
        memcpy(p, sample, len);
        assert_int_equal(stun_parse(p, len, &r), STUN_MALFORMED);
        if (len >= STUN_HEADER) {
            put_be16(p + 2, (uint16_t)(len - STUN_HEADER));
            enum stun_result result = stun_parse(p, len, &r);
            assert_true(result == STUN_REQUEST || result == STUN_MALFORMED);
            if (result == STUN_REQUEST && r.integrity_at)
                assert_true(r.integrity_at + 24u <= len);
        }
        free(p);
    }
}

static void unknown_attributes_count_only_where_they_must_be_understood(void **state)
{
    uint8_t p[36] = {0, 1, 0, 16, 0x21, 0x12, 0xa4, 0x42};
    struct stun_request r;
    put_be32(p + 20, 0x7fff0004u);
    put_be32(p + 28, 0xc0570004u); /* of a browser: may be passed over */
    assert_int_equal(stun_parse(p, sizeof p, &r), STUN_REQUEST);
    assert_int_equal(r.unknown_count, 1);
    assert_int_equal(r.unknown[0], 0x7fff);
    uint8_t out[STUN_ANSWER_MAX];
    size_t len = stun_failure(out, &r, STUN_UNKNOWN_ATTRIBUTE, NULL, 0);
    assert_int_equal(be16(out), 0x0111);
    assert_int_equal(be16(out + 2), len - STUN_HEADER);
    assert_memory_equal(out + 20, "\0\x09\0\4\0\0\4\24", 8);
    assert_memory_equal(out + 28, "\0\x0a\0\2\x7f\xff\0\0", 8);
}

/* An answer is taken apart by hand; its transaction, integrity and fingerprint hold. */
static void success_names(const uint8_t ip[16], uint16_t port, uint8_t family, size_t size)
{
    struct stun_request r = parsed(), answer = {0};
    uint8_t out[STUN_ANSWER_MAX];
    size_t len = stun_success(out, &r, ip, port, PASSWORD);
    assert_int_equal(be16(out), 0x0101);
    assert_int_equal(be16(out + 2), len - STUN_HEADER);
    assert_memory_equal(out + 4, sample + 4, 16);
    assert_int_equal(be16(out + 20), 0x0020);
    assert_int_equal(out[25], family);
    assert_int_equal(be16(out + 26) ^ 0x2112, port);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(out[28 + i] ^ out[4 + i], ip[16 - size + i]);
    out[0] = 0,
    out[1] = 1; /* as a request it can be read by the same parser; the fingerprint is then another's */
    assert_int_equal(stun_parse(out, len, &answer), STUN_FINGERPRINT);
    assert_int_equal(stun_parse(out, len - 8, &answer), STUN_MALFORMED);
    put_be16(out + 2, (uint16_t)(len - 8 - STUN_HEADER));
    assert_int_equal(stun_parse(out, len - 8, &answer), STUN_REQUEST);
    out[0] = 1, out[1] = 1;
    assert_true(stun_authentic(out, &answer, PASSWORD));
}

static void a_success_names_the_address_that_was_seen(void **state)
{
    success_names(mapped4, 32853, 1, 4);
    success_names(mapped6, 32853, 2, 16);
}

/* The values of RFC 5769 2.2: X-Port a147, X-Address e112a643. */
static void the_mapped_address_is_the_one_of_rfc_5769(void **state)
{
    struct stun_request r = parsed();
    uint8_t out[STUN_ANSWER_MAX];
    stun_success(out, &r, mapped4, 32853, PASSWORD);
    assert_memory_equal(out + 20, "\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43", 12);
    stun_success(out, &r, mapped6, 32853, PASSWORD);
    assert_memory_equal(
        out + 20,
        "\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9",
        24);
}

static void a_refusal_without_credentials_is_no_longer_than_the_shortest_question(void **state)
{
    struct stun_request r = parsed();
    uint8_t out[STUN_ANSWER_MAX];
    assert_true(stun_failure(out, &r, STUN_UNAUTHENTICATED, NULL, 0) <= 20 + 8 + 8);
    assert_memory_equal(out + 20, "\0\x09\0\4\0\0\4\1", 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_of_rfc_5769_is_understood),
        cmocka_unit_test(another_password_or_a_changed_byte_does_not_authenticate),
        cmocka_unit_test(lengths_that_do_not_fit_are_malformed),
        cmocka_unit_test(unknown_attributes_count_only_where_they_must_be_understood),
        cmocka_unit_test(a_success_names_the_address_that_was_seen),
        cmocka_unit_test(the_mapped_address_is_the_one_of_rfc_5769),
        cmocka_unit_test(a_refusal_without_credentials_is_no_longer_than_the_shortest_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
