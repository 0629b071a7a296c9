/*
 * What the operator reads is what the region holds: status and metrics of a made-up box.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "controlplane/noc/metrics.h"
#include "controlplane/noc/status.h"
#include "fake_box.h"

static struct region r;
static struct status s;
static const char *golden;

static int setup(void **state)
{
    fake_box(&r, (uint32_t)getpid());
    return 0;
}

static int teardown(void **state)
{
    free(r.base);
    return 0;
}

static json_int_t integer(const json_t *j, const char *a, const char *b)
{
    const json_t *v = json_object_get(json_object_get(j, a), b);
    assert_true(json_is_integer(v));
    return json_integer_value(v);
}

static void status_has_the_published_shape(void **state)
{
    status_read(&r, &s);
    json_t *j = status_json(&s, NULL);
    assert_non_null(j);
    assert_true(json_is_true(json_object_get(j, "ready")));
    const json_t *port = json_array_get(json_object_get(j, "ports"), 1);
    assert_int_equal(json_array_size(json_object_get(j, "ports")), 2);
    json_t *expected =
        json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "name", "vxp1", "mac",
                  "02:76:6f:78:00:01", "link", "down", "rx_packets", 1001, "tx_packets", 2001, "rx_bytes",
                  100001, "tx_bytes", 200001, "rx_missed", 3, "tx_full", 4, "steered", 999, "passed", 7);
    assert_true(json_equal(port, expected));
    json_decref(expected);
    assert_int_equal(integer(j, "connections", "open"), 3);
    assert_int_equal(integer(j, "connections", "handshaking"), 1);
    assert_int_equal(integer(j, "sessions", "gateway"), 2);
    assert_int_equal(integer(j, "sessions", "voice"), 1);
    assert_int_equal(integer(j, "rooms", "open"), 1);
    assert_int_equal(integer(j, "rooms", "members"), 2);
    assert_int_equal(integer(j, "counters", "rx_packets"), 1801);
    assert_int_equal(integer(j, "drops", "TCP_CHECKSUM"), 11);
    assert_int_equal(integer(j, "drops", "REST_UNAUTHORIZED"), 6);
    assert_int_equal(integer(j, "drops", "VOICE_REPLAY"), 0);
    assert_int_equal(json_object_size(json_object_get(j, "drops")), DROP_REASON_COUNT - 1);
    assert_int_equal(json_object_size(json_object_get(j, "counters")), COUNTER_COUNT);
    expected = json_pack("{s:i, s:f, s:i, s:i}", "core", 1, "busy_share", 0.5, "packets_in", 901,
                         "packets_out", 1901);
    assert_true(json_equal(json_array_get(json_object_get(j, "workers"), 1), expected));
    json_decref(expected);
    assert_int_equal(integer(j, "dataplane", "pid"), getpid());
    assert_int_equal(integer(j, "controlplane", "lives"), PROCESS_CONTROLPLANE);
    assert_true(json_is_true(json_object_get(json_object_get(j, "controlplane"), "alive")));
    json_decref(j);
}

static void busy_share_is_of_the_time_between_two_samples(void **state)
{
    static struct status later;
    struct counters *c = region_part(&r, 0, PART_COUNTERS);
    status_read(&r, &s);
    c->count[COUNT_busy_cycles] += 90;
    c->count[COUNT_idle_cycles] += 10;
    status_read(&r, &later);
    assert_float_equal(status_busy(&later, &s, 0), 0.9, 1e-9);
    assert_float_equal(status_busy(&later, &s, 1), 0, 1e-9);
    assert_float_equal(status_busy(&later, NULL, 1), 0.5, 1e-9);
}

static void port_of_two_workers_is_counted_once(void **state)
{
    struct worker_area *second = region_part(&r, 1, PART_AREA);
    strcpy(second->port_name, "vxp0");
    status_read(&r, &s);
    assert_int_equal(s.ports, 1);
    assert_int_equal(s.port[0].rx_packets, 1000);
}

static void dead_control_plane_is_told_while_the_rest_is_still_read(void **state)
{
    pid_t gone = fork();
    if (gone == 0)
        _exit(0);
    waitpid(gone, NULL, 0);
    atomic_store(&r.header->process[PROCESS_CONTROLPLANE].pid, (uint32_t)gone);
    status_read(&r, &s);
    assert_false(s.process[PROCESS_CONTROLPLANE].alive);
    assert_true(s.process[PROCESS_DATAPLANE].alive);
    assert_false(s.ready);
    assert_int_equal(s.gateway_sessions, 2);
}

static void process_that_says_nothing_is_taken_for_dead(void **state)
{
    atomic_store(&r.header->process[PROCESS_DATAPLANE].alive_us, region_now_us() - STATUS_SILENT_US - 1);
    status_read(&r, &s);
    assert_false(s.process[PROCESS_DATAPLANE].alive);
    assert_false(s.ready);
}

static void returned_elements_of_a_pool_are_not_listed(void **state)
{
    struct pool *p = region_section(&r, SECTION_SESSIONS_CONTROL);
    uint32_t count;
    pool_put(p, NULL, 1);
    uint8_t *used = status_used(p, &count);
    assert_int_equal(count, 3);
    assert_memory_equal(used, "\1\0\1", 3);
    free(used);
}

/* Without the reasons that nothing was dropped for: adding one to drop_reason.def leaves the golden text
 * alone. */
static void leave_out_unused_reasons(char *text)
{
    char *to = text;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        size_t n = strlen(line);
        if (strncmp(line, "voxpop_drops_total{", 19) == 0 && strcmp(line + n - 2, " 0") == 0)
            continue;
        memmove(to, line, n);
        to[n] = '\n';
        to += n + 1;
    }
    *to = 0;
}

static void metrics_are_the_golden_text(void **state)
{
    char *text = NULL, expected[131072];
    size_t length;
    FILE *f = open_memstream(&text, &length);
    metrics_write(f, &r);
    fclose(f);
    leave_out_unused_reasons(text);
    length = strlen(text);
    if (getenv("GOLDEN_WRITE")) { /* after a counter or reason was added */
        f = fopen(golden, "w");
        assert_non_null(f);
        fwrite(text, 1, length, f);
        fclose(f);
    }
    f = fopen(golden, "r");
    assert_non_null(f);
    expected[fread(expected, 1, sizeof expected - 1, f)] = 0;
    fclose(f);
    assert_string_equal(text, expected);
    free(text);
}

int main(int argc, char **argv)
{
    assert_int_equal(argc, 2);
    golden = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(status_has_the_published_shape, setup, teardown),
        cmocka_unit_test_setup_teardown(busy_share_is_of_the_time_between_two_samples, setup, teardown),
        cmocka_unit_test_setup_teardown(port_of_two_workers_is_counted_once, setup, teardown),
        cmocka_unit_test_setup_teardown(dead_control_plane_is_told_while_the_rest_is_still_read, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(process_that_says_nothing_is_taken_for_dead, setup, teardown),
        cmocka_unit_test_setup_teardown(returned_elements_of_a_pool_are_not_listed, setup, teardown),
        cmocka_unit_test_setup_teardown(metrics_are_the_golden_text, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
