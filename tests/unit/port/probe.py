#!/usr/bin/env python3
# Asks a responder from the kernel's side: `probe.py ping|udp|silence ADDRESS [COUNT [SIZE]]`. Every answer is compared with
# what was sent. Prints how many of COUNT came back within a second each; exits 0 when all did. silence: sends a datagram
# and connects by TCP, and succeeds when nothing comes back, neither a reset nor an ICMP error.
# SPDX-License-Identifier: Apache-2.0
import os, socket, struct, sys, time

def checksum(data):
    data += bytes(len(data) % 2)
    words = struct.unpack('!%dH' % (len(data) // 2), data)
    total = sum(words)
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff

def ping(address, six, number, body):
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW,
                      socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
    s.settimeout(1)
    head = struct.pack('!BBHHH', 128 if six else 8, 0, 0, os.getpid() & 0xffff, number)
    if not six: # of ICMPv6 the kernel makes and checks the checksum
        head = head[:2] + struct.pack('!H', checksum(head + body)) + head[4:]
    s.sendto(head + body, (address, 0))
    end = time.time() + 1
    while time.time() < end:
        got = s.recv(4096)
        if not six:
            got = got[(got[0] & 15) * 4:]
        if got[0] == (129 if six else 0) and got[4:] == head[4:] + body:
            return six or checksum(got) == 0
    return False

def udp(address, six, number, body):
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)
    s.connect((address, 5000 + number))
    s.send(body)
    return s.recv(4096) == body

IP_RECVERR, IPV6_RECVERR = 11, 25

def silence(address, six, number, body):
    family = socket.AF_INET6 if six else socket.AF_INET
    quiet = 0
    datagrams, stream = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_STREAM)
    for s in datagrams, stream:
        s.settimeout(0.4)
        s.setsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, IPV6_RECVERR if six else IP_RECVERR, 1)
    datagrams.connect((address, 5000 + number))
    datagrams.send(body)
    for wait in (lambda: datagrams.recv(1), lambda: stream.connect((address, 443))):
        try:
            wait()
        except socket.timeout:
            quiet += 1
    return quiet == 2

what, address = sys.argv[1], sys.argv[2]
count = int(sys.argv[3]) if len(sys.argv) > 3 else 3
size = int(sys.argv[4]) if len(sys.argv) > 4 else 56
good = 0
for i in range(count):
    try:
        good += {'ping': ping, 'udp': udp, 'silence': silence}[what](address, ':' in address, i, os.urandom(size))
    except OSError:
        pass
print('%s %s: %d of %d' % (what, address, good, count))
sys.exit(good != count)
