/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "storm_crowd.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/ws/frame.h"

#define FIRST_PORT 10000u
#define WINDOW     60000u
#define SYN_WAIT   1000000u

static const char upgrade[] =
    "GET /?v=10&encoding=json HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static struct tls_keys to_box, from_box; /* every connection has the same secrets */

void crowd_open(struct crowd *c, struct sim *s, uint32_t count)
{
    struct tls_secrets secrets;
    struct tls_conn tls = {0};
    *c = (struct crowd){.sim = s, .count = count, .client = calloc(CROWD_MAX, sizeof *c->client)};
    assert_non_null(c->client);
    sim_secrets(&secrets);
    tls_conn_start(&tls, &secrets, true);
    assert_true(tls_keys_write(&to_box, &tls, tls.write_epoch));
    tls_keys_read(&from_box, &tls);
    for (uint32_t k = 0; k < count; k++)
        c->client[k].port = FIRST_PORT;
}

void crowd_close(struct crowd *c)
{
    free(c->client);
    c->client = NULL;
}

/* ---- out ---- */

static size_t fill_from(void *stream, uint64_t pos, uint8_t *dst, size_t len)
{
    memcpy(dst, stream, len);
    return len;
}

static void address_of(uint32_t k, uint8_t address[16])
{
    memset(address, 0, 10);
    address[10] = address[11] = 0xff;
    address[12] = 10;
    put_be24(address + 13, k + 1);
}

static void put_segment(struct crowd *c, uint32_t k, uint8_t flags, uint32_t seq, uint8_t *bytes,
                        uint16_t len)
{
    struct crowd_client *o = &c->client[k];
    assert_true(c->sim->in_count < FRAMES_MAX);
    struct frame *f = &c->sim->in[c->sim->in_count++];
    struct net_path path = {0};
    struct tcp_plan p = {
        .flags = flags, .seq = seq, .ack = flags & TCP_ACK ? o->ack : 0, .len = len, .window = WINDOW};
    address_of(k, p.tuple.local);
    memcpy(p.tuple.remote, sim_server_ip, 16);
    p.tuple.local_port = o->port;
    p.tuple.remote_port = 443;
    p.mss = flags & TCP_SYN ? 1460 : 0;
    memcpy(path.source, p.tuple.local, 16);
    memcpy(path.destination, sim_server_ip, 16);
    memcpy(path.source_mac, sim_client_mac, 6);
    memcpy(path.next_hop_mac, sim_server_mac, 6);
    size_t head = net_header_len(path.destination);
    f->length =
        (uint32_t)net_emit_ip(f->bytes, &path, TCP_PROTOCOL,
                              tcp_build(&p, fill_from, bytes, f->bytes + head, sizeof f->bytes - head));
    o->owes_ack = false;
}

/* A record with this number, at this place of the stream; returns where the next one goes. */
static uint32_t put_record(struct crowd *c, uint32_t k, uint64_t number, uint32_t seq, const void *text,
                           size_t len)
{
    uint8_t sealed[1200];
    struct tls_span span = {text, len};
    size_t n = tls_seal(&to_box, number, TLS_APPLICATION_DATA, &span, 1, sealed);
    put_segment(c, k, TCP_ACK | TCP_PSH, seq, sealed, (uint16_t)n);
    return seq + (uint32_t)n;
}

static void say(struct crowd *c, uint32_t k, const char *text)
{
    struct crowd_client *o = &c->client[k];
    uint8_t frame[1024];
    size_t n = sim_frame(frame, WS_OP_TEXT, true, text, strlen(text));
    o->seq = put_record(c, k, tls_take_record(&o->tls), o->seq, frame, n);
}

/* ---- coming and going ---- */

static void connect_now(struct crowd *c, uint32_t k)
{
    struct crowd_client *o = &c->client[k];
    struct tls_secrets secrets;
    o->comes_back = false;
    o->stage = CROWD_CONNECTING;
    o->port++;
    o->tries = 0;
    o->iss = o->seq = o->una = sim_chance(c->sim, UINT32_MAX);
    o->ack = 0;
    o->carry = o->length = 0;
    o->ready = o->beat_is_out = false;
    sim_secrets(&secrets);
    memset(&o->tls, 0, sizeof o->tls);
    tls_conn_start(&o->tls, &secrets, true);
}

/* The first packets: a SYN, or hello and upgrade. Said again until they are answered. */
static void knock(struct crowd *c, uint32_t k)
{
    static uint8_t hello[] = {22, 3, 1, 0, 5, 1, 0, 0, 1, 0};
    struct crowd_client *o = &c->client[k];
    o->retry_us = c->sim->now_us + ((uint64_t)SYN_WAIT << o->tries++);
    if (o->stage == CROWD_CONNECTING) {
        put_segment(c, k, TCP_SYN, o->iss, NULL, 0);
        return;
    }
    put_segment(c, k, TCP_ACK | TCP_PSH, o->iss + 1, hello, sizeof hello);
    o->seq = put_record(c, k, 0, o->iss + 1 + sizeof hello, upgrade, sizeof upgrade - 1);
    o->tls.write_record = 1;
}

void crowd_come(struct crowd *c, uint32_t k, uint64_t at_us)
{
    c->client[k].comes_back = true;
    c->client[k].retry_us = at_us;
}

void crowd_drop(struct crowd *c, uint32_t k)
{
    struct crowd_client *o = &c->client[k];
    put_segment(c, k, TCP_RST | TCP_ACK, o->seq, NULL, 0);
    crowd_vanish(c, k);
}

void crowd_vanish(struct crowd *c, uint32_t k)
{
    c->client[k].stage = CROWD_AWAY;
    c->client[k].ready = c->client[k].owes_ack = false;
}

void crowd_beat(struct crowd *c, uint32_t k)
{
    struct crowd_client *o = &c->client[k];
    char text[64];
    if (o->stage != CROWD_OPEN || o->beat_is_out)
        return;
    snprintf(text, sizeof text, "{\"op\":1,\"d\":%u}", o->last_s);
    say(c, k, text);
    o->beat_is_out = true;
    o->beat_us = c->sim->now_us;
}

void crowd_act(struct crowd *c)
{
    for (uint32_t k = 0; k < c->count && c->sim->in_count + 4 < FRAMES_MAX; k++) {
        struct crowd_client *o = &c->client[k];
        if (o->comes_back && o->retry_us <= c->sim->now_us) {
            connect_now(c, k);
            knock(c, k);
        } else if ((o->stage == CROWD_CONNECTING || (o->stage == CROWD_UPGRADING && o->una == o->iss + 1)) &&
                   o->retry_us <= c->sim->now_us) {
            knock(c, k);
        } else if (o->owes_ack && o->stage != CROWD_AWAY) {
            put_segment(c, k, TCP_ACK, o->seq, NULL, 0);
        }
    }
}

/* ---- in ---- */

static uint32_t number_at(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at ? (uint32_t)strtoul(at + strlen(key), NULL, 10) : UINT32_MAX;
}

static void hello(struct crowd *c, uint32_t k)
{
    struct crowd_client *o = &c->client[k];
    char text[512];
    if (o->session_id[0])
        snprintf(text, sizeof text, "{\"op\":6,\"d\":{\"token\":\"%s\",\"session_id\":\"%s\",\"seq\":%u}}",
                 o->token, o->session_id, o->last_s);
    else
        snprintf(text, sizeof text, "{\"op\":2,\"d\":{\"token\":\"%s\",\"properties\":{},\"intents\":513}}",
                 o->token);
    say(c, k, text);
}

static void event(struct crowd *c, uint32_t k, const char *text)
{
    struct crowd_client *o = &c->client[k];
    uint32_t s = number_at(text, "{\"s\":");
    assert_int_equal(s, o->last_s + 1); /* none is missing, doubled or out of order */
    o->last_s = s;
    if (strstr(text, "\"t\":\"READY\"")) {
        const char *id = strstr(text, "\"session_id\":\"");
        assert_non_null(id);
        memcpy(o->session_id, id + 14, 32);
        c->identified++;
    } else if (strstr(text, "\"t\":\"GUILD_CREATE\"")) {
        o->guilds++;
        o->ready = true;
    } else if (strstr(text, "\"t\":\"RESUMED\"")) {
        c->resumed++;
        o->ready = true;
    } else if (strstr(text, "\"t\":\"MESSAGE_CREATE\"")) {
        assert_int_equal(number_at(text, "\"content\":\"storm "), o->messages);
        o->messages++;
    }
}

static void payload(struct crowd *c, uint32_t k, const char *text)
{
    struct crowd_client *o = &c->client[k];
    if (strncmp(text, "{\"s\":", 5) == 0) {
        event(c, k, text);
        return;
    }
    switch (number_at(text, "\"op\":")) {
    case 7:
        c->later++;
        crowd_drop(c, k);
        crowd_come(c, k, c->sim->now_us);
        break;
    case 9:
        c->lost++;
        break;
    case 10:
        hello(c, k);
        break;
    case 11:
        if (c->sim->now_us - o->beat_us > c->late_us)
            c->late_us = c->sim->now_us - o->beat_us;
        c->beats++;
        o->beat_is_out = false;
        break;
    default:
        fail_msg("client %u was told %s", k, text);
    }
}

/* Whole frames at the front of what is there. */
static void frames(struct crowd *c, uint32_t k)
{
    struct crowd_client *o = &c->client[k];
    while (o->length >= 2 && o->stage == CROWD_OPEN) {
        uint32_t n = o->frame[1] & 127, head = n == 126 ? 4 : 2;
        assert_true(n != 127);
        if (o->length < head)
            return;
        n = n == 126 ? be16(o->frame + 2) : n;
        assert_true(head + n < sizeof o->frame);
        if (o->length < head + n)
            return;
        if ((o->frame[0] & 15) == WS_OP_CLOSE) {
            o->close_code = n >= 2 ? be16(o->frame + head) : 1005;
            c->closes++;
        } else {
            uint8_t behind = o->frame[head + n];
            o->frame[head + n] = 0;
            payload(c, k, (const char *)o->frame + head);
            o->frame[head + n] = behind;
        }
        if (o->stage != CROWD_OPEN) /* it has left meanwhile */
            return;
        o->length -= head + n;
        memmove(o->frame, o->frame + head + n, o->length);
    }
}

static void text_came(struct crowd *c, uint32_t k, const uint8_t *bytes, size_t n)
{
    struct crowd_client *o = &c->client[k];
    assert_true(o->length + n < sizeof o->frame);
    memcpy(o->frame + o->length, bytes, n);
    o->length += (uint32_t)n;
    if (o->stage == CROWD_UPGRADING) {
        o->frame[o->length] = 0;
        const char *end = strstr((const char *)o->frame, "\r\n\r\n");
        if (!end)
            return;
        assert_memory_equal(o->frame, "HTTP/1.1 101", 12);
        uint32_t head = (uint32_t)(end + 4 - (const char *)o->frame);
        o->length -= head;
        memmove(o->frame, o->frame + head, o->length);
        o->stage = CROWD_OPEN;
    }
    frames(c, k);
}

/* Whole records at the front of what is there. */
static void records(struct crowd *c, uint32_t k)
{
    static uint8_t plain[TLS_RECORD_MAX];
    struct crowd_client *o = &c->client[k];
    struct tls_record r;
    struct tls_refusal why;
    struct tls_opened opened;
    int n;
    while (o->stage != CROWD_AWAY &&
           (n = tls_record_parse(o->record, o->carry, tls_open_phase(&o->tls), &r, &why)) > 0) {
        tls_open(&o->tls, &from_box, &r, plain, 0, &opened);
        assert_true(opened.event == TLS_EVENT_DATA || opened.event == TLS_EVENT_CLOSED);
        o->carry -= (uint32_t)n;
        memmove(o->record, o->record + n, o->carry);
        if (opened.event == TLS_EVENT_DATA)
            text_came(c, k, opened.data, opened.len);
    }
}

static void segment(struct crowd *c, uint32_t k, const struct tcp_segment *s)
{
    struct crowd_client *o = &c->client[k];
    if (s->flags & TCP_RST) {
        c->resets += o->stage == CROWD_OPEN;
        o->stage = CROWD_AWAY;
        return;
    }
    if (s->flags & TCP_ACK)
        o->una = s->ack;
    if (s->flags & TCP_SYN) {
        if (o->stage == CROWD_CONNECTING) {
            o->ack = s->seq + 1;
            o->stage = CROWD_UPGRADING;
            o->tries = 0;
            knock(c, k);
        }
        return;
    }
    o->owes_ack |= s->len || s->flags & TCP_FIN;
    if (s->seq != o->ack)
        return; /* again */
    o->ack += s->len + !!(s->flags & TCP_FIN);
    assert_true(o->carry + s->len <= sizeof o->record);
    memcpy(o->record + o->carry, s->data, s->len);
    o->carry += s->len;
    records(c, k);
    if (s->flags & TCP_FIN && o->stage != CROWD_AWAY)
        crowd_drop(c, k);
}

void crowd_hear(struct crowd *c)
{
    for (uint32_t i = 0; i < c->sim->out_count; i++) {
        struct net_packet p;
        struct tcp_segment s;
        if (net_parse(c->sim->out[i].bytes, c->sim->out[i].length, &p) != NET_TCP ||
            p.destination[12] != 10 || tcp_parse(p.l4, p.l4_len, &s) != DROP_NONE)
            continue;
        uint32_t k = be24(p.destination + 13) - 1;
        if (k < c->count && p.destination_port == c->client[k].port && c->client[k].stage != CROWD_AWAY)
            segment(c, k, &s);
    }
}
