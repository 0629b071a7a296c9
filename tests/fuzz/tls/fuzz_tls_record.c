/*
 * Any bytes as a stream of records, and (sealed by the target, or nothing would ever authenticate) any bytes
 * as inner plaintexts.
 *
 * First byte of the input: bit 0 chooses between the two, bit 1 the side, the rest the phase or the suite.
 * Inner plaintexts follow as {length:2}{bytes}.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include "dataplane/base/bytes.h"
#include "dataplane/tls/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void cut(const uint8_t *p, size_t len, enum tls_phase phase)
{
    for (;;) {
        struct tls_record r;
        struct tls_refusal why = {DROP_NONE, 0};
        int n = tls_record_parse(p, len, phase, &r, &why);
        require(n <= (int)TLS_RECORD_MAX && (n < 0) == (why.reason != DROP_NONE));
        if (n <= 0)
            return;
        require((size_t)n <= len && n == TLS_HEADER_SIZE + r.length && r.header == p);
        p += n;
        len -= (size_t)n;
        phase = phase == TLS_PHASE_HELLO ? TLS_PHASE_HANDSHAKE : phase;
    }
}

static size_t seal_inner(const struct tls_conn *from, const uint8_t *inner, size_t len, uint8_t *wire)
{
    struct tls_keys k;
    uint8_t nonce[TLS_IV_SIZE];
    tls_keys_write(&k, from, from->write_epoch);
    if (tls_is_12(from->suite)) /* the type stands in the header, in place of the last byte */
        return tls_seal(&k, from->write_record, (enum tls_content)inner[len - 1],
                        &(struct tls_span){inner, len - 1}, 1, wire);
    memcpy(nonce, k.iv, sizeof nonce);
    put_be64(nonce + 4, be64(nonce + 4) ^ from->write_record);
    wire[0] = TLS_APPLICATION_DATA;
    put_be16(wire + 1, 0x0303);
    put_be16(wire + 3, (uint16_t)(len + AEAD_TAG_SIZE));
    aead_seal(&k.aead, nonce, wire, TLS_HEADER_SIZE, inner, len, wire + TLS_HEADER_SIZE,
              wire + TLS_HEADER_SIZE + len);
    return TLS_HEADER_SIZE + len + AEAD_TAG_SIZE;
}

/* One record from `from` to `to`; false when it was refused. */
static bool deliver(struct tls_conn *from, struct tls_conn *to, const uint8_t *inner, size_t len)
{
    static uint8_t wire[TLS_RECORD_MAX];
    struct tls_record r;
    struct tls_refusal why;
    struct tls_keys keys;
    struct tls_opened o;
    size_t size = seal_inner(from, inner, len, wire);
    int parsed = tls_record_parse(wire, size, tls_open_phase(to), &r, &why);
    if (parsed < 0) /* of a type, or of a length, that cannot come */
        return require(tls_is_12(to->suite)), false;
    require(parsed == (int)size);
    tls_keys_read(&keys, to);
    struct tls_conn before = *to;
    tls_open(to, &keys, &r, wire + tls_content_at(to->suite), from->write_record * 1000000, &o);
    from->write_record++;
    if (o.event == TLS_EVENT_REFUSED) {
        require(o.why.reason != DROP_NONE && o.why.reason != DROP_TLS_RECORD_MAC);
        before.alert_received = to->alert_received;
        require(memcmp(&before, to, sizeof before) == 0);
        return false;
    }
    if (o.event == TLS_EVENT_DATA)
        require(o.data == wire + tls_content_at(to->suite) && o.len < len &&
                memcmp(o.data, inner, o.len) == 0);
    if (o.event == TLS_EVENT_KEY_UPDATE) {
        require(to->read_epoch == (uint16_t)(before.read_epoch + 1) && to->read_record == 0);
        tls_write_epoch_next(from);
        tls_write_previous_release(from);
    } else if (!(before.flags & TLS_CLOSE_RECEIVED)) {
        require(to->read_record == before.read_record + 1 && to->read_epoch == before.read_epoch);
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || !aead_init(AEAD_BACKEND_AUTO))
        return 0;
    uint8_t choice = *data++;
    size--;
    if (choice & 1) {
        cut(data, size, (enum tls_phase)((choice >> 2) % 4));
        return 0;
    }
    static const uint16_t suites[] = {0x1301, 0x1302, 0x1303, 0xc02b, 0xc030, 0xcca9};
    struct tls_secrets s = {.suite = suites[(choice >> 2) % 6], .client = {1}, .server = {2}};
    struct tls_conn server, client;
    tls_conn_start(&server, &s, false);
    tls_conn_start(&client, &s, true);
    bool to_client = choice & 2;
    while (size >= 3) {
        size_t len = be16(data) % (TLS_PLAINTEXT_MAX + (tls_is_12(s.suite) ? 0 : 200));
        data += 2;
        size -= 2;
        len = len == 0 ? 1 : len > size ? size : len;
        if (!deliver(to_client ? &server : &client, to_client ? &client : &server, data, len))
            return 0;
        data += len;
        size -= len;
    }
    return 0;
}
