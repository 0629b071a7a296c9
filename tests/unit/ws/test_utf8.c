/*
 * The validator against the definition: every code point, every two- to four-byte start, in any pieces.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/ws/utf8.h"
#include "tests/unit/http/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct guard guard;

/* RFC 3629 3, for any 31-bit number. */
static size_t encode(uint32_t point, unsigned bytes, uint8_t *dst)
{
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0, 0xf8, 0xfc};
    if (bytes == 1) {
        dst[0] = (uint8_t)point;
        return 1;
    }
    for (unsigned i = bytes - 1; i > 0; i--, point >>= 6)
        dst[i] = 0x80 | (point & 0x3f);
    dst[0] = lead[bytes] | (uint8_t)point;
    return bytes;
}

static unsigned shortest(uint32_t point)
{
    return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

static void every_code_point_but_surrogates_is_valid_in_its_shortest_form_only(void **state)
{
    for (uint32_t point = 0; point < 0x200000; point++) {
        for (unsigned bytes = 1; bytes <= 4; bytes++) {
            static const uint32_t end[] = {0, 0x80, 0x800, 0x10000, 0x200000};
            uint8_t text[4];
            if (point >= end[bytes])
                continue;
            encode(point, bytes, text);
            bool surrogate = point >= 0xd800 && point <= 0xdfff;
            bool expected = bytes == shortest(point) && !surrogate && point <= 0x10ffff;
            if (utf8_valid(text, bytes) != expected)
                fail_msg("U+%X in %u bytes", point, bytes);
        }
    }
}

static void longer_forms_and_stray_tails_are_refused_at_their_first_byte(void **state)
{
    for (unsigned byte = 0x80; byte < 0x100; byte++) {
        uint8_t s = UTF8_WHOLE, b = (uint8_t)byte;
        assert_int_equal(utf8_next(&s, &b, 1), byte >= 0xc2 && byte <= 0xf4);
    }
}

static void a_wrong_byte_is_found_when_it_arrives(void **state)
{
    static const char *const starts[] = {"\xe0\x80",     "\xed\xa0", "\xf0\x80",  "\xf4\x90",
                                         "\xf1\x80\xc0", "\xc3(",    "\xe2\x82(", "\xf0\x9f\x98("};
    for (unsigned i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        size_t len = strlen(starts[i]);
        uint8_t s = UTF8_WHOLE;
        assert_true(utf8_next(&s, (const uint8_t *)starts[i], len - 1));
        assert_int_not_equal(s, UTF8_WHOLE);
        assert_false(utf8_next(&s, (const uint8_t *)starts[i] + len - 1, 1));
    }
}

static void place_and_cut_do_not_matter(void **state)
{
    /* ASCII around one character of each length, and one bad byte, at every place of an 80-byte text, cut
     * everywhere */
    static const char *const wedges[] = {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xff"};
    uint8_t text[80];
    for (unsigned w = 0; w < 4; w++) {
        size_t n = strlen(wedges[w]);
        for (size_t at = 0; at + n <= sizeof text; at++) {
            memset(text, 'a', sizeof text);
            memcpy(text + at, wedges[w], n);
            for (size_t cut = 0; cut <= sizeof text; cut++) {
                uint8_t s = UTF8_WHOLE;
                bool ok = utf8_next(&s, guard_put(&guard, text, cut), cut) &&
                          utf8_next(&s, guard_put(&guard, text + cut, sizeof text - cut), sizeof text - cut);
                assert_int_equal(ok && s == UTF8_WHOLE, w < 3);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_but_surrogates_is_valid_in_its_shortest_form_only),
        cmocka_unit_test(longer_forms_and_stray_tails_are_refused_at_their_first_byte),
        cmocka_unit_test(a_wrong_byte_is_found_when_it_arrives),
        cmocka_unit_test(place_and_cut_do_not_matter),
    };
    guard = guard_make(4096);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    guard_free(&guard);
    return failed;
}
