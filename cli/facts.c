/*
 * The region's parts as JSON; see facts.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/facts.h"
#include "controlplane/noc/quality.h"

#include <arpa/inet.h>
#include <math.h>

#define VOICE_CLOCK_KHZ 48

const char *facts_address(const uint8_t address[16], int port, char out[64])
{
    char host[INET6_ADDRSTRLEN];
    bool is4 = route_is4(address);
    inet_ntop(is4 ? AF_INET : AF_INET6, is4 ? address + 12 : address, host, sizeof host);
    if (port < 0)
        snprintf(out, 64, "%s", host);
    else
        snprintf(out, 64, is4 ? "%s:%d" : "[%s]:%d", host, port);
    return out;
}

void facts_session_id(const struct session_control *c, char out[33])
{
    for (int i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", c->id[i]);
}

json_t *facts_id(uint64_t id)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    return json_string(text);
}

static const char *named(const char *const *names, size_t count, unsigned value)
{
    return value < count && names[value] ? names[value] : "unknown";
}

#define NAMED(names, value) named(names, sizeof(names) / sizeof *(names), value)

static json_t *number(uint64_t v)
{
    return json_integer((json_int_t)v);
}

int64_t facts_age_s(uint64_t since_us)
{
    uint64_t now_us = region_now_us();
    return now_us > since_us ? (int64_t)((now_us - since_us) / 1000000) : 0;
}

json_t *facts_tcp(const struct tcp_conn *t)
{
    static const char *const state[TCP_STATE_COUNT] = {
        "closed",     "syn-sent",   "syn-received", "established", "fin-wait-1",
        "fin-wait-2", "close-wait", "closing",      "last-ack",    "time-wait"};
    return json_pack(
        "{s:s, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "state",
        NAMED(state, t->state), "srtt_ms", t->srtt_us / 1000.0, "rttvar_ms", t->rttvar_us / 1000.0,
        "cwnd_bytes", number(t->cwnd), "ssthresh_bytes", number(t->ssthresh), "send_window_bytes",
        number(t->snd_wnd), "in_flight_bytes", number(t->snd_nxt - t->snd_una), "unacknowledged_bytes",
        number(t->snd_end - t->snd_una_pos), "received_unread_bytes", number(t->rcv.length), "mss_bytes",
        number(t->mss), "retransmits_in_a_row", number(t->retransmits), "rto_doublings", number(t->backoff),
        "duplicate_acks", number(t->dup_acks), "recovering", (t->flags & TCP_F_RECOVERY) != 0);
}

static const char *suite_name(uint16_t suite)
{
    switch (suite) {
    case 0x1301:
        return "TLS_AES_128_GCM_SHA256";
    case 0x1302:
        return "TLS_AES_256_GCM_SHA384";
    case 0x1303:
        return "TLS_CHACHA20_POLY1305_SHA256";
    case 0xc02b:
        return "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    case 0xc02c:
        return "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
    case 0xc02f:
        return "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    case 0xc030:
        return "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
    case 0xcca8:
        return "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256";
    case 0xcca9:
        return "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";
    default:
        return "none";
    }
}

/* Record numbers and epochs; the secrets beside them stay where they are. */
json_t *facts_tls(const struct tls_conn *t)
{
    static const char *const state[] = {"none", "handshake", "open"};
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:b, s:b}", "state", NAMED(state, t->state), "suite",
                     suite_name(t->suite), "next_read_record", number(t->read_record), "next_write_record",
                     number(t->write_record), "read_epoch", number(t->read_epoch), "write_epoch",
                     number(t->write_epoch), "close_sent", (t->flags & TLS_CLOSE_SENT) != 0, "close_received",
                     (t->flags & TLS_CLOSE_RECEIVED) != 0);
}

json_t *facts_websocket(const struct connection *c)
{
    return json_pack("{s:o, s:b, s:o, s:o, s:o, s:b, s:b}", "version", number(c->version), "in_message",
                     c->ws.opcode != 0, "message_bytes_so_far", number(c->ws.message_length),
                     "records_in_flight", number(c->records), "items_waiting", number(c->items), "close_sent",
                     (c->flags & CONN_CLOSE_SENT) != 0, "close_received", (c->flags & CONN_CLOSE_HEARD) != 0);
}

const char *facts_connection_kind(uint8_t kind)
{
    static const char *const name[] = {"free", "handshake", "http", "gateway", "voice", "echo", "closing"};
    return NAMED(name, kind);
}

const char *facts_voice_mode(uint8_t mode)
{
    static const char *const name[] = {"none", "aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize",
                                       "xsalsa20_poly1305"};
    return NAMED(name, mode);
}

json_t *facts_member(const struct voice_member *m, uint32_t index)
{
    static const char *const state[] = {"none", "candidate", "bound"};
    const struct stream *s = &m->stream[STREAM_AUDIO];
    char address[64] = "-";
    if (m->address != ADDRESS_NONE)
        facts_address(m->peer_ip, m->peer_port, address);
    static const char *const kind[] = {"native", "webrtc"};
    double jitter_ms = s->jitter / 16.0 / VOICE_CLOCK_KHZ;
    json_t *j = json_pack(
        "{s:o, s:o, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:f, s:o, s:b, s:b}", "member", number(index),
        "user", facts_id(m->user_id), "ssrc", number(m->ssrc), "address_state", NAMED(state, m->address),
        "address", address, "mode", facts_voice_mode(m->mode), "received_packets", number(m->rx_packets),
        "sent_packets", number(m->tx_packets), "dropped", number(m->rx_dropped), "lost", number(s->lost),
        "jitter_ms", round(jitter_ms * 100) / 100, "address_moves", number(m->moved), "muted",
        (m->flags & MEMBER_MUTED) != 0, "deaf", (m->flags & MEMBER_DEAF) != 0);
    json_object_set_new(j, "kind", json_string(NAMED(kind, m->kind)));
    json_object_set_new(j, "reordered", number(s->reordered));
    json_object_set_new(j, "gaps", number(s->gaps));
    json_object_set_new(j, "concealed", number(s->concealed));
    json_object_set_new(j, "rtcp", number(m->rtcp));
    return j;
}

json_t *facts_room(const struct region *r, uint32_t worker, uint32_t index)
{
    const struct room *room = pool_at(region_part(r, worker, PART_ROOMS), index);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "room",
                     number((uint64_t)worker * r->header->geometry.rooms + index), "channel",
                     facts_id(room->channel_id), "guild", facts_id(room->guild_id), "worker", number(worker),
                     "members", number(room->count), "packets_in", number(room->packets_in), "packets_out",
                     number(room->packets_out), "parts_elsewhere",
                     number((uint64_t)__builtin_popcount(room->parts)), "silent", number(room->silent),
                     "not_loudest", number(room->not_loudest), "residence",
                     quality_residence(room->residence), "age_s", (json_int_t)facts_age_s(room->opened_us));
}
