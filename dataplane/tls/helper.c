/*
 * The thread that runs handshakes, and its rings with the workers.
 *
 *   worker --RECORD, CANCEL--> requests --> helper --STEP, LOST, CANCELLED--> results --> worker
 *
 * A worker never waits: submitting and polling are lock-free; it pays a system call only when the helper has
 * gone to sleep. The helper takes a request only when its longest result would find room, so results are
 * never lost: a worker that does not poll holds up itself alone. A worker counts its handshakes from the
 * first record to the last result, so that there are never more than handshakes_max, and keeps that many
 * CANCELs of room in its ring.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "dataplane/base/bytes.h"
#include "dataplane/tls/handshake.h"
#include "dataplane/tls/handshake_map.h"
#include "dataplane/tls/spsc.h"

#define RING_BYTES_MIN (256u << 10)
#define RESULT_MAX     ((uint32_t)sizeof(struct tls_step_result) + TLS_FLIGHT_MAX)

enum request { REQUEST_FIRST_RECORD = 1, REQUEST_RECORD, REQUEST_CANCEL };
enum result { RESULT_STEP = 1, RESULT_LOST, RESULT_CANCELLED };

/* Between one worker and the helper. */
struct port {
    struct spsc requests, results;
    _Alignas(64) uint32_t live;                   /* worker: handshakes whose last result it has not seen */
    struct spsc_message *polled;                  /* worker: the result it is reading */
    _Alignas(64) struct handshake_map handshakes; /* helper */
};

struct tls_helper {
    struct tls_helper_config config;
    struct port *ports;
    pthread_t thread;
    int wake; /* eventfd */
    _Atomic bool asleep;
    _Atomic bool stopping;
};

/* Called by whoever gave the helper something to do, after doing so. */
static void wake_if_asleep(struct tls_helper *h)
{
    if (atomic_load(&h->asleep) && atomic_exchange(&h->asleep, false)) {
        uint64_t one = 1;
        if (write(h->wake, &one, sizeof one) != sizeof one)
            return; /* only when the counter is at its end, and then it is awake */
    }
}

/* ---- the worker's side ---- */

bool tls_helper_submit(struct tls_helper *h, unsigned worker, uint64_t handle, bool first,
                       const uint8_t *record, uint32_t len)
{
    struct port *p = &h->ports[worker];
    if (first && p->live == h->config.handshakes_max)
        return false;
    uint64_t cancels = (uint64_t)h->config.handshakes_max * spsc_bytes(0);
    struct spsc_message *m =
        spsc_reserve(&p->requests, first ? REQUEST_FIRST_RECORD : REQUEST_RECORD, handle, len, cancels);
    if (!m)
        return false;
    memcpy(m + 1, record, len);
    p->live += first;
    spsc_publish(&p->requests);
    wake_if_asleep(h);
    return true;
}

void tls_helper_cancel(struct tls_helper *h, unsigned worker, uint64_t handle)
{
    struct spsc *r = &h->ports[worker].requests;
    struct spsc_message *m = spsc_reserve(r, REQUEST_CANCEL, handle, 0, 0);
    if (!m)
        __builtin_trap(); /* more cancels than handshakes: the caller's bug */
    spsc_publish(r);
    wake_if_asleep(h);
}

/* Frees the room of the result that the worker has read. */
static void release_polled(struct tls_helper *h, struct port *p)
{
    if (!p->polled)
        return;
    spsc_release(&p->results, p->polled);
    p->polled = NULL;
    wake_if_asleep(h);
}

bool tls_helper_poll(struct tls_helper *h, unsigned worker, struct tls_helper_result *out)
{
    struct port *p = &h->ports[worker];
    release_polled(h, p);
    struct spsc_message *m;
    while ((m = spsc_peek(&p->results)) && m->type == RESULT_CANCELLED) {
        p->live--;
        p->polled = m;
        release_polled(h, p);
    }
    if (!m)
        return false;
    p->polled = m;
    out->handle = m->handle;
    if (m->type == RESULT_LOST) {
        out->step = (struct tls_step_result){.step = TLS_STEP_FAILED,
                                             .why = {DROP_TLS_HANDSHAKE_LOST, TLS_ALERT_NONE}};
        return true;
    }
    struct tls_step_result *step = (struct tls_step_result *)(void *)(m + 1);
    out->step = *step;
    out->step.send = (const uint8_t *)(step + 1);
    wipe(&step->secrets, sizeof step->secrets);
    if (step->step != TLS_STEP_MORE)
        p->live--;
    return true;
}

uint32_t tls_helper_live(const struct tls_helper *h, unsigned worker)
{
    return h->ports[worker].live;
}

/* ---- the helper's side ---- */

static void send_plain_result(struct port *p, enum result type, uint64_t handle)
{
    spsc_reserve(&p->results, type, handle, 0, 0);
    spsc_publish(&p->results);
}

static void send_step(struct port *p, uint64_t handle, const struct tls_step_result *step)
{
    uint32_t length = (uint32_t)sizeof *step + step->send_len;
    struct spsc_message *m = spsc_reserve(&p->results, RESULT_STEP, handle, length, 0);
    memcpy(m + 1, step, sizeof *step);
    if (step->send_len)
        memcpy((uint8_t *)(m + 1) + sizeof *step, step->send, step->send_len);
    spsc_publish(&p->results);
}

/* A new handshake for the handle, or NULL when there is no memory for one. */
static struct tls_handshake *begin(struct tls_helper *h, struct port *p, uint64_t handle)
{
    struct tls_handshake *hs = tls_handshake_new(h->config.server);
    if (hs && !handshake_map_add(&p->handshakes, handle, hs)) {
        tls_handshake_free(hs);
        return NULL;
    }
    return hs;
}

static void on_record(struct tls_helper *h, struct port *p, const struct spsc_message *m)
{
    struct tls_handshake *hs = handshake_map_find(&p->handshakes, m->handle);
    struct tls_step_result step = {.step = TLS_STEP_FAILED, .why = {DROP_TLS_HANDSHAKE_BUSY, TLS_ALERT_NONE}};
    if (!hs && m->type == REQUEST_RECORD)
        return send_plain_result(p, RESULT_LOST, m->handle);
    if (!hs)
        hs = begin(h, p, m->handle);
    if (hs)
        tls_handshake_step(hs, (const uint8_t *)(m + 1), m->length, &step);
    if (step.send_len > TLS_FLIGHT_MAX) /* kept from happening by cert.c */
        step = (struct tls_step_result){.step = TLS_STEP_FAILED,
                                        .why = {DROP_TLS_HANDSHAKE_FAILED, TLS_ALERT_NONE}};
    send_step(p, m->handle, &step);
    wipe(&step.secrets, sizeof step.secrets);
    if (step.step != TLS_STEP_MORE)
        tls_handshake_free(handshake_map_remove(&p->handshakes, m->handle));
}

static void on_cancel(struct port *p, const struct spsc_message *m)
{
    struct tls_handshake *hs = handshake_map_remove(&p->handshakes, m->handle);
    if (hs) /* otherwise its last result is on the way already, and counts it down */
        send_plain_result(p, RESULT_CANCELLED, m->handle);
    tls_handshake_free(hs);
}

/* Serves one request of this worker; false when there is none, or no room for its result. */
static bool serve(struct tls_helper *h, struct port *p)
{
    struct spsc_message *m = spsc_peek(&p->requests);
    if (!m || !spsc_has_room(&p->results, RESULT_MAX))
        return false;
    if (m->type == REQUEST_CANCEL)
        on_cancel(p, m);
    else
        on_record(h, p, m);
    spsc_release(&p->requests, m);
    return true;
}

/* One request of each worker in turn. */
static bool serve_all(struct tls_helper *h)
{
    bool served = false;
    for (unsigned i = 0; i < h->config.workers; i++)
        served |= serve(h, &h->ports[i]);
    return served;
}

static void *run(void *arg)
{
    struct tls_helper *h = arg;
    while (!atomic_load(&h->stopping)) {
        if (serve_all(h))
            continue;
        atomic_store(&h->asleep, true);
        if (serve_all(h) || atomic_load(&h->stopping)) {
            atomic_store(&h->asleep, false);
            continue;
        }
        uint64_t count;
        if (read(h->wake, &count, sizeof count) < 0 && errno != EINTR)
            break;
    }
    return NULL;
}

/* ---- start and stop ---- */

static bool ports_init(struct tls_helper *h)
{
    const struct tls_helper_config *c = &h->config;
    h->ports = aligned_alloc(64, c->workers * sizeof *h->ports);
    if (!h->ports)
        return false;
    memset(h->ports, 0, c->workers * sizeof *h->ports);
    for (unsigned i = 0; i < c->workers; i++)
        if (!spsc_init(&h->ports[i].requests, c->ring_bytes) ||
            !spsc_init(&h->ports[i].results, c->ring_bytes) ||
            !handshake_map_init(&h->ports[i].handshakes, c->handshakes_max))
            return false;
    return true;
}

static void helper_free(struct tls_helper *h)
{
    for (unsigned i = 0; h->ports && i < h->config.workers; i++) {
        struct port *p = &h->ports[i];
        handshake_map_destroy(&p->handshakes);
        free(p->requests.data);
        if (p->results.data)
            wipe(p->results.data, p->results.size);
        free(p->results.data);
    }
    free(h->ports);
    if (h->wake >= 0)
        close(h->wake);
    free(h);
}

/* Starts the thread with all signals blocked: they are the main thread's. */
static int thread_start(struct tls_helper *h)
{
    pthread_attr_t attr;
    sigset_t all, before;
    pthread_attr_init(&attr);
    if (h->config.cpu >= 0) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET(h->config.cpu, &cpus);
        pthread_attr_setaffinity_np(&attr, sizeof cpus, &cpus);
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&h->thread, &attr, run, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (!failed)
        pthread_setname_np(h->thread, "tls-helper");
    return failed;
}

struct tls_helper *tls_helper_start(const struct tls_helper_config *config, char error[TLS_ERROR_MAX])
{
    uint64_t cancels = (uint64_t)config->handshakes_max * spsc_bytes(0);
    if (config->ring_bytes < RING_BYTES_MIN || (config->ring_bytes & (config->ring_bytes - 1)) ||
        cancels > config->ring_bytes / 2 || config->handshakes_max == 0 || config->workers == 0) {
        snprintf(error, TLS_ERROR_MAX,
                 "TLS helper: ring of %u bytes must be a power of two, at least %u and %llu",
                 config->ring_bytes, RING_BYTES_MIN, 2 * (unsigned long long)cancels);
        return NULL;
    }
    struct tls_helper *h = calloc(1, sizeof *h);
    if (!h) {
        snprintf(error, TLS_ERROR_MAX, "TLS helper: out of memory");
        return NULL;
    }
    h->config = *config;
    h->wake = eventfd(0, EFD_CLOEXEC);
    int failed = h->wake < 0 ? errno : !ports_init(h) ? ENOMEM : thread_start(h);
    if (failed) {
        snprintf(error, TLS_ERROR_MAX, "TLS helper: cannot start its thread: %s", strerror(failed));
        helper_free(h);
        return NULL;
    }
    return h;
}

void tls_helper_stop(struct tls_helper *h)
{
    if (!h)
        return;
    atomic_store(&h->stopping, true);
    wake_if_asleep(h);
    pthread_join(h->thread, NULL);
    helper_free(h);
}
