/*
 * voxpop-srtp-cost: what the fan-out of one packet to a listener costs a core, in CPU time, where the
 * listeners are native (aead_aes256_gcm_rtpsize) and where they are browsers (SRTP, AES-GCM of 128 and 256
 * bits): rooms of a speaker and 50 listeners, 120 bytes of Opus. There is no wire and no handshake: members
 * and keys are put into the region as they stand after one, and the cores take them over as after a restart.
 * So it needs no root, no hugepages and one CPU.
 *
 *      voxpop-srtp-cost [ROOMS [PACKETS [ROUNDS]]]      2, 2,000 and 5 unless said; a JSON object to stdout
 * for each kind
 *
 * Each round does all kinds after one another; the best of its rounds counts for each. Every packet is
 * counted, and of each kind one receiver in 16 opens all of its own, whose numbers must follow one another.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "dataplane/base/bytes.h"
#include "dataplane/webrtc/srtp.h"
#include "dataplane/webrtc/webrtc.h"

#define LISTENERS 50u
#define ROOM      (LISTENERS + 1)
#define OPUS      120u
#define OPENED    16u /* one receiver in so many opens its packets */
#define SSRC_OUT  5000u
#define TYPE      111u

struct kind {
    const char *name;
    uint8_t member; /* enum member_kind */
    uint8_t profile;
    double best; /* packets per second of CPU time */
};

struct box {
    struct pool *rooms, *members;
    struct voice_peer *peers;
    struct counters counters;
    struct voice *voice;
    struct webrtc *webrtc;
    uint32_t room_count, member_count;
    uint64_t now_us, sent;
    uint32_t *numbers; /* of a receiver that opens: packets so far */
};

static uint8_t packet[VOICE_BATCH][VOICE_DATAGRAM_MAX], frame[12 + OPUS];

static void die(const char *what)
{
    fprintf(stderr, "voxpop-srtp-cost: %s\n", what);
    exit(1);
}

static void *memory(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        die("no memory");
    madvise(p, bytes, MADV_HUGEPAGE); /* as the region is */
    return p;
}

static void key_of(uint32_t i, uint8_t key[32])
{
    for (uint32_t k = 0; k < 32; k++)
        key[k] = (uint8_t)(k * 7 + i * 31 + (i >> 8));
}

/* ---- a core with its rooms ---- */

static bool notify(void *user, enum notice what, const void *body, uint32_t length)
{
    return true;
}

static void starts(struct box *b)
{
    struct voice_config config = {
        .packets_per_second_max = UINT32_MAX, .discoveries_per_second_max = 1, .pending_max = 16};
    struct voice_env env = {
        .rooms = b->rooms, .members = b->members, .counters = &b->counters, .notify = notify};
    b->voice = voice_new(&config, &env);
    if (!b->voice)
        die("no memory");
}

static void joins(struct box *b, const struct kind *kind, uint32_t i)
{
    struct verb_member v = {.member = i,
                            .generation = 1,
                            .room = i / ROOM,
                            .session = i,
                            .user_id = 1 + i,
                            .channel_id = 1 + i / ROOM,
                            .ssrc = 1000 + 4 * i,
                            .mode =
                                kind->member == MEMBER_NATIVE ? VOICE_AES256_GCM_RTPSIZE : VOICE_MODE_NONE,
                            .kind = kind->member};
    key_of(i, v.key);
    if (!voice_member_set(b->voice, &v, b->now_us))
        die("a member was refused");
    struct voice_member *m = pool_at(b->members, i);
    m->address = ADDRESS_BOUND;
    m->peer_ip[15] = 1;
    m->peer_port = (uint16_t)i;
    struct voice_peer *p = &b->peers[i];
    *p = (struct voice_peer){.generation = 1,
                             .profile = kind->profile,
                             .hash = PEER_SHA256,
                             .payload_type = TYPE,
                             .slots = 2,
                             .ssrc = SSRC_OUT};
    key_of(i, p->key_out);
    key_of(i + 1, p->key_in);
    if (kind->profile)
        atomic_store(&p->keyed, 1);
}

/* As after a restart: keys are expanded from what the region has. */
static void box_open(struct box *b, const struct kind *kind, uint32_t rooms)
{
    uint32_t n = rooms * ROOM;
    *b = (struct box){.room_count = rooms, .member_count = n, .now_us = 1000000};
    b->rooms = memory(sizeof *b->rooms + sizeof(struct room) * rooms);
    b->members = memory(sizeof *b->members + sizeof(struct voice_member) * n);
    b->peers = memory(sizeof *b->peers * n);
    b->numbers = memory(sizeof *b->numbers * n);
    pool_init(b->rooms, b->rooms + 1, sizeof(struct room), rooms);
    pool_init(b->members, b->members + 1, sizeof(struct voice_member), n);
    starts(b);
    for (uint32_t i = 0; i < n; i++)
        joins(b, kind, i);
    voice_free(b->voice);
    starts(b);
    struct webrtc_env env = {
        .voice = b->voice, .members = b->members, .peers = b->peers, .counters = &b->counters};
    b->webrtc = webrtc_new(&env, b->now_us);
    if (!b->webrtc)
        die("no memory");
}

static void box_close(struct box *b)
{
    webrtc_free(b->webrtc);
    voice_free(b->voice);
    munmap(b->rooms, sizeof *b->rooms + sizeof(struct room) * b->room_count);
    munmap(b->members, sizeof *b->members + sizeof(struct voice_member) * b->member_count);
    munmap(b->peers, sizeof *b->peers * b->member_count);
    munmap(b->numbers, sizeof *b->numbers * b->member_count);
}

/* ---- what came out ---- */

static bool opens_native(uint32_t i, uint8_t *p, size_t len)
{
    static struct aead_key key;
    uint8_t raw[32], nonce[12] = {0};
    key_of(i, raw);
    memcpy(nonce, p + len - 4, 4);
    aead_key_expand(&key, AEAD_AES_256_GCM, raw);
    return aead_open(&key, nonce, p, 12, p + 12, len - 12 - 20, p + len - 20, p + 12);
}

static bool opens_srtp(const struct kind *kind, uint32_t i, uint8_t *p, size_t len, uint32_t number)
{
    static struct srtp_session session;
    uint8_t key[32], salt[14] = {0};
    key_of(i, key);
    srtp_session_make(&session, (enum srtp_profile)kind->profile, key, salt);
    return srtp_open(&session, p, 16, &len, number) && len == 16 + OPUS;
}

static void look(struct box *b, const struct kind *kind, const struct voice_target *t)
{
    bool srtp = kind->member == MEMBER_WEBRTC;
    size_t head = srtp ? 16 : 12, length = head + OPUS + 16 + (srtp ? 0 : 4);
    if (t->length != length)
        die("a packet of a wrong length");
    if (t->member % OPENED)
        return;
    uint8_t copy[VOICE_DATAGRAM_MAX];
    uint32_t number = ++b->numbers[t->member];
    memcpy(copy, t->payload, length);
    if (be16(copy + 2) != (uint16_t)number)
        die("a packet out of its place");
    if (!(srtp ? opens_srtp(kind, t->member, copy, length, number) : opens_native(t->member, copy, length)))
        die("a packet that does not open");
    if (memcmp(copy + head, frame + 12, OPUS) != 0)
        die("a packet with a wrong text");
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One packet to everybody in its room. The CPU time of it. */
static double speak(struct box *b, const struct kind *kind, uint32_t room, uint16_t sequence)
{
    struct voice_target target[VOICE_BATCH];
    struct voice_datagram d = {.data = frame, .length = sizeof frame, .holder = frame};
    double took = 0;
    unsigned n;
    frame[0] = 0x80;
    frame[1] = RTP_PAYLOAD_TYPE;
    put_be16(frame + 2, sequence);
    put_be32(frame + 4, 960u * sequence);
    put_be32(frame + 8, 1000 + 4 * room * ROOM);
    struct voice_frame f = {.data = frame,
                            .sender = room * ROOM,
                            .text_length = OPUS,
                            .header_length = 12,
                            .level = VOICE_LEVEL_ABSENT};
    double began = cpu_s();
    if (voice_offer(b->voice, &d, &f, b->now_us) != VOICE_FORWARD)
        die("a packet was not forwarded");
    while (voice_pending(b->voice)) {
        voice_begin_output(b->voice);
        while ((n = voice_targets(b->voice, target)) != 0) {
            for (unsigned k = 0; k < n; k++)
                target[k].payload = packet[k];
            voice_seal(b->voice, target, n);
            took += cpu_s() - began;
            for (unsigned k = 0; k < n; k++) {
                if (!target[k].payload)
                    die("a listener was left out");
                look(b, kind, &target[k]);
            }
            b->sent += n;
            began = cpu_s();
        }
        while (voice_released(b->voice))
            ;
    }
    return took + cpu_s() - began;
}

static void measure(struct kind *kind, uint32_t rooms, uint32_t packets)
{
    struct box b;
    double took = 0;
    box_open(&b, kind, rooms);
    for (uint32_t k = 0; k < packets; k++) {
        took += speak(&b, kind, k % rooms, (uint16_t)(k / rooms + 1));
        b.now_us += 20000 / rooms;
    }
    if (b.sent != (uint64_t)packets * LISTENERS)
        die("packets are missing");
    double rate = (double)b.sent / took;
    kind->best = rate > kind->best ? rate : kind->best;
    box_close(&b);
}

int main(int argc, char **argv)
{
    static struct kind kinds[] = {
        {.name = "rtpsize", .member = MEMBER_NATIVE},
        {.name = "srtp-128", .member = MEMBER_WEBRTC, .profile = PROFILE_AEAD_AES_128_GCM},
        {.name = "srtp-256", .member = MEMBER_WEBRTC, .profile = PROFILE_AEAD_AES_256_GCM}};
    uint32_t rooms = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 2;
    uint32_t packets = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 2000;
    uint32_t rounds = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 5;
    if (!rooms || rooms > 20000 || !packets || packets / rooms > 60000 || !rounds)
        die("usage: voxpop-srtp-cost [ROOMS [PACKETS [ROUNDS]]]");
    if (!aead_init(AEAD_BACKEND_AUTO))
        die("no cipher can be used on this processor");
    for (size_t k = 0; k < OPUS; k++)
        frame[12 + k] = (uint8_t)(k * 11);
    for (uint32_t round = 0; round < rounds; round++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            measure(&kinds[k], rooms, packets);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        printf("{\"kind\":\"%s\",\"value\":%.0f,\"rooms\":%u}\n", kinds[k].name, kinds[k].best, rooms);
    return 0;
}
