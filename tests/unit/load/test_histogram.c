/*
 * What the histogram gives back is what was put in, within its steps.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/load/histogram.h"

static struct histogram h;

static void small_values_are_exact(void **state)
{
    h = (struct histogram){0};
    for (uint64_t v = 1; v <= 100; v++)
        histogram_add(&h, v);
    assert_int_equal(histogram_at(&h, 0.5), 50);
    assert_int_equal(histogram_at(&h, 0.99), 99);
    assert_int_equal(histogram_at(&h, 1), 100);
    assert_int_equal(h.max, 100);
}

/* One value in each histogram: never told too small, nor by more than one step in 64 too large. */
static void any_value_is_known_within_a_step(void **state)
{
    for (uint64_t v = 1; v < 1ull << 40; v += 1 + v / 37) {
        h = (struct histogram){0};
        histogram_add(&h, v);
        histogram_add(&h, 4 * v); /* so that the largest does not tell */
        uint64_t at = histogram_at(&h, 0.5);
        assert_true(at >= v && at <= v + v / 64);
    }
}

static void one_late_answer_shows_in_the_tail_alone(void **state)
{
    h = (struct histogram){0};
    for (unsigned i = 0; i < 9999; i++)
        histogram_add(&h, 10);
    histogram_add(&h, 5000000);
    assert_int_equal(histogram_at(&h, 0.999), 10);
    assert_int_equal(histogram_at(&h, 1), 5000000);
}

static void none_is_zero_and_the_longest_is_kept(void **state)
{
    h = (struct histogram){0};
    assert_int_equal(histogram_at(&h, 0.5), 0);
    histogram_add(&h, UINT64_MAX);
    assert_true(histogram_at(&h, 0.5) > 1ull << 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(any_value_is_known_within_a_step),
        cmocka_unit_test(one_late_answer_shows_in_the_tail_alone),
        cmocka_unit_test(none_is_zero_and_the_longest_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
