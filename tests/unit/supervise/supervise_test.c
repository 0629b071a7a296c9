/*
 * The supervisor with two stand-ins: what dies is started again, what lives is taken over, what is stopped
 * leaves nothing. Waits are for facts, with a bound; none of them measures time.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "controlplane/supervise/restart.h"
#include "controlplane/supervise/supervise.h"
#include "region.h"

#define PATIENCE_MS 20000

static const char *stand_in[2]; /* dataplane, controlplane */
static char directory[64], file[128];

struct world {
    pid_t supervisor;
    struct region region;
    bool attached;
};

static const char *log_path(void)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/log", directory);
    return path;
}

static const char *in_run(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/run/%s", directory, name);
    return path;
}

static void write_config(unsigned connections)
{
    FILE *f = fopen(file, "w");
    fprintf(
        f,
        "pop: {addresses: [198.18.0.1], run_directory: %s/run}\n"
        "dataplane: {hugepages: off, port: {profile: virtual}}\n"
        "supervise: {dataplane: %s, controlplane: %s, pause_min_ms: 1, pause_max_ms: 4, stop_timeout_s: 5}\n"
        "limits: {connections: %u, blocks: 256, descriptors: 1024, items: 256, chunks: 256, topic_chunks: "
        "64,\n"
        "         rooms: 1, members: 16, sessions: 16, topics: 16, control_blocks: 256, log_segments: 2,\n"
        "         ring_bytes: 1048576, capture_bytes: 65536, undo_bytes: 131072}\n",
        directory, stand_in[0], stand_in[1], connections);
    fclose(f);
}

static void start(struct world *w)
{
    w->supervisor = fork();
    if (w->supervisor == 0) {
        static struct config c;
        char why[CONFIG_WHY_MAX];
        int log = open(log_path(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(log, STDERR_FILENO);
        _exit(config_load(&c, file, why) ? supervise_run(&c, file) : 99);
    }
}

static bool until(bool (*holds)(struct world *), struct world *w)
{
    for (int i = 0; i < PATIENCE_MS / 10; i++) {
        if (holds(w))
            return true;
        poll(NULL, 0, 10);
    }
    return false;
}

static pid_t pid_in(const char *name)
{
    int pid = 0;
    FILE *f = fopen(in_run(name), "r");
    if (f && fscanf(f, "%d", &pid) != 1)
        pid = 0;
    if (f)
        fclose(f);
    return pid;
}

static bool attach(struct world *w)
{
    char why[256];
    if (!w->attached)
        w->attached = region_attach(&w->region, in_run("region"), false, why);
    return w->attached;
}

static uint32_t lives(struct world *w, enum region_process_name p)
{
    return atomic_load(&w->region.header->process[p].lives);
}

/* Both stand-ins serve, and the pid files name them. */
static bool serving(struct world *w)
{
    static const char *const files[] = {"dataplane.pid", "controlplane.pid"};
    if (!attach(w))
        return false;
    for (int i = 0; i < 2; i++) {
        const struct region_process *p = &w->region.header->process[PROCESS_DATAPLANE + i];
        if (!atomic_load(&p->ready) || (pid_t)atomic_load(&p->pid) != pid_in(files[i]) ||
            kill(pid_in(files[i]), 0))
            return false;
    }
    return true;
}

static void leave_region(struct world *w)
{
    if (w->attached)
        region_detach(&w->region);
    w->attached = false;
}

static int stop(struct world *w)
{
    int status = 0;
    kill(w->supervisor, SIGTERM);
    waitpid(w->supervisor, &status, 0);
    w->supervisor = 0;
    leave_region(w);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void kill_supervisor(struct world *w)
{
    kill(w->supervisor, SIGKILL);
    waitpid(w->supervisor, NULL, 0);
    w->supervisor = 0;
}

static bool logged(const char *text)
{
    static char log[65536];
    FILE *f = fopen(log_path(), "r");
    size_t n = f ? fread(log, 1, sizeof log - 1, f) : 0;
    log[n] = 0;
    if (f)
        fclose(f);
    return strstr(log, text) != NULL;
}

static int setup(void **state)
{
    strcpy(directory, "/tmp/supervise_test.XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(file, sizeof file, "%s/voxpop.yaml", directory);
    write_config(16);
    *state = calloc(1, sizeof(struct world));
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {
        "run/dataplane.hup", "run/controlplane.hup", "run/crash", "log", "voxpop.yaml", "run", ""};
    char path[256];
    struct world *w = *state;
    if (w->supervisor > 0) /* the test failed half-way */
        stop(w);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        remove(path);
    }
    bool left = access(directory, F_OK) == 0;
    free(*state);
    return left; /* something else was in the run directory */
}

static void both_processes_are_started_and_stopped_without_a_trace(void **state)
{
    struct world *w = *state;
    start(w);
    assert_true(until(serving, w));
    assert_int_equal(pid_in("supervise.pid"), w->supervisor);
    assert_int_equal(atomic_load(&w->region.header->process[PROCESS_SUPERVISOR].pid), w->supervisor);
    pid_t dataplane = pid_in("dataplane.pid"), controlplane = pid_in("controlplane.pid");
    assert_int_equal(stop(w), 0);
    assert_int_equal(kill(dataplane, 0), -1);
    assert_int_equal(kill(controlplane, 0), -1);
    assert_int_not_equal(access(in_run("region"), F_OK), 0);
    assert_int_not_equal(access(in_run("supervise.pid"), F_OK), 0);
    assert_int_not_equal(access(in_run("dataplane.pid"), F_OK), 0);
    assert_true(logged("event=stopped"));
}

static bool controlplane_lives_twice(struct world *w)
{
    return serving(w) && lives(w, PROCESS_CONTROLPLANE) == 2;
}

static bool dataplane_lives_twice(struct world *w)
{
    return serving(w) && lives(w, PROCESS_DATAPLANE) == 2;
}

static void killed_process_is_started_again_and_the_other_is_left_alone(void **state)
{
    struct world *w = *state;
    start(w);
    assert_true(until(serving, w));
    pid_t dataplane = pid_in("dataplane.pid");
    kill(pid_in("controlplane.pid"), SIGKILL);
    assert_true(until(controlplane_lives_twice, w));
    assert_int_equal(pid_in("dataplane.pid"), dataplane);
    assert_int_equal(lives(w, PROCESS_DATAPLANE), 1);
    kill(dataplane, SIGKILL);
    assert_true(until(dataplane_lives_twice, w));
    assert_int_equal(lives(w, PROCESS_CONTROLPLANE), 2);
    assert_true(logged("event=ended name=controlplane"));
    assert_true(logged("signal=9"));
    assert_int_equal(stop(w), 0);
}

static bool crashed_a_few_times(struct world *w)
{
    return logged("pause_ms=4");
}

static void process_that_cannot_start_is_tried_with_growing_pauses_until_it_can(void **state)
{
    struct world *w = *state;
    mkdir(in_run(""), 0700);
    fclose(fopen(in_run("crash"), "w"));
    start(w);
    assert_true(until(crashed_a_few_times, w));
    assert_true(logged("status=3"));
    assert_true(logged("pause_ms=0"));
    assert_true(logged("pause_ms=2"));
    unlink(in_run("crash"));
    assert_true(until(serving, w));
    assert_int_equal(stop(w), 0);
}

static void processes_outlive_the_supervisor_and_the_next_one_takes_them_over(void **state)
{
    struct world *w = *state;
    start(w);
    assert_true(until(serving, w));
    pid_t dataplane = pid_in("dataplane.pid"), controlplane = pid_in("controlplane.pid");
    kill_supervisor(w);
    assert_int_equal(kill(dataplane, 0), 0);
    start(w);
    for (int i = 0; i < PATIENCE_MS / 10 && !logged("adopted name=controlplane"); i++)
        poll(NULL, 0, 10);
    assert_true(until(serving, w));
    assert_true(logged("event=region_kept"));
    assert_int_equal(pid_in("dataplane.pid"), dataplane);
    assert_int_equal(pid_in("controlplane.pid"), controlplane);
    assert_int_equal(lives(w, PROCESS_DATAPLANE), 1);
    assert_int_equal(lives(w, PROCESS_SUPERVISOR), 2);
    /* One taken over is watched like a child. */
    kill(dataplane, SIGKILL);
    assert_true(until(dataplane_lives_twice, w));
    assert_int_equal(stop(w), 0);
}

static void region_of_another_geometry_is_discarded_and_its_processes_with_it(void **state)
{
    struct world *w = *state;
    start(w);
    assert_true(until(serving, w));
    pid_t dataplane = pid_in("dataplane.pid");
    kill_supervisor(w);
    leave_region(w);
    write_config(32);
    start(w);
    for (int i = 0; i < PATIENCE_MS / 10 && !logged("event=region_discarded"); i++)
        poll(NULL, 0, 10);
    assert_true(logged("another geometry"));
    for (int i = 0; i < PATIENCE_MS / 10 && !kill(dataplane, 0); i++)
        poll(NULL, 0, 10);
    assert_int_equal(kill(dataplane, 0), -1);
    leave_region(w);
    for (int i = 0; i < PATIENCE_MS / 10 && !serving(w); i++) {
        leave_region(w);
        poll(NULL, 0, 10);
    }
    assert_true(serving(w));
    assert_int_equal(w->region.header->geometry.connections, 32);
    assert_int_equal(lives(w, PROCESS_DATAPLANE), 1);
    assert_int_equal(stop(w), 0);
}

static void second_supervisor_in_the_same_directory_is_refused(void **state)
{
    struct world *w = *state, second = {0};
    int status;
    start(w);
    assert_true(until(serving, w));
    start(&second);
    waitpid(second.supervisor, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_true(logged("event=already_running"));
    assert_int_equal(pid_in("supervise.pid"), w->supervisor);
    assert_int_equal(stop(w), 0);
}

static bool reloaded(struct world *w)
{
    return access(in_run("dataplane.hup"), F_OK) == 0 && access(in_run("controlplane.hup"), F_OK) == 0;
}

static bool reload_refused(struct world *w)
{
    return logged("event=reload_refused");
}

static void hangup_reaches_both_processes_unless_the_configuration_is_bad(void **state)
{
    struct world *w = *state;
    start(w);
    assert_true(until(serving, w));
    kill(w->supervisor, SIGHUP);
    assert_true(until(reloaded, w));
    unlink(in_run("dataplane.hup"));
    FILE *f = fopen(file, "a");
    fprintf(f, "nonsense: 1\n");
    fclose(f);
    kill(w->supervisor, SIGHUP);
    assert_true(until(reload_refused, w));
    assert_int_not_equal(access(in_run("dataplane.hup"), F_OK), 0);
    write_config(16);
    assert_int_equal(stop(w), 0);
}

static void pauses_double_to_their_bound_and_begin_anew_after_a_stable_life(void **state)
{
    struct restart r = {.pause_min_us = 100, .pause_max_us = 5000, .stable_us = 10000};
    static const uint64_t expected[] = {0, 100, 200, 400, 800, 1600, 3200, 5000, 5000};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(restart_pause(&r, 9999), expected[i]);
    assert_int_equal(restart_pause(&r, 10000), 0);
    assert_int_equal(restart_pause(&r, 0), 100);
}

int main(int argc, char **argv)
{
    assert_int_equal(argc, 3);
    stand_in[0] = argv[1];
    stand_in[1] = argv[2];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_double_to_their_bound_and_begin_anew_after_a_stable_life),
        cmocka_unit_test_setup_teardown(both_processes_are_started_and_stopped_without_a_trace, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(killed_process_is_started_again_and_the_other_is_left_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(process_that_cannot_start_is_tried_with_growing_pauses_until_it_can,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(processes_outlive_the_supervisor_and_the_next_one_takes_them_over,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(region_of_another_geometry_is_discarded_and_its_processes_with_it,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(second_supervisor_in_the_same_directory_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(hangup_reaches_both_processes_unless_the_configuration_is_bad, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
