/*
 * The control plane's loop; see loop.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "config/log.h"
#include "controlplane/routes/maps.h"

#define EVENT_STORE  1u
#define EVENT_SIGNAL 2u

#define STEPS_MAX        256u /* inputs, store answers and deadlines in one round, each */
#define SLEEP_MS         1
#define WAIT_NS          200000L
#define ALIVE_EVERY_US   20000u
#define PUBLISH_EVERY_US 1000000u

uint64_t loop_unix_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool watch(int epoll, int fd, uint64_t data)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = data};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

bool loop_open(struct loop *l, struct control *c, struct routes *r, struct store *s, const char *socket,
               char *why)
{
    sigset_t set;
    *l = (struct loop){.control = c, .routes = r, .store = s};
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (l->epoll < 0 || l->signals < 0 || !watch(l->epoll, store_event_fd(s), EVENT_STORE) ||
        !watch(l->epoll, l->signals, EVENT_SIGNAL))
        return snprintf(why, 256, "epoll: %s", strerror(errno)), false;
    return admin_open(&l->admin, c, r, socket, l->epoll, why);
}

void loop_close(struct loop *l)
{
    admin_close(&l->admin);
    close(l->signals);
    close(l->epoll);
}

static void alive(struct loop *l, uint64_t now_us)
{
    struct region_process *p = &l->control->link->region->header->process[PROCESS_CONTROLPLANE];
    if (now_us - atomic_load_explicit(&p->alive_us, memory_order_relaxed) >= ALIVE_EVERY_US)
        atomic_store_explicit(&p->alive_us, now_us, memory_order_release);
}

static void take_signals(struct loop *l)
{
    struct signalfd_siginfo info;
    while (read(l->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP)
            l->reload = true;
        else
            l->stop = true;
    }
}

void loop_wait(void *ctx)
{
    struct loop *l = ctx;
    alive(l, region_now_us());
    take_signals(l);
    if (l->stop)
        _exit(0); /* nothing is half done outside the region, and the next life goes on from there */
    nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
}

/* What is published need not be kept in the outbox for ever. */
static void tell_store(struct loop *l, uint64_t now_us)
{
    uint64_t published = l->control->link->area->outbox_published;
    if (published == l->published || now_us - l->published_us < PUBLISH_EVERY_US)
        return;
    l->published = published;
    l->published_us = now_us;
    store_published(l->store, published);
}

/* False: there was nothing to do. */
static bool round_of_work(struct loop *l)
{
    struct control *c = l->control;
    uint64_t now_ms = loop_unix_ms();
    unsigned steps = 0;
    while (steps < STEPS_MAX && control_step(c, now_ms))
        steps++;
    c->now_ms = now_ms;
    c->model->now_ms = (int64_t)now_ms;
    /* One at a time: each may fill the rings by half, and its effects wait for room. */
    for (unsigned i = 0; i < STEPS_MAX && link_room(c->link) && store_drain(l->store, 1); i++)
        steps++;
    steps += control_timers(c, now_ms, STEPS_MAX);
    map_flush(c->voice_map, c->link);
    map_flush(c->owner_map, c->link);
    routes_flush(l->routes, c->link);
    return steps != 0;
}

void loop_run(struct loop *l)
{
    struct epoll_event events[16];
    bool busy = true;
    while (!l->stop && !l->reload) {
        uint64_t now_us = region_now_us();
        alive(l, now_us);
        tell_store(l, now_us);
        int n = epoll_wait(l->epoll, events, 16, busy ? 0 : SLEEP_MS);
        for (int i = 0; i < n; i++) {
            if (events[i].data.u64 == EVENT_SIGNAL)
                take_signals(l);
            else if (events[i].data.u64 >= ADMIN_EVENT)
                admin_event(&l->admin, events[i].data.u64, events[i].events);
        }
        busy = round_of_work(l);
    }
}
