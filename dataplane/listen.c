/*
 * Segments for which there is no connection: a SYN, the third packet of an opening, one for a connection in TIME-WAIT, and all the
 * rest, which gets a RST at a limited rate (opening.h has the rules; this is what they do to the worker).
 *
 *      SYN --> half open --third packet--> a slot          full: SYN-ACK with a cookie, nothing kept --third packet--> a slot
 *
 * A slot is given out last. When there is none, as many handshakes run as may, or of any pool only the last sixteenth is left, an
 * opening is held back: SYN or third packet are dropped and counted, the entry stays, the client sends again. Those who have a slot
 * notice nothing, and it is over as soon as something comes back. Of handshakes, twice as many may run as SYNs are answered for: in a
 * storm, who was told to come in is not left standing at the door.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/worker.h"

#define RESETS_PER_SECOND 1000u
#define WAIT_ACKS_PER_SECOND 1000u

static void plan(struct worker *w, const struct tcp_plan *p)
{
    if (w->plan_count == WORKER_PLANS)
        return;
    w->plans[w->plan_count++] = (struct worker_plan){*p, UINT32_MAX, 0, POOL_NONE};
    w->counters->count[COUNT_tcp_segments_out]++;
}

void listen_reset(struct worker *w, const struct tcp_tuple *tuple, const struct tcp_segment *s)
{
    struct tcp_plan p;
    uint64_t second = w->now_us / 1000000;
    if (w->reset_second != second) {
        w->reset_second = second;
        w->resets = 0;
    }
    if (!tcp_reset_for(s, tuple, &p))
        return;
    if (w->resets >= RESETS_PER_SECOND) {
        count_drop(w->counters, DROP_TCP_REPLY_RATE);
        return;
    }
    w->resets++;
    plan(w, &p);
}

/* ---- a SYN ---- */

static void answer_syn(struct worker *w, const struct half_open *h)
{
    struct tcp_plan p;
    tcp_syn_ack(h, &w->config->tcp, w->now_us, &p);
    plan(w, &p);
}

/* The last sixteenth of a pool is for those who are here. */
static bool is_short(const struct worker *w, const struct pool *p)
{
    return pool_free(p, &w->txn) < (p->capacity + 15) / 16;
}

/* Why nobody can be let in now; DROP_NONE: one can. */
static enum drop_reason no_room(const struct worker *w, uint32_t handshakes_max)
{
    if (w->handshakes >= handshakes_max)
        return DROP_TCP_SYN_LIMIT;
    if (!pool_free(w->connections, &w->txn))
        return DROP_TCP_NO_SLOT;
    bool scarce = is_short(w, w->blocks) || is_short(w, w->records) || is_short(w, w->items) || is_short(w, w->queues.chunks);
    return scarce ? DROP_TCP_SHED : DROP_NONE;
}

static void take_syn(struct worker *w, const struct tcp_tuple *tuple, const struct tcp_segment *s, uint32_t iss)
{
    enum drop_reason why = no_room(w, w->config->syn_max);
    struct half_open h, *kept;
    if (why != DROP_NONE) {
        count_drop(w->counters, why);
        return;
    }
    w->counters->count[COUNT_syns_in]++;
    half_open_take(&h, tuple, s, iss);
    kept = half_open_add(&w->openings, &h, w->now_us + w->config->tcp.rto_initial_us);
    if (kept) {
        wheel_set(w->opening_timers, (uint32_t)(kept - w->openings.table->entry), kept->at_us);
    } else {
        tcp_cookie_make(&w->openings, tuple, s, w->now_us, &h);
        w->counters->count[COUNT_syn_cookies_out]++;
    }
    answer_syn(w, &h);
}

static void forget(struct worker *w, struct half_open *h)
{
    wheel_set(w->opening_timers, (uint32_t)(h - w->openings.table->entry), WHEEL_NEVER);
    half_open_remove(&w->openings, h);
}

/* ---- the third packet ---- */

/* The connection that this segment completes, or NULL: it was dropped. */
static struct connection *complete(struct worker *w, const struct half_open *h)
{
    enum drop_reason why = no_room(w, 2 * w->config->syn_max);
    struct connection *c = why == DROP_NONE ? conn_open(w, h) : NULL;
    if (!c)
        count_drop(w->counters, why == DROP_NONE ? DROP_TCP_NO_SLOT : why);
    return c;
}

static struct connection *half_open_segment(struct worker *w, struct half_open *h, const struct tcp_segment *s)
{
    struct connection *c = NULL;
    enum drop_reason why;
    switch (half_open_input(h, s, &why)) {
    case OPENING_DONE:
        if ((c = complete(w, h)))
            forget(w, h);
        break;
    case OPENING_AGAIN:
        answer_syn(w, h);
        break;
    case OPENING_RESET:
        listen_reset(w, &h->tuple, s);
        break;
    case OPENING_ENDED:
        forget(w, h);
        why = DROP_TCP_HALF_OPEN_RESET;
        break;
    case OPENING_NOTHING:
        break;
    }
    if (why != DROP_NONE)
        count_drop(w->counters, why);
    return c;
}

static struct connection *cookie_segment(struct worker *w, const struct tcp_tuple *tuple, const struct tcp_segment *s)
{
    struct half_open h;
    if (!tcp_cookie_take(&w->openings, tuple, s, w->now_us, &h)) {
        /* It may be text ahead of the third packet, which a RST would end: the client sends again. */
        count_drop(w->counters, DROP_TCP_COOKIE);
        return NULL;
    }
    struct connection *c = complete(w, &h);
    if (c)
        w->counters->count[COUNT_syn_cookies_in]++;
    return c;
}

/* ---- TIME-WAIT ---- */

void listen_time_wait(struct worker *w, const struct connection *c)
{
    w->counters->count[COUNT_time_waits]++;
    if (!time_wait_add(&w->waits, &c->tcp, &w->config->tcp, w->now_us))
        count_drop(w->counters, DROP_TCP_TIME_WAIT_RECYCLED);
}

static void time_wait_segment(struct worker *w, struct time_wait *e, const struct tcp_segment *s)
{
    struct tcp_tuple tuple = e->tuple;
    struct tcp_plan p;
    uint32_t iss = time_wait_isn(e);
    switch (time_wait_input(&w->waits, e, s, &w->config->tcp, w->now_us, &p)) {
    case TIME_WAIT_REOPEN:
        if (no_room(w, w->config->syn_max) == DROP_NONE)
            time_wait_remove(&w->waits, e);
        take_syn(w, &tuple, s, iss);
        return;
    case TIME_WAIT_ANSWER:
        if (!net_budget_take(&w->wait_acks, WAIT_ACKS_PER_SECOND, WAIT_ACKS_PER_SECOND, w->now_us))
            break;
        plan(w, &p);
        return;
    case TIME_WAIT_CHALLENGE:
        if (tcp_challenge_take(&w->challenges, w->now_us)) {
            w->tcp_counters.challenges++;
            plan(w, &p);
        } else {
            count_drop(w->counters, DROP_TCP_CHALLENGE_WORKER);
        }
        break;
    case TIME_WAIT_DROP:
        break;
    }
    count_drop(w->counters, DROP_TCP_TIME_WAIT);
}

/* ---- all of them ---- */

/* Flags that no sender has reason to set together (RFC 9293 has no state for them). */
static bool flags_are_nonsense(uint8_t flags)
{
    return !(flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) || ((flags & TCP_SYN) && (flags & (TCP_FIN | TCP_RST)));
}

struct connection *listen_segment(struct worker *w, const struct tcp_tuple *tuple, const struct tcp_segment *s)
{
    if (flags_are_nonsense(s->flags)) {
        count_drop(w->counters, DROP_TCP_FLAGS);
        return NULL;
    }
    if (tuple->local_port != w->config->tls_port) {
        count_drop(w->counters, DROP_TCP_PORT);
        listen_reset(w, tuple, s);
        return NULL;
    }
    struct half_open *h = half_open_find(&w->openings, tuple);
    if (h)
        return half_open_segment(w, h, s);
    struct time_wait *e = time_wait_find(&w->waits, tuple, w->now_us);
    if (e) {
        time_wait_segment(w, e, s);
        return NULL;
    }
    uint8_t kind = s->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN);
    if (kind == TCP_SYN) {
        take_syn(w, tuple, s, tcp_isn(w->openings.isn_key, tuple, w->now_us));
        return NULL;
    }
    if ((kind & ~TCP_FIN) == TCP_ACK && tcp_cookies_out(&w->openings, w->now_us))
        return cookie_segment(w, tuple, s);
    count_drop(w->counters, DROP_TCP_NO_CONNECTION);
    listen_reset(w, tuple, s);
    return NULL;
}

/* ---- time, and a restart ---- */

void listen_timer(struct worker *w, uint32_t index)
{
    struct half_open *h = &w->openings.table->entry[index];
    if (!h->at_us)
        return;
    if (h->at_us > w->now_us) {
        wheel_set(w->opening_timers, index, h->at_us);
    } else if (half_open_due(&w->openings, h, &w->config->tcp, w->now_us)) {
        wheel_set(w->opening_timers, index, h->at_us);
        w->tcp_counters.retransmits++;
        answer_syn(w, h);
    } else {
        count_drop(w->counters, DROP_TCP_HALF_OPEN_EXPIRED);
    }
}

bool listen_attach(struct worker *w)
{
    const struct region_secrets *s = &w->region->header->secrets;
    uint32_t connections = w->region->header->geometry.connections;
    w->openings = (struct tcp_openings){.table = region_part(w->region, w->index, PART_HALF_OPEN),
                                        .entries = half_open_entries(connections), .txn = &w->txn};
    memcpy(w->openings.table_key, s->tables, sizeof s->tables);
    memcpy(w->openings.cookie_key, s->syn_cookie, sizeof s->syn_cookie);
    memcpy(w->openings.isn_key, s->tcp_isn, sizeof s->tcp_isn);
    w->waits = (struct tcp_waits){.table = region_part(w->region, w->index, PART_TIME_WAIT),
                                  .entries = time_wait_entries(connections), .txn = &w->txn};
    memcpy(w->waits.table_key, s->tables, sizeof s->tables);
    w->challenges = (struct tcp_challenges){.limit = LISTEN_CHALLENGES_PER_SECOND};
    memcpy(w->challenges.key, s->syn_cookie, sizeof s->syn_cookie);
    w->opening_timers = wheel_new(w->openings.entries, w->now_us);
    for (uint32_t i = 0; w->opening_timers && i < w->openings.entries; i++)
        if (w->openings.table->entry[i].at_us)
            wheel_set(w->opening_timers, i, w->openings.table->entry[i].at_us);
    return w->opening_timers != NULL;
}
