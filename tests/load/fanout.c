/*
 * voice-fanout: how many sealed packets a second one dataplane core gives out, to rooms of one speaker and
 * its listeners.
 *
 * First flat out with a window, which loses nothing and says about where the peak is; then the highest rate
 * in real time (speakers speak when it is their turn, whether or not the box keeps up) at which less than one
 * packet in a thousand is missing. Every missing packet must have been counted as dropped by somebody; any
 * wrong one ends the run.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "dataplane/crypto/aead.h"
#include "voice.h"

#define LOSS_MAX     1000u /* one in so many */
#define SEARCH_STEPS 6u
#define RETRIES      3u /* of a trial that lost while one of the two was not on its CPU */

static void tell(const char *what, const struct voice_trial *t)
{
    fprintf(stderr,
            "# %-8s offered %9.0f  came %9.0f /s  missing %6llu of %8llu  worker busy %3.0f %%  generator "
            "busy %3.0f %%%s\n",
            what, t->offered, t->rate, (unsigned long long)t->missing, (unsigned long long)t->expected,
            t->worker_busy * 100, t->busy * 100, t->disturbed ? "  (disturbed)" : "");
}

static bool is_held(const struct voice_trial *t)
{
    return t->missing * LOSS_MAX < t->expected && t->rate > 0.99 * t->offered;
}

/* False: something was wrong. */
static bool trial(struct voice_load *v, const char *what, double offered, struct voice_trial *t)
{
    for (unsigned i = 0; i < RETRIES; i++) {
        if (!voice_speak(v, offered, v->options->seconds, t))
            return false;
        tell(what, t);
        if (!voice_balances(t)) {
            snprintf(v->crowd.wrong, sizeof v->crowd.wrong,
                     "%llu packets are missing and %llu were counted as dropped",
                     (unsigned long long)t->missing, (unsigned long long)t->accounted);
            return false;
        }
        if (is_held(t) || !t->disturbed)
            break;
    }
    return true;
}

/* Down from the window's rate until it holds, then halving what is between. */
static bool search(struct voice_load *v, double about, struct voice_trial *best)
{
    double low = 0, high = 1.15 * about, offered = 0.95 * about;
    *best = (struct voice_trial){0};
    for (unsigned i = 0; i < SEARCH_STEPS || (low == 0 && offered > about / 8); i++) {
        struct voice_trial t;
        if (!trial(v, "paced", offered, &t))
            return false;
        if (is_held(&t)) {
            low = offered;
            *best = t;
        } else {
            high = offered;
        }
        offered = low > 0 ? (low + high) / 2 : 0.85 * offered;
    }
    return true;
}

static void print_figure(const struct voice_load *v, const char *kind, const struct voice_trial *t)
{
    printf("{\"kind\":\"%s\",\"rooms\":%u,\"receivers\":%u,\"value\":%.0f,\"offered\":%.0f,\"missing\":%llu,"
           "\"expected\":%llu,\"opened\":%llu,"
           "\"generator_busy\":%.2f,\"worker_busy\":%.2f,\"generator_bound\":%s}\n",
           kind, v->crowd.rooms, v->crowd.size - 1, t->rate, t->offered, (unsigned long long)t->missing,
           (unsigned long long)t->expected, (unsigned long long)v->crowd.opened, t->busy, t->worker_busy,
           t->busy > LOAD_BOUND || t->refused ? "true" : "false");
    fflush(stdout);
}

/* Residence as the box itself counts it, since `before`: the share of packets that it had for less than so
 * long. */
static double box_residence_us(const struct voice_load *v, const uint64_t *before, double share)
{
    const struct worker_area *a = region_part(&v->box->region, 0, PART_AREA);
    uint64_t total = 0, seen = 0;
    for (unsigned b = 0; b < RESIDENCE_BUCKETS; b++)
        total += a->voice_residence[b] - before[b];
    for (unsigned b = 0; b < RESIDENCE_BUCKETS; b++) {
        uint64_t here = a->voice_residence[b] - before[b];
        double low = b ? (double)(1u << (b - 1)) : 0, high = (double)(1u << b);
        if (here && (double)(seen + here) >= share * (double)total)
            return low + (high - low) * (share * (double)total - (double)seen) /
                             (double)here; /* as if even within */
        seen += here;
    }
    return 0;
}

/* How long packets are on their way, at shares of the peak. */
static bool measure_loads(struct voice_load *v, double peak)
{
    static const double loads[] = {0.5, 0.8, 0.95};
    const struct worker_area *a = region_part(&v->box->region, 0, PART_AREA);
    struct voice_trial t;
    for (unsigned i = 0; i < sizeof loads / sizeof *loads; i++) {
        uint64_t before[RESIDENCE_BUCKETS];
        memcpy(before, a->voice_residence, sizeof before);
        if (!trial(v, "load", loads[i] * peak, &t))
            return false;
        printf("{\"kind\":\"load\",\"load\":%.2f,\"offered\":%.0f,\"value\":%.0f,\"missing\":%llu,"
               "\"expected\":%llu,"
               "\"disturbed\":%s,"
               "\"way_p50_us\":%.1f,\"way_p99_us\":%.1f,\"way_p999_us\":%.1f,"
               "\"box_p50_us\":%.1f,\"box_p99_us\":%.1f,\"box_p999_us\":%.1f}\n",
               loads[i], t.offered, t.rate, (unsigned long long)t.missing, (unsigned long long)t.expected,
               t.disturbed ? "true" : "false", (double)histogram_at(&v->late, 0.5) / 10,
               (double)histogram_at(&v->late, 0.99) / 10, (double)histogram_at(&v->late, 0.999) / 10,
               box_residence_us(v, before, 0.5), box_residence_us(v, before, 0.99),
               box_residence_us(v, before, 0.999));
        fflush(stdout);
    }
    return true;
}

static bool measure(struct voice_load *v)
{
    struct voice_trial t, best;
    if (v->options->rate > 0) {
        if (!trial(v, "paced", v->options->rate, &t))
            return false;
        print_figure(v, "paced", &t);
        return true;
    }
    for (unsigned i = 0; i < v->options->repeats; i++) {
        if (!trial(v, "window", 0, &t))
            return false;
        print_figure(v, "window", &t);
        if (v->options->window)
            continue;
        if (!search(v, t.rate, &best))
            return false;
        print_figure(v, "peak", &best);
        if (v->options->loads && !measure_loads(v, best.rate))
            return false;
    }
    return true;
}

static int run(void *arg)
{
    struct voice_load *v = arg;
    return voice_join(v) && measure(v) ? 0 : 1;
}

static void print_drops(const struct voice_load *v)
{
    const struct counters *c = box_counters(v->box);
    for (unsigned i = 1; i < DROP_REASON_COUNT; i++)
        if (c->drop[i])
            fprintf(stderr, "# dropped by the dataplane: %s %llu\n", drop_reason_name(i),
                    (unsigned long long)c->drop[i]);
    fprintf(stderr, "# not taken by the wire: %llu; opened: %llu\n", (unsigned long long)v->refused,
            (unsigned long long)v->crowd.opened);
}

int load_voice_fanout(const struct load_options *o)
{
    static struct box box;
    static struct voice_load v;
    char socket[512];
    v = (struct voice_load){.options = o, .box = &box};
    if (!aead_init(AEAD_BACKEND_AUTO) || !crowd_make(&v.crowd, o->rooms, o->listeners + 1, o->seed)) {
        fprintf(stderr, "voxpop-load: no memory, or too many clients\n");
        return 1;
    }
    v.crowd.turns = o->turns;
    if (!box_start(&box, o->config, o->dataplane))
        return 1;
    int status = 1;
    if (config_path(&box.config, box.config.dataplane.port.memif_socket, socket, sizeof socket) &&
        (v.port = load_port(o, socket))) {
        status = load_run(run, &v);
        print_drops(&v);
        port_stop();
    }
    if (v.crowd.wrong[0])
        fprintf(stderr, "voxpop-load: WRONG: %s\n", v.crowd.wrong);
    if (!box_alive(&box)) {
        fprintf(stderr, "voxpop-load: the dataplane ended\n");
        status = 1;
    }
    box_stop(&box);
    crowd_free(&v.crowd);
    return status;
}
