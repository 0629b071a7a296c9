/*
 * The ticket keys in the region: when they change, and that a writer killed at any byte leaves the key in use
 * as it was.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ticket_keys.h"

static void fill(uint8_t key[TICKET_KEY_SIZE], int letter)
{
    memset(key, letter, TICKET_KEY_SIZE);
}

static struct ticket_keys begun(void)
{
    struct ticket_keys k;
    memset(&k, 0x5a, sizeof k); /* a region's secrets are random at first */
    k.changes = 0;
    k.key[0].since_s = 1000;
    fill(k.key[0].bytes, 'a');
    return k;
}

static void the_first_key_has_none_before_it(void **state)
{
    struct ticket_keys k = begun();
    assert_int_equal(ticket_key_current(&k)->bytes[5], 'a');
    assert_null(ticket_key_previous(&k));
}

static void a_change_keeps_the_key_before_and_forgets_the_one_before_that(void **state)
{
    struct ticket_keys k = begun();
    uint8_t key[TICKET_KEY_SIZE];
    for (int letter = 'b'; letter < 'h'; letter++) {
        fill(key, letter);
        ticket_keys_change(&k, key, 1000u + (uint64_t)letter);
        assert_int_equal(ticket_key_current(&k)->bytes[79], letter);
        assert_int_equal(ticket_key_current(&k)->since_s, 1000 + letter);
        assert_int_equal(ticket_key_previous(&k)->bytes[0], letter - 1);
    }
}

static void a_key_is_due_when_its_period_is_over_or_the_clock_was_set_back(void **state)
{
    struct ticket_keys k = begun();
    assert_false(ticket_keys_due(&k, 1000, 60));
    assert_false(ticket_keys_due(&k, 1059, 60));
    assert_true(ticket_keys_due(&k, 1060, 60));
    assert_true(ticket_keys_due(&k, 1000000, 60));
    assert_true(ticket_keys_due(&k, 999, 60));
}

/* Any part of the new key is written, and the count is not: as after a kill in between. */
static void a_change_that_is_not_finished_changes_nothing_for_the_key_in_use(void **state)
{
    struct ticket_keys k = begun();
    uint8_t key[TICKET_KEY_SIZE];
    fill(key, 'b');
    ticket_keys_change(&k, key, 2000);
    struct ticket_keys done = k;
    fill(key, 'c');
    ticket_keys_change(&done, key, 3000);
    for (size_t written = 0; written <= offsetof(struct ticket_keys, changes); written++) {
        struct ticket_keys torn = k;
        memcpy(&torn, &done, written);
        assert_int_equal(ticket_key_current(&torn)->bytes[0], 'b');
        assert_int_equal(ticket_key_current(&torn)->bytes[79], 'b');
        assert_int_equal(ticket_key_current(&torn)->since_s, 2000);
        assert_true(ticket_keys_due(&torn, 3000, 1000)); /* and is done again */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_key_has_none_before_it),
        cmocka_unit_test(a_change_keeps_the_key_before_and_forgets_the_one_before_that),
        cmocka_unit_test(a_key_is_due_when_its_period_is_over_or_the_clock_was_set_back),
        cmocka_unit_test(a_change_that_is_not_finished_changes_nothing_for_the_key_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
