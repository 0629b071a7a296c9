/*
 * Messages out of streams: each script is a stream of frames and the transcript of events it must give,
 * whole, cut in two at every byte, and byte by byte.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/ws/message.h"
#include "tests/unit/http/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define LIMIT 64u
#define FIN   0x80u

static struct guard guard;

struct stream {
    uint8_t bytes[2048];
    size_t length;
};

static void add_bytes(struct stream *s, const void *bytes, size_t len)
{
    memcpy(s->bytes + s->length, bytes, len);
    s->length += len;
}

/* A client's frame: `first` is FIN and opcode. The mask changes from frame to frame. */
static void add_frame(struct stream *s, unsigned first, const void *payload, size_t len)
{
    uint8_t mask[4] = {(uint8_t)(s->length + 1), 0x5a, 0, (uint8_t)(s->length * 3)},
            *head = s->bytes + s->length;
    size_t n = ws_frame_head_masked(head, first & 15, first & FIN, len, mask);
    s->length += n;
    add_bytes(s, payload, len);
    ws_mask(s->bytes + s->length - len, len, mask, 0);
}

static void add(struct stream *s, unsigned first, const char *payload)
{
    add_frame(s, first, payload, strlen(payload));
}

struct transcript {
    char text[8192]; /* one line an event; a message once, when it is whole */
    char message[4096];
    size_t message_length;
    size_t left_max;
};

static void note(struct transcript *t, const struct ws_event *ev)
{
    static const char *const control[] = {[WS_EVENT_PING] = "ping", [WS_EVENT_PONG] = "pong"};
    char *end = t->text + strlen(t->text);
    switch (ev->type) {
    case WS_EVENT_DATA:
        assert_int_equal(ev->first, t->message_length == SIZE_MAX);
        if (ev->first)
            t->message_length = 0;
        memcpy(t->message + t->message_length, ev->data, ev->length);
        t->message_length += ev->length;
        if (ev->final) {
            sprintf(end, "%s %.*s\n", ev->opcode == WS_OP_TEXT ? "text" : "binary", (int)t->message_length,
                    t->message);
            t->message_length = SIZE_MAX;
        }
        break;
    case WS_EVENT_PING:
    case WS_EVENT_PONG:
        sprintf(end, "%s %.*s\n", control[ev->type], (int)ev->length, (const char *)ev->data);
        break;
    case WS_EVENT_CLOSE:
        sprintf(end, "close %u %.*s\n", ev->close_code, (int)ev->length, (const char *)ev->data);
        break;
    case WS_EVENT_ERROR:
        sprintf(end, "error %u %s\n", ev->close_code, drop_reason_name(ev->reason));
        break;
    case WS_EVENT_NONE:
        assert_true(ev->reason == DROP_NONE || ev->reason == DROP_WS_AFTER_CLOSE);
    }
}

/* Plays the owner: appends up to `piece` bytes (the first time `head` of them), takes events, keeps what is
 * left. */
static struct transcript play(struct ws_conn *c, const struct stream *s, size_t head, size_t piece)
{
    struct transcript t = {.message_length = SIZE_MAX};
    uint8_t pending[2048];
    size_t have = 0, fed = 0;
    while (fed < s->length) {
        size_t n = fed == 0 && head ? head : piece;
        n = n < s->length - fed ? n : s->length - fed;
        memcpy(pending + have, s->bytes + fed, n);
        have += n;
        fed += n;
        struct ws_event ev;
        uint8_t *p = guard_put(&guard, pending, have);
        do {
            size_t taken = ws_input(c, p, have, LIMIT, &ev);
            assert_true(taken <= have && (taken > 0 || ev.type == WS_EVENT_NONE));
            note(&t, &ev);
            p += taken;
            have -= taken;
        } while (ev.type != WS_EVENT_NONE);
        memcpy(pending, p, have);
        t.left_max = have > t.left_max ? have : t.left_max;
    }
    assert_true(t.left_max < WS_HEAD_MAX + WS_CONTROL_MAX);
    return t;
}

static void gives(const struct stream *s, const struct ws_conn *from, const char *expected)
{
    for (size_t cut = 0; cut <= s->length; cut++) {
        struct ws_conn c = *from;
        struct transcript t = cut < s->length ? play(&c, s, cut, s->length) : play(&c, s, 0, 1);
        assert_string_equal(t.text, expected);
    }
}

static void fresh_gives(const struct stream *s, const char *expected)
{
    struct ws_conn fresh = {0};
    gives(s, &fresh, expected);
}

static void messages_arrive_in_order(void **state)
{
    struct stream s = {0};
    add(&s, FIN | WS_OP_TEXT, "hello");
    add(&s, FIN | WS_OP_TEXT, "");
    add(&s, FIN | WS_OP_BINARY, "\xff\xfe");
    add(&s, FIN | WS_OP_TEXT, "0123456789012345678901234567890123456789");
    fresh_gives(&s, "text hello\ntext \nbinary \xff\xfe\ntext 0123456789012345678901234567890123456789\n");
}

static void fragments_make_one_message(void **state)
{
    struct stream s = {0};
    add(&s, WS_OP_TEXT, "he");
    add(&s, WS_OP_CONTINUATION, "");
    add(&s, WS_OP_CONTINUATION, "ll");
    add(&s, FIN | WS_OP_CONTINUATION, "o");
    add(&s, WS_OP_BINARY, "");
    add(&s, FIN | WS_OP_CONTINUATION, "");
    add(&s, WS_OP_TEXT, "");
    add(&s, FIN | WS_OP_CONTINUATION, "x");
    fresh_gives(&s, "text hello\nbinary \ntext x\n");
}

static void control_frames_come_between_fragments(void **state)
{
    struct stream s = {0};
    add(&s, WS_OP_TEXT, "a");
    add(&s, FIN | WS_OP_PING, "one");
    add(&s, WS_OP_CONTINUATION, "b");
    add(&s, FIN | WS_OP_PONG, "");
    add(&s, FIN | WS_OP_PING, "");
    add(&s, FIN | WS_OP_CONTINUATION, "c");
    fresh_gives(&s, "ping one\npong \nping \ntext abc\n");
}

static void a_ping_may_have_125_bytes(void **state)
{
    struct stream s = {0};
    char payload[126], expected[140];
    memset(payload, 'p', 125);
    payload[125] = 0;
    add(&s, FIN | WS_OP_PING, payload);
    sprintf(expected, "ping %s\n", payload);
    fresh_gives(&s, expected);
}

static void continuations_without_a_message_are_refused(void **state)
{
    static const unsigned firsts[] = {WS_OP_CONTINUATION, FIN | WS_OP_CONTINUATION};
    for (unsigned i = 0; i < 2; i++) {
        struct stream s = {0};
        add(&s, FIN | WS_OP_TEXT, "a");
        add(&s, firsts[i], "b");
        add(&s, FIN | WS_OP_TEXT, "c");
        fresh_gives(&s, "text a\nerror 1002 WS_CONTINUATION\n");
    }
}

static void a_message_within_a_message_is_refused(void **state)
{
    static const unsigned firsts[] = {WS_OP_TEXT, FIN | WS_OP_TEXT, FIN | WS_OP_BINARY};
    for (unsigned i = 0; i < 3; i++) {
        struct stream s = {0};
        add(&s, WS_OP_TEXT, "a");
        add(&s, firsts[i], "b");
        fresh_gives(&s, "error 1002 WS_CONTINUATION\n");
    }
}

static void bad_heads_end_the_connection(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *expected;
    } heads[] = {
        {"\xc1\x80\0\0\0\0", 6, "ping x\nerror 1002 WS_RESERVED\n"},
        {"\x83\x80\0\0\0\0", 6, "ping x\nerror 1002 WS_RESERVED\n"},
        {"\x81\x01x", 3, "ping x\nerror 1002 WS_UNMASKED\n"},
        {"\x81\xfe\0\x01\0\0\0\0x", 9, "ping x\nerror 1002 WS_LENGTH\n"},
        {"\x09\x80\0\0\0\0", 6, "ping x\nerror 1002 WS_CONTROL\n"},
        {"\x89\xfe\0\x7e\0\0\0\0", 8, "ping x\nerror 1002 WS_CONTROL\n"},
    };
    for (unsigned i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct stream s = {0};
        add(&s, FIN | WS_OP_PING, "x");
        add_bytes(&s, heads[i].bytes, heads[i].length);
        add(&s, FIN | WS_OP_PING, "y");
        fresh_gives(&s, heads[i].expected);
    }
}

static void the_limit_is_in_bytes_of_message(void **state)
{
    char text[LIMIT + 2], expected[LIMIT + 100];
    memset(text, 'm', sizeof text);
    text[LIMIT] = 0;
    struct stream s = {0};
    add(&s, FIN | WS_OP_TEXT, text);
    for (unsigned i = 0; i < LIMIT; i++) /* as many fragments as bytes, and empty ones between them */
        add_frame(&s, i ? WS_OP_CONTINUATION : WS_OP_BINARY, "m", 1), add(&s, WS_OP_CONTINUATION, "");
    add(&s, FIN | WS_OP_CONTINUATION, "");
    sprintf(expected, "text %s\nbinary %s\n", text, text);
    fresh_gives(&s, expected);

    struct stream over = {0}, sum = {0};
    text[LIMIT] = 'm';
    add_frame(&over, FIN | WS_OP_TEXT, text, LIMIT + 1);
    fresh_gives(&over, "error 1009 WS_TOO_LARGE\n");
    add_frame(&sum, WS_OP_TEXT, text, LIMIT);
    add(&sum, FIN | WS_OP_CONTINUATION, "m");
    fresh_gives(&sum, "error 1009 WS_TOO_LARGE\n");
    struct stream huge = {0};
    add(&huge, WS_OP_TEXT, "m");
    add_bytes(&huge, "\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff\1\2\3\4", 14);
    fresh_gives(&huge, "error 1009 WS_TOO_LARGE\n");
}

static void text_is_utf8_across_every_border(void **state)
{
    struct stream s = {0};
    add(&s, WS_OP_TEXT, "\xf0\x9f");
    add(&s, FIN | WS_OP_PING, "\xff");
    add(&s, WS_OP_CONTINUATION, "\x98");
    add(&s, FIN | WS_OP_CONTINUATION, "\x80\xc3\xa4");
    fresh_gives(&s, "ping \xff\ntext \xf0\x9f\x98\x80\xc3\xa4\n");
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    static const char *const bad[] = {"\xff",   "a\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "ok\xc3", "\xe2\x82"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct stream s = {0};
        add(&s, FIN | WS_OP_TEXT, bad[i]);
        add(&s, FIN | WS_OP_TEXT, "after");
        fresh_gives(&s, "error 1007 WS_UTF8\n");
    }
    struct stream s = {0}; /* a character may not be left open by an empty last fragment */
    add(&s, WS_OP_TEXT, "\xc3");
    add(&s, FIN | WS_OP_CONTINUATION, "");
    fresh_gives(&s, "error 1007 WS_UTF8\n");
}

static void bad_text_is_refused_before_its_frame_ends(void **state)
{
    struct stream s = {0};
    add(&s, FIN | WS_OP_TEXT, "\xf4\x90 and much more");
    s.length = 6 + 2;
    fresh_gives(&s, "error 1007 WS_UTF8\n");
}

static void a_fresh_text_does_not_inherit_from_a_binary_message(void **state)
{
    struct stream s = {0};
    add(&s, FIN | WS_OP_BINARY, "\xe2\x82");
    add(&s, FIN | WS_OP_TEXT, "\xc3\xa4");
    fresh_gives(&s, "binary \xe2\x82\ntext \xc3\xa4\n");
}

static void close_has_a_code_and_a_reason_or_nothing(void **state)
{
    static const struct {
        const char *payload;
        size_t length;
        const char *expected;
    } closes[] = {
        {"", 0, "close 1005 \n"},
        {"\x03\xe8", 2, "close 1000 \n"},
        {"\x0f\xa0"
         "bye \xc3\xa4",
         8, "close 4000 bye \xc3\xa4\n"},
        {"\x03", 1, "error 1002 WS_CLOSE\n"},
        {"\x03\xed", 2, "error 1002 WS_CLOSE\n"}, /* 1005 */
        {"\x03\xee", 2, "error 1002 WS_CLOSE\n"}, /* 1006 */
        {"\x03\xf7", 2, "error 1002 WS_CLOSE\n"}, /* 1015 */
        {"\x03\xe7", 2, "error 1002 WS_CLOSE\n"}, /* 999 */
        {"\x13\x88", 2, "error 1002 WS_CLOSE\n"}, /* 5000 */
        {"\0\0", 2, "error 1002 WS_CLOSE\n"},
        {"\x03\xe8\xff", 3, "error 1007 WS_UTF8\n"},
        {"\x03\xe8\xc3", 3, "error 1007 WS_UTF8\n"},
    };
    for (unsigned i = 0; i < sizeof closes / sizeof closes[0]; i++) {
        struct stream s = {0};
        add(&s, WS_OP_TEXT, "unfinished");
        add_frame(&s, FIN | WS_OP_CLOSE, closes[i].payload, closes[i].length);
        add(&s, FIN | WS_OP_CONTINUATION, "ignored");
        add_bytes(&s, "\xff\xff", 2);
        fresh_gives(&s, closes[i].expected);
    }
}

static void what_follows_a_close_is_counted(void **state)
{
    struct stream s = {0};
    struct ws_conn c = {0};
    struct ws_event ev;
    add(&s, FIN | WS_OP_CLOSE, "");
    size_t close_length = s.length;
    add(&s, FIN | WS_OP_PING, "x");
    assert_int_equal(ws_input(&c, s.bytes, s.length, LIMIT, &ev), close_length);
    assert_int_equal(ev.type, WS_EVENT_CLOSE);
    assert_int_equal(ws_input(&c, s.bytes + close_length, s.length - close_length, LIMIT, &ev),
                     s.length - close_length);
    assert_int_equal(ev.type, WS_EVENT_NONE);
    assert_int_equal(ev.reason, DROP_WS_AFTER_CLOSE);
}

static void after_our_close_only_the_peers_close_is_reported(void **state)
{
    struct stream s = {0};
    struct ws_conn closing = {0};
    ws_close_sent(&closing);
    add(&s, WS_OP_TEXT, "a");
    add(&s, FIN | WS_OP_PING, "p");
    add(&s, FIN | WS_OP_CONTINUATION, "b");
    add(&s, FIN | WS_OP_CLOSE, "\x03\xe8");
    add(&s, FIN | WS_OP_TEXT, "c");
    gives(&s, &closing, "close 1000 \n");
    struct stream bad = {0};
    add_bytes(&bad, "\xf0", 1);
    gives(&bad, &closing, "error 1002 WS_RESERVED\n");
}

static void our_close_does_not_open_a_deaf_connection_again(void **state)
{
    struct stream s = {0};
    struct ws_conn c = {0};
    add(&s, FIN | WS_OP_CLOSE, "");
    play(&c, &s, 0, 100);
    ws_close_sent(&c);
    s.length = 0;
    add(&s, FIN | WS_OP_CLOSE, "\x03\xe8");
    gives(&s, &c, "");
}

static void a_servers_frames_are_read_by_a_client(void **state)
{
    struct stream s = {0};
    struct ws_conn client = {.peer_is_server = 1};
    add_bytes(&s, "\x01\x02he\x89\x01p\x80\x03llo", 12);
    gives(&s, &client, "ping p\ntext hello\n");
    s.length = 0;
    add(&s, FIN | WS_OP_TEXT, "masked");
    gives(&s, &client, "error 1002 WS_UNMASKED\n");
}

static void a_large_frame_is_consumed_as_it_comes(void **state)
{
    const uint64_t size = 16u << 20;
    static const uint8_t mask[4] = {9, 8, 7, 6};
    uint8_t head[WS_HEAD_MAX], piece[1400];
    struct ws_conn c = {0};
    struct ws_event ev;
    size_t n = ws_frame_head_masked(head, WS_OP_TEXT, true, size, mask);
    assert_int_equal(ws_input(&c, head, n, size, &ev), n);
    assert_int_equal(ev.type, WS_EVENT_NONE);
    uint64_t seen = 0;
    while (seen < size) {
        size_t want =
            size - seen < sizeof piece ? (size_t)(size - seen) : 1 + (size_t)(seen * 31 % sizeof piece);
        for (size_t i = 0; i < want; i++)
            piece[i] = (uint8_t)('a' + (seen + i) % 23);
        ws_mask(piece, want, mask, seen);
        assert_int_equal(ws_input(&c, piece, want, size, &ev), want);
        assert_int_equal(ev.type, WS_EVENT_DATA);
        assert_int_equal(ev.first, seen == 0);
        assert_ptr_equal(ev.data, piece);
        assert_int_equal(ev.length, want);
        for (size_t i = 0; i < want; i++)
            if (piece[i] != 'a' + (seen + i) % 23)
                fail_msg("byte %zu", (size_t)seen + i);
        seen += want;
        assert_int_equal(ev.final, seen == size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_in_order),
        cmocka_unit_test(fragments_make_one_message),
        cmocka_unit_test(control_frames_come_between_fragments),
        cmocka_unit_test(a_ping_may_have_125_bytes),
        cmocka_unit_test(continuations_without_a_message_are_refused),
        cmocka_unit_test(a_message_within_a_message_is_refused),
        cmocka_unit_test(bad_heads_end_the_connection),
        cmocka_unit_test(the_limit_is_in_bytes_of_message),
        cmocka_unit_test(text_is_utf8_across_every_border),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
        cmocka_unit_test(bad_text_is_refused_before_its_frame_ends),
        cmocka_unit_test(a_fresh_text_does_not_inherit_from_a_binary_message),
        cmocka_unit_test(close_has_a_code_and_a_reason_or_nothing),
        cmocka_unit_test(what_follows_a_close_is_counted),
        cmocka_unit_test(after_our_close_only_the_peers_close_is_reported),
        cmocka_unit_test(our_close_does_not_open_a_deaf_connection_again),
        cmocka_unit_test(a_servers_frames_are_read_by_a_client),
        cmocka_unit_test(a_large_frame_is_consumed_as_it_comes),
    };
    guard = guard_make(4096);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    guard_free(&guard);
    return failed;
}
