/*
 * voxpop-fanout-cost: what the worker's own code takes for one delivery, in CPU time: a 200-byte event to
 * each of so many TLS sessions, and the acknowledgement of each, through a worker on a port of memory. There
 * is no wire, no generator and no handshake: connections are put into the region as they stand after one. So
 * it needs no root, no hugepages and one CPU.
 *
 *      voxpop-fanout-cost [CONNECTIONS [EVENTS [ROUNDS]]]      100,000, 10 and 5 unless said; a JSON object
 * to stdout
 *
 * Acknowledgements come back as late as clients with delayed ACKs send them, a quarter of the sessions later.
 * Of the frames a seeded 1 in 64 is opened with its session's key and must be the event, all must be the next
 * of their connection's stream. The time is that of worker_step alone, of the best of the rounds: others use
 * this machine, too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "dataplane/base/bytes.h"
#include "dataplane/net/arp.h"
#include "dataplane/port/driver.h"
#include "dataplane/worker.h"

#define TEXT    200u
#define BUFFERS 8192u
#define ROOM    2048u
#define PORT    1024u
#define IRS     1000u

struct client {
    uint32_t rcv_nxt, ts_val, events;
};

static struct client *client;
static uint32_t clients, *owed; /* who owes an ACK, a circle */
static uint64_t owed_first, owed_end, now_us, chance = 88172645463325252u;
static struct region region;
static struct worker_config config;
static struct worker *worker;
static struct txn txn;
static struct ring_end fanout;

static const uint8_t server_ip[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 1};
static const uint8_t router_ip[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 2};
static const uint8_t server_mac[6] = {2, 0, 0, 0, 0, 1}, router_mac[6] = {2, 0, 0, 0, 0, 2};

static void die(const char *what)
{
    fprintf(stderr, "voxpop-fanout-cost: %s\n", what);
    exit(1);
}

/* ---- a port of memory: what the worker takes is prepared, what it sends is looked at, outside of
 * worker_step ---- */

static uint8_t buffer[BUFFERS][ROOM];
static void *unused[BUFFERS];
static uint32_t unused_count;
static struct packet in[BUFFERS], out[BUFFERS];
static uint32_t in_next, in_count, out_count;

static const struct port_driver memory_driver;

static bool take(struct packet *p)
{
    if (!unused_count)
        return false;
    uint8_t *b = unused[--unused_count];
    *p = (struct packet){.data = b, .room = ROOM, .owner = b, .driver = &memory_driver};
    return true;
}

static unsigned memory_rx(struct port_queue *q, struct packet *to, unsigned n)
{
    unsigned got = in_count - in_next < n ? in_count - in_next : n;
    memcpy(to, in + in_next, got * sizeof *to);
    in_next += got;
    return got;
}

static unsigned memory_alloc(struct port_queue *q, struct packet *to, unsigned n)
{
    if (unused_count < n)
        return 0;
    for (unsigned i = 0; i < n; i++)
        take(&to[i]);
    return n;
}

static unsigned memory_tx(struct port_queue *q, struct packet *packets, unsigned n)
{
    memcpy(out + out_count, packets, n * sizeof *packets);
    out_count += n;
    return n;
}

static void memory_free(struct packet *packets, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        unused[unused_count++] = packets[i].owner;
}

static void memory_info(const struct port_queue *q, struct port_info *to)
{
    memcpy(to->mac, server_mac, sizeof to->mac);
    to->mtu = 1500;
    to->link_up = true;
    to->queues = 1;
}

static void memory_stats(const struct port_queue *q, struct port_stats *to)
{
}

static const struct port_driver memory_driver = {memory_rx,   memory_alloc, memory_tx,
                                                 memory_free, memory_info,  memory_stats};
static struct port_queue memory_queue = {.driver = &memory_driver};

/* ---- clients ---- */

static void tuple_of(uint32_t i, struct tcp_tuple *t)
{
    *t = (struct tcp_tuple){.remote = {[10] = 0xff, [11] = 0xff, 198, 19},
                            .local_port = 443,
                            .remote_port = (uint16_t)(PORT + (i >> 15))};
    memcpy(t->local, server_ip, 16);
    put_be16(t->remote + 14, (uint16_t)(i & 0x7fff));
}

static void secrets_of(uint32_t i, struct tls_secrets *s)
{
    *s = (struct tls_secrets){.suite = TLS_AES_128_GCM_SHA256};
    memset(s->client, 5, sizeof s->client);
    memset(s->server, 6, sizeof s->server);
    memcpy(s->server, &i, sizeof i);
}

static void acknowledge(uint32_t i)
{
    struct net_path path = {.hop_limit = NET_TTL};
    struct tcp_tuple t;
    struct packet p;
    tuple_of(i, &t);
    if (in_count == BUFFERS || !take(&p))
        die("no buffer");
    memcpy(path.source, t.remote, 16);
    memcpy(path.destination, t.local, 16);
    memcpy(path.source_mac, router_mac, 6);
    memcpy(path.next_hop_mac, server_mac, 6);
    struct tcp_plan a = {.tuple = {.local_port = t.remote_port, .remote_port = t.local_port},
                         .seq = IRS + 1,
                         .flags = TCP_ACK,
                         .ack = client[i].rcv_nxt,
                         .window = 512,
                         .has_timestamps = true,
                         .ts_val = (uint32_t)(now_us / 1000),
                         .ts_ecr = client[i].ts_val};
    memcpy(a.tuple.local, t.remote, 16);
    memcpy(a.tuple.remote, t.local, 16);
    size_t head = net_header_len(path.source), n = tcp_build(&a, NULL, NULL, p.data + head, p.room - head);
    p.len = (uint16_t)net_emit_ip(p.data, &path, TCP_PROTOCOL, n);
    in[in_count++] = p;
}

static uint32_t text_of(uint32_t n, char text[TEXT + 32])
{
    int head = snprintf(text, 32, "{\"s\":%u,", n);
    memset(text + head, 'a' + (int)(n % 26), TEXT);
    return (uint32_t)head + TEXT;
}

/* One record, which must be this client's next event. */
static void open_record(uint32_t i, const struct tcp_segment *s)
{
    static struct tls_keys keys;
    struct tls_conn c;
    struct tls_secrets secrets;
    struct tls_record r;
    struct tls_refusal why;
    struct tls_opened opened;
    uint8_t plain[ROOM];
    char text[TEXT + 32];
    secrets_of(i, &secrets);
    tls_conn_start(&c, &secrets, true);
    c.read_record = client[i].events;
    tls_keys_read(&keys, &c);
    uint32_t n = text_of(client[i].events + 1, text);
    if (tls_record_parse(s->data, s->len, TLS_PHASE_OPEN, &r, &why) != (int)s->len)
        die("a segment that is not one record");
    tls_open(&c, &keys, &r, plain, now_us, &opened);
    if (opened.event != TLS_EVENT_DATA || opened.len != n + 4 || memcmp(opened.data + 4, text, n) != 0)
        die("a record that is not its session's next event");
}

static void take_segment(const struct packet *p)
{
    struct net_packet n;
    struct tcp_segment s;
    if (net_parse(p->data, p->len, &n) != NET_TCP)
        return;
    if (tcp_parse(n.l4, n.l4_len, &s) != DROP_NONE)
        die("a segment that cannot be read");
    uint32_t i = (uint32_t)(s.dst_port - PORT) << 15 | be16(n.destination + 14);
    if (i >= clients || s.seq != client[i].rcv_nxt || !s.len)
        die("a segment that is not the next");
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    if (chance % 64 == 0) {
        if (!tcp_checksum_ok(n.l4, n.l4_len, n.source, n.destination))
            die("a wrong checksum");
        open_record(i, &s);
    }
    client[i] = (struct client){s.seq + s.len, s.ts_val, client[i].events + 1};
    owed[owed_end++ % clients] = i;
}

/* ---- the box ---- */

static void make_region(void)
{
    struct region_geometry g = {.workers = 1,
                                .connections = clients + 64,
                                .blocks = 1024,
                                .descriptors = clients + 131072,
                                .items = 1024,
                                .chunks = clients * 24,
                                .topic_chunks = clients / 15 + 64,
                                .rooms = 4,
                                .members = 4,
                                .sessions = clients + 16,
                                .topics = 4,
                                .control_blocks = 64,
                                .log_segments = 16,
                                .ring_bytes = 4u << 20,
                                .capture_bytes = 1u << 16,
                                .undo_bytes = 2u << 20};
    uint8_t boot_id[16] = {1}, anyone[16] = {[10] = 0xff, [11] = 0xff};
    struct route_hop hop = {0};
    unsigned half;
    size_t size = region_bytes(&g);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("no memory");
    madvise(memory, size, MADV_HUGEPAGE); /* as the region of a POP has */
    region_format(&region, memory, &g, boot_id);
    struct route_tables *routes = region_section(&region, SECTION_ROUTES);
    memcpy(hop.gateway, router_ip, sizeof hop.gateway);
    if (!route_write(&routes->swap, &half) || !route_add(&routes->table[half], anyone, 96, &hop))
        die("no route");
    route_publish(&routes->swap, NULL);
}

static void make_worker(void)
{
    char why[256];
    config = (struct worker_config){.tcp = tcp_config_default(),
                                    .tls_port = 443,
                                    .voice_port_base = 50000,
                                    .heartbeat_interval_ms = 1000000000,
                                    .payload_max = 4096,
                                    .body_max = 65536,
                                    .reader_us = 60000000,
                                    .close_us = 1000000,
                                    .unsent_max = 4096,
                                    .keep_max = 8192,
                                    .syn_max = 64};
    net_addresses_add(&config.addresses, server_ip);
    for (unsigned i = 0; i < BUFFERS; i++)
        unused[unused_count++] = buffer[i];
    now_us = region_now_us();
    worker = worker_new_with(&region, 0, &config, &memory_queue, NULL, now_us, why);
    if (!worker)
        die(why);
    worker->answers_link = true;
    txn_attach(&txn, region.base, region_section(&region, SECTION_CONTROL_TXN));
    ring_producer(&fanout, region_part(&region, 0, PART_RING_FANOUT));
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t step(void)
{
    now_us = region_now_us();
    uint64_t began = cpu_ns();
    worker_step(worker, now_us);
    uint64_t took = cpu_ns() - began;
    if (in_next == in_count)
        in_next = in_count = 0;
    for (uint32_t i = 0; i < out_count; i++)
        take_segment(&out[i]);
    memory_free(out, out_count);
    out_count = 0;
    return took;
}

static void post(enum verb what, const void *body, uint32_t n)
{
    struct ring_entry *e;
    while (txn_begin(&txn), !(e = ring_reserve(&fanout, &txn, (uint16_t)what, n))) {
        txn_commit(&txn);
        txn_publish(&txn);
        step();
    }
    memcpy(e->payload, body, n);
    txn_commit(&txn);
    txn_publish(&txn);
}

/* A connection as it stands after handshake and upgrade, and its session. */
static void open_client(uint32_t i)
{
    struct half_open h = {.at_us = now_us + config.tcp.rto_initial_us,
                          .irs = IRS,
                          .iss = i * 977,
                          .ts_val = 1,
                          .mss = 1460,
                          .window = 65535,
                          .flags = HALF_OPEN_SCALE | HALF_OPEN_TIMESTAMPS | HALF_OPEN_SACK,
                          .scale = 7};
    struct tls_secrets secrets;
    tuple_of(i, &h.tuple);
    secrets_of(i, &secrets);
    worker_open(worker);
    struct connection *c = conn_open(worker, &h);
    if (!c || conn_index(worker, c) != i)
        die("no connection");
    worker->handshakes--;
    c->kind = CONNECTION_GATEWAY;
    c->deadline_us = UINT64_MAX;
    tls_conn_start(&c->tls, &secrets, false);
    client[i] = (struct client){h.iss + 1, 0, 0};
    acknowledge(i);
    struct verb_session v = {.session = i,
                             .generation = 1,
                             .connection = conn_handle(worker, c),
                             .user_id = 1000 + i,
                             .intents = ~0u,
                             .kind = SESSION_GATEWAY,
                             .flags = SESSION_CONTENT};
    struct verb_subscribe sub = {.session = i, .generation = 1, .topic = 0};
    worker_commit(worker);
    step();
    post(VERB_SESSION_BIND, &v, sizeof v);
    post(VERB_SUBSCRIBE, &sub, sizeof sub);
}

static void meet_router(void)
{
    struct packet p;
    take(&p);
    p.len = (uint16_t)arp_request(p.data, router_ip, router_mac, server_ip);
    in[in_count++] = p;
    step();
}

static void tell(uint32_t n)
{
    struct event_log *log = region_section(&region, SECTION_EVENT_LOG);
    char text[TEXT + 32];
    uint64_t at = atomic_load(&log->head), bytes = (sizeof(struct event) + TEXT + 15) & ~15ull;
    if (EVENT_SEGMENT_BYTES - at % EVENT_SEGMENT_BYTES < bytes)
        at += EVENT_SEGMENT_BYTES - at % EVENT_SEGMENT_BYTES;
    struct event *e = event_at(log, at);
    *e = (struct event){.length = (uint32_t)bytes,
                        .position = at,
                        .classes = ~0ull,
                        .except_session = UINT32_MAX,
                        .variant = {{sizeof *e, TEXT}}};
    uint32_t length = text_of(n, text);
    memcpy(e + 1, text + length - TEXT, TEXT);
    atomic_store(&log->head, at + bytes);
    post(VERB_WALK, &(struct verb_walk){.topic = 0, .event = at}, sizeof(struct verb_walk));
}

/* ACKs of whoever has waited long enough, no more than an iteration takes. */
static void acknowledge_some(uint64_t late)
{
    for (unsigned n = 0; n < WORKER_RECEIVE && owed_end - owed_first > late; n++)
        acknowledge(owed[owed_first++ % clients]);
}

/* Nanoseconds of `events` events to all; told when all but a quarter of the one before has come. */
static uint64_t deliver(uint32_t events, uint32_t *told)
{
    uint64_t ns = 0, end = owed_end + (uint64_t)events * clients, asked = owed_end;
    while (owed_end < end) {
        acknowledge_some(clients / 4);
        if (asked < end && asked <= owed_end + clients / 4) {
            tell(++*told);
            asked += clients;
        }
        ns += step();
    }
    return ns;
}

int main(int argc, char **argv)
{
    clients = argc > 1 ? (uint32_t)atoi(argv[1]) : 100000;
    uint32_t events = argc > 2 ? (uint32_t)atoi(argv[2]) : 10,
             rounds = argc > 3 ? (uint32_t)atoi(argv[3]) : 5, told = 0;
    client = calloc(clients, sizeof *client);
    owed = calloc(clients, sizeof *owed);
    if (!client || !owed || !clients || !events || !aead_init(AEAD_BACKEND_AUTO))
        die("no memory");
    make_region();
    make_worker();
    meet_router();
    for (uint32_t i = 0; i < clients; i++)
        open_client(i);
    deliver(2, &told); /* everything has been touched */
    double best = 1e18;
    for (uint32_t r = 0; r < rounds; r++) {
        double each = (double)deliver(events, &told) / ((double)events * clients);
        fprintf(stderr, "# %.0f ns a delivery\n", each);
        best = each < best ? each : best;
    }
    printf("{\"connections\":%u,\"ns_per_delivery\":%.0f}\n", clients, best);
    return 0;
}
