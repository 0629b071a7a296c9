/*
 * voxpop-tls-records: what sealing and opening one small record costs, in nanoseconds, through the functions
 * that a worker calls.
 *
 *   warm     one connection, its keys expanded and in the cache of the processor
 *   batch    32 records of 32 connections in one tls_seal_batch
 *   cold     65,536 connections in turn, each looked up in a worker's key cache, which it misses
 *   derived  the same without the key that a connection keeps beside its secret: from the secret, as it was
 * before
 *
 *      voxpop-tls-records [RECORDS]    for each figure, 200,000 unless said; a JSON object to stdout
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "dataplane/base/bytes.h"
#include "dataplane/tls/key_cache.h"
#include "dataplane/tls/record.h"

enum { CONNECTIONS = 65536, CACHED = TLS_KEY_CACHE_ENTRIES, BATCH = 32, ROUNDS = 5 };

static struct tls_conn *connections;
static struct tls_key_cache *cache;
static uint8_t text[2048], wire[BATCH][2048], plain[2048];

static void open_all(uint16_t suite)
{
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct tls_secrets s = {.suite = suite};
        memcpy(s.client, &i, sizeof i);
        memcpy(s.server, &i, sizeof i);
        tls_conn_start(&connections[i], &s, false);
    }
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

typedef void one_fn(uint64_t i, size_t len);

static struct tls_keys warm;

static void seal_warm(uint64_t i, size_t len)
{
    tls_seal(&warm, i, TLS_APPLICATION_DATA, &(struct tls_span){text, len}, 1, wire[0]);
}

static void seal_batch(uint64_t i, size_t len)
{
    struct aead_seal jobs[BATCH];
    if (i % BATCH)
        return;
    tls_key_cache_begin(cache);
    for (unsigned k = 0; k < BATCH; k++)
        tls_seal_prepare(tls_key_cache_write(cache, k, &connections[k], 0), i, TLS_APPLICATION_DATA,
                         &(struct tls_span){text, len}, 1, wire[k], &jobs[k]);
    tls_seal_batch(jobs, BATCH);
}

static void seal_cold(uint64_t i, size_t len)
{
    uint64_t handle = i % CONNECTIONS;
    tls_key_cache_begin(cache);
    const struct tls_keys *k = tls_key_cache_write(cache, handle, &connections[handle], 0);
    tls_seal(k, i, TLS_APPLICATION_DATA, &(struct tls_span){text, len}, 1, wire[0]);
}

static void seal_derived(uint64_t i, size_t len)
{
    static struct tls_keys k;
    const struct tls_conn *c = &connections[i % CONNECTIONS];
    tls_keys_derive(&k, c->suite, c->write_secret, 0);
    tls_seal(&k, i, TLS_APPLICATION_DATA, &(struct tls_span){text, len}, 1, wire[0]);
}

/* A client that hears what our keys sealed: number and keys are the reader's. */
static void open_warm(uint64_t i, size_t len)
{
    static struct tls_conn reader;
    struct tls_opened opened;
    if (reader.suite != warm.suite)
        reader = (struct tls_conn){.suite = warm.suite, .state = TLS_CONN_OPEN};
    struct tls_record r = {wire[0], tls_is_12(warm.suite) ? wire[0][0] : TLS_APPLICATION_DATA,
                           (uint16_t)(len + tls_overhead(warm.suite) - TLS_HEADER_SIZE)};
    reader.read_record = 0;
    tls_open(&reader, &warm, &r, plain, 0, &opened);
    if (opened.event != TLS_EVENT_DATA)
        abort();
}

/* The best of a few rounds: others use this machine, too. */
static double measure(one_fn *one, size_t len, uint64_t records)
{
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = now_ns();
        for (uint64_t i = 0; i < records; i++)
            one(i, len);
        double ns = (double)(now_ns() - start) / (double)records;
        best = ns < best ? ns : best;
    }
    return best;
}

static void suite(uint16_t id, uint64_t records, const char *end)
{
    static const size_t lengths[] = {64, 200};
    open_all(id);
    tls_keys_write(&warm, &connections[0], 0);
    printf("  \"%s\": {", tls_suite_info(id)->name);
    for (int i = 0; i < 2; i++) {
        size_t len = lengths[i];
        double seal = measure(seal_warm, len, records), batch = measure(seal_batch, len, records),
               cold = measure(seal_cold, len, records), derived = measure(seal_derived, len, records);
        seal_warm(0, len);
        printf("%s\"%zu\": {\"seal_warm_ns\": %.0f, \"seal_batch_ns\": %.0f, \"seal_cold_ns\": %.0f, "
               "\"seal_derived_ns\": %.0f, "
               "\"open_warm_ns\": %.0f}",
               i ? ", " : "", len, seal, batch, cold, derived, measure(open_warm, len, records));
    }
    printf("}%s\n", end);
}

int main(int argc, char **argv)
{
    uint64_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    connections = aligned_alloc(64, CONNECTIONS * sizeof *connections);
    cache = tls_key_cache_new(CACHED);
    if (!connections || !cache || !records || !aead_init(AEAD_BACKEND_AUTO))
        return 1;
    printf("{\n");
    suite(TLS_AES_128_GCM_SHA256, records, ",");
    suite(TLS_AES_256_GCM_SHA384, records, ",");
    suite(TLS_CHACHA20_POLY1305_SHA256, records, ",");
    suite(TLS12_ECDHE_ECDSA_AES_128_GCM_SHA256, records, "");
    printf("}\n");
    tls_key_cache_free(cache);
    free(connections);
    return 0;
}
