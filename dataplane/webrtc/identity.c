/*
 * Our certificate for DTLS: self-signed, ECDSA on P-256. Peers know it by the fingerprint in the SDP, so it
 * names nobody and nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <string.h>

#include "dataplane/webrtc/dtls.h"

#define LIFE_S (10L * 365 * 86400)

static X509 *certificate_make(EVP_PKEY *key)
{
    X509 *c = X509_new();
    uint64_t serial;
    if (!c || RAND_bytes((uint8_t *)&serial, sizeof serial) != 1)
        return c;
    X509_NAME *name = X509_get_subject_name(c);
    X509_set_version(c, X509_VERSION_3);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(c), serial >> 1 | 1);
    X509_gmtime_adj(X509_getm_notBefore(c), -86400);
    X509_gmtime_adj(X509_getm_notAfter(c), LIFE_S);
    X509_set_pubkey(c, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"WebRTC", -1, -1, 0);
    X509_set_issuer_name(c, name);
    if (X509_sign(c, key, EVP_sha256()))
        return c;
    X509_free(c);
    return NULL;
}

bool dtls_identity_make(struct peer_identity *out)
{
    struct peer_identity made = {0};
    uint8_t *at = made.certificate, *at_key = made.key;
    unsigned digest = sizeof made.fingerprint;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = key ? certificate_make(key) : NULL;
    bool good = certificate && i2d_X509(certificate, NULL) <= (int)sizeof made.certificate &&
                i2d_PrivateKey(key, NULL) <= (int)sizeof made.key &&
                X509_digest(certificate, EVP_sha256(), made.fingerprint, &digest) == 1;
    if (good) {
        made.certificate_length = (uint16_t)i2d_X509(certificate, &at);
        made.key_length = (uint16_t)i2d_PrivateKey(key, &at_key);
        *out = made;
    }
    explicit_bzero(&made, sizeof made);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return good;
}
