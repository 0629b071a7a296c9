/*
 * The made-up box; see fake_box.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fake_box.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

const struct region_geometry fake_geometry = {
    .workers = 2,
    .connections = 16,
    .blocks = 64,
    .descriptors = 64,
    .items = 64,
    .chunks = 64,
    .topic_chunks = 16,
    .rooms = 4,
    .members = 8,
    .sessions = 16,
    .topics = 16,
    .control_blocks = 16,
    .log_segments = 2,
    .ring_bytes = 1 << 20,
    .capture_bytes = 1 << 16,
    .undo_bytes = 1 << 16,
};

static void fake_port(struct region *r, uint32_t k)
{
    static const uint8_t mac[2][6] = {{2, 0x76, 0x6f, 0x78, 0, 0}, {2, 0x76, 0x6f, 0x78, 0, 1}};
    struct worker_area *a = region_part(r, k, PART_AREA);
    memcpy(a->port_mac, mac[k], 6);
    snprintf(a->port_name, sizeof a->port_name, "vxp%u", k);
    a->core = k;
    a->port_link = k == 0;
    a->port_mtu = 1500;
    a->port_rx_packets = 1000 + k;
    a->port_tx_packets = 2000 + k;
    a->port_rx_bytes = 100000 + k;
    a->port_tx_bytes = 200000 + k;
    a->port_rx_missed = 3;
    a->port_tx_full = 4;
    a->port_steered = 999;
    a->port_passed = 7;
    a->connections_open = 2 - k;
    a->handshakes = k;
}

static void fake_counters(struct region *r, uint32_t k)
{
    struct counters *c = region_part(r, k, PART_COUNTERS);
    c->count[COUNT_rx_packets] = 900 + k;
    c->count[COUNT_tx_packets] = 1900 + k;
    c->count[COUNT_busy_cycles] = 250;
    c->count[COUNT_idle_cycles] = k ? 250 : 750;
    c->drop[DROP_TCP_CHECKSUM] = 5 + k;
    c->drop[DROP_ETH_SHORT] = 1;
}

static struct connection *fake_connection(struct region *r, uint32_t k, uint8_t kind, uint32_t session,
                                          uint8_t last)
{
    uint32_t i = pool_get(region_part(r, k, PART_CONNECTIONS), NULL);
    struct connection *c = connection_at(r, k, i);
    *c =
        (struct connection){.generation = 1, .kind = kind, .session = session, .version = 10, .opened_us = 1};
    c->tcp = (struct tcp_conn){.state = TCP_ESTABLISHED,
                               .srtt_us = 1500,
                               .rttvar_us = 200,
                               .cwnd = 14480,
                               .ssthresh = 65535,
                               .snd_wnd = 64240,
                               .mss = 1448,
                               .snd_una_pos = 5000,
                               .snd_end = 5100};
    c->tcp.tuple.local_port = 443;
    c->tcp.tuple.remote_port = (uint16_t)(40000 + last);
    memcpy(c->tcp.tuple.local, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x12\x00\x01", 16);
    memcpy(c->tcp.tuple.remote, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x12\x00", 15);
    c->tcp.tuple.remote[15] = last;
    c->tls =
        (struct tls_conn){.state = TLS_CONN_OPEN, .suite = 0x1301, .read_record = 11, .write_record = 22};
    memset(c->tls.read_secret, 0x5e, sizeof c->tls.read_secret);
    memset(c->tls.write_secret, 0x5e, sizeof c->tls.write_secret);
    c->rx_packets = 40;
    c->tx_packets = 50;
    return c;
}

static struct session_control *fake_session(struct region *r, uint8_t kind, uint64_t user, uint32_t worker)
{
    uint32_t i = pool_get(region_section(r, SECTION_SESSIONS_CONTROL), NULL);
    struct session_control *c = session_control_at(r, i);
    *c = (struct session_control){.kind = kind,
                                  .generation = 1,
                                  .worker = (uint8_t)worker,
                                  .protocol = kind == SESSION_VOICE ? 8 : 10,
                                  .user_id = user,
                                  .peer = UINT32_MAX,
                                  .member = UINT32_MAX,
                                  .room = UINT32_MAX,
                                  .status = 1};
    memset(c->id, 0xa0 + (int)i, sizeof c->id);
    memset(c->key, 0x5e, sizeof c->key);
    memset(c->voice_token, 0x5e, sizeof c->voice_token);
    *session_at(r, i) = (struct session){.kind = kind,
                                         .generation = 1,
                                         .user_id = user,
                                         .connection = UINT32_MAX,
                                         .seq_first = 3,
                                         .seq_acked = 8,
                                         .seq_sent = 9,
                                         .seq_last = 10,
                                         .events_sent = 9};
    return c;
}

static struct voice_member *fake_member(struct region *r, uint64_t user, uint32_t session, uint32_t next)
{
    uint32_t i = pool_get(region_part(r, 0, PART_MEMBERS), NULL);
    struct voice_member *m = member_at(r, i);
    *m = (struct voice_member){.link = next,
                               .generation = 1,
                               .room = 0,
                               .user_id = user,
                               .session = session,
                               .mode = VOICE_AES256_GCM_RTPSIZE,
                               .address = ADDRESS_BOUND,
                               .ssrc = 5000 + i,
                               .peer_port = 50555,
                               .rx_packets = 1000,
                               .tx_packets = 2000,
                               .rx_dropped = 1};
    memcpy(m->peer_ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x12\x00\x07", 16);
    memset(m->key, 0x5e, sizeof m->key);
    m->stream[STREAM_AUDIO] =
        (struct stream){.ssrc = 5000 + i, .packets = 998, .lost = 2, .jitter = 160 * 16, .seq_last = 77};
    return m;
}

static void fake_sessions(struct region *r)
{
    struct session_control *first = fake_session(r, SESSION_GATEWAY, 1001, 0);
    struct session_control *second = fake_session(r, SESSION_GATEWAY, 1002, 1);
    struct session_control *voice = fake_session(r, SESSION_VOICE, 1001, 0);
    fake_connection(r, 0, CONNECTION_GATEWAY, 0, 7);
    fake_connection(r, 0, CONNECTION_VOICE, 2, 7);
    fake_connection(r, 1, CONNECTION_HANDSHAKE, UINT32_MAX, 9)->tls.state = TLS_CONN_HANDSHAKE;
    first->connection = connection_handle(0, 1);
    session_at(r, 0)->connection = 0;
    first->guild_id = 77;
    first->channel_id = 78;
    first->peer = 2;
    second->away_since_ms = 1;
    voice->connection = connection_handle(1, 1);
    voice->guild_id = 77;
    voice->channel_id = 78;
    voice->mode = VOICE_AES256_GCM_RTPSIZE;
    voice->ready = 1;
    voice->peer = 0;
    uint32_t room = pool_get(region_part(r, 0, PART_ROOMS), NULL);
    struct room *at = pool_at(region_part(r, 0, PART_ROOMS), room);
    *at = (struct room){.generation = 1,
                        .channel_id = 78,
                        .guild_id = 77,
                        .head = 0,
                        .count = 2,
                        .packets_in = 2000,
                        .packets_out = 2000,
                        .opened_us = 1};
    fake_member(r, 1001, 2, 1);
    fake_member(r, 1003, UINT32_MAX, MEMBER_NONE);
    voice->member = 0;
    voice->room = 0;
    voice->ssrc = 5000;
}

void fake_box(struct region *r, uint32_t pid)
{
    uint8_t boot_id[16];
    uint64_t size = region_bytes(&fake_geometry);
    void *memory = aligned_alloc(4096, size);
    bool known = region_boot_id(boot_id);
    assert(memory && known);
    (void)known;
    memset(memory, 0, size);
    region_format(r, memory, &fake_geometry, boot_id);
    for (uint32_t k = 0; k < fake_geometry.workers; k++) {
        fake_port(r, k);
        fake_counters(r, k);
    }
    struct counters *control = region_section(r, SECTION_CONTROL_COUNTERS);
    control->drop[DROP_REST_UNAUTHORIZED] = 6;
    fake_sessions(r);
    for (int p = PROCESS_DATAPLANE; p < PROCESS_COUNT; p++) {
        struct region_process *process = &r->header->process[p];
        atomic_store(&process->pid, pid);
        atomic_store(&process->lives, (uint32_t)p);
        atomic_store(&process->alive_us, region_now_us());
        atomic_store(&process->ready, 1);
    }
}
