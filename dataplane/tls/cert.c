/*
 * Certificate and key from PEM files, with errors that name the file and the cure.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tls/cert.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <unistd.h>
#include "dataplane/tls/handshake.h"

/* What a flight holds besides certificates: ServerHello, EncryptedExtensions, CertificateVerify, Finished. */
#define FLIGHT_REST 2048

struct report {
    char *text;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static bool fail(const struct report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->text, r->size, format, args);
    va_end(args);
    ERR_clear_error();
    return false;
}

/* OpenSSL would ask on the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *asked)
{
    *(bool *)asked = true;
    return -1;
}

static bool readable(const char *what, const char *path, const struct report *r)
{
    if (access(path, R_OK) == 0)
        return true;
    return fail(r, "%s %s: %s", what, path, strerror(errno));
}

static bool load_certificate(SSL_CTX *ctx, const char *path, const struct report *r)
{
    if (!readable("certificate", path, r))
        return false;
    if (SSL_CTX_use_certificate_chain_file(ctx, path) != 1) {
        const char *reason = ERR_reason_error_string(ERR_peek_error());
        return fail(r, "certificate %s: not a PEM certificate chain (%s)", path,
                    reason ? reason : "unknown error");
    }
    X509 *leaf = SSL_CTX_get0_certificate(ctx);
    if (X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0)
        return fail(r, "certificate %s: expired; renew it", path);
    if (X509_cmp_current_time(X509_get0_notBefore(leaf)) > 0)
        return fail(r, "certificate %s: not valid yet; check the clock of this host", path);
    STACK_OF(X509) *chain = NULL;
    SSL_CTX_get0_chain_certs(ctx, &chain);
    int total = i2d_X509(leaf, NULL);
    for (int i = 0; i < sk_X509_num(chain); i++)
        total += i2d_X509(sk_X509_value(chain, i), NULL);
    if (total > TLS_FLIGHT_MAX - FLIGHT_REST)
        return fail(r, "certificate %s: chain of %d bytes, at most %d fit a handshake flight", path, total,
                    TLS_FLIGHT_MAX - FLIGHT_REST);
    return true;
}

static bool is_p256(EVP_PKEY *key)
{
    char group[32] = "";
    size_t len;
    return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, &len) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static bool load_key(SSL_CTX *ctx, const char *path, const char *certificate_path, const struct report *r)
{
    if (!readable("key", path, r))
        return false;
    FILE *f = fopen(path, "r");
    if (!f)
        return fail(r, "key %s: %s", path, strerror(errno));
    bool asked = false;
    EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, no_passphrase, &asked);
    fclose(f);
    if (!key && asked)
        return fail(r, "key %s: has a passphrase; store it without one, readable for this user only", path);
    if (!key)
        return fail(r, "key %s: not a PEM private key", path);
    bool p256 = is_p256(key);
    bool used = p256 && SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    EVP_PKEY_free(key);
    if (!p256)
        return fail(r,
                    "key %s: not ECDSA P-256; other signatures take the handshake thread many times as long",
                    path);
    if (!used)
        return fail(r, "key %s: does not belong to certificate %s", path, certificate_path);
    return true;
}

bool tls_cert_load(SSL_CTX *ctx, const char *certificate_path, const char *key_path, char *error,
                   size_t error_size)
{
    const struct report r = {error, error_size};
    return load_certificate(ctx, certificate_path, &r) && load_key(ctx, key_path, certificate_path, &r);
}
