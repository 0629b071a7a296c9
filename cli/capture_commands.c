/*
 * voxpop capture start|stop|status.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/capture.h"
#include "cli/find.h"
#include "cli/show.h"
#include "dataplane/capture/drain.h"

#define STOP_MS 10000 /* how long a writer may take to finish */

static int say(int code, const char *text)
{
    fprintf(stderr, "voxpop: %s\n", text);
    return code;
}

/* ---- what is asked for ---- */

static int number(const struct invocation *i, const char *name, uint64_t unit, uint64_t *out)
{
    const char *text = invocation_option(i, name);
    char *end;
    *out = 0;
    if (!text)
        return EXIT_OK;
    unsigned long long n = strtoull(text, &end, 10);
    if (!n || *end || *text == '-' || n > UINT32_MAX) {
        fprintf(stderr, "voxpop: --%s takes a number from 1 on, not '%s'\n", name, text);
        return EXIT_USAGE;
    }
    *out = n * unit;
    return EXIT_OK;
}

/* The writer is told where by a name that does not depend on where it runs. */
static int whole_path(const char *name, char path[512])
{
    char here[PATH_MAX];
    int n = *name == '/' || !getcwd(here, sizeof here) ? snprintf(path, 512, "%s", name)
                                                       : snprintf(path, 512, "%s/%s", here, name);
    return n < 512 ? EXIT_OK : say(EXIT_USAGE, "the file's name is too long");
}

static int read_options(const struct invocation *i, struct capture_job *job)
{
    const char *session = invocation_option(i, "session"), *room = invocation_option(i, "room");
    const char *replay = invocation_option(i, "replay");
    if (!session + !room + !replay < 2)
        return say(EXIT_USAGE, "--session, --room and --replay exclude each other");
    if (!replay == !i->operands)
        return say(EXIT_USAGE, replay ? "a recording for replay goes to its directory, not to a FILE"
                                      : "FILE is missing");
    job->filter = session ? CAPTURE_SESSION : room ? CAPTURE_ROOM : replay ? CAPTURE_REPLAY : CAPTURE_ALL;
    int code = whole_path(replay ? replay : i->operand[0], job->path);
    if (!code)
        code = number(i, "duration", 1000000, &job->duration_us);
    return code ? code : number(i, "packets", 1, &job->packets_max);
}

static int find_subject(const struct invocation *i, struct capture_job *job)
{
    uint32_t worker, index;
    if (job->filter == CAPTURE_SESSION &&
        !find_session(&job->region, invocation_option(i, "session"), &job->session))
        return EXIT_FAILED;
    if (job->filter == CAPTURE_ROOM) {
        if (!find_room(&job->region, invocation_option(i, "room"), &worker, &index))
            return EXIT_FAILED;
        job->room = worker * job->region.header->geometry.rooms + index;
    }
    return EXIT_OK;
}

static int attach(const struct invocation *i, struct capture_job *job)
{
    char why[256];
    int code = place_find(i, &job->place);
    if (code)
        return code;
    return region_attach(&job->region, job->place.region, true, why) ? EXIT_OK
                                                                     : say(EXIT_CANNOT_CONNECT, why);
}

/* ---- start ---- */

static json_t *read_answer(int fd)
{
    char text[4096];
    size_t have = 0;
    for (ssize_t n; have < sizeof text &&
                    ((n = read(fd, text + have, sizeof text - have)) > 0 || (n < 0 && errno == EINTR));)
        have += n > 0 ? (size_t)n : 0;
    return json_loadb(text, have, 0, NULL);
}

/* Twice, so that nobody waits for it and it belongs to no terminal. */
static int launch(struct capture_job *job, int *answer)
{
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC))
        return say(EXIT_FAILED, strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        close(pipes[0]);
        if (fork() == 0)
            capture_write(job, pipes[1]);
        _exit(0);
    }
    close(pipes[1]);
    *answer = pipes[0];
    if (pid < 0)
        return say(EXIT_FAILED, strerror(errno));
    waitpid(pid, NULL, 0);
    return EXIT_OK;
}

static int start(const struct invocation *i, struct capture_job *job)
{
    long writer;
    int answer, code = find_subject(i, job);
    if (code)
        return code;
    job->lock = capture_lock(&job->place, &writer);
    if (job->lock < 0 && writer)
        return say(EXIT_FAILED,
                   "a capture is under way; see voxpop capture status, or end it with voxpop capture stop");
    if (job->lock < 0)
        return EXIT_FAILED;
    code = launch(job, &answer);
    close(job->lock);
    if (code)
        return code;
    json_t *told = read_answer(answer);
    close(answer);
    const char *error = json_string_value(json_object_get(told, "error"));
    if (!told || error) {
        code = say(EXIT_FAILED, error ? error : "the process that was to write the capture has died");
        json_decref(told);
        return code;
    }
    return show_value(i, told);
}

int run_capture_start(const struct invocation *i)
{
    struct capture_job job = {.lock = -1};
    int code = read_options(i, &job);
    if (!code)
        code = attach(i, &job);
    if (code)
        return code;
    code = start(i, &job);
    region_detach(&job.region);
    return code;
}

/* ---- stop ---- */

/* True when the writer is gone. */
static bool wait_for_end(const struct place *p)
{
    for (unsigned ms = 0; ms < STOP_MS; ms += 10) {
        long writer;
        int lock = capture_lock(p, &writer);
        if (lock >= 0) {
            close(lock);
            return true;
        }
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return false;
}

/* Nobody writes: a writer that was killed left its wish behind, or there was none. */
static int stop_orphan(const struct invocation *i, struct region *r)
{
    if (!drain_wanted(r))
        return say(EXIT_FAILED, "no capture is under way");
    drain_stop(r);
    return show_value(i, json_pack("{s:s, s:s}", "state", "stopped", "why",
                                   "its writer had died: the file holds what was written until then"));
}

/* Who names a file means that one. */
static bool is_another(const struct invocation *i, const struct place *p)
{
    char path[512];
    if (!i->operands || whole_path(i->operand[0], path))
        return false;
    json_t *told = capture_told(p);
    const char *file = json_string_value(json_object_get(told, "file"));
    if (!file)
        file = json_string_value(json_object_get(told, "directory"));
    bool another = file && strcmp(file, path) != 0;
    if (another)
        fprintf(stderr, "voxpop: the capture under way goes to %s\n", file);
    json_decref(told);
    return another;
}

int run_capture_stop(const struct invocation *i)
{
    struct capture_job job = {.lock = -1};
    long writer;
    int code = attach(i, &job);
    if (code)
        return code;
    int lock = capture_lock(&job.place, &writer);
    if (lock >= 0) {
        close(lock);
        code = stop_orphan(i, &job.region);
    } else if (!writer || is_another(i, &job.place)) {
        code = EXIT_FAILED;
    } else {
        drain_stop(&job.region);
        if (wait_for_end(&job.place))
            code = show_value(i, capture_told(&job.place));
        else
            code = say(EXIT_FAILED, "the capture's writer does not end; its pid is in capture.pid");
    }
    region_detach(&job.region);
    return code;
}

/* ---- status ---- */

int run_capture_status(const struct invocation *i)
{
    struct place p;
    long writer;
    int code = place_find(i, &p);
    if (code)
        return code;
    json_t *told = capture_told(&p);
    if (!told)
        return show_value(i, json_pack("{s:s}", "state", "none"));
    int lock = capture_lock(&p, &writer);
    if (lock >= 0) {
        close(lock);
        const char *state = json_string_value(json_object_get(told, "state"));
        if (state && strcmp(state, "running") == 0)
            json_object_set_new(told, "state", json_string("its writer has died"));
    }
    return show_value(i, told);
}
