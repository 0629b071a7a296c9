/*
 * The supervisor's loop; see supervise.h.
 *
 *      STARTING --both ready--> SERVING --SIGTERM--> STOPPING --both gone--> the end
 *
 * STARTING and SERVING differ in what was said to systemd only: a process that dies is restarted in both.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/supervise/supervise.h"

#include "controlplane/supervise/child.h"
#include "controlplane/supervise/keep.h"
#include "controlplane/supervise/leftover.h"
#include "config/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS  50 /* alive_us is stored at least every 100 ms */
#define CHILDREN 2

struct supervisor {
    const struct config *config;
    char file[PATH_MAX];
    char region_path[512];
    char pid_file[512];
    struct region region;
    struct child child[CHILDREN];
    int lock; /* the run directory, locked */
    int signals;
    bool serving;
    bool stopping;
    uint64_t kill_at_us; /* stopping: when patience ends */
};

/* systemd's readiness protocol; nothing without it. */
static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!path || !*path || strlen(path) >= sizeof to.sun_path)
        return;
    memcpy(to.sun_path, path, strlen(path));
    if (*path == '@')
        to.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    sendto(fd, state, strlen(state), 0, (struct sockaddr *)&to,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
    close(fd);
}

/* mkdir -p, 0700: what lies here is secret. */
static bool make_directory(const char *path)
{
    char part[CONFIG_PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        if (mkdir(part, 0755) && errno != EEXIST)
            return false;
        *slash = '/';
    }
    return mkdir(part, 0700) == 0 || errno == EEXIST;
}

/* The run directory, for this supervisor alone. */
static bool take_directory(struct supervisor *s)
{
    const char *directory = s->config->pop.run_directory;
    if (!make_directory(directory) || (s->lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        log_event(LOG_ERROR, "run_directory_failed", "path=%s error=%s", directory,
                  log_text(strerror(errno)).text);
        return false;
    }
    if (flock(s->lock, LOCK_EX | LOCK_NB)) {
        log_event(LOG_ERROR, "already_running", "path=%s", directory);
        return false;
    }
    snprintf(s->pid_file, sizeof s->pid_file, "%s/supervise.pid", directory);
    snprintf(s->region_path, sizeof s->region_path, "%s/" CONFIG_REGION_FILE, directory);
    if (!child_write_pid(s->pid_file, getpid())) {
        log_event(LOG_ERROR, "pid_file_failed", "file=%s error=%s", s->pid_file,
                  log_text(strerror(errno)).text);
        return false;
    }
    return true;
}

/* Ends processes that use a region which is not kept: they would serve from a file that nobody sees. */
static void end_strangers(struct supervisor *s)
{
    for (int i = 0; i < CHILDREN; i++) {
        struct child *ch = &s->child[i];
        if (!child_adopt(ch, NULL))
            continue;
        struct pollfd gone = {.fd = ch->pidfd, .events = POLLIN};
        child_signal(ch, SIGTERM);
        if (poll(&gone, 1, (int)s->config->supervise.stop_timeout_s * 1000) == 0) {
            child_signal(ch, SIGKILL);
            poll(&gone, 1, 1000);
        }
        child_ended(ch, true);
        ch->restart.deaths = 0;
        ch->due_us = 0;
    }
}

static bool open_region(struct supervisor *s)
{
    char why[256], note[256];
    if (keep_existing(&s->region, s->region_path, s->config, why)) {
        log_event(LOG_INFO, "region_kept", "size_mib=%llu", (unsigned long long)s->region.size >> 20);
        for (int i = 0; i < CHILDREN; i++)
            child_adopt(&s->child[i], &s->region);
    } else {
        if (*why)
            log_event(LOG_WARNING, "region_discarded", "reason=%s", log_text(why).text);
        end_strangers(s);
        if (!keep_create(&s->region, s->region_path, s->config, note, why)) {
            log_event(LOG_ERROR, "region_failed", "reason=%s", log_text(why).text);
            return false;
        }
        log_event(LOG_INFO, "region_created", "size_mib=%llu hugepages=%d note=%s",
                  (unsigned long long)s->region.size >> 20, s->region.huge, log_text(note).text);
    }
    region_process_enter(&s->region, PROCESS_SUPERVISOR);
    atomic_store(&s->region.header->process[PROCESS_SUPERVISOR].ready, 1);
    return true;
}

static bool take_signals(struct supervisor *s)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->signals >= 0;
}

static void reload(struct supervisor *s)
{
    struct config *fresh = malloc(sizeof *fresh);
    char *why = malloc(CONFIG_WHY_MAX);
    if (fresh && why && config_load(fresh, s->file, why)) {
        log_limit((enum log_level)fresh->log.level, fresh->log.lines_per_second);
        log_event(LOG_INFO, "reload", "file=%s", s->file);
        for (int i = 0; i < CHILDREN; i++)
            child_signal(&s->child[i], SIGHUP);
    } else {
        if (why)
            why[strcspn(why, "\n")] = 0;
        log_event(LOG_ERROR, "reload_refused", "reason=%s", log_text(why ? why : "no memory").text);
    }
    free(fresh);
    free(why);
}

static void stop(struct supervisor *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    s->kill_at_us = region_now_us() + s->config->supervise.stop_timeout_s * 1000000ull;
    log_event(LOG_INFO, "stopping", "patience_s=%u", s->config->supervise.stop_timeout_s);
    notify("STOPPING=1");
    atomic_store(&s->region.header->process[PROCESS_SUPERVISOR].ready, 0);
    for (int i = 0; i < CHILDREN; i++)
        child_signal(&s->child[i], SIGTERM);
}

static void hear_signals(struct supervisor *s)
{
    struct signalfd_siginfo info;
    while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP)
            reload(s);
        else
            stop(s);
    }
}

static void start_due(struct supervisor *s)
{
    uint64_t now_us = region_now_us();
    for (int i = 0; i < CHILDREN; i++)
        if (s->child[i].pidfd < 0 && !s->stopping && s->child[i].due_us <= now_us)
            child_start(&s->child[i], s->config, s->file);
}

/* Readiness is each process's own word; it must be of the life that runs now. */
static void look_ready(struct supervisor *s)
{
    bool ready = !s->stopping;
    for (int i = 0; i < CHILDREN; i++) {
        const struct region_process *p = &s->region.header->process[s->child[i].process];
        ready = ready && s->child[i].pid && (pid_t)atomic_load(&p->pid) == s->child[i].pid &&
                atomic_load(&p->ready);
    }
    if (ready && !s->serving) {
        log_event(LOG_INFO, "ready", "dataplane=%d controlplane=%d", (int)s->child[0].pid,
                  (int)s->child[1].pid);
        notify("READY=1");
    }
    s->serving = ready;
}

/* Until the next child is due, a tick at most. */
static int patience_ms(const struct supervisor *s)
{
    uint64_t now_us = region_now_us(), wait_us = TICK_MS * 1000;
    for (int i = 0; i < CHILDREN && !s->stopping; i++) {
        const struct child *ch = &s->child[i];
        if (ch->pidfd < 0 && ch->due_us < now_us + wait_us)
            wait_us = ch->due_us > now_us ? ch->due_us - now_us : 0;
    }
    return (int)((wait_us + 999) / 1000);
}

static void loop(struct supervisor *s)
{
    for (;;) {
        struct pollfd p[CHILDREN + 1] = {{.fd = s->signals, .events = POLLIN}};
        bool any = false;
        start_due(s);
        for (int i = 0; i < CHILDREN; i++) {
            p[i + 1] = (struct pollfd){.fd = s->child[i].pidfd, .events = POLLIN};
            any = any || s->child[i].pidfd >= 0;
        }
        if (s->stopping && !any)
            return;
        poll(p, CHILDREN + 1, patience_ms(s));
        uint64_t now_us = region_now_us();
        atomic_store(&s->region.header->process[PROCESS_SUPERVISOR].alive_us, now_us);
        for (int i = 0; i < CHILDREN; i++)
            if (p[i + 1].revents)
                child_ended(&s->child[i], s->stopping);
        if (p[0].revents)
            hear_signals(s);
        if (s->stopping && now_us >= s->kill_at_us)
            for (int i = 0; i < CHILDREN; i++)
                child_signal(&s->child[i], SIGKILL);
        look_ready(s);
    }
}

/* After a kill the program is still there. In a process of its own, for the namespace's sake. */
static void detach_leftovers(const struct config *c)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (leftover_enter_netns(c))
            leftover_detach(c);
        _exit(0);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
}

int supervise_run(const struct config *c, const char *file)
{
    struct supervisor s = {.config = c, .lock = -1, .signals = -1};
    int code = 1;
    log_process("supervise");
    log_limit((enum log_level)c->log.level, c->log.lines_per_second);
    if (!realpath(file, s.file)) {
        log_event(LOG_ERROR, "no_configuration", "file=%s error=%s", file, log_text(strerror(errno)).text);
        return 1;
    }
    if (!child_prepare(&s.child[0], c, "dataplane", PROCESS_DATAPLANE) ||
        !child_prepare(&s.child[1], c, "controlplane", PROCESS_CONTROLPLANE) || !take_directory(&s))
        goto out;
    if (!take_signals(&s) || !open_region(&s))
        goto out;
    loop(&s);
    detach_leftovers(c);
    region_detach(&s.region);
    region_remove(s.region_path);
    unlink(s.pid_file);
    log_event(LOG_INFO, "stopped", "pid=%d", (int)getpid());
    code = 0;
out:
    if (s.signals >= 0)
        close(s.signals);
    if (s.lock >= 0)
        close(s.lock);
    return code;
}
