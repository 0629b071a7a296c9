/*
 * A long and bad cable between two interfaces, for kernels without netem: each frame is taken from one, waits
 * its turn at the rate, then the delay, and is put on the other; some are lost at random, from a seed.
 *
 * usage: delay-wire INTERFACE INTERFACE DELAY_US LOSS_PER_MILLE MBITS QUEUE_BYTES SEED
 * Writes to stderr, when it is told to end, how many frames passed, were lost, and found the queue full.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAMES    8192u /* on their way in one direction; a power of two */
#define FRAME_MAX 1600

struct way {
    int from, to;
    uint64_t free_us; /* when the sender's end is free again */
    uint64_t head, tail;
    struct {
        uint64_t at_us;
        size_t len;
        uint8_t bytes[FRAME_MAX];
    } frame[FRAMES];
};

static struct way ways[2];
static uint64_t delay_us, loss, mbits, queue_bytes, seed, passed, lost, full;
static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    ended = number;
}

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t chance(void)
{
    uint64_t z = seed += 0x9e3779b97f4a7c15; /* splitmix64 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static int open_end(const char *name)
{
    struct sockaddr_ll at = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name)};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL)), bytes = 8 << 20,
        yes = 1;
    if (fd < 0 || !at.sll_ifindex || bind(fd, (struct sockaddr *)&at, sizeof at) ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes)) {
        perror(name);
        exit(1);
    }
    return fd;
}

/* What has come in waits for its time, unless it is lost or there is no room for it. */
static void take(struct way *w)
{
    for (uint64_t now = now_us(); w->head - w->tail < FRAMES;) {
        __typeof__(w->frame[0]) *f = &w->frame[w->head % FRAMES];
        ssize_t n = recv(w->from, f->bytes, sizeof f->bytes, MSG_TRUNC);
        if (n <= 0)
            return;
        if ((size_t)n > sizeof f->bytes) {
            fprintf(stderr, "delay-wire: a frame of %zd bytes: segmentation is left to a card\n", n);
            exit(1);
        }
        uint64_t start = now > w->free_us ? now : w->free_us;
        if ((start - now) * mbits / 8 > queue_bytes) {
            full++;
            continue;
        }
        w->free_us = start + (uint64_t)n * 8 / mbits;
        if (chance() % 1000 < loss) {
            lost++;
            continue;
        }
        f->len = (size_t)n;
        f->at_us = w->free_us + delay_us;
        w->head++;
    }
}

/* Returns when the next one is due. */
static uint64_t give(struct way *w)
{
    for (uint64_t now = now_us(); w->tail != w->head; w->tail++) {
        __typeof__(w->frame[0]) *f = &w->frame[w->tail % FRAMES];
        if (f->at_us > now)
            return f->at_us;
        if (send(w->to, f->bytes, f->len, 0) < 0 && errno != ENOBUFS && errno != EAGAIN)
            perror("delay-wire: send");
        passed++;
    }
    return UINT64_MAX;
}

int main(int argc, char **argv)
{
    if (argc != 8)
        return fprintf(
                   stderr,
                   "usage: delay-wire INTERFACE INTERFACE DELAY_US LOSS_PER_MILLE MBITS QUEUE_BYTES SEED\n"),
               2;
    delay_us = strtoull(argv[3], NULL, 10);
    loss = strtoull(argv[4], NULL, 10);
    mbits = strtoull(argv[5], NULL, 10);
    queue_bytes = strtoull(argv[6], NULL, 10);
    seed = strtoull(argv[7], NULL, 10);
    ways[0].from = ways[1].to = open_end(argv[1]);
    ways[1].from = ways[0].to = open_end(argv[2]);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    while (!ended) {
        uint64_t a = give(&ways[0]), b = give(&ways[1]), next = a < b ? a : b, now = now_us();
        struct timespec wait = {1, 0};
        if (next != UINT64_MAX)
            wait = (struct timespec){0, next > now ? (long)(next - now) * 1000 : 0};
        struct pollfd fds[2] = {{ways[0].from, POLLIN, 0}, {ways[1].from, POLLIN, 0}};
        ppoll(fds, 2, &wait, NULL);
        take(&ways[0]);
        take(&ways[1]);
    }
    fprintf(stderr, "delay-wire: %lu passed, %lu lost, %lu found the queue full\n", passed, lost, full);
    return 0;
}
