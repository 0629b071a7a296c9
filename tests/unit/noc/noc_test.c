/*
 * The management server over a loopback socket: what it serves, what it refuses, and that it says so.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controlplane/noc/noc.h"
#include "controlplane/noc/status.h"
#include "fake_box.h"

static struct region r;
static struct config c;
static struct noc *noc;
static char answer[262144];
static char why[256];

/* A port that is free now. */
static uint32_t free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    getsockname(fd, (struct sockaddr *)&a, &length);
    close(fd);
    return ntohs(a.sin_port);
}

static int setup(void **state)
{
    fake_box(&r, (uint32_t)getpid());
    config_defaults(&c);
    strcpy(c.pop.name, "fra1");
    c.management.port = free_port();
    noc = noc_start(&r, &c, why);
    return noc ? 0 : -1;
}

static int teardown(void **state)
{
    noc_stop(noc);
    free(r.base);
    return 0;
}

/* Sends a request and keeps the whole answer; returns its status. */
static int ask(const char *method, const char *path)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)c.management.port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char request[256];
    size_t have = 0;
    ssize_t n;
    int fd = socket(AF_INET, SOCK_STREAM, 0), status = 0;
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    int length = snprintf(
        request, sizeof request,
        "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", method, path);
    assert_int_equal(write(fd, request, (size_t)length), length);
    while (have < sizeof answer - 1 && (n = read(fd, answer + have, sizeof answer - 1 - have)) > 0)
        have += (size_t)n;
    answer[have] = 0;
    close(fd);
    assert_int_equal(sscanf(answer, "HTTP/1.1 %d", &status), 1);
    return status;
}

static const char *body(void)
{
    const char *end = strstr(answer, "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}

static void page_is_served_with_a_strict_policy_and_nothing_from_elsewhere(void **state)
{
    static const char *const files[] = {"/", "/noc.css", "/noc.js"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(ask("GET", files[i]), 200);
        assert_non_null(strstr(answer,
                               "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src "
                               "'self'; connect-src 'self';"));
        assert_null(strstr(answer, "unsafe-"));
        assert_null(strstr(body(), "https://"));
        assert_null(strstr(body(), "style=\""));
    }
}

static void status_is_what_the_region_says(void **state)
{
    assert_int_equal(ask("GET", "/status.json"), 200);
    json_t *j = json_loads(body(), 0, NULL);
    assert_non_null(j);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "drops"), "TCP_CHECKSUM")), 11);
    json_decref(j);
    assert_int_equal(ask("GET", "/pop.json"), 200);
    j = json_loads(body(), 0, NULL);
    assert_string_equal(json_string_value(json_object_get(j, "name")), "fra1");
    json_decref(j);
}

static void metrics_name_every_reason(void **state)
{
    assert_int_equal(ask("GET", "/metrics"), 200);
    assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4"));
    for (unsigned i = DROP_NONE + 1; i < DROP_REASON_COUNT; i++) {
        char line[128];
        snprintf(line, sizeof line, "voxpop_drops_total{worker=\"1\",reason=\"%s\"} ", drop_reason_name(i));
        assert_non_null(strstr(body(), line));
    }
}

static void health_follows_readiness(void **state)
{
    assert_int_equal(ask("GET", "/healthz"), 200);
    atomic_store(&r.header->process[PROCESS_DATAPLANE].ready, 0);
    assert_int_equal(ask("GET", "/healthz"), 503);
}

static void everything_else_is_refused(void **state)
{
    assert_int_equal(ask("POST", "/status.json"), 405);
    assert_non_null(strstr(answer, "Allow: GET, HEAD"));
    assert_int_equal(ask("DELETE", "/"), 405);
    assert_int_equal(ask("GET", "/../etc/passwd"), 404);
    assert_int_equal(ask("GET", "/index.html"), 404);
    assert_int_equal(ask("HEAD", "/metrics"), 200);
    assert_string_equal(body(), "");
}

static void taken_port_is_told_in_one_line(void **state)
{
    assert_null(noc_start(&r, &c, why));
    assert_non_null(strstr(why, "management server on 127.0.0.1 port "));
    assert_non_null(strstr(why, "Address already in use"));
    uint32_t port = c.management.port;
    c.management.port = 0;
    assert_null(noc_start(&r, &c, why));
    assert_string_equal(why, "");
    c.management.port = port;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(page_is_served_with_a_strict_policy_and_nothing_from_elsewhere, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(status_is_what_the_region_says, setup, teardown),
        cmocka_unit_test_setup_teardown(metrics_name_every_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(health_follows_readiness, setup, teardown),
        cmocka_unit_test_setup_teardown(everything_else_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(taken_port_is_told_in_one_line, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
