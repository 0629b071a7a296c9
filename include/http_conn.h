/*
 * Where an HTTP connection is in its requests, as it lies in the connection's slot (dataplane/app_http.c has the rules). A request
 * that is not whole yet lies in the connection's `carry`: its head, and the body as far as it came, decoded.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_HTTP_CONN_H
#define VOXPOP_HTTP_CONN_H

#include <assert.h>
#include <stdint.h>

/* A body in chunks (dataplane/http/body.h). All zero: the body is about to begin. */
struct http_chunked {
    uint64_t left;  /* bytes of the chunk still to come; while its size is read, the size so far */
    uint64_t total; /* bytes of all chunks announced so far */
    uint16_t extra; /* bytes of extensions and trailers so far */
    uint8_t digits; /* of the size so far */
    uint8_t state;
    uint32_t pad0;
};
_Static_assert(sizeof(struct http_chunked) == 24, "http_chunked is a published format");

enum http_phase {
    HTTP_PHASE_HEAD = 0,    /* of the next request; nothing of it is in `carry` */
    HTTP_PHASE_BODY = 1,    /* body.left bytes are still to come */
    HTTP_PHASE_CHUNKED = 2, /* `body` says where in the chunks it is */
    HTTP_PHASE_ASKED = 3,   /* the control plane has the request */
    HTTP_PHASE_ANSWER = 4,  /* its answer is on its way */
    HTTP_PHASE_REFUSED = 5, /* our refusal is on its way, and nothing after it */
    HTTP_PHASE_EVICTED = 6, /* the same for somebody who was too slow: it does not linger */
};

/* All zero: a fresh connection. Writer: the worker that owns the connection. */
struct http_conn {
    struct http_chunked body;
    uint32_t mark; /* HTTP_PHASE_ANSWER: low bits of the stream position acknowledged when the deadline was set;
                      an upload's body: bytes in `carry` then */
    uint8_t phase; /* enum http_phase */
    uint8_t upload; /* 1: files, by somebody with a token: the body may be long */
    uint8_t pad0[2];
};
_Static_assert(sizeof(struct http_conn) == 32, "http_conn is a published format");

#endif
