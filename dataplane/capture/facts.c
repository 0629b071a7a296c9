/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/capture/facts.h"

#include <stdio.h>

struct fact {
    const char *name;
    uint32_t offset, size;
};

#define FACT(field)                                                                                          \
    {                                                                                                        \
#field, offsetof(struct worker_config, field), sizeof(((struct worker_config *)0)->field)            \
    }

static const struct fact facts[] = {
    FACT(tcp.mss4),
    FACT(tcp.mss6),
    FACT(tcp.rcv_limit),
    FACT(tcp.rto_initial_us),
    FACT(tcp.rto_min_us),
    FACT(tcp.rto_max_us),
    FACT(tcp.delayed_ack_us),
    FACT(tcp.time_wait_us),
    FACT(tcp.fin_wait_2_us),
    FACT(tcp.keepalive_idle_us),
    FACT(tcp.keepalive_interval_us),
    FACT(tcp.timestamps),
    FACT(tcp.sack),
    FACT(tcp.congestion),
    FACT(tcp.keepalive_probes_max),
    FACT(tcp.retransmit_max),
    FACT(tcp.syn_retransmit_max),
    FACT(tcp.challenge_max),
    FACT(voice.worker),
    FACT(voice.packets_per_second_max),
    FACT(voice.discoveries_per_second_max),
    FACT(voice.pending_max),
    FACT(voice.speakers_max),
    FACT(voice.ticks_per_us),
    FACT(voice.iteration_budget_us),
    FACT(tls_port),
    FACT(voice_port_base),
    FACT(heartbeat_interval_ms),
    FACT(voice_heartbeat_interval_ms),
    FACT(payload_max),
    FACT(body_max),
    FACT(upload_max),
    FACT(handshake_us),
    FACT(head_us),
    FACT(keep_alive_us),
    FACT(answer_us),
    FACT(reader_us),
    FACT(close_us),
    FACT(unsent_max),
    FACT(keep_max),
    FACT(syn_max),
    FACT(echo),
    FACT(echo_max),
    FACT(spin),
};

/* Whoever adds a key to struct worker_config adds it above. */
_Static_assert(sizeof(struct tcp_config) == 64 && sizeof(struct voice_config) == 28, "a fact is missing");
_Static_assert(sizeof(struct worker_config) - offsetof(struct worker_config, tls_port) == 108,
               "a fact is missing");

#define FACTS (sizeof facts / sizeof *facts)

static uint64_t get(const struct worker_config *c, const struct fact *f)
{
    uint64_t value = 0; /* little endian, as the region is */
    memcpy(&value, (const uint8_t *)c + f->offset, f->size);
    return value;
}

json_t *facts_config(const struct worker_config *c)
{
    json_t *j = json_object(), *addresses = json_array();
    for (uint32_t i = 0; i < c->addresses.count; i++) {
        char text[46];
        json_array_append_new(addresses, json_string(net_address_text(c->addresses.address[i], text)));
    }
    json_object_set_new(j, "addresses", addresses);
    for (size_t i = 0; i < FACTS; i++)
        json_object_set_new(j, facts[i].name, json_integer((json_int_t)get(c, &facts[i])));
    return j;
}

static bool refuse(char *why, const char *key)
{
    snprintf(why, 256, "bundle.json: config.%s is missing or wrong", key);
    return false;
}

bool facts_config_read(const json_t *j, struct worker_config *c, char *why)
{
    const json_t *addresses = json_object_get(j, "addresses");
    memset(c, 0, sizeof *c);
    for (size_t i = 0; i < json_array_size(addresses); i++) {
        const char *text = json_string_value(json_array_get(addresses, i));
        uint8_t address[16];
        if (!text || !net_address_parse(text, address) || !net_addresses_add(&c->addresses, address))
            return refuse(why, "addresses");
    }
    for (size_t i = 0; i < FACTS; i++) {
        const json_t *value = json_object_get(j, facts[i].name);
        uint64_t v = (uint64_t)json_integer_value(value);
        if (!json_is_integer(value) || (facts[i].size < 8 && v >> (8 * facts[i].size)))
            return refuse(why, facts[i].name);
        memcpy((uint8_t *)c + facts[i].offset, &v, facts[i].size);
    }
    if (c->body_max > WORKER_BODY_MAX)
        return refuse(why, "body_max");
    return true;
}

void facts_mac(const uint8_t mac[6], char text[18])
{
    snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

bool facts_mac_read(const char *text, uint8_t mac[6])
{
    unsigned v[6];
    if (!text || sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5]) != 6)
        return false;
    for (unsigned i = 0; i < 6; i++)
        mac[i] = (uint8_t)v[i];
    return true;
}
