/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/voice/fixture.h"

#include <openssl/evp.h>
#include <sodium.h>

#define UNDO_BYTES (256u << 10)

/* ---- memory ---- */

static size_t pool_bytes(size_t stride, size_t count)
{
    return sizeof(struct pool) + stride * count;
}

static bool notify(void *user, enum notice what, const void *body, uint32_t length)
{
    struct fix *f = user;
    if (f->ring_full)
        return false;
    assert_int_equal(length, sizeof(struct notice_member));
    assert_in_range(f->told_count, 0, 2 * MEMBERS - 1);
    f->told[f->told_count].what = what;
    memcpy(&f->told[f->told_count++].body, body, length);
    return true;
}

static void keep(struct fix *f, const struct voice_target *t);

static bool hand(void *user, uint32_t worker, uint64_t channel_id, const struct voice_frame *frame)
{
    struct fix *f = user;
    assert_true(channel_id >= CHANNEL);
    if (f->ring_to_parts_full)
        return false;
    f->handed_to |= 1u << worker;
    f->handed = *frame;
    memcpy(f->handed_bytes, frame->data, (size_t)frame->header_length + frame->text_length);
    f->handed.data = f->handed_bytes;
    f->handed.sender = MEMBER_NONE;
    return true;
}

static void attach(struct fix *f)
{
    uint8_t *p = f->region;
    struct txn_log *log = (struct txn_log *)(void *)p;
    p += sizeof *log + UNDO_BYTES;
    f->rooms = (struct pool *)(void *)p;
    f->members = (struct pool *)(void *)(p + pool_bytes(sizeof(struct room), ROOMS));
    txn_attach(&f->txn, f->region, log);
}

static void process_starts(struct fix *f)
{
    struct voice_config config = {.worker = WORKER,
                                  .packets_per_second_max = RATE,
                                  .discoveries_per_second_max = DISCOVERIES,
                                  .pending_max = PENDING,
                                  .speakers_max = f->speakers_max,
                                  .ticks_per_us = 2};
    struct voice_env env = {.txn = &f->txn,
                            .rooms = f->rooms,
                            .members = f->members,
                            .counters = &f->counters,
                            .notify = notify,
                            .hand = hand,
                            .user = f};
    txn_recover(&f->txn);
    f->v = voice_new(&config, &env);
    assert_non_null(f->v);
    f->sealed = keep;
}

static struct fix *allocate(void)
{
    struct fix *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->size = sizeof(struct txn_log) + UNDO_BYTES + pool_bytes(sizeof(struct room), ROOMS) +
              pool_bytes(sizeof(struct voice_member), MEMBERS);
    f->region = aligned_alloc(64, (f->size + 63) & ~(size_t)63);
    assert_non_null(f->region);
    return f;
}

struct fix *given(void)
{
    return given_speakers(0);
}

struct fix *given_speakers(uint32_t max)
{
    assert_true(aead_init(AEAD_BACKEND_AUTO));
    assert_true(sodium_init() >= 0);
    struct fix *f = allocate();
    memset(f->region, 0, f->size);
    attach(f);
    f->txn.log->undo_size = UNDO_BYTES;
    pool_init(f->rooms, f->rooms + 1, sizeof(struct room), ROOMS);
    pool_init(f->members, f->members + 1, sizeof(struct voice_member), MEMBERS);
    f->now = START;
    f->speakers_max = max;
    process_starts(f);
    return f;
}

struct fix *killed(const struct fix *f)
{
    struct fix *next = allocate();
    uint8_t *region = next->region;
    *next = *f;
    next->region = region;
    memcpy(region, f->region, f->size);
    next->told_count = next->heard_count = 0;
    attach(next);
    process_starts(next);
    return next;
}

void done(struct fix *f)
{
    voice_free(f->v);
    free(f->region);
    free(f);
}

void begins(struct fix *f)
{
    txn_begin(&f->txn);
}

void commits(struct fix *f)
{
    txn_commit(&f->txn);
    txn_publish(&f->txn);
}

/* ---- members ---- */

uint32_t ssrc_of(uint32_t i)
{
    return 0x10000000u + 4 * i;
}

struct voice_member *member(struct fix *f, uint32_t i)
{
    return pool_at(f->members, i);
}

bool sets(struct fix *f, const struct client *c)
{
    struct verb_member verb = {.member = WORKER * MEMBERS + c->i,
                               .generation = c->generation,
                               .room = c->room,
                               .session = 100 + c->i + c->session,
                               .user_id = 1000 + c->i,
                               .channel_id = c->channel ? c->channel : CHANNEL + c->room,
                               .guild_id = 9,
                               .ssrc = c->ssrc,
                               .mode = c->mode,
                               .flags = c->flags};
    memcpy(verb.key, c->key, sizeof verb.key);
    bool open = atomic_load(&f->txn.log->phase) == TXN_OPEN;
    if (!open)
        begins(f);
    bool ok = voice_member_set(f->v, &verb, f->now);
    if (!open)
        commits(f);
    return ok;
}

struct client *joins(struct fix *f, uint32_t i, uint32_t room, enum voice_mode mode)
{
    struct client *c = &f->client[i];
    *c = (struct client){.i = i,
                         .room = room,
                         .generation = c->generation + 1,
                         .ssrc = ssrc_of(i),
                         .mode = (uint8_t)mode,
                         .ip = {[10] = 0xff, [11] = 0xff, 198, 18, (uint8_t)(1 + i / 256), (uint8_t)i},
                         .port = (uint16_t)(5000 + i)};
    for (unsigned k = 0; k < sizeof c->key; k++)
        c->key[k] = (uint8_t)(k * 7 + i + (i >> 8) * 31 + c->generation * 101);
    assert_true(sets(f, c));
    return c;
}

void discovers(struct fix *f, const struct client *c)
{
    uint8_t request[74] = {0, 1, 0, 70};
    put_be32(request + 4, c->ssrc);
    assert_int_equal(arrives(f, c, request, sizeof request), VOICE_REPLY);
}

void binds(struct fix *f, const struct client *c)
{
    struct verb_member_bind verb = {
        .member = WORKER * MEMBERS + c->i, .generation = c->generation, .port = c->port};
    memcpy(verb.ip, c->ip, sizeof verb.ip);
    discovers(f, c);
    begins(f);
    assert_true(voice_member_bind(f->v, &verb));
    commits(f);
}

struct client *listens(struct fix *f, uint32_t i, uint32_t room, enum voice_mode mode)
{
    struct client *c = joins(f, i, room, mode);
    binds(f, c);
    return c;
}

bool leaves(struct fix *f, const struct client *c)
{
    struct verb_member_ref verb = {WORKER * MEMBERS + c->i, c->generation};
    bool open = atomic_load(&f->txn.log->phase) == TXN_OPEN;
    if (!open)
        begins(f);
    bool ok = voice_member_remove(f->v, &verb);
    if (!open)
        commits(f);
    return ok;
}

/* ---- in ---- */

enum voice_verdict arrives_in(struct fix *f, const struct client *c, const void *p, size_t len)
{
    uint8_t *memory = f->memory[f->memory_next++ % 64];
    struct voice_datagram d = {.data = memory,
                               .length = (uint16_t)len,
                               .peer_port = c->port,
                               .local_port = 40000 + WORKER,
                               .local_ip = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 1},
                               .arrived = f->ticks,
                               .holder = memory};
    memcpy(d.peer_ip, c->ip, sizeof d.peer_ip);
    memcpy(f->last, p, len);
    f->last_length = (uint16_t)len;
    memcpy(memory, p, len);
    enum voice_verdict verdict = voice_input(f->v, &d, f->now);
    memcpy(f->reply, memory, len);
    return verdict;
}

enum voice_verdict arrives(struct fix *f, const struct client *c, const void *p, size_t len)
{
    begins(f);
    enum voice_verdict verdict = arrives_in(f, c, p, len);
    commits(f);
    return verdict;
}

static void gcm(bool sealing, const struct client *c, const uint8_t *nonce, const uint8_t *aad,
                size_t aad_len, const uint8_t *src, size_t len, uint8_t *dst, uint8_t *tag, bool *ok)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n;
    assert_int_equal(EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, c->key, nonce, sealing), 1);
    assert_int_equal(EVP_CipherUpdate(ctx, NULL, &n, aad, (int)aad_len), 1);
    assert_int_equal(EVP_CipherUpdate(ctx, dst, &n, src, (int)len), 1);
    if (!sealing)
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag);
    *ok = EVP_CipherFinal_ex(ctx, dst + n, &n) == 1;
    if (sealing)
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag);
    EVP_CIPHER_CTX_free(ctx);
}

/* A secretbox whose nonce is the header; everything behind the twelve bytes is in it. */
static size_t seals_legacy(const struct client *c, const uint8_t *text, size_t len, uint8_t *dst)
{
    uint8_t nonce[24] = {0};
    memcpy(nonce, dst, 12);
    crypto_secretbox_easy(dst + 12, text, len, nonce, c->key);
    return 12 + crypto_secretbox_MACBYTES + len;
}

size_t seals_as(const struct client *c, uint32_t counter, const char *payload, uint8_t *dst)
{
    static const uint8_t preamble[4] = {0xbe, 0xde, 0, 1}, body[4] = {0x10, 0x7f, 0, 0};
    uint8_t text[1500], nonce[24] = {0};
    size_t header = 12, len = 0;
    dst[0] = c->extension ? 0x90 : 0x80;
    dst[1] = 0x78;
    put_be16(dst + 2, c->seq);
    put_be32(dst + 4, c->timestamp);
    put_be32(dst + 8, c->ssrc);
    if (c->extension) {
        memcpy(dst + 12, preamble, 4);
        memcpy(text, body, 4);
        header = 16;
        len = 4;
    }
    memcpy(text + len, payload, strlen(payload));
    len += strlen(payload);
    if (c->mode == VOICE_XSALSA20) {
        memmove(text + (c->extension ? 4 : 0), text, len);
        memcpy(text, preamble, c->extension ? 4 : 0);
        return seals_legacy(c, text, len + (c->extension ? 4 : 0), dst);
    }
    put_be32(nonce, counter);
    bool ok = true;
    unsigned long long tag_length;
    if (c->mode == VOICE_XCHACHA20_RTPSIZE)
        crypto_aead_xchacha20poly1305_ietf_encrypt_detached(dst + header, dst + header + len, &tag_length,
                                                            text, len, dst, header, NULL, nonce, c->key);
    else
        gcm(true, c, nonce, dst, header, text, len, dst + header, dst + header + len, &ok);
    put_be32(dst + header + len + 16, counter);
    return header + len + 20;
}

size_t seals(struct client *c, const char *payload, uint8_t *dst)
{
    c->seq++;
    c->timestamp += 960;
    return seals_as(c, ++c->counter, payload, dst);
}

enum voice_verdict speaks(struct fix *f, struct client *c, const char *payload)
{
    uint8_t p[1600];
    return arrives(f, c, p, seals(c, payload, p));
}

/* ---- out ---- */

bool opens(const struct client *c, const uint8_t *p, size_t len, uint8_t *text, size_t *text_length)
{
    size_t header = p[0] & 0x10 ? 16 : 12;
    uint8_t nonce[24] = {0}, tag[16];
    if (c->mode == VOICE_XSALSA20) {
        memcpy(nonce, p, 12);
        *text_length = len - 28;
        return len > 28 && crypto_secretbox_open_easy(text, p + 12, len - 12, nonce, c->key) == 0;
    }
    if (len < header + 20)
        return false;
    size_t n = len - header - 20;
    memcpy(nonce, p + len - 4, 4);
    memcpy(tag, p + len - 20, 16);
    *text_length = n;
    if (c->mode == VOICE_XCHACHA20_RTPSIZE)
        return crypto_aead_xchacha20poly1305_ietf_decrypt_detached(text, NULL, p + header, n, tag, p, header,
                                                                   nonce, c->key) == 0;
    bool ok;
    gcm(false, c, nonce, p, header, p + header, n, text, tag, &ok);
    return ok;
}

static void keep(struct fix *f, const struct voice_target *t)
{
    struct heard *h = &f->heard[f->heard_count++ % HEARD_MAX];
    uint8_t text[1600];
    size_t len;
    assert_true(opens(&f->client[t->member], t->payload, t->length, text, &len));
    *h = (struct heard){.member = t->member,
                        .ssrc = be32(t->payload + 8),
                        .counter = be32(t->payload + t->length - 4),
                        .seq = be16(t->payload + 2),
                        .length = t->length,
                        .peer_port = t->peer_port,
                        .text_length = (uint16_t)len};
    memcpy(h->peer_ip, t->peer_ip, sizeof h->peer_ip);
    memcpy(h->text, text, len < sizeof h->text ? len : sizeof h->text);
    memcpy(h->datagram, t->payload, t->length < sizeof h->datagram ? t->length : sizeof h->datagram);
}

unsigned round_out(struct fix *f)
{
    static uint8_t wire[VOICE_BATCH][VOICE_DATAGRAM_MAX];
    struct voice_target targets[VOICE_BATCH];
    unsigned sent = 0, n;
    voice_begin_output(f->v);
    while ((n = voice_targets(f->v, targets))) {
        assert_in_range(n, 1, VOICE_BATCH);
        for (unsigned i = 0; i < n; i++)
            targets[i].payload = wire[i];
        voice_seal(f->v, targets, n);
        voice_sent(f->v, f->ticks);
        for (unsigned i = 0; i < n; i++) {
            if (!targets[i].payload)
                continue;
            f->sealed(f, &targets[i]);
            sent++;
        }
    }
    while (voice_released(f->v))
        f->released++;
    return sent;
}

unsigned rounds_out(struct fix *f)
{
    unsigned sent = round_out(f);
    while (voice_pending(f->v))
        sent += round_out(f);
    return sent;
}

unsigned times_heard(const struct fix *f, uint32_t i, const char *payload)
{
    unsigned n = 0;
    for (unsigned k = 0; k < f->heard_count; k++)
        n += f->heard[k].member == i && f->heard[k].text_length == strlen(payload) &&
             memcmp(f->heard[k].text, payload, strlen(payload)) == 0;
    return n;
}

void forget(struct fix *f)
{
    f->heard_count = f->told_count = 0;
    memset(&f->counters, 0, sizeof f->counters);
}

static _Atomic uint32_t *counter(struct fix *f, const struct client *c)
{
    return &member(f, c->i)->tx_counter[c->generation & 1];
}

void counter_is(struct fix *f, const struct client *c, uint32_t value)
{
    atomic_store(counter(f, c), value);
}

uint32_t counter_of(struct fix *f, const struct client *c)
{
    return atomic_load(counter(f, c));
}

uint64_t drops(const struct fix *f, enum drop_reason why)
{
    return f->counters.drop[why];
}

uint64_t all_drops(const struct fix *f)
{
    uint64_t n = 0;
    for (unsigned why = 0; why < DROP_REASON_COUNT; why++)
        n += f->counters.drop[why];
    return n;
}

unsigned notices(const struct fix *f, enum notice what)
{
    unsigned n = 0;
    for (unsigned k = 0; k < f->told_count; k++)
        n += f->told[k].what == what;
    return n;
}
