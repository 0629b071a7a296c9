/*
 * Session tickets under keys that all helper threads share and that outlive the process. RFC 5077 4, RFC
 * 8446 4.6.1.
 *
 * A ticket under the key before is taken, and replaced by one under the key in use. TLS 1.3 replaces each
 * ticket that it takes, so that a client need never show one twice (RFC 8446 C.4).
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include "dataplane/base/bytes.h"
#include "dataplane/tls/session.h"

#define NAME_SIZE 16
#define MAC_SIZE  32
#define IV_SIZE   16

/* RFC 8446 4.6.1: no longer than seven days. */
#define LIFETIME_MAX_S 604800

enum verdict { FAILED = -1, UNKNOWN = 0, GOOD = 1, GOOD_BUT_RENEW = 2 };

static bool begin(const uint8_t key[TICKET_KEY_SIZE], const uint8_t *iv, EVP_CIPHER_CTX *cipher,
                  EVP_MAC_CTX *mac, int sealing)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)(key + NAME_SIZE), MAC_SIZE),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key + NAME_SIZE + MAC_SIZE, iv, sealing) == 1 &&
           EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int on_ticket(SSL *ssl, unsigned char name[NAME_SIZE], unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int sealing)
{
    const struct tls_handshake *h = SSL_get_app_data(ssl);
    struct tls_ticket_keys keys;
    pthread_mutex_lock(&h->server->lock);
    keys = h->server->tickets;
    pthread_mutex_unlock(&h->server->lock);
    const uint8_t *key = keys.current;
    int verdict = GOOD;
    if (sealing) {
        memcpy(name, key, NAME_SIZE);
        verdict = RAND_bytes(iv, IV_SIZE) == 1 ? GOOD : FAILED;
    } else if (keys.has_previous && memcmp(name, keys.previous, NAME_SIZE) == 0) {
        key = keys.previous;
        verdict = GOOD_BUT_RENEW;
    } else if (memcmp(name, key, NAME_SIZE) != 0) {
        verdict = UNKNOWN;
    } else if (SSL_version(ssl) == TLS1_3_VERSION) {
        verdict = GOOD_BUT_RENEW;
    }
    if (verdict > UNKNOWN && !begin(key, iv, cipher, mac, sealing))
        verdict = FAILED;
    wipe(&keys, sizeof keys);
    return verdict;
}

bool tls_tickets_prepare(SSL_CTX *ctx, uint32_t lifetime_s)
{
    SSL_CTX_set_timeout(ctx, lifetime_s < LIFETIME_MAX_S ? lifetime_s : LIFETIME_MAX_S);
    return SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1;
}
