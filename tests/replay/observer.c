/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "observer.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- keys ---- */

/* A connection that was open at the snapshot: the client's end of it, as far as it can be known. */
static void take_open(struct listener *l, const struct connection *c)
{
    assert_int_equal(c->tcp.snd_una, c->tcp.snd_nxt); /* nothing in flight: records begin here */
    l->known = l->synced = true;
    l->tls = (struct tls_conn){.suite = c->tls.suite,
                               .state = TLS_CONN_OPEN,
                               .flags = TLS_CLIENT,
                               .read_record = c->tls.write_record,
                               .read_epoch = c->tls.write_epoch};
    memcpy(l->tls.read_secret, c->tls.write_secret, sizeof l->tls.read_secret);
    tls_keep_read_key(&l->tls);
    l->first = c->tcp.snd_nxt;
}

/* One that was shaking hands at the snapshot: what was sent before is not in the capture. */
static void take_half_open(struct listener *l, const struct connection *c)
{
    l->synced = true;
    l->first = c->tcp.iss + 1;
    l->plain = (uint32_t)c->tcp.snd_end;
}

/* One whose handshake is in the recording. */
static void take_handshake(struct listener *l, const struct record_handshake *h)
{
    l->plain += h->send_length;
    if (h->step != TLS_STEP_DONE)
        return;
    tls_conn_start(&l->tls, &h->secrets, true);
    /* What goes with the last step are tickets, already under the application key: opened like the rest. */
    l->plain -= h->send_length;
    l->tls.read_record = 0;
    l->known = true;
}

static void take_connection(struct observer *o, const struct connection *c)
{
    struct listener *l = &o->listener[c->tcp.tuple.remote_port - TCP_PORT_OF];
    if (c->kind == CONNECTION_GATEWAY)
        take_open(l, c);
    else if (c->kind == CONNECTION_HANDSHAKE)
        take_half_open(l, c);
}

/* Where handshakes are recorded there is one worker, whose connections are numbered as participants are. */
static void take_keys(struct observer *o, const char *directory)
{
    struct bundle b;
    char why[256] = "";
    const struct capture_entry *e;
    bool whole;
    if (!bundle_open(&b, directory, why))
        fail_msg("%s", why);
    for (uint32_t k = 0; k < b.region.header->geometry.workers; k++) {
        const struct pool *p = region_part(&b.region, k, PART_CONNECTIONS);
        for (uint32_t i = 0; i < p->fresh; i++)
            take_connection(o, connection_at(&b.region, k, i));
    }
    for (uint64_t at = 0; (e = bundle_next(&b, &at, &whole));) {
        const struct record_handshake *h = (const void *)(e + 1);
        if (e->kind == CAPTURE_KEYS && (uint32_t)h->handle < LISTENERS)
            take_handshake(&o->listener[(uint32_t)h->handle], h);
    }
    bundle_close(&b);
}

/* ---- frames ---- */

static void see_segment(struct observer *o, const struct net_packet *p)
{
    struct tcp_segment s;
    assert_true(tcp_checksum_ok(p->l4, p->l4_len, p->source, p->destination));
    assert_int_equal(tcp_parse(p->l4, p->l4_len, &s), DROP_NONE);
    uint32_t index = p->destination_port - TCP_PORT_OF;
    assert_true(index < LISTENERS);
    struct listener *l = &o->listener[index];
    o->resets += (s.flags & TCP_RST) != 0;
    if (s.flags & TCP_SYN) {
        l->first = s.seq + 1;
        l->synced = true;
    }
    for (uint32_t i = 0; i < s.len; i++) {
        uint32_t at = s.seq + i - l->first;
        assert_true(l->synced && at < STREAM_MAX);
        assert_true(!l->there[at] || l->wire[at] == s.data[i]); /* sent again: the same byte */
        l->wire[at] = s.data[i];
        l->there[at] = 1;
    }
}

static void see_voice(struct observer *o, const struct net_packet *p)
{
    uint32_t index = p->destination_port - VOICE_PORT;
    assert_true(index < LISTENERS && p->payload_len > 32);
    struct listener *l = &o->listener[index];
    struct aead_key expanded;
    uint8_t key[32], nonce[AEAD_NONCE_SIZE_MAX] = {0}, text[64] = {0};
    size_t n = p->payload_len - 32u;
    assert_true(n < sizeof text && l->voices < VOICE_MAX);
    voice_key(index, key);
    aead_key_expand(&expanded, index == 2 ? AEAD_XCHACHA20_POLY1305 : AEAD_AES_256_GCM, key);
    memcpy(nonce, p->payload + 12 + n + 16, 4);
    assert_true(aead_open(&expanded, nonce, p->payload, 12, p->payload + 12, n, p->payload + 12 + n, text));
    struct heard *h = &l->voice[l->voices++];
    assert_int_equal(sscanf((char *)text, "frame %u %u", &h->speaker, &h->number), 2);
    assert_int_equal(be32(p->payload + 8), SSRC_OF + h->speaker);
}

static void see_frame(struct observer *o, const uint8_t *frame, size_t len)
{
    struct net_packet p;
    enum net_class class = net_parse(frame, len, &p);
    if (class == NET_TCP)
        see_segment(o, &p);
    else if (class == NET_UDP)
        see_voice(o, &p);
}

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The direction is in the packet's flags, behind its padded bytes. */
static void see_capture(struct observer *o, const char *path)
{
    uint8_t head[28], frame[2048];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    for (long at = 0; fseek(f, at, SEEK_SET) == 0 && fread(head, 1, 8, f) == 8; at += le32(head + 4)) {
        if (le32(head) != 6)
            continue;
        assert_int_equal(fread(head + 8, 1, 20, f), 20);
        uint32_t len = le32(head + 20), padded = (len + 3) & ~3u;
        uint64_t time_us = (uint64_t)le32(head + 12) << 32 | le32(head + 16);
        assert_true(padded + 8 <= sizeof frame);
        assert_int_equal(fread(frame, 1, padded + 8, f), padded + 8);
        assert_true(time_us >= o->last_us);
        o->last_us = time_us;
        if (le32(frame + padded + 4) == 2) {
            o->sent++;
            see_frame(o, frame, len);
        } else {
            o->received++;
        }
    }
    fclose(f);
}

/* ---- what was said ---- */

static void open_records(struct listener *l)
{
    struct tls_record r;
    struct tls_refusal why;
    struct tls_opened opened;
    struct tls_keys keys;
    uint32_t at = l->plain, end = at;
    while (end < STREAM_MAX && l->there[end])
        end++;
    for (uint32_t i = end; i < STREAM_MAX; i++)
        assert_false(l->there[i]); /* no gap */
    for (int n; at < end; at += (uint32_t)n) {
        n = tls_record_parse(l->wire + at, end - at, TLS_PHASE_OPEN, &r, &why);
        assert_true(n > 0);
        tls_keys_read(&keys, &l->tls);
        assert_true(l->text_length + r.length <= STREAM_MAX);
        tls_open(&l->tls, &keys, &r, l->text + l->text_length, 0, &opened);
        assert_int_not_equal(opened.event, TLS_EVENT_REFUSED);
        if (opened.event == TLS_EVENT_DATA)
            l->text_length += (uint32_t)opened.len;
    }
}

struct observer *observer_open(const char *directory, const char *capture)
{
    struct observer *o = calloc(1, sizeof *o);
    assert_non_null(o);
    take_keys(o, directory);
    see_capture(o, capture);
    for (uint32_t i = 0; i < LISTENERS; i++)
        if (o->listener[i].known)
            open_records(&o->listener[i]);
    return o;
}

void observer_close(struct observer *o)
{
    free(o);
}

uint32_t observer_told(const struct observer *o, uint32_t listener, const char *text)
{
    const struct listener *l = &o->listener[listener];
    const uint8_t *at = l->text, *end = l->text + l->text_length;
    uint32_t n = 0;
    for (; (at = memmem(at, (size_t)(end - at), text, strlen(text))); at += strlen(text))
        n++;
    return n;
}

uint32_t observer_heard(const struct observer *o, uint32_t listener, uint32_t speaker, uint32_t *first)
{
    const struct listener *l = &o->listener[listener];
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->voices; i++) {
        if (l->voice[i].speaker != speaker)
            continue;
        if (!n)
            *first = l->voice[i].number;
        assert_int_equal(l->voice[i].number, *first + n);
        n++;
    }
    return n;
}
