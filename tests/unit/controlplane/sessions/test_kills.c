/*
 * kill -9 of the control plane, two hundred times, at any moment, while eight clients send messages with
 * nonces and two sessions listen: every message that was answered is stored once and came to each session
 * once, with the id that the answer gave, and every request is answered once. Argument: the program.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/protocol/intents.h"
#include "tests/unit/controlplane/sessions/process.h"

#define KILLS     200u
#define LISTENERS 2u
#define SENDERS   8u
#define CHANNELS  8u
#define SENT_MAX  60000u
#define SUBS_MAX  16u
#define LATE_US   20000000ull

/* What became of a message, by its number, which is its text. */
struct fate {
    uint64_t id; /* from the answer; 0: none yet */
    unsigned answers;
    unsigned seen[LISTENERS];
    uint64_t seen_id[LISTENERS];
};

struct sender {
    uint64_t connection;
    unsigned message; /* under way */
    bool asked;
    char answer[8192];
    size_t length;
};

struct heard_topic {
    uint32_t session, topic, class;
    uint64_t from;
};

static struct run {
    struct pop p;
    char token[256];
    char channel[CHANNELS][24];
    struct sender sender[SENDERS];
    uint64_t listener[LISTENERS]; /* connections */
    uint32_t session[LISTENERS];
    uint32_t intents[LISTENERS];
    struct heard_topic subs[SUBS_MAX];
    unsigned sub_count;
    struct fate fate[SENT_MAX];
    unsigned sent, answered, refused, closed;
    bool no_more;
} run;

static uint64_t now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* ---- the worker's side: connections ---- */

static uint64_t open_slot(uint32_t index, uint8_t kind)
{
    struct connection *c = connection_at(&run.p.region, 0, index);
    uint32_t generation = c->generation + 1;
    *c = (struct connection){.generation = generation, .kind = kind, .version = 10, .session = UINT32_MAX};
    return connection_handle(index, generation);
}

/* Asks for the sender's message, for the first time or again: in the same channel, where its nonce counts. */
static void post(struct sender *s)
{
    union {
        struct notice_request n;
        char bytes[2048];
    } q = {.n = {.connection = s->connection, .method = 3, .keep_alive = 1}};
    char path[96], authorization[300], body[128];
    const char *const text[REQUEST_TEXTS] = {path, "", authorization, "application/json", "", "", body};
    size_t at = sizeof q.n;
    snprintf(path, sizeof path, "/api/v10/channels/%s/messages", run.channel[s->message % CHANNELS]);
    snprintf(authorization, sizeof authorization, "Bot %s", run.token);
    snprintf(body, sizeof body, "{\"content\":\"%u\",\"nonce\":\"n%u\",\"enforce_nonce\":true}", s->message,
             s->message);
    for (int i = 0; i < REQUEST_TEXTS; i++) {
        q.n.length[i] = (uint32_t)strlen(text[i]);
        memcpy(q.bytes + at, text[i], q.n.length[i]);
        at += q.n.length[i];
    }
    s->length = 0;
    s->asked = true;
    pop_say(&run.p, NOTICE_REQUEST, &q, at);
}

static void post_next(struct sender *s)
{
    s->asked = false;
    if (run.no_more || run.sent == SENT_MAX)
        return;
    s->message = run.sent++;
    post(s);
}

static struct sender *sender_of(uint64_t connection)
{
    for (unsigned i = 0; i < SENDERS; i++)
        if (run.sender[i].connection == connection)
            return &run.sender[i];
    return NULL;
}

static uint64_t id_in(const char *text)
{
    const char *at = strstr(text, "\"id\":\"");
    return at ? strtoull(at + 6, NULL, 10) : 0;
}

static void answered(struct sender *s)
{
    struct fate *f = &run.fate[s->message];
    s->answer[s->length] = 0;
    if (strncmp(s->answer, "HTTP/1.1 200", 12) !=
        0) { /* limited, the queue is full, or set aside after two deaths: as clients do, once more */
        assert_true(!strncmp(s->answer, "HTTP/1.1 429", 12) || !strncmp(s->answer, "HTTP/1.1 503", 12) ||
                    !strncmp(s->answer, "HTTP/1.1 500", 12));
        run.refused++;
        post(s);
        return;
    }
    f->answers++;
    f->id = id_in(strstr(s->answer, "\r\n\r\n"));
    assert_true(f->id != 0);
    run.answered++;
    post_next(s);
}

static void take_command(const struct ring_entry *e)
{
    const struct verb_send *v = (const void *)e->payload;
    struct sender *s = sender_of(v->connection);
    if (!s || (e->type != VERB_SEND && e->type != VERB_CLOSE))
        return;
    if (e->type == VERB_CLOSE) {
        s->connection = open_slot((uint32_t)s->connection, CONNECTION_HTTP);
        run.closed++;
        if (s->asked)
            post(s);
        return;
    }
    size_t n = e->length - sizeof *v;
    assert_true(s->asked && s->length + n < sizeof s->answer);
    memcpy(s->answer + s->length, v->bytes, n);
    s->length += n;
    if (v->flags & SEND_END)
        answered(s);
}

/* ---- the worker's side: sessions ---- */

static void deliver(unsigned listener, uint64_t position)
{
    const struct event_log *log = region_section(&run.p.region, SECTION_EVENT_LOG);
    const struct event *e = event_at(log, position);
    uint32_t length;
    const char *text = (const char *)event_text(e, 0, true, &length), *content;
    assert_int_equal(e->position, position);
    if (!memmem(text, length, "\"t\":\"MESSAGE_CREATE\"", 20))
        return;
    content = memmem(text, length, "\"content\":\"", 11);
    assert_non_null(content);
    unsigned long number = strtoul(content + 11, NULL, 10);
    assert_true(number < run.sent);
    run.fate[number].seen[listener]++;
    run.fate[number].seen_id[listener] = id_in(text);
}

static void deliver_to(uint32_t session, uint64_t position)
{
    for (unsigned i = 0; i < LISTENERS; i++)
        if (run.session[i] == session)
            deliver(i, position);
}

static void subscribe(const struct verb_subscribe *v, bool on)
{
    for (unsigned i = 0; i < run.sub_count; i++)
        if (run.subs[i].session == v->session && run.subs[i].topic == v->topic)
            run.subs[i--] = run.subs[--run.sub_count];
    if (!on)
        return;
    assert_true(run.sub_count < SUBS_MAX);
    run.subs[run.sub_count++] = (struct heard_topic){v->session, v->topic, v->class, v->from};
}

static void walk(const struct verb_walk *v)
{
    const struct event *e = event_at(region_section(&run.p.region, SECTION_EVENT_LOG), v->event);
    for (unsigned i = 0; i < run.sub_count; i++) {
        const struct heard_topic *s = &run.subs[i];
        if (s->topic == v->topic && v->event >= s->from && (e->classes >> s->class & 1))
            deliver_to(s->session, v->event);
    }
}

static void take_fanout(const struct ring_entry *e)
{
    const struct verb_session *b = (const void *)e->payload;
    const struct verb_dispatch *d = (const void *)e->payload;
    switch (e->type) {
    case VERB_SESSION_BIND:
        for (unsigned i = 0; i < LISTENERS; i++)
            if (run.listener[i] == b->connection)
                run.session[i] = b->session;
        break;
    case VERB_SUBSCRIBE:
    case VERB_UNSUBSCRIBE:
        subscribe((const void *)e->payload, e->type == VERB_SUBSCRIBE);
        break;
    case VERB_WALK:
        walk((const void *)e->payload);
        break;
    case VERB_DISPATCH:
        deliver_to(d->session, d->event);
        break;
    default:
        break;
    }
}

/* One entry of a ring, taken and done with. */
static bool take(struct ring_end *from, void (*how)(const struct ring_entry *e))
{
    static _Alignas(16) char copy[256 << 10];
    struct ring_entry *e = ring_next(from);
    if (!e)
        return false;
    assert_true(sizeof *e + e->length <= sizeof copy);
    memcpy(copy, e, sizeof *e + e->length);
    txn_begin(&run.p.txn);
    ring_done(from, &run.p.txn, e);
    txn_commit(&run.p.txn);
    txn_publish(&run.p.txn);
    how((const void *)copy);
    return true;
}

/* Plays the worker for so long, or until `done`. */
static void work(uint64_t us, bool (*done)(void))
{
    uint64_t end = now_us() + us;
    while (now_us() < end && !(done && done())) {
        bool any = take(&run.p.fanout, take_fanout);
        any |= take(&run.p.command, take_command);
        if (!any)
            usleep(50);
    }
}

/* ---- the test ---- */

static bool ready(void)
{
    return pop_ready(&run.p);
}

static bool all_answered(void)
{
    for (unsigned i = 0; i < SENDERS; i++)
        if (run.sender[i].asked)
            return false;
    return true;
}

static bool all_listening(void)
{
    return run.session[0] != UINT32_MAX && run.session[1] != UINT32_MAX && run.sub_count >= LISTENERS;
}

static json_t *ask(const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    json_t *answer = pop_ask(&run.p, line), *result = json_incref(json_object_get(answer, "result"));
    assert_true(json_is_true(json_object_get(answer, "ok")));
    json_decref(answer);
    return result;
}

static void listen_as(unsigned i, const char *token)
{
    union {
        struct notice_message n;
        char bytes[1024];
    } m = {.n = {.connection = run.listener[i], .session = UINT32_MAX, .opcode = 1}};
    int n = snprintf(m.bytes + sizeof m.n, sizeof m - sizeof m.n,
                     "{\"op\":2,\"d\":{\"token\":\"%s\",\"properties\":{},\"intents\":%u}}", token,
                     (unsigned)(INTENT_GUILDS | INTENT_GUILD_MESSAGES | INTENT_MESSAGE_CONTENT));
    pop_say(&run.p, NOTICE_MESSAGE, &m, sizeof m.n + (size_t)n);
}

/* An account in the guild (made with the first), listening. */
static void make_listener(unsigned i, char guild[24])
{
    json_t *account = ask("{\"verb\":\"account.create\",\"args\":{\"name\":\"a%u\"}}\n", i);
    const char *id = json_string_value(json_object_get(account, "id")),
               *token = json_string_value(json_object_get(account, "token"));
    if (i == 0) {
        json_t *g = ask("{\"verb\":\"guild.create\",\"args\":{\"name\":\"demo\",\"owner\":\"%s\"}}\n", id);
        snprintf(guild, 24, "%s", json_string_value(json_object_get(g, "id")));
        json_decref(g);
        snprintf(run.token, sizeof run.token, "%s", token);
    } else {
        json_decref(
            ask("{\"verb\":\"guild.join\",\"args\":{\"guild\":\"%s\",\"account\":\"%s\"}}\n", guild, id));
    }
    run.session[i] = UINT32_MAX;
    run.listener[i] = open_slot(i, CONNECTION_GATEWAY);
    listen_as(i, token);
    json_decref(account);
}

static void make_scene(void)
{
    char guild[24] = "";
    struct pool *connections = region_part(&run.p.region, 0, PART_CONNECTIONS);
    connections->fresh = LISTENERS + SENDERS;
    for (unsigned i = 0; i < LISTENERS; i++)
        make_listener(i, guild);
    for (unsigned i = 0; i < CHANNELS; i++) {
        json_t *c =
            ask("{\"verb\":\"channel.create\",\"args\":{\"guild\":\"%s\",\"name\":\"c%u\"}}\n", guild, i);
        snprintf(run.channel[i], sizeof run.channel[i], "%s", json_string_value(json_object_get(c, "id")));
        json_decref(c);
    }
    work(LATE_US, all_listening);
    assert_true(all_listening());
    for (unsigned i = 0; i < SENDERS; i++) {
        run.sender[i].connection = open_slot(LISTENERS + i, CONNECTION_HTTP);
        post_next(&run.sender[i]);
    }
}

/* One life: until some time after it is ready; every fifth ends while it is still beginning. */
static void live_and_die(unsigned k)
{
    int status;
    if (k % 5 == 0)
        work((uint64_t)rand() % 30000, NULL);
    else
        work(LATE_US, ready);
    if (k % 5 != 0)
        work((uint64_t)rand() % 25000, NULL);
    kill(run.p.pid, SIGKILL);
    waitpid(run.p.pid, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    pop_spawn(&run.p);
}

static void the_store_holds_each_once(void)
{
    char path[128];
    sqlite3 *h;
    sqlite3_stmt *s;
    unsigned rows = 0;
    snprintf(path, sizeof path, "%s/voxpop.db", run.p.dir);
    assert_int_equal(sqlite3_open_v2(path, &h, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(h, "SELECT content, id FROM messages", -1, &s, NULL), SQLITE_OK);
    while (sqlite3_step(s) == SQLITE_ROW) {
        unsigned long number = strtoul((const char *)sqlite3_column_text(s, 0), NULL, 10);
        assert_true(number < run.sent);
        assert_int_equal((uint64_t)sqlite3_column_int64(s, 1), run.fate[number].id);
        rows++;
    }
    sqlite3_finalize(s);
    sqlite3_close(h);
    assert_int_equal(rows, run.sent);
}

static void nothing_answered_is_lost_or_doubled_by_two_hundred_kills(void **state)
{
    (void)state;
    srand(11);
    pop_open(&run.p);
    make_scene();
    for (unsigned k = 1; k <= KILLS; k++)
        live_and_die(k);
    run.no_more = true;
    work(LATE_US, ready);
    work(LATE_US, all_answered);
    work(100000, NULL); /* what was answered last is told by now */
    assert_true(all_answered());
    print_message("%u kills, %u messages, %u refused and asked again, %u connections closed\n", KILLS,
                  run.answered, run.refused, run.closed);
    assert_true(run.answered >= KILLS);
    assert_int_equal(run.answered, run.sent);
    for (unsigned n = 0; n < run.sent; n++) {
        const struct fate *f = &run.fate[n];
        if (f->answers != 1 || f->seen[0] != 1 || f->seen[1] != 1 || f->seen_id[0] != f->id ||
            f->seen_id[1] != f->id)
            fail_msg("message %u: %u answers, seen %u and %u times", n, f->answers, f->seen[0], f->seen[1]);
    }
    the_store_holds_each_once();
    pop_close(&run.p);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_answered_is_lost_or_doubled_by_two_hundred_kills),
    };
    if (argc != 2)
        return 2;
    pop_program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
