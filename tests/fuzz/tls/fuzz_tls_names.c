/*
 * Any bytes as the name that a client asks for (the first line) and the names of a certificate (the others):
 * no match that is not one.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "dataplane/tls/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

/* The client's bytes without a dot at their end are the certificate's name, or the wildcard and one label
 * before it. */
static bool is_match(const char *name, const char *client, size_t len, enum tls_name_match found)
{
    if (len && client[len - 1] == '.')
        len--;
    if (found == TLS_NAME_EXACT)
        return strlen(name) == len && strncasecmp(name, client, len) == 0;
    const char *dot = memchr(client, '.', len);
    return dot && dot != client && name[0] == '*' && strlen(name + 1) == len - (size_t)(dot - client) &&
           strncasecmp(name + 1, dot, len - (size_t)(dot - client)) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tls_names names = {0};
    const char *text = (const char *)data, *end = text + size;
    const char *line = memchr(text, '\n', size);
    size_t client_len = line ? (size_t)(line - text) : size;
    while (line && names.count < TLS_CERT_NAMES_MAX) {
        const char *next = memchr(line + 1, '\n', (size_t)(end - line - 1));
        names.name[names.count++] = strndup(line + 1, (size_t)((next ? next : end) - line - 1));
        line = next;
    }
    enum tls_name_match found = tls_names_match(&names, text, client_len);
    bool explained = found == TLS_NAME_NO;
    for (unsigned i = 0; i < names.count; i++)
        explained |= is_match(names.name[i], text, client_len, found);
    require(explained);
    tls_names_free(&names);
    return 0;
}
