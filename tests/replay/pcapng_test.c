/*
 * The pcapng writer as a core: blocks that readers can walk, whatever the length of a frame, and never beyond
 * the room. What tshark makes of them, capture.sh tests.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "dataplane/capture/pcapng.h"

static uint8_t out[4096];

static uint32_t le32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static void is_block(uint32_t type, size_t n)
{
    assert_int_equal(n % 4, 0);
    assert_int_equal(le32(out), type);
    assert_int_equal(le32(out + 4), n);
    assert_int_equal(le32(out + n - 4), n);
}

static void packet_of_any_length_is_padded_and_whole(void **state)
{
    uint8_t frame[64];
    memset(frame, 0xee, sizeof frame);
    for (size_t len = 0; len <= sizeof frame; len++) {
        memset(out, 0x77, sizeof out);
        size_t n =
            pcapng_packet(out, len + PCAPNG_OVERHEAD_MAX, 3, 0x123456789abcull, PCAPNG_OUTBOUND, frame, len);
        size_t padded = (len + 3) & ~(size_t)3;
        is_block(6, n);
        assert_int_equal(le32(out + 8), 3);
        assert_int_equal(le32(out + 12), 0x1234);
        assert_int_equal(le32(out + 16), 0x56789abc);
        assert_int_equal(le32(out + 20), len);
        assert_memory_equal(out + 28, frame, len);
        for (size_t i = len; i < padded; i++)
            assert_int_equal(out[28 + i], 0);
        assert_int_equal(le32(out + 28 + padded), 2 | 4 << 16); /* flags, 4 bytes */
        assert_int_equal(le32(out + 28 + padded + 4), PCAPNG_OUTBOUND);
        assert_int_equal(out[n], 0x77);
    }
}

static void names_of_any_length_fit(void **state)
{
    static char name[200];
    for (size_t len = 0; len < sizeof name; len++) {
        memset(name, 'n', len);
        memset(out, 0x77, sizeof out);
        is_block(1, pcapng_interface(out, PCAPNG_OVERHEAD_MAX, name, name));
        assert_int_equal(out[PCAPNG_OVERHEAD_MAX], 0x77);
        is_block(0x0a0d0d0a, pcapng_section(out, PCAPNG_OVERHEAD_MAX, name));
    }
}

static void statistics_count_what_was_dropped_as_received(void **state)
{
    size_t n = pcapng_statistics(out, sizeof out, 1, 10, 20, 100, 7);
    is_block(5, n);
    assert_non_null(memmem(out, n, "\x04\0\x08\0\x6b\0\0\0\0\0\0", 11)); /* received: 107 */
    assert_non_null(memmem(out, n, "\x05\0\x08\0\x07\0\0\0\0\0\0", 11)); /* dropped: 7 */
}

static void too_little_room_writes_nothing(void **state)
{
    uint8_t frame[100] = {0};
    memset(out, 0x77, sizeof out);
    assert_int_equal(pcapng_packet(out, 100, 0, 0, PCAPNG_INBOUND, frame, sizeof frame), 0);
    assert_int_equal(pcapng_section(out, 20, "x"), 0);
    assert_int_equal(pcapng_interface(out, 20, "x", "y"), 0);
    assert_int_equal(pcapng_statistics(out, 20, 0, 0, 0, 0, 0), 0);
    for (size_t i = 0; i < 128; i++)
        assert_int_equal(out[i], 0x77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packet_of_any_length_is_padded_and_whole),
        cmocka_unit_test(names_of_any_length_fit),
        cmocka_unit_test(statistics_count_what_was_dropped_as_received),
        cmocka_unit_test(too_little_room_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
