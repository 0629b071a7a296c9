/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/capture/pcapng.h"

#include <string.h>

#define LINKTYPE_ETHERNET 1u
#define BYTE_ORDER_MAGIC  0x1a2b3c4du

enum block { BLOCK_INTERFACE = 1, BLOCK_STATISTICS = 5, BLOCK_PACKET = 6, BLOCK_SECTION = 0x0a0d0d0a };

enum {
    OPTION_END = 0,
    OPTION_SECTION_APPLICATION = 4,
    OPTION_INTERFACE_NAME = 2,
    OPTION_INTERFACE_DESCRIPTION = 3,
    OPTION_INTERFACE_RESOLUTION = 9,
    OPTION_PACKET_FLAGS = 2,
    OPTION_STATISTICS_START = 2,
    OPTION_STATISTICS_END = 3,
    OPTION_STATISTICS_RECEIVED = 4,
    OPTION_STATISTICS_DROPPED = 5,
};

/* A block being written. */
struct cursor {
    uint8_t *start, *at;
};

static void put16(struct cursor *c, uint16_t v)
{
    c->at[0] = (uint8_t)v;
    c->at[1] = (uint8_t)(v >> 8);
    c->at += 2;
}

static void put32(struct cursor *c, uint32_t v)
{
    put16(c, (uint16_t)v);
    put16(c, (uint16_t)(v >> 16));
}

static void put64(struct cursor *c, uint64_t v)
{
    put32(c, (uint32_t)v);
    put32(c, (uint32_t)(v >> 32));
}

/* A time, whose upper half comes first. */
static void put_time(struct cursor *c, uint64_t us)
{
    put32(c, (uint32_t)(us >> 32));
    put32(c, (uint32_t)us);
}

static void put_padded(struct cursor *c, const void *data, size_t len)
{
    memcpy(c->at, data, len);
    memset(c->at + len, 0, -len & 3);
    c->at += (len + 3) & ~(size_t)3;
}

static void begin(struct cursor *c, uint8_t *dst, enum block type)
{
    c->start = c->at = dst;
    put32(c, type);
    put32(c, 0);
}

/* The length stands at both ends. */
static size_t end(struct cursor *c)
{
    size_t size = (size_t)(c->at - c->start) + 4;
    struct cursor head = {c->start, c->start + 4};
    put32(&head, (uint32_t)size);
    put32(c, (uint32_t)size);
    return size;
}

static void option_head(struct cursor *c, uint16_t code, uint16_t len)
{
    put16(c, code);
    put16(c, len);
}

static void option_text(struct cursor *c, uint16_t code, const char *text)
{
    size_t len = strnlen(text, PCAPNG_TEXT_MAX);
    option_head(c, code, (uint16_t)len);
    put_padded(c, text, len);
}

static void option_end(struct cursor *c)
{
    option_head(c, OPTION_END, 0);
}

size_t pcapng_section(uint8_t *dst, size_t room, const char *application)
{
    struct cursor c;
    if (room < PCAPNG_OVERHEAD_MAX)
        return 0;
    begin(&c, dst, BLOCK_SECTION);
    put32(&c, BYTE_ORDER_MAGIC);
    put16(&c, 1); /* version 1.0 */
    put16(&c, 0);
    put64(&c, UINT64_MAX); /* length of the section: not known */
    option_text(&c, OPTION_SECTION_APPLICATION, application);
    option_end(&c);
    return end(&c);
}

size_t pcapng_interface(uint8_t *dst, size_t room, const char *name, const char *description)
{
    struct cursor c;
    if (room < PCAPNG_OVERHEAD_MAX)
        return 0;
    begin(&c, dst, BLOCK_INTERFACE);
    put16(&c, LINKTYPE_ETHERNET);
    put16(&c, 0);
    put32(&c, 0); /* frames are whole */
    option_text(&c, OPTION_INTERFACE_NAME, name);
    option_text(&c, OPTION_INTERFACE_DESCRIPTION, description);
    option_head(&c, OPTION_INTERFACE_RESOLUTION, 1);
    put_padded(&c, &(uint8_t){6}, 1); /* 10^-6 s */
    option_end(&c);
    return end(&c);
}

size_t pcapng_packet(uint8_t *dst, size_t room, uint32_t interface, uint64_t time_us,
                     enum pcapng_direction direction, const void *frame, size_t length)
{
    struct cursor c;
    if (room < length + PCAPNG_OVERHEAD_MAX)
        return 0;
    begin(&c, dst, BLOCK_PACKET);
    put32(&c, interface);
    put_time(&c, time_us);
    put32(&c, (uint32_t)length);
    put32(&c, (uint32_t)length);
    put_padded(&c, frame, length);
    option_head(&c, OPTION_PACKET_FLAGS, 4);
    put32(&c, direction);
    option_end(&c);
    return end(&c);
}

static void option_time(struct cursor *c, uint16_t code, uint64_t us)
{
    option_head(c, code, 8);
    put_time(c, us);
}

static void option_count(struct cursor *c, uint16_t code, uint64_t n)
{
    option_head(c, code, 8);
    put64(c, n);
}

size_t pcapng_statistics(uint8_t *dst, size_t room, uint32_t interface, uint64_t start_us, uint64_t end_us,
                         uint64_t captured, uint64_t dropped)
{
    struct cursor c;
    if (room < PCAPNG_OVERHEAD_MAX)
        return 0;
    begin(&c, dst, BLOCK_STATISTICS);
    put32(&c, interface);
    put_time(&c, end_us);
    option_time(&c, OPTION_STATISTICS_START, start_us);
    option_time(&c, OPTION_STATISTICS_END, end_us);
    option_count(&c, OPTION_STATISTICS_RECEIVED, captured + dropped);
    option_count(&c, OPTION_STATISTICS_DROPPED, dropped);
    option_end(&c);
    return end(&c);
}
