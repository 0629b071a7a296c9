/*
 * Frame heads: what is taken, what is refused and at which byte; heads and masks are their parser's inverse.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/ws/frame.h"
#include "dataplane/ws/utf8.h"
#include "tests/unit/http/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static struct guard guard;

static void refused_at(const char *bytes, size_t len, enum ws_sender sender, enum drop_reason reason)
{
    struct ws_frame f;
    enum drop_reason why = DROP_NONE;
    for (size_t n = 0; n < len; n++)
        assert_int_equal(ws_frame_parse(guard_put(&guard, bytes, n), n, sender, &f, &why), 0);
    assert_int_equal(ws_frame_parse(guard_put(&guard, bytes, len), len, sender, &f, &why), -1);
    assert_int_equal(why, reason);
}

static void heads_built_are_heads_parsed(void **state)
{
    static const uint64_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, 16777216, INT64_MAX};
    static const size_t sizes[] = {2, 2, 2, 4, 4, 4, 10, 10, 10};
    static const uint8_t mask[4] = {1, 2, 3, 4}, none[4];
    for (unsigned i = 0; i < 9; i++) {
        for (unsigned client = 0; client < 2; client++) {
            uint8_t head[WS_HEAD_MAX];
            bool fin = i & 1;
            size_t n = client ? ws_frame_head_masked(head, WS_OP_BINARY, fin, lengths[i], mask)
                              : ws_frame_head(head, WS_OP_BINARY, fin, lengths[i]);
            enum ws_sender sender = client ? WS_FROM_CLIENT : WS_FROM_SERVER;
            struct ws_frame f;
            enum drop_reason why;
            assert_int_equal(n, sizes[i] + (client ? 4 : 0));
            for (size_t part = 0; part < n; part++)
                assert_int_equal(ws_frame_parse(guard_put(&guard, head, part), part, sender, &f, &why), 0);
            assert_int_equal(ws_frame_parse(guard_put(&guard, head, n), n, sender, &f, &why), n);
            assert_int_equal(f.length, lengths[i]);
            assert_int_equal(f.fin, fin);
            assert_int_equal(f.opcode, WS_OP_BINARY);
            assert_int_equal(f.head_length, n);
            assert_memory_equal(f.mask, client ? mask : none, 4);
        }
    }
}

static void reserved_bits_and_opcodes_are_refused_at_the_first_byte(void **state)
{
    for (unsigned first = 0; first < 256; first++) {
        unsigned opcode = first & 15;
        char byte = (char)first;
        bool known = opcode <= 2 || (opcode >= 8 && opcode <= 10);
        if (first & 0x70 || !known)
            refused_at(&byte, 1, WS_FROM_CLIENT, DROP_WS_RESERVED);
        else if (opcode >= 8 && !(first & 0x80))
            refused_at(&byte, 1, WS_FROM_CLIENT, DROP_WS_CONTROL);
    }
}

static void clients_mask_and_servers_do_not(void **state)
{
    refused_at("\x81\x05", 2, WS_FROM_CLIENT, DROP_WS_UNMASKED);
    refused_at("\x81\x85", 2, WS_FROM_SERVER, DROP_WS_UNMASKED);
}

static void lengths_are_in_their_shortest_form(void **state)
{
    refused_at("\x82\xfe\x00\x7d", 4, WS_FROM_CLIENT, DROP_WS_LENGTH);
    refused_at("\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff", 10, WS_FROM_CLIENT, DROP_WS_LENGTH);
    refused_at("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00", 10, WS_FROM_CLIENT, DROP_WS_LENGTH);
    refused_at("\x82\x7e\x00\x05", 4, WS_FROM_SERVER, DROP_WS_LENGTH);
}

static void control_frames_are_short(void **state)
{
    refused_at("\x89\xfe", 2, WS_FROM_CLIENT, DROP_WS_CONTROL);
    refused_at("\x88\xff", 2, WS_FROM_CLIENT, DROP_WS_CONTROL);
    refused_at("\x8a\x7e", 2, WS_FROM_SERVER, DROP_WS_CONTROL);
}

static void masking_is_the_same_in_any_pieces_at_any_place(void **state)
{
    static const uint8_t mask[4] = {0xa1, 0x02, 0xf3, 0x64};
    uint8_t expected[200], bytes[200];
    for (unsigned i = 0; i < sizeof bytes; i++)
        expected[i] = (uint8_t)(i * 7) ^ mask[i % 4];
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        for (unsigned i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)(i * 7);
        uint8_t *p = guard_put(&guard, bytes, cut);
        ws_mask(p, cut, mask, 0);
        assert_memory_equal(p, expected, cut);
        size_t rest = sizeof bytes - cut;
        p = guard_put(&guard, bytes + cut, rest);
        ws_mask(p, rest, mask, cut);
        assert_memory_equal(p, expected + cut, rest);
    }
}

static void a_close_frame_has_code_and_reason(void **state)
{
    uint8_t dst[WS_CLOSE_FRAME_MAX];
    assert_int_equal(ws_close_frame(dst, 4012, "Invalid", 7), 11);
    assert_memory_equal(dst, "\x88\x09\x0f\xacInvalid", 11);
    assert_int_equal(ws_close_frame(dst, 1000, NULL, 0), 4);
    assert_memory_equal(dst, "\x88\x02\x03\xe8", 4);
    assert_int_equal(ws_close_frame(dst, WS_CLOSE_NO_STATUS, NULL, 0), 2);
    assert_memory_equal(dst, "\x88\x00", 2);
}

static void a_close_reason_is_cut_between_characters(void **state)
{
    uint8_t dst[WS_CLOSE_FRAME_MAX];
    char reason[160];
    for (unsigned shift = 0; shift < 4; shift++) {
        memset(reason, 'a', shift);
        for (size_t i = shift; i + 4 <= sizeof reason; i += 4)
            memcpy(reason + i, "\xf0\x9f\x98\x80", 4);
        size_t n = ws_close_frame(dst, 1000, reason, 156);
        assert_in_range(n, WS_CLOSE_FRAME_MAX - 3, WS_CLOSE_FRAME_MAX);
        assert_int_equal(dst[1], n - 2);
        assert_true(utf8_valid(dst + 4, n - 4));
        assert_memory_equal(dst + 4, reason, n - 4);
    }
}

static void close_codes_are_those_that_may_be_sent(void **state)
{
    for (unsigned code = 0; code <= UINT16_MAX; code++) {
        bool reserved = code == 1004 || code == 1005 || code == 1006;
        bool expected = (code >= 1000 && code <= 1014 && !reserved) || (code >= 3000 && code <= 4999);
        assert_int_equal(ws_close_code_valid((uint16_t)code), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_built_are_heads_parsed),
        cmocka_unit_test(reserved_bits_and_opcodes_are_refused_at_the_first_byte),
        cmocka_unit_test(clients_mask_and_servers_do_not),
        cmocka_unit_test(lengths_are_in_their_shortest_form),
        cmocka_unit_test(control_frames_are_short),
        cmocka_unit_test(masking_is_the_same_in_any_pieces_at_any_place),
        cmocka_unit_test(a_close_frame_has_code_and_reason),
        cmocka_unit_test(a_close_reason_is_cut_between_characters),
        cmocka_unit_test(close_codes_are_those_that_may_be_sent),
    };
    guard = guard_make(4096);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    guard_free(&guard);
    return failed;
}
