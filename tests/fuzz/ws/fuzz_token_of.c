/*
 * The reader of an identify's token against a JSON parser: whatever it finds is what the parser finds.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/ws/token_of.h"
#include "tests/fuzz/http/expect.h"

#include <jansson.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *p = exact_copy(data, size);
    const char *token;
    size_t length;
    if (gateway_token(p, size, &token, &length)) {
        EXPECT((const uint8_t *)token >= p && (const uint8_t *)token + length <= p + size);
        json_t *root = json_loadb((const char *)p, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        const json_t *op = json_object_get(root, "op");
        const json_t *found = json_object_get(json_object_get(root, "d"), "token");
        if (root) { /* what is no JSON has no token to be right about */
            EXPECT(json_integer_value(op) == 2 || json_integer_value(op) == 6);
            EXPECT(json_string_length(found) == length &&
                   memcmp(json_string_value(found), token, length) == 0);
        }
        json_decref(root);
    }
    free(p);
    return 0;
}
