/*
 * Leftover XDP programs; see leftover.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/supervise/leftover.h"

#include "config/log.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NETNS_DIRECTORY "/run/netns/"

bool leftover_enter_netns(const struct config *c)
{
    char path[sizeof NETNS_DIRECTORY + CONFIG_NAME_MAX];
    if (!*c->dataplane.netns)
        return true;
    snprintf(path, sizeof path, NETNS_DIRECTORY "%s", c->dataplane.netns);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool entered = fd >= 0 && setns(fd, CLONE_NEWNET) == 0;
    if (!entered)
        log_event(LOG_ERROR, "netns_failed", "netns=%s error=%s", c->dataplane.netns,
                  log_text(strerror(errno)).text);
    if (fd >= 0)
        close(fd);
    return entered;
}

/* Names of the programs in steer.bpf.o, and room for what comes later. */
static bool ours(const char *name)
{
    return strncmp(name, "steer", 5) == 0 || strncmp(name, "voxpop", 6) == 0;
}

/* A descriptor of the program attached to an interface and its attach flags, or -1. */
static int attached(int interface, uint32_t *flags, char name[BPF_OBJ_NAME_LEN])
{
    LIBBPF_OPTS(bpf_xdp_query_opts, query);
    struct bpf_prog_info info = {0};
    uint32_t length = sizeof info, id;
    if (bpf_xdp_query(interface, 0, &query) || query.attach_mode == XDP_ATTACHED_NONE)
        return -1;
    if (query.attach_mode == XDP_ATTACHED_SKB) {
        id = query.skb_prog_id;
        *flags = XDP_FLAGS_SKB_MODE;
    } else if (query.attach_mode == XDP_ATTACHED_HW) {
        id = query.hw_prog_id;
        *flags = XDP_FLAGS_HW_MODE;
    } else {
        id = query.drv_prog_id;
        *flags = XDP_FLAGS_DRV_MODE;
    }
    int fd = bpf_prog_get_fd_by_id(id);
    if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &length)) {
        close(fd);
        return -1;
    }
    memcpy(name, info.name, BPF_OBJ_NAME_LEN);
    return fd;
}

void leftover_detach(const struct config *c)
{
    const struct config_port *p = &c->dataplane.port;
    for (uint32_t i = 0; p->profile == PROFILE_AFXDP && i < p->interface_count; i++) {
        char name[BPF_OBJ_NAME_LEN];
        uint32_t flags;
        int interface = (int)if_nametoindex(p->interfaces[i].name);
        int fd = interface ? attached(interface, &flags, name) : -1;
        if (fd < 0)
            continue;
        /* Only this very program: another one attached in between stays. */
        LIBBPF_OPTS(bpf_xdp_attach_opts, old, .old_prog_fd = fd);
        if (!ours(name))
            log_event(LOG_WARNING, "xdp_foreign", "interface=%s program=%s", p->interfaces[i].name, name);
        else if (bpf_xdp_detach(interface, flags | XDP_FLAGS_REPLACE, &old))
            log_event(LOG_ERROR, "xdp_detach_failed", "interface=%s program=%s error=%s",
                      p->interfaces[i].name, name, log_text(strerror(errno)).text);
        else
            log_event(LOG_INFO, "xdp_detached", "interface=%s program=%s", p->interfaces[i].name, name);
        close(fd);
    }
}
