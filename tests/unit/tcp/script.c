/*
 * Plays scripts against libvoxpop-tcp.so, which it opens as any other tool would. A script is a conversation:
 *
 *   case TEXT                      a new endpoint; what follows belongs to it
 *   set KEY VALUE                  before anything else: newreno, no_sack, no_timestamps, window, keepalive,
 *                                  keepalive_interval, time_wait, ip6 (ms and bytes; flags 1)
 *   listen | connect | accept | shutdown | close | abort
 *   write N | read N               read: exactly N bytes are there, and they are the peer's; 0: its end
 *   fails ERRNO                    the socket's next read says so
 *   state NAME                     e.g. ESTABLISHED
 *   wait MS                        nothing may be sent meanwhile
 *   < SEGMENT                      arrives
 *   > SEGMENT                      is sent, now. More than the script says is an error
 *   >MS SEGMENT                    is sent after MS, and nothing before
 *
 * SEGMENT: FLAGS SEQ:END [ack N] [win N] [mss N] [scale N] [sackok] [ts VAL] [ecr -MS] [sack A-B …], flags of
 * SFRP. (an ACK), numbers relative to each side's SYN. In what is sent only what is named is compared, and
 * that no unnamed SACK block is there. A timestamp that arrives echoes our last one, or the one of MS ago.
 * The peer's window is 65535.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/bytes.h"
#include "dataplane/tcp/drive.h"
#include "dataplane/tcp/tcp.h"

#define PEER_ISN 0xfffff000u /* numbers wrap in every longer conversation */
#define OUR_ISN  0xffffff00u
#define PEER     40000
#define OURS     443
#define START_US 1000000000ull

/* The library's functions. */
#define CALLS(X)                                                                                             \
    X(drive_new)                                                                                             \
    X(drive_free)                                                                                            \
    X(drive_clock)                                                                                           \
    X(drive_deadline)                                                                                        \
    X(drive_receive)                                                                                         \
    X(drive_send)                                                                                            \
    X(drive_listen)                                                                                          \
    X(drive_accept)                                                                                          \
    X(drive_connect)                                                                                         \
    X(drive_read)                                                                                            \
    X(drive_write)                                                                                           \
    X(drive_shutdown)                                                                                        \
    X(drive_close)                                                                                           \
    X(drive_abort)                                                                                           \
    X(drive_state)
#define MEMBER(f) __typeof__(f) *f;
static struct {
    CALLS(MEMBER)
} lib;

/* A segment as a script says it. */
struct said {
    uint8_t flags;
    uint32_t seq, len;
    long ack, win, mss, scale, ts, ecr_ms; /* -1: not said */
    bool sackok;
    struct tcp_range sack[4];
    unsigned sacks;
};

struct play {
    const char *file;
    unsigned line;
    char name[128];
    struct drive_setup setup;
    struct drive *d;
    int listener, socket;
    uint64_t now_us;
    uint64_t read, written; /* bytes */
    uint32_t last_ts;
    bool ip6, broken;
    unsigned cases, failed;
};

static const uint8_t ours4[4] = {198, 18, 0, 1}, peer4[4] = {198, 18, 0, 2};
static const uint8_t ours6[16] = {0xfd, 0, 0, 0x18, [15] = 1}, peer6[16] = {0xfd, 0, 0, 0x18, [15] = 2};

__attribute__((format(printf, 2, 3))) static void complain(struct play *p, const char *format, ...)
{
    va_list args;
    if (!p->broken) {
        fprintf(stderr, "%s:%u: %s: ", p->file, p->line, p->name);
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
        p->failed++;
    }
    p->broken = true;
}

static uint32_t chance(void *user)
{
    return OUR_ISN;
}

static uint8_t byte_at(uint64_t position)
{
    return (uint8_t)(position * 7 + (position >> 8));
}

/* ---- segments ---- */

static bool parse_said(struct play *p, char *text, struct said *s)
{
    static const char letters[] = "FSRP.";
    *s = (struct said){.ack = -1, .win = -1, .mss = -1, .scale = -1, .ts = -1, .ecr_ms = 0};
    char *word = strtok(text, " "), *range = strtok(NULL, " ");
    unsigned end;
    for (; word && *word; word++) {
        const char *at = strchr(letters, *word);
        if (!at)
            return complain(p, "unknown flag %c", *word), false;
        s->flags |= (uint8_t)(1 << (at - letters));
    }
    if (!range || sscanf(range, "%u:%u", &s->seq, &end) != 2)
        return complain(p, "no sequence numbers"), false;
    s->len = end - s->seq;
    while ((word = strtok(NULL, " "))) {
        if (strcmp(word, "sackok") == 0) {
            s->sackok = true;
            continue;
        }
        char *value = strtok(NULL, " ");
        long number = value ? strtol(value, NULL, 10) : 0;
        struct tcp_range *r = &s->sack[s->sacks % 4];
        if (strcmp(word, "ack") == 0)
            s->ack = number;
        else if (strcmp(word, "win") == 0)
            s->win = number;
        else if (strcmp(word, "mss") == 0)
            s->mss = number;
        else if (strcmp(word, "scale") == 0)
            s->scale = number;
        else if (strcmp(word, "ts") == 0)
            s->ts = number;
        else if (strcmp(word, "ecr") == 0)
            s->ecr_ms = -number;
        else if (strcmp(word, "sack") == 0 && value && sscanf(value, "%u-%u", &r->start, &r->end) == 2)
            s->sacks++;
        else
            return complain(p, "unknown word %s", word), false;
    }
    return true;
}

static size_t peer_fill(void *stream, uint64_t pos, uint8_t *dst, size_t len)
{
    for (size_t i = 0; i < len; i++)
        dst[i] = byte_at(pos + i);
    return len;
}

static void put_ip(const struct play *p, uint8_t *packet, size_t len)
{
    if (p->ip6) {
        packet[0] = 0x60;
        put_be16(packet + 4, (uint16_t)len);
        packet[6] = TCP_PROTOCOL;
        memcpy(packet + 8, peer6, 16);
        memcpy(packet + 24, ours6, 16);
    } else {
        packet[0] = 0x45;
        put_be16(packet + 2, (uint16_t)(20 + len));
        packet[9] = TCP_PROTOCOL;
        memcpy(packet + 12, peer4, 4);
        memcpy(packet + 16, ours4, 4);
    }
}

static void arrives(struct play *p, const struct said *s)
{
    uint8_t packet[4096] = {0};
    size_t head = p->ip6 ? 40 : 20;
    struct tcp_plan plan = {.tuple = {.local_port = PEER, .remote_port = OURS},
                            .seq = PEER_ISN + s->seq,
                            .ack = s->ack < 0 ? 0 : OUR_ISN + (uint32_t)s->ack,
                            .position = s->seq - !(s->flags & TCP_SYN),
                            .len = (uint16_t)s->len,
                            .flags = s->flags | (s->ack >= 0 ? TCP_ACK : 0),
                            .window = s->win < 0 ? UINT16_MAX : (uint16_t)s->win,
                            .mss = s->mss < 0 ? 0 : (uint16_t)s->mss,
                            .has_scale = s->scale >= 0,
                            .scale = (uint8_t)s->scale,
                            .has_timestamps = s->ts >= 0,
                            .ts_val = (uint32_t)s->ts,
                            .ts_ecr = p->last_ts - (uint32_t)s->ecr_ms,
                            .sack_permitted = s->sackok,
                            .sack_count = (uint8_t)s->sacks};
    for (unsigned i = 0; i < s->sacks; i++)
        plan.sack[i] = (struct tcp_range){OUR_ISN + s->sack[i].start, OUR_ISN + s->sack[i].end};
    memcpy(plan.tuple.local, (uint8_t[16]){[10] = 0xff, 0xff}, 12);
    memcpy(plan.tuple.remote, plan.tuple.local, 12);
    memcpy(plan.tuple.local + (p->ip6 ? 0 : 12), p->ip6 ? peer6 : peer4, p->ip6 ? 16 : 4);
    memcpy(plan.tuple.remote + (p->ip6 ? 0 : 12), p->ip6 ? ours6 : ours4, p->ip6 ? 16 : 4);
    size_t len = tcp_build(&plan, peer_fill, NULL, packet + head, sizeof packet - head);
    put_ip(p, packet, len);
    lib.drive_receive(p->d, packet, head + len);
}

/* Takes the next packet; false: there is none. */
static bool take(struct play *p, struct tcp_segment *s, uint8_t packet[2048])
{
    size_t head = p->ip6 ? 40 : 20, n = lib.drive_send(p->d, packet, 2048);
    if (!n)
        return false;
    if (n < head || tcp_parse(packet + head, n - head, s) != DROP_NONE) {
        complain(p, "sent something that is no segment");
        return false;
    }
    if (s->has_timestamps)
        p->last_ts = s->ts_val;
    return true;
}

static void compare(struct play *p, const struct said *s, const struct tcp_segment *got)
{
    uint32_t seq = got->seq - OUR_ISN, ack = got->ack - PEER_ISN;
    bool is_ack = got->flags & TCP_ACK;
    if ((s->flags & ~TCP_PSH) != (got->flags & ~TCP_PSH) || s->seq != seq || s->len != got->len ||
        (s->ack >= 0 && (!is_ack || (uint32_t)s->ack != ack)))
        complain(p, "sent %s%s%s%s %u:%u ack %u", got->flags & TCP_SYN ? "S" : "",
                 got->flags & TCP_FIN ? "F" : "", got->flags & TCP_RST ? "R" : "", is_ack ? "." : "", seq,
                 seq + got->len, ack);
    if (s->win >= 0 && s->win != got->window)
        complain(p, "sent a window of %u", got->window);
    if (s->mss >= 0 && s->mss != got->mss)
        complain(p, "sent an MSS of %u", got->mss);
    if (s->scale >= 0 && (!got->has_scale || s->scale != got->scale))
        complain(p, "sent a scale of %d", got->has_scale ? got->scale : -1);
    if (s->ts >= 0 && (!got->has_timestamps || (uint32_t)s->ts != got->ts_ecr))
        complain(p, "echoed %ld", got->has_timestamps ? (long)got->ts_ecr : -1L);
    if (s->sackok && !got->sack_permitted)
        complain(p, "did not permit SACK");
    if (s->sacks != got->sack_count)
        complain(p, "sent %u SACK blocks", got->sack_count);
    for (unsigned i = 0; i < s->sacks && i < got->sack_count; i++)
        if (got->sack[i].start - PEER_ISN != s->sack[i].start ||
            got->sack[i].end - PEER_ISN != s->sack[i].end)
            complain(p, "SACK block %u is %u-%u", i, got->sack[i].start - PEER_ISN,
                     got->sack[i].end - PEER_ISN);
    for (uint32_t i = 0; i < got->len; i++)
        if (got->data[i] != byte_at(s->seq - 1 + i))
            complain(p, "sent a wrong byte at %u", s->seq + i);
}

static void nothing_more(struct play *p)
{
    struct tcp_segment got;
    uint8_t packet[2048];
    if (p->d && !p->broken && take(p, &got, packet))
        complain(p, "sends before this %u:%u flags %02x ack %u", got.seq - OUR_ISN,
                 got.seq - OUR_ISN + got.len, got.flags, got.ack - PEER_ISN);
}

/* To now + ms, over every deadline; nothing is sent before the last one. */
static void passes(struct play *p, double ms)
{
    uint64_t until = p->now_us + (uint64_t)(ms * 1000);
    nothing_more(p);
    while (p->now_us < until && !p->broken) {
        uint64_t at = lib.drive_deadline(p->d);
        p->now_us = at < until && at > p->now_us ? at : until;
        lib.drive_clock(p->d, p->now_us);
        if (p->now_us < until)
            nothing_more(p);
    }
}

/* ---- lines ---- */

static void begin_case(struct play *p, const char *name)
{
    nothing_more(p);
    if (p->d)
        lib.drive_free(p->d);
    p->d = NULL;
    p->setup = (struct drive_setup){.random = chance, .now_us = START_US};
    memcpy(p->setup.local4, ours4, 4);
    memcpy(p->setup.local6, ours6, 16);
    p->ip6 = p->broken = false;
    p->now_us = START_US;
    p->read = p->written = 0;
    p->listener = p->socket = -1;
    p->cases++;
    snprintf(p->name, sizeof p->name, "%s", name);
}

static void set(struct play *p, const char *key, long value)
{
    if (strcmp(key, "newreno") == 0)
        p->setup.newreno = value;
    else if (strcmp(key, "no_sack") == 0)
        p->setup.no_sack = value;
    else if (strcmp(key, "no_timestamps") == 0)
        p->setup.no_timestamps = value;
    else if (strcmp(key, "window") == 0)
        p->setup.receive_window = (uint32_t)value;
    else if (strcmp(key, "keepalive") == 0)
        p->setup.keepalive_ms = (uint32_t)value;
    else if (strcmp(key, "keepalive_interval") == 0)
        p->setup.keepalive_interval_ms = (uint32_t)value;
    else if (strcmp(key, "time_wait") == 0)
        p->setup.time_wait_ms = (uint32_t)value;
    else if (strcmp(key, "ip6") == 0)
        p->ip6 = value;
    else
        complain(p, "unknown setting %s", key);
}

static void reads(struct play *p, long want)
{
    uint8_t bytes[65536];
    long n = lib.drive_read(p->d, p->socket, bytes, sizeof bytes);
    if (n != want)
        complain(p, "reads %ld", n);
    for (long i = 0; i < n; i++, p->read++)
        if (bytes[i] != byte_at(p->read))
            complain(p, "reads a wrong byte");
}

static void writes(struct play *p, long n)
{
    static uint8_t bytes[1 << 20];
    for (long i = 0; i < n && i < (long)sizeof bytes; i++)
        bytes[i] = byte_at(p->written + (uint64_t)i);
    if (lib.drive_write(p->d, p->socket, bytes, (size_t)n) != n)
        complain(p, "cannot write");
    p->written += (uint64_t)n;
}

static void expect_state(struct play *p, const char *name)
{
    int state = lib.drive_state(p->d, p->socket);
    static const char *const names[] = {"CLOSED",     "SYN-SENT",   "SYN-RECEIVED", "ESTABLISHED",
                                        "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",   "CLOSING",
                                        "LAST-ACK",   "TIME-WAIT",  "LISTEN"};
    if (state < 0 || strcmp(names[state], name) != 0)
        complain(p, "is in state %s", state < 0 ? "none" : names[state]);
}

static void call(struct play *p, const char *verb, const char *rest)
{
    static const struct {
        const char *name;
        int number;
    } errors[] = {{"ECONNRESET", ECONNRESET},
                  {"ECONNREFUSED", ECONNREFUSED},
                  {"ETIMEDOUT", ETIMEDOUT},
                  {"EAGAIN", EAGAIN}};
    uint8_t byte;
    long number = strtol(rest, NULL, 10);
    if (strcmp(verb, "shutdown") != 0) /* it may come before what was written goes out */
        nothing_more(p);
    if (strcmp(verb, "listen") == 0) {
        p->listener = lib.drive_listen(p->d, OURS);
    } else if (strcmp(verb, "connect") == 0) {
        p->socket = lib.drive_connect(p->d, p->ip6 ? peer6 : peer4, p->ip6 ? 16 : 4, PEER, OURS);
    } else if (strcmp(verb, "accept") == 0) {
        if ((p->socket = lib.drive_accept(p->d, p->listener)) < 0)
            complain(p, "nothing to accept");
    } else if (strcmp(verb, "shutdown") == 0) {
        lib.drive_shutdown(p->d, p->socket);
    } else if (strcmp(verb, "close") == 0) {
        lib.drive_close(p->d, p->socket);
    } else if (strcmp(verb, "abort") == 0) {
        lib.drive_abort(p->d, p->socket);
    } else if (strcmp(verb, "write") == 0) {
        writes(p, number);
    } else if (strcmp(verb, "read") == 0) {
        reads(p, number);
    } else if (strcmp(verb, "state") == 0) {
        expect_state(p, rest);
    } else if (strcmp(verb, "wait") == 0) {
        passes(p, strtod(rest, NULL));
    } else if (strcmp(verb, "fails") == 0) {
        long got = lib.drive_read(p->d, p->socket, &byte, 1);
        for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
            if (strcmp(errors[i].name, rest) == 0 && got != -errors[i].number)
                complain(p, "read says %ld", got);
    } else {
        complain(p, "unknown verb %s", verb);
    }
}

static void line(struct play *p, char *text)
{
    char verb[32] = "", *rest;
    struct said s;
    int used = 0;
    if (sscanf(text, "%31s%n", verb, &used) != 1 || verb[0] == '#')
        return;
    for (rest = text + used; *rest == ' '; rest++)
        ;
    if (strcmp(verb, "case") == 0) {
        begin_case(p, rest);
        return;
    }
    if (p->broken)
        return;
    if (strcmp(verb, "set") == 0) {
        char key[32] = "";
        long value = 0;
        sscanf(rest, "%31s %ld", key, &value);
        set(p, key, value);
        return;
    }
    if (!p->d)
        p->d = lib.drive_new(&p->setup);
    if (verb[0] == '<') {
        nothing_more(p);
        if (parse_said(p, rest, &s))
            arrives(p, &s);
    } else if (verb[0] == '>') {
        struct tcp_segment got;
        uint8_t packet[2048];
        if (verb[1])
            passes(p, strtod(verb + 1, NULL));
        if (!p->broken && parse_said(p, rest, &s)) {
            if (take(p, &got, packet))
                compare(p, &s, &got);
            else
                complain(p, "sends nothing");
        }
    } else {
        call(p, verb, rest);
    }
}

static bool play(struct play *p, const char *file)
{
    char text[512];
    FILE *f = fopen(file, "r");
    if (!f)
        return perror(file), false;
    p->file = file;
    p->line = 0;
    p->broken = false;
    while (fgets(text, sizeof text, f)) {
        text[strcspn(text, "\n")] = 0;
        p->line++;
        line(p, text);
    }
    fclose(f);
    nothing_more(p);
    if (p->d)
        lib.drive_free(p->d);
    p->d = NULL;
    return true;
}

int main(int argc, char **argv)
{
    struct play p = {.line = 0};
    void *so = argc > 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
    if (!so)
        return fprintf(stderr, "usage: script LIBRARY SCRIPT …: %s\n",
                       argc > 2 ? dlerror() : "too few arguments"),
               2;
#define FIND(f) *(void **)&lib.f = dlsym(so, #f);
    CALLS(FIND)
    for (int i = 2; i < argc; i++)
        if (!play(&p, argv[i]))
            return 2;
    dlclose(so);
    printf("%u cases, %u failed\n", p.cases, p.failed);
    return p.failed || !p.cases;
}
