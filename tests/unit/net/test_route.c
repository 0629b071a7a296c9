/*
 * Routes: the tables against a linear search, the swap against a concurrent reader and against its own rules,
 * the maps against an array.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/net/net.h"
#include "route.h"
#include "tests/unit/include/wait.h"

#define RANDOM_PREFIXES 2000
#define LOOKUPS         5000

static uint64_t seed;

static uint64_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

struct rule {
    uint8_t prefix[16];
    unsigned length;
    uint16_t port;
};

static struct rule rules[ROUTE_PREFIXES_MAX + 1];
static unsigned rule_count;
static struct route_tables *tables;

static int set_up(void **state)
{
    tables = calloc(1, sizeof *tables);
    route_swap_init(&tables->swap);
    seed = 88172645463325252u;
    rule_count = 0;
    return tables ? 0 : -1;
}

static int tear_down(void **state)
{
    free(tables);
    return 0;
}

static void address_of(uint8_t out[16], const char *text)
{
    assert_true(net_address_parse(text, out));
}

static bool add_text(struct route_table *t, const char *prefix, unsigned length, const char *gateway,
                     uint16_t port)
{
    uint8_t a[16];
    struct route_hop hop = {.port = port};
    address_of(a, prefix);
    if (gateway)
        address_of(hop.gateway, gateway);
    return route_add(t, a, net_address_is4(a) ? 96 + length : length, &hop);
}

/* The port that the table sends an address to, or -1. */
static int port_of(const struct route_table *t, const char *address)
{
    uint8_t a[16];
    struct route_hop hop;
    address_of(a, address);
    return route_lookup(t, a, &hop) ? hop.port : -1;
}

/* Addresses from few bits, so that prefixes nest and lookups hit. */
static void draw_address(uint8_t a[16])
{
    memset(a, 0, 16);
    if (draw() % 2) {
        uint8_t four[4] = {10, (uint8_t)(draw() % 4), (uint8_t)(draw() % 8), (uint8_t)draw()};
        net_address_from4(a, four);
    } else {
        a[0] = 0xfd;
        for (unsigned i = 1; i < 16; i++)
            a[i] = (uint8_t)(draw() % 3 == 0 ? draw() : 0);
    }
}

static bool is_in(const uint8_t address[16], const struct rule *r)
{
    for (unsigned bit = 0; bit < r->length; bit++)
        if ((address[bit / 8] ^ r->prefix[bit / 8]) & 0x80u >> bit % 8)
            return false;
    return true;
}

/* The obvious way. */
static const struct rule *search(const uint8_t address[16])
{
    const struct rule *best = NULL;
    for (unsigned i = 0; i < rule_count; i++) {
        if (net_address_is4(address) && rules[i].length < 96)
            continue;
        if (is_in(address, &rules[i]) && (!best || rules[i].length >= best->length))
            best = &rules[i];
    }
    return best;
}

static void table_agrees_with_a_linear_search(void **state)
{
    struct route_table *t = &tables->table[0];
    unsigned found = 0;
    for (unsigned i = 0; i < RANDOM_PREFIXES; i++) {
        uint8_t a[16];
        draw_address(a);
        bool four = net_address_is4(a);
        struct rule r = {.length = four ? 96 + (unsigned)(draw() % 33) : (unsigned)(draw() % 129),
                         .port = (uint16_t)(draw() % 200)};
        struct route_hop hop = {.port = r.port};
        route_mask(r.prefix, a, r.length);
        assert_true(route_add(t, a, r.length, &hop));
        rules[rule_count++] = r; /* a prefix drawn twice: the later one counts, as in search() */
    }
    for (unsigned i = 0; i < LOOKUPS; i++) {
        uint8_t a[16];
        struct route_hop hop;
        draw_address(a);
        const struct rule *want = search(a);
        bool got = route_lookup(t, a, &hop);
        assert_int_equal(got, want != NULL);
        if (got) {
            assert_int_equal(hop.port, want->port);
            assert_memory_equal(hop.gateway, a, 16);
            found++;
        }
    }
    assert_in_range(found, LOOKUPS / 10, LOOKUPS); /* the lookups were worth making */
}

static void longest_prefix_wins_whatever_the_order(void **state)
{
    struct route_table *t = &tables->table[0];
    assert_true(add_text(t, "198.18.0.0", 15, NULL, 1));
    assert_true(add_text(t, "198.18.7.1", 32, NULL, 3));
    assert_true(add_text(t, "198.18.7.0", 24, NULL, 2));
    assert_int_equal(port_of(t, "198.18.7.1"), 3);
    assert_int_equal(port_of(t, "198.18.7.2"), 2);
    assert_int_equal(port_of(t, "198.19.255.255"), 1);
    assert_int_equal(port_of(t, "198.20.0.0"), -1);
}

static void default_gateways_are_per_family(void **state)
{
    struct route_table *t = &tables->table[0];
    struct route_hop hop;
    uint8_t a[16], gateway[16];
    assert_true(add_text(t, "::", 0, "fd00:18::1", 6));
    assert_int_equal(port_of(t, "198.18.0.9"), -1); /* never the IPv6 default */
    assert_true(add_text(t, "0.0.0.0", 0, "198.18.0.1", 4));
    assert_int_equal(port_of(t, "198.18.0.9"), 4);
    address_of(a, "fd00:99::1");
    address_of(gateway, "fd00:18::1");
    assert_true(route_lookup(t, a, &hop));
    assert_int_equal(hop.port, 6);
    assert_memory_equal(hop.gateway, gateway, 16);
}

static void bits_behind_the_prefix_do_not_matter(void **state)
{
    struct route_table *t = &tables->table[0];
    assert_true(add_text(t, "198.18.7.200", 25, NULL, 1));
    assert_int_equal(port_of(t, "198.18.7.129"), 1);
    assert_int_equal(port_of(t, "198.18.7.127"), -1);
    assert_true(add_text(t, "198.18.7.255", 25, NULL, 2)); /* the same prefix: changed, not added */
    assert_int_equal(port_of(t, "198.18.7.129"), 2);
    assert_int_equal(t->prefixes, 1);
}

static void full_table_refuses_and_stays_as_it_was(void **state)
{
    struct route_table *t = &tables->table[0];
    struct route_hop hop = {.port = 9};
    uint8_t a[16] = {0xfd};
    for (uint32_t i = 0; i < ROUTE_PREFIXES_MAX; i++) {
        put_be32(a + 4, i);
        assert_true(route_add(t, a, 64, &hop));
    }
    put_be32(a + 4, ROUTE_PREFIXES_MAX);
    assert_false(route_add(t, a, 64, &hop));
    assert_false(route_lookup(t, a, &hop));
    put_be32(a + 4, 77);
    assert_true(route_add(t, a, 64, &hop)); /* changing one still works */
    assert_false(route_add(t, a, 129, &hop));
    assert_int_equal(t->hops, 1);
    for (uint32_t i = 1; i < ROUTE_HOPS_MAX; i++) {
        hop = (struct route_hop){.port = (uint16_t)(1000 + i)};
        assert_true(route_add(t, a, 64, &hop));
    }
    hop.port = 9999;
    assert_false(route_add(t, a, 64, &hop)); /* no room for another hop */
    assert_true(route_lookup(t, a, &hop));
    assert_int_equal(hop.port, 1000 + ROUTE_HOPS_MAX - 1);
}

/* ---- the swap ---- */

static void writer_waits_for_a_reader_that_has_not_moved_on(void **state)
{
    struct route_swap *s = &tables->swap;
    unsigned inactive = 9;
    route_reader_start(s, 3);
    assert_false(route_write(s, &inactive)); /* it runs and has not read yet */
    assert_int_equal(route_read(s, 3), route_active(s));
    assert_true(route_write(s, &inactive));
    assert_int_equal(inactive, !route_active(s));
    route_publish(s, NULL);
    assert_int_equal(route_active(s), inactive);
    assert_false(route_write(s, &inactive)); /* it may still read the old one */
    assert_int_equal(route_read(s, 3), route_active(s));
    assert_true(route_write(s, &inactive));
}

static void stopped_reader_does_not_hold_the_writer(void **state)
{
    struct route_swap *s = &tables->swap;
    unsigned inactive = 9;
    route_reader_start(s, 0);
    route_read(s, 0);
    route_publish(s, NULL);
    assert_false(route_write(s, &inactive));
    route_reader_stop(s, 0);
    assert_true(route_write(s, &inactive));
}

static void one_slow_reader_of_many_holds_the_writer(void **state)
{
    struct route_swap *s = &tables->swap;
    unsigned inactive = 9;
    for (unsigned w = 0; w < ROUTE_READERS_MAX; w++) {
        route_reader_start(s, w);
        route_read(s, w);
    }
    route_publish(s, NULL);
    for (unsigned w = 0; w < ROUTE_READERS_MAX; w++) {
        assert_false(route_write(s, &inactive));
        route_read(s, w);
    }
    assert_true(route_write(s, &inactive));
}

static void publication_happens_with_the_transaction(void **state)
{
    struct {
        struct txn_log log;
        uint8_t undo[1024];
        struct route_tables tables;
    } *region = calloc(1, sizeof *region);
    struct txn t;
    region->log.undo_size = sizeof region->undo;
    route_swap_init(&region->tables.swap);
    txn_attach(&t, region, &region->log);
    unsigned before = route_active(&region->tables.swap);

    txn_begin(&t);
    route_publish(&region->tables.swap, &t);
    assert_int_equal(txn_recover(&t), TXN_OPEN); /* killed before the commit: nothing happened */
    assert_int_equal(route_active(&region->tables.swap), before);

    txn_begin(&t);
    route_publish(&region->tables.swap, &t);
    txn_commit(&t);
    assert_int_equal(route_active(&region->tables.swap), before);
    assert_int_equal(txn_recover(&t), TXN_COMMITTED); /* killed after it: it is published */
    assert_int_equal(route_active(&region->tables.swap), !before);
    free(region);
}

static atomic_bool writer_is_done;
static atomic_uint rounds;

/* Two prefixes carry the number of the publication: both must always be there, and agree within a burst. */
static void *reader(void *arg)
{
    unsigned worker = (unsigned)(uintptr_t)arg, misses = 0, last = 0;
    uint8_t a[16], b[16];
    net_address_parse("198.18.1.1", a);
    net_address_parse("fd00:18::77", b);
    route_reader_start(&tables->swap, worker);
    for (unsigned burst = 0; !atomic_load(&writer_is_done); burst++) {
        const struct route_table *t = &tables->table[route_read(&tables->swap, worker)];
        struct route_hop one, other;
        for (unsigned packet = 0; packet < 8; packet++)
            if (!route_lookup(t, a, &one) || !route_lookup(t, b, &other) || one.port != other.port ||
                one.port < last)
                misses++;
        last = one.port;
        atomic_fetch_add(&rounds, 1);
        if (burst % 64 == 63) { /* a worker that starts again */
            route_reader_stop(&tables->swap, worker);
            wait_turn();
            route_reader_start(&tables->swap, worker);
        }
        wait_turn(); /* threads may share a core */
    }
    route_reader_stop(&tables->swap, worker);
    return (void *)(uintptr_t)misses;
}

static void swaps_under_concurrent_readers_never_yield_a_miss(void **state)
{
    pthread_t thread[2];
    unsigned inactive = 9;
    assert_true(add_text(&tables->table[route_active(&tables->swap)], "198.18.0.0", 16, NULL, 1));
    assert_true(add_text(&tables->table[route_active(&tables->swap)], "fd00:18::", 32, NULL, 1));
    atomic_store(&writer_is_done, false);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, reader, (void *)(uintptr_t)i), 0);
    for (uint16_t version = 2; version <= 60; version++) {
        unsigned seen = atomic_load(&rounds);
        while (!route_write(&tables->swap, &inactive))
            wait_turn();
        struct route_table *t = &tables->table[inactive];
        route_table_clear(t);
        assert_true(add_text(t, "198.18.0.0", 16, NULL, version));
        assert_true(add_text(t, "fd00:18::", 32, NULL, version));
        route_publish(&tables->swap, NULL);
        while (atomic_load(&rounds) == seen)
            wait_turn();
    }
    atomic_store(&writer_is_done, true);
    for (unsigned i = 0; i < 2; i++) {
        void *misses;
        pthread_join(thread[i], &misses);
        assert_null(misses);
    }
}

/* ---- maps ---- */

static void map_agrees_with_an_array(void **state)
{
    struct route_map *m = calloc(1, route_map_size(1024));
    uint64_t want[600] = {0}, value;
    route_map_init(m, 1024);
    unsigned half = 9;
    assert_true(route_write(&m->swap, &half));
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t key = 1 + draw() % 599;
        if (draw() % 3) {
            want[key] = draw() | 1;
            assert_true(route_map_put(m, half, key, want[key]));
        } else {
            want[key] = 0;
            route_map_remove(m, half, key);
        }
        uint64_t probe = 1 + draw() % 599;
        assert_int_equal(route_map_get(m, half, probe, &value), want[probe] != 0);
        if (want[probe])
            assert_int_equal(value, want[probe]);
    }
    unsigned used = 0;
    for (unsigned key = 1; key < 600; key++) {
        used += want[key] != 0;
        assert_int_equal(route_map_get(m, half, key, &value), want[key] != 0);
    }
    assert_int_equal(m->used[half], used);
    free(m);
}

static void full_map_refuses_new_keys_and_changes_old_ones(void **state)
{
    struct route_map *m = calloc(1, route_map_size(16));
    uint64_t value;
    route_map_init(m, 16);
    for (uint64_t key = 1; key <= 12; key++)
        assert_true(route_map_put(m, 0, key, key * 10));
    assert_false(route_map_put(m, 0, 13, 1));
    assert_false(route_map_get(m, 0, 13, &value));
    assert_true(route_map_put(m, 0, 12, 7));
    assert_true(route_map_get(m, 0, 12, &value));
    assert_int_equal(value, 7);
    assert_false(route_map_put(m, 0, 0, 1)); /* 0 is no key */
    assert_false(route_map_get(m, 0, 0, &value));
    free(m);
}

static void map_halves_are_apart_until_published(void **state)
{
    struct route_map *m = calloc(1, route_map_size(16));
    uint64_t value;
    unsigned half = 9;
    route_map_init(m, 16);
    route_reader_start(&m->swap, 0);
    unsigned read = route_read(&m->swap, 0);
    assert_true(route_write(&m->swap, &half));
    assert_true(route_map_put(m, half, 5, 55));
    assert_false(route_map_get(m, read, 5, &value));
    route_publish(&m->swap, NULL);
    assert_false(route_map_get(m, read, 5, &value)); /* the burst under way keeps what it has */
    read = route_read(&m->swap, 0);
    assert_true(route_map_get(m, read, 5, &value));
    assert_true(route_write(&m->swap, &half));
    route_map_copy(m, half);
    assert_true(route_map_put(m, half, 6, 66));
    route_map_remove(m, half, 5);
    assert_true(route_map_get(m, read, 5, &value));
    route_publish(&m->swap, NULL);
    read = route_read(&m->swap, 0);
    assert_false(route_map_get(m, read, 5, &value));
    assert_true(route_map_get(m, read, 6, &value));
    route_map_clear(m, read);
    assert_int_equal(m->used[read], 0);
    free(m);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(table_agrees_with_a_linear_search),
        TEST(longest_prefix_wins_whatever_the_order),
        TEST(default_gateways_are_per_family),
        TEST(bits_behind_the_prefix_do_not_matter),
        TEST(full_table_refuses_and_stays_as_it_was),
        TEST(writer_waits_for_a_reader_that_has_not_moved_on),
        TEST(stopped_reader_does_not_hold_the_writer),
        TEST(one_slow_reader_of_many_holds_the_writer),
        TEST(publication_happens_with_the_transaction),
        TEST(swaps_under_concurrent_readers_never_yield_a_miss),
        TEST(map_agrees_with_an_array),
        TEST(full_map_refuses_new_keys_and_changes_old_ones),
        TEST(map_halves_are_apart_until_published),
    };
    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
