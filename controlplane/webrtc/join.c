/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/webrtc/join.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "config/log.h"
#include "controlplane/voice/voice_media.h"
#include "controlplane/sessions/session_table.h"

/* `n` random characters of ICE's alphabet. */
static void random_text(uint8_t *out, size_t n)
{
    static const char alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (getrandom(out, n, 0) != (ssize_t)n)
        abort();
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)alphabet[out[i] % sizeof alphabet];
}

/* The name begins with the member's index, so that the worker finds it (include/peer.h). */
static void credentials(uint32_t member, struct verb_peer *v)
{
    char index[9];
    snprintf(index, sizeof index, "%08x", member);
    random_text(v->ufrag, sizeof v->ufrag);
    memcpy(v->ufrag, index, 8);
    random_text(v->password, sizeof v->password);
}

const char *peer_join(struct control *c, uint32_t slot, const char *offer, const char *ip,
                      char answer[SDP_ANSWER_MAX])
{
    static struct sdp_offer o;
    struct sdp_agreed agreed;
    const struct session_control *s = session_of(c, slot);
    const struct voice_room *r = voice_room_of(c, s->channel_id);
    const struct peer_identity *identity = region_section(c->link->region, SECTION_PEER_IDENTITY);
    if (!r || s->member == MEMBER_NONE || !atomic_load(&identity->ready))
        return "no dataplane that speaks WebRTC";
    const char *why = sdp_parse(offer, strlen(offer), &o);
    if (!why)
        why = sdp_agree(&o, &agreed);
    if (why)
        return why;
    struct verb_peer v = {.member = s->member,
                          .generation = s->member_generation,
                          .ssrc = PEER_SSRC,
                          .payload_type = agreed.payload_type,
                          .level_id = agreed.level_id,
                          .slots = agreed.slots,
                          .hash = o.hash};
    credentials(s->member, &v);
    memcpy(v.fingerprint, o.fingerprint, sizeof v.fingerprint);
    struct sdp_local local = {.ufrag = (const char *)v.ufrag,
                              .password = (const char *)v.password,
                              .fingerprint = identity->fingerprint,
                              .ip = ip,
                              .port = (uint16_t)(c->config.voice_port_base + voice_worker_of(c, slot)),
                              .ssrc = PEER_SSRC,
                              .session = s->user_id};
    if (!sdp_answer(&o, &agreed, &local, answer))
        return "the answer would be too long";
    struct verb_peer *verb = link_verb(c->link, voice_worker_of(c, slot), VERB_PEER_SET, sizeof *verb);
    *verb = v;
    explicit_bzero(&v, sizeof v);
    return NULL;
}

/* ---- the voice gateway's way ---- */

static const char *sdp_of(const json_t *d)
{
    const char *sdp = json_string_value(json_object_get(d, "sdp"));
    return sdp ? sdp : json_string_value(json_object_get(d, "data"));
}

static void send_description(struct control *c, uint32_t slot, const char *answer)
{
    const struct session_control *s = session_of(c, slot);
    char media[SESSION_ID_TEXT];
    session_id_text(s, media);
    struct json_out *o = voice_message_open(c, VOICE_OP_SESSION_DESCRIPTION);
    out_object(o);
    out_field_string(o, "audio_codec", "opus");
    out_field_string(o, "video_codec", "H264");
    out_field_string(o, "media_session_id", media);
    out_field_string(o, "sdp", answer);
    out_field_int(o, "dave_protocol_version", 0);
    out_object_end(o);
    out_object_end(o);
    voice_send(c, s->connection);
}

bool peer_select(struct control *c, uint32_t slot, const json_t *d)
{
    static char answer[SDP_ANSWER_MAX];
    struct session_control *s = session_touch(c, slot);
    const char *offer = sdp_of(d), *why = "no SDP";
    char ip[16];
    voice_our_ip(c, s->connection, ip);
    s->transport = MEMBER_WEBRTC;
    s->mode = VOICE_MODE_NONE;
    if (offer) {
        voice_member_set(c, slot);
        why = peer_join(c, slot, offer, ip, answer);
    }
    if (why) {
        log_event(LOG_INFO, "webrtc_refused", "session=%u why=%s", slot, log_text(why).text);
        voice_refuse(c, s->connection, VOICE_CLOSE_BAD_REQUEST, DROP_CONTROL_SDP, why);
        return false;
    }
    log_event(LOG_INFO, "webrtc_open", "session=%u user=%" PRIu64, slot, s->user_id);
    send_description(c, slot, answer);
    return true;
}
