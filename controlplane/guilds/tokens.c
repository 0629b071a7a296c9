/*
 * Tokens (token.h), of which the store knows the SHA-256 alone. Looked up by hash in an open-addressing
 * table; the hash is its own hash function.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/tokens.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct token_entry {
    struct token token; /* user_id 0: empty, or removed when `tomb` */
    bool tomb;
};

void token_hash(const char *token, size_t length, uint8_t hash[32])
{
    unsigned size = 32;
    if (EVP_Digest(token, length, hash, &size, EVP_sha256(), NULL) != 1)
        abort();
}

void token_make(const uint8_t key[TOKEN_KEY], uint64_t user_id, char text[TOKEN_TEXT_MAX])
{
    char id[24];
    uint8_t once[TOKEN_ONCE];
    int digits = snprintf(id, sizeof id, "%llu", (unsigned long long)user_id);
    if (RAND_bytes(once, sizeof once) != 1)
        abort();
    size_t n = token_base64url((const uint8_t *)id, (size_t)digits, text);
    text[n++] = '.';
    n += token_base64url(once, sizeof once, text + n);
    text[token_sign(key, text, n)] = 0;
}

static struct token_entry *token_slot(const struct model *m, const uint8_t hash[32])
{
    uint64_t at;
    memcpy(&at, hash, sizeof at);
    for (;; at++) {
        struct token_entry *e = &m->tokens[at & (m->token_size - 1)];
        if (!e->tomb && (!e->token.user_id || !CRYPTO_memcmp(e->token.hash, hash, 32)))
            return e;
    }
}

static void token_grow(struct model *m)
{
    struct token_entry *old = m->tokens;
    size_t size = m->token_size;
    m->token_size = size ? size * 2 : 64;
    m->token_count = 0;
    m->tokens = calloc(m->token_size, sizeof *m->tokens);
    if (!m->tokens)
        abort();
    for (size_t i = 0; i < size; i++)
        if (old[i].token.user_id)
            model_put_token(m, &old[i].token);
    free(old);
}

void model_put_token(struct model *m, const struct token *t)
{
    if ((m->token_count + 1) * 2 > m->token_size)
        token_grow(m);
    struct token_entry *e = token_slot(m, t->hash);
    m->token_count += e->token.user_id == 0;
    e->token = *t;
}

void model_remove_token(struct model *m, const struct token *t)
{
    static const uint8_t all[32];
    bool every = !memcmp(t->hash, all, sizeof all);
    for (size_t i = 0; i < m->token_size; i++) {
        struct token_entry *e = &m->tokens[i];
        if (e->token.user_id &&
            (every ? e->token.user_id == t->user_id : !memcmp(e->token.hash, t->hash, 32)))
            *e = (struct token_entry){.tomb = true};
    }
}

size_t model_tokens(const struct model *m, uint64_t user_id, struct token *list, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < m->token_size; i++) {
        if (m->tokens[i].token.user_id != user_id)
            continue;
        if (n < max)
            list[n] = m->tokens[i].token;
        n++;
    }
    return n;
}

const struct user *model_authenticate(const struct model *m, const char *token, size_t length)
{
    uint8_t hash[32];
    token = token_bare(token, &length);
    enum token_form form = token_check(m->token_key, token, length);
    if (!m->token_size || form == TOKEN_WRONG || (form == TOKEN_UNSIGNED && !m->tokens_unsigned))
        return NULL;
    token_hash(token, length, hash);
    const struct token_entry *e = token_slot(m, hash);
    return e->token.user_id ? model_user(m, e->token.user_id) : NULL;
}
