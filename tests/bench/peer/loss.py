# Goodput of an HTTPS server, and the kernel's TCP as such a server.
#   loss.py serve ADDRESS PORT CERT KEY BYTES CONGESTION  answers every GET with so many bytes
#   loss.py fetch ADDRESS PORT PATH SECONDS [TOKEN]  asks again and again on one connection; prints a JSON line
# SPDX-License-Identifier: Apache-2.0
import json
import socket
import ssl
import sys
import threading
import time

AHEAD = 4  # requests that wait at the server, so that it never waits for one


def answer(connection, context, reply):
    try:
        with context.wrap_socket(connection, server_side=True) as tls:
            asked = b""
            while True:
                data = tls.recv(65536)
                if not data:
                    return
                asked += data
                while b"\r\n\r\n" in asked:
                    asked = asked.split(b"\r\n\r\n", 1)[1]
                    tls.sendall(reply)
    except OSError:
        pass


def serve(address, port, certificate, key, size, congestion):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    with socket.create_server((address, port), reuse_port=True) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=answer, args=(connection, context, reply), daemon=True).start()


def connect(address, port):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for _ in range(10):  # a handshake through loss may outlast the server's patience
        try:
            return context.wrap_socket(socket.create_connection((address, port), timeout=30), server_hostname="localhost")
        except OSError as error:
            last = error
    raise last


def fetch(address, port, path, seconds, token=""):
    """Bytes of HTTP over the time from the first one to the last one within the limit."""
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n" + (f"Authorization: Bot {token}\r\n" if token else "") + "\r\n"
    tls = connect(address, port)
    tls.sendall(head.encode() * AHEAD)
    total, size, began, status = 0, 0, 0.0, b""
    while not began or time.monotonic() - began < seconds:
        data = tls.recv(65536)
        if not data:
            break
        if not began:
            began, status = time.monotonic(), data[:15]
            text = data.split(b"\r\n\r\n")[0].lower()
            size = len(text) + 4 + int(text.split(b"content-length:")[1].split(b"\r\n")[0])
        before, total = total, total + len(data)
        for _ in range(total // size - before // size):
            tls.sendall(head.encode())
    took = time.monotonic() - began
    ok = b" 200 " in status and took >= seconds
    print(json.dumps({"goodput_mbps": round(total * 8 / took / 1e6, 3), "bytes": total, "seconds": round(took, 2), "ok": ok}))
    return 0 if ok else 1


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5], int(sys.argv[6]), sys.argv[7])
    else:
        sys.exit(fetch(sys.argv[2], int(sys.argv[3]), sys.argv[4], float(sys.argv[5]), *sys.argv[6:7]))
