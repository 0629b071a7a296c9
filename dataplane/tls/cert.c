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

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX                                                                                         \
    4096 /* a signature of 4096 bits takes the helper thread some fifty times as long as one of P-256 */

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

static bool check_dates(const X509 *leaf, const char *path, const struct report *r)
{
    if (X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0)
        return fail(r, "certificate %s: expired; renew it", path);
    if (X509_cmp_current_time(X509_get0_notBefore(leaf)) > 0)
        return fail(r, "certificate %s: not valid yet; check the clock of this host", path);
    return true;
}

static bool check_size(const struct tls_cert *c, const char *path, const struct report *r)
{
    int total = i2d_X509(c->leaf, NULL);
    for (int i = 0; i < sk_X509_num(c->chain); i++)
        total += i2d_X509(sk_X509_value(c->chain, i), NULL);
    if (total <= TLS_FLIGHT_MAX - FLIGHT_REST)
        return true;
    return fail(r, "certificate %s: chain of %d bytes, at most %d fit a handshake flight", path, total,
                TLS_FLIGHT_MAX - FLIGHT_REST);
}

/* The leaf, then its chain until the file ends. */
static bool read_chain(FILE *f, struct tls_cert *c)
{
    bool asked = false;
    X509 *next;
    c->chain = sk_X509_new_null();
    c->leaf = PEM_read_X509(f, NULL, no_passphrase, &asked);
    if (!c->leaf || !c->chain)
        return false;
    while ((next = PEM_read_X509(f, NULL, no_passphrase, &asked)))
        if (sk_X509_push(c->chain, next) <= 0) {
            X509_free(next);
            return false;
        }
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static bool load_certificate(struct tls_cert *c, const char *path, const struct report *r)
{
    FILE *f = readable("certificate", path, r) ? fopen(path, "r") : NULL;
    if (!f)
        return false;
    ERR_clear_error();
    bool good = read_chain(f, c);
    fclose(f);
    if (!good) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        return fail(r, "certificate %s: not a PEM certificate chain (%s)", path,
                    reason ? reason : "unknown error");
    }
    ERR_clear_error();
    if (!tls_names_of(c->leaf, &c->names))
        return fail(r, "certificate %s: out of memory", path);
    return check_dates(c->leaf, path, r) && check_size(c, path, r);
}

static bool is_p256(EVP_PKEY *key)
{
    char group[32] = "";
    size_t len;
    return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, &len) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static bool load_key(struct tls_cert *c, const char *path, const char *certificate_path,
                     const struct report *r)
{
    if (!readable("key", path, r))
        return false;
    FILE *f = fopen(path, "r");
    if (!f)
        return fail(r, "key %s: %s", path, strerror(errno));
    bool asked = false;
    c->key = PEM_read_PrivateKey(f, NULL, no_passphrase, &asked);
    fclose(f);
    if (!c->key && asked)
        return fail(r, "key %s: has a passphrase; store it without one, readable for this user only", path);
    if (!c->key)
        return fail(r, "key %s: not a PEM private key", path);
    c->rsa = EVP_PKEY_is_a(c->key, "RSA") == 1;
    int bits = EVP_PKEY_get_bits(c->key);
    if (c->rsa && (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX))
        return fail(r, "key %s: RSA of %d bits; %d to %d are taken", path, bits, RSA_BITS_MIN, RSA_BITS_MAX);
    if (!c->rsa && !is_p256(c->key))
        return fail(r, "key %s: neither ECDSA P-256 (the fastest here) nor RSA", path);
    if (X509_check_private_key(c->leaf, c->key) != 1)
        return fail(r, "key %s: does not belong to certificate %s", path, certificate_path);
    return true;
}

bool tls_cert_load(struct tls_cert *c, const char *certificate_path, const char *key_path, char *error,
                   size_t error_size)
{
    const struct report r = {error, error_size};
    *c = (struct tls_cert){0};
    if (load_certificate(c, certificate_path, &r) && load_key(c, key_path, certificate_path, &r))
        return true;
    tls_cert_free(c);
    return false;
}

void tls_cert_free(struct tls_cert *c)
{
    X509_free(c->leaf);
    sk_X509_pop_free(c->chain, X509_free);
    EVP_PKEY_free(c->key);
    tls_names_free(&c->names);
    *c = (struct tls_cert){0};
}
