/*
 * The XDP program: which packets are the POP's and which are the kernel's.
 *
 * To us (the socket of the receive queue): IPv4 and IPv6 packets to a POP address, ARP of either kind for
 * one, and neighbour solicitations for one. Everything else, VLAN tags included, goes to the kernel. While
 * nobody has a socket here (the dataplane restarts) the POP's packets are dropped: the kernel must send
 * neither RST nor ICMP for addresses it does not know.
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
 */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "dataplane/port/steer.h"

struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, STEER_QUEUES_MAX);
    __type(key, __u32);
    __type(value, __u32);
} xsks_map SEC(".maps"); /* the name that net_af_xdp looks for */

/* 16 bytes of address, IPv4 as ::ffff:a.b.c.d. Written by the dataplane. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, STEER_ADDRESSES_MAX);
    __type(key, struct steer_address);
    __type(value, __u32);
} pop_addresses SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, STEER_COUNTS);
    __type(key, __u32);
    __type(value, __u64);
} steer_counts SEC(".maps");

#define ETH_HEADER      14
#define ETH_IP4         0x0800
#define ETH_ARP         0x0806
#define ETH_IP6         0x86dd
#define ARP_TARGET      24 /* offset of the target's protocol address */
#define IP4_DESTINATION 16
#define IP6_NEXT        6
#define IP6_DESTINATION 24
#define IP6_HEADER      40
#define ICMP6           58
#define ND_SOLICIT      135
#define ND_TARGET       8

static __always_inline void count(__u32 which)
{
    __u64 *n = bpf_map_lookup_elem(&steer_counts, &which);
    if (n)
        (*n)++;
}

static __always_inline int is_pop(const struct steer_address *a)
{
    return bpf_map_lookup_elem(&pop_addresses, a) != 0;
}

/* The IPv4 address at `p`; the caller has checked the bound. */
static __always_inline int is_pop4(const __u8 *p)
{
    struct steer_address a = {};
    a.byte[10] = a.byte[11] = 0xff;
    __builtin_memcpy(a.byte + 12, p, 4);
    return is_pop(&a);
}

static __always_inline int is_pop6(const __u8 *p)
{
    struct steer_address a;
    __builtin_memcpy(a.byte, p, 16);
    return is_pop(&a);
}

/* A neighbour solicitation goes to a group; its target says whom it is for. */
static __always_inline int is_solicit_for_pop(const __u8 *p, const __u8 *end)
{
    const __u8 *icmp = p + IP6_HEADER;
    if (icmp + ND_TARGET + 16 > end)
        return 0;
    return p[IP6_NEXT] == ICMP6 && icmp[0] == ND_SOLICIT && is_pop6(icmp + ND_TARGET);
}

static __always_inline int is_ours(const __u8 *frame, const __u8 *end)
{
    const __u8 *p = frame + ETH_HEADER;
    if (p > end)
        return 0;
    switch (frame[12] << 8 | frame[13]) {
    case ETH_IP4:
        return p + IP4_DESTINATION + 4 <= end && is_pop4(p + IP4_DESTINATION);
    case ETH_ARP:
        return p + ARP_TARGET + 4 <= end && is_pop4(p + ARP_TARGET);
    case ETH_IP6:
        if (p + IP6_HEADER > end)
            return 0;
        return is_pop6(p + IP6_DESTINATION) || is_solicit_for_pop(p, end);
    }
    return 0;
}

SEC("xdp")
int voxpop_steer(struct xdp_md *ctx)
{
    const __u8 *frame = (const __u8 *)(long)ctx->data, *end = (const __u8 *)(long)ctx->data_end;
    __u32 queue = ctx->rx_queue_index;
    if (!is_ours(frame, end)) {
        count(STEER_PASSED);
        return XDP_PASS;
    }
    if (!bpf_map_lookup_elem(&xsks_map, &queue)) {
        count(STEER_FALLBACK);
        return XDP_DROP;
    }
    count(STEER_STEERED);
    return bpf_redirect_map(&xsks_map, queue, XDP_DROP);
}

char steer_license[] SEC("license") = "Dual BSD/GPL";
