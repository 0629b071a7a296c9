/*
 * The walk over a YAML document; see check.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "config/check.h"

#include <stdarg.h>
#include <string.h>
#include <yaml.h>

void check_error(struct check *ck, unsigned line, const char *path, const char *format, ...)
{
    char text[512], place[CONFIG_PATH_MAX + 16];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (line)
        snprintf(place, sizeof place, "%s:%u", ck->name, line);
    else
        snprintf(place, sizeof place, "%s", ck->name);
    ck->errors++;
    if (ck->used < CONFIG_WHY_MAX)
        ck->used += (size_t)snprintf(ck->why + ck->used, CONFIG_WHY_MAX - ck->used, "%s%s: %s%s%s",
                                     ck->used ? "\n" : "", place, path, *path ? ": " : "", text);
}

static unsigned line_of(const yaml_node_t *n)
{
    return (unsigned)n->start_mark.line + 1;
}

static void refuse(struct check *ck, const yaml_node_t *n, const struct config_key *k, const char *found)
{
    char allowed[320];
    config_key_allowed(k, allowed, sizeof allowed);
    check_error(ck, line_of(n), k->path, "%s is not allowed here; allowed: %s", found, allowed);
}

/* A scalar in quotes for a message, cut short. */
static void quote(const yaml_node_t *n, char *out, size_t size)
{
    if (n->type == YAML_SCALAR_NODE)
        snprintf(out, size, "'%.60s'", (const char *)n->data.scalar.value);
    else
        snprintf(out, size, "%s", n->type == YAML_SEQUENCE_NODE ? "a list" : "a section");
}

static bool is_number(const char *s, uint64_t min, uint64_t max)
{
    uint64_t v = 0;
    if (!*s || strlen(s) > 18 || (s[0] == '0' && s[1]))
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return false;
        v = v * 10 + (uint64_t)(*s - '0');
    }
    return v >= min && v <= max;
}

static bool is_choice(const struct key_choice *c, const char *s)
{
    for (; c->name; c++)
        if (strcmp(c->name, s) == 0)
            return true;
    return false;
}

static bool scalar_allowed(const struct config_key *k, const char *s, size_t length)
{
    uint8_t address[16];
    unsigned bits;
    if (strlen(s) != length)
        return false;
    switch (k->type) {
    case KEY_UINT:
    case KEY_UINTS:
        return is_number(s, k->min, k->max);
    case KEY_BOOL:
        return strcmp(s, "true") == 0 || strcmp(s, "false") == 0;
    case KEY_CHOICE:
    case KEY_CHOICES:
        return is_choice(k->choices, s);
    case KEY_STRING:
    case KEY_STRINGS:
        return length < k->size;
    case KEY_ADDRESS:
        return length < k->size && (!*s || config_host(s, address));
    case KEY_ADDRESSES:
        return length < k->size && config_address(s, address, &bits);
    case KEY_ROUTES:
    case KEY_CERTIFICATES:
        return false;
    }
    return false;
}

static void check_scalar(struct check *ck, const struct config_key *k, const yaml_node_t *n)
{
    char found[80];
    quote(n, found, sizeof found);
    if (n->type != YAML_SCALAR_NODE ||
        !scalar_allowed(k, (const char *)n->data.scalar.value, n->data.scalar.length))
        refuse(ck, n, k, found);
}

static const char *text_of(const yaml_node_t *n)
{
    return n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : "";
}

/* One of {prefix, via, port} of a route. */
static void check_route_part(struct check *ck, const struct config_key *k, const char *name,
                             const yaml_node_t *value, unsigned *seen)
{
    uint8_t bytes[16];
    unsigned bits, part;
    const char *text = text_of(value);
    if (strcmp(name, "prefix") == 0)
        part = 1;
    else if (strcmp(name, "via") == 0)
        part = 2;
    else if (strcmp(name, "port") == 0)
        part = 4;
    else {
        check_error(ck, line_of(value), k->path, "unknown key '%.40s'; a route has prefix, via, port", name);
        return;
    }
    if (*seen & part)
        check_error(ck, line_of(value), k->path, "%s is given twice", name);
    *seen |= part;
    if (part == 1 && (strlen(text) >= CONFIG_NAME_MAX || !config_prefix(text, bytes, &bits)))
        check_error(ck, line_of(value), k->path,
                    "prefix '%.60s' is not an IPv4 or IPv6 prefix with no bits behind /bits", text);
    if (part == 2 && (strlen(text) >= CONFIG_NAME_MAX || !config_host(text, bytes)))
        check_error(ck, line_of(value), k->path, "via '%.60s' is not an IPv4 or IPv6 address", text);
    if (part == 4 && !is_number(text, 0, 63))
        check_error(ck, line_of(value), k->path, "port '%.60s' is not a number from 0 to 63", text);
}

static void check_route(struct check *ck, const struct config_key *k, yaml_document_t *doc,
                        const yaml_node_t *n)
{
    unsigned seen = 0;
    if (n->type != YAML_MAPPING_NODE) {
        refuse(ck, n, k, "an entry that is no route");
        return;
    }
    for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++)
        check_route_part(ck, k, text_of(yaml_document_get_node(doc, p->key)),
                         yaml_document_get_node(doc, p->value), &seen);
    if (!(seen & 1))
        check_error(ck, line_of(n), k->path, "a route without prefix");
}

/* One of {certificate, key}: both, and nothing else. */
static void check_certificate(struct check *ck, const struct config_key *k, yaml_document_t *doc,
                              const yaml_node_t *n)
{
    unsigned seen = 0;
    if (n->type != YAML_MAPPING_NODE) {
        refuse(ck, n, k, "an entry that is no certificate");
        return;
    }
    for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
        const yaml_node_t *value = yaml_document_get_node(doc, p->value);
        const char *name = text_of(yaml_document_get_node(doc, p->key)), *text = text_of(value);
        unsigned part = strcmp(name, "certificate") == 0 ? 1 : strcmp(name, "key") == 0 ? 2 : 0;
        if (!part)
            check_error(ck, line_of(value), k->path, "unknown key '%.40s'; an entry has certificate, key",
                        name);
        else if (seen & part)
            check_error(ck, line_of(value), k->path, "%s is given twice", name);
        else if (!*text || strlen(text) >= CONFIG_PATH_MAX)
            check_error(ck, line_of(value), k->path, "%s '%.60s' is not a path of at most %d bytes", name,
                        text, CONFIG_PATH_MAX - 1);
        seen |= part;
    }
    if (seen != 3)
        check_error(ck, line_of(n), k->path, "an entry without %s", seen & 1 ? "key" : "certificate");
}

static void check_list(struct check *ck, const struct config_key *k, yaml_document_t *doc,
                       const yaml_node_t *n)
{
    char found[80];
    if (n->type != YAML_SEQUENCE_NODE) {
        quote(n, found, sizeof found);
        refuse(ck, n, k, found);
        return;
    }
    yaml_node_item_t *first = n->data.sequence.items.start, *end = n->data.sequence.items.top;
    if (end - first > (ptrdiff_t)k->max_count) {
        snprintf(found, sizeof found, "a list of %zd", end - first);
        refuse(ck, n, k, found);
        return;
    }
    for (yaml_node_item_t *i = first; i < end; i++) {
        const yaml_node_t *entry = yaml_document_get_node(doc, *i);
        if (k->type == KEY_ROUTES) {
            check_route(ck, k, doc, entry);
            continue;
        }
        if (k->type == KEY_CERTIFICATES) {
            check_certificate(ck, k, doc, entry);
            continue;
        }
        check_scalar(ck, k, entry);
        for (yaml_node_item_t *e = first; k->type == KEY_CHOICES && e < i; e++)
            if (strcmp(text_of(yaml_document_get_node(doc, *e)), text_of(entry)) == 0)
                check_error(ck, line_of(entry), k->path, "'%.60s' is given twice", text_of(entry));
    }
}

static void check_value(struct check *ck, size_t key, yaml_document_t *doc, unsigned line,
                        const yaml_node_t *n)
{
    const struct config_key *k = &config_keys[key];
    ck->line[key] = line;
    if (k->type >= KEY_UINTS)
        check_list(ck, k, doc, n);
    else
        check_scalar(ck, k, n);
}

/* What may stand directly under `prefix` ("" or "section."), for a message. */
static void known_names(const char *prefix, char *out, size_t size)
{
    size_t used = 0, length = strlen(prefix);
    const char *last = "";
    out[0] = 0;
    for (size_t i = 0; i < config_key_count && used < size; i++) {
        const char *name = config_keys[i].path + length;
        if (strncmp(config_keys[i].path, prefix, length) != 0)
            continue;
        size_t n = strcspn(name, ".");
        if (strncmp(name, last, n) == 0 && (last[n] == 0 || last[n] == '.'))
            continue;
        used += (size_t)snprintf(out + used, size - used, "%s%.*s", used ? ", " : "", (int)n, name);
        last = name;
    }
}

static bool is_section(const char *path)
{
    size_t n = strlen(path);
    for (size_t i = 0; i < config_key_count; i++)
        if (strncmp(config_keys[i].path, path, n) == 0 && config_keys[i].path[n] == '.')
            return true;
    return false;
}

static void check_section(struct check *ck, const char *prefix, yaml_document_t *doc, const yaml_node_t *n);

static void check_pair(struct check *ck, const char *prefix, yaml_document_t *doc, const yaml_node_t *name,
                       const yaml_node_t *value)
{
    char path[128], known[400];
    bool dotted = strchr(text_of(name), '.') != NULL;
    snprintf(path, sizeof path, "%s%.60s", prefix, text_of(name));
    for (size_t i = 0; i < config_key_count; i++) {
        if (!dotted && strcmp(config_keys[i].path, path) == 0) {
            check_value(ck, i, doc, line_of(name), value);
            return;
        }
    }
    if (!dotted && is_section(path)) {
        strncat(path, ".", sizeof path - strlen(path) - 1);
        check_section(ck, path, doc, value);
        return;
    }
    known_names(prefix, known, sizeof known);
    check_error(ck, line_of(name), path, "unknown key; known here: %s", known);
}

static void check_section(struct check *ck, const char *prefix, yaml_document_t *doc, const yaml_node_t *n)
{
    if (n->type != YAML_MAPPING_NODE) {
        char path[128], known[400];
        snprintf(path, sizeof path, "%.*s", (int)(*prefix ? strlen(prefix) - 1 : 0), prefix);
        known_names(prefix, known, sizeof known);
        check_error(ck, line_of(n), path, "a section with keys is needed here; known: %s", known);
        return;
    }
    const yaml_node_pair_t *first = n->data.mapping.pairs.start;
    for (const yaml_node_pair_t *p = first; p < n->data.mapping.pairs.top; p++) {
        const yaml_node_t *name = yaml_document_get_node(doc, p->key);
        for (const yaml_node_pair_t *e = first; e < p; e++) {
            const yaml_node_t *earlier = yaml_document_get_node(doc, e->key);
            if (strcmp(text_of(earlier), text_of(name)) == 0)
                check_error(ck, line_of(name), "", "%s%.60s: is given twice, first in line %u", prefix,
                            text_of(name), line_of(earlier));
        }
        check_pair(ck, prefix, doc, name, yaml_document_get_node(doc, p->value));
    }
}

static void check_syntax(struct check *ck, const yaml_parser_t *p)
{
    check_error(ck, (unsigned)p->problem_mark.line + 1, "", "not YAML: %s%s%s", p->context ? p->context : "",
                p->context ? ", " : "", p->problem ? p->problem : "unreadable");
}

void check_document(struct check *ck, const char *text, size_t length)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    if (!yaml_parser_initialize(&parser)) {
        check_error(ck, 0, "", "no memory");
        return;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    if (!yaml_parser_load(&parser, &doc)) {
        check_syntax(ck, &parser);
        yaml_parser_delete(&parser);
        return;
    }
    yaml_node_t *root = yaml_document_get_root_node(&doc);
    ck->empty = root == NULL;
    if (root)
        check_section(ck, "", &doc, root);
    yaml_document_delete(&doc);
    if (root && !yaml_parser_load(&parser, &doc)) {
        check_syntax(ck, &parser);
    } else if (root) {
        yaml_node_t *second = yaml_document_get_root_node(&doc);
        if (second)
            check_error(ck, line_of(second), "", "a second document; one is allowed");
        yaml_document_delete(&doc);
    }
    yaml_parser_delete(&parser);
}
