/*
 * What a connection says: items wait, records are described, bytes are made whenever TCP wants them, the first time and every time
 * after (include/connection.h). Nothing sealed is ever stored.
 *
 * A message is framed (message.h): WebSocket head, per-session prefix, text. A record carries a slice of it, [offset, offset + n), of at most
 * what TCP had room for when it was described; it is never cut anew. Messages on one connection are not interleaved: what has begun
 * is finished first.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "dataplane/message.h"
#include "dataplane/worker.h"
#include "dataplane/ws/heartbeat.h"

#define RELEASE_MIN 64u /* records or items that a transaction gives back, however little room it has */

static struct tx_item *item_at(const struct worker *w, uint32_t index)
{
    return pool_at(w->items, index);
}

static struct tx_record *record_at(const struct worker *w, uint32_t index)
{
    return pool_at(w->records, index);
}

/* ---- items ---- */

struct tx_item *send_item(struct worker *w, struct connection *c, enum source_kind kind, uint8_t flags)
{
    uint32_t index = c->items >= WORKER_ITEMS_MAX ? POOL_NONE : pool_get(w->items, &w->txn);
    if (index == POOL_NONE) {
        count_drop(w->counters, c->items >= WORKER_ITEMS_MAX ? DROP_CONN_READER_SLOW : DROP_CONN_NO_DESCRIPTOR);
        return NULL;
    }
    struct tx_item *i = item_at(w, index);
    txn_save(&w->txn, i, sizeof *i);
    *i = (struct tx_item){.next = POOL_NONE, .kind = (uint8_t)kind, .flags = flags};
    conn_touch(w, c);
    if (c->item_head == POOL_NONE) {
        c->item_head = index;
    } else {
        struct tx_item *last = item_at(w, c->item_tail);
        txn_save(&w->txn, last, sizeof *last);
        last->next = index;
    }
    c->item_tail = index;
    c->items++;
    return i;
}

bool send_generated(struct worker *w, struct connection *c, enum generated_kind what, uint64_t argument, uint8_t flags)
{
    struct tx_item *i = send_item(w, c, SOURCE_GENERATED, flags | ITEM_COMPLETE);
    if (!i)
        return false;
    i->generated = (uint8_t)what;
    i->argument = argument;
    return true;
}

static void drop_last_item(struct worker *w, struct connection *c)
{
    uint32_t index = c->item_tail, before = POOL_NONE;
    for (uint32_t at = c->item_head; at != index; at = item_at(w, at)->next)
        before = at;
    c->items--;
    c->item_tail = before;
    if (before == POOL_NONE) {
        c->item_head = POOL_NONE;
    } else {
        txn_save(&w->txn, item_at(w, before), sizeof(struct tx_item));
        item_at(w, before)->next = POOL_NONE;
    }
    pool_put(w->items, &w->txn, index);
}

bool send_bytes(struct worker *w, struct connection *c, enum source_kind kind, uint8_t opcode, const void *data, uint32_t len,
                uint8_t flags)
{
    struct tx_item *i = send_item(w, c, kind, flags | ITEM_COMPLETE);
    if (!i)
        return false;
    if (!chain_append(&i->bytes, w->blocks, &w->txn, data, len)) {
        count_drop(w->counters, DROP_CONN_NO_BLOCK);
        drop_last_item(w, c);
        return false;
    }
    i->opcode = opcode;
    i->total = len;
    return true;
}

static void item_release(struct worker *w, uint32_t index)
{
    struct tx_item *i = item_at(w, index);
    txn_save(&w->txn, i, sizeof *i);
    chain_free(&i->bytes, w->blocks, &w->txn);
    pool_put(w->items, &w->txn, index);
}

/* ---- from a source to plaintext ---- */

/* False: the event is not in the log any more. */
static bool event_message(const struct worker *w, const struct connection *c, const struct session *s, uint32_t ref, uint32_t seq,
                          struct message *m)
{
    const struct event_log *log = w->queues.log;
    uint64_t position = event_position(atomic_load_explicit(&log->head, memory_order_acquire), ref);
    const struct event *e = event_at(log, position);
    if (e->position != position) /* a pinned event stays, also behind `oldest`; this is the proof, not the rule */
        return false;
    message_event(m, e, s, seq, c->encoding);
    return true;
}

/* The plaintext of something generated, and its TLS content type. Returns its length (<= 160). */
static size_t generate(const struct worker *w, const struct connection *c, enum generated_kind what, uint64_t argument, uint8_t *dst,
                       enum tls_content *type)
{
    uint8_t text[HEARTBEAT_MAX + WS_CONTROL_MAX];
    *type = TLS_APPLICATION_DATA;
    switch (what) {
    case GENERATED_HELLO:
        return message_short(dst, c->encoding, text, gateway_hello(text, w->config->heartbeat_interval_ms), true);
    case GENERATED_HEARTBEAT_ACK:
        return message_short(dst, c->encoding, text, gateway_beat_ack(text), false);
    case GENERATED_VOICE_HELLO:
        return message_short(dst, c->encoding, text, voice_hello(text, (unsigned)argument, w->config->voice_heartbeat_interval_ms), true);
    case GENERATED_VOICE_ACK: {
        char digits[24];
        struct voice_beat beat = {.t = (const uint8_t *)digits,
                                  .t_length = (uint8_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)argument)};
        return message_short(dst, c->encoding, text, voice_beat_ack(text, c->version, &beat), false);
    }
    case GENERATED_CLOSE:
        return ws_close_frame(dst, (uint16_t)argument, NULL, 0);
    case GENERATED_ALERT:
        *type = TLS_ALERT_RECORD;
        tls_alert_message((uint8_t)argument, dst);
        return TLS_ALERT_SIZE;
    case GENERATED_KEY_UPDATE:
        *type = TLS_HANDSHAKE;
        memcpy(dst, tls_key_update_message, TLS_KEY_UPDATE_SIZE);
        return TLS_KEY_UPDATE_SIZE;
    }
    return 0;
}

/* ---- describing records ---- */

static struct tx_record *describe(struct worker *w, struct connection *c, enum source_kind kind, uint32_t source, uint32_t offset,
                                  size_t length)
{
    uint32_t index = pool_get(w->records, &w->txn);
    if (index == POOL_NONE) { /* nothing may be in flight whose ACK would remind of it */
        count_drop(w->counters, DROP_CONN_NO_DESCRIPTOR);
        worker_ready(w, conn_index(w, c));
        return NULL;
    }
    struct tx_record *r = record_at(w, index);
    txn_save(&w->txn, r, sizeof *r);
    *r = (struct tx_record){.next = POOL_NONE, .item = source, .pos = c->tcp.snd_end, .offset = offset,
                            .length = (uint16_t)length, .kind = (uint8_t)kind};
    if (kind != SOURCE_RAW) {
        r->epoch = (uint8_t)c->tls.write_epoch;
        r->number = (uint32_t)tls_take_record(&c->tls);
        w->counters->count[COUNT_tls_records_out]++;
    }
    if (c->record_head == POOL_NONE) {
        c->record_head = index;
    } else {
        struct tx_record *last = record_at(w, c->record_tail);
        txn_save(&w->txn, last, sizeof *last);
        last->next = index;
    }
    c->record_tail = index;
    c->records++;
    return r;
}

/* The first item is described completely: takes it off the queue and does what it says. */
static void item_described(struct worker *w, struct connection *c, struct tx_item *i)
{
    c->item_head = i->next;
    if (c->item_head == POOL_NONE)
        c->item_tail = POOL_NONE;
    c->items--;
    if (i->opcode || (i->kind == SOURCE_GENERATED && i->generated != GENERATED_ALERT))
        w->counters->count[COUNT_ws_messages_out]++;
    if ((i->flags & ITEM_RESPONSE_END) && c->kind == CONNECTION_HTTP) {
        c->flags &= (uint8_t)~CONN_REQUEST_OPEN;
        c->deadline_us = UINT64_MAX; /* app_continue sets the next */
        worker_ready(w, conn_index(w, c));
    }
    if (i->kind == SOURCE_GENERATED && i->generated == GENERATED_ALERT) {
        c->tls.flags |= TLS_CLOSE_SENT;
        tcp_close(&c->tcp);
    } else if (i->flags & ITEM_CLOSE) {
        if (c->tls.state == TLS_CONN_OPEN)
            conn_finish(w, c, DROP_NONE);
        else
            tcp_close(&c->tcp);
    }
}

/* Bytes of a record of this kind that are not its content. */
static uint32_t overhead_of(const struct connection *c, enum source_kind kind)
{
    return kind == SOURCE_RAW ? 0 : (uint32_t)tls_overhead(c->tls.suite);
}

/* How much of `left` bytes of content the next record takes: what TCP has room for, and what the peer takes at once. */
static uint32_t content_room(const struct connection *c, enum source_kind kind, size_t room, uint32_t left)
{
    uint32_t overhead = overhead_of(c, kind), most = room > overhead ? (uint32_t)room - overhead : 0;
    if (kind != SOURCE_RAW && most > c->tls.record_limit)
        most = c->tls.record_limit;
    return left < most ? left : most;
}

static uint32_t item_length(const struct worker *w, const struct connection *c, const struct tx_item *i)
{
    if (i->kind == SOURCE_GENERATED) {
        uint8_t scratch[256];
        enum tls_content type;
        return (uint32_t)generate(w, c, i->generated, i->argument, scratch, &type);
    }
    struct message m;
    message_blob(&m, i, c->encoding);
    return message_length(&m);
}

/* Bytes of a message that can be described: of one that arrives in parts, those that are there. */
static uint32_t item_there(const struct connection *c, const struct tx_item *i, uint32_t whole)
{
    struct message m;
    if (i->kind == SOURCE_GENERATED || (i->flags & ITEM_COMPLETE))
        return whole;
    message_blob(&m, i, c->encoding);
    return m.stored ? i->described : m.head_length + i->released + i->bytes.length;
}

static size_t extend_item(struct worker *w, struct connection *c, size_t room)
{
    uint32_t index = c->item_head;
    struct tx_item *i = item_at(w, index);
    uint32_t overhead = overhead_of(c, i->kind);
    uint32_t whole = item_length(w, c, i);
    uint32_t there = item_there(c, i, whole);
    uint32_t n = content_room(c, i->kind, room, there - i->described);
    if (i->kind == SOURCE_GENERATED && i->generated == GENERATED_ALERT && n < whole)
        return 0;
    if (!n) {
        if (there > i->described)
            return 0;
        if (!(i->flags & ITEM_COMPLETE) || i->described < whole)
            return 0;
        item_described(w, c, i);
        if (!i->records)
            item_release(w, index);
        return send_extend(&(struct send_stream){w, c, POOL_NONE}, room);
    }
    txn_save(&w->txn, i, sizeof *i);
    if (!describe(w, c, i->kind, index, i->described, n + overhead))
        return 0;
    i->records++;
    i->described += n;
    if ((i->flags & ITEM_COMPLETE) && i->described == whole)
        item_described(w, c, i);
    return n + overhead;
}

static size_t extend_event(struct worker *w, struct connection *c, struct session *s, uint32_t ref, size_t room)
{
    struct message m;
    uint32_t seq = s->seq_sent + 1;
    if (!event_message(w, c, s, ref, seq, &m)) {
        app_close(w, c, 4000, NULL, 0, false);
        count_drop(w->counters, DROP_EVENT_RECLAIMED);
        return 0;
    }
    uint32_t left = message_length(&m) - s->sent_bytes, n = content_room(c, SOURCE_EVENT, room, left);
    uint32_t sealed = n + overhead_of(c, SOURCE_EVENT);
    struct tx_record *r = n ? describe(w, c, SOURCE_EVENT, ref, s->sent_bytes, sealed) : NULL;
    if (!r)
        return 0;
    r->seq = seq;
    queue_described(&w->queues, s, n, n == left);
    if (n == left)
        w->counters->count[COUNT_ws_messages_out]++;
    return sealed;
}

/* TLS 1.2 has no other key to go on with. */
static void end_used_up(struct worker *w, struct connection *c)
{
    if (c->kind == CONNECTION_CLOSING || (c->flags & CONN_CLOSE_SENT))
        return;
    count_drop(w->counters, DROP_TLS_KEY_USED_UP);
    app_close(w, c, app_code_again(c), NULL, 0, false);
}

static size_t extend_key_update(struct worker *w, struct connection *c, size_t room)
{
    size_t sealed = tls_sealed_size(TLS_KEY_UPDATE_SIZE);
    struct tx_record *r = room < sealed ? NULL : describe(w, c, SOURCE_GENERATED, POOL_NONE, 0, sealed);
    if (!r)
        return 0;
    conn_touch(w, c);
    tls_write_epoch_next(&c->tls);
    return sealed;
}

size_t send_extend(void *stream, size_t room)
{
    struct send_stream *st = stream;
    struct worker *w = st->worker;
    struct connection *c = st->connection;
    struct tx_item *i = c->item_head == POOL_NONE ? NULL : item_at(w, c->item_head);
    if (i && i->kind == SOURCE_RAW)
        return extend_item(w, c, room);
    if (c->tls.state != TLS_CONN_OPEN || (c->tls.flags & TLS_CLOSE_SENT))
        return 0;
    if (tls_key_update_due(&c->tls))
        return extend_key_update(w, c, room);
    if (tls_key_is_used_up(&c->tls)) {
        end_used_up(w, c);
        i = c->item_head == POOL_NONE ? NULL : item_at(w, c->item_head);
    }
    if (!tls_may_send(&c->tls))
        return 0;
    struct session *s = c->session == SESSION_NONE ? NULL : &w->sessions[c->session];
    uint32_t ref;
    bool event = s && s->generation == c->session_generation && queue_next(&w->queues, s, &ref);
    if (event && !s->sent_bytes && (s->generation == SESSION_ENDED || c->kind == CONNECTION_CLOSING))
        event = false; /* what has begun is finished, nothing else begins */
    bool item_first = i && (i->described || !event || (!s->sent_bytes && !(i->flags & ITEM_AFTER_EVENTS)));
    if (item_first)
        return extend_item(w, c, room);
    bool last_words = c->flags & CONN_CLOSE_SENT && !(i && i->flags & ITEM_AFTER_EVENTS);
    if (event && (s->sent_bytes || !last_words))
        return extend_event(w, c, s, ref, room);
    return 0;
}

/* ---- from records to bytes ---- */

/* Writes the record's plaintext; returns false when its source is gone. */
static bool record_plaintext(const struct worker *w, const struct connection *c, const struct tx_record *r, uint32_t n, uint8_t *dst,
                             enum tls_content *type)
{
    struct message m;
    *type = TLS_APPLICATION_DATA;
    switch ((enum source_kind)r->kind) {
    case SOURCE_RAW:
    case SOURCE_BLOB:
        message_blob(&m, item_at(w, r->item), c->encoding);
        return message_slice(&m, w->blocks, r->offset, n, dst);
    case SOURCE_EVENT: {
        if (c->session == SESSION_NONE)
            return false;
        return event_message(w, c, &w->sessions[c->session], r->item, r->seq, &m) && message_slice(&m, w->blocks, r->offset, n, dst);
    }
    case SOURCE_GENERATED: {
        uint8_t scratch[256];
        enum generated_kind what = GENERATED_KEY_UPDATE;
        uint64_t argument = 0;
        if (r->item != POOL_NONE) {
            what = item_at(w, r->item)->generated;
            argument = item_at(w, r->item)->argument;
        }
        if (r->offset + n > generate(w, c, what, argument, scratch, type))
            return false;
        memcpy(dst, scratch + r->offset, n);
        return true;
    }
    }
    return false;
}

/* Makes the record's bytes at dst (r->length of room). */
static bool record_bytes(struct worker *w, const struct connection *c, const struct tx_record *r, uint8_t *dst)
{
    enum tls_content type;
    if (r->kind == SOURCE_RAW)
        return record_plaintext(w, c, r, r->length, dst, &type);
    uint32_t n = r->length - overhead_of(c, r->kind);
    uint8_t *content = dst + tls_content_at(c->tls.suite);
    uint16_t epoch = c->tls.write_epoch;
    if ((uint8_t)epoch != r->epoch)
        epoch--;
    const struct tls_keys *keys = tls_key_cache_write(w->keys, conn_handle(w, c), &c->tls, epoch);
    if (!keys) { /* every way of its set in use: none of them is needed any more */
        tls_key_cache_begin(w->keys);
        keys = tls_key_cache_write(w->keys, conn_handle(w, c), &c->tls, epoch);
    }
    if (!keys || (uint8_t)epoch != r->epoch || !record_plaintext(w, c, r, n, content, &type))
        return false;
    struct tls_span span = {content, n};
    tls_seal(keys, r->number, type, &span, 1, dst);
    return true;
}

static bool within(const struct tx_record *r, uint64_t pos)
{
    return pos >= r->pos && pos - r->pos < r->length;
}

size_t send_fill(void *stream, uint64_t pos, uint8_t *dst, size_t len)
{
    struct send_stream *st = stream;
    struct worker *w = st->worker;
    const struct connection *c = st->connection;
    uint32_t index = c->record_head;
    if (st->record != POOL_NONE && within(record_at(w, st->record), pos))
        index = st->record;
    size_t done = 0;
    for (uint32_t walked = 0; done < len && index != POOL_NONE && walked <= c->records; walked++) {
        const struct tx_record *r = record_at(w, index);
        index = r->next;
        if (!within(r, pos + done))
            continue;
        uint32_t from = (uint32_t)(pos + done - r->pos);
        size_t n = r->length - from < len - done ? r->length - from : len - done;
        if (from == 0 && n == r->length) {
            if (!record_bytes(w, c, r, dst + done))
                return done;
        } else {
            if (!record_bytes(w, c, r, w->record))
                return done;
            memcpy(dst + done, w->record + from, n);
        }
        done += n;
    }
    return done;
}

uint32_t send_hint(const struct connection *c, uint64_t pos)
{
    /* New data begins with the record described last. */
    return pos < c->tcp.snd_end ? c->record_tail : POOL_NONE;
}

/* ---- giving back ---- */

/* Whether the item has left the queue of those not completely described. */
static bool item_is_described(const struct worker *w, const struct connection *c, const struct tx_item *i)
{
    return (i->flags & ITEM_COMPLETE) && i->described == item_length(w, c, i);
}

/* An event's last record carries its end: then the session is told that the event is acknowledged. */
static void event_acked(struct worker *w, struct connection *c, const struct tx_record *r)
{
    if (c->session == SESSION_NONE)
        return;
    struct session *s = &w->sessions[c->session];
    uint32_t next = c->record_head;
    bool last = next == POOL_NONE || record_at(w, next)->kind != SOURCE_EVENT || record_at(w, next)->seq != r->seq;
    if (s->generation == c->session_generation && last && r->seq <= s->seq_sent)
        queue_acked_ref(&w->queues, s, r->seq, r->item);
}

/* What the record carried is acknowledged: its bytes, and all before them, are not needed again. */
static void give_back_bytes(struct worker *w, const struct connection *c, struct tx_item *i, const struct tx_record *r)
{
    struct message m;
    message_blob(&m, i, c->encoding);
    uint32_t text = message_text_before(&m, r->offset + r->length - overhead_of(c, r->kind));
    if (text <= i->released)
        return;
    chain_consume(&i->bytes, w->blocks, &w->txn, text - i->released);
    i->released = text;
}

static void record_release(struct worker *w, struct connection *c)
{
    uint32_t index = c->record_head;
    struct tx_record *r = record_at(w, index);
    c->record_head = r->next;
    if (c->record_head == POOL_NONE)
        c->record_tail = POOL_NONE;
    c->records--;
    if (r->kind == SOURCE_EVENT) {
        event_acked(w, c, r);
    } else if (r->item != POOL_NONE) {
        struct tx_item *i = item_at(w, r->item);
        txn_save(&w->txn, i, sizeof *i);
        if (i->kind != SOURCE_GENERATED)
            give_back_bytes(w, c, i, r);
        if (--i->records == 0 && item_is_described(w, c, i))
            item_release(w, r->item);
    }
    pool_put(w->records, &w->txn, index);
}

/*
 * Thousands of small records may be in flight, and one ACK or RST may end them all: more than the undo log holds. A transaction gives
 * back so many at least, and goes on as long as it has room.
 */
static bool may_release(const struct worker *w, uint32_t released)
{
    return released < RELEASE_MIN || txn_room(&w->txn) >= WORKER_UNDO_RESERVE;
}

void send_acked(struct worker *w, struct connection *c)
{
    for (uint32_t n = 0; c->record_head != POOL_NONE; n++) {
        const struct tx_record *r = record_at(w, c->record_head);
        if (r->pos + r->length > c->tcp.snd_una_pos)
            break;
        if (!may_release(w, n)) {
            worker_ready(w, conn_index(w, c));
            return;
        }
        record_release(w, c);
    }
    if (c->session != SESSION_NONE && (c->kind == CONNECTION_CLOSING || c->session_generation == SESSION_ENDED))
        conn_leave_session(w, c);
    /* The handshake's own bytes have no epoch; a KeyUpdate may be in flight behind them. */
    bool old = c->record_head != POOL_NONE && (record_at(w, c->record_head)->kind == SOURCE_RAW ||
                                               record_at(w, c->record_head)->epoch != (uint8_t)c->tls.write_epoch);
    if ((c->tls.flags & TLS_PREVIOUS_HELD) && !old) {
        conn_touch(w, c);
        tls_write_previous_release(&c->tls);
    }
}

bool send_release(struct worker *w, struct connection *c)
{
    uint32_t n = 0;
    for (; c->record_head != POOL_NONE && may_release(w, n); n++)
        record_release(w, c);
    for (; c->item_head != POOL_NONE && may_release(w, n); n++) {
        uint32_t index = c->item_head;
        c->item_head = item_at(w, index)->next;
        c->items--;
        item_release(w, index);
    }
    if (c->item_head == POOL_NONE)
        c->item_tail = POOL_NONE;
    return c->record_head == POOL_NONE && c->item_head == POOL_NONE;
}
