/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "crowd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "box.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/net/net.h"
#include "dataplane/voice/datagram.h"

#define SSRC_FIRST 0x10000u
#define POP_PORT   50000u
#define UDP_AT     34u
#define RTP_AT     42u
#define TEXT_AT    (RTP_AT + RTP_HEADER)
#define TAG_AT     (TEXT_AT + CROWD_OPUS_BYTES)
#define COUNTER_AT (TAG_AT + AEAD_TAG_SIZE)
_Static_assert(COUNTER_AT + RTP_COUNTER_SIZE == CROWD_FRAME, "a frame is what it is made of");

static uint64_t mix(uint64_t x) /* splitmix64 */
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void fill(uint64_t seed, uint8_t *out, size_t n)
{
    for (size_t at = 0; at < n; at += 8) {
        seed = mix(seed);
        memcpy(out + at, &seed, 8);
    }
}

static void key_of(const struct crowd *c, uint32_t i, uint8_t key[32])
{
    fill(c->seed + ((uint64_t)i << 20), key, 32);
}

static void opus_of(const struct crowd *c, uint32_t room, uint16_t number, uint8_t out[CROWD_OPUS_BYTES])
{
    fill(c->seed ^ mix((uint64_t)room << 16 | number), out, CROWD_OPUS_BYTES);
}

bool crowd_make(struct crowd *c, uint32_t rooms, uint32_t size, uint64_t seed)
{
    *c = (struct crowd){.seed = mix(seed), .rooms = rooms, .size = size};
    c->client = calloc((size_t)rooms * size, sizeof *c->client);
    c->number = calloc(rooms, sizeof *c->number);
    c->bound = calloc(rooms, sizeof *c->bound);
    c->sent_at = calloc((size_t)rooms * CROWD_TIMES, sizeof *c->sent_at);
    return c->client && c->number && c->bound && c->sent_at && (uint64_t)rooms * size <= CROWD_CLIENTS_MAX;
}

void crowd_free(struct crowd *c)
{
    free(c->client);
    free(c->number);
    free(c->bound);
    free(c->sent_at);
}

void crowd_member(const struct crowd *c, uint32_t i, struct verb_member *out)
{
    uint32_t room = i / c->size;
    *out = (struct verb_member){.member = i,
                                .generation = 1,
                                .room = room,
                                .session = i,
                                .user_id = i + 1,
                                .channel_id = room + 1,
                                .guild_id = 1,
                                .ssrc = SSRC_FIRST + i,
                                .mode = VOICE_AES256_GCM_RTPSIZE};
    key_of(c, i, out->key);
}

void crowd_address(uint32_t i, struct verb_member_bind *out)
{
    *out =
        (struct verb_member_bind){.member = i, .generation = 1, .port = (uint16_t)(CROWD_PORT + (i >> 16))};
    net_address_from4(out->ip, (uint8_t[]){198, 19, (uint8_t)(i >> 8), (uint8_t)i});
}

void crowd_bind(struct crowd *c, uint32_t i)
{
    if (c->client[i].bound)
        return;
    c->client[i].bound = true;
    c->client[i].next = c->number[i / c->size];
    c->bound[i / c->size]++;
}

/* ---- out ---- */

static size_t send_udp(const struct crowd *c, uint32_t i, uint8_t *frame, size_t payload)
{
    struct net_path path = {0};
    net_address_from4(path.source, (uint8_t[]){198, 19, (uint8_t)(i >> 8), (uint8_t)i});
    memcpy(path.destination, box_address, 16);
    memcpy(path.source_mac, c->mac, 6);
    memcpy(path.next_hop_mac, c->pop_mac, 6);
    return net_emit_udp(frame, &path, (uint16_t)(CROWD_PORT + (i >> 16)), POP_PORT, payload);
}

size_t crowd_discover(const struct crowd *c, uint32_t i, uint8_t *frame)
{
    uint8_t *p = frame + RTP_AT;
    memset(p, 0, DISCOVERY_SIZE);
    put_be16(p, 1);
    put_be16(p + 2, 70);
    put_be32(p + 4, SSRC_FIRST + i);
    return send_udp(c, i, frame, DISCOVERY_SIZE);
}

uint32_t crowd_speaker(const struct crowd *c, uint32_t room)
{
    return room * c->size + (c->turns ? c->number[room] / CROWD_TURN % c->size : 0);
}

size_t crowd_speak(struct crowd *c, uint32_t i, uint8_t *frame)
{
    uint32_t room = i / c->size;
    struct client *me = &c->client[i];
    struct aead_key key;
    uint8_t raw[32], nonce[12] = {0}, opus[CROWD_OPUS_BYTES], *rtp = frame + RTP_AT;
    uint16_t number = c->number[room]++;
    c->sent_at[room * CROWD_TIMES + number % CROWD_TIMES] = c->now;
    put_be16(rtp, 0x8078);
    put_be16(rtp + 2, number);
    put_be32(rtp + 4, number * 960u);
    put_be32(rtp + 8, SSRC_FIRST + i);
    put_be32(nonce, ++me->sent_counter);
    key_of(c, i, raw);
    opus_of(c, room, number, opus);
    aead_key_expand(&key, AEAD_AES_256_GCM, raw);
    aead_seal(&key, nonce, rtp, RTP_HEADER, opus, CROWD_OPUS_BYTES, frame + TEXT_AT, frame + TAG_AT);
    memcpy(frame + COUNTER_AT, nonce, RTP_COUNTER_SIZE);
    c->expected += c->bound[room] - me->bound;
    me->own += me->bound;
    crowd_bind(c, i);
    return send_udp(c, i, frame, RTP_HEADER + CROWD_OPUS_BYTES + RTP_TRAILER);
}

/* ---- in ---- */

static bool wrong(struct crowd *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool wrong(struct crowd *c, const char *format, ...)
{
    if (c->wrong[0])
        return false;
    va_list args;
    va_start(args, format);
    vsnprintf(c->wrong, sizeof c->wrong, format, args);
    va_end(args);
    return false;
}

static bool discovered(struct crowd *c, uint32_t i, const uint8_t *p)
{
    char address[16];
    snprintf(address, sizeof address, "198.19.%u.%u", i >> 8 & 255, i & 255);
    if (be16(p) != 2 || be16(p + 2) != 70 || be32(p + 4) != SSRC_FIRST + i ||
        strcmp((const char *)p + 8, address) != 0 || be16(p + 72) != CROWD_PORT + (i >> 16))
        return wrong(c, "client %u: a wrong discovery answer", i);
    if (!c->client[i].discovered)
        c->discovered++;
    c->client[i].discovered = true;
    return true;
}

/* Everything there is to check in one packet: checksums, tag, text. */
static bool opens(struct crowd *c, uint32_t i, const uint8_t *frame, size_t len)
{
    struct net_packet n;
    struct aead_key key;
    uint8_t raw[32], nonce[12] = {0}, want[CROWD_OPUS_BYTES], got[CROWD_OPUS_BYTES];
    const uint8_t *rtp = frame + RTP_AT;
    if (net_parse(frame, len, &n) != NET_UDP || memcmp(n.source, box_address, 16) != 0 ||
        n.source_port != POP_PORT)
        return wrong(c, "client %u: a wrong IP or UDP header or checksum", i);
    key_of(c, i, raw);
    aead_key_expand(&key, AEAD_AES_256_GCM, raw);
    memcpy(nonce, frame + COUNTER_AT, RTP_COUNTER_SIZE);
    if (!aead_open(&key, nonce, rtp, RTP_HEADER, frame + TEXT_AT, CROWD_OPUS_BYTES, frame + TAG_AT, got))
        return wrong(c, "client %u: a packet does not open with its key", i);
    opus_of(c, i / c->size, be16(rtp + 2), want);
    if (memcmp(want, got, sizeof want) != 0 || be32(rtp + 4) != be16(rtp + 2) * 960u)
        return wrong(c, "client %u: not what was sent", i);
    c->opened++;
    return true;
}

/*
 * A counter that this key has not had. Not always the highest: ciphertext that looks like an extension is
 * sealed again under another counter (reference/voice.md 5.3, 4), which is then ahead of those of its batch.
 */
static bool counter_is_new(struct client *me, uint32_t counter)
{
    uint32_t ahead = counter - me->heard_counter, behind = me->heard_counter - counter;
    if (counter > me->heard_counter) {
        me->heard = (ahead < 64 ? me->heard << ahead : 0) | 1;
        me->heard_counter = counter;
        return true;
    }
    if (behind >= 64 || me->heard >> behind & 1)
        return false;
    me->heard |= 1ull << behind;
    return true;
}

bool crowd_receive(struct crowd *c, const uint8_t *frame, size_t len, bool open)
{
    static const uint8_t clients[2] = {198, 19};
    uint32_t i = len < RTP_AT ? UINT32_MAX : crowd_client_of(frame);
    if (len < RTP_AT || memcmp(frame + 30, clients, 2) != 0 || i >= c->rooms * c->size)
        return wrong(c, "a frame of %zu bytes to nobody", len);
    if (len == CROWD_DISCOVERY)
        return discovered(c, i, frame + RTP_AT);
    if (len != CROWD_FRAME)
        return wrong(c, "client %u: %zu bytes in place of %u", i, len, CROWD_FRAME);
    struct client *me = &c->client[i];
    const uint8_t *rtp = frame + RTP_AT;
    uint32_t sender = be32(rtp + 8) - SSRC_FIRST, counter = be32(frame + COUNTER_AT);
    if (be16(rtp) != 0x8078 || sender / c->size != i / c->size || sender == i)
        return wrong(c, "client %u: hears SSRC %u, which is not in its room", i, sender);
    int16_t ahead = (int16_t)(uint16_t)(be16(rtp + 2) - me->next);
    if (ahead < 0 || !me->bound)
        return wrong(c, "client %u: number %u comes twice or late", i, be16(rtp + 2));
    if (!counter_is_new(me, counter))
        return wrong(c, "client %u: nonce counter %u again, after %u", i, counter, me->heard_counter);
    uint16_t own = me->own < ahead ? me->own : (uint16_t)ahead;
    me->own = (uint16_t)(me->own - own);
    c->missing += (uint64_t)ahead - own;
    me->next = (uint16_t)(be16(rtp + 2) + 1);
    c->received++;
    if (c->late)
        histogram_add(
            c->late,
            (uint64_t)((double)(c->now -
                                c->sent_at[i / c->size * CROWD_TIMES + be16(rtp + 2) % CROWD_TIMES]) *
                       10 / c->ticks_per_us));
    return !open || opens(c, i, frame, len);
}

uint64_t crowd_settle(struct crowd *c)
{
    for (uint32_t i = 0; i < c->rooms * c->size; i++) {
        struct client *me = &c->client[i];
        if (me->bound)
            c->missing += (uint16_t)(c->number[i / c->size] - me->next - me->own);
        me->next = c->number[i / c->size];
        me->own = 0;
    }
    uint64_t missing = c->missing;
    if (c->received + missing != c->expected)
        wrong(c, "%llu packets expected, %llu came, %llu are missing: the sums differ",
              (unsigned long long)c->expected, (unsigned long long)c->received, (unsigned long long)missing);
    c->expected = c->received = c->missing = 0;
    return missing;
}
