/*
 * The hash map against a plain table of all keys.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/base/map.h"
#include "tests/unit/include/random.h"

#define KEYS 20000u

static uint64_t key[KEYS], value[KEYS]; /* value 0: not in the map */

static void compare(const struct map *m, unsigned keys)
{
    uint64_t there = 0;
    for (unsigned i = 0; i < keys; i++) {
        uint64_t v = 0;
        assert_int_equal(map_get(m, key[i], &v), value[i] != 0);
        assert_int_equal(v, value[i]);
        there += value[i] != 0;
    }
    assert_int_equal(m->used, there);
}

/* `keys` keys that come and go; few of them in the smallest table make long runs that cross its end. */
static void churn(unsigned keys, unsigned steps, uint64_t seed, bool dense)
{
    struct map m;
    for (unsigned i = 0; i < keys; i++) {
        key[i] = dense ? (uint64_t)(i % 5 + 1) << 32 | i : random_next(&seed) | 1;
        value[i] = 0;
    }
    assert_true(map_init(&m, 0));
    for (unsigned i = 0; i < steps; i++) {
        unsigned k = random_below(&seed, keys);
        if (random_below(&seed, 2)) {
            value[k] = random_next(&seed) | 1;
            assert_true(map_put(&m, key[k], value[k]));
        } else {
            assert_int_equal(map_remove(&m, key[k]), value[k] != 0);
            value[k] = 0;
        }
        if (keys < 100 || i % 5000 == 0)
            compare(&m, keys);
    }
    compare(&m, keys);
    for (unsigned i = 0; i < keys; i++)
        assert_int_equal(map_remove(&m, key[i]), value[i] != 0);
    assert_int_equal(m.used, 0);
    for (uint64_t i = 0; i < m.slots; i++)
        assert_int_equal(m.entry[i].key, 0);
    map_free(&m);
}

static void few_keys_that_come_and_go_leave_no_search_broken(void **state)
{
    for (uint64_t seed = 1; seed < 30; seed++)
        churn(40, 3000, seed, seed % 2);
}

static void many_keys_make_it_grow_and_keep_all(void **state)
{
    churn(KEYS, 200000, 3, false);
    churn(KEYS, 200000, 4, true);
}

static void keys_expected_need_no_growth(void **state)
{
    struct map m;
    assert_true(map_init(&m, 5000));
    uint64_t slots = m.slots, v;
    for (uint64_t k = 1; k <= 5000; k++)
        assert_true(map_put(&m, k << 20, k));
    assert_int_equal(m.slots, slots);
    assert_false(map_get(&m, 3, &v));
    assert_true(map_get(&m, 4999ull << 20, &v));
    assert_int_equal(v, 4999);
    map_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_keys_that_come_and_go_leave_no_search_broken),
        cmocka_unit_test(many_keys_make_it_grow_and_keep_all),
        cmocka_unit_test(keys_expected_need_no_growth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
