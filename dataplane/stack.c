/*
 * A connection from the third packet of its opening (listen.c has what comes before) to its end: TCP below, TLS records on it, and
 * what carries them above (app.c).
 *
 *      opened -> HANDSHAKE --secrets--> HTTP --101--> GATEWAY | VOICE | ECHO
 *                    \________\______________\___________\__> CLOSING --TCP closed, or TIME-WAIT (listen.c)--> FREE
 *
 *   HANDSHAKE  one TLS record at a time goes to the helper thread (CONN_STEP_OUT); nothing else is read meanwhile.
 *   CLOSING    what comes is acknowledged and thrown away; what was queued is sent, then close_notify and FIN.
 *
 * Bytes that cannot be taken now (a record not whole, a request before its turn, a full ring to the control plane) stay with TCP,
 * whose window closes: nobody waits, and nothing is lost.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/capture/record.h"
#include "dataplane/worker.h"

#define HANDSHAKE_PATIENCE 3u

static struct tcp_env tcp_env_of(struct worker *w, struct send_stream *stream)
{
    return (struct tcp_env){.config = &w->config->tcp, .blocks = w->blocks, .txn = &w->txn, .extend = send_extend,
                            .stream = stream, .counters = &w->tcp_counters, .challenges = &w->challenges};
}

/* ---- beginning ---- */

struct connection *conn_open(struct worker *w, const struct half_open *h)
{
    uint32_t index = pool_get(w->connections, &w->txn);
    if (index == POOL_NONE)
        return NULL;
    struct connection *c = conn_at(w, index);
    txn_save(&w->txn, c, sizeof *c);
    uint32_t generation = c->generation + 1;
    *c = (struct connection){.generation = generation, .stamp = txn_number(&w->txn) << 1 | 1, .kind = CONNECTION_HANDSHAKE,
                             .session = SESSION_NONE, .close_code = 1006, .opened_us = w->now_us, .heard_us = w->now_us,
                             .deadline_us = w->now_us + w->config->handshake_us, .record_head = POOL_NONE,
                             .record_tail = POOL_NONE, .item_head = POOL_NONE, .item_tail = POOL_NONE};
    struct tcp_env env = tcp_env_of(w, NULL);
    tcp_accept_opened(&c->tcp, &env, h, w->now_us);
    conn_table_add(&w->table, index);
    w->handshakes++;
    w->counters->count[COUNT_connections_opened]++;
    return c;
}

/* ---- end ---- */

void conn_detach_session(struct worker *w, struct connection *c)
{
    if (c->session == SESSION_NONE)
        return;
    struct session *s = &w->sessions[c->session];
    conn_touch(w, c);
    if (s->generation == c->session_generation && s->connection == conn_index(w, c)) {
        queue_away(&w->queues, s);
        s->away_since_us = w->now_us;
        if (s->generation == SESSION_ENDED) {
            queue_end(&w->queues, s);
            s->kind = SESSION_FREE;
        }
    }
    c->session = SESSION_NONE;
}

bool conn_needs_session(const struct worker *w, const struct connection *c)
{
    const struct session *s = c->session == SESSION_NONE ? NULL : &w->sessions[c->session];
    return s && s->generation == c->session_generation && (s->sent_bytes || s->seq_acked != s->seq_sent);
}

void conn_leave_session(struct worker *w, struct connection *c)
{
    if (!conn_needs_session(w, c))
        conn_detach_session(w, c);
}

/* Nobody waits any more for the handshake record that is out. */
static void handshake_cancel(struct worker *w, const struct connection *c)
{
    if (c->kind == CONNECTION_HANDSHAKE && w->handshake.cancel && (c->flags & CONN_STEP_OUT))
        w->handshake.cancel(w->handshake.user, w->index, conn_handle(w, c));
}

static void leave_handshake(struct worker *w, const struct connection *c)
{
    if (c->kind == CONNECTION_HANDSHAKE)
        w->handshakes--;
}

static void conn_free(struct worker *w, struct connection *c)
{
    uint32_t index = conn_index(w, c);
    conn_touch(w, c);
    conn_detach_session(w, c);
    if (!app_closed(w, c)) { /* the control plane must be told first: kept until its ring has room */
        c->flags |= CONN_HELD_BACK;
        worker_ready(w, index);
        return;
    }
    if (!send_release(w, c)) { /* CLOSED, and served until all is given back */
        worker_ready(w, index);
        return;
    }
    handshake_cancel(w, c);
    leave_handshake(w, c);
    struct tcp_env env = tcp_env_of(w, NULL);
    tcp_release(&c->tcp, &env);
    chain_free(&c->app, w->blocks, &w->txn);
    chain_free(&c->carry, w->blocks, &w->txn);
    conn_table_remove(&w->table, index);
    wheel_set(w->timers, index, WHEEL_NEVER);
    tls_key_cache_forget(w->keys, conn_handle(w, c));
    wipe(&c->tls, sizeof c->tls);
    c->kind = CONNECTION_FREE;
    w->counters->count[COUNT_connections_closed]++;
    pool_put(w->connections, &w->txn, index);
}

/* From here on nothing is read any more. */
static void enter_closing(struct worker *w, struct connection *c)
{
    conn_touch(w, c);
    if (c->kind == CONNECTION_CLOSING)
        return;
    handshake_cancel(w, c);
    leave_handshake(w, c);
    bool owed_little = c->kind == CONNECTION_HANDSHAKE || (c->kind == CONNECTION_HTTP && c->http.phase == HTTP_PHASE_EVICTED);
    c->deadline_us = w->now_us + (owed_little ? WORKER_LINGER_US : w->config->close_us);
    c->kind_was = c->kind;
    c->kind = CONNECTION_CLOSING;
    conn_leave_session(w, c);
    if (!app_closed(w, c))
        c->flags |= CONN_HELD_BACK;
    worker_ready(w, conn_index(w, c));
}

void conn_finish(struct worker *w, struct connection *c, enum drop_reason why)
{
    if (why != DROP_NONE)
        count_drop(w->counters, why);
    if (c->kind == CONNECTION_CLOSING && (c->tls.flags & TLS_CLOSE_SENT))
        return;
    bool begun = c->kind == CONNECTION_CLOSING;
    enter_closing(w, c);
    if (begun)
        return;
    if (c->tls.state != TLS_CONN_OPEN || !send_generated(w, c, GENERATED_ALERT, TLS_ALERT_CLOSE_NOTIFY, 0))
        tcp_close(&c->tcp);
}

void conn_refuse(struct worker *w, struct connection *c, const struct tls_refusal *why)
{
    count_drop(w->counters, why->reason);
    uint8_t plain[16];
    bool queued = false;
    if (why->alert != TLS_ALERT_NONE && c->tls.state == TLS_CONN_OPEN)
        queued = send_generated(w, c, GENERATED_ALERT, why->alert, 0);
    else if (why->alert != TLS_ALERT_NONE && c->tls.state == TLS_CONN_NONE)
        queued = send_bytes(w, c, SOURCE_RAW, 0, plain, (uint32_t)tls_plain_alert(why->alert, plain), ITEM_CLOSE);
    enter_closing(w, c);
    if (!queued)
        tcp_close(&c->tcp);
}

void conn_abort(struct worker *w, struct connection *c, enum drop_reason why)
{
    if (why != DROP_NONE)
        count_drop(w->counters, why);
    enter_closing(w, c);
    tcp_abort(&c->tcp);
    worker_ready(w, conn_index(w, c));
}

/* The peer will send no more. What it asked before is answered first. */
static void peer_done(struct worker *w, struct connection *c)
{
    bool asked = c->kind == CONNECTION_HTTP && app_http_busy(c);
    if (asked) {
        c->flags |= CONN_CLOSE_HEARD;
        app_continue(w, c);
    } else {
        conn_finish(w, c, DROP_NONE);
    }
}

/* ---- reading ---- */

/* May bytes be taken from TCP now? Not taking them closes the window; whoever removes the reason calls worker_ready. */
static bool may_read(struct worker *w, struct connection *c)
{
    if (c->kind == CONNECTION_CLOSING)
        return true;
    if (c->flags & CONN_STEP_OUT)
        return false;
    if (c->kind == CONNECTION_HTTP && (c->flags & CONN_REQUEST_OPEN) && c->app.length)
        return false;
    if (c->kind != CONNECTION_HANDSHAKE && !worker_may_notify(w)) {
        if (!(c->flags & CONN_HELD_BACK))
            count_drop(w->counters, DROP_CONTROL_RING_FULL);
        c->flags |= CONN_HELD_BACK;
        worker_ready(w, conn_index(w, c));
        return false;
    }
    c->flags &= (uint8_t)~CONN_HELD_BACK;
    return true;
}

static bool handshake_submit(struct worker *w, const struct connection *c, bool first, const uint8_t *p, uint32_t n)
{
    if (w->handshake.submit && w->handshake.submit(w->handshake.user, w->index, conn_handle(w, c), first, p, n))
        return true;
    record_busy(w, conn_handle(w, c));
    return false;
}

static int read_handshake(struct worker *w, struct connection *c, const uint8_t *p, size_t n)
{
    struct tls_record r;
    struct tls_refusal why;
    bool first = c->tls.state == TLS_CONN_NONE;
    int size = tls_record_parse(p, n, first ? TLS_PHASE_HELLO : TLS_PHASE_HANDSHAKE, &r, &why);
    if (size == 0)
        return 0;
    if (size > 0 && !handshake_submit(w, c, first, p, (uint32_t)size)) {
        why = (struct tls_refusal){DROP_TLS_HANDSHAKE_BUSY, TLS_ALERT_INTERNAL_ERROR};
        size = -1;
    }
    if (size < 0) {
        conn_refuse(w, c, &why);
        return (int)n;
    }
    /* Who has sent a whole record is no idler: a lossy path takes several retransmission timeouts for the rest. */
    if (first)
        c->deadline_us = c->opened_us + HANDSHAKE_PATIENCE * w->config->handshake_us;
    c->tls.state = TLS_CONN_HANDSHAKE;
    c->flags |= CONN_STEP_OUT;
    return size;
}

static int read_record(struct worker *w, struct connection *c, const uint8_t *p, size_t n)
{
    struct tls_record r;
    struct tls_refusal why;
    int size = tls_record_parse(p, n, tls_open_phase(&c->tls), &r, &why);
    if (size == 0)
        return 0;
    if (size < 0) {
        conn_refuse(w, c, &why);
        return (int)n;
    }
    struct tls_opened opened;
    const struct tls_keys *keys = tls_key_cache_read(w->keys, conn_handle(w, c), &c->tls);
    if (!keys) { /* every way of its set in use: none of them is needed any more */
        tls_key_cache_begin(w->keys);
        keys = tls_key_cache_read(w->keys, conn_handle(w, c), &c->tls);
    }
    tls_open(&c->tls, keys, &r, w->plain, w->now_us, &opened);
    w->counters->count[COUNT_tls_records_in]++;
    switch (opened.event) {
    case TLS_EVENT_DATA:
        app_input(w, c, w->plain + (opened.data - w->plain), opened.len);
        break;
    case TLS_EVENT_REFUSED:
        conn_refuse(w, c, &opened.why);
        return (int)n;
    case TLS_EVENT_CLOSED:
        peer_done(w, c);
        break;
    case TLS_EVENT_NOTHING:
    case TLS_EVENT_KEY_UPDATE:
    case TLS_EVENT_TICKET:
        break;
    }
    return size;
}

/* Takes one record (or, closing, everything) from the front of p; 0: not now. */
static int read_one(struct worker *w, struct connection *c, const uint8_t *p, size_t n)
{
    if (!may_read(w, c))
        return 0;
    if (c->kind == CONNECTION_CLOSING)
        return (int)n;
    return c->tls.state == TLS_CONN_OPEN ? read_record(w, c, p, n) : read_handshake(w, c, p, n);
}

/* Bytes that came in order while nothing was waiting before them. */
static void read_direct(struct worker *w, struct connection *c, const struct tcp_env *env, const uint8_t *p, uint32_t len)
{
    while (len) {
        int took = read_one(w, c, p, len);
        if (took == 0)
            break;
        p += took;
        len -= (uint32_t)took;
    }
    if (len && !tcp_keep(&c->tcp, env, p, len))
        count_drop(w->counters, DROP_TCP_NO_BUFFER);
}

static void read_waiting(struct worker *w, struct connection *c, const struct tcp_env *env)
{
    for (;;) {
        uint32_t n = tcp_peek(&c->tcp, env, 0, w->record, TLS_RECORD_MAX);
        int took = n ? read_one(w, c, w->record, n) : 0;
        if (took == 0)
            return;
        tcp_consume(&c->tcp, env, (uint32_t)took);
    }
}

/* ---- planning ---- */

static void plan_segment(struct worker *w, const struct tcp_plan *p, uint32_t connection, uint32_t generation, uint32_t record)
{
    w->plans[w->plan_count++] = (struct worker_plan){*p, connection, generation, record};
    w->counters->count[COUNT_tcp_segments_out]++;
}

/* ---- readers ---- */

/* When the reader must have taken something; UINT64_MAX: it takes what we send. */
static uint64_t reader_deadline(const struct worker *w, const struct connection *c)
{
    return c->stall_s ? max_u64((uint64_t)c->stall_s * 1000000, w->born_us) + w->config->reader_us : UINT64_MAX;
}

static bool window_is_closed(const struct connection *c)
{
    return c->tcp.snd_wnd < c->tcp.mss;
}

/* A closed window before something that we have to say begins the watch; that all has been taken ends it. */
static void watch_reader(const struct worker *w, struct connection *c)
{
    bool waiting = c->item_head != POOL_NONE || c->tcp.snd_end != c->tcp.snd_una_pos || conn_needs_session(w, c);
    if (!waiting || c->tcp.state < TCP_ESTABLISHED) {
        c->stall_s = 0;
    } else if (!c->stall_s && window_is_closed(c)) {
        c->stall_s = (uint32_t)(w->now_us / 1000000) + 1;
        c->stall_pos = (uint32_t)c->tcp.snd_una_pos;
    }
}

static void check_reader(struct worker *w, struct connection *c)
{
    bool took = (uint32_t)c->tcp.snd_una_pos - c->stall_pos >= WORKER_READER_BYTES;
    c->stall_s = 0;
    if (took || !window_is_closed(c))
        watch_reader(w, c);
    else
        conn_abort(w, c, DROP_CONN_READER_SLOW);
}

/* ---- the timer ---- */

static uint64_t deadline_of(const struct worker *w, const struct connection *c)
{
    uint64_t tcp = tcp_deadline(&c->tcp), reader = reader_deadline(w, c);
    uint64_t deadline = tcp < c->deadline_us ? tcp : c->deadline_us;
    return reader < deadline ? reader : deadline;
}

static void set_timer(struct worker *w, const struct connection *c)
{
    uint64_t deadline = deadline_of(w, c);
    uint32_t index = conn_index(w, c);
    if (c->tcp.state == TCP_CLOSED) /* ends now, or as soon as it may: no timer drives it */
        return;
    /* A timer that comes too early looks again; moving it for every packet would cost more. */
    if (deadline < wheel_deadline(w->timers, index))
        wheel_set(w->timers, index, deadline);
}

void conn_output(struct worker *w, struct connection *c)
{
    uint32_t index = conn_index(w, c);
    struct send_stream stream = {w, c, POOL_NONE};
    struct tcp_env env = tcp_env_of(w, &stream);
    struct tcp_plan p;
    conn_touch_hot(w, c);
    for (;;) {
        if (w->plan_count == WORKER_PLANS || txn_room(&w->txn) < WORKER_UNDO_RESERVE / 2) {
            worker_ready(w, index);
            break;
        }
        if (!tcp_plan(&c->tcp, &env, w->now_us, &p))
            break;
        c->tx_packets++;
        c->tx_bytes += p.len;
        plan_segment(w, &p, index, c->generation, p.len ? send_hint(c, p.position) : POOL_NONE);
    }
    watch_reader(w, c);
    set_timer(w, c);
}

/* ---- events of TCP ---- */

/* Both sides have said all: what is left to do is waiting, and that needs no slot. */
static void end_if_over(struct worker *w, struct connection *c)
{
    if (c->tcp.state == TCP_TIME_WAIT) {
        enter_closing(w, c);
        listen_time_wait(w, c);
        tcp_abort(&c->tcp);
    }
    if (c->tcp.state == TCP_CLOSED)
        conn_free(w, c);
}

/* After any call into TCP: acts on its events, plans, and ends the connection when TCP is through with it. */
static void conn_events(struct worker *w, struct connection *c, const struct tcp_env *env, const struct tcp_out *out)
{
    if (out->events & TCP_EV_TIMEOUT)
        count_drop(w->counters, DROP_TCP_RETRANSMIT_LIMIT);
    if (out->events & TCP_EV_ACKED)
        send_acked(w, c);
    if (out->events & TCP_EV_DATA) {
        if (out->data)
            read_direct(w, c, env, out->data, out->len);
        else
            read_waiting(w, c, env);
    }
    if (out->events & TCP_EV_PEER_FIN && !tcp_readable(&c->tcp))
        peer_done(w, c);
    if (out->events & (TCP_EV_RESET | TCP_EV_TIMEOUT | TCP_EV_CLOSED))
        enter_closing(w, c);
    conn_output(w, c);
    end_if_over(w, c);
}

/* Is it the connection with these addresses? One whose TCP is through has none: they may be another's. */
static bool conn_is(const struct connection *c, const struct tcp_tuple *tuple)
{
    return c->kind != CONNECTION_FREE && c->tcp.state != TCP_CLOSED &&
           memcmp(&c->tcp.tuple, tuple, sizeof *tuple) == 0;
}

/*
 * A segment that can only move what we send forward: nothing in it is to be read, held, or refused with a challenge. What TCP makes
 * of it lies in the hot lines; whatever follows from it elsewhere saves for itself.
 */
static bool is_plain_ack(const struct connection *c, const struct tcp_segment *s)
{
    const struct tcp_conn *t = &c->tcp;
    return t->state == TCP_ESTABLISHED && s->flags == TCP_ACK && s->len == 0 && s->sack_count == 0 && s->seq == t->rcv_nxt &&
           t->range_count == 0 && s->ack - t->snd_una <= t->snd_nxt - t->snd_una &&
           (!(t->flags & TCP_F_TIMESTAMPS) || (s->has_timestamps && (int32_t)(s->ts_val - t->ts_recent) >= 0));
}

void conn_segment(struct worker *w, const struct tcp_tuple *tuple, const struct tcp_segment *s,
                  uint32_t index)
{
    w->counters->count[COUNT_tcp_segments_in]++;
    if (index == UINT32_MAX || !conn_is(conn_at(w, index), tuple))
        index = conn_table_find(&w->table, tuple);
    struct connection *c = index == UINT32_MAX ? NULL : conn_at(w, index);
    if (!c || c->tcp.state == TCP_CLOSED) /* it only waits to be given back */
        c = listen_segment(w, tuple, s);
    if (!c)
        return;
    struct tcp_out out = {0};
    struct tcp_env env = tcp_env_of(w, &(struct send_stream){w, c, POOL_NONE});
    (is_plain_ack(c, s) ? conn_touch_hot : conn_touch)(w, c);
    c->rx_packets++;
    c->rx_bytes += s->len;
    enum drop_reason why = tcp_input(&c->tcp, &env, s, w->now_us, &out);
    if (why != DROP_NONE)
        count_drop(w->counters, why);
    if (out.events & TCP_EV_REPLY_RST)
        listen_reset(w, tuple, s);
    conn_events(w, c, &env, &out);
}

enum drop_reason conn_path_error(struct worker *w, const struct tcp_tuple *tuple, uint32_t seq, uint16_t mtu)
{
    uint32_t index = conn_table_find(&w->table, tuple);
    if (index == UINT32_MAX)
        return DROP_ICMP_QUOTE;
    struct connection *c = conn_at(w, index);
    uint16_t headers = net_address_is4(tuple->remote) ? 40 : 60, before = c->tcp.mss;
    if (mtu == 0)
        return DROP_ICMP_SOFT;
    conn_touch(w, c);
    if (!tcp_path_mtu(&c->tcp, seq, mtu - headers))
        return DROP_ICMP_SEQUENCE;
    if (c->tcp.mss == before)
        return DROP_ICMP_SOFT;
    w->counters->count[COUNT_path_mtu]++;
    conn_output(w, c);
    return DROP_NONE;
}

/* A WebSocket that goes on, and nothing that came waits to be read: serving it is sending. */
static bool only_sends(const struct connection *c)
{
    return (c->kind == CONNECTION_GATEWAY || c->kind == CONNECTION_VOICE) && c->tcp.state == TCP_ESTABLISHED && !tcp_readable(&c->tcp);
}

void conn_service(struct worker *w, struct connection *c)
{
    struct tcp_env env = tcp_env_of(w, &(struct send_stream){w, c, POOL_NONE});
    (only_sends(c) ? conn_touch_hot : conn_touch)(w, c);
    if (c->kind == CONNECTION_CLOSING && !app_closed(w, c)) {
        c->flags |= CONN_HELD_BACK;
        worker_ready(w, conn_index(w, c));
    }
    if (c->tcp.state != TCP_CLOSED)
        send_acked(w, c);
    if (c->kind == CONNECTION_HTTP)
        app_continue(w, c);
    read_waiting(w, c, &env);
    if (((c->tcp.flags & TCP_F_PEER_FIN) && !tcp_readable(&c->tcp)) || (c->tls.flags & TLS_CLOSE_RECEIVED))
        peer_done(w, c);
    conn_output(w, c);
    end_if_over(w, c);
}

void conn_timer(struct worker *w, struct connection *c)
{
    if (c->kind == CONNECTION_FREE)
        return;
    if (deadline_of(w, c) > w->now_us && c->tcp.state != TCP_CLOSED) { /* it moved while the timer stood: see set_timer */
        set_timer(w, c);
        return;
    }
    struct tcp_env env = tcp_env_of(w, &(struct send_stream){w, c, POOL_NONE});
    conn_touch(w, c);
    struct tcp_out out = {0};
    if (tcp_deadline(&c->tcp) <= w->now_us)
        out.events = tcp_on_timer(&c->tcp, &env, w->now_us);
    if (reader_deadline(w, c) <= w->now_us && c->tcp.state != TCP_CLOSED)
        check_reader(w, c);
    if (c->deadline_us <= w->now_us && c->tcp.state != TCP_CLOSED) {
        if (c->kind == CONNECTION_CLOSING)
            conn_abort(w, c, DROP_CONN_CLOSE_TIMEOUT);
        else if (c->kind == CONNECTION_HANDSHAKE)
            conn_abort(w, c, DROP_TLS_HANDSHAKE_TIMEOUT);
        else
            app_timer(w, c);
    }
    conn_events(w, c, &env, &out);
}

/* ---- the helper thread's results ---- */

void conn_handshake(struct worker *w, const struct tls_helper_result *r)
{
    uint32_t per = w->region->header->geometry.connections, index = (uint32_t)r->handle - w->index * per;
    struct connection *c = index < per ? conn_at(w, index) : NULL;
    if (!c || c->generation != (uint32_t)(r->handle >> 32) || c->kind != CONNECTION_HANDSHAKE || !(c->flags & CONN_STEP_OUT))
        return;
    const struct tls_step_result *step = &r->step;
    conn_touch(w, c);
    c->flags &= (uint8_t)~CONN_STEP_OUT;
    uint8_t closing = step->step == TLS_STEP_FAILED ? ITEM_CLOSE : 0;
    if (step->send_len && !send_bytes(w, c, SOURCE_RAW, 0, step->send, step->send_len, closing)) {
        conn_abort(w, c, DROP_CONN_NO_BLOCK);
    } else if (step->step == TLS_STEP_FAILED) {
        count_drop(w->counters, step->why.reason);
        enter_closing(w, c);
        if (!step->send_len)
            tcp_close(&c->tcp);
    } else if (step->step == TLS_STEP_DONE) {
        tls_conn_start(&c->tls, &step->secrets, false);
        w->handshakes--;
        c->kind = CONNECTION_HTTP;
        c->deadline_us = w->now_us + w->config->head_us;
        w->counters->count[COUNT_tls_handshakes]++;
    }
    conn_service(w, c);
}

/* ---- after a restart ---- */

void conn_recover(struct worker *w)
{
    for (uint32_t i = 0; i < w->connections->fresh; i++) {
        struct connection *c = conn_at(w, i);
        if (c->kind == CONNECTION_FREE)
            continue;
        worker_open(w);
        if (c->tcp.state != TCP_CLOSED) /* its addresses may be another's by now */
            conn_table_add(&w->table, i);
        if (c->kind == CONNECTION_HANDSHAKE)
            w->handshakes++;
        if (c->kind == CONNECTION_HANDSHAKE && c->tls.state == TLS_CONN_HANDSHAKE && !w->handshake.lasting)
            conn_abort(w, c, DROP_TLS_HANDSHAKE_LOST);
        if (!w->handshake.lasting && (c->tcp.backoff || c->tcp.retransmits)) {
            struct tcp_env env = tcp_env_of(w, NULL);
            conn_touch(w, c);
            tcp_resumed(&c->tcp, &env, w->now_us);
        }
        worker_ready(w, i);
        set_timer(w, c);
    }
}
