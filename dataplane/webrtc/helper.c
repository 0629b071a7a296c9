/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/webrtc/helper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dataplane/base/bytes.h"
#include "dataplane/base/map.h"
#include "dataplane/tls/mailbox.h"

#define RING_BYTES_MIN (256u << 10)
#define RESULT_MAX     ((uint32_t)sizeof(struct dtls_result) + DTLS_FLIGHT_MAX)

enum request { REQUEST_FIRST = 1, REQUEST_DATAGRAM, REQUEST_AGAIN, REQUEST_END };
enum { RESULT_STEP = 1 };

/* Between one worker and the helper. */
struct port {
    struct mailbox requests, results;
    _Alignas(64) uint32_t live;           /* worker: associations it has not ended */
    struct mailbox_message *polled;       /* worker: the result it is reading */
    _Alignas(64) struct map associations; /* helper: struct dtls *, by handle */
};

struct dtls_helper {
    struct dtls_helper_config config;
    struct port *ports;
    pthread_t thread;
    int wake; /* eventfd */
    _Atomic bool asleep;
    _Atomic bool stopping;
};

/* Called by whoever gave the helper something to do, after doing so. */
static void wake_if_asleep(struct dtls_helper *h)
{
    if (atomic_load(&h->asleep) && atomic_exchange(&h->asleep, false)) {
        uint64_t one = 1;
        if (write(h->wake, &one, sizeof one) != sizeof one)
            return; /* only when the counter is at its end, and then it is awake */
    }
}

/* ---- the worker's side ---- */

static bool submit(struct dtls_helper *h, unsigned worker, enum request what, uint64_t handle,
                   const void *head, uint32_t head_len, const uint8_t *datagram, uint32_t len)
{
    struct port *p = &h->ports[worker];
    uint64_t spare = what == REQUEST_END ? 0 : (uint64_t)h->config.associations_max * mailbox_bytes(0);
    struct mailbox_message *m = mailbox_reserve(&p->requests, what, handle, head_len + len, spare);
    if (!m)
        return false;
    if (head_len)
        memcpy(m + 1, head, head_len);
    if (len)
        memcpy((uint8_t *)(m + 1) + head_len, datagram, len);
    mailbox_publish(&p->requests);
    wake_if_asleep(h);
    return true;
}

bool dtls_helper_begin(struct dtls_helper *h, unsigned worker, uint64_t handle,
                       const struct dtls_expected *expected, const uint8_t *datagram, uint32_t len)
{
    struct port *p = &h->ports[worker];
    if (p->live == h->config.associations_max ||
        !submit(h, worker, REQUEST_FIRST, handle, expected, sizeof *expected, datagram, len))
        return false;
    p->live++;
    return true;
}

bool dtls_helper_input(struct dtls_helper *h, unsigned worker, uint64_t handle, const uint8_t *datagram,
                       uint32_t len)
{
    return submit(h, worker, REQUEST_DATAGRAM, handle, NULL, 0, datagram, len);
}

bool dtls_helper_again(struct dtls_helper *h, unsigned worker, uint64_t handle)
{
    return submit(h, worker, REQUEST_AGAIN, handle, NULL, 0, NULL, 0);
}

void dtls_helper_end(struct dtls_helper *h, unsigned worker, uint64_t handle)
{
    if (!submit(h, worker, REQUEST_END, handle, NULL, 0, NULL, 0))
        __builtin_trap(); /* more ends than beginnings: the caller's bug */
    h->ports[worker].live--;
}

bool dtls_helper_poll(struct dtls_helper *h, unsigned worker, struct dtls_helper_result *out)
{
    struct port *p = &h->ports[worker];
    if (p->polled) {
        mailbox_release(&p->results, p->polled);
        p->polled = NULL;
        wake_if_asleep(h);
    }
    struct mailbox_message *m = mailbox_peek(&p->results);
    if (!m)
        return false;
    struct dtls_result *r = (struct dtls_result *)(void *)(m + 1);
    p->polled = m;
    out->handle = m->handle;
    out->result = *r;
    out->result.send = (const uint8_t *)(r + 1);
    wipe(&r->keys, sizeof r->keys);
    return true;
}

/* ---- the helper's side ---- */

static void send_result(struct port *p, uint64_t handle, const struct dtls_result *r)
{
    struct mailbox_message *m =
        mailbox_reserve(&p->results, RESULT_STEP, handle, (uint32_t)sizeof *r + r->send_len, 0);
    memcpy(m + 1, r, sizeof *r);
    if (r->send_len)
        memcpy((uint8_t *)(m + 1) + sizeof *r, r->send, r->send_len);
    mailbox_publish(&p->results);
}

static struct dtls *find(const struct port *p, uint64_t handle)
{
    uint64_t value;
    return map_get(&p->associations, handle, &value) ? (struct dtls *)(uintptr_t)value : NULL;
}

static void end(struct port *p, uint64_t handle)
{
    dtls_free(find(p, handle));
    map_remove(&p->associations, handle);
}

/* A handle that begins again had lost its association without having told. */
static struct dtls *begin(struct dtls_helper *h, struct port *p, const struct mailbox_message *m)
{
    struct dtls_expected expected;
    end(p, m->handle);
    memcpy(&expected, m + 1, sizeof expected);
    struct dtls *d = dtls_new(h->config.server, &expected);
    if (d && !map_put(&p->associations, m->handle, (uint64_t)(uintptr_t)d)) {
        dtls_free(d);
        return NULL;
    }
    return d;
}

static void on_request(struct dtls_helper *h, struct port *p, const struct mailbox_message *m)
{
    struct dtls_result r = {.state = DTLS_FAILED};
    if (m->type == REQUEST_END) {
        end(p, m->handle);
        return;
    }
    uint32_t head = m->type == REQUEST_FIRST ? sizeof(struct dtls_expected) : 0;
    struct dtls *d = head ? begin(h, p, m) : find(p, m->handle);
    if (!d && !head)
        return; /* it failed before this came */
    if (d && m->type == REQUEST_AGAIN)
        dtls_again(d, &r);
    else if (d)
        dtls_input(d, (const uint8_t *)(m + 1) + head, m->length - head, &r);
    send_result(p, m->handle, &r);
    wipe(&r.keys, sizeof r.keys);
    if (r.state == DTLS_FAILED || r.state == DTLS_CLOSED)
        end(p, m->handle);
}

/* Serves one request of this worker; false when there is none, or no room for its result. */
static bool serve(struct dtls_helper *h, struct port *p)
{
    struct mailbox_message *m = mailbox_peek(&p->requests);
    if (!m || !mailbox_has_room(&p->results, RESULT_MAX))
        return false;
    on_request(h, p, m);
    mailbox_release(&p->requests, m);
    return true;
}

/* One request of each worker in turn. */
static bool serve_all(struct dtls_helper *h)
{
    bool served = false;
    for (unsigned i = 0; i < h->config.workers; i++)
        served |= serve(h, &h->ports[i]);
    return served;
}

static void *run(void *arg)
{
    struct dtls_helper *h = arg;
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

static bool ports_init(struct dtls_helper *h)
{
    const struct dtls_helper_config *c = &h->config;
    h->ports = aligned_alloc(64, c->workers * sizeof *h->ports);
    if (!h->ports)
        return false;
    memset(h->ports, 0, c->workers * sizeof *h->ports);
    for (unsigned i = 0; i < c->workers; i++)
        if (!mailbox_init(&h->ports[i].requests, c->ring_bytes) ||
            !mailbox_init(&h->ports[i].results, c->ring_bytes) || !map_init(&h->ports[i].associations, 64))
            return false;
    return true;
}

static void associations_free(struct map *m)
{
    for (uint64_t i = 0; m->entry && i < m->slots; i++)
        if (m->entry[i].key)
            dtls_free((struct dtls *)(uintptr_t)m->entry[i].value);
    map_free(m);
}

static void helper_free(struct dtls_helper *h)
{
    for (unsigned i = 0; h->ports && i < h->config.workers; i++) {
        struct port *p = &h->ports[i];
        associations_free(&p->associations);
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
static int thread_start(struct dtls_helper *h)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&h->thread, NULL, run, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed)
        pthread_setname_np(h->thread, "dtls-helper");
    return failed;
}

struct dtls_helper *dtls_helper_start(const struct dtls_helper_config *config, char error[DTLS_ERROR_MAX])
{
    uint64_t ends = (uint64_t)config->associations_max * mailbox_bytes(0);
    if (config->ring_bytes < RING_BYTES_MIN || (config->ring_bytes & (config->ring_bytes - 1)) ||
        ends > config->ring_bytes / 2 || !config->associations_max || !config->workers) {
        snprintf(error, DTLS_ERROR_MAX, "DTLS helper: ring of %u bytes must be a power of two, at least %u",
                 config->ring_bytes, RING_BYTES_MIN);
        return NULL;
    }
    struct dtls_helper *h = calloc(1, sizeof *h);
    if (!h) {
        snprintf(error, DTLS_ERROR_MAX, "DTLS helper: out of memory");
        return NULL;
    }
    h->config = *config;
    h->wake = eventfd(0, EFD_CLOEXEC);
    int failed = h->wake < 0 ? errno : !ports_init(h) ? ENOMEM : thread_start(h);
    if (failed) {
        snprintf(error, DTLS_ERROR_MAX, "DTLS helper: cannot start its thread: %s", strerror(failed));
        helper_free(h);
        return NULL;
    }
    return h;
}

void dtls_helper_stop(struct dtls_helper *h)
{
    if (!h)
        return;
    atomic_store(&h->stopping, true);
    wake_if_asleep(h);
    pthread_join(h->thread, NULL);
    helper_free(h);
}
