/*
 * One handshake, step by step: a record in, bytes out. RFC 8446 2, 4; RFC 5246 7.3.
 *
 * OpenSSL reads from and writes to memory. Its secrets come by the keylog callback; its alerts are noted by
 * the info callback. A step that ends the server's handshake writes nothing but tickets, already under the
 * application key: so its records are counted.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/err.h>
#include <stdlib.h>
#include "dataplane/base/bytes.h"
#include "dataplane/tls/session.h"

/* OpenSSL numbers an alert that was received as a reason from here on. */
#define RECEIVED_ALERT 1000

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Fills in at most TLS_SECRET_SIZE_MAX bytes; false when the text is not that. */
static bool read_secret(const char *text, uint8_t *secret)
{
    for (size_t i = 0; i < TLS_SECRET_SIZE_MAX; i++) {
        if (text[2 * i] == '\0')
            return i == 32;
        int high = hex_value(text[2 * i]), low = high < 0 ? -1 : hex_value(text[2 * i + 1]);
        if (low < 0)
            return false;
        secret[i] = (uint8_t)(high << 4 | low);
    }
    return text[2 * TLS_SECRET_SIZE_MAX] == '\0';
}

/* A line is: label, client random, secret. */
static void on_keylog(const SSL *ssl, const char *line)
{
    struct tls_handshake *h = SSL_get_app_data(ssl);
    const char *random = strchr(line, ' '), *secret = random ? strchr(random + 1, ' ') : NULL;
    if (!secret)
        return;
    size_t label = (size_t)(random - line);
    if (label == 23 && memcmp(line, "CLIENT_TRAFFIC_SECRET_0", label) == 0)
        h->have_client_secret = read_secret(secret + 1, h->secrets.client);
    else if (label == 23 && memcmp(line, "SERVER_TRAFFIC_SECRET_0", label) == 0)
        h->have_server_secret = read_secret(secret + 1, h->secrets.server);
}

static void on_info(const SSL *ssl, int where, int value)
{
    struct tls_handshake *h = SSL_get_app_data(ssl);
    if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT)
        h->alert_sent = (uint8_t)value;
}

void tls_context_prepare(SSL_CTX *ctx, int version_min)
{
    SSL_CTX_set_min_proto_version(ctx, version_min);
    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_keylog_callback(ctx, on_keylog);
    SSL_CTX_set_info_callback(ctx, on_info);
    SSL_CTX_set_quiet_shutdown(ctx, 1);
}

struct tls_handshake *tls_handshake_on(SSL_CTX *ctx, bool client)
{
    struct tls_handshake *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->ssl = SSL_new(ctx);
    h->in = BIO_new(BIO_s_mem());
    h->out = BIO_new(BIO_s_mem());
    if (!h->ssl || !h->in || !h->out) {
        SSL_free(h->ssl);
        BIO_free(h->in);
        BIO_free(h->out);
        free(h);
        return NULL;
    }
    BIO_set_mem_eof_return(h->in, -1);
    SSL_set_bio(h->ssl, h->in, h->out);
    SSL_set_app_data(h->ssl, h);
    if (client)
        SSL_set_connect_state(h->ssl);
    else
        SSL_set_accept_state(h->ssl);
    h->client = client;
    h->alert_sent = TLS_ALERT_NONE;
    return h;
}

void tls_handshake_free(struct tls_handshake *h)
{
    if (!h)
        return;
    if (SSL_is_init_finished(h->ssl)) /* or OpenSSL would take its session for a bad one */
        SSL_set_shutdown(h->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(h->ssl);
    tls_identity_release(h->identity);
    tls_client_session_free(h->session);
    wipe(h, sizeof *h);
    free(h);
}

static void fail(struct tls_handshake *h, enum drop_reason reason, enum tls_alert alert,
                 struct tls_step_result *out)
{
    h->phase = TLS_HS_OVER;
    out->step = TLS_STEP_FAILED;
    out->why = (struct tls_refusal){reason, (uint8_t)alert};
    if (out->send_len == 0 && alert != TLS_ALERT_NONE) {
        out->send_len = (uint32_t)tls_plain_alert((uint8_t)alert, h->plain_alert);
        out->send = h->plain_alert;
    }
}

static enum drop_reason reason_of_alert(uint8_t alert)
{
    return alert == TLS_ALERT_PROTOCOL_VERSION          ? DROP_TLS_VERSION
           : alert == TLS_ALERT_NO_APPLICATION_PROTOCOL ? DROP_TLS_NO_PROTOCOL
                                                        : DROP_TLS_HANDSHAKE_FAILED;
}

/* OpenSSL has given up. Its alert, if any, lies in `send`. */
static void fail_by_openssl(struct tls_handshake *h, struct tls_step_result *out)
{
    unsigned long error = ERR_peek_last_error();
    bool by_peer = ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) >= RECEIVED_ALERT;
    ERR_clear_error();
    fail(h, by_peer ? DROP_TLS_ALERT : reason_of_alert(h->alert_sent), h->alert_sent, out);
}

static uint32_t count_records(const uint8_t *p, size_t len)
{
    uint32_t n = 0;
    for (size_t at = 0; at + TLS_HEADER_SIZE <= len; at += TLS_HEADER_SIZE + be16(p + at + 3))
        n++;
    return n;
}

/* Secrets and record numbers; false when OpenSSL did not give them, or chose what we do not speak. */
static bool take_secrets(struct tls_handshake *h, const struct tls_step_result *out)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(h->ssl);
    h->secrets.suite = cipher ? SSL_CIPHER_get_protocol_id(cipher) : 0;
    if (!tls_suite_info(h->secrets.suite) ||
        tls_is_12(h->secrets.suite) != (SSL_version(h->ssl) == TLS1_2_VERSION))
        return false;
    if (tls_is_12(h->secrets.suite))
        return tls12_secrets(h->ssl, &h->secrets);
    if (!h->client)
        h->secrets.server_records = count_records(out->send, out->send_len);
    return h->have_client_secret && h->have_server_secret;
}

static void finish(struct tls_handshake *h, struct tls_step_result *out)
{
    const unsigned char *alpn;
    unsigned alpn_len;
    if (!take_secrets(h, out))
        return fail(h, DROP_TLS_HANDSHAKE_FAILED, TLS_ALERT_INTERNAL_ERROR, out);
    h->secrets.record_limit = tls_record_limit_of(h);
    SSL_get0_alpn_selected(h->ssl, &alpn, &alpn_len);
    const char *name = SSL_get_servername(h->ssl, TLSEXT_NAMETYPE_host_name);
    h->phase = TLS_HS_OVER;
    out->step = TLS_STEP_DONE;
    out->secrets = h->secrets;
    out->resumed = SSL_session_reused(h->ssl);
    out->alpn_http11 = alpn_len != 0;
    if (name && strlen(name) <= TLS_NAME_MAX)
        memcpy(out->server_name, name, strlen(name));
}

/* A client that waits for a ticket lets OpenSSL read on. */
static void wait_for_ticket(struct tls_handshake *h, struct tls_step_result *out)
{
    uint8_t unexpected[1];
    h->secrets.server_records++;
    int n = SSL_read(h->ssl, unexpected, sizeof unexpected);
    if (n > 0 || SSL_get_error(h->ssl, n) != SSL_ERROR_WANT_READ)
        fail_by_openssl(h, out);
    else if (h->session)
        finish(h, out);
}

void tls_handshake_advance(struct tls_handshake *h, struct tls_step_result *out)
{
    *out = (struct tls_step_result){.step = TLS_STEP_MORE};
    ERR_clear_error();
    if (h->phase == TLS_HS_TICKET)
        return wait_for_ticket(h, out);
    int done = SSL_do_handshake(h->ssl);
    char *send;
    long send_len = BIO_get_mem_data(h->out, &send);
    out->send = (const uint8_t *)send;
    out->send_len = send_len > 0 ? (uint32_t)send_len : 0;
    if (done == 1 && h->want_ticket)
        h->phase = TLS_HS_TICKET;
    else if (done == 1)
        finish(h, out);
    else if (SSL_get_error(h->ssl, done) != SSL_ERROR_WANT_READ)
        fail_by_openssl(h, out);
}

void tls_handshake_step(struct tls_handshake *h, const uint8_t *record, size_t len,
                        struct tls_step_result *out)
{
    struct tls_record r;
    struct tls_refusal why;
    enum tls_phase phase = h->phase == TLS_HS_HELLO && !h->client ? TLS_PHASE_HELLO : TLS_PHASE_HANDSHAKE;
    *out = (struct tls_step_result){.step = TLS_STEP_FAILED};
    if (h->phase == TLS_HS_OVER)
        return fail(h, DROP_TLS_HANDSHAKE_FAILED, TLS_ALERT_NONE, out);
    int size = tls_record_parse(record, len, phase, &r, &why);
    if (size < 0)
        return fail(h, why.reason, why.alert, out);
    if ((size_t)size != len || len == 0)
        return fail(h, DROP_TLS_RECORD_LENGTH, TLS_ALERT_DECODE_ERROR, out);
    if (r.type == TLS_CHANGE_CIPHER_SPEC && record[TLS_HEADER_SIZE] != 1) /* RFC 8446 5 */
        return fail(h, DROP_TLS_RECORD_TYPE, TLS_ALERT_UNEXPECTED_MESSAGE, out);
    h->received += (uint32_t)len;
    if (h->received > TLS_HANDSHAKE_BYTES_MAX)
        return fail(h, DROP_TLS_HANDSHAKE_BYTES, TLS_ALERT_HANDSHAKE_FAILURE, out);
    if (h->phase == TLS_HS_HELLO)
        h->phase = TLS_HS_RUNNING;
    (void)BIO_reset(h->out);
    if (BIO_write(h->in, record, (int)len) != (int)len)
        return fail(h, DROP_TLS_HANDSHAKE_FAILED, TLS_ALERT_INTERNAL_ERROR, out);
    tls_handshake_advance(h, out);
}
