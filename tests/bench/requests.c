/*
 * The rest bench: `GET /channels/{c}` over keep-alive, by the CPU time that it costs whoever answers.
 *
 *      requests ours SECONDS BODY        the control plane in the process, between the rings of a region in
 * memory: what the thread of its loop needs for them. Leaves the answer's body in BODY requests peer SECONDS
 * BODY PORT PID   an HTTP server that answers the same bytes on loopback: what process PID needs
 *
 * Prints requests per second of that time. Every answer is looked at: its status, and its body, byte by byte.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/controlplane/sessions/world.h"

#define CONNECTIONS 16u
#define ANSWER_MAX  8192u

static struct world w;

static void die(const char *why)
{
    fprintf(stderr, "requests: %s\n", why);
    exit(1);
}

static double seconds_of(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The body of a whole answer with status 200; NULL: it is not whole yet. */
static const char *body_of(const char *answer, size_t length, size_t *body_length)
{
    const char *end = memmem(answer, length, "\r\n\r\n", 4), *field;
    if (!end)
        return NULL;
    if (memcmp(answer, "HTTP/1.1 200 ", 13) != 0 || !(field = strstr(answer, "Content-Length: ")) ||
        field > end)
        die("an answer that is none");
    *body_length = strtoul(field + 16, NULL, 10);
    return length >= (size_t)(end + 4 - answer) + *body_length ? end + 4 : NULL;
}

static void check(const char *answer, size_t length, const char *want, size_t want_length)
{
    size_t n;
    const char *body = body_of(answer, length, &n);
    if (!body || n != want_length || memcmp(body, want, n) != 0)
        die("an answer is not what was asked for");
}

/* ---- ours ---- */

static void keep_body(const struct client *c, const char *file)
{
    size_t n;
    const char *body = body_of(c->http, c->http_length, &n);
    FILE *out = fopen(file, "w");
    if (!body || !out || fwrite(body, 1, n, out) != n || fclose(out) != 0)
        die("no body to compare with");
}

static double ours(double seconds, const char *file)
{
    struct client *client[CONNECTIONS];
    char path[64];
    size_t length;
    double used = 0, end = seconds_of(CLOCK_MONOTONIC) + seconds;
    uint64_t answered = 0;
    world_open(&w);
    snprintf(path, sizeof path, "/channels/%llu", (unsigned long long)w.text);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        client[i] = client_request(&w, 0, 1, path, NULL);
        world_run(&w);
    }
    keep_body(client[0], file);
    char *want = strdup(body_of(client[0]->http, client[0]->http_length, &length));
    while (seconds_of(CLOCK_MONOTONIC) < end) {
        w.now_ms += 5000; /* no limit is reached; all are counted */
        for (unsigned i = 0; i < CONNECTIONS; i++)
            client_ask(&w, client[i], 0, 1, path, NULL);
        double begun = seconds_of(CLOCK_THREAD_CPUTIME_ID);
        while (control_step(&w.control, w.now_ms))
            ;
        used += seconds_of(CLOCK_THREAD_CPUTIME_ID) - begun;
        dataplane_run(&w);
        for (unsigned i = 0; i < CONNECTIONS; i++, answered++)
            check(client[i]->http, client[i]->http_length, want, length);
    }
    free(want);
    world_close(&w);
    return (double)answered / used;
}

/* ---- a server on loopback ---- */

static int connect_to(uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("the server does not take connections");
    return fd;
}

static void hear(int fd, const char *want, size_t want_length)
{
    char answer[ANSWER_MAX + 1];
    size_t have = 0, n;
    do {
        ssize_t got = read(fd, answer + have, ANSWER_MAX - have);
        if (got <= 0)
            die("the server ended a connection");
        have += (size_t)got;
        answer[have] = 0;
    } while (!body_of(answer, have, &n));
    check(answer, have, want, want_length);
}

/* Seconds that the process has run: fields 14 and 15 of its stat, behind the name in parentheses. */
static double used_by(const char *pid)
{
    char name[64], text[1024] = "";
    unsigned long user = 0, system = 0;
    snprintf(name, sizeof name, "/proc/%s/stat", pid);
    FILE *in = fopen(name, "r");
    const char *at = in && fgets(text, sizeof text, in) ? strrchr(text, ')') : NULL;
    if (in)
        fclose(in);
    if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        die("no such process");
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double peer(double seconds, const char *file, uint16_t port, const char *pid)
{
    static const char request[] = "GET /api/v10/channels/1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bot "
                                  "MDAwMDAwMDAwMDAwMDAwMDAw.abcdef.0123456789abcdefghijklmnopqrs\r\n"
                                  "User-Agent: DiscordBot (bench, 1)\r\nConnection: keep-alive\r\n\r\n";
    char want[ANSWER_MAX];
    int fd[CONNECTIONS];
    FILE *in = fopen(file, "r");
    size_t length = in ? fread(want, 1, sizeof want, in) : 0;
    if (!length)
        die("there is no body to compare with");
    fclose(in);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        fd[i] = connect_to(port);
    uint64_t answered = 0;
    double before = used_by(pid), end = seconds_of(CLOCK_MONOTONIC) + seconds;
    while (seconds_of(CLOCK_MONOTONIC) < end) {
        for (unsigned i = 0; i < CONNECTIONS; i++)
            if (write(fd[i], request, sizeof request - 1) != sizeof request - 1)
                die("the server does not take a request");
        for (unsigned i = 0; i < CONNECTIONS; i++, answered++)
            hear(fd[i], want, length);
    }
    double used = used_by(pid) - before;
    for (unsigned i = 0; i < CONNECTIONS; i++)
        close(fd[i]);
    if (used < 0.05)
        die("too short a time to count");
    return (double)answered / used;
}

int main(int argc, char **argv)
{
    double rate;
    if (argc == 4 && !strcmp(argv[1], "ours"))
        rate = ours(atof(argv[2]), argv[3]);
    else if (argc == 6 && !strcmp(argv[1], "peer"))
        rate = peer(atof(argv[2]), argv[3], (uint16_t)atoi(argv[4]), argv[5]);
    else
        die("usage: requests ours SECONDS BODY | requests peer SECONDS BODY PORT PID");
    printf("%.0f\n", rate);
    return 0;
}
