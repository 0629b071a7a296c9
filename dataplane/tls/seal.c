/*
 * Sealing records. RFC 8446 5.2; RFC 5246 6.2.3.3, RFC 5288 3, RFC 7905 2. A function of keys, record number
 * and content alone, so that a retransmission re-creates them.
 *
 * In TLS 1.2 AES-GCM sends the half of its nonce that changes: we take the record number for it, so that a
 * nonce is never used twice under a key.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include "dataplane/tls/nonce.h"
#include "dataplane/tls/oracle.h"
#include "dataplane/tls/record.h"

static size_t gather(const struct tls_span *spans, size_t n, uint8_t *content)
{
    size_t len = 0;
    assert(n <= TLS_SPANS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (spans[i].len && spans[i].data != content + len)
            memcpy(content + len, spans[i].data, spans[i].len);
        len += spans[i].len;
    }
    assert(len <= TLS_PLAINTEXT_MAX);
    return len;
}

static void put_header(uint8_t *dst, enum tls_content type, size_t len)
{
    dst[0] = (uint8_t)type;
    put_be16(dst + 1, 0x0303);
    put_be16(dst + 3, (uint16_t)len);
}

size_t tls_seal_prepare(const struct tls_keys *keys, uint64_t number, enum tls_content type,
                        const struct tls_span *spans, size_t n, uint8_t *dst, struct aead_seal *job)
{
    size_t at = tls_content_at(keys->suite), len = gather(spans, n, dst + at);
    uint8_t *content = dst + at;
    tls_oracle_expect(keys, number, type, content, len, dst);
    if (tls_is_12(keys->suite)) {
        put_header(dst, type, at - TLS_HEADER_SIZE + len + AEAD_TAG_SIZE);
        *job = (struct aead_seal){.aad = job->own_aad, .aad_len = TLS12_AAD_SIZE};
        tls12_aad(number, type, len, job->own_aad);
        if (at > TLS_HEADER_SIZE)
            put_be64(dst + TLS_HEADER_SIZE, number);
    } else {
        content[len++] = (uint8_t)type;
        put_header(dst, TLS_APPLICATION_DATA, len + AEAD_TAG_SIZE);
        *job = (struct aead_seal){.aad = dst, .aad_len = TLS_HEADER_SIZE};
    }
    job->key = &keys->aead;
    job->src = job->dst = content;
    job->tag = content + len;
    job->len = (uint32_t)len;
    tls_nonce(keys, number, job->nonce);
    return at + len + AEAD_TAG_SIZE;
}

void tls_seal_batch(const struct aead_seal *jobs, size_t n)
{
    aead_seal_batch(jobs, n);
    for (size_t i = 0; i < n; i++)
        tls_oracle_compare(&jobs[i]);
}

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
