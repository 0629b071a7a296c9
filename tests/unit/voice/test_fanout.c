/*
 * From one member to all others: sealed for each, in order, in slices.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/voice/fixture.h"

static void set_counter(struct fix *f, const struct client *c, uint32_t value)
{
    atomic_store(&member(f, c->i)->tx_counter[c->generation & 1], value);
}

static unsigned nibble(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static size_t hex(const char *text, uint8_t *p)
{
    size_t n = 0;
    for (; text[0]; text += 2)
        p[n++] = (uint8_t)(nibble(text[0]) << 4 | nibble(text[1]));
    return n;
}

/* Key 00 01 .. 1f on both ends, counter 1 on both ends: the sealed datagram is the received one, byte for
 * byte. */
static void vector(enum voice_mode mode, const char *text)
{
    struct fix *f = given();
    struct client *speaker = joins(f, 1, 0, mode), *listener = joins(f, 2, 0, mode);
    uint8_t p[64];
    for (unsigned k = 0; k < 32; k++)
        speaker->key[k] = listener->key[k] = (uint8_t)k;
    speaker->ssrc = 0x3039;
    speaker->generation++;
    listener->generation++;
    assert_true(sets(f, speaker) && sets(f, listener));
    binds(f, listener);
    set_counter(f, listener, 1);
    size_t len = hex(text, p);
    assert_int_equal(arrives(f, speaker, p, len), VOICE_FORWARD);
    assert_int_equal(round_out(f), 1);
    assert_int_equal(f->heard[0].length, len);
    assert_memory_equal(f->heard[0].datagram, p, len);
    assert_memory_equal(f->heard[0].text + (p[0] & 0x10 ? 4 : 0), "\xf8\xff\xfe", 3);
    done(f);
}

static void published_vectors_come_out_as_they_came_in(void **state)
{
    vector(VOICE_AES256_GCM_RTPSIZE,
           "80780001000003c000003039bcc93352177d1556c79e0ebde42f854ca2775100000001");
    vector(VOICE_AES256_GCM_RTPSIZE,
           "90780001000003c000003039bede00015449cdaaf4a50a4d792b1c863c31ae19470177147b27f500000001");
    vector(VOICE_XCHACHA20_RTPSIZE, "80780001000003c000003039f158aff80ffdd729b8527eeadceb6aa6333a0500000001");
    vector(VOICE_XCHACHA20_RTPSIZE,
           "90780001000003c000003039bede000119d8512097ff6fa07c68321c079743d660077ebaf6ce8f00000001");
}

static void everyone_else_hears_everyone_under_their_own_key_and_mode(void **state)
{
    struct fix *f = given();
    struct client *a = listens(f, 1, 5, VOICE_AES256_GCM_RTPSIZE),
                  *b = listens(f, 2, 5, VOICE_XCHACHA20_RTPSIZE),
                  *c = listens(f, 3, 5, VOICE_AES256_GCM_RTPSIZE);
    listens(f, 4, 5, VOICE_XCHACHA20_RTPSIZE);  /* never speaks */
    listens(f, 9, 6, VOICE_AES256_GCM_RTPSIZE); /* another room */
    b->extension = true;
    assert_int_equal(speaks(f, a, "from a"), VOICE_FORWARD);
    assert_int_equal(speaks(f, b, "from b"), VOICE_FORWARD);
    assert_int_equal(speaks(f, c, "from c"), VOICE_FORWARD);
    assert_int_equal(voice_pending(f->v), 3);
    assert_int_equal(round_out(f), 9);
    assert_int_equal(voice_pending(f->v), 0);
    assert_int_equal(f->released, 3);
    for (uint32_t i = 1; i <= 4; i++) {
        assert_int_equal(times_heard(f, i, "from a"), i != 1);
        assert_int_equal(times_heard(f, i, "\x10\x7f"), 0);
        assert_int_equal(times_heard(f, i, "from c"), i != 3);
    }
    for (unsigned k = 0; k < f->heard_count; k++) {
        const struct heard *h = &f->heard[k];
        assert_int_equal(h->peer_port, f->client[h->member].port);
        assert_memory_equal(h->peer_ip, f->client[h->member].ip, 16);
        assert_true(h->counter >= VOICE_COUNTER_FIRST);
        if (h->ssrc == b->ssrc)
            assert_memory_equal(h->text, "\x10\x7f\0\0from b", 10);
    }
    assert_int_equal(all_drops(f), 0);
    done(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors_come_out_as_they_came_in),
        cmocka_unit_test(everyone_else_hears_everyone_under_their_own_key_and_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
