/*
 * The operator's socket; see admin.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "controlplane/guilds/model_admin.h"
#include "config/log.h"

/* An answer that is owed: to connection `number` in slot `slot`, if that is still there. */
struct owed {
    struct admin *admin;
    unsigned slot;
    uint64_t number;
};

static void watch(struct admin *a, unsigned slot, int how, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.u64 = ADMIN_EVENT + 1 + slot};
    epoll_ctl(a->epoll, how, a->client[slot].fd, &e);
}

static void take_lines(struct admin *a, unsigned slot);

static void client_close(struct admin *a, unsigned slot)
{
    struct admin_client *cl = &a->client[slot];
    if (cl->fd >= 0)
        close(cl->fd);
    free(cl->in);
    free(cl->out);
    *cl = (struct admin_client){.fd = -1};
}

/* Writes what is owed; reading goes on when all of it is out. */
static void client_flush(struct admin *a, unsigned slot)
{
    struct admin_client *cl = &a->client[slot];
    while (cl->out_sent < cl->out_length) {
        ssize_t n =
            send(cl->fd, cl->out + cl->out_sent, cl->out_length - cl->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            watch(a, slot, EPOLL_CTL_MOD, EPOLLOUT);
            return;
        }
        if (n < 0) {
            client_close(a, slot);
            return;
        }
        cl->out_sent += (size_t)n;
    }
    free(cl->out);
    cl->out = NULL;
    cl->out_length = cl->out_sent = 0;
    watch(a, slot, EPOLL_CTL_MOD, cl->asked ? 0 : EPOLLIN);
    if (!cl->asked && !cl->taking)
        take_lines(a, slot); /* those that came behind the one just answered */
}

static void answer(void *ctx, json_t *result)
{
    struct owed *o = ctx;
    struct admin_client *cl = &o->admin->client[o->slot];
    json_t *error = json_object_get(result, "error"), *line;
    if (json_is_string(error) && json_object_size(result) == 1)
        line = json_pack("{s:b, s:O}", "ok", 0, "error", error);
    else
        line = json_pack("{s:b, s:O}", "ok", 1, "result", result);
    if (cl->number == o->number) {
        char *text = json_dumps(line, JSON_COMPACT);
        free(cl->out);
        cl->out_length = strlen(text) + 1;
        text[cl->out_length - 1] = '\n'; /* in the terminator's place */
        cl->out = text;
        cl->out_sent = 0;
        cl->asked = false;
        client_flush(o->admin, o->slot);
    }
    json_decref(line);
    json_decref(result);
    free(o);
}

static void refuse(struct owed *o, const char *why)
{
    answer(o, json_pack("{s:s}", "error", why));
}

static void take_line(struct admin *a, unsigned slot, const char *line, size_t length)
{
    struct owed *o = malloc(sizeof *o);
    json_t *request = json_loadb(line, length, 0, NULL);
    const char *verb = json_string_value(json_object_get(request, "verb"));
    json_t *args = json_object_get(request, "args");
    char name[64];
    if (!o)
        abort();
    *o = (struct owed){a, slot, a->client[slot].number};
    a->client[slot].asked = true;
    watch(a, slot, EPOLL_CTL_MOD, 0);
    if (!verb || (args && !json_is_object(args)) || strlen(verb) >= sizeof name) {
        refuse(o, "a request is {\"verb\": \"noun.verb\", \"args\": {...}}");
        json_decref(request);
        return;
    }
    snprintf(name, sizeof name, "%s", verb);
    json_t *none = json_object();
    if (!admin_live(a, name, args ? args : none, answer, o)) {
        char *dot = strchr(name, '.');
        if (dot)
            *dot = ' ';
        if (!admin_call(a->control->model, name, args ? args : none, answer, o))
            refuse(o, "no such verb");
    }
    log_event(LOG_INFO, "admin", "verb=%s", log_text(name).text);
    json_decref(none);
    json_decref(request);
}

/* Takes whole lines, one at a time, until an answer has to be waited for. */
static void take_lines(struct admin *a, unsigned slot)
{
    struct admin_client *cl = &a->client[slot];
    uint64_t number = cl->number;
    char *end;
    cl->taking = true;
    while (cl->number == number && !cl->asked && (end = memchr(cl->in, '\n', cl->in_length)) != NULL) {
        size_t length = (size_t)(end - cl->in);
        char *line = strndup(cl->in, length);
        if (!line)
            abort();
        cl->in_length -= length + 1;
        memmove(cl->in, end + 1, cl->in_length);
        take_line(a, slot, line, strlen(line));
        free(line);
    }
    if (cl->number != number)
        return;
    cl->taking = false;
    if (cl->in_length == ADMIN_LINE_MAX)
        client_close(a, slot);
}

static void client_read(struct admin *a, unsigned slot)
{
    struct admin_client *cl = &a->client[slot];
    ssize_t n = recv(cl->fd, cl->in + cl->in_length, ADMIN_LINE_MAX - cl->in_length, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        client_close(a, slot);
        return;
    }
    cl->in_length += (size_t)n;
    take_lines(a, slot);
}

static void accept_client(struct admin *a)
{
    int fd = accept4(a->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    for (unsigned i = 0; i < ADMIN_CLIENTS_MAX; i++) {
        struct admin_client *cl = &a->client[i];
        if (cl->number)
            continue;
        *cl = (struct admin_client){.fd = fd, .number = ++a->next_number, .in = malloc(ADMIN_LINE_MAX)};
        if (!cl->in)
            abort();
        watch(a, i, EPOLL_CTL_ADD, EPOLLIN);
        return;
    }
    close(fd);
}

void admin_event(struct admin *a, uint64_t data, uint32_t events)
{
    if (data == ADMIN_EVENT) {
        accept_client(a);
        return;
    }
    unsigned slot = (unsigned)(data - ADMIN_EVENT - 1);
    struct admin_client *cl = &a->client[slot];
    if (!cl->number)
        return;
    if (events & EPOLLOUT)
        client_flush(a, slot);
    else if (events & EPOLLIN && !cl->asked)
        client_read(a, slot);
    else if (events & (EPOLLHUP | EPOLLERR))
        client_close(a, slot);
}

bool admin_open(struct admin *a, struct control *c, struct routes *r, const char *path, int epoll, char *why)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *a = (struct admin){.control = c, .routes = r, .epoll = epoll};
    for (unsigned i = 0; i < ADMIN_CLIENTS_MAX; i++)
        a->client[i].fd = -1;
    if (strlen(path) >= sizeof address.sun_path)
        return snprintf(why, 256, "control.socket: %s is longer than a socket's path may be", path), false;
    memcpy(address.sun_path, path, strlen(path) + 1);
    a->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(path);
    mode_t mask = umask(0177);
    int bound = bind(a->listener, (struct sockaddr *)&address, sizeof address);
    umask(mask);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = ADMIN_EVENT};
    if (bound || listen(a->listener, 16) || epoll_ctl(epoll, EPOLL_CTL_ADD, a->listener, &e)) {
        snprintf(why, 256, "%s: %s", path, strerror(errno));
        close(a->listener);
        return false;
    }
    return true;
}

void admin_close(struct admin *a)
{
    for (unsigned i = 0; i < ADMIN_CLIENTS_MAX; i++)
        if (a->client[i].number)
            client_close(a, i);
    close(a->listener);
}
