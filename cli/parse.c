/*
 * Parsing a command line against the table; see command.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/command.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The words of a command line, options taken out. */
struct words {
    const char *word[OPERANDS_MAX + 2];
    unsigned count;
    const char *option[32]; /* name, value, name, value … not yet matched to a command */
    unsigned option_words;
    bool help;
};

static int usage(const char *format, const char *what)
{
    fprintf(stderr, "voxpop: ");
    fprintf(stderr, format, what);
    fprintf(stderr, "; see voxpop --help\n");
    return EXIT_USAGE;
}

static const struct option *find_option(const struct option *list, const char *name, size_t length)
{
    for (; list && list->name; list++)
        if (strlen(list->name) == length && strncmp(list->name, name, length) == 0)
            return list;
    return NULL;
}

/* An option may stand before the noun, so it is looked for in all commands; the command's own check follows.
 */
static const struct option *any_option(const char *name, size_t length)
{
    const struct option *o = find_option(common_options, name, length);
    for (size_t i = 0; !o && i < command_count; i++)
        o = find_option(commands[i].options, name, length);
    return o;
}

static int take_option(struct words *w, struct invocation *v, char **argv, int argc, int *at)
{
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const struct option *o = any_option(name, length);
    const char *value = equals ? equals + 1 : NULL;
    if (!o)
        return usage("unknown option %s", argv[*at]);
    if (!o->value && equals)
        return usage("%s takes no value", argv[*at]);
    if (o->value && !value) {
        if (*at + 1 >= argc)
            return usage("%s needs a value", argv[*at]);
        value = argv[++*at];
    }
    if (strcmp(o->name, "json") == 0)
        v->json = true;
    else if (strcmp(o->name, "help") == 0)
        w->help = true;
    else if (strcmp(o->name, "config") == 0)
        v->config_file = value;
    else if (strcmp(o->name, "run") == 0)
        v->run_directory = value;
    else if (w->option_words + 2 <= sizeof w->option / sizeof *w->option) {
        w->option[w->option_words++] = o->name;
        w->option[w->option_words++] = value ? value : "";
    } else {
        return usage("too many options at %s", argv[*at]);
    }
    return EXIT_OK;
}

static int split(struct words *w, struct invocation *v, int argc, char **argv)
{
    bool options = true;
    for (int i = 1; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && strcmp(argv[i], "-h") == 0) {
            w->help = true;
        } else if (options && strncmp(argv[i], "--", 2) == 0) {
            int code = take_option(w, v, argv, argc, &i);
            if (code)
                return code;
        } else if (w->count < sizeof w->word / sizeof *w->word) {
            w->word[w->count++] = argv[i];
        } else {
            return usage("too many words at '%s'", argv[i]);
        }
    }
    return EXIT_OK;
}

static bool choice_allowed(const char *choices, const char *value)
{
    size_t length = strlen(value);
    for (const char *c = choices; c; c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL)
        if (strcspn(c, "|") == length && strncmp(c, value, length) == 0)
            return true;
    return false;
}

static int match_options(const struct words *w, struct invocation *v)
{
    const struct option *list = v->command->options;
    for (unsigned i = 0; i < w->option_words; i += 2) {
        const struct option *o = find_option(list, w->option[i], strlen(w->option[i]));
        if (!o)
            return usage("this command does not take --%s", w->option[i]);
        if (o->choices && !choice_allowed(o->choices, w->option[i + 1])) {
            fprintf(stderr, "voxpop: --%s is one of %s, not '%s'\n", o->name, o->choices, w->option[i + 1]);
            return EXIT_USAGE;
        }
        v->option[o - list] = w->option[i + 1];
    }
    for (const struct option *o = list; o && o->name; o++)
        if (o->required && !v->option[o - list])
            return usage("--%s is needed", o->name);
    return EXIT_OK;
}

/* Words behind noun and verb, against "PREFIX via HOP"; what stands in brackets, at the end, may be left out.
 */
static int match_operands(const struct words *w, unsigned from, struct invocation *v)
{
    const char *p = v->command->operands;
    unsigned at = from;
    for (size_t n; *p; p += n + (p[n] == ' '), at++) {
        n = strcspn(p, " ");
        if (at >= w->count && *p == '[')
            break;
        if (at >= w->count) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)n, p);
            return usage("%s is missing", name);
        }
        if (islower((unsigned char)*p)) {
            if (strlen(w->word[at]) != n || strncmp(w->word[at], p, n) != 0)
                return usage("'%s' is not understood here", w->word[at]);
            continue;
        }
        v->operand_name[v->operands] = p;
        v->operand_name_length[v->operands] = n;
        v->operand[v->operands++] = w->word[at];
    }
    return at < w->count ? usage("'%s' is too much", w->word[at]) : EXIT_OK;
}

static const struct command *find_command(const struct words *w, unsigned *words, bool *noun_known)
{
    *noun_known = false;
    for (size_t i = 0; i < command_count; i++) {
        const struct command *c = &commands[i];
        if (strcmp(c->noun, w->word[0]) != 0)
            continue;
        *noun_known = true;
        if (!c->verb || (w->count > 1 && strcmp(c->verb, w->word[1]) == 0)) {
            *words = c->verb ? 2 : 1;
            return c;
        }
    }
    return NULL;
}

const char *invocation_option(const struct invocation *i, const char *name)
{
    for (const struct option *o = i->command->options; o && o->name; o++)
        if (strcmp(o->name, name) == 0)
            return i->option[o - i->command->options];
    return NULL;
}

int command_main(int argc, char **argv)
{
    struct words w = {0};
    struct invocation v = {0};
    unsigned words = 0;
    bool noun_known;
    int code = split(&w, &v, argc, argv);
    if (code)
        return code;
    if (w.count == 0) {
        help_print(NULL, NULL);
        return w.help ? EXIT_OK : EXIT_USAGE;
    }
    v.command = find_command(&w, &words, &noun_known);
    if (!v.command) {
        if (w.help && noun_known && w.count == 1)
            return help_print(w.word[0], NULL), EXIT_OK;
        if (!noun_known)
            return usage("there is no '%s'", w.word[0]);
        return w.count > 1 ? usage("'%s' is not a verb of this noun", w.word[1])
                           : usage("%s what?", w.word[0]);
    }
    if (w.help)
        return help_print(v.command->noun, v.command->verb), EXIT_OK;
    if ((code = match_options(&w, &v)) || (code = match_operands(&w, words, &v)))
        return code;
    return v.command->run(&v);
}
