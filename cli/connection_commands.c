/*
 * voxpop connection list, voxpop connection show INDEX.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/facts.h"
#include "cli/place.h"
#include "cli/show.h"
#include "controlplane/noc/status.h"

static json_t *row(uint32_t index, uint32_t worker, const struct connection *c)
{
    char peer[64], local[64];
    json_t *tcp = facts_tcp(&c->tcp);
    json_t *j =
        json_pack("{s:I, s:I, s:s, s:s, s:s, s:O, s:O, s:I, s:I, s:I, s:o}", "connection", (json_int_t)index,
                  "worker", (json_int_t)worker, "kind", facts_connection_kind(c->kind), "peer",
                  facts_address(c->tcp.tuple.remote, c->tcp.tuple.remote_port, peer), "local",
                  facts_address(c->tcp.tuple.local, c->tcp.tuple.local_port, local), "tcp",
                  json_object_get(tcp, "state"), "srtt_ms", json_object_get(tcp, "srtt_ms"), "rx_packets",
                  (json_int_t)c->rx_packets, "tx_packets", (json_int_t)c->tx_packets, "age_s",
                  (json_int_t)facts_age_s(c->opened_us), "session",
                  c->session == SESSION_NONE ? json_null() : json_integer((json_int_t)c->session));
    json_decref(tcp);
    return j;
}

int run_connection_list(const struct invocation *i)
{
    struct region r;
    int code = place_attach(i, &r);
    if (code)
        return code;
    json_t *list = json_array();
    uint32_t per = r.header->geometry.connections;
    for (uint32_t k = 0; k < r.header->geometry.workers; k++) {
        uint32_t count = 0;
        uint8_t *used = status_used(region_part(&r, k, PART_CONNECTIONS), &count);
        for (uint32_t n = 0; used && n < count; n++) {
            const struct connection *c = connection_at(&r, k, n);
            if (used[n] && c->kind != CONNECTION_FREE)
                json_array_append_new(list, row(k * per + n, k, c));
        }
        free(used);
    }
    code = show_value(i, list);
    region_detach(&r);
    return code;
}

int run_connection_show(const struct invocation *i)
{
    struct region r;
    char *end;
    unsigned long index = strtoul(i->operand[0], &end, 10);
    int code = place_attach(i, &r);
    if (code)
        return code;
    uint32_t per = r.header->geometry.connections;
    const struct connection *c = NULL;
    if (*i->operand[0] && !*end && index / per < r.header->geometry.workers) {
        c = connection_at(&r, (uint32_t)(index / per), (uint32_t)(index % per));
        c = c->kind == CONNECTION_FREE ? NULL : c;
    }
    if (!c) {
        fprintf(stderr, "voxpop: no connection %s; see voxpop connection list\n", i->operand[0]);
        code = EXIT_FAILED;
    } else {
        json_t *j = row((uint32_t)index, (uint32_t)(index / per), c);
        json_object_set_new(j, "tcp", facts_tcp(&c->tcp));
        json_object_set_new(j, "tls", facts_tls(&c->tls));
        if (c->kind >= CONNECTION_GATEWAY && c->kind <= CONNECTION_ECHO)
            json_object_set_new(j, "websocket", facts_websocket(c));
        code = show_value(i, j);
    }
    region_detach(&r);
    return code;
}
