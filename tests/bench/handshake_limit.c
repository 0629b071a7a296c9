/*
 * voxpop-tls-limit: what a handshake must cost. The contexts that the POP serves with, driven through memory
 * BIOs with whole flights and nothing around them, in CPU time of the server's side; beside it the same
 * handshakes through our helper thread, and what of each is the arithmetic that `openssl speed` measures (one
 * P-256 signature and two X25519 operations).
 *
 *      voxpop-tls-limit [SECONDS]      CPU seconds for each figure, 1 unless said; a JSON object to stdout
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "dataplane/base/bytes.h"
#include "dataplane/tls/session.h"

#define FLIGHT_MAX 65536
#define SLICES     10

static void require(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "voxpop-tls-limit: %s\n", what);
    exit(1);
}

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the server ---- */

static struct tls_server *make_server(void)
{
    char directory[] = "/tmp/voxpop-tls-limit-XXXXXX", certificate[64], key_path[64], error[TLS_ERROR_MAX];
    require(mkdtemp(directory) != NULL, "no temporary directory");
    snprintf(certificate, sizeof certificate, "%s/cert.pem", directory);
    snprintf(key_path, sizeof key_path, "%s/key.pem", directory);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_set_version(x, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"pop.test", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, key);
    require(X509_sign(x, key, EVP_sha256()) > 0, "no certificate");
    FILE *f = fopen(certificate, "w");
    require(f && PEM_write_X509(f, x) && fclose(f) == 0, "certificate cannot be written");
    f = fopen(key_path, "w");
    require(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) && fclose(f) == 0,
            "key cannot be written");
    struct tls_certificate_files files = {certificate, key_path};
    struct tls_server_config config = {
        .certificates = &files, .certificate_count = 1, .tickets.current = "a key for tickets"};
    struct tls_server *s = tls_server_new(&config, error);
    require(s != NULL, error);
    unlink(certificate);
    unlink(key_path);
    rmdir(directory);
    X509_free(x);
    EVP_PKEY_free(key);
    return s;
}

/* ---- the client ---- */

static SSL_SESSION *kept;

static int keep(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION_free(kept);
    kept = session;
    return 1;
}

static SSL_CTX *make_client(int version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    SSL_CTX_set1_groups_list(ctx, "X25519:P-256"); /* TLS 1.2: the certificate's, too */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep);
    return ctx;
}

/* An end of a connection on memory BIOs, which belong to ssl. */
struct side {
    SSL *ssl;
    BIO *in, *out;
};

static struct side side_of(SSL_CTX *ctx)
{
    struct side s = {SSL_new(ctx), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem())};
    BIO_set_mem_eof_return(s.in, -1);
    SSL_set_bio(s.ssl, s.in, s.out);
    return s;
}

static void side_end(struct side *s)
{
    SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(s->ssl);
}

static struct side client_of(SSL_CTX *ctx, SSL_SESSION *session)
{
    struct side c = side_of(ctx);
    SSL_set_connect_state(c.ssl);
    if (session)
        SSL_set_session(c.ssl, session);
    return c;
}

static int take(const struct side *s, uint8_t *flight)
{
    int n = BIO_read(s->out, flight, FLIGHT_MAX);
    return n < 0 ? 0 : n;
}

/* The client hears the ticket that lies behind its handshake. */
static void hear_ticket(const struct side *c)
{
    char nothing[1];
    SSL_do_handshake(c->ssl);
    SSL_read(c->ssl, nothing, 1);
}

/* ---- the limit ---- */

/* One handshake; returns the server's CPU time. */
static double shake(struct tls_server *server, SSL_CTX *client_ctx, SSL_SESSION *session)
{
    static uint8_t flight[FLIGHT_MAX];
    struct tls_handshake state = {.server = server, .identity = server->identity}; /* for the callbacks */
    struct side c = client_of(client_ctx, session), s = {0};
    double used = 0;
    for (bool done = false; !done;) {
        SSL_do_handshake(c.ssl);
        int n = take(&c, flight);
        require(n > 0, "the client has nothing to say");
        double start = seconds_of(CLOCK_THREAD_CPUTIME_ID);
        if (!s.ssl) {
            s = side_of(server->identity->ctx);
            SSL_set_app_data(s.ssl, &state);
            SSL_set_accept_state(s.ssl);
        }
        BIO_write(s.in, flight, n);
        done = SSL_do_handshake(s.ssl) == 1;
        n = take(&s, flight);
        if (done)
            side_end(&s);
        used += seconds_of(CLOCK_THREAD_CPUTIME_ID) - start;
        BIO_write(c.in, flight, n);
    }
    hear_ticket(&c);
    require(SSL_is_init_finished(c.ssl) && !session == !SSL_session_reused(c.ssl),
            "not the handshake that was meant");
    side_end(&c);
    return used;
}

/* What was measured: CPU seconds, and of how many handshakes. */
struct sum {
    double used;
    unsigned n;
};

static void limit(struct tls_server *server, SSL_CTX *client, bool resumed, double budget, struct sum *sum)
{
    for (double until = sum->used + budget; sum->used < until; sum->n++)
        sum->used += shake(server, client, resumed ? kept : NULL);
}

/* ---- through the helper thread ---- */

enum { TOGETHER = 32 };

/* Hands in the client's records, one after the other as results come. */
static bool submit(struct tls_helper *h, uint64_t handle, bool first, struct side *c)
{
    uint8_t record[TLS_RECORD_MAX];
    if (BIO_read(c->out, record, TLS_HEADER_SIZE) != TLS_HEADER_SIZE)
        return false;
    int length = be16(record + 3);
    require(BIO_read(c->out, record + TLS_HEADER_SIZE, length) == length, "half a record");
    return tls_helper_submit(h, 0, handle, first, record, (uint32_t)(TLS_HEADER_SIZE + length));
}

static void begin(struct tls_helper *h, SSL_CTX *client, struct side *c, uint64_t handle, bool resumed)
{
    require(!resumed || kept, "no ticket to resume with");
    *c = client_of(client, resumed ? kept : NULL);
    SSL_do_handshake(c->ssl);
    require(submit(h, handle, true, c), "the helper is busy");
}

/* CPU seconds of all threads but this one. */
static double others(void)
{
    return seconds_of(CLOCK_PROCESS_CPUTIME_ID) - seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

/* The same as `limit`, TOGETHER at a time. */
static void through_helper(struct tls_helper *h, SSL_CTX *client, bool resumed, double budget,
                           struct sum *sum)
{
    struct side clients[TOGETHER];
    unsigned begun = 0, done = 0;
    double start = others();
    for (; begun < TOGETHER; begun++)
        begin(h, client, &clients[begun], begun, resumed);
    for (bool more = true; done < begun;) {
        struct tls_helper_result r;
        if (!tls_helper_poll(h, 0, &r)) {
            sched_yield();
            continue;
        }
        struct side *c = &clients[r.handle % TOGETHER];
        require(r.step.step != TLS_STEP_FAILED, "a handshake failed");
        BIO_write(c->in, r.step.send, (int)r.step.send_len);
        SSL_do_handshake(c->ssl);
        if (r.step.step == TLS_STEP_MORE) {
            require(submit(h, r.handle, false, c), "the client has nothing to say");
            continue;
        }
        done++;
        require(r.step.resumed == resumed, "not the handshake that was meant");
        hear_ticket(c);
        side_end(c);
        more = more && others() - start < budget;
        if (more) {
            begin(h, client, c, r.handle + TOGETHER, resumed);
            begun++;
        }
    }
    sum->used += others() - start;
    sum->n += done;
}

/* ---- what `openssl speed` measures ---- */

static double sign_seconds(double budget)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    uint8_t digest[32] = {1}, signature[80];
    unsigned n = 0;
    require(EVP_PKEY_sign_init(ctx) == 1, "no ECDSA");
    double start = seconds_of(CLOCK_THREAD_CPUTIME_ID), now;
    do {
        size_t len = sizeof signature;
        require(EVP_PKEY_sign(ctx, signature, &len, digest, sizeof digest) == 1, "no signature");
        n++;
        now = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    } while (now - start < budget);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return (now - start) / n;
}

static double x25519_seconds(double budget)
{
    EVP_PKEY *ours = EVP_PKEY_Q_keygen(NULL, NULL, "X25519"),
             *theirs = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(ours, NULL);
    uint8_t secret[32];
    unsigned n = 0;
    require(EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, theirs) == 1, "no X25519");
    double start = seconds_of(CLOCK_THREAD_CPUTIME_ID), now;
    do {
        size_t len = sizeof secret;
        require(EVP_PKEY_derive(ctx, secret, &len) == 1, "no shared secret");
        n++;
        now = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    } while (now - start < budget);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(ours);
    EVP_PKEY_free(theirs);
    return (now - start) / n;
}

/* In slices, one after the other: what else runs on the machine disturbs both alike. Returns the limit's
 * seconds a handshake. */
static double measure(struct tls_server *server, int version, bool resumed, double budget,
                      double arithmetic_s)
{
    struct tls_helper_config config = {
        .server = server, .workers = 1, .handshakes_max = TOGETHER, .cpu = -1, .ring_bytes = 1 << 20};
    char error[TLS_ERROR_MAX];
    struct tls_helper *h = tls_helper_start(&config, error);
    SSL_CTX *client = make_client(version);
    struct sum bare = {0}, helped = {0};
    require(h != NULL, error);
    shake(server, client, NULL); /* for its ticket */
    for (int i = 0; i < SLICES; i++) {
        limit(server, client, resumed, budget / SLICES, &bare);
        through_helper(h, client, resumed, budget / SLICES, &helped);
    }
    double limit_s = bare.used / bare.n, helper_s = helped.used / helped.n;
    printf("  \"tls1%d_%s\": {\"limit_per_cpu_s\": %.0f, \"limit_us\": %.1f, \"helper_per_cpu_s\": %.0f, "
           "\"helper_us\": %.1f, "
           "\"helper_of_limit\": %.3f, \"speed_share\": %.3f},\n",
           version == TLS1_3_VERSION ? 3 : 2, resumed ? "resumed" : "full", 1 / limit_s, limit_s * 1e6,
           1 / helper_s, helper_s * 1e6, limit_s / helper_s, arithmetic_s / limit_s);
    tls_helper_stop(h);
    SSL_SESSION_free(kept);
    kept = NULL;
    SSL_CTX_free(client);
    return limit_s;
}

int main(int argc, char **argv)
{
    double budget = argc > 1 ? atof(argv[1]) : 1;
    require(argc <= 2 && budget > 0, "usage: voxpop-tls-limit [SECONDS]");
    require(aead_init(AEAD_BACKEND_AUTO), "no AEAD");
    struct tls_server *server = make_server();
    double sign_s = sign_seconds(budget / 4), x25519_s = x25519_seconds(budget / 4),
           both_s = sign_s + 2 * x25519_s;
    printf("{\n  \"openssl\": \"%s\",\n  \"speed\": {\"p256_sign_per_s\": %.0f, \"x25519_per_s\": %.0f},\n",
           OpenSSL_version(OPENSSL_VERSION_STRING), 1 / sign_s, 1 / x25519_s);
    measure(server, TLS1_2_VERSION, false, budget, both_s);
    measure(server, TLS1_2_VERSION, true, budget, 0); /* exchanges no keys */
    double full_s = measure(server, TLS1_3_VERSION, false, budget, both_s);
    double resumed_s =
        measure(server, TLS1_3_VERSION, true, budget, 2 * x25519_s); /* psk_dhe_ke: exchanges keys anew */
    printf("  \"tls13_resumed_to_full\": %.3f\n}\n", full_s / resumed_s);
    tls_server_free(server);
    return 0;
}
