/*
 * The peer of voice-peer: the best voice forwarder on kernel sockets that fits a page: recvmmsg, one opening and a seal for each listener
 * by ipsec-mb's direct functions, sendmmsg of 64. It has no accounts, rooms that change, replay windows, rate limits or addresses
 * to learn: what it leaves out makes it faster than a whole server could be.
 *
 * usage: forwarder serve PORT ROOMS LISTENERS    until SIGTERM; prints its own CPU time and what it sent
 *        forwarder drive PORT ROOMS LISTENERS SECONDS    speaks as fast as copies come back; counts, and opens one in 64
 *
 * Packets are those of voice-fanout: RTP, 120 bytes, AES-256-GCM under each receiver's own key. All listeners are one socket of
 * the driver's: the kernel's way to it is the same for each.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <intel-ipsec-mb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, OPUS = 120, RTP = 12, TAG = 16, SIZE = RTP + OPUS + TAG + 4, WINDOW = 1024, QUIET_MS = 50 };

static IMB_MGR *mb;
static unsigned rooms, listeners;
static struct gcm_key_data *keys; /* [room][listeners + 1], the speaker's first */
static uint32_t *counters;
static volatile sig_atomic_t over;

static void stop(int signal_number)
{
    over = 1;
}

static void fatal(const char *what)
{
    perror(what);
    exit(1);
}

static void make_keys(void)
{
    size_t n = (size_t)rooms * (listeners + 1);
    keys = aligned_alloc(64, n * sizeof *keys);
    counters = calloc(n, sizeof *counters);
    if (!keys || !counters)
        fatal("memory");
    for (size_t i = 0; i < n; i++) {
        uint8_t raw[32];
        for (unsigned b = 0; b < sizeof raw; b++)
            raw[b] = (uint8_t)(i >> b % 4 * 8) ^ (uint8_t)(b * 29);
        IMB_AES256_GCM_PRE(mb, raw, &keys[i]);
    }
}

static uint32_t load32(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, 4);
    return ntohl(x);
}

/* Header from `head`, text from `text`, under key i and its next counter, to `out`. */
static void seal(size_t i, const uint8_t *head, const uint8_t *text, uint8_t *out)
{
    struct gcm_context_data ctx;
    uint8_t nonce[12] = {0};
    uint32_t counter = htonl(++counters[i]);
    memcpy(nonce, &counter, 4);
    memcpy(out, head, RTP);
    IMB_AES256_GCM_ENC(mb, &keys[i], &ctx, out + RTP, text, OPUS, nonce, head, RTP, out + RTP + OPUS, TAG);
    memcpy(out + RTP + OPUS + TAG, &counter, 4);
}

static int opens(size_t i, const uint8_t *p, uint8_t *text)
{
    struct gcm_context_data ctx;
    uint8_t nonce[12] = {0}, tag[TAG];
    memcpy(nonce, p + SIZE - 4, 4);
    IMB_AES256_GCM_DEC(mb, &keys[i], &ctx, text, p + RTP, OPUS, nonce, p, RTP, tag, TAG);
    return memcmp(tag, p + RTP + OPUS, TAG) == 0;
}

static struct mmsghdr in[BATCH], out[BATCH];
static uint8_t in_bytes[BATCH][SIZE + 1], out_bytes[BATCH][SIZE];

static void make_messages(struct mmsghdr *m, uint8_t *bytes, size_t each, struct sockaddr_in *to)
{
    static struct iovec iov[2][BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        struct iovec *v = &iov[m == out][i];
        *v = (struct iovec){bytes + i * each, each};
        m[i].msg_hdr = (struct msghdr){.msg_iov = v, .msg_iovlen = 1, .msg_name = to, .msg_namelen = to ? sizeof *to : 0};
    }
}

static int open_socket(unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 8 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    if (fd < 0 || bind(fd, (void *)&a, sizeof a))
        fatal("socket");
    return fd;
}

static void serve(int fd, struct sockaddr_in *to)
{
    unsigned long long sent = 0;
    unsigned filled = 0;
    uint8_t text[OPUS];
    struct rusage used;
    make_messages(in, in_bytes[0], SIZE + 1, NULL);
    make_messages(out, out_bytes[0], SIZE, to);
    while (!over) {
        int n = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < n; i++) {
            size_t room = load32(in_bytes[i] + 8), first = room * (listeners + 1);
            if (in[i].msg_len != SIZE || room >= rooms || !opens(first, in_bytes[i], text))
                continue;
            for (unsigned l = 1; l <= listeners; l++) {
                seal(first + l, in_bytes[i], text, out_bytes[filled++]);
                if (filled == BATCH) {
                    int k = sendmmsg(fd, out, filled, 0);
                    sent += k > 0 ? (unsigned)k : 0;
                    filled = 0;
                }
            }
        }
        int k = filled ? sendmmsg(fd, out, filled, 0) : 0;
        sent += k > 0 ? (unsigned)k : 0;
        filled = 0;
    }
    getrusage(RUSAGE_SELF, &used);
    double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"sent\":%llu,\"cpu_s\":%.3f}\n", sent, cpu);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void drive(int fd, struct sockaddr_in *to, double seconds)
{
    unsigned long long expected = 0, came = 0, opened = 0, wrong = 0;
    uint8_t head[RTP] = {0x80, 0x78}, text[OPUS], got[OPUS];
    unsigned room = 0;
    memset(text, 0x5a, sizeof text);
    make_messages(in, in_bytes[0], SIZE + 1, NULL);
    make_messages(out, out_bytes[0], SIZE, to);
    double began = now_s(), last = began, now;
    while ((now = now_s()) - began < seconds) {
        if (now - last > QUIET_MS / 1e3) {
            expected = came; /* lost: the receive buffer was full */
            last = now;
        }
        unsigned n = 0;
        for (; n < BATCH && expected - came + (n + 1ull) * listeners <= WINDOW + listeners; n++, room = (room + 1) % rooms) {
            uint32_t ssrc = htonl(room);
            memcpy(head + 8, &ssrc, 4);
            seal((size_t)room * (listeners + 1), head, text, out_bytes[n]);
        }
        int sent = n ? sendmmsg(fd, out, n, 0) : 0;
        expected += (unsigned long long)(sent > 0 ? sent : 0) * listeners;
        int k = recvmmsg(fd, in, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < k; i++, came++) {
            last = now;
            if (came % 64)
                continue;
            size_t first = (size_t)load32(in_bytes[i] + 8) * (listeners + 1), l = 1;
            while (l <= listeners && !opens(first + l, in_bytes[i], got))
                l++; /* all share one socket: whose it is, the key tells */
            wrong += l > listeners || memcmp(got, text, OPUS) != 0;
            opened++;
        }
    }
    printf("{\"came\":%llu,\"opened\":%llu,\"wrong\":%llu,\"seconds\":%.3f}\n", came, opened, wrong, now_s() - began);
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return fprintf(stderr, "usage: forwarder serve|drive PORT ROOMS LISTENERS [SECONDS]\n"), 2;
    unsigned port = (unsigned)atoi(argv[2]);
    int serves = strcmp(argv[1], "serve") == 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(port + (unsigned)serves)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sigaction on_stop = {.sa_handler = stop}; /* without SA_RESTART: recvmmsg ends */
    rooms = (unsigned)atoi(argv[3]);
    listeners = (unsigned)atoi(argv[4]);
    sigaction(SIGTERM, &on_stop, NULL);
    mb = alloc_mb_mgr(0);
    if (!mb)
        return 1;
    init_mb_mgr_auto(mb, NULL);
    make_keys();
    int fd = open_socket(port + !serves);
    if (serves)
        serve(fd, &to);
    else
        drive(fd, &to, argc > 5 ? atof(argv[5]) : 3);
    return 0;
}
