/*
 * The management server; see noc.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/noc/noc.h"

#include "controlplane/noc/metrics.h"
#include "controlplane/noc/page.h"
#include "controlplane/noc/status.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#define CONNECTIONS_MAX 64
#define IDLE_TIMEOUT_S  15
#define SAMPLE_US       1000000ull

struct noc {
    const struct region *region;
    struct MHD_Daemon *daemon;
    char *pop; /* /pop.json */
    /* Busy shares are over the time since `before`, which is one to two seconds ago while somebody looks. */
    struct status before, latest;
};

/* What is sent: `body` is the server's to free when `owned`. */
struct answer {
    unsigned code;
    const char *type;
    void *body;
    size_t length;
    bool owned;
};

static struct answer plain(unsigned code, const char *text)
{
    return (struct answer){code, "text/plain; charset=utf-8", (void *)(uintptr_t)text, strlen(text), false};
}

static struct answer metrics_answer(struct noc *n)
{
    struct answer a = {200, "text/plain; version=0.0.4; charset=utf-8", NULL, 0, true};
    char *text = NULL;
    FILE *f = open_memstream(&text, &a.length);
    if (!f)
        return plain(500, "no memory\n");
    metrics_write(f, n->region);
    fclose(f);
    a.body = text;
    return a;
}

static struct answer status_answer(struct noc *n)
{
    struct status *s = malloc(sizeof *s);
    if (!s)
        return plain(500, "no memory\n");
    status_read(n->region, s);
    if (s->time_us - n->latest.time_us >= SAMPLE_US) {
        n->before = n->latest;
        n->latest = *s;
    }
    json_t *j = status_json(s, n->before.time_us ? &n->before : NULL);
    char *text = j ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(j);
    free(s);
    if (!text)
        return plain(500, "no memory\n");
    return (struct answer){200, "application/json", text, strlen(text), true};
}

static struct answer health_answer(struct noc *n)
{
    struct status *s = malloc(sizeof *s);
    bool ready = false;
    if (s) {
        status_read(n->region, s);
        ready = s->ready;
    }
    free(s);
    return ready ? plain(200, "ready\n") : plain(503, "not ready\n");
}

static struct answer answer_for(struct noc *n, const char *path)
{
    if (strcmp(path, "/metrics") == 0)
        return metrics_answer(n);
    if (strcmp(path, "/status.json") == 0)
        return status_answer(n);
    if (strcmp(path, "/healthz") == 0)
        return health_answer(n);
    if (strcmp(path, "/pop.json") == 0)
        return (struct answer){200, "application/json", n->pop, strlen(n->pop), false};
    for (const struct page_file *f = page_files; f->path; f++)
        if (strcmp(path, f->path) == 0)
            return (struct answer){200, f->type, (void *)(uintptr_t)f->body, f->length, false};
    return plain(404, "not found\n");
}

static enum MHD_Result send_answer(struct MHD_Connection *c, const struct answer *a)
{
    static const char *const headers[][2] = {
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
         "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Cache-Control", "no-store"},
    };
    struct MHD_Response *r = MHD_create_response_from_buffer(
        a->length, a->body, a->owned ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!r) {
        if (a->owned)
            free(a->body);
        return MHD_NO;
    }
    MHD_add_response_header(r, "Content-Type", a->type);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        MHD_add_response_header(r, headers[i][0], headers[i][1]);
    if (a->code == 405)
        MHD_add_response_header(r, "Allow", "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(c, a->code, r);
    MHD_destroy_response(r);
    return result;
}

static enum MHD_Result handle(void *user, struct MHD_Connection *c, const char *path, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **request)
{
    static int seen;
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (!*request) { /* the first call comes before the body; a refusal need not wait for it */
        *request = &seen;
        if (reads)
            return MHD_YES;
    }
    struct answer a = reads ? answer_for(user, path) : plain(405, "only GET and HEAD\n");
    return send_answer(c, &a);
}

static char *pop_json(const struct config *c)
{
    json_t *addresses = json_array(), *reasons = json_object();
    for (uint32_t i = 0; i < c->pop.address_count; i++)
        json_array_append_new(addresses, json_string(c->pop.addresses[i].text));
    for (unsigned i = DROP_NONE + 1; i < DROP_REASON_COUNT; i++)
        json_object_set_new(reasons, drop_reason_name(i), json_string(drop_reason_text(i)));
    json_t *j = json_pack("{s:s, s:s, s:o, s:o}", "name", c->pop.name, "region", c->pop.region, "addresses",
                          addresses, "drop_reasons", reasons);
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    return text;
}

static bool management_address(const struct config *c, struct sockaddr_storage *to)
{
    struct sockaddr_in *in4 = (struct sockaddr_in *)to;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
    memset(to, 0, sizeof *to);
    if (inet_pton(AF_INET, c->management.address, &in4->sin_addr) == 1) {
        in4->sin_family = AF_INET;
        in4->sin_port = htons((uint16_t)c->management.port);
        return true;
    }
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t)c->management.port);
    return inet_pton(AF_INET6, c->management.address, &in6->sin6_addr) == 1;
}

struct noc *noc_start(const struct region *r, const struct config *c, char why[256])
{
    struct sockaddr_storage address;
    sigset_t all, before;
    why[0] = 0;
    if (!c->management.port)
        return NULL;
    struct noc *n = calloc(1, sizeof *n);
    if (!n || !(n->pop = pop_json(c)) || !management_address(c, &address)) {
        snprintf(why, 256, "management server: no memory, or no address");
        noc_stop(n);
        return NULL;
    }
    n->region = r;
    /* Signals are for the control plane's main thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    n->daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL |
                             (address.ss_family == AF_INET6 ? MHD_USE_IPv6 : MHD_NO_FLAG),
                         (uint16_t)c->management.port, NULL, NULL, handle, n, MHD_OPTION_SOCK_ADDR,
                         (struct sockaddr *)&address, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_END);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!n->daemon) {
        snprintf(why, 256, "management server on %s port %u: %s", c->management.address, c->management.port,
                 strerror(error));
        noc_stop(n);
        return NULL;
    }
    return n;
}

void noc_stop(struct noc *n)
{
    if (!n)
        return;
    if (n->daemon)
        MHD_stop_daemon(n->daemon);
    free(n->pop);
    free(n);
}
