/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/noc/quality.h"

typedef unsigned long long ull;

/* Of all members that there are now. */
struct streams {
    uint64_t packets, lost, reordered, concealed, jitter; /* jitter: timestamp units, the highest */
};

static struct streams streams_of(const struct region *r, uint32_t worker)
{
    struct streams all = {0};
    const struct pool *p = region_part(r, worker, PART_MEMBERS);
    uint32_t fresh = p->fresh < p->capacity ? p->fresh : p->capacity;
    for (uint32_t i = 0; i < fresh; i++) {
        const struct voice_member *m = pool_at(p, i);
        const struct stream *s = &m->stream[STREAM_AUDIO];
        if (!m->generation)
            continue;
        all.packets += s->packets;
        all.lost += s->lost;
        all.reordered += s->reordered;
        all.concealed += s->concealed;
        all.jitter = s->jitter / 16 > all.jitter ? s->jitter / 16 : all.jitter;
    }
    return all;
}

/* The session that is this member now; NULL: none is. */
static const struct session_control *session_of(const struct region *r, uint32_t member)
{
    const struct voice_member *m = member_at(r, member);
    if (!m->generation || m->session >= r->header->geometry.sessions)
        return NULL;
    const struct session_control *s = session_control_at(r, m->session);
    return s->kind == SESSION_VOICE && s->member == member && s->member_generation == m->generation ? s
                                                                                                    : NULL;
}

static json_t *score_json(uint32_t times_100)
{
    return times_100 ? json_real(times_100 / 100.0) : json_null();
}

json_t *quality_member(const struct region *r, uint32_t member)
{
    const struct session_control *s = session_of(r, member);
    bool known = s && (s->mos_from || s->mos_to);
    return json_pack("{s:o, s:o, s:o}", "mos_from", score_json(s ? s->mos_from : 0), "mos_to",
                     score_json(s ? s->mos_to : 0), "round_trip_ms",
                     known ? json_integer(s->round_trip_ms) : json_null());
}

uint32_t quality_score(const struct region *r, uint32_t member)
{
    const struct session_control *s = session_of(r, member);
    if (!s || !s->mos_from || !s->mos_to)
        return s ? s->mos_from | s->mos_to : 0;
    return s->mos_from < s->mos_to ? s->mos_from : s->mos_to;
}

static void scores_add(const struct region *r, uint32_t worker, struct quality *q)
{
    const struct pool *p = region_part(r, worker, PART_MEMBERS);
    uint32_t fresh = p->fresh < p->capacity ? p->fresh : p->capacity;
    for (uint32_t i = 0; i < fresh; i++) {
        uint32_t score = quality_score(r, worker * r->header->geometry.members + i);
        q->judged += score > 0;
        q->poor += score && score < QUALITY_POOR;
        q->mos_sum += score;
    }
}

uint32_t quality_below_us(const uint64_t buckets[RESIDENCE_BUCKETS], double share)
{
    uint64_t total = 0, seen = 0;
    for (unsigned b = 0; b < RESIDENCE_BUCKETS; b++)
        total += buckets[b];
    for (unsigned b = 0; total && b < RESIDENCE_BUCKETS; b++) {
        seen += buckets[b];
        if ((double)seen >= share * (double)total)
            return 1u << b;
    }
    return 0;
}

json_t *quality_residence(const uint32_t buckets[RESIDENCE_BUCKETS])
{
    uint64_t wide[RESIDENCE_BUCKETS];
    for (unsigned b = 0; b < RESIDENCE_BUCKETS; b++)
        wide[b] = buckets[b];
    return json_pack("{s:i, s:i, s:i}", "p50_below_us", (int)quality_below_us(wide, 0.5), "p99_below_us",
                     (int)quality_below_us(wide, 0.99), "p999_below_us", (int)quality_below_us(wide, 0.999));
}

void quality_read(const struct region *r, struct quality *q)
{
    *q = (struct quality){0};
    for (uint32_t k = 0; k < r->header->geometry.workers; k++) {
        const struct worker_area *a = region_part(r, k, PART_AREA);
        struct streams s = streams_of(r, k);
        for (unsigned b = 0; b < RESIDENCE_BUCKETS; b++) {
            q->residence[b] += a->voice_residence[b];
            q->iteration[b] += a->voice_iteration[b];
        }
        scores_add(r, k, q);
        q->packets += s.packets;
        q->lost += s.lost;
        q->reordered += s.reordered;
        q->concealed += s.concealed;
        q->jitter_max = s.jitter > q->jitter_max ? s.jitter : q->jitter_max;
    }
}

json_t *quality_json(const struct quality *q)
{
    return json_pack("{s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:f, s:o, s:I, s:I}", "residence_p50_below_us",
                     (int)quality_below_us(q->residence, 0.5), "residence_p99_below_us",
                     (int)quality_below_us(q->residence, 0.99), "iteration_p99_below_us",
                     (int)quality_below_us(q->iteration, 0.99), "received", (json_int_t)q->packets, "lost",
                     (json_int_t)q->lost, "reordered", (json_int_t)q->reordered, "concealed",
                     (json_int_t)q->concealed, "jitter_max_ms", (double)(q->jitter_max * 100 / 48) / 100,
                     "mos", score_json(q->judged ? (uint32_t)(q->mos_sum / q->judged) : 0), "judged",
                     (json_int_t)q->judged, "poor", (json_int_t)q->poor);
}

/* The last bucket has no upper end. Sums are not kept: 0 stands for them. */
static void histogram(FILE *to, const struct region *r, const char *name, const char *help, size_t at)
{
    fprintf(to, "# HELP voxpop_%s %s\n# TYPE voxpop_%s histogram\n", name, help, name);
    for (uint32_t k = 0; k < r->header->geometry.workers; k++) {
        const uint64_t *bucket =
            (const uint64_t *)(const void *)((const uint8_t *)region_part(r, k, PART_AREA) + at);
        uint64_t count = 0;
        for (unsigned b = 0; b < RESIDENCE_BUCKETS; b++) {
            count += bucket[b];
            if (b + 1 < RESIDENCE_BUCKETS)
                fprintf(to, "voxpop_%s_bucket{worker=\"%u\",le=\"%g\"} %llu\n", name, k,
                        (double)(1u << b) / 1e6, (ull)count);
        }
        fprintf(to, "voxpop_%s_bucket{worker=\"%u\",le=\"+Inf\"} %llu\nvoxpop_%s_count{worker=\"%u\"} %llu\n",
                name, k, (ull)count, name, k, (ull)count);
    }
}

static void gauge(FILE *to, const struct region *r, const char *name, const char *help, size_t at)
{
    fprintf(to, "# HELP voxpop_%s %s\n# TYPE voxpop_%s gauge\n", name, help, name);
    for (uint32_t k = 0; k < r->header->geometry.workers; k++) {
        struct streams s = streams_of(r, k);
        uint64_t value;
        memcpy(&value, (const uint8_t *)&s + at, sizeof value);
        fprintf(to, "voxpop_%s{worker=\"%u\"} %llu\n", name, k, (ull)value);
    }
}

static void scores(FILE *to, const struct region *r)
{
    struct quality q;
    quality_read(r, &q);
    fprintf(to,
            "# HELP voxpop_voice_mos_sum sum of the members' scores by the E-model, 1 to 4.5\n# TYPE "
            "voxpop_voice_mos_sum gauge\n"
            "voxpop_voice_mos_sum %g\n",
            (double)q.mos_sum / 100);
    fprintf(to,
            "# HELP voxpop_voice_mos_members members with a score\n# TYPE voxpop_voice_mos_members gauge\n"
            "voxpop_voice_mos_members %llu\n",
            (ull)q.judged);
    fprintf(to,
            "# HELP voxpop_voice_mos_poor of them below 3.1\n# TYPE voxpop_voice_mos_poor "
            "gauge\nvoxpop_voice_mos_poor %llu\n",
            (ull)q.poor);
}

void quality_metrics(FILE *to, const struct region *r)
{
    histogram(to, r, "voice_residence_seconds", "voice packets sent, by the time since they were received",
              offsetof(struct worker_area, voice_residence));
    histogram(to, r, "voice_iteration_seconds", "iterations that forwarded voice, by the time they took",
              offsetof(struct worker_area, voice_iteration));
    gauge(to, r, "voice_stream_packets", "packets received of the streams there are now",
          offsetof(struct streams, packets));
    gauge(to, r, "voice_stream_lost", "of them missing, late ones subtracted",
          offsetof(struct streams, lost));
    gauge(to, r, "voice_stream_reordered", "of them behind a later one", offsetof(struct streams, reordered));
    gauge(to, r, "voice_stream_concealed", "missing when the next one came",
          offsetof(struct streams, concealed));
    scores(to, r);
}
