/*
 * The libcyaml schema, from the table of keys; see schema.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "config/schema.h"

#include <cyaml/cyaml.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX     256
#define NAME_MAX_BYTES 64
#define CHOICES_MAX    64

/* Everything the schema's pointers point to. */
struct schema {
    cyaml_schema_field_t field[FIELDS_MAX];
    char name[FIELDS_MAX][NAME_MAX_BYTES];
    cyaml_schema_value_t entry[FIELDS_MAX];
    cyaml_strval_t choice[CHOICES_MAX];
    cyaml_schema_value_t top;
    unsigned fields, entries, choices;
};

static const cyaml_schema_field_t route_fields[] = {
    CYAML_FIELD_STRING("prefix", CYAML_FLAG_DEFAULT, struct config_route, prefix, 1),
    CYAML_FIELD_STRING("via", CYAML_FLAG_OPTIONAL, struct config_route, via, 0),
    CYAML_FIELD_UINT("port", CYAML_FLAG_OPTIONAL, struct config_route, port),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t certificate_fields[] = {
    CYAML_FIELD_STRING("certificate", CYAML_FLAG_DEFAULT, struct config_certificate, certificate, 1),
    CYAML_FIELD_STRING("key", CYAML_FLAG_DEFAULT, struct config_certificate, key, 1),
    CYAML_FIELD_END,
};

static void add_choices(struct schema *s, const struct config_key *k, cyaml_schema_value_t *v)
{
    v->type = CYAML_ENUM;
    v->flags |= CYAML_FLAG_STRICT;
    v->enumeration.strings = &s->choice[s->choices];
    for (const struct key_choice *c = k->choices; c->name; c++) {
        s->choice[s->choices++] = (cyaml_strval_t){c->name, c->value};
        v->enumeration.count++;
    }
}

/* The schema of a single value, or of a list's entry. */
static cyaml_schema_value_t scalar_schema(struct schema *s, const struct config_key *k)
{
    cyaml_schema_value_t v = {.flags = CYAML_FLAG_DEFAULT, .data_size = k->size};
    switch (k->type) {
    case KEY_UINT:
    case KEY_UINTS:
        v.type = CYAML_UINT;
        break;
    case KEY_BOOL:
        v.type = CYAML_BOOL;
        break;
    case KEY_CHOICE:
    case KEY_CHOICES:
        add_choices(s, k, &v);
        break;
    case KEY_ROUTES:
        v.type = CYAML_MAPPING;
        v.mapping.fields = route_fields;
        break;
    case KEY_CERTIFICATES:
        v.type = CYAML_MAPPING;
        v.mapping.fields = certificate_fields;
        break;
    default:
        v.type = CYAML_STRING;
        v.string.max = k->size - 1;
        break;
    }
    return v;
}

static void add_key(struct schema *s, cyaml_schema_field_t *f, const struct config_key *k)
{
    f->data_offset = k->offset;
    f->value = scalar_schema(s, k);
    if (k->type < KEY_UINTS) {
        f->value.flags |= CYAML_FLAG_OPTIONAL;
        return;
    }
    cyaml_schema_value_t *entry = &s->entry[s->entries++];
    *entry = f->value;
    f->count_offset = k->count_at;
    f->count_size = sizeof(uint32_t);
    f->value = (cyaml_schema_value_t){
        .type = CYAML_SEQUENCE,
        .flags = CYAML_FLAG_OPTIONAL,
        .data_size = k->size,
        .sequence = {.entry = entry, .min = 0, .max = k->max_count},
    };
}

/*
 * Fields directly under `prefix`, which keys [from, to) of the table share. Sections are mappings at offset 0
 * of their parent, so that every key keeps its offset in struct config.
 */
static const cyaml_schema_field_t *add_section(struct schema *s, size_t prefix, size_t from, size_t to)
{
    unsigned own = 0;
    for (size_t i = from, next; i < to; i = next, own++) {
        size_t n = strcspn(config_keys[i].path + prefix, ".") + prefix + 1;
        for (next = i + 1; next < to && strncmp(config_keys[next].path, config_keys[i].path, n) == 0;)
            next++;
    }
    cyaml_schema_field_t *first = &s->field[s->fields];
    unsigned base = s->fields;
    s->fields += own + 1; /* the last one stays zero: the end */
    unsigned at = 0;
    for (size_t i = from, next; i < to; i = next, at++) {
        size_t n = strcspn(config_keys[i].path + prefix, ".");
        for (next = i + 1;
             next < to && strncmp(config_keys[next].path, config_keys[i].path, prefix + n + 1) == 0;)
            next++;
        snprintf(s->name[base + at], NAME_MAX_BYTES, "%.*s", (int)n, config_keys[i].path + prefix);
        first[at].key = s->name[base + at];
        if (config_keys[i].path[prefix + n] == 0) {
            add_key(s, &first[at], &config_keys[i]);
            continue;
        }
        first[at].value = (cyaml_schema_value_t){
            .type = CYAML_MAPPING, .flags = CYAML_FLAG_OPTIONAL, .data_size = sizeof(struct config)};
        first[at].value.mapping.fields = add_section(s, prefix + n + 1, i, next);
    }
    return first;
}

/* Keeps the first line. */
static void keep_line(cyaml_log_t level, void *context, const char *format, va_list args)
{
    char *error = context;
    if (!*error)
        vsnprintf(error, 256, format, args);
    error[strcspn(error, "\n")] = 0;
}

struct config *schema_load(const char *text, size_t length, char *error, size_t size)
{
    char line[256] = "";
    struct schema *s = calloc(1, sizeof *s);
    struct config *c = NULL;
    cyaml_config_t cfg = {
        .log_fn = keep_line, .log_ctx = line, .mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR};
    if (!s)
        return NULL;
    s->top = (cyaml_schema_value_t){
        .type = CYAML_MAPPING, .flags = CYAML_FLAG_POINTER, .data_size = sizeof(struct config)};
    s->top.mapping.fields = add_section(s, 0, 0, config_key_count);
    cyaml_err_t e =
        cyaml_load_data((const uint8_t *)text, length, &cfg, &s->top, (cyaml_data_t **)(void *)&c, NULL);
    if (e != CYAML_OK) {
        snprintf(error, size, "%s", *line ? line : cyaml_strerror(e));
        c = NULL;
    }
    free(s);
    return c;
}
