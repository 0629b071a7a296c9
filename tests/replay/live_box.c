/*
 * A box that runs: three participants talk and write, in real time, until SIGTERM. For tests of the
 * operator's capture commands. Says "ready" when everybody hears everybody. live_box REGION-FILE WORKERS
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "box.h"

static volatile sig_atomic_t stopping;

static void on_stop(int signal_number)
{
    stopping = 1;
}

static void turn(struct box *b, bool talk)
{
    nanosleep(&(struct timespec){.tv_nsec = TICK_US * 1000}, NULL);
    b->now_us = region_now_us();
    box_turn(b, talk);
}

static void join(struct box *b, uint32_t index)
{
    box_join(b);
    while (b->participant[index].tls.state != TLS_CONN_OPEN && !stopping)
        turn(b, false);
    box_enter(b, index);
    while (!participant_heard(&b->participant[index], "READY") && !stopping)
        turn(b, false);
}

int main(int argc, char **argv)
{
    if (argc != 3 || !aead_init(AEAD_BACKEND_AUTO))
        return 2;
    signal(SIGTERM, on_stop);
    struct box *b = box_new((uint32_t)atoi(argv[2]), argv[1]);
    for (uint32_t k = 0; k < PARTICIPANTS; k++)
        join(b, k);
    for (unsigned i = 0; !stopping; i++) {
        turn(b, i % 4 == 0);
        if (i % 1000 == 0)
            box_learn_link(b);
        if (i % 100 == 50 && i < 10000) /* a participant's memory of what it was told has an end */
            participant_say_text(&b->participant[i / 100 % PARTICIPANTS], "message");
        if (i == 20) {
            printf("ready\n");
            fflush(stdout);
        }
    }
    box_free(b);
    return 0;
}
