/*
 * Tables and fields; see show.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/show.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 24
#define CELL_MAX    256

const char *show_count(uint64_t n, char out[32])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            out[at++] = ' ';
        out[at++] = digits[i];
    }
    out[at] = 0;
    return out;
}

/* What a cell says; control characters of names that others chose do not reach the terminal. */
static void cell(const json_t *v, char out[CELL_MAX])
{
    if (json_is_string(v)) {
        snprintf(out, CELL_MAX, "%s", json_string_value(v));
        for (char *c = out; *c; c++)
            if (iscntrl((unsigned char)*c))
                *c = '?';
    } else if (json_is_integer(v)) {
        snprintf(out, CELL_MAX, "%lld", (long long)json_integer_value(v));
    } else if (json_is_real(v)) {
        snprintf(out, CELL_MAX, "%g", json_real_value(v));
    } else if (json_is_boolean(v)) {
        snprintf(out, CELL_MAX, "%s", json_is_true(v) ? "yes" : "no");
    } else if (!v || json_is_null(v)) {
        snprintf(out, CELL_MAX, "-");
    } else {
        snprintf(out, CELL_MAX, "%zu", json_is_array(v) ? json_array_size(v) : json_object_size(v));
    }
}

/* Terminal columns, counting UTF-8 characters as one. */
static size_t width(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void put(const char *text, size_t to, bool right, bool last)
{
    int pad = (int)(to - width(text));
    if (right)
        printf("%*s%s", pad, "", text);
    else
        printf("%s%*s", text, last ? 0 : pad, "");
    printf("%s", last ? "\n" : "  ");
}

/* The keys of all rows, in order of appearance, are the columns; numbers stand to the right. */
static unsigned find_columns(const json_t *rows, const char *key[COLUMNS_MAX], size_t widest[COLUMNS_MAX],
                             bool right[COLUMNS_MAX])
{
    unsigned columns = 0;
    for (size_t r = 0; r < json_array_size(rows); r++) {
        const char *name;
        json_t *v;
        json_object_foreach(json_array_get(rows, r), name, v)
        {
            unsigned c = 0;
            char text[CELL_MAX];
            while (c < columns && strcmp(key[c], name) != 0)
                c++;
            if (c == COLUMNS_MAX)
                continue;
            if (c == columns) {
                key[c] = name;
                widest[c] = strlen(name);
                right[c] = true;
                columns++;
            }
            cell(v, text);
            if (width(text) > widest[c])
                widest[c] = width(text);
            right[c] = right[c] && (json_is_number(v) || json_is_null(v));
        }
    }
    return columns;
}

static void print_table(const json_t *rows)
{
    const char *key[COLUMNS_MAX];
    size_t widest[COLUMNS_MAX];
    bool right[COLUMNS_MAX];
    unsigned columns = find_columns(rows, key, widest, right);
    char text[CELL_MAX];
    if (json_array_size(rows) == 0)
        printf("none\n");
    for (unsigned c = 0; c < columns; c++) {
        snprintf(text, sizeof text, "%s", key[c]);
        for (char *s = text; *s; s++)
            *s = *s == '_' ? ' ' : (char)toupper((unsigned char)*s);
        put(text, widest[c], right[c], c + 1 == columns);
    }
    for (size_t r = 0; r < json_array_size(rows); r++)
        for (unsigned c = 0; c < columns; c++) {
            cell(json_object_get(json_array_get(rows, r), key[c]), text);
            put(text, widest[c], right[c], c + 1 == columns);
        }
}

static bool is_table(const json_t *v)
{
    return json_is_array(v) && (json_array_size(v) == 0 || json_is_object(json_array_get(v, 0)));
}

static void print_fields(json_t *object, int indent)
{
    const char *name;
    json_t *v;
    size_t widest = 0;
    json_object_foreach(object, name, v)
    {
        if (!json_is_object(v) && !is_table(v) && strlen(name) > widest)
            widest = strlen(name);
    }
    json_object_foreach(object, name, v)
    {
        char text[CELL_MAX], title[64];
        snprintf(title, sizeof title, "%s", name);
        for (char *s = title; *s; s++)
            if (*s == '_')
                *s = ' ';
        if (json_is_object(v)) {
            printf("%*s%s\n", indent, "", title);
            print_fields(v, indent + 2);
        } else if (is_table(v)) {
            printf("%*s%s\n", indent, "", title);
            print_table(v);
        } else {
            cell(v, text);
            printf("%*s%-*s  %s\n", indent, "", (int)widest, title, text);
        }
    }
}

int show_value(const struct invocation *i, json_t *value)
{
    if (!value) {
        fprintf(stderr, "voxpop: no memory\n");
        return EXIT_FAILED;
    }
    const json_t *only = json_is_object(value) && json_object_size(value) == 1
                             ? json_object_iter_value(json_object_iter(value))
                             : NULL;
    if (i->json) {
        json_dumpf(value, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
        printf("\n");
    } else if (is_table(value)) {
        print_table(value);
    } else if (only && is_table(only)) {
        print_table(only);
    } else if (json_is_object(value)) {
        print_fields(value, 0);
    } else {
        char text[CELL_MAX];
        cell(value, text);
        printf("%s\n", text);
    }
    json_decref(value);
    return EXIT_OK;
}
