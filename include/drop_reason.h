/*
 * The reasons of drop_reason.def as an enum, with their names (for metrics) and texts (for the operator). 0
 * is "not dropped". The numbers are part of the layout: they index counters in the region.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_DROP_REASON_H
#define VOXPOP_DROP_REASON_H

enum drop_reason {
    DROP_NONE = 0,
#define DROP(name, text) DROP_##name,
#include "drop_reason.def"
#undef DROP
    DROP_REASON_COUNT
};

/* The name as written in drop_reason.def, "NONE" for no drop, "UNKNOWN" for a number that is no reason. */
static inline const char *drop_reason_name(unsigned reason)
{
    static const char *const names[DROP_REASON_COUNT] = {
        "NONE",
#define DROP(name, text) #name,
#include "drop_reason.def"
#undef DROP
    };
    return reason < DROP_REASON_COUNT ? names[reason] : "UNKNOWN";
}

/* What the operator reads. */
static inline const char *drop_reason_text(unsigned reason)
{
    static const char *const texts[DROP_REASON_COUNT] = {
        "not dropped",
#define DROP(name, text) text,
#include "drop_reason.def"
#undef DROP
    };
    return reason < DROP_REASON_COUNT ? texts[reason] : "unknown reason";
}

#endif
