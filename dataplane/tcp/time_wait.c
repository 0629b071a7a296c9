/*
 * TIME-WAIT without a connection: see opening.h. RFC 9293 3.6.1 and 3.10.7.4, RFC 6191, RFC 1337.
 *
 * An entry whose time is over is a free place; nobody has to come and say so, and no timer runs.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tcp/opening.h"

#include "dataplane/base/siphash.h"
#include "dataplane/tcp/internal.h"

static struct time_wait *set_of(const struct tcp_waits *t, const struct tcp_tuple *tuple)
{
    uint32_t sets = t->entries / HALF_OPEN_WAYS;
    return t->table->entry + (siphash24(t->table_key, tuple, sizeof *tuple) & (sets - 1)) * HALF_OPEN_WAYS;
}

struct time_wait *time_wait_find(const struct tcp_waits *t, const struct tcp_tuple *tuple, uint64_t now_us)
{
    struct time_wait *set = set_of(t, tuple);
    for (unsigned i = 0; i < HALF_OPEN_WAYS; i++)
        if (set[i].until_us > now_us && memcmp(&set[i].tuple, tuple, sizeof *tuple) == 0)
            return &set[i];
    return NULL;
}

bool time_wait_add(struct tcp_waits *t, const struct tcp_conn *c, const struct tcp_config *config,
                   uint64_t now_us)
{
    struct time_wait *set = set_of(t, &c->tuple), *place = time_wait_find(t, &c->tuple, now_us);
    bool room = place != NULL;
    for (unsigned i = 0; i < HALF_OPEN_WAYS && !room; i++)
        if (!place || set[i].until_us < place->until_us)
            place = &set[i];
    room |= place->until_us <= now_us;
    txn_save(t->txn, place, sizeof *place);
    *place = (struct time_wait){.until_us = now_us + config->time_wait_us,
                                .tuple = c->tuple,
                                .snd_nxt = c->snd_nxt,
                                .rcv_nxt = c->rcv_nxt,
                                .ts_recent = c->ts_recent,
                                .ts_offset = tcp_timestamp(c, 0),
                                .window = (uint16_t)min_u64(config->rcv_limit >> c->rcv_scale, UINT16_MAX),
                                .timestamps = !!(c->flags & TCP_F_TIMESTAMPS)};
    return room;
}

void time_wait_remove(struct tcp_waits *t, struct time_wait *e)
{
    txn_save(t->txn, e, sizeof *e);
    e->until_us = 0;
}

static void plan_ack(const struct time_wait *e, uint64_t now_us, struct tcp_plan *p)
{
    *p = (struct tcp_plan){
        .tuple = e->tuple, .seq = e->snd_nxt, .ack = e->rcv_nxt, .flags = TCP_ACK, .window = e->window};
    if (!e->timestamps)
        return;
    p->has_timestamps = true;
    p->ts_val = e->ts_offset + (uint32_t)(now_us / TCP_US_PER_MS);
    p->ts_ecr = e->ts_recent;
}

/* RFC 6191: by timestamps where they tell, else by sequence number. */
static bool reopens(const struct time_wait *e, const struct tcp_segment *s)
{
    if (e->timestamps && s->has_timestamps && s->ts_val != e->ts_recent)
        return seq_gt(s->ts_val, e->ts_recent);
    return seq_gt(s->seq, e->rcv_nxt);
}

enum time_wait_verdict time_wait_input(struct tcp_waits *t, struct time_wait *e, const struct tcp_segment *s,
                                       const struct tcp_config *config, uint64_t now_us, struct tcp_plan *p)
{
    if (s->flags & TCP_RST)
        return TIME_WAIT_DROP;
    plan_ack(e, now_us, p);
    if (s->flags & TCP_SYN)
        return !(s->flags & TCP_ACK) && reopens(e, s) ? TIME_WAIT_REOPEN : TIME_WAIT_CHALLENGE;
    if (!(s->flags & TCP_ACK))
        return TIME_WAIT_DROP;
    if (s->flags & TCP_FIN && s->seq + s->len + 1 == e->rcv_nxt) {
        txn_save(t->txn, e, sizeof *e);
        e->until_us = now_us + config->time_wait_us;
        return TIME_WAIT_ANSWER;
    }
    /* In order and with nothing to say: the peer's last ACK, late. */
    if (s->seq == e->rcv_nxt && s->len == 0 && !(s->flags & TCP_FIN))
        return TIME_WAIT_DROP;
    return TIME_WAIT_CHALLENGE;
}
