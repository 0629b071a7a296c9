/*
 * Sealing records. RFC 8446 5.2. A function of keys, record number and content alone, so that a
 * retransmission re-creates them.
 *
 * Built with -Drecord_oracle=true, every sealed record is opened again by OpenSSL and compared.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <stdlib.h>
#include "dataplane/tls/nonce.h"
#include "dataplane/tls/record.h"

size_t tls_seal_prepare(const struct tls_keys *keys, uint64_t number, enum tls_content type,
                        const struct tls_span *spans, size_t n, uint8_t *dst, struct aead_seal *job)
{
    uint8_t *inner = dst + TLS_HEADER_SIZE;
    size_t len = 0;
    assert(n <= TLS_SPANS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (spans[i].len && spans[i].data != inner + len)
            memcpy(inner + len, spans[i].data, spans[i].len);
        len += spans[i].len;
    }
    assert(len <= TLS_PLAINTEXT_MAX);
    inner[len++] = (uint8_t)type;
    dst[0] = TLS_APPLICATION_DATA;
    put_be16(dst + 1, 0x0303);
    put_be16(dst + 3, (uint16_t)(len + AEAD_TAG_SIZE));
    *job =
        (struct aead_seal){&keys->aead, dst, inner, inner, inner + len, TLS_HEADER_SIZE, (uint32_t)len, {0}};
    tls_nonce(keys, number, job->nonce);
    return TLS_HEADER_SIZE + len + AEAD_TAG_SIZE;
}

#ifdef TLS_RECORD_ORACLE
/* The plaintexts of a batch, until they are compared. */
static _Thread_local uint8_t oracle_plain[TLS_PLAINTEXT_MAX + 1], oracle_opened[TLS_PLAINTEXT_MAX + 1];

static void seal_and_compare(const struct aead_seal *j)
{
    const struct tls_keys *keys =
        (const struct tls_keys *)(const void *)j->key; /* aead is its first member */
    struct aead_key other;
    memcpy(oracle_plain, j->src, j->len);
    aead_seal_batch(j, 1);
    aead_key_expand_on(AEAD_BACKEND_OPENSSL, &other, tls_suite_info(keys->suite)->aead, keys->raw);
    if (!aead_open(&other, j->nonce, j->aad, j->aad_len, j->dst, j->len, j->tag, oracle_opened) ||
        memcmp(oracle_opened, oracle_plain, j->len) != 0)
        abort();
    aead_key_wipe(&other);
}

void tls_seal_batch(const struct aead_seal *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        seal_and_compare(&jobs[i]);
}
#else
void tls_seal_batch(const struct aead_seal *jobs, size_t n)
{
    aead_seal_batch(jobs, n);
}
#endif

size_t tls_seal(const struct tls_keys *keys, uint64_t number, enum tls_content type,
                const struct tls_span *spans, size_t n, uint8_t *dst)
{
    struct aead_seal job;
    size_t size = tls_seal_prepare(keys, number, type, spans, n, dst, &job);
    tls_seal_batch(&job, 1);
    return size;
}

void tls_alert_message(uint8_t alert, uint8_t message[TLS_ALERT_SIZE])
{
    message[0] = alert == TLS_ALERT_CLOSE_NOTIFY ? TLS_ALERT_LEVEL_WARNING : TLS_ALERT_LEVEL_FATAL;
    message[1] = alert;
}

size_t tls_plain_alert(uint8_t alert, uint8_t *dst)
{
    dst[0] = TLS_ALERT_RECORD;
    put_be16(dst + 1, 0x0303);
    put_be16(dst + 3, TLS_ALERT_SIZE);
    tls_alert_message(alert, dst + TLS_HEADER_SIZE);
    return TLS_HEADER_SIZE + TLS_ALERT_SIZE;
}
