/*
 * The threads that run handshakes, and their rings with the workers: one pair for each worker and thread. A
 * connection's handshake stays on the thread that its handle names.
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
#include "dataplane/tls/mailbox.h"

#define RING_BYTES_MIN (256u << 10)
#define RESULT_MAX     ((uint32_t)sizeof(struct tls_step_result) + TLS_FLIGHT_MAX)

enum request { REQUEST_FIRST_RECORD = 1, REQUEST_RECORD, REQUEST_CANCEL };
enum result { RESULT_STEP = 1, RESULT_LOST, RESULT_CANCELLED };

/* Between one worker and one thread. */
struct port {
    struct mailbox requests, results;
    _Alignas(64) struct mailbox_message *polled;  /* worker: the result it is reading */
    _Alignas(64) struct handshake_map handshakes; /* thread */
};

/* A worker's own. */
struct side {
    _Alignas(64) uint32_t live; /* handshakes whose last result it has not seen */
    unsigned next;              /* thread to poll first */
    unsigned polled;            /* thread whose result it is reading, or was */
};

struct thread {
    _Alignas(64) struct tls_helper *helper;
    unsigned index;
    pthread_t id;
    bool started;
    int wake; /* eventfd */
    _Atomic bool asleep;
};

struct tls_helper {
    struct tls_helper_config config;
    struct port *ports; /* [worker * threads + thread] */
    struct side *sides; /* [worker] */
    struct thread *threads;
    _Atomic bool stopping;
};

static struct port *port_at(const struct tls_helper *h, unsigned worker, unsigned thread)
{
    return &h->ports[worker * h->config.threads + thread];
}

/* Generation and index of a connection, both, spread over the threads. */
static unsigned thread_of(const struct tls_helper *h, uint64_t handle)
{
    return (unsigned)((handle * 0x9e3779b97f4a7c15u) >> 33) % h->config.threads;
}

/* Called by whoever gave the thread something to do, after doing so. */
static void wake_if_asleep(struct thread *t)
{
    if (atomic_load(&t->asleep) && atomic_exchange(&t->asleep, false)) {
        uint64_t one = 1;
        if (write(t->wake, &one, sizeof one) != sizeof one)
            return; /* only when the counter is at its end, and then it is awake */
    }
}

/* ---- the worker's side ---- */

bool tls_helper_submit(struct tls_helper *h, unsigned worker, uint64_t handle, bool first,
                       const uint8_t *record, uint32_t len)
{
    unsigned thread = thread_of(h, handle);
    struct side *side = &h->sides[worker];
    if (first && side->live == h->config.handshakes_max)
        return false;
    struct mailbox *r = &port_at(h, worker, thread)->requests;
    uint64_t cancels = (uint64_t)h->config.handshakes_max * mailbox_bytes(0);
    struct mailbox_message *m =
        mailbox_reserve(r, first ? REQUEST_FIRST_RECORD : REQUEST_RECORD, handle, len, cancels);
    if (!m)
        return false;
    memcpy(m + 1, record, len);
    side->live += first;
    mailbox_publish(r);
    wake_if_asleep(&h->threads[thread]);
    return true;
}

void tls_helper_cancel(struct tls_helper *h, unsigned worker, uint64_t handle)
{
    unsigned thread = thread_of(h, handle);
    struct mailbox *r = &port_at(h, worker, thread)->requests;
    struct mailbox_message *m = mailbox_reserve(r, REQUEST_CANCEL, handle, 0, 0);
    if (!m)
        __builtin_trap(); /* more cancels than handshakes: the caller's bug */
    mailbox_publish(r);
    wake_if_asleep(&h->threads[thread]);
}

/* Frees the room of the result that the worker has read. */
static void release_polled(struct tls_helper *h, struct port *p, unsigned thread)
{
    if (!p->polled)
        return;
    mailbox_release(&p->results, p->polled);
    p->polled = NULL;
    wake_if_asleep(&h->threads[thread]);
}

static void read_result(struct side *side, struct mailbox_message *m, struct tls_helper_result *out)
{
    out->handle = m->handle;
    if (m->type == RESULT_LOST) {
        out->step = (struct tls_step_result){.step = TLS_STEP_FAILED,
                                             .why = {DROP_TLS_HANDSHAKE_LOST, TLS_ALERT_NONE}};
        return;
    }
    struct tls_step_result *step = (struct tls_step_result *)(void *)(m + 1);
    out->step = *step;
    out->step.send = (const uint8_t *)(step + 1);
    wipe(&step->secrets, sizeof step->secrets);
    if (step->step != TLS_STEP_MORE)
        side->live--;
}

static bool poll_thread(struct tls_helper *h, unsigned worker, unsigned thread, struct tls_helper_result *out)
{
    struct side *side = &h->sides[worker];
    struct port *p = port_at(h, worker, thread);
    struct mailbox_message *m;
    while ((m = mailbox_peek(&p->results)) && m->type == RESULT_CANCELLED) {
        side->live--;
        p->polled = m;
        release_polled(h, p, thread);
    }
    if (!m)
        return false;
    p->polled = m;
    side->polled = thread;
    read_result(side, m, out);
    return true;
}

bool tls_helper_poll(struct tls_helper *h, unsigned worker, struct tls_helper_result *out)
{
    struct side *side = &h->sides[worker];
    release_polled(h, port_at(h, worker, side->polled), side->polled);
    for (unsigned i = 0; i < h->config.threads; i++) {
        unsigned thread = (side->next + i) % h->config.threads;
        if (poll_thread(h, worker, thread, out)) {
            side->next = (thread + 1) % h->config.threads;
            return true;
        }
    }
    return false;
}

uint32_t tls_helper_live(const struct tls_helper *h, unsigned worker)
{
    return h->sides[worker].live;
}

/* ---- the helper's side ---- */

static void send_plain_result(struct port *p, enum result type, uint64_t handle)
{
    mailbox_reserve(&p->results, type, handle, 0, 0);
    mailbox_publish(&p->results);
}

static void send_step(struct port *p, uint64_t handle, const struct tls_step_result *step)
{
    uint32_t length = (uint32_t)sizeof *step + step->send_len;
    struct mailbox_message *m = mailbox_reserve(&p->results, RESULT_STEP, handle, length, 0);
    memcpy(m + 1, step, sizeof *step);
    if (step->send_len)
        memcpy((uint8_t *)(m + 1) + sizeof *step, step->send, step->send_len);
    mailbox_publish(&p->results);
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

static void on_record(struct tls_helper *h, struct port *p, const struct mailbox_message *m)
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

static void on_cancel(struct port *p, const struct mailbox_message *m)
{
    struct tls_handshake *hs = handshake_map_remove(&p->handshakes, m->handle);
    if (hs) /* otherwise its last result is on the way already, and counts it down */
        send_plain_result(p, RESULT_CANCELLED, m->handle);
    tls_handshake_free(hs);
}

/* Serves one request of this worker; false when there is none, or no room for its result. */
static bool serve(struct tls_helper *h, struct port *p)
{
    struct mailbox_message *m = mailbox_peek(&p->requests);
    if (!m || !mailbox_has_room(&p->results, RESULT_MAX))
        return false;
    if (m->type == REQUEST_CANCEL)
        on_cancel(p, m);
    else
        on_record(h, p, m);
    mailbox_release(&p->requests, m);
    return true;
}

/* One request of each worker in turn. */
static bool serve_all(struct thread *t)
{
    bool served = false;
    for (unsigned i = 0; i < t->helper->config.workers; i++)
        served |= serve(t->helper, port_at(t->helper, i, t->index));
    return served;
}

static void *run(void *arg)
{
    struct thread *t = arg;
    struct tls_helper *h = t->helper;
    while (!atomic_load(&h->stopping)) {
        if (serve_all(t))
            continue;
        atomic_store(&t->asleep, true);
        if (serve_all(t) || atomic_load(&h->stopping)) {
            atomic_store(&t->asleep, false);
            continue;
        }
        uint64_t count;
        if (read(t->wake, &count, sizeof count) < 0 && errno != EINTR)
            break;
    }
    return NULL;
}

/* ---- start and stop ---- */

static void *lines_of(size_t count, size_t size)
{
    void *p = aligned_alloc(64, count * size);
    if (p)
        memset(p, 0, count * size);
    return p;
}

static bool rooms_init(struct tls_helper *h)
{
    const struct tls_helper_config *c = &h->config;
    h->ports = lines_of((size_t)c->workers * c->threads, sizeof *h->ports);
    h->sides = lines_of(c->workers, sizeof *h->sides);
    h->threads = lines_of(c->threads, sizeof *h->threads);
    if (!h->ports || !h->sides || !h->threads)
        return false;
    for (unsigned i = 0; i < c->threads; i++)
        h->threads[i] = (struct thread){.helper = h, .index = i, .wake = -1};
    for (unsigned i = 0; i < c->workers * c->threads; i++)
        if (!mailbox_init(&h->ports[i].requests, c->ring_bytes) ||
            !mailbox_init(&h->ports[i].results, c->ring_bytes) ||
            !handshake_map_init(&h->ports[i].handshakes, c->handshakes_max))
            return false;
    return true;
}

static void helper_free(struct tls_helper *h)
{
    for (unsigned i = 0; h->ports && i < h->config.workers * h->config.threads; i++) {
        struct port *p = &h->ports[i];
        handshake_map_destroy(&p->handshakes);
        free(p->requests.data);
        if (p->results.data)
            wipe(p->results.data, p->results.size);
        free(p->results.data);
    }
    for (unsigned i = 0; h->threads && i < h->config.threads; i++)
        if (h->threads[i].wake >= 0)
            close(h->threads[i].wake);
    free(h->ports);
    free(h->sides);
    free(h->threads);
    free(h);
}

/* Starts a thread with all signals blocked: they are the main thread's. */
static int thread_start(struct thread *t)
{
    pthread_attr_t attr;
    sigset_t all, before;
    t->wake = eventfd(0, EFD_CLOEXEC);
    if (t->wake < 0)
        return errno;
    pthread_attr_init(&attr);
    if (t->helper->config.cpu >= 0) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET(t->helper->config.cpu, &cpus);
        pthread_attr_setaffinity_np(&attr, sizeof cpus, &cpus);
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&t->id, &attr, run, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    t->started = !failed;
    if (!failed)
        pthread_setname_np(t->id, "tls-helper");
    return failed;
}

static int threads_start(struct tls_helper *h)
{
    int failed = rooms_init(h) ? 0 : ENOMEM;
    for (unsigned i = 0; i < h->config.threads && !failed; i++)
        failed = thread_start(&h->threads[i]);
    return failed;
}

struct tls_helper *tls_helper_start(const struct tls_helper_config *config, char error[TLS_ERROR_MAX])
{
    uint64_t cancels = (uint64_t)config->handshakes_max * mailbox_bytes(0);
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
    h->config.threads = config->threads ? config->threads : 1;
    int failed = threads_start(h);
    if (failed) {
        snprintf(error, TLS_ERROR_MAX, "TLS helper: cannot start its threads: %s", strerror(failed));
        tls_helper_stop(h);
        return NULL;
    }
    return h;
}

void tls_helper_stop(struct tls_helper *h)
{
    if (!h)
        return;
    atomic_store(&h->stopping, true);
    for (unsigned i = 0; h->threads && i < h->config.threads; i++)
        if (h->threads[i].started) {
            wake_if_asleep(&h->threads[i]);
            pthread_join(h->threads[i].id, NULL);
        }
    helper_free(h);
}
