/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/fanout/queue.h"

/* A place within the chunks: where the reference of one number lies. */
struct place {
    uint32_t chunk;
    uint32_t at;
};

static struct session_chunk *chunk_at(const struct queue_env *q, uint32_t index)
{
    return pool_at(q->chunks, index);
}

static uint32_t held(const struct session *s)
{
    return s->seq_last + 1 - s->seq_first;
}

#define HOT offsetof(struct session, user_id)

/* The first line alone: for what changes nothing behind it. */
static void touch_hot(struct queue_env *q, struct session *s)
{
    uint64_t number = txn_number(q->txn);
    if (!q->txn || s->stamp >> 1 == number)
        return;
    txn_save(q->txn, s, HOT);
    s->stamp = number << 1;
}

void queue_touch(struct queue_env *q, struct session *s)
{
    uint64_t number = txn_number(q->txn), all = number << 1 | 1;
    if (!q->txn || s->stamp == all)
        return;
    if (s->stamp >> 1 == number)
        txn_save(q->txn, (uint8_t *)s + HOT, sizeof *s - HOT);
    else
        txn_save(q->txn, s, sizeof *s);
    s->stamp = all;
}

void queue_start(struct queue_env *q, struct session *s)
{
    queue_touch(q, s);
    s->chunks = 0;
    s->seq_first = 1;
    s->seq_acked = s->seq_sent = s->seq_last = s->seq_heard = 0;
    s->sent_bytes = 0;
    s->head_chunk = s->tail_chunk = s->sent_chunk = POOL_NONE;
    s->head_at = 0;
    s->events_sent = 0;
}

void queue_start_behind(struct queue_env *q, struct session *s, uint32_t seq)
{
    queue_start(q, s);
    s->seq_first = seq + 1;
    s->seq_acked = s->seq_sent = s->seq_last = s->seq_heard = seq;
}

static uint64_t log_now(const struct queue_env *q)
{
    return atomic_load_explicit(&q->log->head, memory_order_acquire);
}

static uint32_t *pin_of(const struct queue_env *q, uint32_t ref)
{
    return &q->pins[event_segment(q->log, event_position(log_now(q), ref))];
}

/*
 * Pins are not undone, they are counted anew by the next life. Until then they may only be too high: one that is let go
 * falls when the transaction stands, or an undone one would find its events overwritten.
 */
static void pin(struct queue_env *q, uint32_t ref)
{
    uint32_t *p = pin_of(q, ref);
    __atomic_store_n(p, *p + 1, __ATOMIC_RELEASE);
}

static void unpin(struct queue_env *q, uint32_t ref)
{
    uint32_t *p = pin_of(q, ref), segment = (uint32_t)(p - q->pins);
    if (q->let_go) {
        assert(*p > q->let_go[segment]);
        q->let_go[segment]++;
        if (segment < q->let_go_from)
            q->let_go_from = segment;
        if (segment >= q->let_go_to)
            q->let_go_to = segment + 1;
    } else {
        assert(*p);
        __atomic_store_n(p, *p - 1, __ATOMIC_RELEASE);
    }
}

void queue_settle(struct queue_env *q)
{
    for (uint32_t i = q->let_go_from; i < q->let_go_to; i++) {
        if (q->let_go[i])
            __atomic_store_n(&q->pins[i], q->pins[i] - q->let_go[i], __ATOMIC_RELEASE);
        q->let_go[i] = 0;
    }
    q->let_go_from = UINT32_MAX;
    q->let_go_to = 0;
}

/* Offset of a number from the start of the head chunk. */
static uint32_t slot_of(const struct session *s, uint32_t seq)
{
    return s->head_at + (seq - s->seq_first);
}

static struct place find(const struct queue_env *q, const struct session *s, uint32_t seq)
{
    uint32_t slot = slot_of(s, seq), chunk = s->head_chunk;
    for (; slot >= SESSION_CHUNK_REFS; slot -= SESSION_CHUNK_REFS)
        chunk = chunk_at(q, chunk)->next;
    return (struct place){chunk, slot};
}

static uint32_t place_ref(const struct queue_env *q, struct place p)
{
    return chunk_at(q, p.chunk)->ref[p.at];
}

static void step(const struct queue_env *q, struct place *p)
{
    if (++p->at == SESSION_CHUNK_REFS) {
        p->chunk = chunk_at(q, p->chunk)->next;
        p->at = 0;
    }
}

/* Forgets the oldest `n` references, which pin nothing. */
static void forget(struct queue_env *q, struct session *s, uint32_t n)
{
    queue_touch(q, s);
    uint32_t slot = s->head_at + n;
    s->seq_first += n;
    if (s->seq_acked + 1 < s->seq_first) /* away: what was never acknowledged is forgotten too */
        s->seq_acked = s->seq_first - 1;
    if (s->seq_sent < s->seq_acked)
        s->seq_sent = s->seq_acked;
    bool empty = held(s) == 0;
    uint32_t first = s->head_chunk, last = first, given = 0;
    while (s->chunks && (slot >= SESSION_CHUNK_REFS || empty)) {
        last = s->head_chunk;
        s->head_chunk = chunk_at(q, last)->next;
        if (s->sent_chunk == last)
            s->sent_chunk = POOL_NONE;
        given++;
        s->chunks--;
        slot = slot >= SESSION_CHUNK_REFS ? slot - SESSION_CHUNK_REFS : 0;
    }
    if (given) /* as a list: the undo log pays once */
        pool_put_list(q->chunks, q->txn, first, last, given);
    s->head_at = s->chunks ? slot : 0;
    if (!s->chunks)
        s->head_chunk = s->tail_chunk = POOL_NONE;
    if (s->seq_sent + 1 == s->seq_first)
        s->sent_chunk = s->head_chunk;
}

static bool connected(const struct session *s)
{
    return s->connection != UINT32_MAX;
}

/*
 * No chunk is free: the session's own oldest one, if all of it is kept for a resume only. POOL_NONE: it is not. Whoever hears much and
 * acknowledges late then has less to resume from, and goes on.
 */
static uint32_t recycle(struct queue_env *q, struct session *s)
{
    uint32_t n = SESSION_CHUNK_REFS - s->head_at, index = s->head_chunk;
    uint32_t droppable = (connected(s) ? s->seq_acked : s->seq_last) + 1 - s->seq_first;
    if (s->chunks < 2 || droppable < n)
        return POOL_NONE;
    txn_save(q->txn, chunk_at(q, index), sizeof(struct session_chunk));
    s->seq_first += n;
    if (s->seq_acked + 1 < s->seq_first)
        s->seq_acked = s->seq_first - 1;
    if (s->seq_sent < s->seq_acked)
        s->seq_sent = s->seq_acked;
    s->head_chunk = chunk_at(q, index)->next;
    s->head_at = 0;
    s->chunks--;
    if (s->seq_sent + 1 == s->seq_first)
        s->sent_chunk = s->head_chunk;
    return index;
}

enum queue_result queue_push(struct queue_env *q, struct session *s, uint64_t event_position_)
{
    if (connected(s) && queue_unsent(s) >= q->unsent_max)
        return QUEUE_SLOW;
    touch_hot(q, s);
    uint32_t droppable = (connected(s) ? s->seq_acked : s->seq_last) + 1 - s->seq_first;
    if (held(s) >= q->keep_max && droppable)
        forget(q, s, 1);
    uint32_t slot = held(s) ? slot_of(s, s->seq_last + 1) : 0;
    uint32_t at = slot % SESSION_CHUNK_REFS;
    if (slot / SESSION_CHUNK_REFS >= s->chunks) {
        queue_touch(q, s);
        uint32_t index = s->chunks == UINT16_MAX ? POOL_NONE : pool_get(q->chunks, q->txn);
        if (index == POOL_NONE)
            index = recycle(q, s);
        if (index == POOL_NONE)
            return QUEUE_NO_CHUNK;
        if (s->chunks) {
            struct session_chunk *last = chunk_at(q, s->tail_chunk);
            txn_save(q->txn, &last->next, sizeof last->next);
            last->next = index;
        } else {
            s->head_chunk = index;
            s->head_at = 0;
        }
        s->tail_chunk = index;
        s->chunks++;
    }
    uint32_t ref = event_ref(event_position_);
    chunk_at(q, s->tail_chunk)->ref[at] = ref;
    if (queue_unsent(s) == 0)
        s->sent_chunk = s->tail_chunk;
    s->seq_last++;
    if (connected(s))
        pin(q, ref);
    return QUEUE_OK;
}

bool queue_next(const struct queue_env *q, const struct session *s, uint32_t *ref)
{
    if (queue_unsent(s) == 0)
        return false;
    *ref = chunk_at(q, s->sent_chunk)->ref[slot_of(s, s->seq_sent + 1) % SESSION_CHUNK_REFS];
    return true;
}

void queue_described(struct queue_env *q, struct session *s, uint32_t bytes, bool whole)
{
    touch_hot(q, s);
    s->sent_bytes += bytes;
    if (!whole)
        return;
    s->sent_bytes = 0;
    s->seq_sent++;
    s->events_sent++;
    if (queue_unsent(s) && slot_of(s, s->seq_sent + 1) % SESSION_CHUNK_REFS == 0)
        s->sent_chunk = chunk_at(q, s->sent_chunk)->next;
}

void queue_acked(struct queue_env *q, struct session *s, uint32_t seq)
{
    if (seq - s->seq_acked - 1 >= s->seq_sent - s->seq_acked)
        return; /* of an earlier connection */
    touch_hot(q, s);
    struct place p = find(q, s, s->seq_acked + 1);
    while (s->seq_acked != seq) {
        unpin(q, place_ref(q, p));
        if (++s->seq_acked != seq)
            step(q, &p);
    }
}

void queue_acked_ref(struct queue_env *q, struct session *s, uint32_t seq, uint32_t ref)
{
    if (seq != s->seq_acked + 1 || seq > s->seq_sent) {
        queue_acked(q, s, seq);
        return;
    }
    touch_hot(q, s);
    unpin(q, ref);
    s->seq_acked = seq;
}

bool queue_heard(struct queue_env *q, struct session *s, uint32_t seq)
{
    if (seq > s->seq_sent)
        return false;
    if (seq <= s->seq_heard)
        return true;
    queue_touch(q, s);
    s->seq_heard = seq;
    uint32_t known = seq < s->seq_acked ? seq : s->seq_acked;
    if (known > SESSION_KEEP && known - SESSION_KEEP + 1 > s->seq_first)
        forget(q, s, known - SESSION_KEEP + 1 - s->seq_first);
    return true;
}

void queue_away(struct queue_env *q, struct session *s)
{
    queue_touch(q, s);
    uint32_t n = s->seq_last - s->seq_acked;
    struct place p = n ? find(q, s, s->seq_acked + 1) : (struct place){0, 0};
    for (; n; n--) {
        unpin(q, place_ref(q, p));
        if (n > 1)
            step(q, &p);
    }
    s->connection = UINT32_MAX;
    s->sent_bytes = 0;
}

bool queue_resume(struct queue_env *q, struct session *s, uint32_t seq)
{
    if (seq + 1 < s->seq_first || seq > s->seq_last)
        return false;
    queue_touch(q, s);
    uint32_t n = s->seq_last - seq;
    struct place start = n ? find(q, s, seq + 1) : (struct place){POOL_NONE, 0}, p = start;
    for (uint32_t i = 0; i < n; i++) {
        pin(q, place_ref(q, p));
        if (i + 1 < n)
            step(q, &p);
    }
    /* Pinned first, then looked: the control plane moves `oldest` first, then looks at the pins. */
    event_log_fence();
    uint64_t oldest = atomic_load_explicit(&q->log->oldest, memory_order_relaxed);
    bool held_all = n == 0 || event_position(log_now(q), place_ref(q, start)) >= oldest;
    if (!held_all) {
        p = start;
        for (uint32_t i = 0; i < n; i++) {
            unpin(q, place_ref(q, p));
            if (i + 1 < n)
                step(q, &p);
        }
        return false;
    }
    s->seq_sent = s->seq_acked = seq;
    s->sent_bytes = 0;
    s->sent_chunk = start.chunk;
    return true;
}

void queue_end(struct queue_env *q, struct session *s)
{
    if (connected(s))
        queue_away(q, s);
    queue_touch(q, s);
    s->seq_acked = s->seq_sent = s->seq_last;
    forget(q, s, held(s));
}

void queue_recount(struct queue_env *q, const struct session *s)
{
    uint32_t n = connected(s) ? s->seq_last - s->seq_acked : 0;
    struct place p = n ? find(q, s, s->seq_acked + 1) : (struct place){0, 0};
    for (; n; n--) {
        ++*pin_of(q, place_ref(q, p));
        if (n > 1)
            step(q, &p);
    }
}

bool queue_oldest_pinned(const struct queue_env *q, const struct session *s, uint32_t *ref)
{
    if (!connected(s) || s->seq_acked == s->seq_last)
        return false;
    *ref = place_ref(q, find(q, s, s->seq_acked + 1));
    return true;
}

void queue_check(const struct queue_env *q, const struct session *s)
{
    assert(s->seq_first <= s->seq_acked + 1 && s->seq_acked <= s->seq_sent && s->seq_sent <= s->seq_last);
    assert(s->head_at < SESSION_CHUNK_REFS);
    uint32_t slots = held(s) ? s->head_at + held(s) : 0;
    assert((slots + SESSION_CHUNK_REFS - 1) / SESSION_CHUNK_REFS == s->chunks);
    uint32_t chunk = s->head_chunk;
    for (unsigned i = 0; i + 1 < s->chunks; i++)
        chunk = chunk_at(q, chunk)->next;
    assert(!s->chunks || chunk == s->tail_chunk);
    if (queue_unsent(s))
        assert(s->sent_chunk == find(q, s, s->seq_sent + 1).chunk);
}
