/*
 * Sealing alone: what one core does when all it does is aead_seal_batch, in batches as the dataplane makes
 * them, with as many keys.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "crowd.h"
#include "dataplane/base/bytes.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/voice/voice.h"
#include "load.h"

#define SLOT 256u /* bytes of output a packet */

static void make_jobs(struct aead_seal *jobs, const struct aead_key *keys, unsigned count, unsigned *next,
                      uint8_t *out)
{
    static const uint8_t header[12] = {0x80, 0x78}, opus[CROWD_OPUS_BYTES];
    static uint32_t counter;
    for (unsigned i = 0; i < VOICE_BATCH; i++) {
        uint8_t *text = out + i * SLOT;
        jobs[i] = (struct aead_seal){.key = &keys[*next],
                                     .aad = header,
                                     .src = opus,
                                     .dst = text,
                                     .tag = text + CROWD_OPUS_BYTES,
                                     .aad_len = sizeof header,
                                     .len = CROWD_OPUS_BYTES};
        put_be32(jobs[i].nonce, ++counter);
        *next = *next + 1 == count ? 0 : *next + 1;
    }
}

int load_seal(const struct load_options *o)
{
    static uint8_t out[VOICE_BATCH * SLOT];
    cpu_set_t cpu;
    struct aead_seal jobs[VOICE_BATCH];
    CPU_ZERO(&cpu);
    CPU_SET(o->cpu, &cpu);
    sched_setaffinity(0, sizeof cpu, &cpu);
    size_t bytes = (size_t)o->keys * sizeof(struct aead_key);
    struct aead_key *keys = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (keys == MAP_FAILED || !aead_init(AEAD_BACKEND_AUTO))
        return 1;
    madvise(keys, bytes, MADV_HUGEPAGE);
    for (unsigned i = 0; i < o->keys; i++) {
        uint8_t raw[32];
        memset(raw, (int)i, sizeof raw);
        memcpy(raw, &i, sizeof i);
        aead_key_expand(&keys[i], AEAD_AES_256_GCM, raw);
    }
    for (unsigned repeat = 0, next = 0; repeat < o->repeats; repeat++) {
        uint64_t sealed = 0, began = __rdtsc(),
                 until = began + (uint64_t)(o->seconds * 1e6 * load_ticks_per_us());
        for (; __rdtsc() < until; sealed += VOICE_BATCH) {
            make_jobs(jobs, keys, o->keys, &next, out);
            aead_seal_batch(jobs, VOICE_BATCH);
        }
        printf("{\"kind\":\"seal\",\"keys\":%u,\"value\":%.0f}\n", o->keys,
               (double)sealed / ((double)(__rdtsc() - began) / load_ticks_per_us()) * 1e6);
    }
    munmap(keys, bytes);
    return 0;
}
