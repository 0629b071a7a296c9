/*
 * Events compressed once and framed for each connection: any mix of deflated pieces, stored texts and short
 * answers is one stream to zlib's decoder, over a million payloads; a payload of its own is one whole zlib
 * stream. `--emit N` writes such a stream to stdout and what it says to stderr, for other decoders.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

#include "controlplane/events/deflate.h"
#include "dataplane/message.h"

#define PAYLOADS 1000000u
#define KINDS    64u
#define TEXT_MAX 200000u

static uint32_t seed = 1;

static uint32_t chance(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(seed >> 4) * below >> 28);
}

/* Something like the tail of a dispatch. */
static size_t write_text(char *text, uint32_t words)
{
    static const char *const word[] = {
        "\"id\":\"1152921504606846976\",", "\"content\":\"hello\",", "\"roles\":[],", "\"flags\":0,",
        "\"name\":\"\xc3\xa9t\xc3\xa9\",", "\"x\":[1,2,3],"};
    size_t n = (size_t)sprintf(text, "\"op\":0,\"t\":\"MESSAGE_CREATE\",\"d\":{");
    for (uint32_t i = 0; i < words; i++)
        n += (size_t)sprintf(text + n, "%s\"k%u\":%u,", word[chance(6)], chance(1000), chance(1u << 28));
    return n + (size_t)sprintf(text + n, "\"end\":1}}");
}

/* An event as the log holds it. */
static struct event *make_event(struct deflater *d, uint32_t words, bool compressed)
{
    static char text[TEXT_MAX];
    size_t n = write_text(text, words);
    struct deflated z = deflater_text(d, EVENT_FULL, text, n, EVENT_LENGTH_MAX);
    struct event *e = calloc(1, sizeof *e + n + z.length);
    struct event_variant *v = &e->variant[EVENT_FULL];
    assert_non_null(z.bytes);
    *v = (struct event_variant){.offset = sizeof *e, .length = (uint32_t)n};
    memcpy(e + 1, text, n);
    if (compressed) {
        v->deflated = (uint32_t)(sizeof *e + n);
        v->deflated_length = (uint32_t)z.length;
        v->check = z.check;
        memcpy((uint8_t *)(e + 1) + n, z.bytes, z.length);
    }
    return e;
}

/* The whole message, made in slices of odd sizes, as records make it. */
static uint32_t take_whole(const struct message *m, uint8_t *dst)
{
    uint32_t length = message_length(m);
    for (uint32_t at = 0, n; at < length; at += n) {
        n = 1 + chance(length < 3000 ? 700 : 70000);
        n = n < length - at ? n : length - at;
        assert_true(message_slice(m, NULL, at, n, dst + at));
    }
    return length;
}

/* The frame's payload: bytes behind a head that names exactly the rest. */
static const uint8_t *payload_of(const uint8_t *frame, uint32_t length, uint8_t opcode, uint32_t *payload)
{
    uint32_t head = frame[1] < 126 ? 2 : frame[1] == 126 ? 4 : 10;
    uint64_t named = frame[1];
    assert_int_equal(frame[0], 0x80 | opcode);
    for (uint32_t i = 2, b = 0; i < head; i++, b++)
        named = b ? named << 8 | frame[i] : frame[i];
    assert_int_equal(named, length - head);
    *payload = length - head;
    return frame + head;
}

struct check {
    z_stream z;
    uint8_t out[TEXT_MAX + 64];
};

/* One payload of a stream inflates, at once and to the last byte, to this text. */
static void inflates_to(struct check *k, const uint8_t *p, uint32_t n, const char *text, size_t length)
{
    k->z.next_in = (Bytef *)(uintptr_t)p;
    k->z.avail_in = n;
    k->z.next_out = k->out;
    k->z.avail_out = sizeof k->out;
    assert_int_equal(inflate(&k->z, Z_SYNC_FLUSH), Z_OK);
    assert_int_equal(k->z.avail_in, 0);
    assert_int_equal(sizeof k->out - k->z.avail_out, length);
    assert_memory_equal(k->out, text, length);
    assert_memory_equal(p + n - 4, "\0\0\xff\xff", 4); /* clients gather until this suffix */
}

static void a_million_payloads_of_all_kinds_are_one_stream_to_zlib(void **state)
{
    static struct check k;
    static uint8_t frame[2 * TEXT_MAX];
    static char want[TEXT_MAX + 64];
    struct deflater *d = deflater_open();
    struct event *e[KINDS];
    struct session s = {.kind = SESSION_GATEWAY};
    uint32_t n;
    assert_int_equal(inflateInit(&k.z), Z_OK);
    for (uint32_t i = 0; i < KINDS; i++)
        e[i] = make_event(d, i == 0 ? 5000 : i % 9, i % 5 != 0);
    size_t length = message_short(frame, CONNECTION_DEFLATE, (const uint8_t *)"{\"op\":10}", 9, true);
    const uint8_t *p = payload_of(frame, (uint32_t)length, WS_OP_BINARY, &n);
    inflates_to(&k, p, n, "{\"op\":10}", 9);
    for (uint32_t seq = 1; seq <= PAYLOADS; seq++) {
        uint32_t which = seq % 5000 ? 1 + chance(KINDS - 1) : 0;
        const struct event_variant *v = &e[which]->variant[EVENT_FULL];
        struct message m;
        message_event(&m, e[which], &s, seq, CONNECTION_DEFLATE);
        p = payload_of(frame, take_whole(&m, frame), WS_OP_BINARY, &n);
        int prefix = sprintf(want, "{\"s\":%u,", seq);
        memcpy(want + prefix, (const char *)e[which] + v->offset, v->length);
        inflates_to(&k, p, n, want, (size_t)prefix + v->length);
        if (seq % 7)
            continue;
        length = message_short(frame, CONNECTION_DEFLATE, (const uint8_t *)"{\"op\":11}", 9, false);
        p = payload_of(frame, (uint32_t)length, WS_OP_BINARY, &n);
        inflates_to(&k, p, n, "{\"op\":11}", 9);
    }
    inflateEnd(&k.z);
    for (uint32_t i = 0; i < KINDS; i++)
        free(e[i]);
    deflater_close(d);
}

static void a_compressed_payload_is_a_whole_zlib_stream_of_its_own(void **state)
{
    static uint8_t frame[2 * TEXT_MAX], out[TEXT_MAX + 64];
    struct deflater *d = deflater_open();
    struct session s = {.kind = SESSION_GATEWAY, .flags = SESSION_COMPRESSED};
    for (uint32_t i = 0; i < 500; i++) {
        struct event *e = make_event(d, i == 7 ? 5000 : i % 40, true);
        const struct event_variant *v = &e->variant[EVENT_FULL];
        struct message m;
        uLongf length = sizeof out;
        uint32_t n, seq = chance(1u << 28);
        char prefix[32];
        message_event(&m, e, &s, seq, CONNECTION_TEXT);
        const uint8_t *p = payload_of(frame, take_whole(&m, frame), WS_OP_BINARY, &n);
        assert_int_equal(uncompress(out, &length, p, n), Z_OK); /* which checks the Adler-32 */
        int head = sprintf(prefix, "{\"s\":%u,", seq);
        assert_int_equal(length, (uint32_t)head + v->length);
        assert_memory_equal(out, prefix, head);
        assert_memory_equal(out + head, (const uint8_t *)e + v->offset, v->length);
        free(e);
    }
    deflater_close(d);
}

static void without_compression_a_payload_is_text(void **state)
{
    static uint8_t frame[TEXT_MAX];
    struct deflater *d = deflater_open();
    struct event *e = make_event(d, 3, false);
    struct session s = {.kind = SESSION_GATEWAY, .flags = SESSION_COMPRESSED};
    struct message m;
    uint32_t n;
    message_event(&m, e, &s, 4294967295u,
                  CONNECTION_TEXT); /* nobody wanted it compressed when it was written */
    const uint8_t *p = payload_of(frame, take_whole(&m, frame), WS_OP_TEXT, &n);
    assert_memory_equal(p, "{\"s\":4294967295,\"op\":0,", 22);
    assert_int_equal(n, 16 + e->variant[EVENT_FULL].length);
    free(e);
    deflater_close(d);
}

static void private_bytes_are_stored_and_given_back_by_their_own_length(void **state)
{
    struct tx_item i = {.opcode = WS_OP_TEXT, .total = 150000};
    struct message m;
    message_blob(&m, &i, CONNECTION_DEFLATE);
    assert_int_equal(message_length(&m), 10 + 150000 + 3 * STREAM_BLOCK_HEAD + STREAM_FLUSH);
    assert_int_equal(message_text_before(&m, 10), 0);
    assert_int_equal(message_text_before(&m, 10 + STREAM_BLOCK_HEAD + 1), 1);
    assert_int_equal(message_text_before(&m, 10 + STREAM_BLOCK_HEAD + 65535 + 3), 65535);
    assert_int_equal(message_text_before(&m, 10 + 2 * STREAM_BLOCK_HEAD + 65536), 65536);
    assert_int_equal(message_text_before(&m, message_length(&m)), 150000);
    i.opcode = WS_OP_PONG;
    message_blob(&m, &i, CONNECTION_DEFLATE);
    assert_int_equal(message_length(&m), 10 + 150000);
}

static void adler_sums_join(void **state)
{
    static uint8_t text[20000];
    for (uint32_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i % 3 ? 255 : chance(256));
    for (uint32_t cut = 0; cut < sizeof text; cut += 1 + cut / 3) {
        uint32_t whole = (uint32_t)adler32(1, text, sizeof text);
        assert_int_equal(stream_adler(text, sizeof text), whole);
        assert_int_equal(stream_adler_join(stream_adler(text, cut),
                                           stream_adler(text + cut, sizeof text - cut),
                                           (uint32_t)sizeof text - cut),
                         whole);
    }
}

static int emit(uint32_t payloads)
{
    static uint8_t frame[2 * TEXT_MAX];
    struct deflater *d = deflater_open();
    struct event *e[KINDS];
    struct session s = {.kind = SESSION_GATEWAY};
    for (uint32_t i = 0; i < KINDS; i++)
        e[i] = make_event(d, i % 5, i % 5 != 0);
    fwrite(stream_header, 1, STREAM_HEADER, stdout);
    for (uint32_t seq = 1; seq <= payloads; seq++) {
        const struct event *x = e[chance(KINDS)];
        struct message m;
        uint32_t n;
        message_event(&m, x, &s, seq, CONNECTION_DEFLATE);
        const uint8_t *p = payload_of(frame, take_whole(&m, frame), WS_OP_BINARY, &n);
        fwrite(p, 1, n, stdout);
        fprintf(stderr, "{\"s\":%u,%.*s", seq, (int)x->variant[0].length,
                (const char *)x + x->variant[0].offset);
    }
    for (uint32_t i = 0; i < KINDS; i++)
        free(e[i]);
    deflater_close(d);
    return fflush(stdout) != 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_payloads_of_all_kinds_are_one_stream_to_zlib),
        cmocka_unit_test(a_compressed_payload_is_a_whole_zlib_stream_of_its_own),
        cmocka_unit_test(without_compression_a_payload_is_text),
        cmocka_unit_test(private_bytes_are_stored_and_given_back_by_their_own_length),
        cmocka_unit_test(adler_sums_join),
    };
    if (argc == 3 && strcmp(argv[1], "--emit") == 0)
        return emit((uint32_t)strtoul(argv[2], NULL, 10));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
