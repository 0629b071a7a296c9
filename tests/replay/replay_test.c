/*
 * A recording, replayed: the same worker code gives the same bytes, every time and as the recorded worker
 * did; and what it says in them can be opened. `replay_test --record DIR` makes the bundle that is kept in
 * bundles/first, anew.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "dataplane/capture/drain.h"
#include "dataplane/capture/pcapng_file.h"
#include "dataplane/capture/replay.h"
#include "observer.h"

#define SAYINGS     4u  /* messages of each participant while it is recorded */
#define TALKS       40u /* voice frames of each */
#define UNIX_OFFSET (UNIX_S * 1000000ull)

static char directory[64], bundle[96], capture[2][96];
static const char *first_bundle; /* bundles/first, of the source tree */

/* ---- replaying ---- */

struct writing {
    struct pcapng_file file;
    const struct box *expected; /* the recorded one, or NULL */
    uint32_t next[LANES];
};

static void on_frame(void *user, uint32_t worker, bool sent, uint64_t unix_us, const uint8_t *frame,
                     size_t len)
{
    struct writing *w = user;
    pcapng_file_packet(&w->file, worker, unix_us, sent ? PCAPNG_OUTBOUND : PCAPNG_INBOUND, frame, len);
    if (!sent || !w->expected)
        return;
    const struct frames *kept = &w->expected->lane[worker].kept;
    assert_true(w->next[worker] < kept->count);
    const struct frame *f = &kept->frame[w->next[worker]++];
    assert_int_equal(unix_us, f->time_us + UNIX_OFFSET);
    assert_int_equal(len, f->length);
    assert_memory_equal(frame, f->bytes, len);
}

/* Replays to a file; with `expected` every frame sent must be the one that its worker sent there. */
static struct replay_summary replay(const char *from, const char *to, const struct box *expected)
{
    struct writing *w = calloc(1, sizeof *w);
    struct replay_sink sink = {w, on_frame};
    struct replay_summary sum;
    char why[256] = "";
    assert_non_null(w);
    w->expected = expected;
    if (!replay_look(from, &sum, why) ||
        !pcapng_file_open(&w->file, to, sum.workers, sum.start_unix_us, why) ||
        !replay_run(from, &sink, &sum, why))
        fail_msg("%s", why);
    assert_true(pcapng_file_close(&w->file, NULL, sum.end_unix_us));
    for (uint32_t k = 0; expected && k < expected->workers; k++)
        assert_int_equal(w->next[k], expected->lane[k].kept.count);
    free(w);
    return sum;
}

static void digest(const char *path, char hex[65])
{
    uint8_t buffer[4096], md[32];
    FILE *f = fopen(path, "rb");
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_non_null(f);
    EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, f));)
        EVP_DigestUpdate(ctx, buffer, n);
    fclose(f);
    EVP_DigestFinal_ex(ctx, md, NULL);
    EVP_MD_CTX_free(ctx);
    for (unsigned i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", md[i]);
}

static void replays_are_equal(const char *from, const struct box *expected, struct replay_summary *sum)
{
    char one[65], two[65];
    *sum = replay(from, capture[0], expected);
    replay(from, capture[1], NULL);
    digest(capture[0], one);
    digest(capture[1], two);
    assert_string_equal(one, two);
}

/* ---- recording ---- */

static void begin(struct box *b, struct recording *rec, const char *to)
{
    char why[256] = "";
    if (!recording_begin(rec, &b->region, to, UNIX_OFFSET, why))
        fail_msg("%s", why);
    for (unsigned i = 0; i < 100 && !recording_paused(rec); i++)
        box_turn(b, false);
    assert_true(recording_paused(rec));
    box_turn(b, false); /* it stands still: nothing comes of this */
    assert_int_equal(b->out_count, 0);
    recording_copy(rec);
    b->keep = true;
    box_turn(b, false);
    assert_int_equal(recording_released(rec), 1);
    if (!recording_save(rec, why))
        fail_msg("%s", why);
}

static void end(struct box *b, struct recording *rec)
{
    char why[256] = "";
    recording_stop(rec);
    b->keep = false;
    for (unsigned i = 0; i < 10 && !recording_stopped(rec); i++)
        box_turn(b, false);
    assert_true(recording_stopped(rec));
    if (!recording_finish(rec, why))
        fail_msg("%s", why);
}

static void turns(struct box *b, struct recording *rec, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        box_turn(b, false);
        if (rec)
            recording_drain(rec);
    }
}

static void join(struct box *b, struct recording *rec)
{
    uint32_t index = b->participants;
    box_join(b);
    turns(b, rec, 30);
    box_enter(b, index);
    turns(b, rec, 10);
    assert_true(participant_heard(&b->participant[index], "READY"));
}

static void say(struct box *b, uint32_t index, uint32_t number)
{
    char text[64];
    snprintf(text, sizeof text, "message %u %u", index, number);
    participant_say_text(&b->participant[index], text);
}

/* Everybody talks and writes. */
static void converse(struct box *b, struct recording *rec)
{
    for (unsigned i = 0; i < TALKS; i++) {
        if (i % (TALKS / SAYINGS) == 0)
            for (uint32_t k = 0; k < PARTICIPANTS; k++)
                say(b, k, i / (TALKS / SAYINGS));
        if (i % 20 == 5)
            participant_say_text(&b->participant[i % 3], "{\"op\":1,\"d\":null}");
        box_turn(b, true);
        turns(b, rec, 3);
    }
    turns(b, rec, 20);
    assert_int_equal(b->heard, PARTICIPANTS * SAYINGS);
}

/* Everybody's address becomes known. */
static void find_voices(struct box *b)
{
    box_turn(b, true);
    turns(b, NULL, 60);
    assert_int_equal(b->voices, b->participants);
}

/* Three participants on established connections. */
static struct box *record_established(uint32_t workers, const char *to)
{
    struct recording *rec = calloc(1, sizeof *rec);
    struct box *b = box_new(workers, NULL);
    for (unsigned k = 0; k < PARTICIPANTS; k++)
        join(b, NULL);
    find_voices(b);
    begin(b, rec, to);
    converse(b, rec);
    end(b, rec);
    free(rec);
    return b;
}

/* ---- what is in it ---- */

/* `more`: frames of each that may have been heard besides: those by which addresses became known. */
static void everything_arrived(const struct observer *o, uint32_t more)
{
    char text[64];
    for (uint32_t to = 0; to < PARTICIPANTS; to++) {
        for (uint32_t from = 0; from < PARTICIPANTS; from++) {
            uint32_t first = 0, heard = observer_heard(o, to, from, &first);
            for (uint32_t i = 0; i < SAYINGS; i++) {
                snprintf(text, sizeof text, "\"content\":\"message %u %u\"", from, i);
                assert_int_equal(observer_told(o, to, text), 1);
                snprintf(text, sizeof text, "stored: message %u %u", from, i);
                assert_int_equal(observer_told(o, to, text), to == from);
            }
            assert_int_equal(from == to ? heard : first + heard, from == to ? 0 : 1 + TALKS);
            assert_in_range(heard, from == to ? 0 : TALKS, from == to ? 0 : TALKS + more);
        }
    }
    assert_int_equal(o->resets, 0);
}

static void check_call(uint32_t workers)
{
    struct replay_summary sum;
    struct box *b = record_established(workers, bundle);
    uint64_t sent = 0;
    replays_are_equal(bundle, b, &sum);
    for (uint32_t k = 0; k < workers; k++) {
        assert_true(b->lane[k].worker->connections->used);
        sent += b->lane[k].kept.count;
    }
    assert_int_equal(sum.connections, PARTICIPANTS);
    assert_int_equal(sum.packets_out, sent);
    assert_int_equal(sum.events, workers * PARTICIPANTS * SAYINGS);
    assert_int_equal(sum.verbs, (1 + workers) * PARTICIPANTS * SAYINGS);
    assert_int_equal(sum.opened + sum.closed + sum.handshakes + sum.skipped, 0);
    struct observer *o = observer_open(bundle, capture[0]);
    assert_int_equal(o->sent, sum.packets_out);
    assert_int_equal(o->received, sum.packets_in);
    everything_arrived(o, 0);
    observer_close(o);
    box_free(b);
}

static void replay_of_a_call_gives_the_recorded_bytes_and_everything_in_them(void **state)
{
    check_call(1);
}

/* Connections are both workers' (by their hash), the room is the second's, and all packets come in at the
 * first. */
static void replay_of_two_workers_that_hand_packets_over_does_too(void **state)
{
    check_call(2);
}

/* One shakes hands across the snapshot, one after it. */
static void replay_goes_through_handshakes(void **state)
{
    struct replay_summary sum;
    struct recording *rec = calloc(1, sizeof *rec);
    struct box *b = box_new(1, NULL);
    join(b, NULL);
    box_join(b);
    for (unsigned i = 0; i < 30 && !(connection_at(&b->region, 0, 1)->flags & CONN_STEP_OUT); i++) {
        b->results_held = true;
        box_turn(b, false);
    }
    assert_true(connection_at(&b->region, 0, 1)->flags & CONN_STEP_OUT);
    begin(b, rec, bundle);
    b->results_held = false;
    turns(b, rec, 30);
    box_enter(b, 1);
    turns(b, rec, 10);
    join(b, rec);
    /* One frame each makes addresses known; who is known already hears those that follow. */
    box_turn(b, true);
    turns(b, rec, 60);
    assert_int_equal(b->voices, PARTICIPANTS);
    converse(b, rec);
    end(b, rec);
    replays_are_equal(bundle, b, &sum);
    assert_int_equal(sum.connections, 2);
    assert_int_equal(sum.opened, 1);
    assert_int_equal(sum.handshakes, 2);
    assert_int_equal(sum.skipped, 0);
    struct observer *o = observer_open(bundle, capture[0]);
    everything_arrived(o, 1);
    for (uint32_t k = 1; k < PARTICIPANTS; k++)
        assert_int_equal(observer_told(o, k, "READY"), 1);
    observer_close(o);
    box_free(b);
    free(rec);
}

static bool is_arp(const struct frame *f)
{
    return f->bytes[12] == 0x08 && f->bytes[13] == 0x06;
}

/* A neighbour that does not answer is asked again by the clock alone, in iterations that nothing else has a
 * part in. */
static void replay_asks_for_a_silent_neighbour_as_often(void **state)
{
    struct replay_summary sum;
    struct recording *rec = calloc(1, sizeof *rec);
    struct box *b = box_new(1, NULL);
    uint32_t asked = 0;
    join(b, NULL);
    begin(b, rec, bundle);
    b->now_us += 31000000;
    say(b, 0, 0);
    turns(b, rec, 20);
    for (unsigned i = 0; i < 3; i++) {
        b->now_us += 1000000;
        box_work(b);
    }
    end(b, rec);
    const struct frames *kept = &b->lane[0].kept;
    for (uint32_t i = 0; i < kept->count; i++)
        asked += is_arp(&kept->frame[i]);
    assert_int_equal(asked, 4);
    replays_are_equal(bundle, b, &sum);
    box_free(b);
    free(rec);
}

/* ---- bundles that are none ---- */

static bool refused(const char *from, const char *because)
{
    struct replay_summary sum;
    char why[256] = "";
    bool good = replay_run(from, NULL, &sum, why);
    if (!good && !strstr(why, because))
        fail_msg("refused because: %s", why);
    return !good && !strchr(why, '\n');
}

static void recording_that_lost_inputs_is_incomplete_and_refused(void **state)
{
    struct recording *rec = calloc(1, sizeof *rec);
    struct box *b = box_new(1, NULL);
    for (unsigned k = 0; k < PARTICIPANTS; k++)
        join(b, NULL);
    find_voices(b);
    begin(b, rec, bundle);
    struct capture_ring *ring = drain_ring(&b->region, 0);
    uint64_t size = ring->size;
    ring->size = 1024; /* as if nobody drained it for long */
    recording_drain(rec);
    box_turn(b, true);
    box_turn(b, true);
    box_turn(b, true);
    ring->size = size;
    assert_true(recording_broken(rec));
    end(b, rec);
    assert_true(refused(bundle, "incomplete"));
    box_free(b);
    free(rec);
}

static void worker_that_nobody_releases_goes_on(void **state)
{
    struct recording *rec = calloc(1, sizeof *rec);
    char why[256] = "";
    struct box *b = box_new(1, NULL);
    join(b, NULL);
    assert_true(recording_begin(rec, &b->region, bundle, UNIX_OFFSET, why));
    say(b, 0, 0);
    unsigned turn = 0;
    while (!b->heard && turn < 1000) {
        box_turn(b, false);
        turn++;
    }
    assert_true(turn * TICK_US >= CAPTURE_PAUSE_US && turn * TICK_US < 2 * CAPTURE_PAUSE_US);
    assert_int_equal(recording_released(rec), -1);
    recording_stop(rec);
    recording_abandon(rec);
    assert_int_equal(access(bundle, F_OK), -1);
    turns(b, NULL, 10);
    assert_true(participant_heard(&b->participant[0], "stored: message 0 0"));
    box_free(b);
    free(rec);
}

static void bundle_is_for_its_owner_alone_and_has_no_keys_that_no_worker_needs(void **state)
{
    static const char *const names[] = {"snapshot", "inputs", "bundle.json"};
    struct bundle opened;
    struct stat st;
    char path[160], why[256];
    uint8_t zero[32] = {0};
    box_free(record_established(1, bundle));
    assert_int_equal(stat(bundle, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", bundle, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    assert_true(bundle_open(&opened, bundle, why));
    assert_memory_equal(opened.region.header->secrets.token_hmac, zero, 32);
    assert_memory_equal(opened.region.header->secrets.tickets.key[0].bytes, zero, 32);
    bundle_close(&opened);
}

static void truncate_to(const char *name, long keep)
{
    char path[160];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", bundle, name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, keep < 0 ? st.st_size + keep : keep), 0);
}

static void bundle_that_is_damaged_is_refused(void **state)
{
    box_free(record_established(1, bundle));
    truncate_to("inputs", -4);
    assert_true(refused(bundle, "cut short"));
    truncate_to("snapshot", -100);
    assert_true(refused(bundle, "not whole"));
    truncate_to("bundle.json", 10);
    assert_true(refused(bundle, "no bundle"));
    assert_true(refused("/nonexistent", "no bundle"));
}

/* ---- the bundle that is kept ---- */

static void read_golden(const char *from, char hex[65])
{
    char path[512];
    snprintf(path, sizeof path, "%s/golden", from);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fread(hex, 1, 64, f), 64);
    hex[64] = 0;
    fclose(f);
}

static void first_bundle_gives_the_golden_bytes(void **state)
{
    char now[65], golden[65];
    struct bundle b;
    char why[256];
    if (!bundle_open(&b, first_bundle, why))
        fail_msg("%s; after a change of the layout: replay_test --record %s", why, first_bundle);
    bundle_close(&b);
    struct replay_summary sum;
    replays_are_equal(first_bundle, NULL, &sum);
    struct observer *o = observer_open(first_bundle, capture[0]);
    everything_arrived(o, 0);
    observer_close(o);
    digest(capture[0], now);
    read_golden(first_bundle, golden);
    assert_string_equal(now, golden);
}

static int record_first(const char *to)
{
    char hex[65], path[512], out[512];
    box_free(record_established(1, to));
    snprintf(out, sizeof out, "%s/out.pcapng", to);
    replay(to, out, NULL);
    digest(out, hex);
    unlink(out);
    snprintf(path, sizeof path, "%s/golden", to);
    FILE *f = fopen(path, "w");
    return f && fprintf(f, "%s\n", hex) == 65 && fclose(f) == 0 ? 0 : 1;
}

/* ---- main ---- */

static int make_directory(void **state)
{
    strcpy(directory, "/tmp/replay_test.XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(bundle, sizeof bundle, "%s/bundle", directory);
    for (unsigned i = 0; i < 2; i++)
        snprintf(capture[i], sizeof capture[i], "%s/out%u.pcapng", directory, i);
    return 0;
}

static int remove_directory(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(command);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)
        TEST(replay_of_a_call_gives_the_recorded_bytes_and_everything_in_them),
        TEST(replay_of_two_workers_that_hand_packets_over_does_too),
        TEST(replay_goes_through_handshakes),
        TEST(replay_asks_for_a_silent_neighbour_as_often),
        TEST(recording_that_lost_inputs_is_incomplete_and_refused),
        TEST(worker_that_nobody_releases_goes_on),
        TEST(bundle_is_for_its_owner_alone_and_has_no_keys_that_no_worker_needs),
        TEST(bundle_that_is_damaged_is_refused),
        TEST(first_bundle_gives_the_golden_bytes),
    };
    if (!aead_init(AEAD_BACKEND_AUTO))
        return 1;
    if (argc == 3 && strcmp(argv[1], "--record") == 0)
        return record_first(argv[2]);
    first_bundle = argc > 1 ? argv[1] : "tests/replay/bundles/first";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
