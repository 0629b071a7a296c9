#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Malformed Ethernet, ARP, IP, ICMP, UDP and TCP, put on the wire by hand: each is counted under its named reason by
the dataplane, and a page can be had afterwards as before. Prints one sentence a test.

usage: badwire.py INTERFACE POP_MAC  (the host's bridge, and the station the frames go to)"""

import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUN = os.environ.get("VOXPOP_RUN", ROOT + "/run")
BUILD = os.environ.get("VOXPOP_BUILD", ROOT + "/build")
HOST4, POP4 = "198.18.0.2", "198.18.0.1"
HOST6, POP6 = "fd00:18::2", "fd00:18::1"
COPIES = 7


def drops():
    text = subprocess.run(
        [BUILD + "/cli/voxpop", "status", "--json", "--config", RUN + "/voxpop.yaml"], check=True, capture_output=True
    ).stdout
    return json.loads(text)["drops"]


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip4(protocol, payload, *, first=0x45, length=None, fragment=0, source=HOST4, good=True):
    length = 20 + len(payload) if length is None else length
    head = struct.pack(
        ">BBHHHBBH4s4s", first, 0, length, 1, fragment, 64, protocol, 0, socket.inet_aton(source), socket.inet_aton(POP4)
    )
    total = checksum(head) ^ (0 if good else 0x5555)
    return head[:10] + struct.pack(">H", total) + head[12:] + payload


def ip6(next_header, payload, *, length=None, source=HOST6):
    length = len(payload) if length is None else length
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, POP6)
    return struct.pack(">IHBB", 6 << 28, length, next_header, 64) + ends + payload


def pseudo(protocol, length):
    return socket.inet_aton(HOST4) + socket.inet_aton(POP4) + struct.pack(">BBH", 0, protocol, length)


def udp(port, payload=b"x" * 20, *, length=None, good=True):
    length = 8 + len(payload) if length is None else length
    head = struct.pack(">HHHH", 40000, port, length, 0)
    total = checksum(pseudo(17, length) + head + payload) ^ (0 if good else 0x5555)
    return head[:6] + struct.pack(">H", total or 0xFFFF) + payload


def tcp(flags, *, offset=5, options=b"", port=443, good=True):
    head = struct.pack(">HHIIBBHHH", 40001, port, 1, 1, offset << 4, flags, 1000, 0, 0) + options
    total = checksum(pseudo(6, len(head)) + head) ^ (0 if good else 0x5555)
    return head[:16] + struct.pack(">H", total) + head[18:]


def icmp(kind, *, good=True):
    head = struct.pack(">BBHHH", kind, 0, 0, 1, 1) + b"ping" * 4
    total = checksum(head) ^ (0 if good else 0x5555)
    return head[:2] + struct.pack(">H", total) + head[4:]


def arp(operation=1, hardware=1):
    ends = b"\x02\0\0\0\0\x09" + socket.inet_aton(HOST4) + b"\0" * 6 + socket.inet_aton(POP4)
    return struct.pack(">HHBBH", hardware, 0x0800, 6, 4, operation) + ends


IP4, IP6, ARP = 0x0800, 0x86DD, 0x0806
CASES = [
    ("IP4_CHECKSUM", "an IPv4 header with a wrong checksum", IP4, ip4(17, udp(50000), good=False)),
    ("IP4_SHORT", "an IPv4 packet shorter than it says", IP4, ip4(17, udp(50000), length=400)),
    ("IP4_HEADER", "an IPv4 header of four bytes", IP4, ip4(17, udp(50000), first=0x41)),
    ("IP4_FRAGMENT", "an IPv4 fragment", IP4, ip4(17, udp(50000), fragment=0x2000)),
    ("IP4_SOURCE", "an IPv4 packet from the broadcast address", IP4, ip4(17, udp(50000), source="255.255.255.255")),
    ("IP_PROTOCOL", "an IPv4 packet of protocol 253", IP4, ip4(253, b"x" * 20)),
    ("IP6_SHORT", "an IPv6 packet shorter than it says", IP6, ip6(17, b"x" * 20, length=400)),
    ("IP6_EXTENSION", "an IPv6 packet with a routing header", IP6, ip6(43, b"\x11\0\0\0\0\0\0\0" + b"x" * 20)),
    ("IP6_SOURCE", "an IPv6 packet from a multicast address", IP6, ip6(17, b"x" * 20, source="ff02::1")),
    ("ICMP_CHECKSUM", "an echo request with a wrong checksum", IP4, ip4(1, icmp(8, good=False))),
    ("ICMP_TYPE", "an ICMP timestamp request", IP4, ip4(1, icmp(13))),
    ("UDP_SHORT", "a UDP datagram shorter than its header", IP4, ip4(17, b"\0" * 5)),
    ("UDP_CHECKSUM", "a UDP datagram with a wrong checksum", IP4, ip4(17, udp(50000, good=False))),
    ("UDP_PORT", "a UDP datagram to a port of nobody", IP4, ip4(17, udp(9))),
    ("TCP_SHORT", "a TCP segment shorter than its header", IP4, ip4(6, tcp(2)[:12])),
    ("TCP_CHECKSUM", "a TCP segment with a wrong checksum", IP4, ip4(6, tcp(2, good=False))),
    ("TCP_OPTIONS", "a SYN with an option of length zero", IP4, ip4(6, tcp(2, offset=6, options=b"\x02\0\0\0"))),
    ("TCP_FLAGS", "a segment with SYN and FIN", IP4, ip4(6, tcp(3))),
    ("TCP_PORT", "a SYN to a port of nobody", IP4, ip4(6, tcp(2, port=9))),
    ("TCP_NO_CONNECTION", "an ACK out of nowhere", IP4, ip4(6, tcp(16))),
    ("ARP_MALFORMED", "an ARP request of hardware type 6", ARP, arp(hardware=6)),
]

failed = 0


def report(fine, sentence, why=""):
    global failed
    failed += not fine
    print(("ok " if fine else "not ok ") + sentence, flush=True)
    if not fine:
        print(f"   {sentence}: {why}", file=sys.stderr)


def counts(reason, before):
    end = time.monotonic() + 5
    while True:
        got = drops()[reason] - before[reason]
        if got >= COPIES or time.monotonic() > end:
            return got
        time.sleep(0.1)


def page():
    context = ssl.create_default_context(cafile=RUN + "/ca.pem")
    with socket.create_connection((POP4, 443), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=POP4) as wire:
            wire.sendall(b"GET /api/v10/gateway HTTP/1.1\r\nHost: 198.18.0.1\r\nConnection: close\r\n\r\n")
            return wire.recv(4096).startswith(b"HTTP/1.1 200")


def main():
    interface, station = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", ""))
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((interface, 0))
    own = wire.getsockname()[4]
    for reason, sentence, kind, payload in CASES:
        before = drops()
        for _ in range(COPIES):
            wire.send(station + own + struct.pack(">H", kind) + payload)
        if reason not in before:
            report(False, f"{sentence} is counted as {reason}", "no such counter")
            continue
        got = counts(reason, before)
        report(got >= COPIES, f"{sentence} is counted as {reason}", f"{got} of {COPIES} counted")
    report(page(), "after all of it a page is served as before")
    sys.exit(1 if failed else 0)


main()
