/*
 * Which connection a segment belongs to: a hash table of indices over the 4-tuples that stand in the connections themselves. On the
 * heap; made anew at a restart. Sized for the pool at start, so it never grows on the packet path.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CONN_TABLE_H
#define VOXPOP_CONN_TABLE_H

#include "connection.h"

struct conn_table {
    uint32_t *slot;            /* connection index, or UINT32_MAX */
    uint32_t mask;
    const struct pool *pool;
    uint8_t key[16];           /* of the hash: secret, so that nobody can aim at one chain */
};

bool conn_table_init(struct conn_table *t, const struct pool *connections, const uint8_t key[16]); /* false: no memory */
void conn_table_free(struct conn_table *t);

/* Index, or UINT32_MAX. */
uint32_t conn_table_find(const struct conn_table *t, const struct tcp_tuple *tuple);

/* In two steps, so that those of a burst overlap: fetches the place where the search begins; then what stands
 * there: most often it. */
uint32_t conn_table_place(const struct conn_table *t, const struct tcp_tuple *tuple);
uint32_t conn_table_at(const struct conn_table *t, uint32_t place);

/* The connection's tuple is set and is in no other connection of the table. */
void conn_table_add(struct conn_table *t, uint32_t index);
void conn_table_remove(struct conn_table *t, uint32_t index);

#endif
