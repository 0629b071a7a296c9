/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/webrtc/sdp.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LINE_MAX  1024u
#define LEVEL_URI "urn:ietf:params:rtp-hdrext:ssrc-audio-level"

/* ---- texts ---- */

static bool text_is(struct sdp_text t, const char *s)
{
    return t.length == strlen(s) && memcmp(t.at, s, t.length) == 0;
}

/* Is there `prefix` in front? Then it is cut off. */
static bool cut_prefix(struct sdp_text *t, const char *prefix)
{
    size_t n = strlen(prefix);
    if (t->length < n || memcmp(t->at, prefix, n) != 0)
        return false;
    t->at += n;
    t->length = (uint16_t)(t->length - n);
    return true;
}

/* The next word, ended by `stop`; it is cut off with what ends it. */
static struct sdp_text cut_word(struct sdp_text *t, char stop)
{
    const char *end = t->length ? memchr(t->at, stop, t->length) : NULL;
    uint16_t n = end ? (uint16_t)(end - t->at) : t->length, whole = end ? (uint16_t)(n + 1) : n;
    struct sdp_text word = {t->at, n};
    t->at += whole;
    t->length = (uint16_t)(t->length - whole);
    return word;
}

/* Digits alone, up to `max`; -1: no number. */
static int number(struct sdp_text t, int max)
{
    int n = 0;
    for (uint16_t i = 0; i < t.length; i++) {
        if (t.at[i] < '0' || t.at[i] > '9' || n > max)
            return -1;
        n = n * 10 + (t.at[i] - '0');
    }
    return t.length && n <= max ? n : -1;
}

/* Characters that a token has (RFC 8866 9), so that what is said back cannot end a line or a word. */
static bool is_token(struct sdp_text t)
{
    for (uint16_t i = 0; i < t.length; i++)
        if (t.at[i] <= ' ' || t.at[i] > '~' || strchr("\"(),:;<=>?@[\\]", t.at[i]))
            return false;
    return t.length > 0 && t.length <= SDP_TOKEN_MAX;
}

/* ICE's characters (RFC 8839 5.4). */
static bool is_ice(struct sdp_text t, uint16_t min)
{
    for (uint16_t i = 0; i < t.length; i++) {
        char c = t.at[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
                    c == '/';
        if (!good)
            return false;
    }
    return t.length >= min && t.length <= 256;
}

/* ---- lines ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool fingerprint(struct sdp_text t, struct sdp_offer *o)
{
    static const struct {
        const char *name;
        uint8_t hash;
        uint16_t size;
    } known[] = {{"sha-256", PEER_SHA256, 32}, {"sha-384", PEER_SHA384, 48}, {"sha-512", PEER_SHA512, 64}};
    struct sdp_text name = cut_word(&t, ' ');
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        if (name.length != strlen(known[k].name) || strncasecmp(name.at, known[k].name, name.length) != 0)
            continue;
        if (t.length != known[k].size * 3 - 1)
            return false;
        for (uint16_t i = 0; i < known[k].size; i++) {
            int high = hex(t.at[3 * i]), low = hex(t.at[3 * i + 1]);
            if (high < 0 || low < 0 || (i + 1 < known[k].size && t.at[3 * i + 2] != ':'))
                return false;
            o->fingerprint[i] = (uint8_t)(high << 4 | low);
        }
        o->hash = known[k].hash;
        return true;
    }
    return true; /* of another hash: perhaps there is a second one */
}

static void rtpmap(struct sdp_text t, struct sdp_section *s)
{
    int type = number(cut_word(&t, ' '), 127);
    if (s->kind == SDP_AUDIO && !s->opus && type > 0 && t.length == 12 &&
        strncasecmp(t.at, "opus/48000/2", 12) == 0)
        s->opus = (uint8_t)type;
}

static void extmap(struct sdp_text t, struct sdp_section *s)
{
    struct sdp_text id = cut_word(&t, ' '), uri = cut_word(&t, ' ');
    id = cut_word(&id, '/'); /* a direction may follow */
    int n = number(id, 255);
    if (n >= 1 && n <= 14 && text_is(uri, LEVEL_URI)) /* what we write has the one-byte form */
        s->level_id = (uint8_t)n;
}

/* Credentials and the like: the first that is said counts, sections are bundled. */
static const char *shared_attribute(struct sdp_text t, struct sdp_offer *o)
{
    if (cut_prefix(&t, "ice-ufrag:")) {
        if (!is_ice(t, 4))
            return "ice-ufrag is malformed";
        o->ufrag = o->ufrag.length ? o->ufrag : t;
    } else if (cut_prefix(&t, "ice-pwd:")) {
        if (!is_ice(t, 22))
            return "ice-pwd is malformed";
        o->password = o->password.length ? o->password : t;
    } else if (cut_prefix(&t, "fingerprint:")) {
        if (!o->hash && !fingerprint(t, o))
            return "fingerprint is malformed";
    } else if (text_is(t, "setup:passive")) {
        o->passive = true;
    } else if (text_is(t, "extmap-allow-mixed")) {
        o->mixed = true;
    } else if (cut_prefix(&t, "group:BUNDLE")) {
        o->bundled = true;
    }
    return NULL;
}

static const char *attribute(struct sdp_text t, struct sdp_offer *o, struct sdp_section *s)
{
    static const char *const directions[] = {"sendrecv", "sendonly", "recvonly", "inactive"};
    for (uint8_t k = 0; k < 4; k++)
        if (text_is(t, directions[k]))
            s->direction = k;
    struct sdp_text rest = t;
    if (cut_prefix(&rest, "rtpmap:")) {
        rtpmap(rest, s);
    } else if (cut_prefix(&rest, "extmap:")) {
        extmap(rest, s);
    } else if (cut_prefix(&rest, "mid:")) {
        if (!is_token(rest))
            return "mid is malformed";
        s->mid = rest;
    } else if (text_is(rest, "rtcp-mux")) {
        s->mux = true;
    } else if (text_is(rest, "bundle-only")) {
        s->refused = false;
    }
    return shared_attribute(t, o);
}

static const char *media(struct sdp_text t, struct sdp_section *s)
{
    *s = (struct sdp_section){.media = cut_word(&t, ' ')};
    struct sdp_text port = cut_word(&t, ' ');
    s->protocol = cut_word(&t, ' ');
    s->format = cut_word(&t, ' ');
    int n = number(port, 65535);
    for (uint16_t i = 0; i < s->protocol.length; i++)
        if (s->protocol.at[i] != '/' && !is_token((struct sdp_text){s->protocol.at + i, 1}))
            return "media line is malformed";
    if (!is_token(s->media) || n < 0 || !s->protocol.length || s->protocol.length > SDP_TOKEN_MAX ||
        !is_token(s->format))
        return "media line is malformed";
    s->refused = n == 0;
    s->kind = text_is(s->media, "audio") &&
                      (text_is(s->protocol, "UDP/TLS/RTP/SAVPF") || text_is(s->protocol, "RTP/SAVPF") ||
                       text_is(s->protocol, "UDP/TLS/RTP/SAVP"))
                  ? SDP_AUDIO
                  : SDP_OTHER;
    return NULL;
}

/* A name of a section is its alone (RFC 5888 4). */
static bool mids_differ(const struct sdp_offer *o)
{
    for (unsigned i = 0; i < o->count; i++)
        for (unsigned k = 0; k < i; k++) {
            const struct sdp_text *a = &o->section[i].mid, *b = &o->section[k].mid;
            if (a->length && a->length == b->length && memcmp(a->at, b->at, a->length) == 0)
                return false;
        }
    return true;
}

const char *sdp_parse(const char *text, size_t length, struct sdp_offer *out)
{
    static const struct sdp_section session = {.kind = SDP_AUDIO};
    struct sdp_offer o = {.section = {session}};
    struct sdp_section *s = &o.section[0]; /* what a fragment says is about audio */
    const char *why = NULL;
    if (length > SDP_TEXT_MAX)
        return "SDP is too long";
    for (size_t at = 0; at < length && !why;) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t n = end ? (size_t)(end - text) - at : length - at;
        if (n > LINE_MAX)
            return "a line is too long";
        struct sdp_text line = {text + at, (uint16_t)n};
        at += n + 1;
        if (line.length && line.at[line.length - 1] == '\r')
            line.length--;
        if (cut_prefix(&line, "m=")) {
            if (o.count == SDP_SECTIONS_MAX)
                return "too many media sections";
            s = &o.section[o.count++];
            why = media(line, s);
        } else if (cut_prefix(&line, "a=")) {
            why = attribute(line, &o, s);
        }
    }
    if (!why && !mids_differ(&o))
        why = "two sections have the same mid";
    if (why)
        return why;
    o.fragment = o.count == 0;
    *out = o;
    return NULL;
}

/* A line of a description: a letter, "=", and no control characters. */
static bool is_line(const char *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)at[i] < ' ' && at[i] != '\t') || at[i] == 0x7f)
            return false;
    return n >= 2 && at[0] >= 'a' && at[0] <= 'z' && at[1] == '=';
}

const char *sdp_whole(const char *text, size_t length)
{
    bool origin = false, name = false, time = false, media = false;
    if (length < 5 || memcmp(text, "v=0", 3) != 0 || (text[3] != '\r' && text[3] != '\n'))
        return "SDP does not begin with v=0";
    for (size_t at = 0; at < length;) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t n = end ? (size_t)(end - text) - at : length - at, next = at + n + 1;
        if (n && text[at + n - 1] == '\r')
            n--;
        if (n && !is_line(text + at, n))
            return "a line is malformed";
        char type = n ? text[at] : 0;
        origin |= type == 'o' && !media;
        name |= type == 's' && !media;
        time |= type == 't' && !media;
        media |= type == 'm';
        at = next;
    }
    if (!origin || !name || !time)
        return "o=, s= or t= is missing";
    return media ? NULL : "there is no media section";
}

/* ---- agreement ---- */

/* Whether a section becomes part of the conversation. */
static bool wanted(const struct sdp_section *s, const struct sdp_agreed *a)
{
    return s->kind == SDP_AUDIO && !s->refused && s->opus && s->opus == a->payload_type;
}

static bool receives(const struct sdp_section *s)
{
    return s->direction == SDP_SENDRECV || s->direction == SDP_RECVONLY;
}

static bool sends(const struct sdp_section *s)
{
    return s->direction == SDP_SENDRECV || s->direction == SDP_SENDONLY;
}

const char *sdp_agree(const struct sdp_offer *o, struct sdp_agreed *out)
{
    struct sdp_agreed a = {0};
    if (!o->ufrag.length || !o->password.length)
        return "ICE credentials are missing";
    if (!o->hash)
        return "no fingerprint of SHA-256, SHA-384 or SHA-512";
    if (o->passive)
        return "setup:passive: we are the DTLS server";
    unsigned n = o->fragment ? 1 : o->count;
    a.muxed = o->bundled || n == 1;
    for (unsigned i = 0; i < n; i++) {
        const struct sdp_section *s = &o->section[i];
        if (!a.payload_type && s->kind == SDP_AUDIO && !s->refused && s->opus) {
            a.payload_type = s->opus;
            a.level_id = s->level_id;
        }
        if (!wanted(s, &a))
            continue;
        if (receives(s) && a.slots < PEER_SLOTS)
            a.slots++;
        a.talks |= sends(s);
        a.muxed &= s->mux;
    }
    if (!a.payload_type)
        return "no audio section with opus/48000/2";
    if (o->fragment)
        a.slots = PEER_SLOTS;
    *out = a;
    return NULL;
}

/* ---- answer ---- */

struct writer {
    char *at;
    size_t left;
};

static void put(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct writer *w, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int n = vsnprintf(w->at, w->left, format, list);
    va_end(list);
    if (n < 0 || (size_t)n >= w->left) {
        w->left = 0;
        return;
    }
    w->at += n;
    w->left -= (size_t)n;
}

#define TEXT(t) (int)(t).length, (t).at

static void put_transport(struct writer *w, const struct sdp_local *l)
{
    put(w, "a=ice-ufrag:%.*s\r\na=ice-pwd:%.*s\r\na=fingerprint:sha-256 ", (int)PEER_UFRAG, l->ufrag,
        (int)PEER_PASSWORD, l->password);
    for (unsigned i = 0; i < 32; i++)
        put(w, "%02X%s", l->fingerprint[i], i < 31 ? ":" : "\r\n");
    put(w, "a=candidate:1 1 UDP 2130706431 %s %u typ host\r\n", l->ip, l->port);
}

static const char *address_type(const struct sdp_local *l)
{
    return strchr(l->ip, ':') ? "IP6" : "IP4";
}

static void put_refused(struct writer *w, const struct sdp_section *s)
{
    put(w, "m=%.*s 0 %.*s %.*s\r\nc=IN IP4 0.0.0.0\r\n", TEXT(s->media), TEXT(s->protocol), TEXT(s->format));
    if (s->mid.length)
        put(w, "a=mid:%.*s\r\n", TEXT(s->mid));
    put(w, "a=inactive\r\n");
}

/* `slot` -1: nothing is sent in this section. */
static void put_audio(struct writer *w, const struct sdp_section *s, const struct sdp_agreed *a,
                      const struct sdp_local *l, int slot, bool hears)
{
    put(w, "m=audio %u UDP/TLS/RTP/SAVPF %u\r\nc=IN %s %s\r\n", l->port, a->payload_type, address_type(l),
        l->ip);
    if (s->mid.length)
        put(w, "a=mid:%.*s\r\n", TEXT(s->mid));
    put_transport(w, l);
    put(w, "a=end-of-candidates\r\na=setup:passive\r\na=rtcp-mux\r\na=rtcp-rsize\r\n");
    put(w, "a=%s\r\n", slot >= 0 ? (hears ? "sendrecv" : "sendonly") : hears ? "recvonly" : "inactive");
    put(w, "a=rtpmap:%u opus/48000/2\r\na=fmtp:%u minptime=10;useinbandfec=1;usedtx=1\r\na=ptime:20\r\n",
        a->payload_type, a->payload_type);
    if (a->level_id && s->level_id == a->level_id)
        put(w, "a=extmap:%u " LEVEL_URI "\r\n", a->level_id);
    if (slot >= 0)
        put(w, "a=msid:slot%d slot%d\r\na=ssrc:%u cname:voxpop\r\n", slot, slot, l->ssrc + (unsigned)slot);
}

static void put_session(struct writer *w, const struct sdp_offer *o, const struct sdp_agreed *a,
                        const struct sdp_local *l)
{
    put(w, "v=0\r\no=- %llu 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-lite\r\na=group:BUNDLE",
        (unsigned long long)l->session);
    for (unsigned i = 0; i < o->count; i++)
        if (wanted(&o->section[i], a) && o->section[i].mid.length)
            put(w, " %.*s", TEXT(o->section[i].mid));
    put(w, "\r\n%sa=msid-semantic:WMS *\r\n", o->mixed ? "a=extmap-allow-mixed\r\n" : "");
}

/* As the voice gateway's clients take it (reference/webrtc.md 1). */
static void put_fragment(struct writer *w, const struct sdp_local *l)
{
    put(w, "m=audio %u ICE/SDP\nc=IN %s %s\na=rtcp:%u\n", l->port, address_type(l), l->ip, l->port);
    put_transport(w, l);
}

size_t sdp_answer(const struct sdp_offer *o, const struct sdp_agreed *a, const struct sdp_local *l,
                  char out[SDP_ANSWER_MAX])
{
    struct writer w = {out, SDP_ANSWER_MAX};
    int slot = 0;
    bool heard = false;
    if (o->fragment)
        put_fragment(&w, l);
    else
        put_session(&w, o, a, l);
    for (unsigned i = 0; i < o->count; i++) {
        const struct sdp_section *s = &o->section[i];
        if (!wanted(s, a)) {
            put_refused(&w, s);
            continue;
        }
        bool gets = receives(s) && slot < a->slots, hears = sends(s) && !heard && !l->deaf;
        put_audio(&w, s, a, l, gets ? slot : -1, hears);
        slot += gets;
        heard |= hears;
    }
    return w.left ? (size_t)(w.at - out) : 0;
}

size_t sdp_restarted(const struct sdp_offer *o, const struct sdp_local *l, char out[SDP_ANSWER_MAX])
{
    struct writer w = {out, SDP_ANSWER_MAX};
    put(&w, "a=ice-lite\r\na=ice-ufrag:%.*s\r\na=ice-pwd:%.*s\r\n", (int)PEER_UFRAG, l->ufrag,
        (int)PEER_PASSWORD, l->password);
    const struct sdp_section *s = &o->section[0];
    put(&w, "m=audio %u UDP/TLS/RTP/SAVPF 0\r\n", l->port);
    if (o->count && s->mid.length)
        put(&w, "a=mid:%.*s\r\n", TEXT(s->mid));
    put(&w, "a=candidate:1 1 UDP 2130706431 %s %u typ host\r\na=end-of-candidates\r\n", l->ip, l->port);
    return w.left ? (size_t)(w.at - out) : 0;
}
