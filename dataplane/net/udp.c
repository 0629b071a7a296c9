/*
 * UDP: see udp.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/net/udp.h"
#include "dataplane/net/net.h"

enum drop_reason udp_parse(const uint8_t *p, size_t len, const uint8_t source[16],
                           const uint8_t destination[16], struct udp_header *out)
{
    if (len < UDP_HEADER)
        return DROP_UDP_SHORT;
    struct udp_header h = {be16(p), be16(p + 2), be16(p + 4)};
    if (h.len < UDP_HEADER || h.len > len)
        return DROP_UDP_SHORT;
    if (be16(p + 6) == 0) {
        if (!net_address_is4(source))
            return DROP_UDP_CHECKSUM;
    } else {
        uint64_t sum = checksum_pseudo(source, destination, NET_PROTOCOL_UDP, h.len);
        if (checksum_wrong(checksum_add(sum, p, h.len)))
            return DROP_UDP_CHECKSUM;
    }
    *out = h;
    return DROP_NONE;
}

void udp_emit(uint8_t *p, const uint8_t source[16], const uint8_t destination[16], const struct udp_header *h)
{
    put_be16(p, h->source_port);
    put_be16(p + 2, h->destination_port);
    put_be16(p + 4, h->len);
    put_be16(p + 6, 0);
    uint64_t sum = checksum_add(checksum_pseudo(source, destination, NET_PROTOCOL_UDP, h->len), p, h->len);
    uint16_t check = checksum_fold(sum);
    put_be16(p + 6, check ? check : 0xffff); /* 0 would mean "none" */
}
