/*
 * The worker is killed at its n-th store while connections begin and end: through the table of half-open
 * ones, by SYN cookies when that is full, through a close into TIME-WAIT, and out of it by a new SYN from the
 * same addresses. See crash_test.c.
 *
 *   - nobody is ever reset: what was answered is known to the next life, or the client's retransmission makes
 * it known;
 *   - whoever opened is open, whoever closed is closed, what was said is said once;
 *   - in the end all is given back: slots, blocks, records, and both tables' places.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "crash_client.h"
#include "crash_worker.h"

#define ROUND_US   20000u
#define ROUNDS_MAX 2000u
#define FLOOD      160u /* SYNs of nobody: no set of the table has a place left */

struct world {
    struct client client;
    struct child child;
    uint64_t now_us;
    struct round in;
    struct frames out;
};

static void play(struct world *w)
{
    w->in.now_us = w->now_us;
    crash_round(&w->child, &w->in, &w->out);
    for (uint32_t i = 0; i < w->out.count; i++)
        client_frame(&w->client, w->out.bytes[i], w->out.length[i], w->now_us);
    w->now_us += ROUND_US;
    w->in.frames.count = 0;
    assert_false(w->client.reset);
}

static void converse(struct world *w)
{
    struct frames *f = &w->in.frames;
    size_t n;
    client_timer(&w->client, w->now_us);
    while (f->count < CRASH_FRAMES_MAX - 4 &&
           (n = client_next(&w->client, f->bytes[f->count], sizeof f->bytes[0], w->now_us)))
        f->length[f->count++] = (uint32_t)n;
    play(w);
}

static void teach_neighbour(struct world *w)
{
    struct frames *f = &w->in.frames;
    f->count = 1;
    f->length[0] = (uint32_t)arp_request(f->bytes[0], client_ip, client_mac, server_ip);
    play(w);
}

/* The client's slot, or NULL: it has none. */
static struct connection *slot_of(const struct world *w)
{
    const struct pool *p = region_part(&region, 0, PART_CONNECTIONS);
    for (uint32_t i = 0; i < p->fresh; i++) {
        struct connection *c = connection_at(&region, 0, i);
        if (c->kind != CONNECTION_FREE && c->tcp.state == TCP_ESTABLISHED &&
            c->tcp.tuple.remote_port == w->client.tcp.tuple.local_port)
            return c;
    }
    return NULL;
}

/* Until both ends are open. `speaks`: at once, as clients of TLS do. An ACK with a cookie may be lost with
 * the worker, who knows nothing of its client then; what the client says next has the cookie, too. */
static void open_client(struct world *w, uint16_t port, uint32_t iss, bool speaks)
{
    static const uint8_t hello[] = {22, 3, 1, 0, 2, 1, 0};
    client_start_from(&w->client, port, iss, w->now_us);
    for (unsigned i = 0; i < ROUNDS_MAX && !(w->client.tcp.state == TCP_ESTABLISHED && slot_of(w)); i++) {
        converse(w);
        if (speaks && w->client.tcp.state == TCP_ESTABLISHED && !w->client.sent_length)
            client_say_plainly(&w->client, hello, sizeof hello);
    }
    assert_int_equal(w->client.tcp.state, TCP_ESTABLISHED);
    assert_non_null(slot_of(w));
}

/* Between two rounds the worker rests: its client has shaken hands. */
static void speak_tls(struct world *w)
{
    struct tls_secrets secrets = {.suite = TLS_AES_128_GCM_SHA256};
    struct connection *c = slot_of(w);
    memset(secrets.client, 5, sizeof secrets.client);
    memset(secrets.server, 6, sizeof secrets.server);
    client_keys(&w->client, &secrets);
    tls_conn_start(&c->tls, &secrets, false);
    c->kind = CONNECTION_HTTP;
    c->deadline_us = w->now_us + config.keep_alive_us;
}

/* A request that is none is answered once, and the worker closes: TIME-WAIT is its own. */
static void is_sent_away(struct world *w)
{
    static const char nonsense[] = "no request at all\r\n\r\n";
    client_say(&w->client, nonsense, sizeof nonsense - 1);
    for (unsigned i = 0; i < ROUNDS_MAX && w->client.tcp.state != TCP_CLOSED; i++) {
        converse(w);
        if (w->client.tcp.state == TCP_CLOSE_WAIT)
            client_close(&w->client);
    }
    assert_int_equal(w->client.tcp.state, TCP_CLOSED);
    const char *text = (const char *)w->client.text,
               *answer = memmem(text, w->client.text_length, "HTTP/1.1 400", 12);
    assert_ptr_equal(answer, text);
    assert_null(memmem(text + 1, w->client.text_length - 1, "HTTP/1.1", 8));
}

/* SYNs that nobody goes on with. */
static void flood(struct world *w)
{
    struct frames *f = &w->in.frames;
    for (unsigned i = 0; i < FLOOD; i++) {
        static struct client nobody;
        client_start_from(&nobody, (uint16_t)(20000 + i), i, w->now_us);
        f->length[f->count] =
            (uint32_t)client_next(&nobody, f->bytes[f->count], sizeof f->bytes[0], w->now_us);
        if (++f->count == 32)
            play(w);
    }
    play(w);
}

static uint32_t used(unsigned part)
{
    return ((const struct pool *)region_part(&region, 0, part))->used;
}

static void everything_comes_back(struct world *w)
{
    static const unsigned pools[] = {PART_CONNECTIONS, PART_BLOCKS, PART_DESCRIPTORS, PART_ITEMS};
    const struct half_open_table *openings = region_part(&region, 0, PART_HALF_OPEN);
    const struct time_wait_table *waits = region_part(&region, 0, PART_TIME_WAIT);
    for (unsigned i = 0; i < 300; i++) { /* the client is gone, and says nothing any more */
        w->now_us += 1000000;
        w->in.now_us = w->now_us;
        crash_round(&w->child, &w->in, &w->out);
    }
    for (unsigned i = 0; i < sizeof pools / sizeof *pools; i++)
        assert_int_equal(used(pools[i]), 0);
    assert_int_equal(openings->used, 0);
    for (uint32_t i = 0; i < half_open_entries(region.header->geometry.connections); i++)
        assert_int_equal(openings->entry[i].at_us, 0);
    for (uint32_t i = 0; i < time_wait_entries(region.header->geometry.connections); i++)
        assert_true(waits->entry[i].until_us <= w->now_us);
}

static void worker_killed_at_every_store_of_openings_and_closes_resets_nobody_and_keeps_nothing(void **state)
{
    static struct world w;
    w.now_us = 1000000;
    crash_child_start(&w.child, false, w.now_us);
    teach_neighbour(&w);
    crash_child_end(&w.child);

    crash_child_start(&w.child, true, w.now_us);
    open_client(&w, 50000, 0xfffffff0u, false);
    speak_tls(&w);
    is_sent_away(&w);
    open_client(&w, 50000, 0x40000000u,
                false); /* out of TIME-WAIT: of the addresses that the one before had */
    crash_child_end(&w.child);

    crash_child_start(&w.child, false, w.now_us);
    flood(&w);
    crash_child_end(&w.child);
    crash_child_start(&w.child, true, w.now_us);
    open_client(&w, 50001, 7, true); /* by a cookie */
    crash_child_end(&w.child);

    crash_child_start(&w.child, false, w.now_us);
    everything_comes_back(&w);
    crash_child_end(&w.child);
    if (crash_is_fork())
        _exit(0);
    const struct counters *k = region_part(&region, 0, PART_COUNTERS);
    assert_true(k->count[COUNT_syn_cookies_in] == 1 && k->count[COUNT_time_waits] == 1);
    assert_true(crash_kills() > 200);
}

static int set_up(void **state)
{
    return crash_set_up() ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(
        worker_killed_at_every_store_of_openings_and_closes_resets_nobody_and_keeps_nothing)};
    return cmocka_run_group_tests(tests, set_up, NULL);
}
