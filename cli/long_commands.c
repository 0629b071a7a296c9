/*
 * Commands that take a while and show how far they are: voxpop pop drain, voxpop guild generate. The bar goes
 * to stderr when that is a terminal; the result to stdout, as always.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli/remote.h"
#include "cli/show.h"

#define BAR_WIDTH   40u
#define POLL_NS     250000000L
#define BATCH       1000
#define MEMBERS_MAX 5000000

static void bar(const char *what, json_int_t done, json_int_t all)
{
    char text[BAR_WIDTH + 1];
    unsigned full = all > 0 ? (unsigned)(done * BAR_WIDTH / all) : BAR_WIDTH;
    if (!isatty(STDERR_FILENO))
        return;
    for (unsigned i = 0; i < BAR_WIDTH; i++)
        text[i] = i < full ? '#' : '.';
    text[BAR_WIDTH] = 0;
    fprintf(stderr, "\r%s [%s] %lld of %lld%s", what, text, (long long)done, (long long)all,
            done >= all ? "\n" : " ");
}

static json_int_t number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

/* Until every client was asked. */
static int watch(const struct invocation *i, json_t **result)
{
    json_t *none = json_object();
    int code = EXIT_OK;
    while (!code && !json_is_true(json_object_get(*result, "done"))) {
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
        json_decref(*result);
        code = remote_call(i, "pop.status", none, result);
        if (!code)
            bar("asked", number(*result, "looked_at"), number(*result, "slots"));
    }
    json_decref(none);
    return code;
}

int run_pop_drain(const struct invocation *i)
{
    const char *over = invocation_option(i, "over");
    json_t *args = json_pack("{s:s}", "over", over ? over : "60"), *result;
    int code = remote_call(i, "pop.drain", args, &result);
    json_decref(args);
    if (!code && invocation_option(i, "wait"))
        code = watch(i, &result);
    return result ? show_value(i, result) : code;
}

int run_guild_generate(const struct invocation *i)
{
    char *end;
    const char *text = invocation_option(i, "members");
    json_int_t all = strtoll(text, &end, 10), done = 0;
    if (*end || all < 1 || all > MEMBERS_MAX) {
        fprintf(stderr, "voxpop: --members is 1 to %d\n", MEMBERS_MAX);
        return EXIT_USAGE;
    }
    while (done < all) {
        json_t *args = json_pack("{s:s, s:I}", "guild", i->operand[0], "count",
                                 all - done < BATCH ? all - done : (json_int_t)BATCH),
               *result;
        int code = remote_call(i, "guild.generate", args, &result);
        json_decref(args);
        if (code)
            return code;
        done += number(result, "made");
        json_decref(result);
        bar("made", done, all);
    }
    return show_value(i, json_pack("{s:s, s:I}", "guild", i->operand[0], "made", done));
}
