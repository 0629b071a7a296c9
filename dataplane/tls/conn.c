/*
 * The life of an open connection's keys: started by the handshake's secrets, changed by KeyUpdates. RFC
 * 8446 4.6.3, 5.5.
 *
 * Our own KeyUpdate waits until the previous epoch is released: so two write secrets are enough for every
 * retransmission.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include "dataplane/base/bytes.h"
#include "dataplane/tls/record.h"

const uint8_t tls_key_update_message[TLS_KEY_UPDATE_SIZE] = {24, 0, 0, 1, 0};

void tls_conn_start(struct tls_conn *c, const struct tls_secrets *s, bool client)
{
    assert(tls_suite_info(s->suite));
    size_t size =
        tls_is_12(s->suite) ? TLS12_KEY_SIZE + TLS_IV_SIZE : hkdf_hash_size(tls_suite_info(s->suite)->hash);
    *c = (struct tls_conn){.suite = s->suite,
                           .state = TLS_CONN_OPEN,
                           .record_limit = s->record_limit ? s->record_limit : TLS_PLAINTEXT_MAX,
                           .flags = client ? TLS_CLIENT : 0,
                           .read_record = client ? s->server_records : s->client_records,
                           .write_record = client ? s->client_records : s->server_records};
    memcpy(c->read_secret, client ? s->server : s->client, size);
    memcpy(c->write_secret, client ? s->client : s->server, size);
    tls_keep_read_key(c);
    tls_keep_write_key(c);
}

bool tls_needs_key_update(const struct tls_conn *c)
{
    return !tls_is_12(c->suite) && c->write_record >= TLS_KEY_UPDATE_AT;
}

bool tls_key_is_used_up(const struct tls_conn *c)
{
    return tls_is_12(c->suite) && c->write_record >= TLS12_END_AT;
}

bool tls_key_update_due(const struct tls_conn *c)
{
    if (c->flags & (TLS_CLOSE_SENT | TLS_PREVIOUS_HELD))
        return false;
    return (c->flags & TLS_KEY_UPDATE_OWED) || tls_needs_key_update(c);
}

bool tls_may_send(const struct tls_conn *c)
{
    uint32_t records = tls_is_12(c->suite) ? TLS12_RECORDS_PER_KEY : TLS_RECORDS_PER_KEY;
    return !(c->flags & (TLS_CLOSE_SENT | TLS_KEY_UPDATE_OWED)) && c->write_record < records;
}

void tls_write_epoch_next(struct tls_conn *c)
{
    assert(!(c->flags & TLS_PREVIOUS_HELD) && !tls_is_12(c->suite));
    memcpy(c->write_secret_previous, c->write_secret, hkdf_hash_size(tls_suite_info(c->suite)->hash));
    tls_secret_next(c->suite, c->write_secret, c->write_secret);
    tls_keep_write_key(c);
    c->write_epoch++;
    c->write_record = 0;
    c->flags = (uint8_t)((c->flags & ~TLS_KEY_UPDATE_OWED) | TLS_PREVIOUS_HELD);
}

void tls_write_previous_release(struct tls_conn *c)
{
    wipe(c->write_secret_previous, hkdf_hash_size(tls_suite_info(c->suite)->hash));
    c->flags &= (uint8_t)~TLS_PREVIOUS_HELD;
}
