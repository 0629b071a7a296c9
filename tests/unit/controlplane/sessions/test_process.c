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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/controlplane/sessions/process.h"

static void it_serves_survives_kill_9_and_stops(void **state)
{
    struct pop p;
    struct stat st;
    char path[128], line[512];
    pop_open(&p);
    snprintf(path, sizeof path, "%s/control.sock", p.dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    json_t *account = pop_ask(&p, "{\"verb\":\"account.create\",\"args\":{\"name\":\"ann\"}}\n");
    assert_true(json_is_true(json_object_get(account, "ok")));
    const json_t *result = json_object_get(account, "result");
    const char *token = json_string_value(json_object_get(result, "token"));
    assert_non_null(token);
    snprintf(line, sizeof line, "{\"verb\":\"guild.create\",\"args\":{\"name\":\"demo\",\"owner\":\"%s\"}}\n",
             json_string_value(json_object_get(result, "id")));
    json_decref(pop_ask(&p, line));

    kill(p.pid, SIGKILL);
    waitpid(p.pid, NULL, 0);
    pop_start(&p);
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
    pop_say(&p, NOTICE_MESSAGE, &m, sizeof m.n + (size_t)n);
    const struct verb_session *bind = (const void *)pop_hear(&p, &p.fanout, VERB_SESSION_BIND)->payload;
    assert_int_equal(bind->connection, handle);
    const struct verb_dispatch *d = (const void *)pop_hear(&p, &p.fanout, VERB_DISPATCH)->payload;
    const struct event_log *log = region_section(&p.region, SECTION_EVENT_LOG);
    uint32_t length;
    const char *text = (const char *)event_text(event_at(log, d->event), 0, true, &length);
    assert_non_null(memmem(text, length, "\"READY\"", 7));
    d = (const void *)pop_hear(&p, &p.fanout, VERB_DISPATCH)->payload;
    text = (const char *)event_text(event_at(log, d->event), 0, true, &length);
    assert_non_null(memmem(text, length, "\"GUILD_CREATE\"", 14));

    json_t *list = pop_ask(&p, "{\"verb\":\"session.list\"}\n");
    assert_int_equal(json_array_size(json_object_get(list, "result")), 1);
    json_decref(list);
    json_t *show = pop_ask(&p, "{\"verb\":\"session.show\",\"args\":{\"session\":0}}\n");
    assert_string_equal(json_string_value(json_object_get(json_object_get(show, "result"), "username")),
                        "ann");
    json_decref(show);
    json_decref(account);
    pop_close(&p);
}

static void routes_and_rooms_are_served_on_the_socket(void **state)
{
    struct pop p;
    pop_open(&p);
    json_t *add = pop_ask(
        &p, "{\"verb\":\"route.add\",\"args\":{\"prefix\":\"198.18.8.0/24\",\"via\":\"198.18.0.2\"}}\n");
    assert_true(json_is_true(json_object_get(add, "ok")));
    json_decref(add);
    json_t *list = pop_ask(&p, "{\"verb\":\"route.list\"}\n");
    assert_int_equal(json_array_size(json_object_get(list, "result")), 3); /* link, default, ours */
    json_decref(list);
    json_t *bad = pop_ask(&p, "{\"verb\":\"route.remove\",\"args\":{\"prefix\":\"198.18.9.0/24\"}}\n");
    assert_true(json_is_false(json_object_get(bad, "ok")));
    assert_string_equal(json_string_value(json_object_get(bad, "error")), "no such route");
    json_decref(bad);
    json_t *room = pop_ask(&p, "{\"verb\":\"voice.bench_room\",\"args\":{\"members\":4,\"speakers\":1}}\n");
    assert_int_equal(json_array_size(json_object_get(json_object_get(room, "result"), "members")), 4);
    json_decref(room);
    json_decref(pop_ask(&p, "{\"verb\":\"room.list\"}\nthis is a second line that is not JSON\n"));
    json_t *unknown = pop_ask(&p, "{\"verb\":\"no.such\"}\n");
    assert_true(json_is_false(json_object_get(unknown, "ok")));
    json_decref(unknown);
    pop_close(&p);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_serves_survives_kill_9_and_stops),
        cmocka_unit_test(routes_and_rooms_are_served_on_the_socket),
    };
    if (argc != 2)
        return 2;
    pop_program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
