/*
 * Somebody else's XDP program, for the test that ours leaves it alone.
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int somebody_else(struct xdp_md *ctx)
{
    return XDP_PASS;
}

char foreign_license[] SEC("license") = "Dual BSD/GPL";
