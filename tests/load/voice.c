/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "voice.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/net/neighbour.h"

#define WINDOW        1024u /* copies on their way, at most; where one packet has more copies, those of one */
#define QUIET_US      1000u /* nothing came for so long: see whether anything is still to come */
#define ANSWER_US     30000u /* after which a client asks again */
#define VERBS_US      10e6   /* that the box may take for all verbs */
#define BALANCE_US    60e6   /* copies that neither came nor were counted as dropped are waited for */
#define OPEN_SLOT_US  10000u
#define OPEN_PER_SLOT 2000u /* 200,000 a second */
#define OPEN_ONE_IN   64u
#define SPEAKER_PPS   50.0
#define DISTURBED_US  500.0 /* that the threads of the dataplane waited for a CPU */

static uint64_t ticks(double us)
{
    return (uint64_t)(us * load_ticks_per_us());
}

static uint64_t draw(struct voice_load *v)
{
    v->random ^= v->random << 13;
    v->random ^= v->random >> 7;
    v->random ^= v->random << 17;
    return v->random;
}

/* ---- receiving ---- */

static void answer_link(struct voice_load *v, struct packet *p)
{
    struct net_packet n;
    struct net_addresses ours = {.count = 0};
    enum drop_reason why;
    net_addresses_add(&ours, box_router);
    if (net_parse(p->data, p->len, &n) != NET_ARP) {
        port_free(p, 1);
        return;
    }
    if (memcmp(n.source, box_address, 16) == 0)
        memcpy(v->crowd.pop_mac, n.source_mac, 6);
    size_t len = arp_reply(p->data, p->room, &n, &ours, v->crowd.mac, &why);
    if (!len) {
        port_free(p, 1);
        return;
    }
    p->len = (uint16_t)len;
    port_tx(v->port, p, 1);
}

static bool is_to_open(struct voice_load *v)
{
    if (v->slot_opened < OPEN_PER_SLOT) {
        v->slot_opened++;
        return true;
    }
    return draw(v) % OPEN_ONE_IN == 0;
}

static unsigned receive(struct voice_load *v)
{
    struct packet burst[LOAD_BURST];
    unsigned n = port_rx(v->port, burst, LOAD_BURST), kept = 0;
    v->crowd.now = __rdtsc();
    if (n && __rdtsc() > v->slot_ends) {
        v->slot_ends = __rdtsc() + ticks(OPEN_SLOT_US);
        v->slot_opened = 0;
    }
    for (unsigned i = 0; i < n; i++)
        crowd_prefetch(&v->crowd, burst[i].data);
    for (unsigned i = 0; i < n; i++) {
        if (burst[i].len >= 14 && be16(burst[i].data + 12) == 0x0806) {
            answer_link(v, &burst[i]);
            continue;
        }
        crowd_receive(&v->crowd, burst[i].data, burst[i].len, is_to_open(v));
        burst[kept++] = burst[i];
    }
    port_free(burst, kept);
    return n;
}

/* ---- sending ---- */

/* Members `who[n]` speak, or ask for their address. */
static void send_frames(struct voice_load *v, const uint32_t *who, unsigned n, bool discover)
{
    struct packet burst[LOAD_BURST];
    if (!n)
        return;
    if (!port_alloc(v->port, burst, n)) {
        v->unsaid += n;
        return;
    }
    v->crowd.now = __rdtsc();
    for (unsigned i = 0; i < n; i++)
        burst[i].len = (uint16_t)(discover ? crowd_discover(&v->crowd, who[i], burst[i].data)
                                           : crowd_speak(&v->crowd, who[i], burst[i].data));
    v->refused += n - port_tx(v->port, burst, n);
}

/* ---- what is still to come ---- */

/* Where a packet may end in the dataplane, and whether that takes one copy or all that would have been made
 * of it. */
static const struct {
    enum drop_reason why;
    bool all;
} endings[] = {{DROP_PORT_TX_FULL, false},      {DROP_PORT_NO_MEMORY, false}, {DROP_NO_ROUTE, false},
               {DROP_NEIGHBOUR_PENDING, false}, {DROP_VOICE_UNBOUND, false},  {DROP_VOICE_PENDING_FULL, true},
               {DROP_VOICE_RATE, true},         {DROP_VOICE_SILENCE, true},   {DROP_VOICE_NOT_LOUDEST, true}};

/* Copies that the dataplane or the wire has counted as dropped, ever. */
static uint64_t dropped(const struct voice_load *v)
{
    const struct counters *c = box_counters(v->box);
    uint64_t copies = v->crowd.size - 1, sum = v->refused * copies;
    for (unsigned i = 0; i < sizeof endings / sizeof *endings; i++)
        sum += c->drop[endings[i].why] * (endings[i].all ? copies : 1);
    return sum;
}

/* Packets about the link that the dataplane has sent: they may be among those that its port did not take. */
static uint64_t about_the_link(const struct voice_load *v)
{
    const struct route_neighbours *n = region_part(&v->box->region, 0, PART_NEIGHBOURS);
    return n->requests + box_counters(v->box)->count[COUNT_arp_replies];
}

static uint64_t on_the_way(const struct voice_load *v)
{
    uint64_t gone = v->crowd.missing > v->lost ? v->crowd.missing : v->lost;
    return v->crowd.expected - v->crowd.received - gone;
}

/* To be called when nothing has come for a while: what was dropped is not on its way any more. */
static void look_for_losses(struct voice_load *v)
{
    uint64_t lost = dropped(v) - v->dropped_before, due = v->crowd.expected - v->crowd.received;
    v->lost = lost < due ? lost : due;
}

/* However long the box is away from its CPU: until every copy has come, or was counted. */
static void drain(struct voice_load *v)
{
    uint64_t give_up = __rdtsc() + ticks(BALANCE_US), quiet = __rdtsc();
    while (on_the_way(v) && __rdtsc() < give_up && !load_interrupted()) {
        if (receive(v)) {
            quiet = __rdtsc();
        } else if (__rdtsc() - quiet > v->quiet_ticks) {
            look_for_losses(v);
            quiet = __rdtsc();
        }
    }
}

/* ---- joining ---- */

static bool meet(struct voice_load *v)
{
    static const uint8_t nobody[6];
    for (unsigned i = 0; i < 20 && memcmp(v->crowd.pop_mac, nobody, 6) == 0; i++) {
        struct packet p;
        if (!port_alloc(v->port, &p, 1))
            return false;
        p.len = (uint16_t)arp_request(p.data, box_router, v->crowd.mac, box_address);
        port_tx(v->port, &p, 1);
        for (uint64_t until = __rdtsc() + ticks(50000); __rdtsc() < until;)
            receive(v);
    }
    return memcmp(v->crowd.pop_mac, nobody, 6) != 0;
}

/* What the box says meanwhile is taken. */
static void attend(struct voice_load *v)
{
    receive(v);
    box_listen(v->box);
}

/* Have all verbs had their effect? */
static bool settled(struct voice_load *v, uint64_t until)
{
    while (!box_settled(v->box) && __rdtsc() < until)
        attend(v);
    return box_settled(v->box);
}

static bool make_known(struct voice_load *v, uint32_t members)
{
    uint64_t until = __rdtsc() + ticks(VERBS_US);
    for (uint32_t i = 0; i < members && __rdtsc() < until;) {
        struct verb_member m;
        crowd_member(&v->crowd, i, &m);
        if (box_member_set(v->box, &m))
            i++;
        else
            attend(v);
    }
    return settled(v, until);
}

/* Each asks again until it is answered; a burst of them are on their way at a time. */
static bool discover(struct voice_load *v, uint32_t members)
{
    for (unsigned round = 0; round < 5 && v->crowd.discovered < members; round++) {
        for (uint32_t i = 0, asked = (uint32_t)v->crowd.discovered; i < members; i++) {
            uint64_t until = __rdtsc() + ticks(ANSWER_US);
            if (v->crowd.client[i].discovered)
                continue;
            send_frames(v, &i, 1, true);
            asked++;
            while ((receive(v) || asked - v->crowd.discovered > LOAD_BURST) && __rdtsc() < until)
                box_listen(v->box);
        }
        for (uint64_t until = __rdtsc() + ticks(ANSWER_US);
             v->crowd.discovered < members && __rdtsc() < until;)
            receive(v);
    }
    return v->crowd.discovered == members;
}

/* As the control plane does when a client says (op 1) which address it was told. */
static bool bind_all(struct voice_load *v, uint32_t members)
{
    uint64_t until = __rdtsc() + ticks(VERBS_US);
    for (uint32_t i = 0; i < members && __rdtsc() < until;) {
        struct verb_member_bind m;
        crowd_address(i, &m);
        if (box_post(v->box, &v->box->command, VERB_MEMBER_BIND, &m, sizeof m))
            crowd_bind(&v->crowd, i++);
        else
            attend(v);
    }
    return settled(v, until) && !box_counters(v->box)->drop[DROP_VOICE_BIND];
}

bool voice_join(struct voice_load *v)
{
    uint32_t members = v->crowd.rooms * v->crowd.size;
    struct port_info info;
    port_info(v->port, &info);
    memcpy(v->crowd.mac, info.mac, 6);
    v->rest_ticks = ticks(LOAD_WAIT_US);
    v->quiet_ticks = ticks(QUIET_US);
    v->random = v->options->seed | 1;
    if (!meet(v))
        return fprintf(stderr, "voxpop-load: nobody answers ARP\n"), false;
    if (!make_known(v, members))
        return fprintf(stderr, "voxpop-load: the verbs are not taken\n"), false;
    if (!discover(v, members))
        return fprintf(stderr, "voxpop-load: %u of %u discoveries answered\n", (unsigned)v->crowd.discovered,
                       members),
               false;
    if (!bind_all(v, members))
        return fprintf(stderr, "voxpop-load: not all addresses are bound\n"), false;
    return !v->crowd.wrong[0];
}

/* ---- speaking ---- */

/* Who speaks when, in the 20 ms that come again and again. */
struct timetable {
    uint32_t count, next;
    uint64_t base, period;
    struct turn {
        uint64_t at;
        uint32_t room;
    } * turn;
};

static int by_time(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* As many rooms speak as the offered rate needs; where there are fewer, they speak more often, evenly. */
static bool timetable_make(struct voice_load *v, double offered, struct timetable *t)
{
    uint32_t rooms = v->crowd.rooms;
    t->count = (uint32_t)(offered / SPEAKER_PPS / (v->crowd.size - 1) + 0.5);
    t->count = t->count ? t->count : 1;
    t->next = 0;
    t->period = ticks(1e6 * t->count * (v->crowd.size - 1) / offered);
    t->turn = malloc(t->count * sizeof *t->turn);
    if (!t->turn)
        return false;
    for (uint32_t i = 0; i < t->count; i++)
        t->turn[i] =
            (struct turn){t->count > rooms ? t->period * i / t->count : draw(v) % t->period, i % rooms};
    qsort(t->turn, t->count, sizeof *t->turn, by_time);
    t->base = __rdtsc();
    return true;
}

static unsigned due(const struct voice_load *v, struct timetable *t, uint32_t *who)
{
    unsigned n = 0;
    for (uint64_t now = __rdtsc(); n < LOAD_BURST / 2 && t->base + t->turn[t->next].at <= now; n++) {
        who[n] = crowd_speaker(&v->crowd, t->turn[t->next].room);
        if (++t->next == t->count) {
            t->next = 0;
            t->base += t->period;
        }
    }
    return n;
}

/* Rooms in turn, as far as the window goes. */
static unsigned fits(struct voice_load *v, uint32_t *room, uint32_t *who)
{
    uint64_t copies = v->crowd.size - 1, way = on_the_way(v), window = copies > WINDOW ? copies : WINDOW;
    unsigned n = 0;
    for (; n < LOAD_BURST / 2 && way + copies <= window; n++, way += copies) {
        who[n] = crowd_speaker(&v->crowd, *room);
        *room = *room + 1 == v->crowd.rooms ? 0 : *room + 1;
    }
    return n;
}

static void speak_until(struct voice_load *v, struct timetable *t, uint64_t until)
{
    uint32_t who[LOAD_BURST], room = 0;
    uint64_t last = __rdtsc();
    while (__rdtsc() < until && !v->crowd.wrong[0] && !load_interrupted()) {
        unsigned got = receive(v);
        unsigned n = t->count ? due(v, t, who) : fits(v, &room, who);
        send_frames(v, who, n, false);
        if (got || n) {
            last = v->time.last;
        } else if (v->time.last - last > v->quiet_ticks && v->time.last > last) {
            look_for_losses(v); /* what fills the window may not come any more */
            last = v->time.last;
        }
        load_time_step(&v->time, got < LOAD_BURST / 2 && (!n || !t->count), v->rest_ticks);
    }
}

bool voice_speak(struct voice_load *v, double offered, double seconds, struct voice_trial *out)
{
    struct timetable t = {0};
    const struct counters *c = box_counters(v->box);
    uint64_t refused = v->refused, unsaid = v->unsaid, link = about_the_link(v);
    v->dropped_before = dropped(v);
    v->lost = 0;
    uint64_t busy = c->count[COUNT_busy_cycles], idle = c->count[COUNT_idle_cycles];
    if (offered > 0 && !timetable_make(v, offered, &t))
        return false;
    double waited_us = box_waited_us(v->box);
    v->late = (struct histogram){0};
    v->crowd.late = v->options->loads ? &v->late : NULL;
    v->crowd.ticks_per_us = load_ticks_per_us();
    load_time_start(&v->time);
    uint64_t began = __rdtsc();
    speak_until(v, &t, began + ticks(seconds * 1e6));
    double took_us = (double)(__rdtsc() - began) / load_ticks_per_us();
    *out = (struct voice_trial){.offered = offered,
                                .rate = (double)v->crowd.received / took_us * 1e6,
                                .busy = load_busy_share(&v->time),
                                .disturbed = v->time.away > ticks(LOAD_AWAY_US)};
    out->disturbed |= box_waited_us(v->box) - waited_us > DISTURBED_US;
    busy = c->count[COUNT_busy_cycles] - busy;
    idle = c->count[COUNT_idle_cycles] - idle;
    out->worker_busy = (double)busy / (double)(busy + idle + 1);
    drain(v);
    v->crowd.late = NULL;
    out->expected = v->crowd.expected;
    out->missing = crowd_settle(&v->crowd);
    out->refused = v->refused - refused + v->unsaid - unsaid;
    out->accounted = dropped(v) - v->dropped_before;
    out->link = about_the_link(v) - link;
    free(t.turn);
    box_listen(v->box);
    return !v->crowd.wrong[0] && !load_interrupted();
}

bool voice_balances(const struct voice_trial *t)
{
    return t->missing <= t->accounted && t->accounted <= t->missing + t->link;
}
