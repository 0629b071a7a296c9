/*
 * The limit on challenge ACKs that all connections of a worker share: see tcp.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tcp/tcp.h"

#include "dataplane/base/siphash.h"

#define US_PER_S 1000000u

bool tcp_challenge_take(struct tcp_challenges *t, uint64_t now_us)
{
    uint64_t second = now_us / US_PER_S + 1; /* 0: none yet */
    if (!t)
        return true;
    if (t->second != second) {
        t->second = second;
        t->left = t->limit / 2 + (uint32_t)(siphash24(t->key, &second, sizeof second) % (t->limit / 2 + 1));
    }
    if (t->left == 0)
        return false;
    t->left--;
    return true;
}
