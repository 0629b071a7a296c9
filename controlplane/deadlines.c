/*
 * The heap of deadlines.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/deadlines.h"

#include <stdlib.h>

void deadlines_add(struct deadlines *d, uint64_t due_ms, enum deadline_kind kind, uint64_t subject)
{
    if (d->count == d->capacity) {
        d->capacity = d->capacity ? d->capacity * 2 : 64;
        d->heap = realloc(d->heap, d->capacity * sizeof *d->heap);
        if (!d->heap)
            abort();
    }
    size_t i = d->count++;
    for (; i && d->heap[(i - 1) / 2].due_ms > due_ms; i = (i - 1) / 2)
        d->heap[i] = d->heap[(i - 1) / 2];
    d->heap[i] = (struct deadline){due_ms, subject, kind};
}

bool deadlines_due(struct deadlines *d, uint64_t now_ms, struct deadline *out)
{
    if (!d->count || d->heap[0].due_ms > now_ms)
        return false;
    *out = d->heap[0];
    struct deadline last = d->heap[--d->count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < d->count; i = child) {
        child += child + 1 < d->count && d->heap[child + 1].due_ms < d->heap[child].due_ms;
        if (d->heap[child].due_ms >= last.due_ms)
            break;
        d->heap[i] = d->heap[child];
    }
    if (d->count)
        d->heap[i] = last;
    return true;
}

uint64_t deadlines_next(const struct deadlines *d)
{
    return d->count ? d->heap[0].due_ms : UINT64_MAX;
}

void deadlines_free(struct deadlines *d)
{
    free(d->heap);
    *d = (struct deadlines){0};
}
