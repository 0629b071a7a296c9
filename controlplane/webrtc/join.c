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

static const struct peer_identity *identity_of(const struct control *c)
{
    return region_section(c->link->region, SECTION_PEER_IDENTITY);
}

bool peer_possible(const struct control *c)
{
    return atomic_load(&identity_of(c)->ready);
}

/* Our side, as the verb has it. */
static struct sdp_local local_of(const struct control *c, uint32_t slot, const struct verb_peer *v,
                                 const char *ip)
{
    const struct session_control *s = session_of(c, slot);
    return (struct sdp_local){.ufrag = (const char *)v->ufrag,
                              .password = (const char *)v->password,
                              .fingerprint = identity_of(c)->fingerprint,
                              .ip = ip,
                              .port = (uint16_t)(c->config.voice_port_base + voice_worker_of(c, slot)),
                              .ssrc = PEER_SSRC,
                              .session = s->user_id,
                              .deaf = s->signalling == SIGNALLED_BY_WHEP};
}

static void tell(struct control *c, uint32_t slot, struct verb_peer *v)
{
    struct verb_peer *verb = link_verb(c->link, voice_worker_of(c, slot), VERB_PEER_SET, sizeof *verb);
    *verb = *v;
    explicit_bzero(v, sizeof *v);
}

const char *peer_join(struct control *c, uint32_t slot, const struct sdp_offer *o, const struct sdp_agreed *a,
                      const char *ip, char answer[SDP_ANSWER_MAX])
{
    const struct session_control *s = session_of(c, slot);
    if (!voice_room_of(c, s->channel_id) || s->member == MEMBER_NONE || !peer_possible(c))
        return "no dataplane that speaks WebRTC";
    struct verb_peer v = {.member = s->member,
                          .generation = s->member_generation,
                          .ssrc = PEER_SSRC,
                          .payload_type = a->payload_type,
                          .level_id = a->level_id,
                          .slots = a->slots,
                          .hash = o->hash};
    credentials(s->member, &v);
    memcpy(v.fingerprint, o->fingerprint, sizeof v.fingerprint);
    struct sdp_local local = local_of(c, slot, &v, ip);
    if (!sdp_answer(o, a, &local, answer))
        return "the answer would be too long";
    tell(c, slot, &v);
    return NULL;
}

const char *peer_restart(struct control *c, uint32_t slot, const struct sdp_offer *fragment, const char *ip,
                         char answer[SDP_ANSWER_MAX])
{
    const struct session_control *s = session_of(c, slot);
    struct verb_peer v = {.member = s->member, .generation = s->member_generation, .restart = 1};
    credentials(s->member, &v);
    struct sdp_local local = local_of(c, slot, &v, ip);
    if (!sdp_restarted(fragment, &local, answer))
        return "the answer would be too long";
    tell(c, slot, &v);
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

/* NULL: op 1's offer has made the slot's member a peer. */
static const char *take_offer(struct control *c, uint32_t slot, const char *offer,
                              char answer[SDP_ANSWER_MAX])
{
    static struct sdp_offer o;
    struct sdp_agreed agreed;
    char ip[16];
    const char *why = sdp_parse(offer, strlen(offer), &o);
    if (!why)
        why = sdp_agree(&o, &agreed);
    if (why)
        return why;
    voice_our_ip(c, session_of(c, slot)->connection, ip);
    voice_member_set(c, slot);
    return peer_join(c, slot, &o, &agreed, ip, answer);
}

bool peer_select(struct control *c, uint32_t slot, const json_t *d)
{
    static char answer[SDP_ANSWER_MAX];
    struct session_control *s = session_touch(c, slot);
    const char *offer = sdp_of(d), *why = "no SDP";
    s->transport = MEMBER_WEBRTC;
    s->mode = VOICE_MODE_NONE;
    if (offer)
        why = take_offer(c, slot, offer, answer);
    if (why) {
        log_event(LOG_INFO, "webrtc_refused", "session=%u why=%s", slot, log_text(why).text);
        voice_refuse(c, s->connection, VOICE_CLOSE_BAD_REQUEST, DROP_CONTROL_SDP, why);
        return false;
    }
    log_event(LOG_INFO, "webrtc_open", "session=%u user=%" PRIu64, slot, s->user_id);
    send_description(c, slot, answer);
    return true;
}
