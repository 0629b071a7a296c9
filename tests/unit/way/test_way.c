/*
 * A way gives, byte for byte, what net_emit_udp writes; and it is no longer good when an end, the routes, a
 * neighbour or the time says so.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/way.h"

static const uint8_t local[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 1};
static const uint8_t peer[16] = {[10] = 0xff, [11] = 0xff, 198, 19, 200, 255};
static const uint8_t peer6[16] = {0xfd, 0, 0, 0x18, [15] = 2};
static struct route_neighbours neighbours;

static struct net_path path_of(const uint8_t from[16], const uint8_t to[16])
{
    struct net_path path = {.source_mac = {2, 0, 0, 0, 0, 1}, .next_hop_mac = {2, 0, 0, 0, 0, 2}};
    memcpy(path.source, from, 16);
    memcpy(path.destination, to, 16);
    return path;
}

static struct way kept(const struct way_epoch *e)
{
    struct way way = {.epoch = 0};
    struct net_path path = path_of(local, peer);
    way_keep(&way, e, &path, 50000, 40001);
    return way;
}

static struct way_epoch begun(void)
{
    struct way_epoch e = {.number = 0};
    way_epoch_update(&e, 1, &neighbours, 1000);
    return e;
}

static bool is_good(const struct way *way, const struct way_epoch *e)
{
    return way_is_good(way, e, local, 50000, peer, 40001);
}

static void datagram_of_a_way_is_the_datagram_written_field_by_field(void **state)
{
    struct way_epoch e = begun();
    struct way way = kept(&e);
    struct net_path path = path_of(local, peer);
    uint64_t random = 1;
    for (size_t len = 0; len <= 1458; len++) {
        uint8_t want[1500], got[1500];
        for (size_t i = 0; i < len; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            want[WAY_HEAD + i] = got[WAY_HEAD + i] =
                len % 3 ? (uint8_t)(random >> 56) : (uint8_t)(0 - len % 2);
        }
        size_t n = net_emit_udp(want, &path, 50000, 40001, len);
        assert_int_equal(way_emit(&way, got, len), n);
        assert_memory_equal(want, got, n);
    }
}

static void checksum_that_comes_out_0_is_sent_as_ffff(void **state)
{
    struct way_epoch e = begun();
    struct way way = kept(&e);
    unsigned seen = 0;
    for (unsigned word = 0; word < 65536; word++) {
        uint8_t f[64];
        put_be16(f + WAY_HEAD, (uint16_t)word);
        way_emit(&way, f, 2);
        assert_int_not_equal(be16(f + 40), 0);
        seen += be16(f + 40) == 0xffff;
    }
    assert_true(seen >= 1);
}

static void way_is_good_for_its_own_ends_only(void **state)
{
    struct way_epoch e = begun();
    struct way way = kept(&e);
    uint8_t other[16];
    assert_true(is_good(&way, &e));
    assert_false(way_is_good(&way, &e, local, 50001, peer, 40001));
    assert_false(way_is_good(&way, &e, local, 50000, peer, 40000));
    assert_false(way_is_good(&way, &e, peer, 50000, peer, 40001));
    memcpy(other, peer, 16);
    other[15] ^= 1;
    assert_false(way_is_good(&way, &e, local, 50000, other, 40001));
    memcpy(other, peer6, 16);
    memcpy(other + 12, peer + 12, 4); /* IPv6, with the same last four bytes */
    assert_false(way_is_good(&way, &e, local, 50000, other, 40001));
}

static void way_ends_with_its_epoch(void **state)
{
    struct way_epoch e = begun();
    struct way way = kept(&e);
    way_epoch_update(&e, 1, &neighbours, 2000);
    assert_true(is_good(&way, &e));
    way_epoch_update(&e, 2, &neighbours, 2000); /* other routes */
    assert_false(is_good(&way, &e));
    way = kept(&e);
    neighbours.changed++;
    way_epoch_update(&e, 2, &neighbours, 2000);
    assert_false(is_good(&way, &e));
    way = kept(&e);
    neighbours.failed++;
    way_epoch_update(&e, 2, &neighbours, 2000);
    assert_false(is_good(&way, &e));
    way = kept(&e);
    way_epoch_update(&e, 2, &neighbours, 2000 + WAY_US);
    assert_false(is_good(&way, &e));
}

static void way_never_made_is_not_good(void **state)
{
    struct way way = {.epoch = 0};
    struct way_epoch e = {.number = UINT32_MAX, .generation = 1};
    way_epoch_update(&e, 2, &neighbours, 1000); /* numbers come round without 0 */
    assert_int_not_equal(e.number, 0);
    assert_false(is_good(&way, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagram_of_a_way_is_the_datagram_written_field_by_field),
        cmocka_unit_test(checksum_that_comes_out_0_is_sent_as_ffff),
        cmocka_unit_test(way_is_good_for_its_own_ends_only),
        cmocka_unit_test(way_ends_with_its_epoch),
        cmocka_unit_test(way_never_made_is_not_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
