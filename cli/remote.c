/*
 * Commands that the control plane carries out: one line of JSON there, one back, over its unix socket.
 *
 *      {"verb": "guild.join", "args": {"guild": "1", "account": "2"}}
 *      {"ok": true, "result": …}   {"ok": false, "error": "a sentence"}
 *
 * Operands and options become arguments under their names in small letters, `--max-age` as max_age; flags are
 * true or false.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/place.h"
#include "cli/remote.h"
#include "cli/show.h"

#define ANSWER_MAX    (64u << 20)
#define PATIENCE_S    30
#define READ_AT_LEAST 65536u

#define NAME_MAX_LENGTH 31

static void argument_name(const char *text, size_t length, char name[NAME_MAX_LENGTH + 1])
{
    size_t k = 0;
    for (; k < length && k < NAME_MAX_LENGTH; k++)
        name[k] = text[k] == '-' ? '_' : (char)tolower((unsigned char)text[k]);
    name[k] = 0;
}

json_t *remote_arguments(const struct invocation *i)
{
    json_t *args = json_object();
    char name[NAME_MAX_LENGTH + 1];
    for (unsigned n = 0; n < i->operands; n++) {
        argument_name(i->operand_name[n], i->operand_name_length[n], name);
        json_object_set_new(args, strcmp(name, "hop") == 0 ? "via" : name, json_string(i->operand[n]));
    }
    for (const struct option *o = i->command->options; o && o->name; o++) {
        const char *value = i->option[o - i->command->options];
        argument_name(o->name, strlen(o->name), name);
        if (!o->value)
            json_object_set_new(args, name, json_boolean(value != NULL));
        else if (value)
            json_object_set_new(args, name, json_string(value));
    }
    return args;
}

static int connect_to(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (strlen(path) >= sizeof to.sun_path)
        errno = ENAMETOOLONG;
    else if (fd >= 0) {
        snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
            return fd;
    }
    fprintf(stderr, "voxpop: no control plane at %s (%s): is `voxpop supervise` running?\n", path,
            strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool send_line(int fd, const json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT);
    size_t length = text ? strlen(text) : 0, at = 0;
    bool good = text != NULL;
    if (good)
        text[length++] = '\n'; /* in place of the terminator */
    while (good && at < length) {
        ssize_t n = send(fd, text + at, length - at, MSG_NOSIGNAL);
        good = n > 0 || (n < 0 && errno == EINTR);
        at += n > 0 ? (size_t)n : 0;
    }
    free(text);
    return good;
}

/* One line; NULL when the connection ended before it did. */
static char *read_line(int fd, size_t *length)
{
    char *text = NULL;
    size_t have = 0, room = 0;
    for (;;) {
        if (room - have < READ_AT_LEAST) {
            char *more = room < ANSWER_MAX ? realloc(text, room = 2 * room + READ_AT_LEAST) : NULL;
            if (!more)
                break;
            text = more;
        }
        ssize_t n = read(fd, text + have, room - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        char *end = memchr(text + have, '\n', (size_t)n);
        have += (size_t)n;
        if (end) {
            *length = (size_t)(end - text);
            return text;
        }
    }
    free(text);
    return NULL;
}

int remote_call(const struct invocation *i, const char *verb, const json_t *args, json_t **result)
{
    struct place p;
    size_t length = 0;
    int code = place_find(i, &p);
    *result = NULL;
    if (code)
        return code;
    int fd = connect_to(p.socket);
    if (fd < 0)
        return EXIT_CANNOT_CONNECT;
    json_t *request = json_pack("{s:s, s:O}", "verb", verb, "args", args);
    char *text = request && send_line(fd, request) ? read_line(fd, &length) : NULL;
    json_t *answer = text ? json_loadb(text, length, 0, NULL) : NULL;
    const char *error = json_string_value(json_object_get(answer, "error"));
    code = text ? EXIT_FAILED : EXIT_CANNOT_CONNECT;
    if (json_is_true(json_object_get(answer, "ok"))) {
        json_t *r = json_object_get(answer, "result");
        *result = r ? json_incref(r) : json_object();
        code = EXIT_OK;
    } else if (text) {
        fprintf(stderr, "voxpop: %s\n", error ? error : "the control plane's answer is not understood");
    } else {
        fprintf(stderr,
                "voxpop: the control plane did not answer; whether it did what was asked is not known\n");
    }
    json_decref(answer);
    json_decref(request);
    free(text);
    close(fd);
    return code;
}

int run_remote(const struct invocation *i)
{
    char verb[64];
    json_t *args = remote_arguments(i), *result;
    snprintf(verb, sizeof verb, "%s.%s", i->command->noun, i->command->verb);
    int code = remote_call(i, verb, args, &result);
    json_decref(args);
    return result ? show_value(i, result) : code;
}
