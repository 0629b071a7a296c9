/*
 * The TLS server of this process, from the configuration: its certificates, at start and at each reload, and
 * the ticket keys in the region, which it changes when their period is over.
 *
 * Refuses, in one line that names the file: what dataplane/tls/cert.h refuses. A reload that is refused
 * changes nothing.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_SETUP_H
#define VOXPOP_TLS_SETUP_H

#include "config/config.h"
#include "dataplane/tls/handshake.h"

/* NULL, with a line in `why`. Ticket keys that are due are changed first. */
struct tls_server *tls_setup(const struct config *c, struct ticket_keys *tickets, uint64_t now_s,
                             char why[TLS_ERROR_MAX]);

/* Certificates and versions as in `c` from now on; false, with a line in `why`: as before. */
bool tls_setup_reload(struct tls_server *s, const struct config *c, char why[TLS_ERROR_MAX]);

/* Called now and then: changes the ticket keys when they are due. Returns whether it did. */
bool tls_setup_tickets(struct tls_server *s, const struct config *c, struct ticket_keys *tickets,
                       uint64_t now_s);

#endif
