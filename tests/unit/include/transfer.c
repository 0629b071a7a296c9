/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "transfer.h"

#include "random.h"
#include "wait.h"

void transfer_format(struct transfer *t, uint64_t total)
{
    memset(t, 0, sizeof *t);
    t->total = total;
    t->txn[0].log.undo_size = t->txn[1].log.undo_size = TRANSFER_UNDO;
    ring_init(&t->ring.ring, TRANSFER_RING);
}

/* Mostly short ones; one in 256 is as long as the ring takes. */
static uint32_t length_of(const struct transfer *t, uint64_t id)
{
    uint64_t dice = id * 31 + 7;
    uint32_t longest = random_below(&dice, 256) ? 200 : (uint32_t)ring_payload_max(&t->ring.ring) - 8;
    return 8 + random_below(&dice, longest + 1);
}

static uint8_t fill_of(uint64_t id)
{
    return (uint8_t)(id * 131 + 3);
}

void transfer_produce(struct transfer *t, uint64_t seed)
{
    struct txn txn;
    struct ring_end out;
    txn_attach(&txn, t, &t->txn[0].log);
    txn_recover(&txn);
    ring_producer(&out, &t->ring.ring);
    uint64_t next = t->producer.sent;
    while (next < t->total) {
        bool full = false;
        txn_begin(&txn);
        for (unsigned n = 1 + random_below(&seed, 32); n && !full && next < t->total; n--) {
            uint32_t length = length_of(t, next);
            struct ring_entry *e = ring_reserve(&out, &txn, (uint16_t)(1 + next % 9), length);
            full = e == NULL;
            if (full)
                break;
            memset(e->payload, fill_of(next), length);
            memcpy(e->payload, &next, sizeof next);
            next++;
        }
        txn_intend(&txn, &t->producer.sent, next);
        txn_commit(&txn);
        txn_publish(&txn);
        if (full)
            wait_turn();
    }
}

static bool good(const struct transfer *t, const struct ring_entry *e, uint64_t *id)
{
    memcpy(id, e->payload, sizeof *id);
    if (*id >= t->total || e->length != length_of(t, *id) || e->type != 1 + *id % 9)
        return false;
    for (uint32_t i = sizeof *id; i < e->length; i++)
        if (e->payload[i] != fill_of(*id))
            return false;
    return true;
}

/* The entry has its effect: its bit is set. */
static void effect(struct transfer *t, struct txn *txn, uint64_t id)
{
    uint8_t *byte = &t->consumer.seen[id / 8], bit = (uint8_t)(1u << id % 8);
    if (*byte & bit)
        t->consumer.wrong++;
    txn_save(txn, byte, 1);
    *byte |= bit;
    txn_intend(txn, &t->consumer.done, t->consumer.done + 1);
}

void transfer_consume(struct transfer *t, uint64_t seed)
{
    struct txn txn;
    struct ring_end in;
    struct ring_entry *open[TRANSFER_OPEN];
    uint32_t count = 0;
    uint64_t last = 0, id;
    txn_attach(&txn, t, &t->txn[1].log);
    txn_recover(&txn);
    ring_consumer(&in, &t->ring.ring);
    while (t->consumer.done < t->total && !t->consumer.wrong) {
        struct ring_entry *e = NULL;
        while (count < TRANSFER_OPEN && (e = ring_next(&in))) {
            bool after = good(t, e, &id) && id + 1 > last;
            if (!after) {
                t->consumer.wrong++;
                return;
            }
            last = id + 1;
            open[count++] = e;
        }
        if (!count) {
            wait_turn();
            continue;
        }
        /* One transaction each, for any of them; all of them when nothing more comes. */
        uint32_t which = random_below(&seed, count);
        txn_begin(&txn);
        if (!good(t, open[which], &id))
            t->consumer.wrong++;
        effect(t, &txn, id);
        ring_done(&in, &txn, open[which]);
        txn_commit(&txn);
        txn_publish(&txn);
        open[which] = open[--count];
    }
}
