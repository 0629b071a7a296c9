/*
 * The kernel's side of an AF_XDP port: see xdp.h.
 *
 * Whose program? Ours has the name STEER_PROGRAM. It stays attached when we are killed, and the driver
 * refuses an interface with a program on it, so a leftover is detached first. That it is a leftover we know
 * from the lock: an abstract Unix socket named after the interface, which dies with its process and, like the
 * interface, belongs to a network namespace. Between detaching and xdp_set_addresses() (some 10 ms) the POP's
 * packets reach the kernel, which has none of these addresses.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/port/xdp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int port_fail(char error[PORT_ERROR_MAX], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, PORT_ERROR_MAX, format, args);
    va_end(args);
    return -1;
}

static int interface_ioctl(const char *name, unsigned long request, struct ifreq *r)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    snprintf(r->ifr_name, sizeof r->ifr_name, "%s", name);
    int result = ioctl(fd, request, r);
    close(fd);
    return result;
}

/* Receive queues, or -1 with a line when a packet could arrive on one that we have no socket on. */
static int count_queues(struct xdp_port *x, char error[PORT_ERROR_MAX])
{
    struct ethtool_channels c = {.cmd = ETHTOOL_GCHANNELS};
    struct ifreq r = {.ifr_data = (char *)&c};
    x->queues = 1;
    if (interface_ioctl(x->name, SIOCETHTOOL, &r) < 0)
        return 0; /* no channels: one queue */
    if (c.combined_count == 0 && c.rx_count > 1)
        return port_fail(
            error,
            "interface %s has %u receive queues, and AF_XDP takes one of them: type: ethtool -L %s rx 1",
            x->name, c.rx_count, x->name);
    if (c.combined_count)
        x->queues = c.combined_count;
    return 0;
}

static int take_lock(struct xdp_port *x, char error[PORT_ERROR_MAX])
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int len = snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "voxpop-port/%s", x->name);
    x->lock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (x->lock < 0)
        return port_fail(error, "cannot open a socket: %s", strerror(errno));
    if (bind(x->lock, (struct sockaddr *)&a,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) < 0)
        return port_fail(
            error, "interface %s is served by another voxpop that is running: stop that one first", x->name);
    return 0;
}

/* The id of the program on the interface and how it is attached; 0: none. */
static uint32_t attached(const struct xdp_port *x, uint32_t *flags)
{
    LIBBPF_OPTS(bpf_xdp_query_opts, q);
    *flags = 0;
    if (bpf_xdp_query((int)x->index, 0, &q) < 0)
        return 0;
    if (q.drv_prog_id) {
        *flags = XDP_FLAGS_DRV_MODE;
        return q.drv_prog_id;
    }
    *flags = q.skb_prog_id ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_HW_MODE;
    return q.skb_prog_id ? q.skb_prog_id : q.hw_prog_id;
}

static int detach_leftover(struct xdp_port *x, char error[PORT_ERROR_MAX])
{
    uint32_t flags, id = attached(x, &flags), len = sizeof(struct bpf_prog_info);
    struct bpf_prog_info info = {0};
    if (id == 0)
        return 0;
    int fd = bpf_prog_get_fd_by_id(id);
    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0) {
        if (fd >= 0)
            close(fd);
        return port_fail(error, "cannot look at the XDP program on %s: %s: run as root", x->name,
                         strerror(errno));
    }
    if (strcmp(info.name, STEER_PROGRAM) != 0) {
        close(fd);
        return port_fail(
            error,
            "interface %s already has the XDP program \"%s\" (id %u), which is not ours: if nobody needs it, "
            "type: ip link set dev %s xdp off",
            x->name, info.name, id, x->name);
    }
    LIBBPF_OPTS(bpf_xdp_attach_opts, only_this, .old_prog_fd = fd);
    int result = bpf_xdp_detach((int)x->index, flags, &only_this);
    close(fd);
    if (result < 0)
        return port_fail(error, "cannot detach the XDP program that an earlier run left on %s: %s", x->name,
                         strerror(-result));
    return 0;
}

/* Solicitations for our addresses go to groups that the kernel has not joined. */
static void take_all_multicast(struct xdp_port *x, bool on)
{
    struct ifreq r = {0};
    if (interface_ioctl(x->name, SIOCGIFFLAGS, &r) < 0 || !(r.ifr_flags & IFF_ALLMULTI) != on)
        return;
    r.ifr_flags = (short)(r.ifr_flags ^ IFF_ALLMULTI);
    if (interface_ioctl(x->name, SIOCSIFFLAGS, &r) == 0)
        x->all_multicast = on;
}

int xdp_prepare(struct xdp_port *x, const char *name, char error[PORT_ERROR_MAX])
{
    struct ifreq r = {0};
    *x = (struct xdp_port){.lock = -1, .addresses = -1, .counts = -1};
    if (strlen(name) >= sizeof x->name || (x->index = if_nametoindex(name)) == 0)
        return port_fail(error, "there is no interface %s in this network namespace: see them with: ip link",
                         name);
    snprintf(x->name, sizeof x->name, "%s", name);
    if (interface_ioctl(name, SIOCGIFFLAGS, &r) == 0 && !(r.ifr_flags & IFF_UP))
        return port_fail(error, "interface %s is down: type: ip link set %s up", name, name);
    if (count_queues(x, error) || take_lock(x, error) || detach_leftover(x, error))
        return -1;
    take_all_multicast(x, true);
    return 0;
}

/* The program's map of that name, or -1. */
static int open_map(const uint32_t *ids, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        struct bpf_map_info info = {0};
        uint32_t len = sizeof info;
        int fd = bpf_map_get_fd_by_id(ids[i]);
        if (fd < 0)
            continue;
        if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && strcmp(info.name, name) == 0)
            return fd;
        close(fd);
    }
    return -1;
}

int xdp_open(struct xdp_port *x, char error[PORT_ERROR_MAX])
{
    uint32_t flags, id = attached(x, &flags), maps[16], len = sizeof(struct bpf_prog_info);
    struct bpf_prog_info info = {.map_ids = (uint64_t)(uintptr_t)maps, .nr_map_ids = 16};
    int fd = id ? bpf_prog_get_fd_by_id(id) : -1;
    if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0) {
        uint32_t n = info.nr_map_ids < 16 ? info.nr_map_ids : 16;
        x->addresses = open_map(maps, n, STEER_ADDRESS_MAP);
        x->counts = open_map(maps, n, STEER_COUNT_MAP);
    }
    if (fd >= 0)
        close(fd);
    if (x->addresses < 0 || x->counts < 0)
        return port_fail(
            error, "the XDP program on %s is not the one that comes with voxpop: check xdp_program", x->name);
    return 0;
}

static bool is_among(const uint8_t *address, const uint8_t (*addresses)[16], unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (memcmp(address, addresses[i], 16) == 0)
            return true;
    return false;
}

int xdp_set_addresses(struct xdp_port *x, const uint8_t (*addresses)[16], unsigned n,
                      char error[PORT_ERROR_MAX])
{
    struct steer_address old[STEER_ADDRESSES_MAX], at;
    unsigned olds = 0;
    for (void *from = NULL; olds < STEER_ADDRESSES_MAX && bpf_map_get_next_key(x->addresses, from, &at) == 0;
         from = &at)
        old[olds++] = at;
    for (unsigned i = 0; i < olds; i++)
        if (!is_among(old[i].byte, addresses, n))
            bpf_map_delete_elem(x->addresses, &old[i]);
    for (unsigned i = 0; i < n; i++) {
        uint32_t one = 1;
        if (bpf_map_update_elem(x->addresses, addresses[i], &one, BPF_ANY) < 0)
            return port_fail(error, "cannot tell the XDP program on %s an address: %s (it takes %d)", x->name,
                             strerror(errno), STEER_ADDRESSES_MAX);
    }
    return 0;
}

void xdp_counts(const struct xdp_port *x, uint64_t out[STEER_COUNTS])
{
    memset(out, 0, STEER_COUNTS * sizeof *out);
    int cpus = libbpf_num_possible_cpus();
    uint64_t *per_cpu = cpus > 0 ? calloc((size_t)cpus, sizeof *per_cpu) : NULL;
    for (uint32_t i = 0; per_cpu && i < STEER_COUNTS; i++)
        if (bpf_map_lookup_elem(x->counts, &i, per_cpu) == 0)
            for (int cpu = 0; cpu < cpus; cpu++)
                out[i] += per_cpu[cpu];
    free(per_cpu);
}

void xdp_close(struct xdp_port *x)
{
    if (x->all_multicast)
        take_all_multicast(x, false);
    if (x->addresses >= 0)
        close(x->addresses);
    if (x->counts >= 0)
        close(x->counts);
    if (x->lock >= 0)
        close(x->lock);
    *x = (struct xdp_port){.lock = -1, .addresses = -1, .counts = -1};
}
