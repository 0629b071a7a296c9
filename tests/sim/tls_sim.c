/*
 * TLS through a whole worker in virtual time: every suite of both versions, records within the peer's limit,
 * retransmissions across a change of keys, and the ends that TLS itself brings about.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/base/bytes.h"
#include "dataplane/ws/frame.h"
#include "sim_box.h"

static const char upgrade_echo[] =
    "GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
static const char upgrade_gateway[] =
    "GET /?v=10&encoding=json HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
static const char upgrade_voice[] =
    "GET /voice?v=8 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
static const uint8_t update_requested[TLS_KEY_UPDATE_SIZE] = {24, 0, 0, 1, 1};

static const uint16_t suites[] = {0x1301, 0x1302, 0x1303, 0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9};
enum { SUITES = sizeof suites / sizeof suites[0] };

static const struct region_geometry geometry = {.workers = 1,
                                                .connections = 16,
                                                .blocks = 2048,
                                                .descriptors = 8192,
                                                .items = 4096,
                                                .chunks = 256,
                                                .topic_chunks = 8,
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

static struct sim_client *begin(uint16_t suite, uint16_t record_limit, const char *upgrade)
{
    sim_secrets_for(suite, record_limit);
    sim_start(&sim, &geometry, 1);
    struct sim_client *c = &sim.client[0];
    sim_client_start(c, 40000, 7, sim.now_us);
    sim_turns(&sim, 4);
    if (upgrade)
        assert_true(sim_client_record(c, TLS_APPLICATION_DATA, upgrade, strlen(upgrade)));
    sim_turns(&sim, 4);
    return c;
}

static void end(void)
{
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
    sim_secrets_for(TLS_AES_128_GCM_SHA256, 0);
}

static uint64_t drops(enum drop_reason why)
{
    return sim.worker->counters->drop[why];
}

/* Says a message of `len` bytes to the echo, in records of at most 4000, and returns what the answer must be.
 */
static size_t say(struct sim_client *c, size_t len, uint8_t *answer)
{
    static uint8_t message[20000], frame[20100];
    for (size_t i = 0; i < len; i++)
        message[i] = (uint8_t)(i * 31 + i / 251);
    size_t n = sim_frame(frame, WS_OP_BINARY, true, message, len);
    for (size_t at = 0; at < n; at += 4000)
        assert_true(sim_client_record(c, TLS_APPLICATION_DATA, frame + at, n - at < 4000 ? n - at : 4000));
    size_t head = ws_frame_head(answer, WS_OP_BINARY, true, len);
    memcpy(answer + head, message, len);
    return head + len;
}

/* The echo answers byte for byte behind what was heard before. */
static void assert_echoes(struct sim_client *c, size_t len)
{
    static uint8_t answer[20100];
    uint64_t before = c->heard;
    size_t n = say(c, len, answer);
    sim_turns(&sim, 40);
    assert_int_equal(c->heard - before, n);
    assert_memory_equal(c->text + before, answer, n);
}

static void every_suite_of_both_versions_carries_a_conversation(void **state)
{
    for (int i = 0; i < SUITES; i++) {
        struct sim_client *c = begin(suites[i], 0, upgrade_echo);
        assert_echoes(c, 1);
        assert_echoes(c, 125);
        assert_echoes(c, 20000);
        end();
    }
}

/* Also what is made on the spot, such as the hello, is cut to the limit. */
static void no_record_is_longer_than_the_peer_takes(void **state)
{
    for (int i = 0; i < SUITES; i++) {
        struct sim_client *c = begin(suites[i], 63, upgrade_echo);
        assert_echoes(c, 3000);
        assert_int_equal(c->longest, 63);
        end();
        c = begin(suites[i], 30, upgrade_gateway);
        assert_int_equal(c->longest, 30);
        assert_non_null(memmem(c->text, c->heard, "\"heartbeat_interval\":4000", 25));
        end();
    }
}

/* What is lost is made anew, and comes out the same: else it would not authenticate. */
static void what_is_lost_is_made_anew_in_every_suite(void **state)
{
    for (int i = 0; i < SUITES; i++) {
        struct sim_client *c = begin(suites[i], 0, upgrade_echo);
        static uint8_t answer[20100];
        uint64_t before = c->heard;
        size_t n = say(c, 9000, answer);
        c->thankless = true;
        sim_turns(&sim, 10);
        assert_int_equal(c->heard, before);
        c->thankless = false;
        sim_turns(&sim, 400);
        assert_int_equal(c->heard - before, n);
        assert_memory_equal(c->text + before, answer, n);
        end();
    }
}

/*
 * The ticket is not acknowledged yet, a KeyUpdate goes out behind it and all of it is lost: the key before
 * must last until its last record has arrived.
 */
static void a_key_change_behind_an_unacknowledged_ticket_is_sent_again(void **state)
{
    sim_secrets_for(TLS_AES_128_GCM_SHA256, 0);
    sim_start(&sim, &geometry, 1);
    sim.tickets = true;
    struct sim_client *c = &sim.client[0];
    sim_client_start(c, 40000, 7, sim.now_us);
    sim_turns(&sim, 1);
    c->thankless = true;
    sim_turns(&sim, 3);
    sim_client_record(c, TLS_HANDSHAKE, update_requested, TLS_KEY_UPDATE_SIZE);
    tls_write_epoch_next(&c->tls);
    tls_write_previous_release(&c->tls);
    sim_client_record(c, TLS_APPLICATION_DATA, upgrade_echo, strlen(upgrade_echo));
    sim_turns(&sim, 5);
    assert_int_equal(conn_at(sim.worker, 0)->tls.write_epoch, 1);
    worker_ready(sim.worker, 0); /* somebody else had to do with it meanwhile */
    sim_turns(&sim, 1);
    assert_true(conn_at(sim.worker, 0)->tls.flags & TLS_PREVIOUS_HELD);
    assert_int_equal(c->heard, 0);
    c->thankless = false;
    sim_turns(&sim, 400);
    assert_int_equal(c->tls.read_epoch, 1);
    assert_echoes(c, 500);
    assert_false(conn_at(sim.worker, 0)->tls.flags & TLS_PREVIOUS_HELD);
    end();
}

/* 2^23 records are not sent here: the count is set forward on both ends. */
static void a_key_of_tls_1_3_is_changed_before_it_is_used_up(void **state)
{
    for (int i = 0; i < 3; i++) {
        struct sim_client *c = begin(suites[i], 0, upgrade_echo);
        conn_at(sim.worker, 0)->tls.write_record = c->tls.read_record = TLS_KEY_UPDATE_AT - 2;
        assert_echoes(c, 10);
        assert_int_equal(c->tls.read_epoch, 0);
        assert_echoes(c, 10);
        assert_echoes(c, 10);
        assert_int_equal(c->tls.read_epoch, 1);
        assert_true(c->tls.read_record < 5);
        end();
    }
}

static void a_connection_of_tls_1_2_ends_before_its_key_is_used_up(void **state)
{
    for (int i = 3; i < SUITES; i++) {
        struct sim_client *c = begin(suites[i], 0, upgrade_echo);
        conn_at(sim.worker, 0)->tls.write_record = c->tls.read_record = TLS12_END_AT - 1;
        uint64_t before = c->heard;
        static uint8_t answer[64];
        size_t n = say(c, 10, answer);
        sim_turns(&sim, 20);
        assert_memory_equal(c->text + before, answer, n); /* what was asked is still answered */
        assert_memory_equal(c->text + before + n, "\x88\x02\x0f\xa0", 4);
        assert_int_equal(drops(DROP_TLS_KEY_USED_UP), 1);
        end();
    }
}

/* Everything that the client heard ends in a close frame with this code. */
static void assert_closed_with(const struct sim_client *c, uint16_t code)
{
    assert_true(c->heard >= 4 && c->heard <= SIM_TEXT_MAX);
    assert_int_equal(be16(c->text + c->heard - 4), 0x8802);
    assert_int_equal(be16(c->text + c->heard - 2), code);
}

/* On the voice gateway 4000 is no code: clients would join anew. After 4015 they resume. */
static void a_voice_gateway_connection_whose_key_is_used_up_ends_with_a_code_that_is_resumed_after(void **state)
{
    static const char beat[] = "{\"op\":3,\"d\":{\"t\":5,\"seq_ack\":-1}}";
    uint8_t frame[128];
    struct sim_client *c = begin(suites[3], 0, upgrade_voice);
    sim.control_rests = true; /* it knows no voice: it would close */
    conn_at(sim.worker, 0)->tls.write_record = c->tls.read_record = TLS12_END_AT - 1;
    sim_client_record(c, TLS_APPLICATION_DATA, frame, sim_frame(frame, WS_OP_TEXT, true, beat, sizeof beat - 1));
    sim_turns(&sim, 20);
    assert_int_equal(drops(DROP_TLS_KEY_USED_UP), 1);
    assert_closed_with(c, 4015);
    end();
}

static void a_flood_of_heartbeats_on_the_voice_gateway_ends_with_its_own_code(void **state)
{
    static const char beat[] = "{\"op\":3,\"d\":{\"t\":5,\"seq_ack\":-1}}";
    static uint8_t frames[16000];
    uint8_t frame[128];
    struct sim_client *c = begin(suites[0], 0, upgrade_voice);
    sim.control_rests = true;
    size_t one = sim_frame(frame, WS_OP_TEXT, true, beat, sizeof beat - 1), many = 0;
    for (; many + one <= sizeof frames; many += one)
        memcpy(frames + many, frame, one);
    conn_at(sim.worker, 0)->beat_window_us = sim.now_us; /* the minute begins; all but a few are counted as had */
    conn_at(sim.worker, 0)->beats = 60000 - 10;
    sim_client_record(c, TLS_APPLICATION_DATA, frames, many);
    sim_turns(&sim, 20);
    assert_int_equal(drops(DROP_CONTROL_RATE), 1);
    assert_closed_with(c, 4021);
    end();
}

static void close_notify_is_answered_by_ours_in_every_suite(void **state)
{
    for (int i = 0; i < SUITES; i++) {
        struct sim_client *c = begin(suites[i], 0, NULL);
        sim_client_record(c, TLS_ALERT_RECORD, "\x01\x00", 2);
        sim_turns(&sim, 5);
        assert_int_equal(c->heard_alert, TLS_ALERT_CLOSE_NOTIFY);
        end();
    }
}

/* What a client may send that is open, sealed as it must be; what it then hears, and what is counted. */
static void misbehaviour_is_told_by_its_alert_and_counted_by_its_name(void **state)
{
    static const struct {
        uint8_t type, bytes[6], length, times, alert;
        enum drop_reason reason;
        bool v12, v13;
    } cases[] = {
        {TLS_CHANGE_CIPHER_SPEC, {1}, 1, 1, TLS_ALERT_UNEXPECTED_MESSAGE, DROP_TLS_RECORD_TYPE, true, true},
        {99, {1}, 1, 1, TLS_ALERT_UNEXPECTED_MESSAGE, DROP_TLS_RECORD_TYPE, true, true},
        {TLS_HANDSHAKE,
         {1, 0, 0, 0},
         4,
         1,
         TLS_ALERT_UNEXPECTED_MESSAGE,
         DROP_TLS_POST_HANDSHAKE,
         false,
         true},
        {TLS_HANDSHAKE,
         {24, 0, 0, 1, 7},
         5,
         1,
         TLS_ALERT_ILLEGAL_PARAMETER,
         DROP_TLS_POST_HANDSHAKE,
         false,
         true},
        {TLS_HANDSHAKE, {24, 0, 0, 2, 0}, 5, 1, TLS_ALERT_DECODE_ERROR, DROP_TLS_POST_HANDSHAKE, false, true},
        {TLS_HANDSHAKE, {1, 0, 0, 0}, 4, 1, TLS_ALERT_NO_RENEGOTIATION, DROP_TLS_RENEGOTIATION, true, false},
        {TLS_ALERT_RECORD, {1, 0, 0}, 3, 1, TLS_ALERT_DECODE_ERROR, DROP_TLS_ALERT_MALFORMED, true, true},
        {TLS_ALERT_RECORD, {1}, 1, 1, TLS_ALERT_DECODE_ERROR, DROP_TLS_ALERT_MALFORMED, true, true},
        {TLS_ALERT_RECORD, {1, 90}, 2, 33, TLS_ALERT_UNEXPECTED_MESSAGE, DROP_TLS_EMPTY_RECORDS, true, true},
        {TLS_APPLICATION_DATA, {0}, 0, 33, TLS_ALERT_UNEXPECTED_MESSAGE, DROP_TLS_EMPTY_RECORDS, true, true},
        {TLS_ALERT_RECORD, {2, 40}, 2, 1, 0, DROP_TLS_ALERT, true, true},
        {TLS_ALERT_RECORD, {1, 77}, 2, 1, 0, DROP_TLS_ALERT, true, true}, /* unknown ones are fatal, too */
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
        for (int i = 0; i < SUITES; i++) {
            if (!(suites[i] >> 8 == 0x13 ? cases[k].v13 : cases[k].v12))
                continue;
            struct sim_client *c = begin(suites[i], 0, NULL);
            for (unsigned n = 0; n < cases[k].times; n++)
                sim_client_record(c, (enum tls_content)cases[k].type, cases[k].bytes, cases[k].length);
            sim_turns(&sim, 5);
            assert_int_equal(drops(cases[k].reason), 1);
            assert_int_equal(c->heard_alert, cases[k].alert ? cases[k].alert : SIM_ALERT_NONE);
            sim_turns(&sim, 5);
            assert_int_not_equal(c->tcp.state, TCP_ESTABLISHED);
            end();
        }
}

/* Not sealed at all, behind the handshake. */
static void plaintext_behind_the_handshake_is_refused(void **state)
{
    static const struct {
        uint8_t bytes[24], length, alert12, alert13;
        enum drop_reason reason12, reason13;
    } cases[] = {
        {{21, 3, 3, 0, 2, 2, 40}, 7, 50, 10, DROP_TLS_RECORD_LENGTH, DROP_TLS_RECORD_TYPE},
        {{20, 3, 3, 0, 1, 1}, 6, 10, 10, DROP_TLS_RECORD_TYPE, DROP_TLS_RECORD_TYPE},
        {{22, 3, 1, 0, 4, 1, 0, 0, 0}, 9, 50, 10, DROP_TLS_RECORD_LENGTH, DROP_TLS_RECORD_TYPE},
        {{23, 3, 3, 0, 0}, 5, 50, 50, DROP_TLS_RECORD_LENGTH, DROP_TLS_RECORD_LENGTH},
        {{23, 3, 3, 0x41, 1}, 5, 22, 22, DROP_TLS_RECORD_LENGTH, DROP_TLS_RECORD_LENGTH},
        {{23, 2, 3, 0, 17}, 5, 70, 70, DROP_TLS_RECORD_VERSION, DROP_TLS_RECORD_VERSION},
        {{23, 3, 3, 0, 17}, 22, 20, 20, DROP_TLS_RECORD_MAC, DROP_TLS_RECORD_MAC},
        {{'G', 'E', 'T', ' ', '/'}, 5, 10, 10, DROP_TLS_RECORD_TYPE, DROP_TLS_RECORD_TYPE},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
        for (int i = 0; i < SUITES; i++) {
            bool v12 = suites[i] >> 8 != 0x13;
            struct sim_client *c = begin(suites[i], 0, NULL);
            memcpy(c->sent + c->sent_length, cases[k].bytes, cases[k].length);
            c->sent_length += cases[k].length;
            sim_turns(&sim, 5);
            assert_int_equal(drops(v12 ? cases[k].reason12 : cases[k].reason13), 1);
            assert_int_equal(c->heard_alert, v12 ? cases[k].alert12 : cases[k].alert13);
            end();
        }
}

static void a_handshake_that_is_not_done_in_time_is_ended(void **state)
{
    sim_secrets_for(TLS_AES_128_GCM_SHA256, 0);
    sim_start(&sim, &geometry, 1);
    sim.helper_rests = true;
    sim_client_start(&sim.client[0], 40000, 7, sim.now_us);
    sim_turns(&sim, 4);
    assert_int_equal(sim.worker->connections->used, 1);
    sim.now_us += 4 * sim.config.handshake_us;
    sim_turns(&sim, 4);
    assert_int_equal(drops(DROP_TLS_HANDSHAKE_TIMEOUT), 1);
    assert_int_equal(sim.worker->connections->used, 0);
    sim.helper_rests = false; /* and its result, late, finds nobody */
    sim_turns(&sim, 4);
    assert_int_equal(sim.worker->handshakes, 0);
    end();
}

/* The helper thread takes no more: new ones are turned away, those that are open do not notice. */
static void a_handshake_that_the_helper_has_no_room_for_is_refused_and_counted(void **state)
{
    struct sim_client *c = begin(TLS_AES_128_GCM_SHA256, 0, upgrade_echo), *late = &sim.client[1];
    sim.helper_rests = true;
    sim.results = RESULTS;
    sim_client_start(late, 40001, 9, sim.now_us);
    sim_turns(&sim, 5);
    assert_int_equal(drops(DROP_TLS_HANDSHAKE_BUSY), 1);
    assert_int_not_equal(late->tcp.state, TCP_ESTABLISHED);
    assert_echoes(c, 100);
    sim.results = 0;
    sim.helper_rests = false;
    sim_client_start(late, 40002, 9, sim.now_us); /* and there is room again */
    sim_turns(&sim, 5);
    assert_int_equal(late->tcp.state, TCP_ESTABLISHED);
    assert_int_equal(sim.worker->handshakes, 0);
    end();
}

static int start(void **state)
{
    return aead_init(AEAD_BACKEND_AUTO) ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_suite_of_both_versions_carries_a_conversation),
        cmocka_unit_test(no_record_is_longer_than_the_peer_takes),
        cmocka_unit_test(what_is_lost_is_made_anew_in_every_suite),
        cmocka_unit_test(a_key_change_behind_an_unacknowledged_ticket_is_sent_again),
        cmocka_unit_test(a_key_of_tls_1_3_is_changed_before_it_is_used_up),
        cmocka_unit_test(a_connection_of_tls_1_2_ends_before_its_key_is_used_up),
        cmocka_unit_test(a_voice_gateway_connection_whose_key_is_used_up_ends_with_a_code_that_is_resumed_after),
        cmocka_unit_test(a_flood_of_heartbeats_on_the_voice_gateway_ends_with_its_own_code),
        cmocka_unit_test(close_notify_is_answered_by_ours_in_every_suite),
        cmocka_unit_test(misbehaviour_is_told_by_its_alert_and_counted_by_its_name),
        cmocka_unit_test(plaintext_behind_the_handshake_is_refused),
        cmocka_unit_test(a_handshake_that_is_not_done_in_time_is_ended),
        cmocka_unit_test(a_handshake_that_the_helper_has_no_room_for_is_refused_and_counted),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
