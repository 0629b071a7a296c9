/*
 * See process.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/controlplane/sessions/process.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"

const char *pop_program;

void pop_spawn(struct pop *p)
{
    struct region_process *self = &p->region.header->process[PROCESS_CONTROLPLANE];
    atomic_store(&self->ready, 0);
    p->pid = fork();
    if (p->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(pop_program, pop_program, "--config", p->config, (char *)NULL);
        _exit(127);
    }
}

bool pop_ready(const struct pop *p)
{
    return atomic_load(&p->region.header->process[PROCESS_CONTROLPLANE].ready);
}

void pop_start(struct pop *p)
{
    struct region_process *self = &p->region.header->process[PROCESS_CONTROLPLANE];
    pop_spawn(p);
    for (int i = 0; i < 5000 && !pop_ready(p); i++)
        usleep(1000);
    assert_true(pop_ready(p));
    assert_int_equal(atomic_load(&self->pid), p->pid);
}

void pop_open(struct pop *p)
{
    char path[128], note[256], why[CONFIG_WHY_MAX];
    static struct config c;
    struct region_geometry g;
    *p = (struct pop){.dir = "/tmp/voxpop-process-XXXXXX"};
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->config, sizeof p->config, "%s/voxpop.yaml", p->dir);
    FILE *f = fopen(p->config, "w");
    fprintf(f,
            "pop: {addresses: [198.18.0.1/24], run_directory: %s}\n"
            "dataplane: {port: {profile: virtual}}\n"
            "routes: {gateway4: 198.18.0.254}\n"
            "control: {rest_requests_per_second: 1000000}\n"
            "limits: {connections: 64, blocks: 256, descriptors: 1024, items: 256, chunks: 256, "
            "topic_chunks: 256,\n"
            "  rooms: 8, members: 16, sessions: 64, topics: 64, control_blocks: 256, log_segments: 4,\n"
            "  ring_bytes: 1048576, capture_bytes: 65536, undo_bytes: 131072}\n",
            p->dir);
    fclose(f);
    if (!config_load(&c, p->config, why))
        fail_msg("%s", why);
    config_geometry(&c, &g);
    snprintf(path, sizeof path, "%s/region", p->dir);
    assert_true(region_create(&p->region, path, NULL, &g, note, why));
    txn_attach(&p->txn, p->region.base, region_part(&p->region, 0, PART_TXN));
    ring_producer(&p->notice, region_part(&p->region, 0, PART_RING_NOTICE));
    ring_consumer(&p->command, region_part(&p->region, 0, PART_RING_COMMAND));
    ring_consumer(&p->fanout, region_part(&p->region, 0, PART_RING_FANOUT));
    pop_start(p);
}

void pop_close(struct pop *p)
{
    char command[128], path[128];
    int status;
    kill(p->pid, SIGTERM);
    waitpid(p->pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    snprintf(path, sizeof path, "%s/region", p->dir);
    region_remove(path);
    region_detach(&p->region);
    snprintf(command, sizeof command, "rm -rf '%s'", p->dir);
    assert_int_equal(system(command), 0);
}

json_t *pop_ask(const struct pop *p, const char *line)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    static char answer[1 << 20];
    size_t n = 0;
    snprintf(a.sun_path, sizeof a.sun_path, "%s/control.sock", p->dir);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(write(fd, line, strlen(line)), (ssize_t)strlen(line));
    while (!n || answer[n - 1] != '\n') {
        ssize_t r = read(fd, answer + n, sizeof answer - n);
        assert_true(r > 0);
        n += (size_t)r;
    }
    close(fd);
    json_t *j = json_loadb(answer, n, JSON_DISABLE_EOF_CHECK, NULL);
    assert_non_null(j);
    return j;
}

void pop_say(struct pop *p, enum notice type, const void *data, size_t length)
{
    txn_begin(&p->txn);
    struct ring_entry *e = ring_reserve(&p->notice, &p->txn, (uint16_t)type, (uint32_t)length);
    memcpy(e->payload, data, length);
    txn_commit(&p->txn);
    txn_publish(&p->txn);
}

const struct ring_entry *pop_hear(struct pop *p, struct ring_end *from, enum verb verb)
{
    for (int i = 0; i < 5000; i++) {
        struct ring_entry *e = ring_next(from);
        if (!e) {
            usleep(1000);
            continue;
        }
        txn_begin(&p->txn);
        ring_done(from, &p->txn, e);
        txn_commit(&p->txn);
        txn_publish(&p->txn);
        if (e->type == verb)
            return e;
    }
    fail_msg("no verb %d came", verb);
    return NULL;
}
