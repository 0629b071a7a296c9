/*
 * Starting, taking over and burying a process; see child.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/supervise/child.h"

#include "controlplane/supervise/leftover.h"
#include "config/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the programs are, seen from the directory of voxpop: build tree, side by side, installed. */
static bool find_program(char *out, size_t size, const char *name)
{
    char self[PATH_MAX], sibling[64], path[PATH_MAX + 128];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return false;
    self[n] = 0;
    *strrchr(self, '/') = 0;
    snprintf(sibling, sizeof sibling, "../%s", name);
    const char *const places[] = {sibling, ".", "../libexec/voxpop", "../lib/voxpop"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%s/%s/voxpop-%s", self, places[i], name);
        char *real = realpath(path, NULL);
        bool good = real && access(real, X_OK) == 0 && strlen(real) < size;
        if (good)
            memcpy(out, real, strlen(real) + 1);
        free(real);
        if (good)
            return true;
    }
    return false;
}

bool child_prepare(struct child *ch, const struct config *c, const char *name,
                   enum region_process_name process)
{
    const struct config_supervise *s = &c->supervise;
    const char *given = process == PROCESS_DATAPLANE ? s->dataplane : s->controlplane;
    *ch = (struct child){
        .name = name,
        .process = process,
        .pidfd = -1,
        .restart = {.pause_min_us = s->pause_min_ms * 1000ull,
                    .pause_max_us = s->pause_max_ms * 1000ull,
                    .stable_us = s->stable_s * 1000000ull},
    };
    snprintf(ch->pid_file, sizeof ch->pid_file, "%s/%s.pid", c->pop.run_directory, name);
    bool found;
    if (*given) {
        char *real = realpath(given, NULL);
        found = real && strlen(real) < sizeof ch->program && access(real, X_OK) == 0;
        if (found)
            memcpy(ch->program, real, strlen(real) + 1);
        free(real);
    } else {
        found = find_program(ch->program, sizeof ch->program, name);
    }
    if (!found)
        log_event(LOG_ERROR, "no_program", "name=%s path=\"%s\" hint=\"build it, or set supervise.%s\"", name,
                  given, name);
    return found;
}

bool child_write_pid(const char *path, pid_t pid)
{
    char next[520];
    snprintf(next, sizeof next, "%s.new", path);
    FILE *f = fopen(next, "we");
    if (!f)
        return false;
    bool good = fprintf(f, "%d\n", (int)pid) > 0;
    good = fclose(f) == 0 && good;
    return good && rename(next, path) == 0;
}

/* In the new process. */
static void become(const struct child *ch, const struct config *c, const char *file)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_IGN); /* the log's reader may go before us */
    setpgid(0, 0);            /* a terminal's ^C is the supervisor's to pass on */
    int null = open("/dev/null", O_RDONLY);
    if (null >= 0)
        dup2(null, STDIN_FILENO);
    if (ch->process == PROCESS_DATAPLANE) {
        if (!leftover_enter_netns(c))
            _exit(126);
        leftover_detach(c);
    }
    execl(ch->program, ch->program, "--config", file, (char *)NULL);
    log_event(LOG_ERROR, "exec_failed", "name=%s program=%s error=%s", ch->name, ch->program,
              log_text(strerror(errno)).text);
    _exit(127);
}

bool child_start(struct child *ch, const struct config *c, const char *file)
{
    pid_t pid = fork();
    if (pid == 0)
        become(ch, c, file);
    int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (pidfd < 0) {
        log_event(LOG_ERROR, "start_failed", "name=%s error=%s", ch->name, log_text(strerror(errno)).text);
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        ch->due_us = region_now_us() + ch->restart.pause_max_us;
        return false;
    }
    ch->pid = pid;
    ch->pidfd = pidfd;
    ch->own = true;
    ch->started_us = region_now_us();
    if (!child_write_pid(ch->pid_file, pid))
        log_event(LOG_ERROR, "pid_file_failed", "file=%s error=%s", ch->pid_file,
                  log_text(strerror(errno)).text);
    log_event(LOG_INFO, "started", "name=%s pid=%d", ch->name, (int)pid);
    return true;
}

/* Does process `pid` run our program? A file that was replaced since counts: the region's layout is equal. */
static bool runs(pid_t pid, const char *program)
{
    char link[64], exe[PATH_MAX];
    snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
    ssize_t n = readlink(link, exe, sizeof exe - 1);
    if (n <= 0)
        return false;
    exe[n] = 0;
    char *deleted = strstr(exe, " (deleted)");
    if (deleted && !deleted[10])
        *deleted = 0;
    return strcmp(exe, program) == 0;
}

static pid_t read_pid(const char *path)
{
    int pid = 0;
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "%d", &pid) != 1)
        pid = 0;
    if (f)
        fclose(f);
    return pid > 1 ? pid : 0;
}

static bool adopt(struct child *ch, pid_t pid)
{
    int pidfd = pid > 1 ? pidfd_open(pid, 0) : -1;
    if (pidfd < 0)
        return false;
    /* After the pidfd: the number cannot come to mean another process any more. */
    if (!runs(pid, ch->program)) {
        close(pidfd);
        return false;
    }
    ch->pid = pid;
    ch->pidfd = pidfd;
    ch->own = false;
    ch->started_us = region_now_us();
    if (!child_write_pid(ch->pid_file, pid))
        log_event(LOG_ERROR, "pid_file_failed", "file=%s error=%s", ch->pid_file,
                  log_text(strerror(errno)).text);
    log_event(LOG_INFO, "adopted", "name=%s pid=%d", ch->name, (int)pid);
    return true;
}

bool child_adopt(struct child *ch, const struct region *r)
{
    return (r && adopt(ch, (pid_t)atomic_load(&r->header->process[ch->process].pid))) ||
           adopt(ch, read_pid(ch->pid_file));
}

void child_ended(struct child *ch, bool asked)
{
    siginfo_t info = {0};
    uint64_t lived_us = region_now_us() - ch->started_us;
    if (ch->own && waitid(P_PIDFD, (id_t)ch->pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
        return; /* not yet */
    close(ch->pidfd);
    unlink(ch->pid_file);
    uint64_t pause_us = restart_pause(&ch->restart, lived_us);
    ch->due_us = region_now_us() + pause_us;
    const char *how = !ch->own ? "adopted" : info.si_code == CLD_EXITED ? "status" : "signal";
    log_event(asked ? LOG_INFO : LOG_WARNING, "ended", "name=%s pid=%d %s=%d lived_ms=%llu pause_ms=%llu",
              ch->name, (int)ch->pid, how, ch->own ? info.si_status : 1, (unsigned long long)lived_us / 1000,
              (unsigned long long)pause_us / 1000);
    ch->pid = 0;
    ch->pidfd = -1;
}

void child_signal(const struct child *ch, int signal)
{
    if (ch->pidfd >= 0)
        pidfd_send_signal(ch->pidfd, signal, NULL, 0);
}
