/*
 * A program for tests of real ports: answers ARP, neighbour solicitations and echo requests, and sends UDP
 * datagrams back, with the net layer's functions. One worker per CPU named.
 *
 *     port_responder PROFILE PROGRAM MEMORY CPU[,CPU…] INTERFACE[,INTERFACE…] ADDRESS…
 *
 * PROFILE: afxdp, server or client (memif), pci. MEMORY: auto, huge, plain. Prints "ready" when it serves.
 * SIGTERM ends it; then it prints a line of figures per port. A memif client asks the first
 * address for its MAC and sends it a datagram, prints "asked", and does it again when the link has gone down
 * and come up.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/net/neighbour.h"
#include "dataplane/port/port.h"

static atomic_bool stopped;
static struct net_addresses ours;
static _Atomic uint64_t drops[DROP_REASON_COUNT];

static void on_signal(int number)
{
    atomic_store(&stopped, true);
}

static size_t udp_back(uint8_t *frame, const struct net_packet *p, const uint8_t mac[6],
                       enum drop_reason *why)
{
    struct net_path path = {.tos = p->tos};
    *why = net_accept(p, &ours, mac);
    if (*why)
        return 0;
    memcpy(path.source, p->destination, 16);
    memcpy(path.destination, p->source, 16);
    memcpy(path.source_mac, mac, 6);
    memcpy(path.next_hop_mac, p->source_mac, 6);
    memmove(frame + net_header_len(path.destination) + 8, p->payload, p->payload_len);
    return net_emit_udp(frame, &path, p->destination_port, p->source_port, p->payload_len);
}

/* The answer to a packet, in place; 0: none. */
static size_t answer(struct packet *packet, const uint8_t mac[6])
{
    struct net_packet p;
    enum drop_reason why = DROP_NONE;
    size_t len = 0;
    switch (net_parse(packet->data, packet->len, &p)) {
    case NET_ARP:
        len = arp_reply(packet->data, packet->room, &p, &ours, mac, &why);
        break;
    case NET_ND:
        len = nd_reply(packet->data, packet->room, &p, &ours, mac, &why);
        break;
    case NET_ICMP4:
    case NET_ICMP6:
        len = icmp_echo_reply(packet->data, packet->room, &p, &ours, mac, &why);
        break;
    case NET_UDP:
        len = udp_back(packet->data, &p, mac, &why);
        break;
    case NET_ICMP_ERROR:
        why = DROP_ICMP_SOFT;
        break;
    case NET_TCP:
        why = DROP_TCP_PORT;
        break;
    case NET_DROP:
        why = p.drop;
        break;
    }
    if (why)
        atomic_fetch_add(&drops[why], 1);
    return len;
}

static int serve(void *arg)
{
    unsigned worker = (unsigned)(uintptr_t)arg;
    while (!atomic_load_explicit(&stopped, memory_order_relaxed)) {
        unsigned busy = 0;
        struct port_queue *q;
        for (unsigned i = 0; (q = port_queue_of(worker, i)); i++) {
            struct packet in[PORT_BURST_MAX], out[PORT_BURST_MAX];
            struct port_info info;
            unsigned n = port_rx(q, in, PORT_BURST_MAX), answers = 0;
            busy += n;
            if (n)
                port_info(q, &info);
            for (unsigned k = 0; k < n; k++) {
                size_t len = answer(&in[k], info.mac);
                in[k].len = (uint16_t)len;
                if (len)
                    out[answers++] = in[k];
                else
                    port_free(&in[k], 1);
            }
            port_tx(q, out, answers);
        }
        if (!busy)
            usleep(50); /* a test shares its CPUs */
    }
    return 0;
}

/* Sends a frame made by `make` from transmit memory until a packet of class `wanted` comes back; 0 when one
 * does. */
static int converse(struct port_queue *q, enum net_class wanted, size_t (*make)(uint8_t *frame, void *arg),
                    void *arg, struct net_packet *got)
{
    for (unsigned tries = 0; tries < 10000; tries++) {
        struct packet p, in[PORT_BURST_MAX];
        if (tries % 100 == 0 && port_alloc(q, &p, 1) == 1) {
            p.len = (uint16_t)make(p.data, arg);
            port_tx(q, &p, 1);
        }
        unsigned n = port_rx(q, in, PORT_BURST_MAX), found = 0;
        for (unsigned i = 0; i < n; i++)
            found += net_parse(in[i].data, in[i].len, got) == wanted;
        port_free(in, n);
        if (found)
            return 0;
        usleep(1000);
    }
    return 1;
}

static struct net_path way;

static size_t make_arp(uint8_t *frame, void *arg)
{
    return arp_request(frame, way.source, way.source_mac, way.destination);
}

static size_t make_datagram(uint8_t *frame, void *arg)
{
    memcpy(frame + net_header_len(way.destination) + 8, "hello", 5);
    return net_emit_udp(frame, &way, 4000, 5000, 5);
}

static int ask_all(void)
{
    struct port_queue *q = port_queue_of(0, 0);
    struct net_packet got;
    struct port_info info;
    port_info(q, &info);
    memcpy(way.source_mac, info.mac, 6);
    memcpy(way.destination, ours.address[0], 16);
    net_address_parse("198.18.77.2", way.source);
    if (converse(q, NET_ARP, make_arp, NULL, &got))
        return 1;
    port_info(q, &info);
    if (!info.link_up)
        return 4;
    memcpy(way.next_hop_mac, got.source_mac, 6);
    if (converse(q, NET_UDP, make_datagram, NULL, &got))
        return 2;
    return got.source_port == 5000 && got.payload_len == 5 ? 0 : 3;
}

static int ask(void *arg)
{
    /* The second conversation is held when the first server is gone and another one has come. */
    int result = ask_all();
    if (result == 0) {
        struct port_info info;
        printf("asked\n");
        fflush(stdout);
        do {
            struct packet p;
            port_free(&p, port_rx(port_queue_of(0, 0), &p, 1));
            port_info(port_queue_of(0, 0), &info);
            usleep(1000);
        } while (info.link_up && !atomic_load(&stopped));
        result = atomic_load(&stopped) ? 0 : ask_all() ? 5 : 0;
    }
    atomic_store(&stopped, true);
    return result;
}

static unsigned split(char *text, const char *out[], unsigned max)
{
    unsigned n = 0;
    for (char *at = strtok(text, ";"); at && n < max; at = strtok(NULL, ";"))
        out[n++] = at;
    return n;
}

static void print_figures(unsigned workers)
{
    for (unsigned w = 0; w < workers; w++) {
        struct port_queue *q;
        for (unsigned i = 0; (q = port_queue_of(w, i)); i++) {
            struct port_info f;
            struct port_stats s;
            port_info(q, &f);
            port_stats(q, &s);
            printf("port %u %s worker %u in %lu out %lu missed %lu errors %lu full %lu steered %lu passed "
                   "%lu fallback %lu\n",
                   f.port, f.name, w, s.ipackets, s.opackets, s.imissed, s.ierrors, s.tx_full, s.xdp_steered,
                   s.xdp_passed, s.xdp_fallback);
        }
    }
    for (unsigned i = 1; i < DROP_REASON_COUNT; i++)
        if (drops[i])
            printf("drop %s %lu\n", drop_reason_name(i), (uint64_t)drops[i]);
}

int main(int argc, char **argv)
{
    char error[PORT_ERROR_MAX];
    const char *cpus[PORT_WORKERS_MAX];
    struct port_config cfg = {.packets = 8192};
    if (argc < 7)
        return 2;
    bool client = strcmp(argv[1], "client") == 0;
    cfg.profile = strcmp(argv[1], "afxdp") == 0 ? PORT_AFXDP
                  : strcmp(argv[1], "pci") == 0 ? PORT_PCI
                                                : PORT_MEMIF;
    cfg.memif_server = !client;
    cfg.xdp_program = argv[2];
    cfg.memory = argv[3][0] == 'h'   ? PORT_MEMORY_HUGE
                 : argv[3][0] == 'p' ? PORT_MEMORY_PLAIN
                                     : PORT_MEMORY_AUTO;
    cfg.workers = split(argv[4], cpus, PORT_WORKERS_MAX);
    for (unsigned i = 0; i < cfg.workers; i++)
        cfg.cpu[i] = (unsigned)atoi(cpus[i]);
    cfg.interfaces = split(argv[5], cfg.interface, PORT_INTERFACES_MAX);
    for (int i = 6; i < argc; i++) {
        uint8_t address[16];
        if (!net_address_parse(argv[i], address) || !net_addresses_add(&ours, address))
            return 2;
    }
    signal(SIGTERM, on_signal);
    if (port_start(&cfg, error) || port_steer(ours.address, ours.count, error)) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    for (unsigned i = 0; i < cfg.workers; i++)
        port_launch(i, client ? ask : serve, (void *)(uintptr_t)i);
    printf("ready\n");
    fflush(stdout);
    while (!atomic_load(&stopped)) {
        port_maintain();
        usleep(100000);
    }
    int result = 0;
    for (unsigned i = 0; i < cfg.workers; i++)
        result |= port_join(i);
    print_figures(cfg.workers);
    fflush(stdout);
    port_stop();
    return result;
}
