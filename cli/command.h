/*
 * The operator's commands. One table (commands.c) drives parsing, --help and completion; a new command is a
 * row there and a function `run`.
 *
 * What runs: `run` gets the parsed invocation and returns an exit code. What it prints is JSON with --json,
 * text for people otherwise; mistakes go to stderr.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CLI_COMMAND_H
#define VOXPOP_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#define OPERANDS_MAX 8
#define OPTIONS_MAX  8

enum exit_code { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CANNOT_CONNECT = 3 };

struct option {
    const char *name;    /* without the dashes */
    const char *value;   /* what stands for its value in the help; NULL: a flag */
    const char *choices; /* "text|voice"; NULL: anything */
    bool required;
    const char *text;
};

struct invocation;

struct command {
    const char *noun;
    const char *verb; /* NULL: the noun alone */
    const char
        *operands; /* "GUILD NAME"; a word in small letters stands for itself, [NAME] may be left out */
    const struct option *options; /* ended by a NULL name; NULL: none */
    int (*run)(const struct invocation *i);
    const char *text;
};

struct invocation {
    const struct command *command;
    unsigned operands;
    const char *operand_name[OPERANDS_MAX]; /* as in the table: "GUILD" */
    size_t operand_name_length[OPERANDS_MAX];
    const char *operand[OPERANDS_MAX];
    const char *option[OPTIONS_MAX]; /* by place in command->options; a flag's value is ""; NULL: absent */
    bool json;
    const char *config_file;   /* NULL: not given */
    const char *run_directory; /* NULL: not given */
};

extern const struct command commands[];
extern const size_t command_count;

/* Options that every command takes. */
extern const struct option common_options[];

/* The value of an option of the command, NULL when it was not given. */
const char *invocation_option(const struct invocation *i, const char *name);

/* Parses and runs; returns the exit code. */
int command_main(int argc, char **argv);

/* Help on everything, on a noun, or on a command (either may be NULL), to stdout. */
void help_print(const char *noun, const char *verb);

/* The commands, each in the file named here. */
int run_supervise(const struct invocation *i);       /* config_commands.c */
int run_config_check(const struct invocation *i);    /* config_commands.c */
int run_config_defaults(const struct invocation *i); /* config_commands.c */
int run_status(const struct invocation *i);          /* status_command.c */
int run_session_list(const struct invocation *i);    /* session_commands.c */
int run_session_show(const struct invocation *i);    /* session_commands.c */
int run_presence_list(const struct invocation *i);   /* session_commands.c */
int run_session_close(const struct invocation *i);   /* session_commands.c */
int run_pop_drain(const struct invocation *i);       /* long_commands.c */
int run_guild_generate(const struct invocation *i);  /* long_commands.c */
int run_connection_list(const struct invocation *i); /* connection_commands.c */
int run_connection_show(const struct invocation *i); /* connection_commands.c */
int run_room_list(const struct invocation *i);       /* room_commands.c */
int run_room_show(const struct invocation *i);       /* room_commands.c */
int run_route_list(const struct invocation *i);      /* route_command.c */
int run_remote(const struct invocation *i);          /* remote.c: asks the control plane "noun.verb" */
int run_guild_export(const struct invocation *i);    /* guild_commands.c */
int run_guild_import(const struct invocation *i);    /* guild_commands.c */
int run_store_check(const struct invocation *i);     /* store_commands.c */
int run_store_backup(const struct invocation *i);    /* store_commands.c */
int run_store_restore(const struct invocation *i);   /* store_commands.c */
int run_capture_start(const struct invocation *i);   /* capture_commands.c */
int run_capture_stop(const struct invocation *i);    /* capture_commands.c */
int run_capture_status(const struct invocation *i);  /* capture_commands.c */
int run_capture_replay(const struct invocation *i);  /* capture_replay.c */
int run_completion(const struct invocation *i);      /* help.c */

#endif
