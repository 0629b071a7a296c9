/*
 * Sealed datagrams, for each kind of member; after the commit.
 *
 * A member's nonce counter is stored before its packet is sealed, so a process that is killed between the two
 * leaves a number unused and none used twice. A legacy member's nonce is the RTP header, which differs from
 * all before it because only headers that are ahead of their SSRC's others come here (stream.c), and no SSRC
 * is given out twice.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/voice/internal.h"

/* ---- how long ---- */

static uint16_t legacy_length(struct voice *v, const struct voice_frame *f)
{
    if (f->header_new)
        return (uint16_t)(f->header_length + f->text_length + RTP_LEGACY_TAG);
    count_drop(v->env.counters, DROP_VOICE_HEADER_USED);
    if (f->sender != MEMBER_NONE && member_of(v, f->sender)->ts_travelled >= VOICE_TRAVEL_MAX)
        member_exhausted(v, f->sender); /* a new SSRC is needed */
    return 0;
}

uint16_t sealed_length(struct voice *v, uint32_t i, const struct voice_frame *f)
{
    const struct voice_member *m = member_of(v, i);
    const struct voice_transport *t = v->transport[m->kind];
    if (m->kind != MEMBER_NATIVE)
        return t ? t->length(t->user, i, f) : 0;
    if (m->mode == VOICE_XSALSA20)
        return legacy_length(v, f);
    return (uint16_t)(f->header_length + f->text_length + RTP_TRAILER);
}

/* ---- native members ---- */

/* A counter never used under this member's key; false: none is left. */
static bool counter_take(struct voice *v, uint32_t i, uint32_t *counter)
{
    struct voice_member *m = member_of(v, i);
    _Atomic uint32_t *next = &m->tx_counter[m->generation & 1];
    *counter = atomic_load_explicit(next, memory_order_relaxed);
    if (*counter >= VOICE_COUNTER_LAST - VOICE_COUNTERS_KEPT)
        member_exhausted(v, i); /* no transaction is open here: told with the next packet in */
    if (*counter < VOICE_COUNTER_LAST) {
        atomic_store_explicit(next, *counter + 1, memory_order_relaxed);
        return true;
    }
    count_drop(v->env.counters, DROP_VOICE_COUNTER_END);
    return false;
}

static void legacy_job(const struct voice *v, uint32_t i, const struct voice_frame *f, uint8_t *payload,
                       struct aead_seal *job)
{
    memcpy(payload, f->data, RTP_HEADER);
    *job = (struct aead_seal){.key = &v->keys[i],
                              .src = f->data + RTP_HEADER,
                              .dst = payload + RTP_HEADER + RTP_LEGACY_TAG,
                              .tag = payload + RTP_HEADER,
                              .len = (uint32_t)(f->header_length - RTP_HEADER + f->text_length)};
    memcpy(job->nonce, f->data, RTP_HEADER);
}

/* False: the receiver's key is used up. */
static bool rtpsize_job(struct voice *v, uint32_t i, const struct voice_frame *f, uint8_t *payload,
                        struct aead_seal *job)
{
    uint32_t counter;
    if (!counter_take(v, i, &counter))
        return false;
    uint8_t *text = payload + f->header_length;
    memcpy(payload, f->data,
           RTP_HEADER + RTP_PREAMBLE); /* without a preamble, ciphertext comes over the last four */
    *job = (struct aead_seal){.key = &v->keys[i],
                              .aad = f->data,
                              .src = f->data + f->header_length,
                              .dst = text,
                              .tag = text + f->text_length,
                              .aad_len = f->header_length,
                              .len = f->text_length};
    put_be32(job->nonce, counter);
    memcpy(text + f->text_length + AEAD_TAG_SIZE, job->nonce, RTP_COUNTER_SIZE);
    return true;
}

/*
 * Receivers look for an extension's profile behind the header even where X is 0 (voice.md 5.3, 4): ciphertext
 * that begins like one is sealed again under the next counter. False: there was none.
 */
static bool seal_unambiguously(struct voice *v, const struct voice_target *t, const struct voice_frame *f,
                               struct aead_seal *job)
{
    const struct voice_member *m = member_of(v, t->member);
    if (m->kind != MEMBER_NATIVE || m->mode == VOICE_XSALSA20 || f->header_length != RTP_HEADER)
        return true;
    while (be16(job->dst) == RTP_PROFILE) {
        if (!rtpsize_job(v, t->member, f, t->payload, job))
            return false;
        txn_barrier();
        aead_seal_batch(job, 1);
    }
    return true;
}

/* ---- a batch ---- */

static enum voice_step step_of(struct voice *v, const struct voice_target *t, const struct voice_frame *f,
                               struct aead_seal *job)
{
    const struct voice_member *m = member_of(v, t->member);
    const struct voice_transport *carrier = v->transport[m->kind];
    if (m->kind != MEMBER_NATIVE)
        return carrier ? carrier->seal(carrier->user, t->member, f, t->payload, job) : VOICE_STEP_NONE;
    if (m->mode != VOICE_XSALSA20)
        return rtpsize_job(v, t->member, f, t->payload, job) ? VOICE_STEP_JOB : VOICE_STEP_NONE;
    legacy_job(v, t->member, f, t->payload, job);
    return VOICE_STEP_JOB;
}

static void count_out(struct voice *v, const struct voice_target *t, uint32_t packet)
{
    const struct voice_packet *p = &v->packets[packet];
    member_of(v, t->member)->tx_packets++;
    room_of(v, p->room)->packets_out++;
    count(v->env.counters, COUNT_voice_out);
    v->sealed[v->sealed_count++] = (struct sealed){p->arrived, p->room};
}

void voice_seal(struct voice *v, struct voice_target *targets, unsigned n)
{
    struct aead_seal jobs[VOICE_BATCH];
    uint8_t of[VOICE_BATCH];
    unsigned made = 0;
    assert(n == v->batch_count);
    v->sealed_count = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!targets[i].payload)
            continue; /* counted by the caller, who knows why */
        enum voice_step step = step_of(v, &targets[i], &v->packets[v->batch[i]].frame, &jobs[made]);
        if (step == VOICE_STEP_JOB)
            of[made++] = (uint8_t)i;
        else if (step == VOICE_STEP_DONE)
            count_out(v, &targets[i], v->batch[i]);
        else
            targets[i].payload = NULL;
    }
    txn_barrier(); /* counters are stored: now they may be used */
    if (made)
        aead_seal_batch(jobs, made);
    for (unsigned k = 0; k < made; k++) {
        struct voice_target *t = &targets[of[k]];
        if (seal_unambiguously(v, t, &v->packets[v->batch[of[k]]].frame, &jobs[k]))
            count_out(v, t, v->batch[of[k]]);
        else
            t->payload = NULL;
    }
    v->batch_count = 0;
}

/* ---- how long it was here ---- */

void voice_sent(struct voice *v, uint64_t ticks)
{
    if (!v->config.ticks_per_us)
        return;
    for (unsigned i = 0, same; i < v->sealed_count; i += same) {
        const struct sealed *p = &v->sealed[i];
        for (same = 1;
             i + same < v->sealed_count && p[same].arrived == p->arrived && p[same].room == p->room;)
            same++;
        unsigned bucket = residence_bucket((ticks - p->arrived) / v->config.ticks_per_us);
        room_of(v, p->room)->residence[bucket] += same;
        if (v->residence)
            v->residence[bucket] += same;
    }
    v->sealed_count = 0;
}
