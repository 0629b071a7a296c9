/*
 * Any datagram, to a room of three whose keys are 00 01 .. 1f: the core stays inside the datagram, answers
 * with no more than it got and only to what may be answered, forwards only what authenticates, and seals it
 * so that it opens again.
 *
 * The first byte says how the rest is taken: bit 0, as it is, or as an RTP packet that is sealed here, so
 * that mutation reaches behind the tag; bit 1, member 0 uses XChaCha20; bit 2, it comes twice.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/base/bytes.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/voice/voice.h"
#include "tests/fuzz/http/expect.h"

#define MEMBERS 3u
#define SSRC    0x3039u /* of member 0 */
#define PORT    5000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct pool rooms;
    struct room room[1];
} rooms;
static struct {
    struct pool members;
    struct voice_member member[MEMBERS];
} members;
static struct counters counters;

static bool notify(void *user, enum notice what, const void *body, uint32_t length)
{
    EXPECT(length == sizeof(struct notice_member));
    EXPECT(what == NOTICE_HEARD || what == NOTICE_DISCOVERED || what == NOTICE_EXHAUSTED);
    return true;
}

static void join(struct voice *v, uint32_t i, enum voice_mode mode)
{
    struct verb_member verb = {
        .member = i, .generation = 1, .session = i, .channel_id = 1, .ssrc = SSRC + i, .mode = (uint8_t)mode};
    for (unsigned k = 0; k < sizeof verb.key; k++)
        verb.key[k] = (uint8_t)k;
    EXPECT(voice_member_set(v, &verb, 1));
    if (!i)
        return;
    members.member[i].address = ADDRESS_CANDIDATE;
    members.member[i].peer_port = PORT;
    EXPECT(voice_member_bind(v, &(struct verb_member_bind){.member = i, .generation = 1, .port = PORT}));
}

static struct voice *start(enum voice_mode mode)
{
    static const struct voice_config config = {
        .packets_per_second_max = 100, .discoveries_per_second_max = 5, .pending_max = 4, .speakers_max = 2};
    struct voice_env env = {
        .rooms = &rooms.rooms, .members = &members.members, .counters = &counters, .notify = notify};
    memset(&rooms, 0, sizeof rooms);
    memset(&members, 0, sizeof members);
    memset(&counters, 0, sizeof counters);
    EXPECT(aead_init(AEAD_BACKEND_AUTO));
    pool_init(&rooms.rooms, rooms.room, sizeof rooms.room[0], 1);
    pool_init(&members.members, members.member, sizeof members.member[0], MEMBERS);
    struct voice *v = voice_new(&config, &env);
    EXPECT(v);
    join(v, 0, mode);
    join(v, 1, VOICE_AES256_GCM_RTPSIZE);
    join(v, 2, VOICE_XCHACHA20_RTPSIZE);
    return v;
}

/* Seals what is between header and trailer in place, for member 0; the header is as the input says. */
static void seal(uint8_t *p, size_t len, enum voice_mode mode)
{
    struct aead_key key;
    uint8_t nonce[AEAD_NONCE_SIZE_MAX] = {0};
    size_t header = p[0] & 0x10 ? 16 : 12;
    if (len < header + 20)
        return;
    uint8_t *text = p + header, *tag = p + len - 20;
    put_be32(p + 8, SSRC);
    memcpy(nonce, p + len - 4, 4);
    aead_key_expand(&key, mode == VOICE_AES256_GCM_RTPSIZE ? AEAD_AES_256_GCM : AEAD_XCHACHA20_POLY1305,
                    members.member[0].key);
    aead_seal(&key, nonce, p, header, text, (size_t)(tag - text), text, tag);
}

static void check_sealed(const struct voice_target *t, const uint8_t *plain, size_t len)
{
    struct aead_key key;
    uint8_t nonce[AEAD_NONCE_SIZE_MAX] = {0}, text[VOICE_DATAGRAM_MAX];
    size_t header = plain[0] & 0x10 ? 16 : 12;
    const struct voice_member *m = &members.member[t->member];
    EXPECT(t->member != 0 && t->peer_port == PORT && t->length == len);
    EXPECT(memcmp(t->payload, plain, header) == 0);
    EXPECT(header == 16 || be16(t->payload + 12) != 0xbede);
    EXPECT(be32(t->payload + len - 4) >= VOICE_COUNTER_FIRST);
    memcpy(nonce, t->payload + len - 4, 4);
    aead_key_expand(&key, m->mode == VOICE_AES256_GCM_RTPSIZE ? AEAD_AES_256_GCM : AEAD_XCHACHA20_POLY1305,
                    m->key);
    EXPECT(aead_open(&key, nonce, t->payload, header, t->payload + header, len - header - 20,
                     t->payload + len - 20, text));
    EXPECT(memcmp(text, plain + header, len - header - 20) == 0);
}

static void fan_out(struct voice *v, const uint8_t *plain, size_t len)
{
    struct voice_target targets[VOICE_BATCH];
    uint8_t *wire[2] = {malloc(len), malloc(len)};
    voice_begin_output(v);
    EXPECT(voice_targets(v, targets) == 2);
    for (unsigned i = 0; i < 2; i++)
        targets[i].payload = wire[i];
    voice_seal(v, targets, 2);
    for (unsigned i = 0; i < 2; i++) {
        check_sealed(&targets[i], plain, len);
        free(wire[i]);
    }
    EXPECT(voice_targets(v, targets) == 0);
    EXPECT(voice_released(v) == plain && !voice_released(v) && !voice_pending(v));
}

static enum voice_verdict input(struct voice *v, const uint8_t *p, size_t len, bool authentic)
{
    uint8_t *copy = exact_copy(p, len);
    struct voice_datagram d = {
        .data = copy, .length = (uint16_t)len, .peer_port = PORT, .local_port = 1, .holder = copy};
    uint64_t before = 0, after = 0;
    for (unsigned k = 0; k < DROP_REASON_COUNT; k++)
        before += counters.drop[k];
    enum voice_verdict verdict = voice_input(v, &d, 1000);
    for (unsigned k = 0; k < DROP_REASON_COUNT; k++)
        after += counters.drop[k];
    EXPECT((verdict == VOICE_DONE) == (after == before + 1));
    if (verdict == VOICE_REPLY)
        EXPECT(len == 74 || len == 8);
    if (verdict == VOICE_FORWARD) {
        EXPECT(authentic && members.member[0].address == ADDRESS_BOUND);
        fan_out(v, copy, len);
    }
    free(copy);
    return verdict;
}

/* What the legacy mode, RTCP and audio levels look at, in memory of exactly that size. */
static void parse_alone(const uint8_t *p, size_t len)
{
    struct rtp_packet r;
    uint8_t *copy = exact_copy(p, len);
    bool voiced;
    uint8_t level = rtp_audio_level(copy, len, &voiced);
    EXPECT(level <= 127 || level == VOICE_LEVEL_ABSENT);
    if (rtcp_parse(copy, len, &r) == DROP_NONE)
        EXPECT(r.header_length + r.text_length + RTP_TRAILER == len);
    if (len >= 2 && rtp_parse_legacy(copy, len, &r) == DROP_NONE) {
        size_t text = r.text_length;
        if (rtp_parse_opened(copy, &r) ==
            DROP_NONE) /* as if its text were opened: it lies behind the header then */
            EXPECT(r.header_length + (size_t)r.text_length == RTP_HEADER + text &&
                   r.extension_bytes < r.text_length);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 1 && size <= VOICE_DATAGRAM_MAX)
        parse_alone(data + 1, size - 1);
    if (size < 1 || size > VOICE_DATAGRAM_MAX + 10)
        return 0;
    enum voice_mode mode = data[0] & 2 ? VOICE_XCHACHA20_RTPSIZE : VOICE_AES256_GCM_RTPSIZE;
    struct voice *v = start(mode);
    uint8_t *p = exact_copy(data + 1, size - 1);
    if (data[0] & 1)
        seal(p, size - 1, mode);
    enum voice_verdict first = input(v, p, size - 1, data[0] & 1);
    if (data[0] & 4 && first == VOICE_FORWARD)
        EXPECT(input(v, p, size - 1, true) == VOICE_DONE);
    voice_free(v);
    free(p);
    return 0;
}
