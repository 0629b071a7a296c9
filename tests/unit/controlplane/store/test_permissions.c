/*
 * Permissions, snowflakes and intents: the algorithms of reference/rest.md 5 and 8 case by case.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/id_map.h"
#include "controlplane/protocol/intents.h"
#include "controlplane/protocol/permissions.h"
#include "controlplane/protocol/snowflake.h"
#include "controlplane/protocol/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define GUILD  100
#define ROLE_A 201
#define ROLE_B 202
#define USER   300

/* base, overwrites, expected */
struct permission_case {
    const char *what;
    uint64_t base;
    struct overwrite overwrites[4];
    uint64_t want;
};

static const struct permission_case cases[] = {
    {"no overwrite leaves the base", PERM_SPEAK, {{0}}, PERM_SPEAK},
    {"everyone denies", PERM_VIEW_CHANNEL | PERM_SPEAK, {{GUILD, 0, PERM_SPEAK, false}}, PERM_VIEW_CHANNEL},
    {"everyone allows after it denies", PERM_SPEAK, {{GUILD, PERM_SPEAK, PERM_SPEAK, false}}, PERM_SPEAK},
    {"a role allows what everyone is denied",
     PERM_SPEAK,
     {{GUILD, 0, PERM_SPEAK, false}, {ROLE_A, PERM_SPEAK, 0, false}},
     PERM_SPEAK},
    {"among roles one allow beats every deny, in either order",
     0,
     {{ROLE_A, PERM_SPEAK, 0, false}, {ROLE_B, 0, PERM_SPEAK, false}},
     PERM_SPEAK},
    {"the member's own deny beats a role's allow",
     0,
     {{ROLE_A, PERM_SPEAK, 0, false}, {USER, 0, PERM_SPEAK, true}},
     0},
    {"the member's own allow comes last", PERM_SPEAK, {{USER, PERM_SPEAK, PERM_SPEAK, true}}, PERM_SPEAK},
    {"a role that one does not have does not count", 0, {{999, PERM_SPEAK, 0, false}}, 0},
    {"a role's overwrite with a user's id is not the user's", 0, {{USER, PERM_SPEAK, 0, false}}, 0},
    {"a member's overwrite with the guild's id is not everyone's", 0, {{GUILD, PERM_SPEAK, 0, true}}, 0},
    {"an administrator is beyond overwrites",
     PERM_ADMINISTRATOR,
     {{GUILD, 0, PERM_ALL, false}, {USER, 0, PERM_ALL, true}},
     PERM_ALL},
};

static void overwrites_apply_in_the_order_of_the_algorithm(void **state)
{
    (void)state;
    uint64_t roles[] = {ROLE_A, ROLE_B};
    struct member m = {.guild_id = GUILD, .user_id = USER, .roles = roles, .role_count = 2};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct overwrite o[4];
        struct channel c = {.overwrites = o};
        for (; c.overwrite_count < 4 && cases[i].overwrites[c.overwrite_count].id; c.overwrite_count++)
            o[c.overwrite_count] = cases[i].overwrites[c.overwrite_count];
        uint64_t got = permissions_in_channel(cases[i].base, &c, GUILD, &m);
        if (got != cases[i].want)
            fail_msg("%s: %llx", cases[i].what, (unsigned long long)got);
    }
}

static void the_owner_and_administrators_have_everything(void **state)
{
    (void)state;
    assert_int_equal(permissions_base(true, 0), PERM_ALL);
    assert_int_equal(permissions_base(false, PERM_ADMINISTRATOR), PERM_ALL);
    assert_int_equal(permissions_base(false, PERM_SPEAK), PERM_SPEAK);
}

static void what_a_missing_permission_makes_meaningless_is_taken_away(void **state)
{
    (void)state;
    assert_int_equal(permissions_implied(PERM_ALL & ~PERM_VIEW_CHANNEL), 0);
    assert_int_equal(permissions_implied(PERM_VIEW_CHANNEL | PERM_SPEAK | PERM_MUTE_MEMBERS),
                     PERM_VIEW_CHANNEL);
    assert_int_equal(permissions_implied(PERM_VIEW_CHANNEL | PERM_CONNECT | PERM_SPEAK),
                     PERM_VIEW_CHANNEL | PERM_CONNECT | PERM_SPEAK);
    assert_int_equal(permissions_implied(PERM_VIEW_CHANNEL | PERM_MENTION_EVERYONE | PERM_EMBED_LINKS),
                     PERM_VIEW_CHANNEL);
    assert_int_equal(permissions_implied(PERM_ALL), PERM_ALL);
}

static void permission_bits_are_the_protocols(void **state)
{
    (void)state;
    assert_int_equal(PERM_ADMINISTRATOR, 8);
    assert_int_equal(PERM_CONNECT, 1048576);
    assert_int_equal(PERM_MODERATE_MEMBERS, 1099511627776);
    assert_string_equal(permission_name(PERM_SEND_MESSAGES), "SEND_MESSAGES");
}

static void snowflakes_grow_when_the_clock_does_not(void **state)
{
    (void)state;
    struct snowflake s;
    int64_t now = SNOWFLAKE_EPOCH_MS + 1000000;
    snowflake_seed(&s, 3, 5, 0);
    uint64_t last = snowflake_next(&s, now);
    assert_int_equal(snowflake_ms(last), now);
    assert_int_equal(last >> 17 & 31, 3);
    assert_int_equal(last >> 12 & 31, 5);
    for (int i = 0; i < 10000; i++) {
        uint64_t id = snowflake_next(&s, now - i);
        assert_true(id > last);
        last = id;
    }
    assert_true(snowflake_ms(last) <= now + 3);
}

static void snowflakes_go_on_above_the_highest_of_the_last_process(void **state)
{
    (void)state;
    struct snowflake s;
    int64_t now = SNOWFLAKE_EPOCH_MS + 1000000;
    uint64_t highest = snowflake_floor(now + 5000) | 0x3fffff;
    snowflake_seed(&s, 0, 0, highest);
    assert_true(snowflake_next(&s, now) > highest);
}

static void ids_are_read_strictly(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1x",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "000000000000000000001"};
    uint64_t id;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(snowflake_parse(bad[i], strlen(bad[i]), &id));
    assert_true(snowflake_parse("18446744073709551615", 20, &id));
    assert_int_equal(id, UINT64_MAX);
}

static void events_need_their_intents(void **state)
{
    (void)state;
    assert_int_equal(intent_of_event("MESSAGE_CREATE", false), 1 << 9);
    assert_int_equal(intent_of_event("MESSAGE_CREATE", true), 1 << 12);
    assert_int_equal(intent_of_event("PRESENCE_UPDATE", false), 1 << 8);
    assert_int_equal(intent_of_event("VOICE_SERVER_UPDATE", false), 0);
    assert_int_equal(INTENTS_PRIVILEGED, 1 << 1 | 1 << 8 | 1 << 15);
    assert_false(INTENTS_KNOWN & 1 << 17);
}

static void times_are_read_with_fraction_and_offset(void **state)
{
    (void)state;
    int64_t a, b;
    assert_true(timestamp_parse("2024-05-01T12:34:56.789000+00:00", &a));
    assert_int_equal(a, INT64_C(1714566896789));
    assert_true(timestamp_parse("2024-05-01T14:34:56.789+02:00", &b));
    assert_int_equal(a, b);
    assert_true(timestamp_parse("2024-05-01T12:34:56Z", &b));
    assert_int_equal(a - 789, b);
    assert_false(timestamp_parse("2024-05-01T12:34:56", &b));
    assert_false(timestamp_parse("2024-13-01T12:34:56Z", &b));
    assert_false(timestamp_parse("tomorrow", &b));
}

static void the_map_keeps_what_remains_after_removals(void **state)
{
    (void)state;
    struct id_map m = {0};
    static int values[4096];
    uint64_t seed = 1;
    bool in[4096] = {false};
    for (int step = 0; step < 40000; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t i = seed >> 40 & 4095;
        if (in[i])
            assert_ptr_equal(id_map_remove(&m, (i + 1) << 22), &values[i]);
        else
            assert_null(id_map_put(&m, (i + 1) << 22, &values[i]));
        in[i] = !in[i];
    }
    size_t count = 0;
    for (size_t i = 0; i < 4096; i++) {
        assert_ptr_equal(id_map_get(&m, (i + 1) << 22), in[i] ? &values[i] : NULL);
        count += in[i];
    }
    assert_int_equal(m.count, count);
    id_map_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overwrites_apply_in_the_order_of_the_algorithm),
        cmocka_unit_test(the_owner_and_administrators_have_everything),
        cmocka_unit_test(what_a_missing_permission_makes_meaningless_is_taken_away),
        cmocka_unit_test(permission_bits_are_the_protocols),
        cmocka_unit_test(snowflakes_grow_when_the_clock_does_not),
        cmocka_unit_test(snowflakes_go_on_above_the_highest_of_the_last_process),
        cmocka_unit_test(ids_are_read_strictly),
        cmocka_unit_test(events_need_their_intents),
        cmocka_unit_test(times_are_read_with_fraction_and_offset),
        cmocka_unit_test(the_map_keeps_what_remains_after_removals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
