/*
 * Every key of the configuration, once. `voxpop config defaults` prints this table, the loader checks against
 * it, and the libcyaml schema is built from it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "config/config.h"

#include <string.h>

#define AT(field)    offsetof(struct config, field)
#define SIZE(field)  sizeof(((struct config *)0)->field)
#define COUNT(field) (SIZE(field) / SIZE(field[0]))

#define RESTART false
#define RELOAD  true

#define UINT(path, field, preset, lo, hi, unit, reload, text)                                                \
    {                                                                                                        \
        path, KEY_UINT, reload, unit, preset, AT(field), SIZE(field), 0, 0, lo, hi, NULL, text               \
    }
#define BOOL(path, field, preset, reload, text)                                                              \
    {                                                                                                        \
        path, KEY_BOOL, reload, "", preset, AT(field), SIZE(field), 0, 0, 0, 1, NULL, text                   \
    }
#define CHOICE(path, field, preset, choices, reload, text)                                                   \
    {                                                                                                        \
        path, KEY_CHOICE, reload, "", preset, AT(field), SIZE(field), 0, 0, 0, 0, choices, text              \
    }
#define STRING(path, field, preset, unit, reload, text)                                                      \
    {                                                                                                        \
        path, KEY_STRING, reload, unit, preset, AT(field), SIZE(field), 0, 0, 0, 0, NULL, text               \
    }
#define ADDRESS(path, field, preset, reload, text)                                                           \
    {                                                                                                        \
        path, KEY_ADDRESS, reload, "address", preset, AT(field), SIZE(field), 0, 0, 0, 0, NULL, text         \
    }
#define LIST(path, type, field, count, preset, lo, hi, choices, unit, reload, text)                          \
    {                                                                                                        \
        path, type, reload, unit, preset, AT(field), SIZE(field[0]), AT(count), COUNT(field), lo, hi,        \
            choices, text                                                                                    \
    }

static const struct key_choice idle[] = {{"spin", IDLE_SPIN}, {"adaptive", IDLE_ADAPTIVE}, {NULL, 0}};
static const struct key_choice crypto[] = {
    {"auto", CRYPTO_AUTO}, {"ipsec-mb", CRYPTO_IPSEC_MB}, {"openssl", CRYPTO_OPENSSL}, {NULL, 0}};
static const struct key_choice profile[] = {{"afxdp", PROFILE_AFXDP},
                                            {"memif", PROFILE_MEMIF},
                                            {"pci", PROFILE_PCI},
                                            {"virtual", PROFILE_VIRTUAL},
                                            {NULL, 0}};
static const struct key_choice role[] = {{"server", MEMIF_SERVER}, {"client", MEMIF_CLIENT}, {NULL, 0}};
static const struct key_choice versions[] = {{"1.2", TLS_VERSION_12}, {"1.3", TLS_VERSION_13}, {NULL, 0}};
static const struct key_choice hugepages[] = {{"auto", HUGEPAGES_AUTO}, {"off", HUGEPAGES_OFF}, {NULL, 0}};
static const struct key_choice congestion[] = {
    {"cubic", CONGESTION_CUBIC}, {"newreno", CONGESTION_NEWRENO}, {NULL, 0}};
static const struct key_choice modes[] = {{"aead_aes256_gcm_rtpsize", VOICE_AES256_GCM_RTPSIZE},
                                          {"aead_xchacha20_poly1305_rtpsize", VOICE_XCHACHA20_RTPSIZE},
                                          {"xsalsa20_poly1305", VOICE_XSALSA20},
                                          {NULL, 0}};
static const struct key_choice levels[] = {
    {"error", LOG_ERROR}, {"warning", LOG_WARNING}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}, {NULL, 0}};

const struct config_key config_keys[] = {
    STRING("pop.name", pop.name, "pop", "", RESTART,
           "Name of this point of presence, for logs and the NOC page."),
    STRING("pop.region", pop.region, "lab", "", RESTART, "Voice region that clients are told."),
    LIST("pop.addresses", KEY_ADDRESSES, pop.addresses, pop.address_count, "[]", 0, 0, NULL, "address[/bits]",
         RESTART,
         "Addresses the POP serves, IPv4 and IPv6; /bits is the link's prefix (24 and 64 unless given). They "
         "must stand on no kernel interface."),
    STRING("pop.run_directory", pop.run_directory, "run", "path", RESTART,
           "Region, pid files and sockets; other relative paths start here."),

    STRING("tls.certificate", tls.certificate, "cert.pem", "path", RELOAD,
           "Certificate chain, PEM, shown to clients that name no other; empty: the first of "
           "tls.certificates. A reload "
           "also reads files anew that have changed."),
    STRING("tls.key", tls.key, "key.pem", "path", RELOAD,
           "Its private key, PEM: ECDSA P-256, or RSA of 2048 to 4096 bits."),
    LIST("tls.certificates", KEY_CERTIFICATES, tls.certificates, tls.certificate_count, "[]", 0, 0, NULL, "",
         RELOAD,
         "More of them: {certificate, key}. A client is shown the one whose DNS names, wildcards too, match "
         "the name "
         "that it asks for."),
    CHOICE("tls.version_min", tls.version_min, "\"1.2\"", versions, RELOAD,
           "The oldest version spoken; 1.2 with ECDHE and AEAD suites alone."),
    UINT("tls.ticket_lifetime_s", tls.ticket_lifetime_s, "43200", 60, 604800, "s", RELOAD,
         "How long a session ticket is good, and how often the key changes that seals them."),
    UINT("tls.port", tls.port, "443", 1, 65535, "TCP port", RESTART,
         "Port of API, gateway and voice gateway."),
    UINT("tls.handshake_threads", tls.handshake_threads, "1", 1, 16, "threads", RESTART,
         "Helper threads that shake hands, apart from the workers."),
    UINT("tls.handshake_timeout_s", tls.handshake_timeout_s, "10", 1, 120, "s", RESTART,
         "A connection without a whole TLS record by then is refused; one that sent its first has three "
         "times as long to shake hands."),
    UINT("tls.half_open_max", tls.half_open_max, "4096", 1, 1u << 19, "connections per worker", RESTART,
         "Connections in a TLS handshake at a time; a SYN above it is left unanswered, and comes again."),

    CHOICE("tcp.congestion", tcp.congestion, "cubic", congestion, RESTART,
           "Congestion control: cubic (RFC 9438) or newreno (RFC 6582)."),
    UINT("tcp.keepalive_s", tcp.keepalive_s, "0", 0, 86400, "s", RESTART,
         "A connection silent for so long is probed; 0: never, for heartbeats do it."),
    UINT("tcp.keepalive_interval_s", tcp.keepalive_interval_s, "75", 1, 3600, "s", RESTART,
         "Time between probes that nobody answers."),
    UINT("tcp.keepalive_probes", tcp.keepalive_probes, "9", 1, 100, "probes", RESTART,
         "Probes without an answer after which the connection is given up."),

    UINT("dataplane.workers", dataplane.workers, "1", 1, WORKERS_MAX, "workers", RESTART,
         "Poll loops; each has a core and a voice port of its own."),
    LIST("dataplane.cores", KEY_UINTS, dataplane.cores, dataplane.core_count, "[]", 0, 1023, NULL, "CPU",
         RESTART, "CPU of each worker, in order; empty: worker k on CPU k. Workers may share one."),
    CHOICE("dataplane.idle", dataplane.idle, "adaptive", idle, RESTART,
           "What a worker without packets does: polls on, or sleeps for growing, bounded times."),
    STRING("dataplane.netns", dataplane.netns, "\"\"", "name", RESTART,
           "Network namespace that the dataplane starts in; empty: the supervisor's."),
    CHOICE("dataplane.crypto", dataplane.crypto, "auto", crypto, RESTART,
           "Who seals and opens; auto: ipsec-mb where the CPU has AES instructions."),
    CHOICE("dataplane.port.profile", dataplane.port.profile, "afxdp", profile, RESTART,
           "What packets come through; virtual: memory only, for tests."),
    LIST("dataplane.port.interfaces", KEY_STRINGS, dataplane.port.interfaces, dataplane.port.interface_count,
         "[]", 0, 0, NULL, "name", RESTART,
         "afxdp: interfaces served; one with a queue per worker, or one interface a worker."),
    STRING("dataplane.port.memif_socket", dataplane.port.memif_socket, "memif.sock", "path", RESTART,
           "memif: socket that both ends meet at."),
    CHOICE("dataplane.port.memif_role", dataplane.port.memif_role, "server", role, RESTART,
           "memif: who listens on the socket."),
    LIST("dataplane.port.pci_devices", KEY_STRINGS, dataplane.port.pci_devices,
         dataplane.port.pci_device_count, "[]", 0, 0, NULL, "PCI address", RESTART,
         "pci: devices served, such as 0000:3b:00.0."),
    STRING("dataplane.port.vdev", dataplane.port.vdev, "\"\"", "DPDK device", RESTART,
           "pci: a DPDK virtual device in place of a real one, such as net_tap0,iface=vx0."),
    STRING("dataplane.port.xdp_program", dataplane.port.xdp_program, "\"\"", "path", RESTART,
           "afxdp: the steering program; empty: steer.bpf.o next to voxpop-dataplane."),
    UINT("dataplane.port.mtu", dataplane.port.mtu, "1500", 1280, 9000, "bytes", RESTART,
         "Largest IP packet sent and received."),
    UINT("dataplane.port.queue_size", dataplane.port.queue_size, "2048", 64, 32768, "descriptors", RESTART,
         "Length of each receive and transmit queue, a power of two."),
    UINT("dataplane.port.packets", dataplane.port.packets, "16384", 1024, 1u << 22, "packets", RESTART,
         "Packet buffers of each port."),
    CHOICE("dataplane.hugepages", dataplane.hugepages, "auto", hugepages, RESTART,
           "auto: hugepages where enough are free, ordinary memory otherwise."),
    UINT("dataplane.memory_mb", dataplane.memory_mb, "0", 0, 1u << 20, "MiB", RESTART,
         "Packet and driver memory; 0: what dataplane.port.packets needs."),

    UINT("voice.port_base", voice.port_base, "50000", 1024, 65535, "UDP port", RESTART,
         "Voice port of worker 0; worker k has the k-th after it."),
    LIST("voice.modes", KEY_CHOICES, voice.modes, voice.mode_count,
         "[aead_aes256_gcm_rtpsize, aead_xchacha20_poly1305_rtpsize]", 0, 0, modes, "", RESTART,
         "Encryption modes, in the order they are offered; xsalsa20_poly1305 is for old clients (eris 0.18)."),
    UINT("voice.packets_per_second_max", voice.packets_per_second_max, "1000", 1, 100000, "packets/s", RESTART,
         "What one member may send; more is dropped and counted."),
    UINT("voice.speakers_max", voice.speakers_max, "25", 1, 64, "speakers", RESTART,
         "Of one room heard at a time, the loudest; others are dropped and counted."),
    UINT("voice.members_per_core", voice.members_per_core, "5000", 2, 1u << 20, "members", RESTART,
         "A room with more is split over several workers, where there are several."),
    UINT("voice.iteration_budget_us", voice.iteration_budget_us, "50", 1, 100000, "us", RESTART,
         "A poll iteration that forwards voice and takes longer is counted."),
    UINT("voice.heartbeat_interval_ms", voice.heartbeat_interval_ms, "13750", 1000, 600000, "ms", RESTART,
         "Heartbeat interval that voice clients are told."),
    STRING("voice.endpoint", voice.endpoint, "\"\"", "host[:port]", RESTART,
           "Voice gateway that clients are told; empty: the first address and tls.port."),

    UINT("gateway.heartbeat_interval_ms", gateway.heartbeat_interval_ms, "41250", 1000, 600000, "ms", RESTART,
         "Heartbeat interval that clients are told; one silent for 1.5 intervals is closed."),
    UINT("gateway.payload_max", gateway.payload_max, "4096", 512, 65536, "bytes", RESTART,
         "Longest payload of a client; a longer one closes with 4002."),
    UINT("gateway.resume_window_s", gateway.resume_window_s, "300", 1, 86400, "s", RELOAD,
         "How long a session outlives its connection."),
    UINT("gateway.identify_timeout_s", gateway.identify_timeout_s, "30", 1, 600, "s", RELOAD,
         "A connection that has not identified by then is closed."),
    UINT("gateway.payloads_per_minute", gateway.payloads_per_minute, "120", 1, 1000000, "payloads/min",
         RELOAD, "What one session may send; more closes with 4008."),
    UINT("gateway.max_concurrency", gateway.max_concurrency, "16", 0, 1000000, "identifies/5 s", RELOAD,
         "How many sessions an account may start within 5 s; more are told op 9. 0: any number."),
    UINT("gateway.identifies_per_day", gateway.identifies_per_day, "10000", 0, 100000000, "identifies/day",
         RELOAD, "How many sessions an account may start within 24 h; more are told op 9. 0: any number."),
    UINT("gateway.identifies_per_second", gateway.identifies_per_second, "1000", 0, 1000000, "identifies/s", RELOAD,
         "How many sessions may begin within a second, of all accounts; more are told to come again later. 0: any number."),
    UINT("gateway.resumes_per_second", gateway.resumes_per_second, "10000", 0, 1000000, "resumes/s", RELOAD,
         "How many sessions are resumed within a second; two seconds' worth wait, more are told to come again later. 0: any number."),
    STRING("gateway.url", gateway.url, "\"\"", "URL", RESTART,
           "Gateway that clients are told; empty: wss:// and the first address."),

    UINT("http.head_timeout_s", http.head_timeout_s, "10", 1, 600, "s", RESTART,
         "Time for a request to be complete, once its first byte is there."),
    UINT("http.idle_timeout_s", http.idle_timeout_s, "60", 1, 3600, "s", RESTART,
         "A connection without a request is closed after this time."),
    UINT("http.answer_timeout_s", http.answer_timeout_s, "30", 1, 3600, "s", RESTART,
         "Time for the control plane to answer a request; later, it is answered 504."),
    UINT("http.reader_timeout_s", http.reader_timeout_s, "10", 1, 600, "s", RESTART,
         "A reader, of HTTP or WebSocket, whose window is closed must take 4 KiB in this time, or all there is."),
    UINT("http.body_max", http.body_max, "262144", 1024, 1u << 20, "bytes", RESTART,
         "Longest request body; a longer one is answered 413."),
    UINT("http.upload_max", http.upload_max, "8388608", 1024, 64u << 20, "bytes", RESTART,
         "Longest request body with files, of somebody with a token. Half of limits.blocks (2 KiB each) holds what is "
         "on its way."),

    BOOL("echo.enabled", echo.enabled, "true", RESTART, "Serve the WebSocket conformance echo."),
    STRING("echo.path", echo.path, "/echo", "path", RESTART, "Its path."),

    STRING("control.store", control.store, "voxpop.db", "path", RESTART, "The SQLite file."),
    STRING("control.socket", control.socket, "control.sock", "path", RESTART,
           "Unix socket of the operator's tool."),
    UINT("control.rest_requests_per_second", control.rest_requests_per_second, "50", 1, 1000000, "requests/s",
         RELOAD, "REST requests of one account over all routes; more is answered 429."),
    UINT("control.rest_invalid_per_minute", control.rest_invalid_per_minute, "1000", 1, 1000000,
         "answers/min", RELOAD, "Answers 401, 403 and 429 to one address before it is refused for a while."),
    UINT("control.store_queue_max", control.store_queue_max, "4096", 16, 1u << 20, "operations", RESTART,
         "Operations that wait for the disk; more is answered 503."),

    ADDRESS("management.address", management.address, "127.0.0.1", RESTART,
            "Address of the NOC page and the metrics, on kernel sockets."),
    UINT("management.port", management.port, "9090", 0, 65535, "TCP port", RESTART,
         "Its port; 0: not served."),

    LIST("routes.static", KEY_ROUTES, routes.list, routes.count, "[]", 0, 0, NULL, "", RELOAD,
         "Routes: {prefix, via, port}; without via the prefix is on the link, port is the port's index."),
    ADDRESS("routes.gateway4", routes.gateway4, "\"\"", RELOAD, "IPv4 default gateway; empty: none."),
    ADDRESS("routes.gateway6", routes.gateway6, "\"\"", RELOAD, "IPv6 default gateway; empty: none."),

    STRING("supervise.dataplane", supervise.dataplane, "\"\"", "path", RESTART,
           "Program of the dataplane; empty: found next to voxpop."),
    STRING("supervise.controlplane", supervise.controlplane, "\"\"", "path", RESTART,
           "Program of the control plane; empty: found next to voxpop."),
    UINT("supervise.pause_min_ms", supervise.pause_min_ms, "100", 1, 60000, "ms", RESTART,
         "Pause before the second restart in a row (the first is at once); doubles with each one."),
    UINT("supervise.pause_max_ms", supervise.pause_max_ms, "5000", 1, 600000, "ms", RESTART,
         "The longest pause."),
    UINT("supervise.stable_s", supervise.stable_s, "1", 1, 3600, "s", RESTART,
         "A process that lived this long is restarted at once again."),
    UINT("supervise.stop_timeout_s", supervise.stop_timeout_s, "10", 1, 600, "s", RESTART,
         "How long a process may take to end before it is killed."),

    UINT("limits.connections", limits.connections, "8192", 16, 1u << 22, "per worker", RESTART,
         "TCP connections; a SYN above it is refused."),
    UINT("limits.blocks", limits.blocks, "16384", 256, 1u << 24, "2 KiB blocks per worker", RESTART,
         "Memory of unfinished requests and private answers."),
    UINT("limits.descriptors", limits.descriptors, "131072", 1024, 1u << 26, "records per worker", RESTART,
         "TLS records in flight; more is sent later."),
    UINT("limits.items", limits.items, "32768", 256, 1u << 24, "messages per worker", RESTART,
         "Private messages that wait or are in flight."),
    UINT("limits.chunks", limits.chunks, "65536", 256, 1u << 26, "64-byte chunks per worker", RESTART,
         "Queues of event references, 15 a chunk."),
    UINT("limits.topic_chunks", limits.topic_chunks, "8192", 64, 1u << 24, "256-byte chunks per worker",
         RESTART, "Subscriptions, 15 a chunk."),
    UINT("limits.rooms", limits.rooms, "1024", 1, 1u << 20, "per worker", RESTART, "Voice rooms."),
    UINT("limits.members", limits.members, "8192", 1, 1u << 22, "per worker", RESTART,
         "Members of voice rooms."),
    UINT("limits.sessions", limits.sessions, "16384", 16, 1u << 24, "of the box", RESTART,
         "Gateway and voice sessions, those that may resume included."),
    UINT("limits.topics", limits.topics, "16384", 16, 1u << 22, "of the box", RESTART,
         "Guilds and users that events are addressed to."),
    UINT("limits.control_blocks", limits.control_blocks, "16384", 256, 1u << 24, "2 KiB blocks", RESTART,
         "The control plane's memory that outlives it, such as activities."),
    UINT("limits.log_segments", limits.log_segments, "64", 2, 65536, "segments of 1 MiB", RESTART,
         "Length of the event log, a power of two: how far back a resume can reach."),
    UINT("limits.ring_bytes", limits.ring_bytes, "4194304", 1u << 20, 1u << 30, "bytes", RESTART,
         "Each of the three rings between a worker and the control plane, a power of two."),
    UINT("limits.capture_bytes", limits.capture_bytes, "8388608", 1u << 16, 1u << 30, "bytes per worker",
         RESTART, "Ring of captured packets, a power of two."),
    UINT("limits.undo_bytes", limits.undo_bytes, "4194304", 131072, 1u << 28, "bytes per worker", RESTART,
         "Undo log of one burst."),

    CHOICE("log.level", log.level, "info", levels, RELOAD, "The least important lines that are written."),
    UINT("log.lines_per_second", log.lines_per_second, "20", 1, 100000, "lines/s", RELOAD,
         "Lines of one kind; those left out are counted in the next."),
};

const size_t config_key_count = sizeof config_keys / sizeof *config_keys;

static void choice_names(const struct config_key *k, char *out, size_t size)
{
    size_t used = 0;
    for (const struct key_choice *c = k->choices; c->name && used < size; c++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", c == k->choices ? "" : ", ", c->name);
}

void config_key_allowed(const struct config_key *k, char *out, size_t size)
{
    char names[160] = "";
    if (k->choices)
        choice_names(k, names, sizeof names);
    switch (k->type) {
    case KEY_UINT:
        snprintf(out, size, "a number from %llu to %llu", (unsigned long long)k->min,
                 (unsigned long long)k->max);
        return;
    case KEY_BOOL:
        snprintf(out, size, "true or false");
        return;
    case KEY_CHOICE:
        snprintf(out, size, "one of %s", names);
        return;
    case KEY_STRING:
        snprintf(out, size, "a string of at most %u bytes", k->size - 1);
        return;
    case KEY_ADDRESS:
        snprintf(out, size, "an IPv4 or IPv6 address");
        return;
    case KEY_UINTS:
        snprintf(out, size, "a list of at most %u numbers from %llu to %llu", k->max_count,
                 (unsigned long long)k->min, (unsigned long long)k->max);
        return;
    case KEY_CHOICES:
        snprintf(out, size, "a list of at most %u of %s, each once", k->max_count, names);
        return;
    case KEY_STRINGS:
        snprintf(out, size, "a list of at most %u strings of at most %u bytes", k->max_count, k->size - 1);
        return;
    case KEY_ADDRESSES:
        snprintf(out, size, "a list of at most %u IPv4 or IPv6 addresses, each with or without /bits",
                 k->max_count);
        return;
    case KEY_ROUTES:
        snprintf(out, size, "a list of at most %u routes {prefix: PREFIX/BITS, via: ADDRESS, port: 0 to 63}",
                 k->max_count);
        return;
    case KEY_CERTIFICATES:
        snprintf(out, size, "a list of at most %u certificates {certificate: PATH, key: PATH}", k->max_count);
        return;
    }
}
