/*
 * Files of messages, to whoever knows their key.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

static void file_read(struct store_op *op, void *ctx)
{
    struct rest_call *c = ctx;
    char key[40] = "", want[40];
    if (op->status != STORE_OK && op->status != STORE_NOT_FOUND) {
        rest_store_failed(c, op->status);
        return;
    }
    const struct attachment *a = op->status == STORE_OK ? op->message.attachments : NULL;
    if (a && query_text(c, "k", key, sizeof key) && strlen(key) == 32) {
        snprintf(want, sizeof want, "%016llx%016llx", (unsigned long long)a->key[0],
                 (unsigned long long)a->key[1]);
        if (!CRYPTO_memcmp(key, want, 32)) {
            rest_send_file(c, a);
            return;
        }
    }
    rest_error(c, 404, 0, "404: Not Found");
}

void rest_file(struct rest_call *c)
{
    struct store_op *op = store_op_new(STORE_FILE, file_read, c);
    op->message_id = c->match.attachment_id;
    rest_submit(c, op);
}
