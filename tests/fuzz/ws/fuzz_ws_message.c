/*
 * A client's stream of frames, whole and in pieces of the size that its first byte says: the same messages,
 * control frames and end come out, bounded by the limit, and little is left between the pieces.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/ws/message.h"
#include "dataplane/ws/utf8.h"
#include "tests/fuzz/http/expect.h"

#define LIMIT     4096u
#define INPUT_MAX 16384u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Events in a canonical form: whole messages, control frames, the end. */
struct transcript {
    uint8_t bytes[3 * INPUT_MAX];
    size_t length;
    uint8_t message[LIMIT];
    size_t message_length;
    bool in_message;
};

static void append(struct transcript *t, uint8_t kind, uint16_t detail, const uint8_t *bytes, size_t len)
{
    const uint8_t head[] = {kind, (uint8_t)detail, (uint8_t)(detail >> 8), (uint8_t)len, (uint8_t)(len >> 8)};
    EXPECT(t->length + sizeof head + len <= sizeof t->bytes);
    memcpy(t->bytes + t->length, head, sizeof head);
    if (len)
        memcpy(t->bytes + t->length + sizeof head, bytes, len);
    t->length += sizeof head + len;
}

static void note_data(struct transcript *t, const struct ws_event *ev)
{
    EXPECT(ev->first == !t->in_message);
    if (ev->first)
        t->message_length = 0;
    EXPECT(ev->length <= LIMIT - t->message_length);
    memcpy(t->message + t->message_length, ev->data, ev->length);
    t->message_length += ev->length;
    t->in_message = !ev->final;
    if (ev->final) {
        EXPECT(ev->opcode == WS_OP_BINARY || utf8_valid(t->message, t->message_length));
        append(t, 'm', ev->opcode, t->message, t->message_length);
    }
}

static void note(struct transcript *t, const struct ws_event *ev)
{
    if (ev->type == WS_EVENT_DATA)
        note_data(t, ev);
    else if (ev->type == WS_EVENT_ERROR)
        append(t, 'e', (uint16_t)(ev->close_code + ev->reason), NULL, 0);
    else if (ev->type != WS_EVENT_NONE)
        append(t, (uint8_t)ev->type, ev->close_code, ev->data, ev->length);
}

static void play(const uint8_t *data, size_t size, size_t piece, struct transcript *t)
{
    struct ws_conn c = {0};
    uint8_t pending[WS_HEAD_MAX + WS_CONTROL_MAX];
    size_t have = 0, fed = 0;
    t->length = 0;
    t->in_message = false;
    while (fed < size) {
        size_t n = size - fed < piece ? size - fed : piece, at = 0, len = have + n;
        uint8_t *p = malloc(len);
        EXPECT(p);
        memcpy(p, pending, have);
        memcpy(p + have, data + fed, n);
        fed += n;
        struct ws_event ev;
        do {
            size_t taken = ws_input(&c, p + at, len - at, LIMIT, &ev);
            EXPECT(taken <= len - at && (taken > 0 || ev.type == WS_EVENT_NONE));
            note(t, &ev);
            at += taken;
        } while (ev.type != WS_EVENT_NONE);
        have = len - at;
        EXPECT(have <= sizeof pending);
        memcpy(pending, p + at, have);
        free(p);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct transcript whole, cut;
    if (size < 2 || size > INPUT_MAX)
        return 0;
    play(data + 1, size - 1, size, &whole);
    play(data + 1, size - 1, data[0] % 16 + 1u, &cut);
    EXPECT(whole.length == cut.length && !memcmp(whole.bytes, cut.bytes, whole.length));
    return 0;
}
