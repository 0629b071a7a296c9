/*
 * The process that writes a capture; see capture.h. It drains the workers' rings into a file, or into a
 * bundle, until it is told to stop, by the control words or by SIGTERM, or its bounds are reached.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/capture.h"
#include "dataplane/capture/bundle.h"
#include "dataplane/capture/drain.h"
#include "dataplane/capture/pcapng_file.h"

#define IDLE_US   2000
#define TELL_US   500000u
#define LEAVE_US  50000u   /* an iteration is over by then */
#define ANSWER_US 3000000u /* for the workers to stand still, and to go on */

struct writer {
    struct capture_job *job;
    int answer;
    uint64_t offset_us; /* unix time - the loop's time */
    uint64_t began_us, told_us;
    uint64_t packets, bytes;
    uint64_t dropped_before[WORKERS_MAX];
    ino_t region_inode;
    uint32_t pause_us,
        worker_pause_us; /* a recording: as seen from here, and by the worker that waited longest */
    char why[256];       /* why it ended by itself */
};

static volatile sig_atomic_t told_to_end;

static void on_end(int signal_number)
{
    told_to_end = 1;
}

static void rest(uint64_t us)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)us * 1000}, NULL);
}

static uint64_t unix_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static uint32_t workers(const struct writer *w)
{
    return w->job->region.header->geometry.workers;
}

/* ---- what is told ---- */

static uint64_t dropped(const struct writer *w, uint64_t each[WORKERS_MAX])
{
    uint64_t all = 0;
    for (uint32_t k = 0; k < workers(w); k++) {
        each[k] = atomic_load(&drain_ring(&w->job->region, k)->dropped) - w->dropped_before[k];
        all += each[k];
    }
    return all;
}

static json_t *state_json(const struct writer *w, const char *state)
{
    static const char *const what[] = {[CAPTURE_ALL] = "everything",
                                       [CAPTURE_SESSION] = "session",
                                       [CAPTURE_ROOM] = "room",
                                       [CAPTURE_REPLAY] = "replay"};
    const struct capture_job *job = w->job;
    uint64_t each[WORKERS_MAX];
    json_t *j = json_pack("{s:s, s:s, s:s}", "state", state, "captures", what[job->filter],
                          job->filter == CAPTURE_REPLAY ? "directory" : "file", job->path);
    if (job->filter == CAPTURE_SESSION)
        json_object_set_new(j, "session", json_integer(job->session));
    if (job->filter == CAPTURE_ROOM)
        json_object_set_new(j, "room", json_integer(job->room));
    json_object_set_new(j, "packets", json_integer((json_int_t)w->packets));
    json_object_set_new(j, "bytes", json_integer((json_int_t)w->bytes));
    json_object_set_new(j, "dropped", json_integer((json_int_t)dropped(w, each)));
    json_object_set_new(j, "seconds", json_integer((json_int_t)((region_now_us() - w->began_us) / 1000000)));
    json_object_set_new(j, "pid", json_integer(getpid()));
    if (job->filter == CAPTURE_REPLAY) {
        json_object_set_new(j, "workers_stood_still_us", json_integer(w->worker_pause_us));
        json_object_set_new(j, "copied_in_us", json_integer(w->pause_us));
        json_object_set_new(j, "note", json_string("holds keys of connections and calls, and what was said"));
    }
    if (w->why[0])
        json_object_set_new(j, "why", json_string(w->why));
    return j;
}

static void tell(struct writer *w, const char *state)
{
    w->told_us = region_now_us();
    capture_tell(&w->job->place, state_json(w, state));
}

/* The one line that `capture start` waits for. Takes j. */
static void answer(struct writer *w, json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT);
    if (text)
        dprintf(w->answer, "%s\n", text);
    free(text);
    json_decref(j);
    close(w->answer);
}

static void end(struct writer *w, int code) __attribute__((noreturn));

static void end(struct writer *w, int code)
{
    capture_sign(w->job->lock, 0);
    _exit(code);
}

static void refuse(struct writer *w, const char *why) __attribute__((noreturn));

static void refuse(struct writer *w, const char *why)
{
    answer(w, json_pack("{s:s}", "error", why));
    end(w, 1);
}

/* ---- how long ---- */

/* Another region at the same place: this box's life is over. */
static bool region_is_gone(const struct writer *w)
{
    struct stat st;
    return stat(w->job->place.region, &st) || st.st_ino != w->region_inode;
}

/* Once in a while: a session's voice may have come or gone. */
static void follow_peer(struct writer *w)
{
    const struct region *r = &w->job->region;
    const struct session_control *c = session_control_at(r, w->job->session);
    uint64_t peer = SESSION_NONE;
    if (c->peer < r->header->geometry.sessions && session_control_at(r, c->peer)->kind != SESSION_FREE)
        peer = c->peer;
    for (uint32_t k = 0; k < workers(w); k++)
        atomic_store(&drain_ring(r, k)->subject, peer << 32 | w->job->session);
}

static bool goes_on(struct writer *w)
{
    const struct capture_job *job = w->job;
    uint64_t now = region_now_us();
    if (now - w->told_us >= TELL_US) {
        if (job->filter == CAPTURE_SESSION)
            follow_peer(w);
        tell(w, "running");
        if (region_is_gone(w))
            snprintf(w->why, sizeof w->why, "the box was stopped");
    }
    if (job->duration_us && now - w->began_us >= job->duration_us)
        return false;
    if (job->packets_max && w->packets >= job->packets_max)
        return false;
    return !told_to_end && !w->why[0] && drain_wanted(&job->region);
}

/* ---- to a file ---- */

/* The oldest entry of all rings. */
static const struct capture_entry *oldest(const struct writer *w, struct capture_ring **ring)
{
    const struct capture_entry *first = NULL;
    for (uint32_t k = 0; k < workers(w); k++) {
        struct capture_ring *r = drain_ring(&w->job->region, k);
        const struct capture_entry *e = drain_next(r);
        if (e && (!first || e->time_us < first->time_us)) {
            first = e;
            *ring = r;
        }
    }
    return first;
}

static bool drain_to_file(struct writer *w, struct pcapng_file *f)
{
    const struct capture_job *job = w->job;
    const struct capture_entry *e;
    struct capture_ring *ring = NULL;
    unsigned n = 0;
    for (; n < 4096 && (!job->packets_max || w->packets < job->packets_max) && (e = oldest(w, &ring)); n++) {
        enum pcapng_direction direction = e->kind == CAPTURE_TX ? PCAPNG_OUTBOUND : PCAPNG_INBOUND;
        if (e->kind == CAPTURE_RX || e->kind == CAPTURE_TX) {
            pcapng_file_packet(f, e->worker, e->time_us + w->offset_us, direction, e + 1, e->length);
            w->packets++;
        }
        drain_done(ring, e);
    }
    if (!n)
        pcapng_file_flush(f);
    w->bytes = f->bytes;
    if (f->error)
        snprintf(w->why, sizeof w->why, "the file cannot be written: %s", strerror(f->error));
    return n != 0;
}

static void to_file(struct writer *w)
{
    static struct pcapng_file f;
    struct capture_job *job = w->job;
    uint64_t each[WORKERS_MAX];
    char why[256];
    if (!pcapng_file_open(&f, job->path, workers(w), unix_us(), why))
        refuse(w, why);
    drain_start(&job->region, job->filter,
                job->filter == CAPTURE_ROOM ? job->room : (uint64_t)SESSION_NONE << 32 | job->session);
    if (job->filter == CAPTURE_SESSION)
        follow_peer(w);
    tell(w, "running");
    answer(w, state_json(w, "running"));
    while (goes_on(w))
        if (!drain_to_file(w, &f))
            rest(IDLE_US);
    drain_stop(&job->region);
    rest(LEAVE_US);
    while (drain_to_file(w, &f))
        ;
    dropped(w, each);
    bool good = pcapng_file_close(&f, each, unix_us());
    w->bytes = f.bytes;
    tell(w, good ? "finished" : "failed");
    end(w, good ? 0 : 1);
}

/* ---- to a bundle ---- */

static void record_copy(struct writer *w, struct recording *rec)
{
    uint64_t asked = region_now_us();
    int released = 0;
    while (!recording_paused(rec) && region_now_us() - asked < ANSWER_US)
        rest(50);
    uint64_t paused = region_now_us();
    bool answered = recording_paused(rec);
    if (answered)
        recording_copy(rec);
    w->pause_us = (uint32_t)(region_now_us() - paused);
    while (answered && !(released = recording_released(rec)) && region_now_us() - paused < ANSWER_US)
        rest(50);
    if (released == 1)
        return;
    recording_stop(rec);
    recording_abandon(rec);
    refuse(w, !answered ? "the workers do not answer: is the dataplane running?"
              : released < 0
                  ? "the region took longer to copy than a worker waits (500 ms): nothing was recorded"
                  : "the workers did not go on: nothing was recorded");
}

/* In a process of its own: the inputs go on meanwhile. */
static pid_t save(struct writer *w, struct recording *rec)
{
    char why[256];
    pid_t pid = fork();
    if (pid == 0)
        _exit(!recording_save(rec, why));
    if (pid < 0)
        snprintf(rec->why, sizeof rec->why, "the snapshot could not be written");
    return pid;
}

static void take_counts(struct writer *w, const struct recording *rec)
{
    w->packets = rec->packets;
    w->bytes = rec->bytes;
    for (uint32_t k = 0; k < workers(w); k++)
        if (rec->worker[k].paused_us > w->worker_pause_us)
            w->worker_pause_us = rec->worker[k].paused_us;
    if (rec->why[0])
        memcpy(w->why, rec->why, sizeof w->why);
}

static void to_bundle(struct writer *w)
{
    static struct recording rec;
    struct capture_job *job = w->job;
    char why[256];
    int status = 1;
    if (!recording_begin(&rec, &job->region, job->path, w->offset_us, why))
        refuse(w, why);
    record_copy(w, &rec);
    pid_t saver = save(w, &rec);
    recording_drain(&rec);
    take_counts(w, &rec);
    tell(w, "running");
    answer(w, state_json(w, "running"));
    while (goes_on(w) && !recording_broken(&rec)) {
        if (!recording_drain(&rec))
            rest(IDLE_US);
        take_counts(w, &rec);
    }
    recording_stop(&rec);
    for (uint64_t from = region_now_us();
         !recording_stopped(&rec) && region_now_us() - from < CAPTURE_PAUSE_US;)
        if (!recording_drain(&rec))
            rest(IDLE_US);
    if (!recording_stopped(&rec) && !rec.why[0])
        snprintf(rec.why, sizeof rec.why, "the dataplane ended during the recording");
    if (saver > 0 && (waitpid(saver, &status, 0) != saver || status) && !rec.why[0])
        snprintf(rec.why, sizeof rec.why, "the snapshot could not be written");
    bool good = recording_finish(&rec, why);
    take_counts(w, &rec);
    tell(w, !good ? "failed" : rec.why[0] ? "incomplete" : "finished");
    end(w, good ? 0 : 1);
}

void capture_write(struct capture_job *job, int answer_fd)
{
    static struct writer w;
    struct stat st;
    struct sigaction action = {.sa_handler = on_end};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3 && null >= 0; fd++)
        dup2(null, fd);
    w = (struct writer){.job = job, .answer = answer_fd, .began_us = region_now_us()};
    w.offset_us = unix_us() - region_now_us();
    w.region_inode = stat(job->place.region, &st) ? 0 : st.st_ino;
    for (uint32_t k = 0; k < workers(&w); k++)
        w.dropped_before[k] = atomic_load(&drain_ring(&job->region, k)->dropped);
    capture_sign(job->lock, getpid());
    if (job->filter == CAPTURE_REPLAY)
        to_bundle(&w);
    to_file(&w);
    __builtin_unreachable();
}
