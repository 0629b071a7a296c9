/*
 * A voice session between identify and its end: how its media is sealed (op 1, op 4), who is in the room (op
 * 11, op 13), who speaks (op 5), and what the dataplane tells of its member. See voice_media.h and
 * reference/voice.md 5, 6, 8.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/voice/voice_media.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "config/log.h"
#include "controlplane/events/audience.h"
#include "controlplane/events/publish.h"
#include "controlplane/sessions/payload.h"
#include "controlplane/sessions/session_table.h"
#include "controlplane/webrtc/join.h"

static const char *const mode_names[VOICE_MODE_COUNT] = {
    [VOICE_AES256_GCM_RTPSIZE] = "aead_aes256_gcm_rtpsize",
    [VOICE_XCHACHA20_RTPSIZE] = "aead_xchacha20_poly1305_rtpsize",
    [VOICE_XSALSA20] = "xsalsa20_poly1305",
};

const char *voice_mode_name(uint8_t mode)
{
    return mode_names[mode];
}

/* ---- what is said to a client ---- */

void voice_refuse(struct control *c, uint64_t connection, uint16_t code, enum drop_reason why,
                  const char *reason)
{
    link_drop(c->link, why);
    log_event(LOG_INFO, "voice_refused", "connection=%" PRIx64 " code=%u", connection, code);
    link_close(c->link, connection, code, false, reason);
}

void voice_send(struct control *c, uint64_t connection)
{
    link_send(c->link, connection, 1, 0, c->out.data, (uint32_t)c->out.length);
}

/* Opens {"op":N,"d": for a message to one connection. */
struct json_out *voice_message_open(struct control *c, enum voice_opcode op)
{
    json_out_reset(&c->out);
    out_object(&c->out);
    out_field_int(&c->out, "op", op);
    out_key(&c->out, "d");
    return &c->out;
}

/* Opens "op":N,"d": for an event; `{"seq":N,` goes in front. */
struct json_out *voice_event_open(struct control *c, enum voice_opcode op)
{
    char head[32];
    json_out_reset(&c->out);
    snprintf(head, sizeof head, "\"op\":%d,\"d\":", op);
    out_text(&c->out, head);
    return &c->out;
}

/* ---- op 1: select protocol ---- */

static void send_description(struct control *c, uint32_t slot)
{
    const struct session_control *s = session_of(c, slot);
    char media[SESSION_ID_TEXT];
    session_id_text(s, media);
    struct json_out *o = voice_message_open(c, VOICE_OP_SESSION_DESCRIPTION);
    out_object(o);
    out_field_string(o, "mode", voice_mode_name(s->mode));
    out_key(o, "secret_key");
    out_list(o);
    for (size_t i = 0; i < sizeof s->key; i++)
        out_int(o, s->key[i]);
    out_list_end(o);
    out_field_string(o, "audio_codec", "opus");
    out_field_string(o, "video_codec", "H264");
    out_field_string(o, "media_session_id", media);
    out_field_int(o, "dave_protocol_version", 0);
    out_object_end(o);
    out_object_end(o);
    voice_send(c, s->connection);
    explicit_bzero(c->out.data, c->out.length);
}

static void speaking_event(struct control *c, uint32_t slot)
{
    const struct session_control *s = session_of(c, slot);
    struct json_out *o = voice_event_open(c, VOICE_OP_SPEAKING);
    out_object(o);
    out_field_id(o, "user_id", s->user_id);
    out_field_int(o, "ssrc", s->ssrc);
    out_field_int(o, "speaking", s->speaking);
    out_object_end(o);
    out_text(o, "}");
}

/* Op 11 with everybody who is there, op 5 for everybody who has ever spoken. */
void voice_room_describe(struct control *c, uint32_t slot, const struct voice_room *r)
{
    struct json_out *o = voice_event_open(c, VOICE_OP_CLIENTS_CONNECT);
    unsigned others = 0;
    out_object(o);
    out_key(o, "user_ids");
    out_list(o);
    for (uint32_t i = 0; i < r->count; i++) {
        const struct session_control *s = session_of(c, r->slots[i]);
        if (r->slots[i] != slot && s->ready) {
            out_id(o, s->user_id);
            others++;
        }
    }
    out_list_end(o);
    out_object_end(o);
    out_text(o, "}");
    if (others)
        publish_session(c, slot, o);
    for (uint32_t i = 0; i < r->count; i++) {
        const struct session_control *s = session_of(c, r->slots[i]);
        if (r->slots[i] == slot || !s->ready || !s->spoke)
            continue;
        speaking_event(c, r->slots[i]);
        publish_session(c, slot, &c->out);
    }
}

void voice_tell_joined(struct control *c, uint32_t slot, const struct voice_room *r)
{
    struct json_out *o = voice_event_open(c, VOICE_OP_CLIENTS_CONNECT);
    out_object(o);
    out_key(o, "user_ids");
    out_list(o);
    out_id(o, session_of(c, slot)->user_id);
    out_list_end(o);
    out_object_end(o);
    out_text(o, "}");
    voice_room_publish(c, r, slot);
}

static uint8_t mode_of(const struct control *c, const char *name)
{
    for (unsigned i = 0; name && i < sizeof c->config.voice_modes && c->config.voice_modes[i]; i++)
        if (strcmp(name, voice_mode_name(c->config.voice_modes[i])) == 0)
            return c->config.voice_modes[i];
    return VOICE_MODE_NONE;
}

/* A client that only listens sends nothing that authenticates: it is bound to the address that our discovery
 * answer told and that it names here, over TLS. */
static void bind_if_named(struct control *c, uint32_t slot)
{
    const struct session_control *s = session_of(c, slot);
    if (s->mode && s->discovered_port && s->discovered_port == s->selected_port &&
        memcmp(s->discovered_ip, s->selected_ip, sizeof s->selected_ip) == 0)
        voice_member_bind(c, slot, s->discovered_ip, s->discovered_port);
}

/* The description is sent: from now on others know of it. */
static void selected(struct control *c, uint32_t slot, struct voice_room *r)
{
    struct session_control *s = session_touch(c, slot);
    if (s->ready)
        return;
    s->ready = 1;
    topic_subscribe(c, r->topic, slot, 0);
    voice_room_describe(c, slot, r);
    voice_tell_joined(c, slot, r);
    voice_quality_begin(c, slot);
}

void voice_select(struct control *c, uint32_t slot, const json_t *d)
{
    struct session_control *s = session_touch(c, slot);
    struct voice_room *r = voice_room_of(c, s->channel_id);
    struct voice_select sel;
    if (!r || !voice_select_parse(d, &sel)) {
        voice_refuse(c, s->connection, VOICE_CLOSE_DECODE_ERROR, DROP_CONTROL_JSON, "decode error");
        return;
    }
    if (strcmp(sel.protocol, "webrtc") == 0) {
        if (peer_select(c, slot, d))
            selected(c, slot, r);
        return;
    }
    if (strcmp(sel.protocol, "udp") != 0) {
        voice_refuse(c, s->connection, VOICE_CLOSE_UNKNOWN_PROTOCOL, DROP_CONTROL_JSON, "unknown protocol");
        return;
    }
    uint8_t mode = mode_of(c, sel.mode);
    if (!mode) {
        voice_refuse(c, s->connection, VOICE_CLOSE_UNKNOWN_MODE, DROP_CONTROL_JSON,
                     "unknown encryption mode");
        return;
    }
    if (getrandom(s->key, sizeof s->key, 0) != (ssize_t)sizeof s->key)
        abort();
    s->mode = mode;
    s->transport = MEMBER_NATIVE;
    s->selected_port = sel.port;
    memcpy(s->selected_ip, sel.ip, sizeof s->selected_ip);
    voice_member_set(c, slot);
    bind_if_named(c, slot);
    send_description(c, slot);
    selected(c, slot, r);
}

void voice_discovered(struct control *c, const struct notice_member *n)
{
    uint32_t slot = voice_slot_of_member(c, n);
    if (slot == SESSION_NONE)
        return;
    struct session_control *s = session_touch(c, slot);
    memcpy(s->discovered_ip, n->ip, sizeof s->discovered_ip);
    s->discovered_port = n->port;
    bind_if_named(c, slot); /* op 1 came first, through another worker's ring */
}

/* ---- op 5: speaking ---- */

void voice_spoke(struct control *c, uint32_t slot, uint8_t flags)
{
    struct session_control *s = session_touch(c, slot);
    const struct voice_room *r = voice_room_of(c, s->channel_id);
    if (!r || !s->ready)
        return;
    bool changed = s->speaking != flags;
    s->speaking = flags;
    s->spoke = 1;
    if (changed) /* who is heard where many speak depends on it */
        voice_member_set(c, slot);
    speaking_event(c, slot);
    voice_room_publish(c, r, slot);
}

void voice_heard(struct control *c, const struct notice_member *n)
{
    uint32_t slot = voice_slot_of_member(c, n);
    if (slot != SESSION_NONE && !session_of(c, slot)->spoke)
        voice_spoke(c, slot, 1);
}

void voice_exhausted(struct control *c, const struct notice_member *n)
{
    uint32_t slot = voice_slot_of_member(c, n);
    if (slot != SESSION_NONE && session_of(c, slot)->signalling)
        voice_leave(c, slot);
    else if (slot != SESSION_NONE)
        voice_unbind(c, slot, VOICE_CLOSE_SESSION_INVALID);
}
