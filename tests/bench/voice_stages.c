/*
 * voxpop-voice-stages: what a voice packet costs the dataplane, stage by stage, without a port: time stamp
 * cycles in the functions that a worker calls, in its order and bursts.
 *
 *      voxpop-voice-stages [ROOMS [SIZE [TRIALS]]]     20,000 rooms of 5 unless said, who speak in turns
 *
 * One JSON object a stage: calls, packets a call and cycles a packet, of the trial that was the fastest in
 * all: the machine is not always ours. `all` counts sealed packets. What is left out is the port (receive,
 * memory, transmit) and the worker's demultiplexing.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include "dataplane/net/eth.h"
#include "dataplane/voice/voice.h"
#include "dataplane/way.h"
#include "tests/load/box.h"
#include "tests/load/crowd.h"

#define BURST      32u
#define ROUNDS     2000u /* bursts a trial */
#define UNDO_BYTES (1u << 20)
#define PAYLOAD_AT 42u
#define SLOT       256u /* bytes of a transmitted frame */

const uint8_t box_address[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 1};
const uint8_t box_router[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 2};

enum stage { AHEAD, INPUT, COMMIT, TARGETS, WAYS, SEAL, HEADERS, STAGES };
static const char *const names[STAGES] = {"fetched ahead", "input",  "transaction", "who hears it",
                                          "way",           "sealed", "headers"};

struct cost {
    uint64_t cycles, calls, packets;
};

static struct crowd crowd;
static struct voice *voice;
static struct txn txn;
static struct counters counters;
static struct way *ways;
static struct way_epoch epoch = {.number = 1};
static uint8_t *transmit; /* as packet memory is: more than the caches hold */
static uint64_t now_us = 1000000;

#define TRANSMIT 16384u /* frames */

static void *memory(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        exit(1);
    madvise(p, bytes, MADV_HUGEPAGE);
    return p;
}

static bool notify(void *user, enum notice what, const void *body, uint32_t length)
{
    return true;
}

static struct pool *pool(size_t stride, uint32_t count)
{
    struct pool *p = memory(sizeof *p + stride * count);
    pool_init(p, p + 1, (uint32_t)stride, count);
    return p;
}

static void datagram(uint32_t who, uint8_t *frame, size_t length, struct voice_datagram *d)
{
    struct verb_member_bind at;
    crowd_address(who, &at);
    *d = (struct voice_datagram){.data = frame + PAYLOAD_AT,
                                 .length = (uint16_t)(length - PAYLOAD_AT),
                                 .peer_port = at.port,
                                 .local_port = 50000,
                                 .holder = frame};
    memcpy(d->peer_ip, at.ip, sizeof at.ip);
    memcpy(d->local_ip, box_address, sizeof d->local_ip);
}

static void way_of(uint32_t who)
{
    struct verb_member_bind at;
    struct net_path path = {0};
    crowd_address(who, &at);
    memcpy(path.source, box_address, 16);
    memcpy(path.destination, at.ip, 16);
    way_keep(&ways[who], &epoch, &path, 50000, at.port);
}

static void joins(uint32_t who)
{
    struct verb_member m;
    struct verb_member_bind at;
    struct voice_datagram d;
    uint8_t frame[SLOT];
    crowd_member(&crowd, who, &m);
    crowd_address(who, &at);
    txn_begin(&txn);
    bool good = voice_member_set(voice, &m, now_us);
    datagram(who, frame, crowd_discover(&crowd, who, frame), &d);
    good &= voice_input(voice, &d, now_us) == VOICE_REPLY && voice_member_bind(voice, &at);
    txn_commit(&txn);
    txn_publish(&txn);
    crowd_bind(&crowd, who);
    way_of(who);
    if (!good)
        exit(1);
}

static void set_up(uint32_t rooms, uint32_t size)
{
    struct txn_log *log = memory(sizeof *log + UNDO_BYTES);
    log->undo_size = UNDO_BYTES;
    txn_attach(&txn, (uint8_t *)log, log);
    struct voice_config config = {.packets_per_second_max = UINT32_MAX,
                                  .discoveries_per_second_max = 10,
                                  .pending_max = 1024,
                                  .speakers_max = 25,
                                  .ticks_per_us = 2000};
    struct voice_env env = {.txn = &txn,
                            .rooms = pool(sizeof(struct room), rooms),
                            .counters = &counters,
                            .notify = notify,
                            .members = pool(sizeof(struct voice_member), rooms * size)};
    if (!aead_init(AEAD_BACKEND_AUTO) || !crowd_make(&crowd, rooms, size, 1) ||
        !(voice = voice_new(&config, &env)))
        exit(1);
    crowd.turns = size <= 25;
    ways = memory((size_t)rooms * size * sizeof *ways);
    transmit = memory((size_t)TRANSMIT * SLOT);
    for (uint32_t i = 0; i < rooms * size; i++)
        joins(i);
}

/* ---- one burst ---- */

static void spent(struct cost *c, uint64_t *since, uint64_t packets)
{
    uint64_t now = __rdtsc();
    c->cycles += now - *since;
    c->calls++;
    c->packets += packets;
    *since = now;
}

static void take(struct cost *cost, const struct voice_datagram *d, unsigned n)
{
    uint64_t since = __rdtsc();
    for (unsigned step = 0; step < VOICE_AHEAD; step++)
        for (unsigned i = 0; i < n; i++)
            voice_ahead(voice, step, be32(d[i].data + 8));
    spent(&cost[AHEAD], &since, n);
    txn_begin(&txn);
    for (unsigned i = 0; i < n; i++)
        if (voice_input(voice, &d[i], now_us) != VOICE_FORWARD)
            exit(1);
    spent(&cost[INPUT], &since, n);
    txn_commit(&txn);
    txn_publish(&txn);
    spent(&cost[COMMIT], &since, n);
}

static unsigned give(struct cost *cost)
{
    static uint32_t slot;
    struct voice_target t[VOICE_BATCH];
    unsigned n, all = 0;
    voice_begin_output(voice);
    for (uint64_t since = __rdtsc(); (n = voice_targets(voice, t)); all += n) {
        spent(&cost[TARGETS], &since, n);
        for (unsigned i = 0; i < n; i++)
            __builtin_prefetch(&ways[t[i].member]);
        for (unsigned i = 0; i < n; i++) {
            if (!way_is_good(&ways[t[i].member], &epoch, t[i].local_ip, t[i].local_port, t[i].peer_ip,
                             t[i].peer_port))
                exit(1);
            t[i].payload = transmit + (size_t)(slot++ % TRANSMIT) * SLOT + WAY_HEAD;
        }
        spent(&cost[WAYS], &since, n);
        voice_seal(voice, t, n);
        spent(&cost[SEAL], &since, n);
        for (unsigned i = 0; i < n; i++)
            way_emit(&ways[t[i].member], t[i].payload - WAY_HEAD, t[i].length);
        spent(&cost[HEADERS], &since, n);
    }
    return all;
}

static uint64_t trial(struct cost *cost)
{
    static uint8_t frames[BURST][SLOT];
    static uint32_t room;
    struct voice_datagram d[BURST];
    uint64_t sealed = 0;
    memset(cost, 0, STAGES * sizeof *cost);
    for (unsigned round = 0; round < ROUNDS; round++, now_us += 100) {
        for (unsigned i = 0; i < BURST; i++, room = room + 1 == crowd.rooms ? 0 : room + 1) {
            uint32_t who = crowd_speaker(&crowd, room);
            datagram(who, frames[i], crowd_speak(&crowd, who, frames[i]), &d[i]);
        }
        take(cost, d, BURST);
        for (unsigned n; voice_pending(voice) && (n = give(cost)); sealed += n)
            ;
        while (voice_released(voice))
            ;
    }
    return sealed;
}

int main(int argc, char **argv)
{
    uint32_t rooms = argc > 1 ? (uint32_t)atoi(argv[1]) : 20000,
             size = argc > 2 ? (uint32_t)atoi(argv[2]) : 5;
    unsigned trials = argc > 3 ? (unsigned)atoi(argv[3]) : 5;
    struct cost best[STAGES], cost[STAGES];
    uint64_t fewest = UINT64_MAX, sealed = 0;
    set_up(rooms, size);
    for (unsigned i = 0; i < trials; i++) {
        uint64_t n = trial(cost), sum = 0;
        for (unsigned s = 0; s < STAGES; s++)
            sum += cost[s].cycles;
        if (sum >= fewest)
            continue;
        fewest = sum;
        sealed = n;
        memcpy(best, cost, sizeof best);
    }
    for (unsigned s = 0; s < STAGES; s++)
        printf("{\"stage\":\"%s\",\"calls\":%llu,\"packets_a_call\":%.1f,\"cycles_a_packet\":%.0f}\n",
               names[s], (unsigned long long)best[s].calls, (double)best[s].packets / (double)best[s].calls,
               (double)best[s].cycles / (double)best[s].packets);
    printf("{\"stage\":\"all\",\"rooms\":%u,\"size\":%u,\"sealed\":%llu,\"cycles_a_packet\":%.0f}\n", rooms,
           size, (unsigned long long)sealed, (double)fewest / (double)sealed);
    return 0;
}
