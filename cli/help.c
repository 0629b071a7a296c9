/*
 * Help and completion from the table of commands.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* "session show ID", with required options behind. */
static int synopsis(const struct command *c, char *out, size_t size)
{
    int n = snprintf(out, size, "%s%s%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
                     *c->operands ? " " : "", c->operands);
    for (const struct option *o = c->options; o && o->name; o++)
        n += snprintf(out + n, size - (size_t)n, o->required ? " --%s%s%s" : " [--%s%s%s]", o->name,
                      o->value ? " " : "", o->value ? o->value : "");
    return n;
}

static void print_options(const struct option *o)
{
    for (; o && o->name; o++) {
        char name[64];
        snprintf(name, sizeof name, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        printf("  %-20s %s%s%s%s\n", name, o->text, o->choices ? " (" : "", o->choices ? o->choices : "",
               o->choices ? ")" : "");
    }
}

void help_print(const char *noun, const char *verb)
{
    const char *last = "";
    if (!noun)
        printf("usage: voxpop [OPTION]... NOUN [VERB] [OPERAND]...\n");
    for (size_t i = 0; i < command_count; i++) {
        const struct command *c = &commands[i];
        char line[160];
        if (noun && (!same(c->noun, noun) || (verb && !same(c->verb, verb))))
            continue;
        if (!noun && strcmp(c->noun, last) != 0)
            printf("\n");
        last = c->noun;
        synopsis(c, line, sizeof line);
        printf("  %-44s %s\n", line, c->text);
        if (noun && c->options)
            print_options(c->options);
    }
    printf("\nFor every command:\n");
    print_options(common_options);
    if (!noun)
        printf("\nExit codes: 0 done, 1 failed, 2 not understood, 3 cannot connect (no region, or no control "
               "plane).\n");
}

static void print_words(const char *noun)
{
    const char *last = "";
    for (size_t i = 0; i < command_count; i++) {
        if (noun && strcmp(commands[i].noun, noun) == 0 && commands[i].verb)
            printf(" %s", commands[i].verb);
        if (!noun && strcmp(commands[i].noun, last) != 0)
            printf(" %s", commands[i].noun);
        last = commands[i].noun;
    }
}

static void print_option_words(const struct option *o)
{
    for (; o && o->name; o++)
        printf(" --%s", o->name);
}

int run_completion(const struct invocation *i)
{
    const char *last = "";
    printf("# voxpop completion bash: source <(voxpop completion)\n"
           "_voxpop() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} nouns=() words=\"\" k\n"
           "    for ((k = 1; k < COMP_CWORD; k++)); do\n"
           "        case ${COMP_WORDS[k]} in\n"
           "        --config | --run) ((k++)) ;;\n"
           "        -*) ;;\n"
           "        *) nouns+=(\"${COMP_WORDS[k]}\") ;;\n"
           "        esac\n"
           "    done\n"
           "    case ${COMP_WORDS[COMP_CWORD - 1]} in\n"
           "    --config | --run | check) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n"
           "    esac\n"
           "    case ${nouns[*]:0:2} in\n"
           "    '') words=\"");
    print_words(NULL);
    printf("\" ;;\n");
    for (size_t c = 0; c < command_count; c++) {
        if (strcmp(commands[c].noun, last) != 0 && commands[c].verb) {
            printf("    '%s') words=\"", commands[c].noun);
            print_words(commands[c].noun);
            printf("\" ;;\n");
        }
        last = commands[c].noun;
        if (commands[c].options) {
            printf("    '%s %s') words=\"", commands[c].noun, commands[c].verb);
            print_option_words(commands[c].options);
            printf("\" ;;\n");
        }
    }
    printf("    esac\n    COMPREPLY=($(compgen -W \"$words");
    print_option_words(common_options);
    printf("\" -- \"$word\"))\n}\ncomplete -F _voxpop voxpop\n");
    return EXIT_OK;
}
