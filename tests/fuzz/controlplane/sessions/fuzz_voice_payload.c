/*
 * Payloads of the voice gateway, from text to structs.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "controlplane/sessions/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int op;
    const json_t *d;
    struct voice_identify i;
    struct voice_resume r;
    struct voice_select s;
    struct voice_speaking sp;
    json_t *root = payload_open((const char *)data, size, &op, &d);
    if (!root)
        return 0;
    if (voice_identify_parse(d, &i))
        assert(i.server_id && i.user_id && i.session_id && i.token);
    if (voice_resume_parse(d, &r))
        assert(r.server_id && r.seq_ack <= UINT16_MAX);
    if (voice_select_parse(d, &s))
        assert(s.protocol);
    if (voice_speaking_parse(d, &sp))
        assert(sp.flags <= 7);
    json_decref(root);
    return 0;
}
