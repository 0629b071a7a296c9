/*
 * The permission algorithm (reference/rest.md 8).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/protocol/permissions.h"

uint64_t permissions_base(bool owner, uint64_t granted)
{
    return owner || (granted & PERM_ADMINISTRATOR) ? PERM_ALL : granted;
}

uint64_t permissions_in_channel(uint64_t base, const struct channel *c, uint64_t guild_id,
                                const struct member *m)
{
    if (base & PERM_ADMINISTRATOR)
        return PERM_ALL;
    const struct overwrite *everyone = NULL, *own = NULL;
    uint64_t roles_allow = 0, roles_deny = 0;
    for (size_t i = 0; i < c->overwrite_count; i++) {
        const struct overwrite *o = &c->overwrites[i];
        if (o->member && o->id == m->user_id) {
            own = o;
        } else if (!o->member && o->id == guild_id) {
            everyone = o;
        } else if (!o->member && member_has_role(m, o->id)) {
            roles_allow |= o->allow;
            roles_deny |= o->deny;
        }
    }
    uint64_t p = base;
    if (everyone)
        p = (p & ~everyone->deny) | everyone->allow;
    p = (p & ~roles_deny) | roles_allow;
    if (own)
        p = (p & ~own->deny) | own->allow;
    return p;
}

uint64_t permissions_implied(uint64_t p)
{
    if (!(p & PERM_VIEW_CHANNEL))
        return 0;
    if (!(p & PERM_CONNECT))
        p &= ~PERM_VOICE;
    if (!(p & PERM_SEND_MESSAGES))
        p &= ~(uint64_t)(PERM_MENTION_EVERYONE | PERM_ATTACH_FILES | PERM_EMBED_LINKS |
                         PERM_SEND_TTS_MESSAGES);
    return p;
}

const char *permission_name(uint64_t permission)
{
    switch (permission & -permission) {
#define PERMISSION_CASE(name, bit)                                                                           \
    case PERM_##name:                                                                                        \
        return #name;
        PERMISSION_LIST(PERMISSION_CASE)
#undef PERMISSION_CASE
    default:
        return "none";
    }
}
