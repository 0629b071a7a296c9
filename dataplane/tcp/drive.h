/*
 * libvoxpop-tcp.so: the TCP of this tree as sockets, for conformance tools. No DPDK, no I/O, no clock and no
 * chance of its own: IP packets, time and random numbers are handed in, packets are fetched.
 *
 *      d = drive_new(&setup)
 *      loop: drive_receive(d, packet) | drive_clock(d, now) | drive_listen, _accept, _connect, _read, _write,
 * _close while ((n = drive_send(d, packet, sizeof packet))) put it on the wire come back at drive_deadline(d)
 *
 * A packet is an IPv4 or IPv6 packet from its first header byte on, without options or extension headers;
 * whatever is not TCP to a local address, whole, and of right checksum is dropped. Calls on sockets do not
 * block: they return -EAGAIN where a blocking one would wait. A socket is a small number. Errors are negative
 * errno values.
 *
 * Bounds: DRIVE_SOCKETS sockets, DRIVE_BUFFER bytes written and not acknowledged on each.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TCP_DRIVE_H
#define VOXPOP_TCP_DRIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRIVE_SOCKETS 64
#define DRIVE_BUFFER  (1u << 20)

#pragma GCC visibility push(default)

struct drive;

/* 0 or NULL anywhere but `random`: the default. */
struct drive_setup {
    uint8_t local4[4];
    uint8_t local6[16];
    uint32_t (*random)(void *user); /* initial sequence numbers, local ports */
    void *user;
    uint64_t now_us; /* where the clock begins */
    uint16_t mtu;
    uint32_t receive_window;
    uint32_t keepalive_ms, keepalive_interval_ms;
    uint32_t time_wait_ms, fin_wait_2_ms;
    bool newreno, no_sack, no_timestamps;
};

enum drive_state { /* what drive_state tells; the numbers are those of RFC 9293 3.3.2 in the order of the text
                    */
                   DRIVE_CLOSED,
                   DRIVE_SYN_SENT,
                   DRIVE_SYN_RECEIVED,
                   DRIVE_ESTABLISHED,
                   DRIVE_FIN_WAIT_1,
                   DRIVE_FIN_WAIT_2,
                   DRIVE_CLOSE_WAIT,
                   DRIVE_CLOSING,
                   DRIVE_LAST_ACK,
                   DRIVE_TIME_WAIT,
                   DRIVE_LISTEN
};

struct drive *drive_new(const struct drive_setup *s);
void drive_free(struct drive *d);

/* Time is now_us (it never goes back); timers that are due act. */
void drive_clock(struct drive *d, uint64_t now_us);
/* When drive_clock should be called at the latest; UINT64_MAX: no need. */
uint64_t drive_deadline(const struct drive *d);
void drive_receive(struct drive *d, const void *packet, size_t len);
/* The next packet to send: its length; 0: none. */
size_t drive_send(struct drive *d, void *packet, size_t cap);

int drive_listen(struct drive *d, uint16_t port);
int drive_accept(struct drive *d, int listener);
/* Addresses of 4 or 16 bytes. local_port 0: any. The socket is there at once; it can be written when
 * established. */
int drive_connect(struct drive *d, const uint8_t *address, size_t address_len, uint16_t port,
                  uint16_t local_port);
/* Bytes read; 0: the peer has closed; -EAGAIN: nothing yet; -ECONNRESET, -ETIMEDOUT: it is over. */
long drive_read(struct drive *d, int socket, void *to, size_t len);
/* Bytes taken, at most len. -EPIPE: closed on our side. */
long drive_write(struct drive *d, int socket, const void *from, size_t len);
/* No more is written; reading goes on. */
int drive_shutdown(struct drive *d, int socket);
/* The same, and what still comes is thrown away; the number is free once TCP is through. Unread bytes: RST
 * (RFC 2525). */
int drive_close(struct drive *d, int socket);
int drive_abort(struct drive *d, int socket);
int drive_state(const struct drive *d, int socket);

#pragma GCC visibility pop

#endif
