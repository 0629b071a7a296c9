/*
 * The record oracle. Built with -Drecord_oracle=true, every record that we seal is made a second time and
 * every record that we open is opened a second time, by OpenSSL's ciphers and by a framing written apart from
 * ours; any difference ends the process. Without the option nothing of it remains.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_ORACLE_H
#define VOXPOP_TLS_ORACLE_H

#include "dataplane/tls/record.h"

#ifdef TLS_RECORD_ORACLE

/* What the record at `dst` must be once it is sealed. */
void tls_oracle_expect(const struct tls_keys *keys, uint64_t number, enum tls_content type,
                       const uint8_t *content, size_t len, const uint8_t *dst);

/* It is sealed. */
void tls_oracle_compare(const struct aead_seal *job);

/* What a record holds, before it is opened in place; and what our opening made of it: its plaintext, or NULL.
 */
void tls_oracle_open(const struct tls_keys *keys, uint64_t number, const struct tls_record *r);
void tls_oracle_opened(const uint8_t *plain, size_t len);

#else

static inline void tls_oracle_expect(const struct tls_keys *keys, uint64_t number, enum tls_content type,
                                     const uint8_t *content, size_t len, const uint8_t *dst)
{
}

static inline void tls_oracle_compare(const struct aead_seal *job)
{
}

static inline void tls_oracle_open(const struct tls_keys *keys, uint64_t number, const struct tls_record *r)
{
}

static inline void tls_oracle_opened(const uint8_t *plain, size_t len)
{
}

#endif

#endif
