/*
 * How a test's thread waits for another one that may have no core of its own. Yielding alone leaves the core
 * to whoever else is busy on it for a whole time slice, each time: on a loaded machine two threads that hand
 * each other 200,000 elements through 8 slots took minutes. A thread that slept is next in line.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TEST_WAIT_H
#define VOXPOP_TEST_WAIT_H

#include <time.h>

#define WAIT_SPINS 64u

/* One turn of a waiting loop: a pause on the core, and every WAIT_SPINS turns a short sleep. */
static inline void wait_turn(void)
{
    static _Thread_local unsigned turns;
    static const struct timespec nap = {.tv_nsec = 20000};
    if (++turns % WAIT_SPINS)
        __builtin_ia32_pause();
    else
        nanosleep(&nap, NULL);
}

#endif
