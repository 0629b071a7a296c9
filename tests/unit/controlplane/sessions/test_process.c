/*
 * The process itself: it attaches a region, serves the operator's socket, answers over the rings, survives
 * kill -9 with everything in place, and stops when it is told to. Argument: the program.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "config/config.h"
#include "region.h"
#include "verb.h"

static const char *program;

struct pop {
    char dir[64], config[96];
    struct region region;
    struct ring_end notice, command, fanout;
    struct txn txn;
    pid_t pid;
};

static void start(struct pop *p)
{
    struct region_process *self = &p->region.header->process[PROCESS_CONTROLPLANE];
    atomic_store(&self->ready, 0);
    p->pid = fork();
    if (p->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(program, program, "--config", p->config, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 5000 && !atomic_load(&self->ready); i++)
        usleep(1000);
    assert_int_equal(atomic_load(&self->ready), 1);
    assert_int_equal(atomic_load(&self->pid), p->pid);
}

static void open_pop(struct pop *p)
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
    start(p);
}

static void close_pop(struct pop *p)
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

/* One request on the operator's socket. */
static json_t *ask(const struct pop *p, const char *line)
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

static void say(struct pop *p, enum notice type, const void *data, size_t length)
{
    txn_begin(&p->txn);
    struct ring_entry *e = ring_reserve(&p->notice, &p->txn, (uint16_t)type, (uint32_t)length);
    memcpy(e->payload, data, length);
    txn_commit(&p->txn);
    txn_publish(&p->txn);
}

/* The next entry of a ring, within five seconds. */
static const struct ring_entry *hear(struct pop *p, struct ring_end *from, enum verb verb)
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

static void it_serves_survives_kill_9_and_stops(void **state)
{
    struct pop p;
    struct stat st;
    char path[128], line[512];
    open_pop(&p);
    snprintf(path, sizeof path, "%s/control.sock", p.dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    json_t *account = ask(&p, "{\"verb\":\"account.create\",\"args\":{\"name\":\"ann\"}}\n");
    assert_true(json_is_true(json_object_get(account, "ok")));
    const json_t *result = json_object_get(account, "result");
    const char *token = json_string_value(json_object_get(result, "token"));
    assert_non_null(token);
    snprintf(line, sizeof line, "{\"verb\":\"guild.create\",\"args\":{\"name\":\"demo\",\"owner\":\"%s\"}}\n",
             json_string_value(json_object_get(result, "id")));
    json_decref(ask(&p, line));

    kill(p.pid, SIGKILL);
    waitpid(p.pid, NULL, 0);
    start(&p);
    assert_int_equal(atomic_load(&p.region.header->process[PROCESS_CONTROLPLANE].lives), 2);

    struct pool *connections = region_part(&p.region, 0, PART_CONNECTIONS);
    connections->fresh = 1;
    *connection_at(&p.region, 0, 0) = (struct connection){
        .generation = 1, .kind = CONNECTION_GATEWAY, .version = 10, .session = UINT32_MAX};
    uint64_t handle = connection_handle(0, 1);
    union {
        struct notice_message n;
        char bytes[1024];
    } m = {.n = {.connection = handle, .session = UINT32_MAX, .opcode = 1}};
    int n = snprintf(m.bytes + sizeof m.n, sizeof m - sizeof m.n,
                     "{\"op\":2,\"d\":{\"token\":\"%s\",\"properties\":{},\"intents\":513}}", token);
    say(&p, NOTICE_MESSAGE, &m, sizeof m.n + (size_t)n);
    const struct verb_session *bind = (const void *)hear(&p, &p.fanout, VERB_SESSION_BIND)->payload;
    assert_int_equal(bind->connection, handle);
    const struct verb_dispatch *d = (const void *)hear(&p, &p.fanout, VERB_DISPATCH)->payload;
    const struct event_log *log = region_section(&p.region, SECTION_EVENT_LOG);
    uint32_t length;
    const char *text = (const char *)event_text(event_at(log, d->event), 0, true, &length);
    assert_non_null(memmem(text, length, "\"READY\"", 7));
    d = (const void *)hear(&p, &p.fanout, VERB_DISPATCH)->payload;
    text = (const char *)event_text(event_at(log, d->event), 0, true, &length);
    assert_non_null(memmem(text, length, "\"GUILD_CREATE\"", 14));

    json_t *list = ask(&p, "{\"verb\":\"session.list\"}\n");
    assert_int_equal(json_array_size(json_object_get(list, "result")), 1);
    json_decref(list);
    json_t *show = ask(&p, "{\"verb\":\"session.show\",\"args\":{\"session\":0}}\n");
    assert_string_equal(json_string_value(json_object_get(json_object_get(show, "result"), "username")),
                        "ann");
    json_decref(show);
    json_decref(account);
    close_pop(&p);
}

static void routes_and_rooms_are_served_on_the_socket(void **state)
{
    struct pop p;
    open_pop(&p);
    json_t *add =
        ask(&p, "{\"verb\":\"route.add\",\"args\":{\"prefix\":\"198.18.8.0/24\",\"via\":\"198.18.0.2\"}}\n");
    assert_true(json_is_true(json_object_get(add, "ok")));
    json_decref(add);
    json_t *list = ask(&p, "{\"verb\":\"route.list\"}\n");
    assert_int_equal(json_array_size(json_object_get(list, "result")), 3); /* link, default, ours */
    json_decref(list);
    json_t *bad = ask(&p, "{\"verb\":\"route.remove\",\"args\":{\"prefix\":\"198.18.9.0/24\"}}\n");
    assert_true(json_is_false(json_object_get(bad, "ok")));
    assert_string_equal(json_string_value(json_object_get(bad, "error")), "no such route");
    json_decref(bad);
    json_t *room = ask(&p, "{\"verb\":\"voice.bench_room\",\"args\":{\"members\":4,\"speakers\":1}}\n");
    assert_int_equal(json_array_size(json_object_get(json_object_get(room, "result"), "members")), 4);
    json_decref(room);
    json_decref(ask(&p, "{\"verb\":\"room.list\"}\nthis is a second line that is not JSON\n"));
    json_t *unknown = ask(&p, "{\"verb\":\"no.such\"}\n");
    assert_true(json_is_false(json_object_get(unknown, "ok")));
    json_decref(unknown);
    close_pop(&p);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_serves_survives_kill_9_and_stops),
        cmocka_unit_test(routes_and_rooms_are_served_on_the_socket),
    };
    if (argc != 2)
        return 2;
    program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
