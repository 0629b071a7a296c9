/*
 * A transaction over the region, so that a process killed at any store leaves the region as it was before the
 * transaction or as it is after it, never between.
 *
 *      IDLE --txn_begin--> OPEN --txn_commit--> COMMITTED --txn_publish--> IDLE
 *       ^                   |                                               ^
 *       +---- txn_recover --+ (undoes)         txn_recover (publishes) -----+
 *
 * What holds in each phase:
 *   IDLE       nothing to repair.
 *   OPEN       every byte changed in place was first copied to the undo log; intents are not yet carried out.
 * New ring entries, log events and packets may be written beyond the published tails: nobody sees them.
 *   COMMITTED  all changes stand; each intent (an offset and the 8-byte value it is to have) is carried out
 * once or more: storing it twice is the same as storing it once.
 *
 * Process death only, not power loss: x86 keeps the order of stores, so compiler barriers suffice
 * (design.md). One log has one writer: a worker, or the control plane's main thread.
 *
 * Units: offsets and lengths in bytes. Ownership: the log lives in the region; `struct txn` is the writer's
 * handle on its own heap. A NULL txn is allowed wherever state changes, records nothing and carries intents
 * out at once (unit tests of cores without a region).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_UNDO_H
#define VOXPOP_UNDO_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TXN_INTENTS_MAX 64

enum txn_phase { TXN_IDLE = 0, TXN_OPEN = 1, TXN_COMMITTED = 2 };

struct txn_intent {
    uint64_t offset; /* of an 8-byte word in the region */
    uint64_t value;
};

#define TXN_NUMBER_SHIFT 48 /* the n-th log of a region counts from n << 48 on */

/* In the region. Writer: the owner of the log. */
struct txn_log {
    _Atomic uint32_t phase;     /* enum txn_phase */
    _Atomic uint32_t undo_used; /* bytes of the undo area that hold whole entries */
    uint32_t undo_size;         /* bytes of the undo area behind this struct; set at creation */
    _Atomic uint32_t intent_count;
    _Atomic uint64_t number; /* of the transaction under way, or of the last one; never reused, nor used by
                                another log: an object may pass from one writer to another with its stamp */
    uint64_t undone;         /* transactions undone at a restart, for the operator */
    uint64_t republished;    /* transactions published again at a restart */
    uint8_t pad[24];
    struct txn_intent intents[TXN_INTENTS_MAX];
    /* undo area: entries {old bytes, padded to 8} {offset:8} {length:8}, so that it is walked from its end */
};
_Static_assert(sizeof(struct txn_log) == 64 + 16 * TXN_INTENTS_MAX, "txn_log is a published format");
_Static_assert(offsetof(struct txn_log, intents) == 64, "txn_log is a published format");

/* The writer's handle. */
struct txn {
    struct txn_log *log;
    uint8_t *base; /* of the region */
    uint8_t *undo; /* the undo area */
};

/* Orders stores against what another life of this process will see. */
static inline void txn_barrier(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

static inline void txn_attach(struct txn *t, void *region_base, struct txn_log *log)
{
    t->log = log;
    t->base = region_base;
    t->undo = (uint8_t *)log + sizeof *log;
}

static inline uint64_t txn_number(const struct txn *t)
{
    return t ? atomic_load_explicit(&t->log->number, memory_order_relaxed) : 0;
}

static inline void txn_begin(struct txn *t)
{
    struct txn_log *l = t->log;
    assert(atomic_load_explicit(&l->phase, memory_order_relaxed) == TXN_IDLE);
    atomic_store_explicit(&l->undo_used, 0, memory_order_relaxed);
    atomic_store_explicit(&l->intent_count, 0, memory_order_relaxed);
    atomic_store_explicit(&l->number, txn_number(t) + 1, memory_order_relaxed);
    txn_barrier();
    atomic_store_explicit(&l->phase, TXN_OPEN, memory_order_release);
    txn_barrier();
}

/* Undo bytes still free. A writer that finds less than it may need commits and begins anew. */
static inline uint32_t txn_room(const struct txn *t)
{
    return t->log->undo_size - atomic_load_explicit(&t->log->undo_used, memory_order_relaxed);
}

/* Copies [p, p+len) to the undo log before it is changed. Aborts when the log is full: callers keep room
 * (txn_room). */
static inline void txn_save(struct txn *t, const void *p, size_t len)
{
    if (!t)
        return;
    struct txn_log *l = t->log;
    uint32_t used = atomic_load_explicit(&l->undo_used, memory_order_relaxed);
    uint32_t padded = (uint32_t)((len + 7) & ~(size_t)7);
    if (l->undo_size - used < padded + 16)
        __builtin_trap();
    uint64_t trailer[2] = {(uint64_t)((const uint8_t *)p - t->base), len};
    memcpy(t->undo + used, p, len);
    memcpy(t->undo + used + padded, trailer, sizeof trailer);
    txn_barrier();
    atomic_store_explicit(&l->undo_used, used + padded + 16, memory_order_release);
    txn_barrier();
}

/*
 * The same for an object that carries a stamp (a uint64_t within [p, p+len), written here alone): copies it
 * on the first touch of a transaction, and never again in that transaction.
 */
static inline void txn_touch(struct txn *t, void *p, size_t len, uint64_t *stamp)
{
    if (!t)
        return;
    uint64_t now = txn_number(t);
    if (*stamp == now)
        return;
    txn_save(t, p, len);
    *stamp = now;
}

/* After the commit, the 8-byte word at `word` is to hold `value`. The last intent for a word wins. */
static inline void txn_intend(struct txn *t, _Atomic uint64_t *word, uint64_t value)
{
    if (!t) {
        atomic_store_explicit(word, value, memory_order_release);
        return;
    }
    struct txn_log *l = t->log;
    uint64_t offset = (uint64_t)((uint8_t *)word - t->base);
    uint32_t n = atomic_load_explicit(&l->intent_count, memory_order_relaxed);
    for (uint32_t i = 0; i < n; i++) {
        if (l->intents[i].offset == offset) {
            l->intents[i].value = value;
            return;
        }
    }
    if (n == TXN_INTENTS_MAX)
        __builtin_trap();
    l->intents[n] = (struct txn_intent){offset, value};
    txn_barrier();
    atomic_store_explicit(&l->intent_count, n + 1, memory_order_release);
}

/* From here on the transaction stands, whatever happens. */
static inline void txn_commit(struct txn *t)
{
    txn_barrier();
    atomic_store_explicit(&t->log->phase, TXN_COMMITTED, memory_order_release);
    txn_barrier();
}

/* Carries out the intents; then the transaction is over. */
static inline void txn_publish(struct txn *t)
{
    struct txn_log *l = t->log;
    uint32_t n = atomic_load_explicit(&l->intent_count, memory_order_relaxed);
    for (uint32_t i = 0; i < n; i++)
        atomic_store_explicit((_Atomic uint64_t *)(void *)(t->base + l->intents[i].offset),
                              l->intents[i].value, memory_order_release);
    txn_barrier();
    atomic_store_explicit(&l->phase, TXN_IDLE, memory_order_release);
    txn_barrier();
}

/*
 * To be called by the next life of the writer, before anything else. Returns the phase it found. May itself
 * be killed and called again: undoing is idempotent, and so is publishing.
 */
static inline enum txn_phase txn_recover(struct txn *t)
{
    struct txn_log *l = t->log;
    enum txn_phase found = (enum txn_phase)atomic_load_explicit(&l->phase, memory_order_acquire);
    if (found == TXN_COMMITTED) {
        l->republished++;
        txn_publish(t);
    } else if (found == TXN_OPEN) {
        uint32_t used = atomic_load_explicit(&l->undo_used, memory_order_acquire);
        while (used) {
            uint64_t trailer[2];
            memcpy(trailer, t->undo + used - 16, sizeof trailer);
            uint32_t padded = (uint32_t)((trailer[1] + 7) & ~7ull);
            used -= padded + 16;
            memcpy(t->base + trailer[0], t->undo + used, trailer[1]);
        }
        l->undone++;
        txn_barrier();
        atomic_store_explicit(&l->phase, TXN_IDLE, memory_order_release);
    }
    txn_barrier();
    return found;
}

#endif
