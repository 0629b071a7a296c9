/*
 * Names of certificates.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tls/names.h"
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Copies it in lower case; false when it is no DNS name, or a wildcard that we do not take. */
static bool canonical(const char *text, size_t len, bool may_be_wildcard, char out[TLS_CERT_NAME_MAX + 1])
{
    size_t start = 0, labels = 0, label = 0;
    if (len && text[len - 1] == '.')
        len--;
    if (len == 0 || len > TLS_CERT_NAME_MAX)
        return false;
    if (may_be_wildcard && len > 2 && text[0] == '*' && text[1] == '.') {
        out[0] = '*';
        out[1] = '.';
        start = 2;
    }
    for (size_t i = start; i <= len; i++) {
        char c = i < len ? lower(text[i]) : '.';
        if (c == '.' && (label == 0 || label > 63))
            return false;
        if (c != '.' && !is_name_byte(c))
            return false;
        labels += c == '.';
        label = c == '.' ? 0 : label + 1;
        out[i] = c;
    }
    out[len] = 0;
    return start == 0 || labels >= 2;
}

bool tls_names_of(const X509 *certificate, struct tls_names *names)
{
    *names = (struct tls_names){0};
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool good = true;
    for (int i = 0; i < sk_GENERAL_NAME_num(all) && names->count < TLS_CERT_NAMES_MAX && good; i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(all, i);
        char name[TLS_CERT_NAME_MAX + 1];
        if (one->type != GEN_DNS || !canonical((const char *)ASN1_STRING_get0_data(one->d.dNSName),
                                               (size_t)ASN1_STRING_length(one->d.dNSName), true, name))
            continue;
        names->name[names->count] = strdup(name);
        good = names->name[names->count] != NULL;
        names->count += good;
    }
    GENERAL_NAMES_free(all);
    return good;
}

void tls_names_free(struct tls_names *names)
{
    for (unsigned i = 0; i < names->count; i++)
        free(names->name[i]);
    *names = (struct tls_names){0};
}

enum tls_name_match tls_names_match(const struct tls_names *names, const char *client, size_t len)
{
    char name[TLS_CERT_NAME_MAX + 1];
    enum tls_name_match best = TLS_NAME_NO;
    if (!canonical(client, len, false, name))
        return TLS_NAME_NO;
    const char *behind = strchr(name, '.');
    for (unsigned i = 0; i < names->count; i++) {
        if (strcmp(names->name[i], name) == 0)
            return TLS_NAME_EXACT;
        if (behind && names->name[i][0] == '*' && strcmp(names->name[i] + 1, behind) == 0)
            best = TLS_NAME_WILDCARD;
    }
    return best;
}
