/*
 * The replay window of a member: which of the last VOICE_REPLAY_WINDOW nonce counters have come, as a ring of
 * bits (RFC 6479), bit counter mod window. Bits between the old top and the new one are cleared when the top
 * moves, so the whole window counts.
 *
 * What holds: bits of counters in (top - window, top] say whether they came; nothing older is ever taken.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_VOICE_REPLAY_H
#define VOXPOP_VOICE_REPLAY_H

#include <stdbool.h>
#include <string.h>

#include "room.h"

static inline uint64_t replay_bit(uint32_t counter)
{
    return 1ull << (counter % 64);
}

static inline uint32_t replay_word(uint32_t counter)
{
    return counter / 64 % (VOICE_REPLAY_WINDOW / 64);
}

/* Whether a packet with this counter would be new. Changes nothing: the packet is not authentic yet. */
static inline bool replay_fresh(const struct voice_member *m, uint32_t counter)
{
    if (!m->rx_any || counter > m->rx_counter_top)
        return true;
    if (m->rx_counter_top - counter >= VOICE_REPLAY_WINDOW)
        return false;
    return !(m->rx_window[replay_word(counter)] & replay_bit(counter));
}

/* An authentic packet with a fresh counter came. True: it is the newest. */
static inline bool replay_mark(struct voice_member *m, uint32_t counter)
{
    bool newest = !m->rx_any || counter > m->rx_counter_top;
    if (!m->rx_any || (newest && counter - m->rx_counter_top >= VOICE_REPLAY_WINDOW)) {
        memset(m->rx_window, 0, sizeof m->rx_window);
    } else if (newest) {
        for (uint32_t c = m->rx_counter_top + 1; c != counter; c++)
            m->rx_window[replay_word(c)] &= ~replay_bit(c);
    }
    if (newest)
        m->rx_counter_top = counter;
    m->rx_any = 1;
    m->rx_window[replay_word(counter)] |= replay_bit(counter);
    return newest;
}

static inline void replay_reset(struct voice_member *m)
{
    m->rx_any = 0;
    m->rx_counter_top = 0;
    memset(m->rx_window, 0, sizeof m->rx_window);
}

#endif
