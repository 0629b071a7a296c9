/*
 * The configuration: one YAML file for the supervisor, both processes and the operator's tool.
 *
 * Owns: `struct config`, the table of all keys (keys.c: type, unit, default, range, whether a reload is
 * enough, text), and the loader. Refuses: unknown keys, keys given twice, values of another type or out of
 * range, aliases, and settings that contradict one another; every refusal is a line of its own that names
 * line, key, and what is allowed. Values are not looked up anywhere else: what `voxpop config defaults`
 * prints is this table.
 *
 * `struct config` holds no pointers: it is copied and thrown away freely.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CONFIG_H
#define VOXPOP_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "config/log.h"
#include "layout.h"

#define CONFIG_PATH_MAX       256
#define CONFIG_NAME_MAX       64
#define CONFIG_ADDRESSES_MAX  16
#define CONFIG_INTERFACES_MAX 32
#define CONFIG_ROUTES_MAX     256
#define CONFIG_MODES_MAX      3
#define CONFIG_CERTIFICATES_MAX 63
#define CONFIG_WHY_MAX        4096     /* bytes of error lines */
#define CONFIG_REGION_FILE    "region" /* in the run directory */

enum config_idle { IDLE_SPIN, IDLE_ADAPTIVE };
enum config_crypto { CRYPTO_AUTO, CRYPTO_IPSEC_MB, CRYPTO_OPENSSL };
enum config_profile { PROFILE_AFXDP, PROFILE_MEMIF, PROFILE_PCI, PROFILE_VIRTUAL };
enum config_memif_role { MEMIF_SERVER, MEMIF_CLIENT };
enum config_tls_version { TLS_VERSION_12, TLS_VERSION_13 };
enum config_hugepages { HUGEPAGES_AUTO, HUGEPAGES_OFF };
enum config_congestion { CONGESTION_CUBIC, CONGESTION_NEWRENO };

struct config_address {
    char text[CONFIG_NAME_MAX]; /* as written: 198.18.0.1, or 198.18.0.1/24 */
};

struct config_interface {
    char name[CONFIG_NAME_MAX];
};

struct config_route {
    char prefix[CONFIG_NAME_MAX];
    char via[CONFIG_NAME_MAX]; /* "": on the link */
    uint32_t port;             /* index of the port it leaves by */
};

struct config_pop {
    char name[CONFIG_NAME_MAX];
    char region[CONFIG_NAME_MAX];
    char run_directory[CONFIG_PATH_MAX];
    struct config_address addresses[CONFIG_ADDRESSES_MAX];
    uint32_t address_count;
};

struct config_certificate {
    char certificate[CONFIG_PATH_MAX];
    char key[CONFIG_PATH_MAX];
};

struct config_tls {
    char certificate[CONFIG_PATH_MAX]; /* "": only those of the list */
    char key[CONFIG_PATH_MAX];
    struct config_certificate certificates[CONFIG_CERTIFICATES_MAX]; /* behind it */
    uint32_t certificate_count;
    uint32_t version_min; /* enum config_tls_version */
    uint32_t ticket_lifetime_s;
    uint32_t port;
    uint32_t handshake_threads;
    uint32_t handshake_timeout_s;
    uint32_t half_open_max; /* per worker */
};

struct config_tcp {
    uint32_t congestion;  /* enum config_congestion */
    uint32_t keepalive_s; /* 0: off */
    uint32_t keepalive_interval_s;
    uint32_t keepalive_probes;
};

struct config_port {
    uint32_t profile; /* enum config_profile */
    struct config_interface interfaces[CONFIG_INTERFACES_MAX];
    uint32_t interface_count;
    char memif_socket[CONFIG_PATH_MAX];
    uint32_t memif_role; /* enum config_memif_role */
    struct config_interface pci_devices[CONFIG_INTERFACES_MAX];
    uint32_t pci_device_count;
    char vdev[CONFIG_PATH_MAX];
    char xdp_program[CONFIG_PATH_MAX]; /* "": steer.bpf.o next to voxpop-dataplane */
    uint32_t mtu;                      /* bytes of IP packet */
    uint32_t queue_size;               /* descriptors */
    uint32_t packets;                  /* buffers per port */
};

struct config_dataplane {
    uint32_t workers;
    uint32_t cores[WORKERS_MAX];
    uint32_t core_count;
    uint32_t idle; /* enum config_idle */
    char netns[CONFIG_NAME_MAX];
    uint32_t crypto; /* enum config_crypto */
    struct config_port port;
    uint32_t hugepages; /* enum config_tls_version { TLS_VERSION_12, TLS_VERSION_13 };
enum config_hugepages */
    uint32_t memory_mb;
};

struct config_voice {
    uint32_t port_base;
    uint32_t modes[CONFIG_MODES_MAX]; /* enum voice_mode, in the order offered */
    uint32_t mode_count;
    uint32_t packets_per_second_max;
    uint32_t speakers_max;
    uint32_t members_per_core;
    uint32_t iteration_budget_us;
    uint32_t heartbeat_interval_ms;
    char endpoint[CONFIG_NAME_MAX]; /* "": first address and tls.port */
};

struct config_gateway {
    uint32_t heartbeat_interval_ms;
    uint32_t payload_max; /* bytes */
    uint32_t resume_window_s;
    uint32_t identify_timeout_s;
    uint32_t payloads_per_minute;
    uint32_t max_concurrency, identifies_per_day; /* 0: not limited */
    uint32_t identifies_per_second, resumes_per_second; /* of all; 0: not limited */
    char url[CONFIG_PATH_MAX];                    /* "": wss:// and first address */
};

struct config_limits {
    uint32_t connections, blocks, descriptors, items, chunks, topic_chunks, rooms, members; /* per worker */
    uint32_t sessions, topics, control_blocks, log_segments;                                /* of the box */
    uint32_t ring_bytes, capture_bytes, undo_bytes;                                         /* per worker */
};

struct config_http {
    uint32_t head_timeout_s;
    uint32_t idle_timeout_s;
    uint32_t answer_timeout_s;
    uint32_t reader_timeout_s;
    uint32_t body_max; /* bytes */
    uint32_t upload_max; /* bytes */
};

struct config_echo {
    bool enabled;
    char path[CONFIG_NAME_MAX];
};

struct config_control {
    char store[CONFIG_PATH_MAX];
    char socket[CONFIG_PATH_MAX];
    uint32_t rest_requests_per_second; /* per account */
    uint32_t rest_invalid_per_minute;  /* per address: answers 401, 403 and 429 */
    uint32_t store_queue_max;          /* operations */
};

struct config_management {
    char address[CONFIG_NAME_MAX];
    uint32_t port;
};

struct config_routes {
    struct config_route list[CONFIG_ROUTES_MAX];
    uint32_t count;
    char gateway4[CONFIG_NAME_MAX]; /* "": none */
    char gateway6[CONFIG_NAME_MAX];
};

struct config_supervise {
    char dataplane[CONFIG_PATH_MAX]; /* "": found next to voxpop */
    char controlplane[CONFIG_PATH_MAX];
    uint32_t pause_min_ms;
    uint32_t pause_max_ms;
    uint32_t stable_s;
    uint32_t stop_timeout_s;
};

struct config_log {
    uint32_t level;            /* enum log_level */
    uint32_t lines_per_second; /* per kind of event */
};

struct config {
    struct config_pop pop;
    struct config_tls tls;
    struct config_tcp tcp;
    struct config_dataplane dataplane;
    struct config_voice voice;
    struct config_gateway gateway;
    struct config_http http;
    struct config_echo echo;
    struct config_control control;
    struct config_management management;
    struct config_routes routes;
    struct config_supervise supervise;
    struct config_limits limits;
    struct config_log log;
};

/* Every key at its default. */
void config_defaults(struct config *c);

/*
 * Reads a file over the defaults. False: nothing usable in `c`, and in `why` one line for each mistake found:
 * "FILE:LINE: KEY: what is wrong; what is allowed".
 */
bool config_load(struct config *c, const char *file, char why[CONFIG_WHY_MAX]);

/* The same from memory; `name` stands for the file in messages. */
bool config_parse(struct config *c, const char *name, const char *text, size_t length,
                  char why[CONFIG_WHY_MAX]);

/* How large the region is to be. */
void config_geometry(const struct config *c, struct region_geometry *g);

/* A path of the configuration: absolute as it stands, else under pop.run_directory. False: too long. */
bool config_path(const struct config *c, const char *path, char *out, size_t size);

/*
 * An address, with or without "/bits", as 16 bytes (IPv4 as ::ffff:a.b.c.d). *bits counts over all 128, so
 * that IPv4 /24 is 120; without "/bits" it is the link's usual: 24 for IPv4, 64 for IPv6.
 */
bool config_address(const char *text, uint8_t address[16], unsigned *bits);

/* A prefix; without "/bits" a host. Bits behind the prefix must be 0. */
bool config_prefix(const char *text, uint8_t prefix[16], unsigned *bits);

/* A single address, and nothing behind it. */
bool config_host(const char *text, uint8_t address[16]);

/* CPU of worker `k`: dataplane.cores, or k. */
uint32_t config_core(const struct config *c, uint32_t k);

/* ---- the table of keys, for those who print it ---- */

enum key_type {
    KEY_UINT,
    KEY_BOOL,
    KEY_CHOICE,
    KEY_STRING,
    KEY_ADDRESS, /* a string that is an IPv4 or IPv6 address */
    KEY_UINTS,   /* lists */
    KEY_CHOICES,
    KEY_STRINGS,
    KEY_ADDRESSES,
    KEY_ROUTES,      /* list of {prefix, via, port} */
    KEY_CERTIFICATES /* list of {certificate, key} */
};

struct key_choice {
    const char *name;
    int64_t value;
};

struct config_key {
    const char *path; /* section.key */
    enum key_type type;
    bool reload;                      /* SIGHUP is enough */
    const char *unit;                 /* "": none */
    const char *preset;               /* the default, as YAML */
    uint32_t offset;                  /* of the field in struct config */
    uint32_t size;                    /* of the field, or of one entry of a list */
    uint32_t count_at;                /* lists: offset of the count */
    uint32_t max_count;               /* lists: most entries */
    uint64_t min, max;                /* numbers */
    const struct key_choice *choices; /* ended by a NULL name */
    const char *text;                 /* one sentence */
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* What a key takes, in words: "a number from 1 to 65535", "one of spin, adaptive". */
void config_key_allowed(const struct config_key *k, char *out, size_t size);

#endif
