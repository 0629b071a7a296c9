/*
 * The E-model against G.107's own figures, and what it does with what is measured here.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controlplane/voice/emodel.h"

#define NEAR(is, wanted, within)                                                                             \
    do {                                                                                                     \
        double value = (is);                                                                                 \
        if (fabs(value - (wanted)) > (within))                                                               \
            fail_msg("%s: %f instead of %f", #is, value, (double)(wanted));                                  \
    } while (0)

static double rating(double loss, double burst, double delay_ms)
{
    struct emodel_line l = {loss, burst, delay_ms};
    return emodel_rating(&l);
}

/* G.107 annex B, table B.1: R 90, 80, 70, 60, 50 are MOS 4.34, 4.03, 3.60, 3.10, 2.58. */
static void scores_are_those_of_the_table(void **state)
{
    static const double table[][2] = {{90, 4.34}, {80, 4.03}, {70, 3.60}, {60, 3.10}, {50, 2.58}};
    for (unsigned i = 0; i < 5; i++)
        NEAR(emodel_mos(table[i][0]), table[i][1], 0.01);
    NEAR(emodel_mos(0), 1, 0);
    NEAR(emodel_mos(-5), 1, 0);
    NEAR(emodel_mos(100), 4.5, 0);
    NEAR(emodel_mos(93.2), 4.41, 0.01);
}

static void nothing_lost_and_nothing_late_is_the_best_there_is(void **state)
{
    NEAR(rating(0, 1, 0), 93.2, 0);
    NEAR(rating(0, 1, 100), 93.2, 0);
}

/* Idd by hand: 200 ms, X = 1: 25 (2^(1/6) - 3 (1 + 3^-6)^(1/6) + 2) = 3.044 */
static void delay_takes_away_what_the_formula_says(void **state)
{
    NEAR(93.2 - rating(0, 1, 200), 3.044, 0.01);
    NEAR(93.2 - rating(0, 1, 400), 24.09, 0.1);
    assert_true(rating(0, 1, 150) > rating(0, 1, 250));
}

/* 95 * 5 / (5 + 19) and, in bursts twice as long, 95 * 5 / (2.5 + 19). */
static void loss_takes_away_what_the_formula_says_and_bursts_take_more(void **state)
{
    NEAR(93.2 - rating(0.05, 1, 0), 19.79, 0.01);
    NEAR(93.2 - rating(0.05, 2, 0), 22.09, 0.01);
    NEAR(rating(1, 1, 1000), 0, 1);
    assert_true(rating(0.01, 1, 0) > rating(0.02, 1, 0));
}

static void bursts_are_measured_against_random_loss(void **state)
{
    NEAR(emodel_burst(0, 0, 0), 1, 0);
    NEAR(emodel_burst(10, 10, 0.1), 1, 0); /* shorter than random is random */
    NEAR(emodel_burst(100, 10, 0.1), 9, 0.001);
}

static void delay_is_half_the_way_and_what_clients_add(void **state)
{
    NEAR(emodel_delay_ms(0, 0), 46.5, 0.001);
    NEAR(emodel_delay_ms(100, 10), 116.5, 0.001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_the_table),
        cmocka_unit_test(nothing_lost_and_nothing_late_is_the_best_there_is),
        cmocka_unit_test(delay_takes_away_what_the_formula_says),
        cmocka_unit_test(loss_takes_away_what_the_formula_says_and_bursts_take_more),
        cmocka_unit_test(bursts_are_measured_against_random_loss),
        cmocka_unit_test(delay_is_half_the_way_and_what_clients_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
