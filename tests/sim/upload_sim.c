/*
 * Bodies that are longer than a ring's entry: they wait with their connection until the control plane has
 * answered, for whoever has a token that we signed, while there are blocks to spare.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "sim_box.h"
#include "token.h"

#define BODY 120000u

static const struct region_geometry geometry = {.workers = 1,
                                                .connections = 16,
                                                .blocks = 256,
                                                .descriptors = 128,
                                                .items = 64,
                                                .chunks = 16,
                                                .topic_chunks = 16,
                                                .rooms = 4,
                                                .members = 8,
                                                .sessions = SESSIONS,
                                                .topics = 4,
                                                .control_blocks = 4,
                                                .log_segments = 2,
                                                .ring_bytes = 1u << 20,
                                                .capture_bytes = 1u << 16,
                                                .undo_bytes = 256u << 10};

static struct sim sim;
static uint8_t body[BODY], seen[BODY];

static uint64_t drops(enum drop_reason why)
{
    return sim.worker->counters->drop[why];
}

static const struct connection *connection(void)
{
    return conn_at(sim.worker, 0);
}

/* A client whose head has arrived; with a token that is signed, or one that is not. */
static struct sim_client *begin(bool is_signed, const char *framing)
{
    struct region_secrets *s = NULL;
    char token[TOKEN_TEXT_MAX] = "MTIz.abcdefgh", head[512];
    uint8_t key[TOKEN_KEY] = {7};
    sim_start(&sim, &geometry, 1);
    sim.config.upload_max = 130000;
    sim.answer_bytes = 100;
    sim.control_rests = true;
    s = &sim.region.header->secrets;
    memcpy(s->token_hmac, key, sizeof key);
    atomic_store(&s->token_ready, 1);
    size_t length = token_sign(key, token, strlen(token));
    token[length] = 0;
    token[length - 1] = is_signed ? token[length - 1] : token[length - 1] == 'A' ? 'B' : 'A';
    for (uint32_t i = 0; i < BODY; i++)
        body[i] = (uint8_t)(i * 31 >> 3);
    int n = snprintf(head, sizeof head,
                     "POST /up HTTP/1.1\r\nHost: x\r\nAuthorization: Bot %s\r\n"
                     "Content-Type: multipart/form-data; boundary=x\r\n%s\r\n\r\n",
                     token, framing);
    struct sim_client *c = &sim.client[0];
    sim_client_start(c, 40000, 7, sim.now_us);
    sim_turns(&sim, 4);
    assert_true(sim_client_record(c, TLS_APPLICATION_DATA, head, (size_t)n));
    sim_turns(&sim, 2);
    return c;
}

static void end(void)
{
    sim.control_rests = false;
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

static void send_body(struct sim_client *c, uint32_t from, uint32_t to, bool chunked)
{
    char record[1100];
    for (uint32_t at = from; at < to; at += 1000) {
        int n = chunked ? snprintf(record, sizeof record, "3e8\r\n") : 0;
        memcpy(record + n, body + at, 1000);
        if (chunked)
            memcpy(record + n + 1000, "\r\n", 2);
        assert_true(sim_client_record(c, TLS_APPLICATION_DATA, record, (size_t)n + 1000 + (chunked ? 2 : 0)));
        sim_turn(&sim);
    }
}

/* What the worker has told of the upload; NULL: nothing yet. */
static const struct notice_request *told(void)
{
    struct ring_end looking = sim.notice;
    struct ring_entry *e;
    while ((e = ring_next(&looking)) != NULL)
        if (e->type == NOTICE_REQUEST)
            return (const void *)e->payload;
    return NULL;
}

static void assert_body_is_there(void)
{
    const struct notice_request *n = told();
    assert_non_null(n);
    assert_int_equal(n->carried, BODY);
    assert_int_equal(n->length[REQUEST_BODY], 0);
    assert_int_equal(connection()->http.phase, HTTP_PHASE_ASKED);
    assert_int_equal(chain_read(&connection()->carry, sim.worker->blocks, n->carried_at, seen, BODY), BODY);
    assert_memory_equal(seen, body, BODY);
}

static void a_long_body_stays_with_its_connection_until_the_answer(void **state)
{
    for (int chunked = 0; chunked < 2; chunked++) {
        struct sim_client *c = begin(true, chunked ? "Transfer-Encoding: chunked" : "Content-Length: 120000");
        send_body(c, 0, 60000, chunked);
        sim_restart(&sim); /* half of it, and then all of it, is another process's to go on with */
        send_body(c, 60000, BODY, chunked);
        if (chunked)
            assert_true(sim_client_record(c, TLS_APPLICATION_DATA, "0\r\n\r\n", 5));
        sim_turns(&sim, 3);
        sim_restart(&sim);
        sim_turns(&sim, 3);
        assert_body_is_there();
        sim.control_rests = false;
        sim_turns(&sim, 6);
        assert_int_equal(c->heard, 100);
        assert_int_equal(connection()->carry.blocks, 0);
        end();
    }
}

static void a_long_body_of_somebody_without_a_token_is_refused_at_its_head(void **state)
{
    begin(false, "Content-Length: 120000");
    assert_int_equal(drops(DROP_HTTP_BODY_TOO_LARGE), 1);
    end();
}

static void a_body_longer_than_an_upload_may_be_is_refused(void **state)
{
    begin(true, "Content-Length: 130001");
    assert_int_equal(drops(DROP_HTTP_BODY_TOO_LARGE), 1);
    end();
    struct sim_client *c = begin(true, "Transfer-Encoding: chunked");
    send_body(c, 0, BODY, true);
    assert_int_equal(drops(DROP_HTTP_BODY_TOO_LARGE), 0);
    send_body(c, 0, 11000, true);
    assert_int_equal(drops(DROP_HTTP_BODY_TOO_LARGE), 1);
    end();
}

static void uploads_leave_half_of_the_blocks_to_everybody_else(void **state)
{
    struct sim_client *c = begin(true, "Content-Length: 120000");
    sim_starve(&sim, sim.worker->blocks, geometry.blocks / 2 + 10);
    send_body(c, 0, 60000, false);
    assert_int_equal(drops(DROP_HTTP_UPLOADS_FULL), 0); /* as long as any body may be */
    send_body(c, 60000, 70000, false);
    assert_int_equal(drops(DROP_HTTP_UPLOADS_FULL), 1);
    sim_feed(&sim);
    end();
}

/* Each piece of 64 KiB has the time that a request has: longer than it for the whole. */
static void an_upload_may_take_its_time_while_it_goes_on(void **state)
{
    struct sim_client *c = begin(true, "Content-Length: 120000");
    send_body(c, 0, 66000, false);
    sim.now_us += sim.config.head_us / 4;
    send_body(c, 66000, BODY, false);
    sim_turns(&sim, 3);
    assert_int_equal(drops(DROP_HTTP_BODY_TIMEOUT), 0);
    assert_body_is_there();
    sim.control_rests = false;
    sim_turns(&sim, 6);
    end();
    c = begin(true, "Content-Length: 120000");
    send_body(c, 0, 70000, false);
    sim.now_us += sim.config.head_us + 100000;
    sim_turns(&sim, 2);
    assert_int_equal(drops(DROP_HTTP_BODY_TIMEOUT), 1);
    end();
}

static int set_up(void **state)
{
    return aead_init(AEAD_BACKEND_AUTO) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_body_stays_with_its_connection_until_the_answer),
        cmocka_unit_test(a_long_body_of_somebody_without_a_token_is_refused_at_its_head),
        cmocka_unit_test(a_body_longer_than_an_upload_may_be_is_refused),
        cmocka_unit_test(uploads_leave_half_of_the_blocks_to_everybody_else),
        cmocka_unit_test(an_upload_may_take_its_time_while_it_goes_on),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
