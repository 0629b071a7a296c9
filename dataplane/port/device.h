/*
 * A DPDK port: one ethdev, its packet memory and its queues. Internal to port/.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_PORT_DEVICE_H
#define VOXPOP_PORT_DEVICE_H

#include <sys/un.h>

#include "dataplane/port/driver.h"
#include "dataplane/port/xdp.h"

struct rte_mempool;
struct device;

struct device_queue {
    struct port_queue head;
    struct device *device;
};

struct device {
    char name[sizeof((struct sockaddr_un *)0)->sun_path]; /* interface, address or socket, as the operator
                                                             gave it */
    char driver[64];                                      /* DPDK's name of the device */
    uint16_t index;                                       /* packet.port */
    uint16_t id;                                          /* ethdev's */
    int lock;                                             /* of a memif server's socket; -1: none */
    bool is_xdp;
    bool is_client; /* memif: may be down now and up later */
    bool is_configured;
    _Atomic bool is_running; /* the workers may use it */
    unsigned queues;
    struct rte_mempool *pool;
    struct xdp_port xdp;
    struct device_queue queue[PORT_WORKERS_MAX];
};

/* `d` has name, driver, index, queues and xdp set. 0, or -1 and a line in `error`. */
int device_start(struct device *d, unsigned packets, unsigned descriptors, char error[PORT_ERROR_MAX]);
/* To be called about once a second. */
void device_maintain(struct device *d);
void device_stop(struct device *d);

/* Queues that a device can have; after rte_eal_init. 0: there is no such device. */
unsigned device_queues_max(const char *driver);

#endif
