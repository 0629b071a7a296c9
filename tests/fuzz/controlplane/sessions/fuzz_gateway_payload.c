/*
 * Payloads of the main gateway, from text to structs; what was taken keeps what its reader relies on.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <string.h>

#include "controlplane/protocol/intents.h"
#include "controlplane/sessions/payload.h"
#include "controlplane/voice/voice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void identify(const json_t *d)
{
    struct identify i;
    if (!identify_parse(d, &i))
        return;
    assert(i.token && i.large_threshold >= 50);
    assert(!i.shard_valid || !i.shard_count || i.shard_id < i.shard_count);
    assert(!(i.intents & ~(uint32_t)INTENTS_KNOWN));
}

static void presence(const json_t *d)
{
    struct presence_update u;
    struct json_out o = {0};
    if (presence_parse(d, &u) && presence_activities(&o, u.activities, 1)) {
        json_t *again = json_loadb(o.data, o.length, 0, NULL);
        assert(json_array_size(again) == json_array_size(u.activities));
        json_decref(again);
    }
    json_out_free(&o);
}

static void members(const json_t *d)
{
    struct members_request m;
    if (!members_request_parse(d, &m))
        return;
    assert(m.guild_id && m.user_count <= PAYLOAD_USERS_MAX);
    assert(!m.nonce || strlen(m.nonce) <= PAYLOAD_NONCE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int op;
    const json_t *d;
    struct resume r;
    struct voice_wish w;
    json_t *root = payload_open((const char *)data, size, &op, &d);
    if (!root)
        return 0;
    assert(op >= 0);
    identify(d);
    presence(d);
    members(d);
    if (resume_parse(d, &r))
        assert(r.token && r.session_id);
    if (voice_wish_parse(d, &w))
        assert(w.guild_id);
    json_decref(root);
    return 0;
}
