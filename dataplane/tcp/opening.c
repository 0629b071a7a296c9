/*
 * Half-open connections and SYN cookies: see opening.h.
 *
 * A SYN-ACK, and the connection that its answer opens, are made by the same calls that open any other:
 * tcp_accept and tcp_plan on a connection that is fresh. So what was offered and what was agreed cannot
 * differ.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tcp/opening.h"

#include "dataplane/base/siphash.h"
#include "dataplane/tcp/internal.h"

#define COOKIE_UNIT_US    (64ull * TCP_US_PER_S)
#define COOKIE_UNITS      32u /* 5 bits */
#define COOKIE_MAC        0xffffffu
#define COOKIE_NO_SCALE   15u
#define COOKIE_TIMES_BITS 31u /* of our timestamp */

/* What a cookie can say of an MSS: the largest that is not above the one offered. */
static const uint16_t cookie_mss[8] = {
    TCP_MSS_FLOOR, TCP_MSS4_DEFAULT, TCP_MSS6_DEFAULT, 1360, 1400, 1440, 1460, 8960};

/* ---- the table ---- */

static struct half_open *set_of(const struct tcp_openings *o, const struct tcp_tuple *tuple)
{
    uint32_t sets = o->entries / HALF_OPEN_WAYS;
    return o->table->entry + (siphash24(o->table_key, tuple, sizeof *tuple) & (sets - 1)) * HALF_OPEN_WAYS;
}

struct half_open *half_open_find(const struct tcp_openings *o, const struct tcp_tuple *tuple)
{
    struct half_open *set = set_of(o, tuple);
    if (!o->table->used)
        return NULL;
    for (unsigned i = 0; i < HALF_OPEN_WAYS; i++)
        if (set[i].at_us && memcmp(&set[i].tuple, tuple, sizeof *tuple) == 0)
            return &set[i];
    return NULL;
}

struct half_open *half_open_add(struct tcp_openings *o, const struct half_open *h, uint64_t at_us)
{
    struct half_open_table *t = o->table;
    struct half_open *set = set_of(o, &h->tuple);
    unsigned i = 0;
    while (i < HALF_OPEN_WAYS && set[i].at_us)
        i++;
    if (i == HALF_OPEN_WAYS)
        return NULL;
    txn_touch(o->txn, t, sizeof *t, &t->stamp);
    txn_save(o->txn, &set[i], sizeof set[i]);
    set[i] = *h;
    set[i].at_us = at_us;
    if (++t->used > t->used_max)
        t->used_max = t->used;
    return &set[i];
}

void half_open_remove(struct tcp_openings *o, struct half_open *h)
{
    txn_touch(o->txn, o->table, sizeof *o->table, &o->table->stamp);
    txn_save(o->txn, h, sizeof *h);
    h->at_us = 0;
    o->table->used--;
}

bool half_open_due(struct tcp_openings *o, struct half_open *h, const struct tcp_config *config,
                   uint64_t now_us)
{
    unsigned most = o->table->used > o->entries / 2 ? 0 : config->syn_retransmit_max;
    if (h->resent >= most) {
        half_open_remove(o, h);
        return false;
    }
    txn_save(o->txn, h, sizeof *h);
    h->resent++;
    h->at_us = now_us + min_u64((uint64_t)config->rto_initial_us << h->resent, config->rto_max_us);
    return true;
}

/* ---- what a SYN says ---- */

void half_open_take(struct half_open *h, const struct tcp_tuple *tuple, const struct tcp_segment *syn,
                    uint32_t iss)
{
    *h = (struct half_open){.tuple = *tuple,
                            .irs = syn->seq,
                            .iss = iss,
                            .ts_val = syn->ts_val,
                            .mss = syn->mss,
                            .window = syn->window,
                            .scale = syn->scale,
                            .flags = (uint8_t)((syn->has_scale ? HALF_OPEN_SCALE : 0) |
                                               (syn->has_timestamps ? HALF_OPEN_TIMESTAMPS : 0) |
                                               (syn->sack_permitted ? HALF_OPEN_SACK : 0))};
}

/* The SYN again, as far as it matters. */
static struct tcp_segment syn_of(const struct half_open *h)
{
    return (struct tcp_segment){.src_port = h->tuple.remote_port,
                                .dst_port = h->tuple.local_port,
                                .seq = h->irs,
                                .flags = TCP_SYN,
                                .window = h->window,
                                .mss = h->mss,
                                .scale = h->scale,
                                .has_scale = h->flags & HALF_OPEN_SCALE,
                                .has_timestamps = h->flags & HALF_OPEN_TIMESTAMPS,
                                .sack_permitted = h->flags & HALF_OPEN_SACK,
                                .ts_val = h->ts_val};
}

static void accept_and_answer(struct tcp_conn *c, const struct tcp_env *env, const struct half_open *h,
                              uint64_t now_us, struct tcp_plan *p)
{
    struct tcp_segment syn = syn_of(h);
    tcp_accept(c, env, &h->tuple, &syn, h->iss, now_us);
    int planned = tcp_plan(c, env, now_us, p);
    assert(planned == 1 && p->flags == (TCP_SYN | TCP_ACK));
    (void)planned;
}

/* The lowest bits of the timestamp carry the options; it may lie in the past, and never ahead. */
static uint32_t times_with_options(uint32_t ts_val, uint32_t offset, const struct half_open *h)
{
    uint32_t clock = ts_val - offset, said = h->flags & HALF_OPEN_SCALE ? h->scale : COOKIE_NO_SCALE;
    said |= h->flags & HALF_OPEN_SACK ? COOKIE_NO_SCALE + 1 : 0;
    uint32_t with = (clock & ~COOKIE_TIMES_BITS) | said;
    return (with > clock ? with - (COOKIE_TIMES_BITS + 1) : with) + offset;
}

void tcp_syn_ack(const struct half_open *h, const struct tcp_config *config, uint64_t now_us,
                 struct tcp_plan *p)
{
    struct tcp_conn c = {0};
    struct tcp_env env = {.config = config};
    accept_and_answer(&c, &env, h, now_us, p);
    if (h->flags & HALF_OPEN_COOKIE && p->has_timestamps)
        p->ts_val = times_with_options(p->ts_val, tcp_timestamp(&c, 0), h);
}

void tcp_accept_opened(struct tcp_conn *c, const struct tcp_env *env, const struct half_open *h,
                       uint64_t now_us)
{
    struct tcp_env quiet = *env;
    struct tcp_plan sent;
    uint64_t first_us = h->at_us - env->config->rto_initial_us;
    bool measured = !(h->flags & HALF_OPEN_COOKIE) && !h->resent && first_us <= now_us;
    quiet.counters = NULL; /* counted when it went out */
    accept_and_answer(c, &quiet, h, measured ? first_us : now_us, &sent);
    if (h->resent)
        c->flags |= TCP_F_SYN_LOST;
    if (!measured)
        c->flags &= (uint16_t)~TCP_F_RTT_TIMED;
}

/* ---- cookies ---- */

/* RFC 9293 3.7.1 */
static uint16_t mss_default(const struct tcp_tuple *tuple)
{
    static const struct tcp_config none = {.mss4 = TCP_MSS4_DEFAULT, .mss6 = TCP_MSS6_DEFAULT};
    return mss_of(tuple, &none);
}

static uint32_t cookie_time(uint64_t now_us)
{
    return (uint32_t)(now_us / COOKIE_UNIT_US) % COOKIE_UNITS;
}

static uint32_t cookie_of(const uint8_t key[16], const struct tcp_tuple *tuple, uint32_t irs, uint32_t time,
                          uint32_t mss)
{
    uint8_t said[sizeof *tuple + 8];
    memcpy(said, tuple, sizeof *tuple);
    put_be32(said + sizeof *tuple, irs);
    put_be32(said + sizeof *tuple + 4, time << 3 | mss);
    return time << 27 | mss << 24 | ((uint32_t)siphash24(key, said, sizeof said) & COOKIE_MAC);
}

void tcp_cookie_make(struct tcp_openings *o, const struct tcp_tuple *tuple, const struct tcp_segment *syn,
                     uint64_t now_us, struct half_open *h)
{
    struct half_open_table *t = o->table;
    uint32_t mss = 7, offered = syn->mss ? syn->mss : mss_default(tuple);
    while (mss && cookie_mss[mss] > offered)
        mss--;
    half_open_take(h, tuple, syn, cookie_of(o->cookie_key, tuple, syn->seq, cookie_time(now_us), mss));
    h->flags |= HALF_OPEN_COOKIE;
    if (!syn->has_timestamps) /* nothing would carry them */
        h->flags &= (uint8_t) ~(HALF_OPEN_SCALE | HALF_OPEN_SACK);
    uint64_t until = (now_us / COOKIE_UNIT_US + 2) * COOKIE_UNIT_US;
    if (t->cookies_until_us >= until)
        return;
    txn_touch(o->txn, t, sizeof *t, &t->stamp);
    t->cookies_until_us = until;
}

bool tcp_cookie_take(const struct tcp_openings *o, const struct tcp_tuple *tuple,
                     const struct tcp_segment *ack, uint64_t now_us, struct half_open *h)
{
    uint32_t cookie = ack->ack - 1, irs = ack->seq - 1, time = cookie >> 27, mss = cookie >> 24 & 7;
    uint32_t age = (cookie_time(now_us) - time) % COOKIE_UNITS;
    if (age > 1 || cookie != cookie_of(o->cookie_key, tuple, irs, time, mss))
        return false;
    *h = (struct half_open){.tuple = *tuple,
                            .irs = irs,
                            .iss = cookie,
                            .mss = cookie_mss[mss],
                            .window = ack->window,
                            .flags = HALF_OPEN_COOKIE};
    if (!ack->has_timestamps)
        return true;
    struct tcp_conn c = {.iss = cookie};
    uint32_t said = (ack->ts_ecr - tcp_timestamp(&c, 0)) & COOKIE_TIMES_BITS;
    h->flags |= HALF_OPEN_TIMESTAMPS | (said > COOKIE_NO_SCALE ? HALF_OPEN_SACK : 0);
    h->ts_val = ack->ts_val;
    if ((said & COOKIE_NO_SCALE) != COOKIE_NO_SCALE) {
        h->flags |= HALF_OPEN_SCALE;
        h->scale = said & COOKIE_NO_SCALE;
    }
    return true;
}

/* ---- segments ---- */

/* RFC 9293 3.10.7.4 for SYN-RECEIVED: nothing that is not the third packet gets further than here. */
enum opening_verdict half_open_input(const struct half_open *h, const struct tcp_segment *s,
                                     enum drop_reason *why)
{
    *why = DROP_NONE;
    if (s->flags &
        TCP_RST) { /* RFC 5961 3.2, without a challenge: whoever waits for our SYN-ACK gets it again anyway */
        *why = DROP_TCP_OUT_OF_WINDOW;
        return s->seq == h->irs + 1 ? OPENING_ENDED : OPENING_NOTHING;
    }
    if (s->flags &
        TCP_SYN) { /* another ISN: our answer tells a peer that has begun anew, and it resets this one */
        *why = s->flags & TCP_ACK ? DROP_TCP_FLAGS : DROP_TCP_DUPLICATE;
        return s->flags & TCP_ACK ? OPENING_NOTHING : OPENING_AGAIN;
    }
    if (!(s->flags & TCP_ACK)) {
        *why = DROP_TCP_NO_ACK;
        return OPENING_NOTHING;
    }
    if (s->ack != h->iss + 1) {
        *why = DROP_TCP_ACK_UNACCEPTABLE;
        return OPENING_RESET;
    }
    bool times = h->flags & HALF_OPEN_TIMESTAMPS;
    if (times && (!s->has_timestamps || seq_lt(s->ts_val, h->ts_val))) {
        *why = DROP_TCP_PAWS;
        return OPENING_NOTHING;
    }
    if (seq_lt(s->seq, h->irs + 1) || seq_gt(s->seq, h->irs + 1 + UINT16_MAX)) {
        *why = DROP_TCP_OUT_OF_WINDOW;
        return OPENING_NOTHING;
    }
    return OPENING_DONE;
}
