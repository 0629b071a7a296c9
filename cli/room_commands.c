/*
 * voxpop room list, voxpop room show ID.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/facts.h"
#include "cli/find.h"
#include "cli/place.h"
#include "cli/show.h"
#include "controlplane/noc/status.h"

/* Calls `each` for every open room until it returns true. */
static void walk(const struct region *r, bool (*each)(void *ctx, uint32_t worker, uint32_t index), void *ctx)
{
    bool enough = false;
    for (uint32_t k = 0; k < r->header->geometry.workers && !enough; k++) {
        uint32_t count = 0;
        uint8_t *used = status_used(region_part(r, k, PART_ROOMS), &count);
        for (uint32_t n = 0; used && n < count && !enough; n++)
            enough = used[n] && each(ctx, k, n);
        free(used);
    }
}

struct search {
    const struct region *r;
    json_t *list;
    unsigned long long id;
    bool found;
    uint32_t worker, index;
};

static bool append(void *ctx, uint32_t worker, uint32_t index)
{
    struct search *s = ctx;
    json_array_append_new(s->list, facts_room(s->r, worker, index));
    return false;
}

static bool match(void *ctx, uint32_t worker, uint32_t index)
{
    struct search *s = ctx;
    const struct room *room = pool_at(region_part(s->r, worker, PART_ROOMS), index);
    s->found = room->channel_id == s->id || (uint64_t)worker * s->r->header->geometry.rooms + index == s->id;
    s->worker = worker;
    s->index = index;
    return s->found;
}

bool find_room(const struct region *r, const char *text, uint32_t *worker, uint32_t *index)
{
    char *end;
    struct search s = {.r = r, .id = strtoull(text, &end, 10)};
    if (*text && !*end)
        walk(r, match, &s);
    if (!s.found)
        fprintf(stderr, "voxpop: no room %s; see voxpop room list\n", text);
    *worker = s.worker;
    *index = s.index;
    return s.found;
}

int run_room_list(const struct invocation *i)
{
    struct region r;
    int code = place_attach(i, &r);
    if (code)
        return code;
    struct search s = {.r = &r, .list = json_array()};
    walk(&r, append, &s);
    code = show_value(i, s.list);
    region_detach(&r);
    return code;
}

/* The chain is read while its core changes it: it ends at the count, or at anything that is no member. */
static json_t *members(const struct region *r, uint32_t worker, const struct room *room)
{
    json_t *list = json_array();
    uint32_t per = r->header->geometry.members, next = room->head;
    for (uint32_t n = 0; n < room->count && next != MEMBER_NONE; n++) {
        uint32_t within = next >= per ? next - worker * per : next;
        if (within >= per)
            break;
        const struct voice_member *m = pool_at(region_part(r, worker, PART_MEMBERS), within);
        json_t *one = facts_member(m, worker * per + within),
               *score = quality_member(r, worker * per + within);
        json_object_update(one, score);
        json_decref(score);
        json_array_append_new(list, one);
        next = m->link;
    }
    return list;
}

/* The room's score is the mean of its members'; the worst of them beside it. */
static void put_scores(json_t *room, const json_t *list)
{
    double sum = 0, worst = 0;
    size_t i, known = 0;
    const json_t *one;
    json_array_foreach(list, i, one)
    {
        const json_t *from = json_object_get(one, "mos_from"), *to = json_object_get(one, "mos_to");
        double score = json_is_real(from) ? json_real_value(from) : json_real_value(to);
        if (json_is_real(from) && json_is_real(to) && json_real_value(to) < score)
            score = json_real_value(to);
        if (score <= 0)
            continue;
        worst = !known++ || score < worst ? score : worst;
        sum += score;
    }
    json_object_set_new(room, "mos", known ? json_real(round(100 * sum / (double)known) / 100) : json_null());
    json_object_set_new(room, "mos_worst", known ? json_real(worst) : json_null());
}

int run_room_show(const struct invocation *i)
{
    struct region r;
    uint32_t worker, index;
    int code = place_attach(i, &r);
    if (code)
        return code;
    if (!find_room(&r, i->operand[0], &worker, &index)) {
        code = EXIT_FAILED;
    } else {
        const struct room *room = pool_at(region_part(&r, worker, PART_ROOMS), index);
        json_t *j = facts_room(&r, worker, index);
        json_object_del(j, "members"); /* the list, at the end, in place of the count */
        json_t *list = members(&r, worker, room);
        put_scores(j, list);
        json_object_set_new(j, "members", list);
        code = show_value(i, j);
    }
    region_detach(&r);
    return code;
}
