/*
 * Ports: where packets come from and go to. The only folder that knows DPDK; nothing of it shows here.
 *
 * Owns: the NIC or its stand-in, packet memory, pinned worker threads, and the XDP program that steers the
 * POP's packets to us. Hands over bursts of plain `struct packet` and gives out transmit memory to write
 * frames straight into. Refuses: frames in several pieces (counted as ierrors), and to start on an interface
 * that somebody else serves.
 *
 * A port_queue belongs to one worker: rx, alloc and tx are called by that worker alone. A packet itself may
 * be handed to another thread and freed there. Whoever holds a packet owns it until port_tx or port_free.
 *
 * Profiles: afxdp, memif, pci (any DPDK device, real or `vdev`), and virtual: memory only, no DPDK, made by
 * port_virtual_open() for replay, harnesses and tests.
 *
 * Tried with DPDK 22.11 on kernel 6.18, and kept by tests/unit/port/ports.sh:
 *
 * --in-memory works with net_af_xdp and with net_memif (whose rings are memfds of its own, handed over by its
 * socket), and gives all huge pages back on kill -9. --no-huge works with both, with more TLB misses.
 *
 * net_af_xdp needs the packet memory in one piece; --iova-mode=va sees to that where there is no PCI device.
 *
 * net_memif: a server does not bind to the socket that a killed one left (we remove it, under a lock). A
 * client does not connect again by itself (port_maintain does). A server outlives a killed client, but a
 * control connection that ends before the handshake makes it panic: never probe its socket. Its figures start
 * at 0 with every connection, so what passes is counted here.
 *
 * EAL starts once in a process: after a failed port_start the process ends.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_PORT_H
#define VOXPOP_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORT_WORKERS_MAX    64
#define PORT_INTERFACES_MAX 64
#define PORT_BURST_MAX      64 /* the most that one call of rx, alloc or tx moves */
#define PORT_ADDRESSES_MAX  64
#define PORT_ERROR_MAX      384

struct port_queue;
struct port_driver;

struct packet {
    uint8_t *data;                    /* the Ethernet header; may be moved within the buffer before port_tx */
    uint16_t len;                     /* bytes of frame, without frame check sequence */
    uint16_t room;                    /* bytes of buffer from data */
    uint16_t port;                    /* the port it came from or was allocated for */
    uint16_t tag;                     /* the holder's: the port neither reads nor keeps it */
    void *owner;                      /* the port's */
    const struct port_driver *driver; /* the port's */
};
_Static_assert(sizeof(struct packet) == 32, "two packets a cache line");

/* At most `n` received packets (n <= PORT_BURST_MAX); the caller owns them. Never waits. */
unsigned port_rx(struct port_queue *q, struct packet *out, unsigned n);

/* Memory to write frames into: all `n` packets with len 0 and room for a whole frame, or none (returns 0). */
unsigned port_alloc(struct port_queue *q, struct packet *out, unsigned n);

/*
 * Sends. Takes all `n` packets, received or allocated ones, on any port; returns how many the queue took. The
 * rest is freed and counted as tx_full.
 */
unsigned port_tx(struct port_queue *q, struct packet *packets, unsigned n);

/* The same for who would rather wait: what the queue had no room for stays the caller's. */
unsigned port_offer(struct port_queue *q, struct packet *packets, unsigned n);

/* Frees packets that the queue had no room for, and counts them as tx_full. */
void port_refuse(struct port_queue *q, struct packet *packets, unsigned n);

/* Gives packets back, from any thread. */
void port_free(struct packet *packets, unsigned n);

struct port_info {
    char name[64]; /* interface, PCI address or device */
    uint8_t mac[6];
    uint16_t mtu; /* bytes of IP packet */
    bool link_up;
    uint16_t port;   /* = packet.port */
    uint16_t queues; /* queues of this port; each worker has one */
};

/* Figures of the whole port behind a queue: ports with several queues are to be counted once
 * (port_info.port). */
struct port_stats {
    uint64_t ipackets; /* received */
    uint64_t opackets; /* sent */
    uint64_t ibytes;
    uint64_t obytes;
    uint64_t imissed;      /* lost before us: no descriptor or ring space */
    uint64_t ierrors;      /* received in error, or in several pieces */
    uint64_t oerrors;      /* the device refused to send */
    uint64_t no_memory;    /* receive or alloc found no packet memory */
    uint64_t tx_full;      /* freed by port_tx: queue full */
    uint64_t xdp_steered;  /* by our XDP program: to us; 0 without one */
    uint64_t xdp_passed;   /* to the kernel */
    uint64_t xdp_fallback; /* for us while nobody was there: dropped */
};

void port_info(const struct port_queue *q, struct port_info *out);
void port_stats(const struct port_queue *q, struct port_stats *out);

/* ---- starting the ports of a process: once per process, not for virtual ports ---- */

enum port_profile { PORT_AFXDP, PORT_MEMIF, PORT_PCI };
enum port_memory {
    PORT_MEMORY_AUTO,
    PORT_MEMORY_HUGE,
    PORT_MEMORY_PLAIN
}; /* auto: huge pages if enough are free */

struct port_config {
    enum port_profile profile;
    unsigned workers;                           /* 1 … PORT_WORKERS_MAX */
    unsigned cpu[PORT_WORKERS_MAX];             /* that worker i is pinned to */
    unsigned interfaces;                        /* entries of `interface` */
    const char *interface[PORT_INTERFACES_MAX]; /* afxdp: names; memif: socket paths; pci: "0000:3b:00.0" or
                                                   "net_x,a=b" */
    enum port_memory memory;
    unsigned memory_mb;      /* of packet memory and driver needs; 0: what `packets` needs */
    unsigned packets;        /* packet buffers per port; 0: 16384 */
    unsigned descriptors;    /* per queue and direction, a power of two; 0: 2048 */
    const char *file_prefix; /* of DPDK's runtime files; NULL: voxpop */
    const char *xdp_program; /* afxdp: path of steer.bpf.o */
    bool memif_server;       /* memif: we listen on the socket; the other side connects */
    unsigned log_level;      /* DPDK's: 0: warnings and worse, 7: info, 8: debug */
    void (*log)(unsigned severity,
                const char *line); /* takes DPDK's lines with its level, 1 the worst and 8 debug; NULL: they
                                      go to stderr, each with "dpdk: " before it */
};

/*
 * Brings up all ports. An interface with as many queues as there are workers gives one to each; interfaces
 * with one queue are dealt out to the workers in turn, so there must be at least as many as workers. Returns
 * 0, or -1 and in `error` one line that says what is wrong and what to type.
 */
int port_start(const struct port_config *cfg, char error[PORT_ERROR_MAX]);

/* The queues of worker `worker`: `i` counts from 0; NULL behind the last. */
struct port_queue *port_queue_of(unsigned worker, unsigned i);

/* Runs fn(arg) on worker's pinned thread. 0, or -1 if it already runs something. */
int port_launch(unsigned worker, int (*fn)(void *arg), void *arg);

/* Waits for that worker's function; returns what it returned. */
int port_join(unsigned worker);

/*
 * afxdp: the addresses (IPv4 as ::ffff:a.b.c.d) whose packets the XDP program takes, on all ports, from now
 * on; replaces what was set. Does nothing for the other profiles. Returns 0, or -1 and a line in `error`.
 */
int port_steer(const uint8_t (*addresses)[16], unsigned n, char error[PORT_ERROR_MAX]);

/* To be called about once a second, by the thread that called port_start: connects memif clients again. */
void port_maintain(void);

/* Stops all ports and detaches the XDP program; after port_join of every worker. */
void port_stop(void);

/* ---- the virtual port ---- */

struct port_virtual {
    size_t (*rx)(void *user, uint8_t *frame,
                 size_t room); /* writes the next frame; its length, or 0: none now */
    bool (*tx)(void *user, const uint8_t *frame, size_t len); /* false: queue full */
    void *user;
    uint8_t mac[6];
    uint16_t mtu;     /* 0: 1500 */
    uint16_t port;    /* packet.port */
    uint32_t packets; /* that may be out at once; 0: no bound */
};

struct port_queue *port_virtual_open(const struct port_virtual *cfg); /* NULL: no memory */
uint32_t port_virtual_out(const struct port_queue *q);                /* packets not yet sent or freed */
void port_virtual_close(struct port_queue *q);                        /* asserts that none is out */

#endif
