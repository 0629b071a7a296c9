/*
 * From the configuration to a TLS server.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tls_setup.h"
#include <openssl/rand.h>
#include "dataplane/base/bytes.h"

/* What a server's configuration points to. */
struct paths {
    char text[2 * TLS_CERTIFICATES_MAX][512];
    unsigned used;
    struct tls_certificate_files files[TLS_CERTIFICATES_MAX];
    unsigned count;
};

_Static_assert(CONFIG_CERTIFICATES_MAX + 1 <= TLS_CERTIFICATES_MAX,
               "every certificate of a configuration finds room");

static const char *absolute(struct paths *p, const struct config *c, const char *path)
{
    char *out = p->text[p->used++];
    return config_path(c, path, out, sizeof p->text[0]) ? out : NULL;
}

static bool add(struct paths *p, const struct config *c, const char *certificate, const char *key, char *why)
{
    struct tls_certificate_files f = {absolute(p, c, certificate), absolute(p, c, key)};
    if (!f.certificate || !f.key)
        return snprintf(why, TLS_ERROR_MAX, "certificate %.80s: its path, or its key's, is too long",
                        certificate),
               false;
    p->files[p->count++] = f;
    return true;
}

static bool gather(struct paths *p, const struct config *c, char *why)
{
    const struct config_tls *t = &c->tls;
    p->used = p->count = 0;
    if (*t->certificate && !add(p, c, t->certificate, t->key, why))
        return false;
    for (uint32_t i = 0; i < t->certificate_count; i++)
        if (!add(p, c, t->certificates[i].certificate, t->certificates[i].key, why))
            return false;
    return true;
}

static void read_tickets(const struct ticket_keys *from, struct tls_ticket_keys *to)
{
    const struct ticket_key *previous = ticket_key_previous(from);
    memcpy(to->current, ticket_key_current(from)->bytes, TICKET_KEY_SIZE);
    to->has_previous = previous != NULL;
    if (previous)
        memcpy(to->previous, previous->bytes, TICKET_KEY_SIZE);
}

static bool change_if_due(const struct config *c, struct ticket_keys *tickets, uint64_t now_s)
{
    uint8_t fresh[TICKET_KEY_SIZE];
    if (!ticket_keys_due(tickets, now_s, c->tls.ticket_lifetime_s) || RAND_bytes(fresh, sizeof fresh) != 1)
        return false;
    ticket_keys_change(tickets, fresh, now_s);
    wipe(fresh, sizeof fresh);
    return true;
}

static struct tls_server_config server_config(const struct config *c, const struct paths *p)
{
    return (struct tls_server_config){.certificates = p->files,
                                      .certificate_count = p->count,
                                      .ticket_lifetime_s = c->tls.ticket_lifetime_s,
                                      .tls13_only = c->tls.version_min == TLS_VERSION_13};
}

struct tls_server *tls_setup(const struct config *c, struct ticket_keys *tickets, uint64_t now_s,
                             char why[TLS_ERROR_MAX])
{
    static struct paths paths; /* of the main thread alone, like all here */
    if (!gather(&paths, c, why))
        return NULL;
    struct tls_server_config sc = server_config(c, &paths);
    change_if_due(c, tickets, now_s);
    read_tickets(tickets, &sc.tickets);
    struct tls_server *s = tls_server_new(&sc, why);
    wipe(&sc.tickets, sizeof sc.tickets);
    return s;
}

bool tls_setup_reload(struct tls_server *s, const struct config *c, char why[TLS_ERROR_MAX])
{
    static struct paths paths;
    if (!gather(&paths, c, why))
        return false;
    struct tls_server_config sc = server_config(c, &paths);
    return tls_server_reload(s, &sc, why);
}

bool tls_setup_tickets(struct tls_server *s, const struct config *c, struct ticket_keys *tickets,
                       uint64_t now_s)
{
    struct tls_ticket_keys keys;
    if (!change_if_due(c, tickets, now_s))
        return false;
    read_tickets(tickets, &keys);
    tls_server_tickets(s, &keys);
    wipe(&keys, sizeof keys);
    return true;
}
