/*
 * The helper thread: handshakes of several workers at once, bounds, cancelling, and what it tells a worker
 * that has forgotten.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <pthread.h>
#include "dataplane/base/bytes.h"
#include "dataplane/tls/handshake_map.h"
#include "peer.h"
#include "tests/unit/include/wait.h"

static struct pki pki;
static struct tls_server *server;

static int start(void **state)
{
    pki_make(&pki, PKI_P256, 30);
    server = server_of(&pki);
    return aead_init(AEAD_BACKEND_AUTO) ? 0 : 1;
}

static int stop(void **state)
{
    tls_server_free(server);
    pki_remove(&pki);
    return 0;
}

static struct tls_helper *helper_with(unsigned workers, unsigned threads, uint32_t handshakes_max)
{
    char error[TLS_ERROR_MAX] = "";
    struct tls_helper *h = tls_helper_start(&(struct tls_helper_config){.server = server,
                                                                        .workers = workers,
                                                                        .threads = threads,
                                                                        .handshakes_max = handshakes_max,
                                                                        .cpu = -1,
                                                                        .ring_bytes = 256 << 10},
                                            error);
    assert_string_equal(error, "");
    return h;
}

static struct tls_helper *helper_of(unsigned workers, uint32_t handshakes_max)
{
    return helper_with(workers, 1, handshakes_max);
}

static void poll_until(struct tls_helper *h, unsigned worker, struct tls_helper_result *out)
{
    while (!tls_helper_poll(h, worker, out))
        wait_turn();
}

/* Hands in the client's next record; false when it has none. */
static bool submit_next(struct tls_helper *h, unsigned worker, uint64_t handle, bool first, struct peer *p)
{
    static _Thread_local uint8_t record[TLS_RECORD_MAX];
    if (peer_take(p, record, TLS_HEADER_SIZE) == 0)
        return false;
    size_t length = be16(record + 3);
    peer_take(p, record + TLS_HEADER_SIZE, length);
    return tls_helper_submit(h, worker, handle, first, record, (uint32_t)(TLS_HEADER_SIZE + length));
}

enum { TOGETHER = 12 };

struct worker_run {
    struct tls_helper *helper;
    unsigned worker;
    unsigned done; /* handshakes whose connection then carried data */
};

/* One worker with several handshakes under way at once, each answered as its results come. */
static void *shake_many(void *arg)
{
    struct worker_run *w = arg;
    struct peer peers[TOGETHER];
    unsigned open = TOGETHER;
    for (uint64_t i = 0; i < TOGETHER; i++) {
        peer_open(&peers[i], NULL, i % 3 ? NULL : "P-521:X25519");
        SSL_do_handshake(peers[i].ssl);
        if (!submit_next(w->helper, w->worker, i + 1000, true, &peers[i]))
            return NULL;
    }
    while (open) {
        struct tls_helper_result r;
        poll_until(w->helper, w->worker, &r);
        struct peer *p = &peers[r.handle - 1000];
        BIO_write(p->in, r.step.send, (int)r.step.send_len);
        if (r.step.step == TLS_STEP_MORE) {
            SSL_do_handshake(p->ssl);
            submit_next(w->helper, w->worker, r.handle, false, p);
            continue;
        }
        open--;
        char text[4];
        if (r.step.step == TLS_STEP_DONE && SSL_read(p->ssl, text, 4) == -1) {
            struct tls_conn c;
            tls_conn_start(&c, &r.step.secrets, false);
            uint8_t record[64];
            struct tls_keys keys;
            tls_keys_write(&keys, &c, 0);
            size_t n = tls_seal(&keys, tls_take_record(&c), TLS_APPLICATION_DATA,
                                &(struct tls_span){(const uint8_t *)"pong", 4}, 1, record);
            BIO_write(p->in, record, (int)n);
            w->done += SSL_read(p->ssl, text, 4) == 4 && memcmp(text, "pong", 4) == 0;
        }
    }
    for (int i = 0; i < TOGETHER; i++)
        peer_close(&peers[i]);
    return NULL;
}

static void shake_with_threads(unsigned helper_threads)
{
    struct tls_helper *h = helper_with(2, helper_threads, TOGETHER);
    struct worker_run runs[2] = {{h, 0, 0}, {h, 1, 0}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, shake_many, &runs[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(runs[i].done, TOGETHER);
        assert_int_equal(tls_helper_live(h, (unsigned)i), 0);
    }
    tls_helper_stop(h);
}

static void workers_shake_many_hands_at_once(void **state)
{
    shake_with_threads(1);
}

static void several_threads_share_them_and_each_handshake_stays_on_one(void **state)
{
    shake_with_threads(3);
}

static void more_handshakes_than_allowed_are_refused_until_one_ends(void **state)
{
    struct tls_helper *h = helper_of(1, 2);
    struct tls_helper_result r;
    static const uint8_t start_of_hello[] = {22, 3, 1, 0, 4, 1, 0, 0, 200}, garbage[] = {22, 2, 0, 0, 1, 99};
    assert_true(tls_helper_submit(h, 0, 1, true, start_of_hello, sizeof start_of_hello));
    assert_true(tls_helper_submit(h, 0, 2, true, start_of_hello, sizeof start_of_hello));
    assert_false(tls_helper_submit(h, 0, 3, true, start_of_hello, sizeof start_of_hello));
    for (int i = 0; i < 2; i++) {
        poll_until(h, 0, &r);
        assert_int_equal(r.step.step, TLS_STEP_MORE);
    }
    assert_int_equal(tls_helper_live(h, 0), 2);
    assert_true(tls_helper_submit(h, 0, 2, false, garbage, sizeof garbage));
    poll_until(h, 0, &r);
    assert_int_equal(r.handle, 2);
    assert_int_equal(r.step.step, TLS_STEP_FAILED);
    assert_true(r.step.send_len > 0);
    assert_true(tls_helper_submit(h, 0, 3, true, start_of_hello, sizeof start_of_hello));
    tls_helper_stop(h);
}

static void a_cancelled_handshake_frees_its_place_and_says_nothing(void **state)
{
    struct tls_helper *h = helper_of(1, 1);
    struct tls_helper_result r;
    static const uint8_t start_of_hello[] = {22, 3, 1, 0, 4, 1, 0, 0, 200};
    for (uint64_t handle = 1; handle < 50; handle++) {
        assert_true(tls_helper_submit(h, 0, handle, true, start_of_hello, sizeof start_of_hello));
        poll_until(h, 0, &r);
        tls_helper_cancel(h, 0, handle);
        while (tls_helper_live(h, 0) == 1) {
            assert_false(tls_helper_poll(h, 0, &r));
            wait_turn();
        }
    }
    /* And it is forgotten: a later record finds no handshake. */
    assert_true(tls_helper_submit(h, 0, 49, false, start_of_hello, sizeof start_of_hello));
    poll_until(h, 0, &r);
    assert_int_equal(r.step.step, TLS_STEP_FAILED);
    assert_int_equal(r.step.why.reason, DROP_TLS_HANDSHAKE_LOST);
    tls_helper_stop(h);
}

/* A worker that submits and never polls: its ring fills, it is refused, and a cancel still finds room. */
static void a_full_ring_refuses_records_but_never_a_cancel(void **state)
{
    enum { MAX = 64 };
    struct tls_helper *h = helper_of(1, MAX);
    struct tls_helper_result r;
    static uint8_t record[TLS_HEADER_SIZE + TLS_PLAINTEXT_MAX] = {22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff};
    uint64_t taken = 0, steps = 0;
    bool refused = false;
    for (uint64_t i = 0; i < MAX && !refused; i++) {
        refused = !tls_helper_submit(h, 0, i, true, record, sizeof record);
        taken += !refused;
    }
    for (int i = 0; i < 1000 && !refused; i++)
        refused = !tls_helper_submit(h, 0, 0, false, record, sizeof record);
    assert_true(refused);
    for (uint64_t i = 0; i < taken; i++)
        tls_helper_cancel(h, 0, i);
    while (tls_helper_live(h, 0))
        steps += tls_helper_poll(h, 0, &r);
    assert_true(steps >= taken);
    assert_true(tls_helper_submit(h, 0, 7, true, record, sizeof record));
    tls_helper_stop(h);
}

static void stopping_ends_handshakes_under_way(void **state)
{
    static const uint8_t start_of_hello[] = {22, 3, 1, 0, 4, 1, 0, 0, 200};
    for (int i = 0; i < 20; i++) {
        struct tls_helper *h = helper_of(3, 4);
        for (unsigned w = 0; w < 3; w++)
            assert_true(tls_helper_submit(h, w, w, true, start_of_hello, sizeof start_of_hello));
        tls_helper_stop(h); /* leaks and hangs show under the sanitizers and the test's time limit */
    }
}

static void a_ring_too_small_is_refused_at_start(void **state)
{
    char error[TLS_ERROR_MAX] = "";
    struct tls_helper_config c = {
        .server = server, .workers = 1, .handshakes_max = 8, .cpu = -1, .ring_bytes = 100000};
    assert_null(tls_helper_start(&c, error));
    assert_non_null(strstr(error, "power of two"));
    c.ring_bytes = 256 << 10;
    c.handshakes_max = 1 << 20;
    assert_null(tls_helper_start(&c, error));
}

/* Against a plain array: every handle is found exactly while it is in, whatever was removed before it. */
static void the_map_of_handshakes_agrees_with_an_array(void **state)
{
    enum { HANDLES = 40, ROOM = 16 };
    struct handshake_map m;
    struct tls_handshake *in[HANDLES] = {NULL};
    uint32_t used = 0, random = 12345;
    assert_true(handshake_map_init(&m, ROOM));
    for (int i = 0; i < 20000; i++) {
        random = random * 1664525 + 1013904223;
        uint64_t handle = (random >> 8) % HANDLES;
        if (random >> 31) {
            struct tls_handshake *h = (struct tls_handshake *)(uintptr_t)(random | 1);
            if (in[handle])
                continue;
            assert_int_equal(handshake_map_add(&m, handle, h), used < ROOM);
            if (used < ROOM) {
                in[handle] = h;
                used++;
            }
        } else {
            assert_ptr_equal(handshake_map_remove(&m, handle), in[handle]);
            used -= in[handle] != NULL;
            in[handle] = NULL;
        }
        for (uint64_t j = 0; j < HANDLES; j++)
            assert_ptr_equal(handshake_map_find(&m, j), in[j]);
    }
    for (uint64_t j = 0; j < HANDLES; j++)
        handshake_map_remove(&m, j);
    handshake_map_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_shake_many_hands_at_once),
        cmocka_unit_test(several_threads_share_them_and_each_handshake_stays_on_one),
        cmocka_unit_test(more_handshakes_than_allowed_are_refused_until_one_ends),
        cmocka_unit_test(a_cancelled_handshake_frees_its_place_and_says_nothing),
        cmocka_unit_test(a_full_ring_refuses_records_but_never_a_cancel),
        cmocka_unit_test(stopping_ends_handshakes_under_way),
        cmocka_unit_test(a_ring_too_small_is_refused_at_start),
        cmocka_unit_test(the_map_of_handshakes_agrees_with_an_array),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
