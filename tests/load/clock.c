/*
 * The generator's clock, and whether it is to end.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "load.h"

#include <signal.h>
#include <time.h>

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double load_ticks_per_us(void)
{
    static double ticks;
    if (ticks == 0) {
        uint64_t ns = now_ns(), tsc = __rdtsc();
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        tsc = __rdtsc() - tsc;
        ticks = (double)tsc * 1000.0 / (double)(now_ns() - ns);
    }
    return ticks;
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    interrupted = 1;
}

void load_interruptible(void)
{
    sigaction(SIGINT, &(struct sigaction){.sa_handler = on_interrupt}, NULL);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_interrupt}, NULL);
}

bool load_interrupted(void)
{
    return interrupted != 0;
}
