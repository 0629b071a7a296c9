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
        q->packets += s.packets;
        q->lost += s.lost;
        q->reordered += s.reordered;
        q->concealed += s.concealed;
        q->jitter_max = s.jitter > q->jitter_max ? s.jitter : q->jitter_max;
    }
}

json_t *quality_json(const struct quality *q)
{
    return json_pack("{s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:f}", "residence_p50_below_us",
                     (int)quality_below_us(q->residence, 0.5), "residence_p99_below_us",
                     (int)quality_below_us(q->residence, 0.99), "iteration_p99_below_us",
                     (int)quality_below_us(q->iteration, 0.99), "received", (json_int_t)q->packets, "lost",
                     (json_int_t)q->lost, "reordered", (json_int_t)q->reordered, "concealed",
                     (json_int_t)q->concealed, "jitter_max_ms", (double)(q->jitter_max * 100 / 48) / 100);
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
}
