/*
 * Turns; see turns.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/sessions/turns.h"

#include <stdlib.h>

#include "config/log.h"
#include "controlplane/sessions/gateway.h"
#include "controlplane/sessions/session_table.h"

#define ASK            "{\"op\":7,\"d\":null}"
#define CLOSE_RESTART  1012u /* RFC 6455's registry: service restart */
#define HOLD_MS        2000u
#define HOLD_JITTER_MS 3000u
#define LEAVE_MS       5000u /* for a client to go that was asked to */
#define WAIT_MS        2000u /* of resumes, at their rate, so many wait */
#define WAITING_MAX    65536u
#define AGAIN_MS       1u    /* between two attempts at a session whose worker is busy */
#define GIVE_UP_MS     5000u /* after the first of them */

#define IDENTIFY_BURST_NS 1000000000ull
#define RESUME_BURST_NS   100000000ull

/* A token bucket, kept as the time at which its next token is there. */
struct pace {
    uint64_t next_ns;
};

struct waiting {
    uint64_t connection;
    uint64_t since_ms, not_before_ms;
    uint8_t session_id[16];
    uint32_t seq;
};

struct turns {
    struct pace identifies, resumes;
    struct waiting *list; /* a ring of WAITING_MAX */
    uint32_t first, count;
    bool due; /* DEADLINE_TURN is on its way */
};

static bool pace_take(struct pace *p, uint32_t per_second, uint64_t burst_ns, uint64_t now_ms)
{
    uint64_t now_ns = now_ms * 1000000, oldest = now_ns - burst_ns;
    if (!per_second)
        return true;
    if (p->next_ns < oldest)
        p->next_ns = oldest;
    if (p->next_ns > now_ns)
        return false;
    p->next_ns += 1000000000ull / per_second;
    return true;
}

void turns_open(struct control *c)
{
    c->turns = calloc(1, sizeof *c->turns);
    if (!c->turns || !(c->turns->list = calloc(WAITING_MAX, sizeof *c->turns->list)))
        abort();
}

void turns_close(struct control *c)
{
    free(c->turns->list);
    free(c->turns);
    c->turns = NULL;
}

/* Somebody waits: a next life must know. Written once a second at most. */
static void note_until(struct control *c, uint64_t ms)
{
    struct control_area *a = c->link->area;
    if (a->turns_until_ms >= ms)
        return;
    txn_touch(&c->link->txn, a, sizeof *a, &a->stamp);
    a->turns_until_ms = ms + 1000;
}

/* ---- later ---- */

static bool is_stranger(const struct control *c, uint64_t connection)
{
    const struct connection *n = connection_of(c->link->region, connection, NULL);
    return n && n->kind == CONNECTION_GATEWAY && session_by_connection(c, connection) == SESSION_NONE;
}

void turns_later(struct control *c, uint64_t connection)
{
    link_drop(c->link, DROP_GATEWAY_LATER);
    deadlines_add(&c->deadlines,
                  c->now_ms + HOLD_MS + deadlines_jitter(connection ^ c->now_ms, HOLD_JITTER_MS),
                  DEADLINE_HELD, connection);
    note_until(c, c->now_ms + HOLD_MS + HOLD_JITTER_MS);
}

void turns_forgotten(struct control *c, uint64_t connection)
{
    deadlines_add(&c->deadlines, c->now_ms + deadlines_jitter(connection, HOLD_MS), DEADLINE_HELD,
                  connection);
}

void turns_held(struct control *c, uint64_t connection)
{
    if (!is_stranger(c, connection))
        return;
    link_send(c->link, connection, 1, 0, ASK, sizeof ASK - 1);
    deadlines_add(&c->deadlines, c->now_ms + LEAVE_MS, DEADLINE_ASKED, connection);
}

void turns_asked(struct control *c, uint64_t connection)
{
    if (is_stranger(c, connection))
        link_close(c->link, connection, CLOSE_RESTART, false, "service restart");
}

/* ---- op 2 ---- */

bool turns_identify(struct control *c, uint64_t connection)
{
    if (pace_take(&c->turns->identifies, c->config.identifies_per_second, IDENTIFY_BURST_NS, c->now_ms))
        return true;
    turns_later(c, connection);
    return false;
}

/* ---- op 6 ---- */

static struct waiting *first_of(const struct turns *t)
{
    return &t->list[t->first];
}

static uint32_t waiting_max(const struct control *c)
{
    uint64_t most = (uint64_t)c->config.resumes_per_second * WAIT_MS / 1000;
    return most && most < WAITING_MAX ? (uint32_t)most : WAITING_MAX;
}

static void wait_for_turn(struct control *c, const struct waiting *w)
{
    struct turns *t = c->turns;
    if (t->count >= waiting_max(c)) {
        turns_later(c, w->connection);
        return;
    }
    t->list[(t->first + t->count++) % WAITING_MAX] = *w;
    note_until(c, c->now_ms + GIVE_UP_MS);
    if (!t->due)
        deadlines_add(&c->deadlines, c->now_ms + AGAIN_MS, DEADLINE_TURN, 0);
    t->due = true;
}

static bool pace_resume(struct control *c)
{
    return pace_take(&c->turns->resumes, c->config.resumes_per_second, RESUME_BURST_NS, c->now_ms);
}

/* Its turn has come. */
static void take_turn(struct control *c, struct waiting *w)
{
    if (!is_stranger(c, w->connection))
        return; /* it has gone, or has asked twice */
    uint32_t session = session_by_id(c, w->session_id);
    if (session == SESSION_NONE) {
        gateway_invalid_session(c, w->connection);
    } else if (!gateway_go_on(c, session, w->connection, w->seq)) {
        if (c->now_ms - w->since_ms >= GIVE_UP_MS) {
            gateway_end(c, session, 0);
            gateway_invalid_session(c, w->connection);
            return;
        }
        w->not_before_ms = c->now_ms + AGAIN_MS;
        wait_for_turn(c, w);
    }
}

void turns_resume(struct control *c, uint64_t connection, const uint8_t session_id[16], uint32_t seq)
{
    struct waiting w = {.connection = connection, .since_ms = c->now_ms, .seq = seq};
    memcpy(w.session_id, session_id, sizeof w.session_id);
    if (!c->turns->count && pace_resume(c)) {
        take_turn(c, &w);
        return;
    }
    c->link->counters->count[COUNT_resumes_waited]++;
    wait_for_turn(c, &w);
}

/* One at a time: each is a transaction of its own. */
void turns_due(struct control *c)
{
    struct turns *t = c->turns;
    t->due = false;
    if (!t->count)
        return;
    bool now = first_of(t)->not_before_ms <= c->now_ms && (first_of(t)->not_before_ms || pace_resume(c));
    struct waiting w = *first_of(t);
    if (now) {
        t->first = (t->first + 1) % WAITING_MAX;
        t->count--;
        take_turn(c, &w);
    }
    if (!t->due && t->count)
        deadlines_add(&c->deadlines, c->now_ms + (now ? 0 : AGAIN_MS), DEADLINE_TURN, 0);
    t->due = t->count != 0;
}
