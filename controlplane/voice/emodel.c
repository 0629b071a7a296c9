/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/voice/emodel.h"

#include <math.h>

#define RATING_BEST 93.2 /* Ro - Is of the defaults */
#define IE          0.0
#define BPL         19.0
#define DELAY_FREE  100.0 /* ms without impairment */
#define PACKET_MS   20.0
#define LOOK_MS     6.5
#define BUFFER_MS   20.0

/* Idd (G.107 7.4): what a delay alone takes away. */
static double of_delay(double ms)
{
    if (ms <= DELAY_FREE)
        return 0;
    double x = log2(ms / DELAY_FREE);
    return 25 * (pow(1 + pow(x, 6), 1.0 / 6) - 3 * pow(1 + pow(x / 3, 6), 1.0 / 6) + 2);
}

/* Ie,eff (G.107 7.5). */
static double of_loss(double loss, double burst)
{
    double percent = 100 * fmin(fmax(loss, 0), 1);
    return percent > 0 ? IE + (95 - IE) * percent / (percent / fmax(burst, 1) + BPL) : IE;
}

double emodel_rating(const struct emodel_line *l)
{
    return fmax(0, RATING_BEST - of_delay(l->delay_ms) - of_loss(l->loss, l->burst));
}

double emodel_mos(double r)
{
    if (r <= 0)
        return 1;
    if (r >= 100)
        return 4.5;
    return fmax(1, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6);
}

double emodel_burst(double concealed, double gaps, double loss)
{
    return gaps > 0 ? fmax(1, concealed / gaps * (1 - loss)) : 1;
}

double emodel_delay_ms(double round_trip_ms, double jitter_ms)
{
    return PACKET_MS + LOOK_MS + BUFFER_MS + 2 * jitter_ms + round_trip_ms / 2;
}
