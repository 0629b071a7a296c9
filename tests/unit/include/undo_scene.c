/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "undo_scene.h"

#include <stdlib.h>

#include "random.h"

static uint8_t stream_byte(uint64_t position)
{
    return (uint8_t)(position * 31 + (position >> 8) * 7);
}

void scene_format(struct scene *s)
{
    memset(s, 0, sizeof *s);
    pool_init(&s->blocks.pool, s->blocks.at, sizeof(struct block), SCENE_BLOCKS);
    pool_init(&s->elements.pool, s->elements.at, sizeof(struct element), SCENE_ELEMENTS);
    ring_init(&s->out.ring, SCENE_RING);
    ring_init(&s->in.ring, SCENE_RING);
    s->own.log.undo_size = s->peer.log.undo_size = SCENE_UNDO;
    s->peer.log.number = 1ull << TXN_NUMBER_SHIFT;
}

enum txn_phase life_begin(struct life *l, struct scene *s)
{
    *l = (struct life){.scene = s};
    txn_attach(&l->txn, s, &s->own.log);
    enum txn_phase found = txn_recover(&l->txn);
    ring_producer(&l->out, &s->out.ring);
    ring_consumer(&l->in, &s->in.ring);
    return found;
}

/* ---- what a transaction consists of ---- */

static void take_element(struct life *l, uint64_t mark)
{
    struct scene_state *st = &l->scene->state;
    uint32_t index = pool_get(&l->scene->elements.pool, &l->txn);
    if (index == POOL_NONE)
        return;
    struct element *e = pool_at(&l->scene->elements.pool, index);
    uint64_t stamp = e->stamp; /* whatever an earlier holder left there */
    *e = (struct element){.link = 0xeeeeeeee, .index = index, .stamp = stamp, .filled = mark};
    st->held[st->held_count++] = index;
}

static void give_element(struct life *l, uint32_t which)
{
    struct scene_state *st = &l->scene->state;
    pool_put(&l->scene->elements.pool, &l->txn, st->held[which]);
    st->held[which] = st->held[--st->held_count];
}

static void turn_element(struct life *l, uint32_t which)
{
    struct element *e = pool_at(&l->scene->elements.pool, l->scene->state.held[which]);
    txn_touch(&l->txn, e, sizeof *e, &e->stamp);
    e->turns++;
}

static void work_elements(struct life *l, uint64_t *seed)
{
    struct scene_state *st = &l->scene->state;
    for (unsigned n = random_below(seed, 8); n; n--) {
        uint32_t what = random_below(seed, 3),
                 which = st->held_count ? random_below(seed, st->held_count) : 0;
        if (what == 0 || !st->held_count)
            take_element(l, random_next(seed));
        else if (what == 1)
            give_element(l, which);
        else
            turn_element(l, which);
    }
}

static void work_chain(struct life *l, uint64_t *seed)
{
    struct scene_state *st = &l->scene->state;
    for (unsigned n = 1 + random_below(seed, 5); n; n--) {
        static uint8_t bytes[1500]; /* longer copies go byte by byte under the trap */
        uint32_t len = random_below(seed, sizeof bytes);
        for (uint32_t i = 0; i < len; i++)
            bytes[i] = stream_byte(st->appended + i);
        if (random_below(seed, 2) && chain_append(&st->chain, &l->scene->blocks.pool, &l->txn, bytes, len))
            st->appended += len;
        if (random_below(seed, 2)) {
            uint32_t gone = random_below(seed, 4) ? random_below(seed, 2000) : st->chain.length;
            gone = gone < st->chain.length ? gone : st->chain.length;
            chain_consume(&st->chain, &l->scene->blocks.pool, &l->txn, gone);
            st->consumed += gone;
        }
    }
}

/* Entries carry their id and a length that follows from it. */
static uint32_t entry_length(uint64_t id)
{
    return 8 + (uint32_t)(id * 2654435761u >> 7) % 300;
}

static bool entry_send(struct ring_end *end, struct txn *t, uint64_t id)
{
    struct ring_entry *e = ring_reserve(end, t, (uint16_t)(1 + id % 3), entry_length(id));
    if (!e)
        return false;
    memcpy(e->payload, &id, sizeof id);
    for (uint32_t i = sizeof id; i < e->length; i++)
        e->payload[i] = stream_byte(id + i);
    return true;
}

static bool entry_good(const struct ring_entry *e, uint64_t *id)
{
    memcpy(id, e->payload, sizeof *id);
    bool good = e->length == entry_length(*id) && e->type == 1 + *id % 3;
    for (uint32_t i = sizeof *id; good && i < e->length; i++)
        good = e->payload[i] == stream_byte(*id + i);
    return good;
}

/* Sees all there is; does some of it, in no order: those for which the step's dice fall so. */
static void work_input(struct life *l, uint64_t step)
{
    struct ring_entry *e;
    while ((e = ring_next(&l->in)))
        l->open[l->open_count++] = e;
    for (uint32_t i = 0; i < l->open_count;) {
        uint64_t id = 0, dice = step * 1000003;
        if (!entry_good(l->open[i], &id))
            abort();
        dice += id;
        if (random_below(&dice, 3)) {
            i++;
            continue;
        }
        l->scene->state.effects[id % SCENE_IDS]++;
        ring_done(&l->in, &l->txn, l->open[i]);
        memmove(&l->open[i], &l->open[i + 1], (--l->open_count - i) * sizeof l->open[0]);
    }
}

void life_step(struct life *l)
{
    struct scene_state *st = &l->scene->state;
    uint64_t step = st->step, seed = step * 7919 + 1, head = l->scene->log_head;
    txn_begin(&l->txn);
    txn_touch(&l->txn, st, sizeof *st, &st->stamp);
    st->step++;
    for (unsigned round = 0; round < 2; round++) {
        work_elements(l, &seed);
        work_chain(l, &seed);
        for (unsigned n = random_below(&seed, 4); n && entry_send(&l->out, &l->txn, st->sent); n--)
            st->sent++;
        head += 16 * (1 + random_below(&seed, 9));
        txn_intend(&l->txn, &l->scene->log_head, head);
    }
    work_input(l, step);
    txn_commit(&l->txn);
    txn_publish(&l->txn);
}

bool peer_turn(struct scene *s, uint64_t step)
{
    struct txn t;
    struct ring_end in, out;
    uint64_t seed = step * 104729 + 5;
    bool good = true;
    txn_attach(&t, s, &s->peer.log);
    ring_consumer(&in, &s->out.ring);
    ring_producer(&out, &s->in.ring);
    txn_begin(&t);
    struct ring_entry *e;
    for (unsigned n = random_below(&seed, 8); n && (e = ring_next(&in)); n--) {
        uint64_t id;
        good = good && entry_good(e, &id) && id == s->peer_heard;
        s->peer_heard++;
        ring_done(&in, &t, e);
    }
    for (unsigned n = random_below(&seed, 5); n && entry_send(&out, &t, s->peer_sent); n--)
        s->peer_sent++;
    txn_commit(&t);
    txn_publish(&t);
    return good;
}

/* ---- the picture ---- */

struct canvas {
    uint8_t *bytes;
    size_t size;
};

static void paint(struct canvas *c, const void *what, size_t n)
{
    c->bytes = realloc(c->bytes, c->size + n);
    memcpy(c->bytes + c->size, what, n);
    c->size += n;
}

/* Marks an element as seen in one place; false: it was in another one already, or there is no such element.
 */
static bool mark(uint8_t *seen, uint32_t capacity, uint32_t index)
{
    return index < capacity && !seen[index]++;
}

/* `seen` has the elements in use marked. The rest must be free, in limbo or fresh, each once. */
static bool paint_pool(struct canvas *c, struct pool *p, uint8_t *seen, uint32_t used)
{
    uint32_t numbers[] = {p->fresh, p->used, p->used_max, p->refused, p->head}, counted = 0, last = POOL_NONE;
    paint(c, numbers, sizeof numbers);
    for (uint32_t at = p->head; at != POOL_NONE; memcpy(&at, pool_at(p, at), 4)) {
        if (!mark(seen, p->capacity, at) || at >= p->fresh)
            return false;
        paint(c, &at, sizeof at);
    }
    for (uint32_t at = p->limbo_head; at != POOL_NONE; memcpy(&at, pool_at(p, at), 4), counted++) {
        if (!mark(seen, p->capacity, at) || at >= p->fresh)
            return false;
        paint(c, &at, sizeof at);
        last = at;
    }
    for (uint32_t i = 0; i < p->capacity; i++)
        if (!seen[i] != (i >= p->fresh))
            return false;
    bool limbo = p->limbo_head != POOL_NONE;
    return p->used == used && (!limbo || (counted == p->limbo_count && last == p->limbo_tail));
}

static bool paint_blocks(struct canvas *c, struct scene *s)
{
    uint8_t seen[SCENE_BLOCKS] = {0};
    static uint8_t bytes[SCENE_BLOCKS * BLOCK_SIZE];
    const struct scene_state *st = &s->state;
    uint32_t n = chain_read(&st->chain, &s->blocks.pool, 0, bytes, sizeof bytes);
    if (n != st->chain.length || n != st->appended - st->consumed)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (bytes[i] != stream_byte(st->consumed + i))
            return false;
    uint32_t at = st->chain.head;
    for (uint32_t i = 0; i < st->chain.blocks; i++) {
        if (!mark(seen, SCENE_BLOCKS, at))
            return false;
        paint(c, &at, sizeof at);
        at = block_at(&s->blocks.pool, at)->next;
    }
    return paint_pool(c, &s->blocks.pool, seen, st->chain.blocks);
}

static bool paint_elements(struct canvas *c, struct scene *s)
{
    uint8_t seen[SCENE_ELEMENTS] = {0};
    for (uint32_t i = 0; i < s->state.held_count; i++) {
        if (!mark(seen, SCENE_ELEMENTS, s->state.held[i]))
            return false;
        struct element e = *(struct element *)pool_at(&s->elements.pool, s->state.held[i]);
        if (e.link != 0xeeeeeeee || e.index != s->state.held[i])
            return false;
        e.stamp = 0;
        paint(c, &e, sizeof e);
    }
    return paint_pool(c, &s->elements.pool, seen, s->state.held_count);
}

static bool paint_ring(struct canvas *c, const struct ring *r)
{
    uint64_t ends[] = {r->head, r->tail};
    paint(c, ends, sizeof ends);
    for (uint64_t at = ends[0]; at != ends[1];) {
        const struct ring_entry *e = (const void *)(ring_data(r) + at % r->size);
        uint64_t id;
        if (e->number != at || (e->type && !entry_good(e, &id)))
            return false;
        paint(c, e, e->type ? sizeof *e + e->length : sizeof *e);
        at += ring_entry_bytes(e->length);
        if (at > ends[1])
            return false;
    }
    return true;
}

uint8_t *scene_picture(struct scene *s, size_t *size, const char **why)
{
    struct canvas c = {0};
    struct scene_state st = s->state;
    st.stamp = 0;
    paint(&c, &st, sizeof st);
    uint64_t words[] = {s->log_head, s->peer_sent, s->peer_heard};
    paint(&c, words, sizeof words);
    *why = NULL;
    if (s->own.log.phase != TXN_IDLE)
        *why = "the transaction is not over";
    else if (!paint_blocks(&c, s))
        *why = "the chain or its pool is not whole";
    else if (!paint_elements(&c, s))
        *why = "the elements or their pool are not whole";
    else if (!paint_ring(&c, &s->out.ring) || !paint_ring(&c, &s->in.ring))
        *why = "a ring is not whole";
    *size = c.size;
    if (*why) {
        free(c.bytes);
        return NULL;
    }
    return c.bytes;
}
