/*
 * Any text as an SDP offer: the parser stays inside, and what is agreed on can be answered: every section has
 * its own, and no line but ours.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/webrtc/sdp.h"
#include "tests/fuzz/http/expect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_lines(const char *p, const struct sdp_offer *o)
{
    unsigned sections = 0;
    for (const char *end; *p; p = end + 1) {
        end = strchr(p, '\n');
        EXPECT(end && end - p >= 2 && strchr("vostmca", p[0]) && p[1] == '=');
        for (const char *c = p; c < end; c++)
            EXPECT((*c >= ' ' && *c <= '~') || (*c == '\r' && c + 1 == end));
        sections += p[0] == 'm';
    }
    EXPECT(sections == (o->fragment ? 1u : o->count));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sdp_offer o;
    static char out[SDP_ANSWER_MAX];
    static const struct sdp_local local = {.ufrag = "00000007abcd",
                                           .password = "ABCDEFGHIJKLMNOPQRSTUVWX",
                                           .fingerprint = (const uint8_t *)"0123456789abcdef0123456789abcdef",
                                           .ip = "198.18.0.1",
                                           .port = 50000,
                                           .ssrc = 1000};
    struct sdp_agreed a;
    char *text = (char *)exact_copy(data, size);
    if (!sdp_parse(text, size, &o) && !sdp_agree(&o, &a)) {
        EXPECT(!o.fragment || a.slots == PEER_SLOTS);
        EXPECT(a.slots <= PEER_SLOTS && a.payload_type && a.payload_type < 128 && a.level_id <= 14);
        if (sdp_answer(&o, &a, &local, out))
            expect_lines(out, &o);
    }
    if (!sdp_whole(text, size))
        EXPECT(size >= 5 && !memchr(text, 0, size));
    if (!sdp_parse(text, size, &o) && sdp_restarted(&o, &local, out))
        for (const char *c = out; *c; c++)
            EXPECT((*c >= ' ' && *c <= '~') || (*c == '\r' && c[1] == '\n') || *c == '\n');
    free(text);
    return 0;
}
