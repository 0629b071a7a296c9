/*
 * How good a connection sounds, as the E-model says it (ITU-T G.107): from loss, its burstiness and the delay
 * from mouth to ear to the rating R, and from that to the mean opinion score of 1 to 4.5.
 *
 * Pure. Everything that is not measured has G.107's default, so that R begins at 93.2. Opus has no row in
 * G.113: it is taken as free of impairment without loss (Ie 0), and as robust against it as G.729A with its
 * concealment (Bpl 19): an assumption, on the cautious side where in-band FEC is in use.
 *
 * Read first: ITU-T G.107 7.5, 7.4 (Idd), annex B (MOS).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_VOICE_EMODEL_H
#define VOXPOP_VOICE_EMODEL_H

struct emodel_line {
    double loss;     /* share of packets, 0 to 1 */
    double burst;    /* BurstR: length of bursts against that of random loss; 1: random */
    double delay_ms; /* mouth to ear, one way */
};

/* 0 to 93.2 */
double emodel_rating(const struct emodel_line *l);
/* 1 to 4.5 */
double emodel_mos(double rating);

/*
 * What is lost and late, as a stream's receiver counts it, to BurstR: `concealed` packets missing in `gaps`
 * gaps, at this loss.
 */
double emodel_burst(double concealed, double gaps, double loss);

/* Delay that nobody here sees, added to half a round trip: a packet of 20 ms, Opus's look-ahead, and a jitter
 * buffer that holds 20 ms and twice the jitter. */
double emodel_delay_ms(double round_trip_ms, double jitter_ms);

#endif
