/*
 * The operator's tool, run as a program against a made-up region and a made-up control plane: what it prints,
 * what it asks for, and its exit codes.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_box.h"

static const char *voxpop;
static char directory[64], region_file[96], socket_file[96];
static char out[65536]; /* stdout and stderr of the last command */

static int setup(void **state)
{
    struct region r;
    strcpy(directory, "/tmp/cli_test.XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(region_file, sizeof region_file, "%s/region", directory);
    snprintf(socket_file, sizeof socket_file, "%s/control.sock", directory);
    fake_box(&r, (uint32_t)getpid());
    /* A next hop, as the control plane would publish it. */
    struct route_tables *t = region_section(&r, SECTION_ROUTES);
    struct route_hop hop = {.port = 1, .mtu = 1400};
    uint8_t prefix[16] = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 19};
    memcpy(hop.gateway, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x12\x00\x09", 16);
    route_add(&t->table[route_active(&t->swap)], prefix, 96 + 16, &hop);
    FILE *f = fopen(region_file, "w");
    bool good = f && fwrite(r.base, 1, r.size, f) == r.size;
    if (f)
        fclose(f);
    free(r.base);
    return good ? 0 : -1;
}

static int teardown(void **state)
{
    unlink(region_file);
    unlink(socket_file);
    return rmdir(directory);
}

/* Runs voxpop with these words; returns its exit code. */
static int run(const char *const words[])
{
    const char *argv[24] = {voxpop};
    int pipes[2], status, n = 0;
    size_t have = 0;
    while (words[n]) {
        argv[n + 1] = words[n];
        n++;
    }
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        dup2(pipes[1], STDERR_FILENO);
        execv(voxpop, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(pipes[1]);
    for (ssize_t got; (got = read(pipes[0], out + have, sizeof out - 1 - have)) > 0;)
        have += (size_t)got;
    out[have] = 0;
    close(pipes[0]);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})
#define HERE     "--run", directory

static json_t *printed(void)
{
    json_t *j = json_loads(out, 0, NULL);
    assert_non_null(j);
    return j;
}

static const char *string_at(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

static json_int_t integer_at(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

static void status_prints_one_screen_and_the_same_as_json(void **state)
{
    assert_int_equal(RUN(HERE, "status"), 0);
    assert_non_null(strstr(out, "POP            ready\n"));
    assert_non_null(strstr(out, "connections    3 open, 1 shaking hands\n"));
    assert_non_null(strstr(out, "TCP_CHECKSUM                         11 "));
    assert_non_null(strstr(out, "vxp1           DOWN "));
    assert_int_equal(RUN("status", "--json", HERE), 0);
    json_t *j = printed();
    assert_true(json_is_true(json_object_get(j, "ready")));
    assert_int_equal(integer_at(json_object_get(j, "connections"), "open"), 3);
    assert_int_equal(integer_at(json_object_get(j, "drops"), "TCP_CHECKSUM"), 11);
    json_decref(j);
}

static void session_list_names_every_session(void **state)
{
    assert_int_equal(RUN(HERE, "session", "list", "--json"), 0);
    json_t *j = printed();
    assert_int_equal(json_array_size(j), 3);
    const json_t *away = json_array_get(j, 1);
    assert_string_equal(string_at(away, "user"), "1002");
    assert_string_equal(string_at(away, "state"), "away");
    assert_true(json_is_null(json_object_get(away, "connection")));
    assert_string_equal(string_at(json_array_get(j, 2), "kind"), "voice");
    json_decref(j);
}

static void session_show_goes_from_tcp_to_voice(void **state)
{
    assert_int_equal(RUN(HERE, "--json", "session", "show", "0"), 0);
    json_t *j = printed();
    assert_string_equal(string_at(j, "peer"), "198.18.0.7:40007");
    assert_string_equal(string_at(json_object_get(j, "tcp"), "state"), "established");
    assert_int_equal(integer_at(json_object_get(j, "tcp"), "cwnd_bytes"), 14480);
    assert_int_equal(integer_at(json_object_get(j, "tcp"), "unacknowledged_bytes"), 100);
    assert_string_equal(string_at(json_object_get(j, "tls"), "suite"), "TLS_AES_128_GCM_SHA256");
    assert_int_equal(integer_at(json_object_get(j, "tls"), "next_write_record"), 22);
    assert_int_equal(integer_at(json_object_get(j, "websocket"), "version"), 10);
    assert_int_equal(integer_at(json_object_get(j, "queue"), "acknowledged"), 8);
    const json_t *voice = json_object_get(j, "voice");
    assert_int_equal(integer_at(voice, "voice_session"), 2);
    assert_int_equal(integer_at(voice, "ssrc"), 5000);
    assert_string_equal(string_at(voice, "address_state"), "bound");
    assert_int_equal(integer_at(voice, "lost"), 2);
    assert_float_equal(json_real_value(json_object_get(voice, "jitter_ms")), 3.33, 0.001);
    json_decref(j);
}

static void session_is_found_by_the_beginning_of_its_id(void **state)
{
    assert_int_equal(RUN(HERE, "session", "show", "A1A1", "--json"), 0);
    json_t *j = printed();
    assert_int_equal(integer_at(j, "session"), 1);
    assert_null(json_object_get(j, "tcp"));
    json_decref(j);
    assert_int_equal(RUN(HERE, "session", "show", "a1"), 1);
    assert_int_equal(RUN(HERE, "session", "show", "7"), 1);
    assert_string_equal(out, "voxpop: no session 7; see voxpop session list\n");
}

/* The made-up box fills every key, secret and token with this byte. */
static void no_command_prints_a_key(void **state)
{
    static const char *const commands[][3] = {{"session", "show", "0"}, {"session", "show", "2"},
                                              {"session", "list"},      {"connection", "show", "0"},
                                              {"connection", "list"},   {"room", "show", "0"}};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        assert_int_equal(RUN(HERE, "--json", commands[i][0], commands[i][1], commands[i][2]), 0);
        assert_null(strstr(out, "5e5e"));
        assert_null(strstr(out, "^^^^"));
    }
}

static void room_is_found_by_channel_and_lists_its_members(void **state)
{
    assert_int_equal(RUN(HERE, "room", "list", "--json"), 0);
    json_t *j = printed();
    assert_int_equal(json_array_size(j), 1);
    assert_int_equal(integer_at(json_array_get(j, 0), "members"), 2);
    json_decref(j);
    assert_int_equal(RUN(HERE, "room", "show", "78", "--json"), 0);
    j = printed();
    const json_t *members = json_object_get(j, "members");
    assert_int_equal(json_array_size(members), 2);
    assert_string_equal(string_at(json_array_get(members, 1), "user"), "1003");
    json_decref(j);
    assert_int_equal(RUN(HERE, "room", "show", "79"), 1);
}

static void connections_are_numbered_over_all_workers(void **state)
{
    assert_int_equal(RUN(HERE, "connection", "list", "--json"), 0);
    json_t *j = printed();
    assert_int_equal(json_array_size(j), 3);
    assert_int_equal(integer_at(json_array_get(j, 2), "connection"), 16);
    assert_string_equal(string_at(json_array_get(j, 2), "kind"), "handshake");
    json_decref(j);
    assert_int_equal(RUN(HERE, "connection", "show", "16"), 0);
    assert_int_equal(RUN(HERE, "connection", "show", "3"), 1);
    assert_int_equal(RUN(HERE, "connection", "show", "4000000000"), 1);
}

static void routes_and_presences_are_read_from_the_region(void **state)
{
    assert_int_equal(RUN(HERE, "route", "list", "--json"), 0);
    assert_string_equal(out,
                        "[{\"prefix\":\"198.19.0.0/16\",\"via\":\"198.18.0.9\",\"port\":1,\"mtu\":1400}]\n");
    assert_int_equal(RUN(HERE, "presence", "list"), 0);
    assert_non_null(strstr(out, "1001  online  web"));
}

/* A control plane for one command: keeps what was asked in `asked`, answers `answer`. */
static int asked(const char *answer, char request[1024], const char *const words[])
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), pipes[2];
    strcpy(at.sun_path, socket_file);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20); /* nobody may come */
        int c = accept(fd, NULL, NULL);
        ssize_t n = read(c, request, 1024);
        if (write(pipes[1], request, (size_t)n) != n || write(c, answer, strlen(answer)) < 0)
            _exit(1);
        _exit(0);
    }
    close(fd);
    close(pipes[1]);
    int code = run(words);
    ssize_t n = read(pipes[0], request, 1023);
    request[n > 0 ? n : 0] = 0;
    close(pipes[0]);
    waitpid(pid, NULL, 0);
    unlink(socket_file);
    return code;
}

#define ASKED(answer, ...) asked(answer, request, (const char *const[]){__VA_ARGS__, NULL})

static void changes_are_asked_of_the_control_plane(void **state)
{
    char request[1024];
    assert_int_equal(ASKED("{\"ok\":true,\"result\":{\"id\":\"7\",\"token\":\"t\"}}\n", HERE, "account",
                           "create", "alice", "--bot", "--json"),
                     0);
    assert_string_equal(request,
                        "{\"verb\":\"account.create\",\"args\":{\"name\":\"alice\",\"bot\":true}}\n");
    assert_string_equal(out, "{\"id\":\"7\",\"token\":\"t\"}\n");
    assert_int_equal(ASKED("{\"ok\":true,\"result\":{}}\n", HERE, "account", "create", "--", "--bob"), 0);
    assert_string_equal(request,
                        "{\"verb\":\"account.create\",\"args\":{\"name\":\"--bob\",\"bot\":false}}\n");
    assert_int_equal(
        ASKED("{\"ok\":true,\"result\":{}}\n", HERE, "channel", "create", "1", "general", "--type=voice"), 0);
    assert_string_equal(
        request,
        "{\"verb\":\"channel.create\",\"args\":{\"guild\":\"1\",\"name\":\"general\",\"type\":\"voice\"}}\n");
    assert_int_equal(
        ASKED("{\"ok\":true,\"result\":{}}\n", HERE, "route", "add", "198.19.0.0/16", "via", "198.18.0.9"),
        0);
    assert_string_equal(
        request, "{\"verb\":\"route.add\",\"args\":{\"prefix\":\"198.19.0.0/16\",\"via\":\"198.18.0.9\"}}\n");
}

static void names_of_options_have_hyphens_where_those_of_arguments_have_underscores(void **state)
{
    char request[1024];
    assert_int_equal(ASKED("{\"ok\":true,\"result\":{}}\n", HERE, "invite", "create", "5", "--max-age", "60",
                           "--max-uses=2"),
                     0);
    assert_string_equal(request, "{\"verb\":\"invite.create\",\"args\":{\"channel\":\"5\",\"max_age\":\"60\","
                                 "\"max_uses\":\"2\",\"temporary\":false}}\n");
    assert_int_equal(RUN(HERE, "invite", "create", "5", "--max_age", "60"), 2);
    assert_int_equal(RUN("completion"), 0);
    assert_non_null(strstr(out, " --max-age"));
    for (const char *at = out; (at = strstr(at, " --")) != NULL; at += 3)
        assert_null(memchr(at, '_', 3 + strcspn(at + 3, " \"")));
}

static void answers_are_tables_for_people_and_failures_have_their_code(void **state)
{
    char request[1024];
    assert_int_equal(
        ASKED("{\"ok\":true,\"result\":{\"guilds\":[{\"id\":\"77\",\"name\":\"a\\u001b[2J\"}]}}\n", HERE,
              "guild", "list"),
        0);
    assert_string_equal(out, "ID  NAME\n77  a?[2J\n");
    assert_int_equal(ASKED("{\"ok\":false,\"error\":\"no such guild\"}\n", HERE, "guild", "join", "1", "2"),
                     1);
    assert_string_equal(out, "voxpop: no such guild\n");
    assert_int_equal(ASKED("{\"ok\":tr", HERE, "guild", "list"), 3);
    assert_int_equal(ASKED("nonsense\n", HERE, "guild", "list"), 1);
}

static void nothing_to_connect_to_is_exit_code_3(void **state)
{
    assert_int_equal(RUN(HERE, "guild", "list"), 3);
    assert_non_null(strstr(out, "control.sock (No such file or directory)"));
    unlink(region_file);
    assert_int_equal(RUN(HERE, "status"), 3);
    assert_non_null(strstr(out, "is `voxpop supervise` running?"));
}

static void what_is_not_understood_is_exit_code_2(void **state)
{
    assert_int_equal(RUN("frobnicate"), 2);
    assert_int_equal(RUN("session"), 2);
    assert_int_equal(RUN("session", "drop"), 2);
    assert_int_equal(RUN("session", "show"), 2);
    assert_string_equal(out, "voxpop: ID is missing; see voxpop --help\n");
    assert_int_equal(RUN("session", "list", "extra"), 2);
    assert_int_equal(RUN("session", "list", "--bot"), 2);
    assert_int_equal(RUN("session", "list", "--colour"), 2);
    assert_int_equal(RUN("guild", "create", "g"), 2);
    assert_string_equal(out, "voxpop: --owner is needed; see voxpop --help\n");
    assert_int_equal(RUN("channel", "create", "1", "x", "--type", "carrier"), 2);
    assert_int_equal(RUN("route", "add", "0.0.0.0/0", "over", "198.18.0.9"), 2);
    assert_int_equal(RUN("status", "--run"), 2);
    assert_int_equal(RUN("status", "--run", "a", "--config", "b"), 2);
    assert_int_equal(RUN("supervise"), 2);
}

static void configuration_is_checked_and_its_defaults_are_listed(void **state)
{
    char file[96];
    snprintf(file, sizeof file, "%s/c.yaml", directory);
    FILE *f = fopen(file, "w");
    fprintf(f, "pop: {addresses: [198.18.0.1]}\ndataplane: {port: {profile: virtual}}\nfoo: 1\n");
    fclose(f);
    assert_int_equal(RUN("config", "check", file), 1);
    assert_non_null(strstr(out, "c.yaml:3: foo: unknown key"));
    assert_int_equal(RUN("config", "check", file, "--json"), 1);
    json_t *j = printed();
    assert_int_equal(json_array_size(json_object_get(j, "errors")), 1);
    json_decref(j);
    assert_int_equal(truncate(file, 69), 0);
    assert_int_equal(RUN("config", "check", file), 0);
    unlink(file);
    assert_int_equal(RUN("config", "check", file), 1);
    assert_int_equal(RUN("config", "defaults", "--json"), 0);
    j = printed();
    for (size_t i = 0; i < json_array_size(j); i++) {
        const json_t *key = json_array_get(j, i);
        assert_true(*string_at(key, "key") && *string_at(key, "text") && *string_at(key, "allowed"));
        assert_non_null(string_at(key, "unit"));
        assert_non_null(string_at(key, "default"));
        assert_true(!strcmp(string_at(key, "change"), "reload") ||
                    !strcmp(string_at(key, "change"), "restart"));
    }
    json_decref(j);
}

static void help_lists_every_command_and_completion_knows_them(void **state)
{
    assert_int_equal(RUN("--help"), 0);
    assert_non_null(strstr(out, "session show ID"));
    assert_non_null(strstr(out, "guild create NAME --owner ACCOUNT"));
    assert_int_equal(RUN("session", "--help"), 0);
    assert_non_null(strstr(out, "session list"));
    assert_null(strstr(out, "guild create"));
    assert_int_equal(RUN("completion"), 0);
    assert_non_null(strstr(out, "    'session') words=\" list show close\" ;;\n"));
    assert_non_null(strstr(out, "    'guild create') words=\" --owner\" ;;\n"));
}

int main(int argc, char **argv)
{
    assert_int_equal(argc, 2);
    voxpop = argv[1];
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(status_prints_one_screen_and_the_same_as_json),
        TEST(session_list_names_every_session),
        TEST(session_show_goes_from_tcp_to_voice),
        TEST(session_is_found_by_the_beginning_of_its_id),
        TEST(no_command_prints_a_key),
        TEST(room_is_found_by_channel_and_lists_its_members),
        TEST(connections_are_numbered_over_all_workers),
        TEST(routes_and_presences_are_read_from_the_region),
        TEST(changes_are_asked_of_the_control_plane),
        TEST(names_of_options_have_hyphens_where_those_of_arguments_have_underscores),
        TEST(answers_are_tables_for_people_and_failures_have_their_code),
        TEST(nothing_to_connect_to_is_exit_code_3),
        TEST(what_is_not_understood_is_exit_code_2),
        TEST(configuration_is_checked_and_its_defaults_are_listed),
        TEST(help_lists_every_command_and_completion_knows_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
