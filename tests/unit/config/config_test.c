/*
 * The configuration: its defaults hold, and every mistake is named with its line, its key and what is
 * allowed.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/print.h"
#include "region.h"

/* The least that is a configuration. */
#define LEAST                                                                                                \
    "pop:\n"                                                                                                 \
    "  addresses: [198.18.0.1]\n"                                                                            \
    "dataplane:\n"                                                                                           \
    "  port:\n"                                                                                              \
    "    interfaces: [vxp0]\n"

static struct config c;
static char why[CONFIG_WHY_MAX];

static bool parse(const char *text)
{
    return config_parse(&c, "f.yaml", text, strlen(text), why);
}

static void refused(const char *text, const char *expected)
{
    assert_false(parse(text));
    assert_string_equal(why, expected);
}

/* `more` begins in line 6. */
static void refused_after_least(const char *more, const char *expected)
{
    char text[2048];
    snprintf(text, sizeof text, "%s%s", LEAST, more);
    refused(text, expected);
}

static void least_configuration_has_the_documented_defaults(void **state)
{
    assert_true(parse(LEAST));
    assert_string_equal(c.pop.name, "pop");
    assert_string_equal(c.pop.region, "lab");
    assert_string_equal(c.pop.run_directory, "run");
    assert_int_equal(c.pop.address_count, 1);
    assert_int_equal(c.tls.port, 443);
    assert_int_equal(c.tcp.congestion, CONGESTION_CUBIC);
    assert_int_equal(c.tcp.keepalive_s, 0);
    assert_int_equal(c.dataplane.workers, 1);
    assert_int_equal(c.dataplane.idle, IDLE_ADAPTIVE);
    assert_int_equal(c.voice.port_base, 50000);
    assert_int_equal(c.voice.mode_count, 2);
    assert_int_equal(c.voice.modes[0], VOICE_AES256_GCM_RTPSIZE);
    assert_int_equal(c.voice.modes[1], VOICE_XCHACHA20_RTPSIZE);
    assert_int_equal(c.gateway.heartbeat_interval_ms, 41250);
    assert_int_equal(c.gateway.payload_max, 4096);
    assert_string_equal(c.management.address, "127.0.0.1");
    assert_string_equal(c.routes.gateway4, "");
    assert_true(c.echo.enabled);
}

static void every_kind_of_key_is_read(void **state)
{
    assert_true(parse("pop:\n"
                      "  name: fra1\n"
                      "  addresses:\n"
                      "    - 198.18.0.1/24\n"
                      "    - fd00:18::1\n"
                      "dataplane:\n"
                      "  workers: 2\n"
                      "  cores: [1, 0]\n"
                      "  idle: spin\n"
                      "  crypto: openssl\n"
                      "  port: {profile: memif, memif_role: client, mtu: 1400}\n"
                      "voice:\n"
                      "  modes: [aead_xchacha20_poly1305_rtpsize]\n"
                      "echo: {enabled: false}\n"
                      "routes:\n"
                      "  static:\n"
                      "    - {prefix: 198.19.0.0/16, via: 198.18.0.9}\n"
                      "    - {prefix: \"fd00:19::/32\", port: 1}\n"
                      "  gateway4: 198.18.0.2\n"));
    assert_string_equal(c.pop.name, "fra1");
    assert_int_equal(c.pop.address_count, 2);
    assert_string_equal(c.pop.addresses[1].text, "fd00:18::1");
    assert_int_equal(config_core(&c, 0), 1);
    assert_int_equal(config_core(&c, 1), 0);
    assert_int_equal(c.dataplane.idle, IDLE_SPIN);
    assert_int_equal(c.dataplane.crypto, CRYPTO_OPENSSL);
    assert_int_equal(c.dataplane.port.profile, PROFILE_MEMIF);
    assert_int_equal(c.dataplane.port.memif_role, MEMIF_CLIENT);
    assert_int_equal(c.dataplane.port.mtu, 1400);
    assert_int_equal(c.dataplane.port.queue_size, 2048);
    assert_int_equal(c.voice.mode_count, 1);
    assert_int_equal(c.voice.modes[0], VOICE_XCHACHA20_RTPSIZE);
    assert_false(c.echo.enabled);
    assert_int_equal(c.routes.count, 2);
    assert_string_equal(c.routes.list[0].via, "198.18.0.9");
    assert_string_equal(c.routes.list[1].via, "");
    assert_int_equal(c.routes.list[1].port, 1);
    assert_string_equal(c.routes.gateway4, "198.18.0.2");
}

static void unknown_key_is_named_with_its_line(void **state)
{
    refused_after_least("log:\n"
                        "  # two lines down\n"
                        "\n"
                        "  levle: info\n",
                        "f.yaml:9: log.levle: unknown key; known here: level, lines_per_second");
    refused_after_least(
        "echo:\n  enabled: true\nlgo:\n  level: info\n",
        "f.yaml:8: lgo: unknown key; known here: pop, tls, tcp, dataplane, voice, gateway, http, echo, "
        "control, management, routes, supervise, limits, log");
    refused_after_least(
        "log.level: info\n",
        "f.yaml:6: log.level: unknown key; known here: pop, tls, tcp, dataplane, voice, gateway, http, "
        "echo, control, management, routes, supervise, limits, log");
}

static void wrong_type_is_named_with_what_is_allowed(void **state)
{
    refused_after_least("tls:\n  port: 443x\n",
                        "f.yaml:7: tls.port: '443x' is not allowed here; allowed: a number from 1 to 65535");
    refused_after_least("tls:\n  port: [443]\n",
                        "f.yaml:7: tls.port: a list is not allowed here; allowed: a number from 1 to 65535");
    refused_after_least("echo:\n  enabled: maybe\n",
                        "f.yaml:7: echo.enabled: 'maybe' is not allowed here; allowed: true or false");
    refused_after_least(
        "log:\n  level: loud\n",
        "f.yaml:7: log.level: 'loud' is not allowed here; allowed: one of error, warning, info, debug");
    refused_after_least("log: info\n",
                        "f.yaml:6: log: a section with keys is needed here; known: level, lines_per_second");
}

static void number_out_of_range_is_refused(void **state)
{
    refused_after_least("tls:\n  port: 0\n",
                        "f.yaml:7: tls.port: '0' is not allowed here; allowed: a number from 1 to 65535");
    refused_after_least("tls:\n  port: 65536\n",
                        "f.yaml:7: tls.port: '65536' is not allowed here; allowed: a number from 1 to 65535");
    refused_after_least("tls:\n  port: -1\n",
                        "f.yaml:7: tls.port: '-1' is not allowed here; allowed: a number from 1 to 65535");
    refused_after_least("tls:\n  port: 0443\n",
                        "f.yaml:7: tls.port: '0443' is not allowed here; allowed: a number from 1 to 65535");
    refused_after_least(
        "tls:\n  port: 18446744073709551999\n",
        "f.yaml:7: tls.port: '18446744073709551999' is not allowed here; allowed: a number from 1 "
        "to 65535");
}

static void string_longer_than_its_field_is_refused(void **state)
{
    char text[512], name[80];
    memset(name, 'n', sizeof name);
    name[63] = 0;
    snprintf(text, sizeof text,
             "dataplane: {netns: %s, port: {interfaces: [a]}}\npop: {addresses: [10.0.0.1]}\n", name);
    assert_true(parse(text));
    assert_string_equal(c.dataplane.netns, name);
    name[63] = 'n';
    name[64] = 0;
    snprintf(text, sizeof text,
             "dataplane: {netns: %s, port: {interfaces: [a]}}\npop: {addresses: [10.0.0.1]}\n", name);
    assert_false(parse(text));
    assert_non_null(strstr(why, "f.yaml:1: dataplane.netns: "));
    assert_non_null(strstr(why, "allowed: a string of at most 63 bytes"));
}

static void bad_entry_of_a_list_is_named_with_its_own_line(void **state)
{
    refused(
        "pop:\n  addresses:\n    - 198.18.0.1\n    - 198.18.0.256\n",
        "f.yaml:4: pop.addresses: '198.18.0.256' is not allowed here; allowed: a list of at most 16 IPv4 or "
        "IPv6 addresses, each with or without /bits");
    refused_after_least("voice:\n  modes: [aead_aes256_gcm_rtpsize, aead_aes256_gcm_rtpsize]\n",
                        "f.yaml:7: voice.modes: 'aead_aes256_gcm_rtpsize' is given twice");
    refused_after_least(
        "routes:\n  static:\n    - {prefix: 198.19.0.1/16, via: 198.18.0.9}\n",
        "f.yaml:8: routes.static: prefix '198.19.0.1/16' is not an IPv4 or IPv6 prefix with no bits "
        "behind /bits");
    refused_after_least("routes:\n  static:\n    - {via: 198.18.0.9}\n",
                        "f.yaml:8: routes.static: a route without prefix");
    refused_after_least("routes:\n  static:\n    - {prefix: 0.0.0.0/0, metric: 1}\n",
                        "f.yaml:8: routes.static: unknown key 'metric'; a route has prefix, via, port");
}

static void key_given_twice_is_refused(void **state)
{
    refused_after_least("log:\n  level: info\n  level: debug\n",
                        "f.yaml:8: log.level: is given twice, first in line 7");
    refused_after_least("pop:\n  name: b\n", "f.yaml:6: pop: is given twice, first in line 1");
}

static void text_that_is_not_yaml_is_refused_with_its_line(void **state)
{
    assert_false(parse("pop:\n\tname: a\n"));
    assert_non_null(strstr(why, "f.yaml:2: not YAML: "));
    assert_null(strchr(why, '\n'));
    assert_false(parse("- pop\n"));
    assert_non_null(strstr(why, "f.yaml:1: a section with keys is needed here"));
    assert_false(parse(LEAST "---\npop: {name: b}\n"));
    assert_string_equal(why, "f.yaml:7: a second document; one is allowed");
}

static void certificates_are_a_list_of_pairs(void **state)
{
    const char *text = LEAST "tls:\n"
                             "  certificates:\n"
                             "    - {certificate: a.pem, key: a.key}\n"
                             "    - {key: /b.key, certificate: /b.pem}\n"
                             "  version_min: 1.3\n";
    assert_true(config_parse(&c, "f.yaml", text, strlen(text), why));
    assert_string_equal(c.tls.certificate, "cert.pem");
    assert_int_equal(c.tls.certificate_count, 2);
    assert_string_equal(c.tls.certificates[0].certificate, "a.pem");
    assert_string_equal(c.tls.certificates[1].key, "/b.key");
    assert_int_equal(c.tls.version_min, TLS_VERSION_13);
    refused_after_least("tls:\n  certificates:\n    - {certificate: a.pem}\n",
                        "f.yaml:8: tls.certificates: an entry without key");
    refused_after_least("tls:\n  certificates:\n    - {key: a, certificate: b, chain: c}\n",
                        "f.yaml:8: tls.certificates: unknown key 'chain'; an entry has certificate, key");
    refused_after_least("tls:\n  certificates:\n    - {key: a, certificate: \"\"}\n",
                        "f.yaml:8: tls.certificates: certificate '' is not a path of at most 255 bytes");
    refused_after_least(
        "tls:\n  certificate: \"\"\n",
        "f.yaml:7: tls.certificate: empty, and tls.certificates too; at least one certificate is needed");
}

static void every_mistake_gets_a_line_of_its_own(void **state)
{
    refused("tls:\n  port: no\n  key_file: x\n",
            "f.yaml:2: tls.port: 'no' is not allowed here; allowed: a number from 1 to 65535\n"
            "f.yaml:3: tls.key_file: unknown key; known here: certificate, key, certificates, version_min, "
            "ticket_lifetime_s, port, handshake_threads, handshake_timeout_s, half_open_max");
}

static void settings_that_contradict_one_another_are_refused(void **state)
{
    refused("dataplane: {port: {interfaces: [a]}}\n",
            "f.yaml: pop.addresses: empty; at least one address is needed");
    refused("pop: {addresses: [10.0.0.1]}\n"
            "dataplane:\n"
            "  workers: 2\n"
            "  cores: [0, 1, 2]\n"
            "  port: {interfaces: [a]}\n",
            "f.yaml:4: dataplane.cores: 3 cores for 2 workers; one for each, or none");
    refused("pop: {addresses: [10.0.0.1]}\n",
            "f.yaml: dataplane.port.interfaces: empty; profile afxdp needs at least one interface");
    refused_after_least("limits:\n  ring_bytes: 1500000\n",
                        "f.yaml:7: limits.ring_bytes: 1500000 is not a power of two");
    refused_after_least("voice: {port_base: 65535}\nsupervise:\n  pause_min_ms: 6000\n",
                        "f.yaml:8: supervise.pause_min_ms: 6000 is more than supervise.pause_max_ms (5000)");
}

static void default_region_is_valid_and_fits_half_a_gigabyte_with_two_workers(void **state)
{
    struct region_geometry g;
    assert_true(parse(LEAST));
    c.dataplane.workers = 2;
    config_geometry(&c, &g);
    assert_int_equal(g.workers, 2);
    assert_int_equal(g.connections, c.limits.connections);
    assert_int_equal(g.undo_bytes, c.limits.undo_bytes);
    assert_true(region_geometry_check(&g, why));
    assert_in_range(region_bytes(&g), 64u << 20, 512u << 20);
}

static void printed_defaults_are_a_file_that_sets_every_key(void **state)
{
    char *text = NULL;
    size_t length;
    struct config plain;
    FILE *f = open_memstream(&text, &length);
    config_print_defaults(f, true);
    fclose(f);
    config_defaults(&plain);
    /* No address and no interface: the two things that have no default. */
    assert_false(config_parse(&c, "d", text, length, why));
    assert_non_null(strstr(why, "pop.addresses: empty"));
    assert_non_null(strstr(why, "dataplane.port.interfaces: empty"));
    assert_memory_equal(&c, &plain, sizeof c);
    for (size_t i = 0; i < config_key_count; i++)
        assert_non_null(strstr(text, config_keys[i].text));
    free(text);
}

static void address_may_carry_the_prefix_of_its_link(void **state)
{
    uint8_t a[16];
    unsigned bits;
    assert_true(config_address("198.18.0.1", a, &bits));
    assert_int_equal(bits, 120);
    assert_memory_equal(a, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x12\x00\x01", 16);
    assert_true(config_address("198.18.0.1/16", a, &bits));
    assert_int_equal(bits, 112);
    assert_true(config_address("fd00:18::1", a, &bits));
    assert_int_equal(bits, 64);
    assert_false(config_address("198.18.0.1/33", a, &bits));
    assert_false(config_address("198.18.0.1/", a, &bits));
    assert_false(config_address("198.18.0.1/08", a, &bits));
    assert_false(config_address("", a, &bits));
    assert_true(config_prefix("0.0.0.0/0", a, &bits));
    assert_int_equal(bits, 96);
    assert_true(config_prefix("198.18.0.7", a, &bits));
    assert_int_equal(bits, 128);
    assert_false(config_prefix("198.18.0.7/24", a, &bits));
}

static void relative_path_lies_in_the_run_directory(void **state)
{
    char out[64];
    assert_true(parse(LEAST));
    assert_true(config_path(&c, "control.sock", out, sizeof out));
    assert_string_equal(out, "run/control.sock");
    assert_true(config_path(&c, "/etc/voxpop/key.pem", out, sizeof out));
    assert_string_equal(out, "/etc/voxpop/key.pem");
    assert_false(config_path(&c, "control.sock", out, 16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_configuration_has_the_documented_defaults),
        cmocka_unit_test(every_kind_of_key_is_read),
        cmocka_unit_test(unknown_key_is_named_with_its_line),
        cmocka_unit_test(wrong_type_is_named_with_what_is_allowed),
        cmocka_unit_test(number_out_of_range_is_refused),
        cmocka_unit_test(string_longer_than_its_field_is_refused),
        cmocka_unit_test(bad_entry_of_a_list_is_named_with_its_own_line),
        cmocka_unit_test(key_given_twice_is_refused),
        cmocka_unit_test(text_that_is_not_yaml_is_refused_with_its_line),
        cmocka_unit_test(certificates_are_a_list_of_pairs),
        cmocka_unit_test(every_mistake_gets_a_line_of_its_own),
        cmocka_unit_test(settings_that_contradict_one_another_are_refused),
        cmocka_unit_test(default_region_is_valid_and_fits_half_a_gigabyte_with_two_workers),
        cmocka_unit_test(printed_defaults_are_a_file_that_sets_every_key),
        cmocka_unit_test(address_may_carry_the_prefix_of_its_link),
        cmocka_unit_test(relative_path_lies_in_the_run_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
