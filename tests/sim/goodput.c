/*
 * Goodput against random loss over a path of 20 ms and 100 Mbit/s, both ways lossy, in virtual time: a table
 * that is committed and compared to the last digit. A change that is meant is written with GOLDEN_WRITE=1.
 *
 * usage: goodput GOLDEN
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/tcp_net.h"

#define SEEDS     5
#define TABLE_MAX 4096

struct row {
    const char *name;
    uint8_t congestion;
    bool ip6, sack;
};

static const struct row rows[] = {
    {"cubic, IPv4", TCP_CUBIC, false, true},
    {"cubic, IPv6", TCP_CUBIC, true, true},
    {"newreno, IPv4", TCP_NEWRENO, false, true},
    {"newreno, IPv4, a peer without SACK", TCP_NEWRENO, false, false},
};

/* What is transferred, so that losses are many, and virtual hours few. */
static const struct {
    uint32_t per_mille, bytes;
} losses[] = {{0, 8000000}, {10, 8000000}, {50, 4000000}, {200, 600000}};

static struct net_params path(const struct row *r, uint32_t per_mille, uint32_t bytes, uint64_t seed)
{
    struct net_params p = {.seed = seed,
                           .ip6 = r->ip6,
                           .loss = per_mille,
                           .delay_us = 10000,
                           .bits_per_s = 100000000,
                           .queue_bytes = 250000};
    for (int i = 0; i < 2; i++) {
        p.side[i] = (struct net_side){.blocks = 2048, .config = tcp_config_default()};
        p.side[i].config.retransmit_max = p.side[i].config.syn_retransmit_max = 60;
        p.side[i].config.fin_wait_2_us = 3600000000;
        p.side[i].config.congestion = r->congestion;
    }
    p.side[0].config.rcv_limit = 2000000;
    p.side[0].config.sack = r->sack;
    p.side[0].close_after_peer = true;
    p.side[1].total = bytes;
    return p;
}

/* kbit/s over all seeds: bytes over time, so that a slow run counts as long as it was. 0: one failed. */
static uint64_t goodput(const struct row *r, uint32_t per_mille, uint32_t bytes)
{
    uint64_t us = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct net_params p = path(r, per_mille, bytes, seed);
        struct net_result result = net_run(&p);
        if (!result.complete) {
            fprintf(stderr, "%s, loss %u per mille, seed %lu: %s\n", r->name, per_mille, seed,
                    result.complaint);
            return 0;
        }
        us += result.delivered_us;
    }
    return (uint64_t)bytes * SEEDS * 8 * 1000 / us;
}

static bool measure(char table[TABLE_MAX])
{
    size_t n = (size_t)snprintf(table, TABLE_MAX,
                                "Mbit/s over 20 ms, 100 Mbit/s; random loss, both ways:\n%-36s", "");
    bool complete = true;
    for (size_t l = 0; l < sizeof losses / sizeof *losses; l++)
        n += (size_t)snprintf(table + n, TABLE_MAX - n, " %6u %%", losses[l].per_mille / 10);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        n += (size_t)snprintf(table + n, TABLE_MAX - n, "\n%-36s", rows[r].name);
        for (size_t l = 0; l < sizeof losses / sizeof *losses; l++) {
            uint64_t kbits = goodput(&rows[r], losses[l].per_mille, losses[l].bytes);
            complete = complete && kbits;
            n += (size_t)snprintf(table + n, TABLE_MAX - n, " %4lu.%03lu", kbits / 1000, kbits % 1000);
        }
    }
    snprintf(table + n, TABLE_MAX - n, "\n");
    return complete;
}

int main(int argc, char **argv)
{
    char now[TABLE_MAX], golden[TABLE_MAX] = "";
    if (argc != 2)
        return fprintf(stderr, "usage: goodput GOLDEN\n"), 2;
    if (!measure(now))
        return 1;
    FILE *f = fopen(argv[1], getenv("GOLDEN_WRITE") ? "w" : "r");
    if (!f)
        return perror(argv[1]), 1;
    if (getenv("GOLDEN_WRITE"))
        return fputs(now, f) < 0 || fclose(f);
    golden[fread(golden, 1, sizeof golden - 1, f)] = 0;
    fclose(f);
    if (strcmp(now, golden) == 0)
        return 0;
    printf("the goodput has changed. It was\n%sand is\n%sIf that was meant: GOLDEN_WRITE=1\n", golden, now);
    return 1;
}
