/*
 * Neighbours, state by state. Time is an argument.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/net/arp.h"
#include "dataplane/net/nd.h"
#include "dataplane/net/neighbour.h"
#include "frames.h"

#define SECOND 1000000ull

static struct route_neighbours *n;
static struct net_addresses ours, theirs;
static uint8_t our4[16], our6[16], their4[16], their6[16], mac[6], target[16];
static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t their_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 9};

static int set_up(void **state)
{
    n = calloc(1, sizeof *n);
    ours.count = theirs.count = 0;
    net_address_parse("198.18.70.1", our4);
    net_address_parse("fd00:18:70::1", our6);
    net_address_parse("198.18.70.2", their4);
    net_address_parse("fd00:18:70::2", their6);
    net_addresses_add(&ours, our4);
    net_addresses_add(&ours, our6);
    net_addresses_add(&theirs, their4);
    net_addresses_add(&theirs, their6);
    return n ? 0 : -1;
}

static int tear_down(void **state)
{
    free(n);
    return 0;
}

static void hear(const uint8_t *frame, size_t len, const struct net_addresses *us, uint64_t now)
{
    struct net_packet p;
    net_parse(frame, len, &p);
    neighbour_learn(n, &p, us, now);
}

#define HEAR(name, us, now) hear(frame_##name, sizeof frame_##name, us, now)

static void hear_arp_message(uint16_t operation, const uint8_t sender[16], const uint8_t sender_mac[6],
                             const uint8_t asked[16], uint64_t now)
{
    uint8_t f[64] = {0};
    struct arp_message m = {.operation = operation};
    memcpy(f, our_mac, 6);
    memcpy(f + 6, sender_mac, 6);
    put_be16(f + 12, 0x0806);
    memcpy(m.sender, sender, 16);
    memcpy(m.sender_mac, sender_mac, 6);
    memcpy(m.target, asked, 16);
    memcpy(m.target_mac, our_mac, 6);
    arp_emit(f + 14, &m);
    hear(f, 42, &ours, now);
}

/* What `sender` would answer when we asked for it by ARP. */
static void hear_arp(const uint8_t sender[16], const uint8_t sender_mac[6], uint64_t now)
{
    hear_arp_message(ARP_REPLY, sender, sender_mac, our4, now);
}

static void hear_advertisement(const uint8_t sender_mac[6], bool override, uint64_t now)
{
    uint8_t f[128];
    struct net_path path = {.hop_limit = 255};
    struct nd_envelope ip = {.hop_limit = 255};
    struct nd_message m = {.override = override, .solicited = true, .has_mac = true};
    memcpy(path.source, their6, 16);
    memcpy(path.destination, our6, 16);
    memcpy(path.source_mac, sender_mac, 6);
    memcpy(path.next_hop_mac, our_mac, 6);
    memcpy(ip.source, their6, 16);
    memcpy(ip.destination, our6, 16);
    memcpy(m.target, their6, 16);
    memcpy(m.mac, sender_mac, 6);
    hear(f, net_emit_ip6(f, &path, 58, nd_emit(f + 54, &ip, &m)), &ours, now);
}

static void free_lookup_asks(void **state)
{
    assert_false(neighbour_request(n, 0, target));
    assert_true(neighbour_deadline(n) == UINT64_MAX);
    assert_false(neighbour_lookup(n, their4, 100, mac));
    assert_true(neighbour_deadline(n) == 100);
    assert_true(neighbour_request(n, 100, target));
    assert_memory_equal(target, their4, 16);
    assert_false(neighbour_request(n, 100, target));
}

static void incomplete_is_asked_for_once_a_second_and_given_up_after_4(void **state)
{
    uint64_t now = 5 * SECOND;
    unsigned requests = 0;
    for (uint64_t end = now + 10 * SECOND; now < end; now += SECOND / 10) {
        if (now < 6 * SECOND)
            assert_false(neighbour_lookup(n, their4, now, mac));
        requests += neighbour_request(n, now, target);
    }
    assert_int_equal(requests, 4);
    assert_int_equal(n->requests, 4);
    assert_int_equal(n->failed, 1);
    assert_true(neighbour_deadline(n) == UINT64_MAX);
    assert_false(neighbour_lookup(n, their4, now, mac)); /* a packet makes it start again */
    assert_true(neighbour_request(n, now, target));
}

static void incomplete_becomes_reachable_by_an_arp_reply(void **state)
{
    neighbour_lookup(n, their4, 0, mac);
    neighbour_request(n, 0, target);
    hear_arp(their4, their_mac, 10);
    assert_true(neighbour_lookup(n, their4, 20, mac));
    assert_memory_equal(mac, their_mac, 6);
    assert_false(neighbour_request(n, 2 * SECOND, target));
    assert_true(neighbour_deadline(n) == UINT64_MAX);
}

static void incomplete_becomes_reachable_by_the_kernels_advertisement(void **state)
{
    /* The frames were exchanged with us in the other role. */
    neighbour_lookup(n, our6, 0, mac);
    HEAR(nd_advertise, &theirs, 10);
    assert_true(neighbour_lookup(n, our6, 20, mac));
    assert_memory_equal(mac, our_mac, 6);
    neighbour_lookup(n, our4, 0, mac);
    HEAR(arp_reply, &theirs, 30);
    assert_true(neighbour_lookup(n, our4, 40, mac));
    assert_memory_equal(mac, our_mac, 6);
}

static void who_asks_for_us_is_known_without_asking(void **state)
{
    HEAR(arp_request, &ours, 10);
    assert_true(neighbour_lookup(n, their4, 20, mac));
    assert_memory_equal(mac, their_mac, 6);
    HEAR(nd_solicit, &ours, 10);
    assert_true(neighbour_lookup(n, their6, 20, mac));
    assert_memory_equal(mac, their_mac, 6);
    assert_int_equal(n->requests, 0);
}

static void messages_to_others_teach_nothing(void **state)
{
    struct net_addresses nobody = {0};
    HEAR(arp_request, &nobody, 10);
    HEAR(nd_solicit, &nobody, 10);
    HEAR(nd_duplicate, &ours, 10);
    assert_int_equal(n->learned, 0);
    neighbour_lookup(n, our6, 0, mac);
    HEAR(nd_advertise, &nobody, 10);
    assert_false(neighbour_lookup(n, our6, 20, mac));
}

static void unasked_reply_makes_no_entry(void **state)
{
    hear_arp(their4, their_mac, 10);
    HEAR(nd_advertise, &theirs, 10);
    assert_int_equal(n->learned, 0);
    assert_false(neighbour_lookup(n, their4, 20, mac));
}

static void our_own_address_is_never_learned(void **state)
{
    hear_arp(our4, other_mac, 10);
    neighbour_lookup(n, our4, 0, mac);
    hear_arp(our4, other_mac, 10);
    assert_int_equal(n->learned, 0);
}

static void reachable_for_30_s_needs_no_request(void **state)
{
    HEAR(arp_request, &ours, 0);
    assert_true(neighbour_lookup(n, their4, 30 * SECOND - 1, mac));
    assert_false(neighbour_request(n, 30 * SECOND - 1, target));
}

static void stale_is_used_while_it_is_asked_for_again(void **state)
{
    HEAR(arp_request, &ours, 0);
    assert_false(neighbour_request(n, 100 * SECOND, target)); /* nobody uses it: nobody asks */
    assert_true(neighbour_lookup(n, their4, 100 * SECOND, mac));
    assert_memory_equal(mac, their_mac, 6);
    assert_true(neighbour_request(n, 100 * SECOND, target));
    assert_true(neighbour_lookup(n, their4, 100 * SECOND + 1, mac));
    hear_arp(their4, their_mac, 100 * SECOND + 2);
    assert_false(neighbour_request(n, 102 * SECOND, target));
    assert_true(neighbour_lookup(n, their4, 130 * SECOND, mac));
    assert_false(neighbour_request(n, 130 * SECOND, target));
}

static void stale_that_does_not_answer_is_forgotten(void **state)
{
    uint64_t now = 100 * SECOND;
    HEAR(arp_request, &ours, 0);
    assert_true(neighbour_lookup(n, their4, now, mac));
    for (unsigned i = 0; i < 4; i++, now += SECOND)
        assert_true(neighbour_request(n, now, target));
    assert_false(neighbour_request(n, now, target));
    assert_int_equal(n->failed, 1);
    assert_false(neighbour_lookup(n, their4, now, mac));
}

static void known_mac_changes_by_an_answer_and_is_counted(void **state)
{
    HEAR(arp_request, &ours, 0);
    hear_arp(their4, other_mac, 10);
    assert_true(neighbour_lookup(n, their4, 20, mac));
    assert_memory_equal(mac, their_mac, 6);
    assert_true(neighbour_request(n, 20, target));
    assert_memory_equal(target, their4, 16);
    hear_arp(their4, other_mac, 30);
    assert_true(neighbour_lookup(n, their4, 40, mac));
    assert_memory_equal(mac, their_mac, 6); /* who has it may be about to answer */
    assert_true(neighbour_request(n, SECOND + 20, target));
    hear_arp(their4, other_mac, SECOND + 30);
    assert_true(neighbour_lookup(n, their4, SECOND + 40, mac));
    assert_memory_equal(mac, other_mac, 6);
    assert_int_equal(n->changed, 1);
    assert_false(neighbour_request(n, 10 * SECOND, target));
}

static void who_says_a_known_address_is_his_is_not_believed_when_its_owner_answers(void **state)
{
    unsigned requests = 0;
    uint64_t answer_us = 0;
    HEAR(arp_request, &ours, 0);
    for (uint64_t now = 1000; now < 20 * SECOND; now += 1000) {
        hear_arp_message(ARP_REQUEST, their4, other_mac, our4, now);
        hear_arp_message(ARP_REPLY, their4, other_mac, our4, now);
        hear_arp_message(ARP_REQUEST, their4, other_mac, their4, now);
        if (neighbour_request(n, now, target))
            answer_us = now + 5000, requests++;
        if (now == answer_us)
            hear_arp(their4, their_mac, now);
        assert_true(neighbour_lookup(n, their4, now, mac));
        assert_memory_equal(mac, their_mac, 6);
    }
    assert_int_equal(n->changed, 0);
    assert_in_range(requests, 19, 20); /* once a second, however often it is said */
}

static void gratuitous_message_makes_us_ask_at_once(void **state)
{
    hear_arp_message(ARP_REQUEST, their4, other_mac, their4, 5);
    assert_int_equal(n->learned, 0); /* it adds nothing */
    HEAR(arp_request, &ours, 10);
    hear_arp_message(ARP_REQUEST, their4, other_mac, their4, 20);
    assert_true(neighbour_request(n, 20, target));
    assert_true(neighbour_request(n, SECOND + 20, target));
    hear_arp(their4, other_mac, SECOND + 30);
    assert_true(neighbour_lookup(n, their4, SECOND + 40, mac));
    assert_memory_equal(mac, other_mac, 6);
}

static void advertisement_without_override_changes_no_known_mac(void **state)
{
    HEAR(nd_solicit, &ours, 0);
    hear_advertisement(other_mac, false, 10);
    assert_false(neighbour_request(n, 20, target));
    hear_advertisement(other_mac, true, 30);
    assert_true(neighbour_request(n, 30, target));
    assert_true(neighbour_request(n, SECOND + 30, target));
    hear_advertisement(other_mac, false, SECOND + 40);
    assert_true(neighbour_lookup(n, their6, SECOND + 50, mac));
    assert_memory_equal(mac, their_mac, 6);
    hear_advertisement(other_mac, true, SECOND + 60);
    assert_true(neighbour_lookup(n, their6, SECOND + 70, mac));
    assert_memory_equal(mac, other_mac, 6);
}

static void requests_are_a_millisecond_apart(void **state)
{
    uint8_t a[16];
    memcpy(a, their4, 16);
    for (unsigned i = 0; i < 200; i++) {
        a[15] = (uint8_t)i;
        neighbour_lookup(n, a, 0, mac);
    }
    unsigned requests = 0;
    for (uint64_t now = 0; now < 50000; now += 10)
        requests += neighbour_request(n, now, target);
    assert_int_equal(requests, 50);
    assert_true(neighbour_deadline(n) <= 51000);
}

static void flood_of_unanswered_addresses_spares_a_known_neighbour(void **state)
{
    uint8_t a[16];
    HEAR(arp_request, &ours, 0);
    memcpy(a, their4, 16);
    for (unsigned i = 0; i < 60000; i++) {
        a[13] = 19;
        put_be16(a + 14, (uint16_t)i);
        neighbour_lookup(n, a, i, mac);
    }
    assert_true(n->evicted > 50000);
    assert_true(neighbour_lookup(n, their4, 70000, mac));
    assert_memory_equal(mac, their_mac, 6);
}

static void table_is_good_as_the_region_makes_it(void **state)
{
    /* A worker's next life finds its table as it was: nothing on the heap. */
    HEAR(arp_request, &ours, 0);
    neighbour_lookup(n, their6, 0, mac);
    struct route_neighbours *again = malloc(sizeof *again);
    memcpy(again, n, sizeof *again);
    assert_true(neighbour_lookup(again, their4, 20, mac));
    assert_true(neighbour_request(again, 20, target));
    assert_memory_equal(target, their6, 16);
    free(again);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(free_lookup_asks),
        TEST(incomplete_is_asked_for_once_a_second_and_given_up_after_4),
        TEST(incomplete_becomes_reachable_by_an_arp_reply),
        TEST(incomplete_becomes_reachable_by_the_kernels_advertisement),
        TEST(who_asks_for_us_is_known_without_asking),
        TEST(messages_to_others_teach_nothing),
        TEST(unasked_reply_makes_no_entry),
        TEST(our_own_address_is_never_learned),
        TEST(reachable_for_30_s_needs_no_request),
        TEST(stale_is_used_while_it_is_asked_for_again),
        TEST(stale_that_does_not_answer_is_forgotten),
        TEST(known_mac_changes_by_an_answer_and_is_counted),
        TEST(who_says_a_known_address_is_his_is_not_believed_when_its_owner_answers),
        TEST(gratuitous_message_makes_us_ask_at_once),
        TEST(advertisement_without_override_changes_no_known_mac),
        TEST(requests_are_a_millisecond_apart),
        TEST(flood_of_unanswered_addresses_spares_a_known_neighbour),
        TEST(table_is_good_as_the_region_makes_it),
    };
    return cmocka_run_group_tests_name("neighbour", tests, NULL, NULL);
}
