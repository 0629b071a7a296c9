/*
 * Offers of browsers, fragments of gateway clients, and broken ones; what is answered to each.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controlplane/webrtc/sdp.h"

#define PRINT                                                                                                \
    "01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:1e:1f:20"
#define HEAD                                                                                                 \
    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\n"
#define ICE   "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
#define CERT  "a=fingerprint:sha-256 " PRINT "\r\na=setup:actpass\r\n"
#define AUDIO "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9\r\nc=IN IP4 0.0.0.0\r\n"
#define OPUS                                                                                                 \
    "a=extmap:14 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=extmap:4 "                                 \
    "urn:ietf:params:rtp-hdrext:sdes:mid\r\n"                                                                \
    "a=rtpmap:111 opus/48000/2\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n"
#define VIDEO                                                                                                \
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:96 VP8/90000\r\na=sendrecv\r\n"

static const struct sdp_local local = {.ufrag = "00000007abcd",
                                       .password = "ABCDEFGHIJKLMNOPQRSTUVWX",
                                       .fingerprint = (const uint8_t *)"0123456789abcdef0123456789abcdef",
                                       .ip = "198.18.0.1",
                                       .port = 50000,
                                       .ssrc = 1000,
                                       .session = 42};

static struct sdp_offer offer;
static struct sdp_agreed agreed;
static char answer[SDP_ANSWER_MAX];

static const char *understood(const char *text)
{
    const char *why = sdp_parse(text, strlen(text), &offer);
    return why ? why : sdp_agree(&offer, &agreed);
}

static void answered(const char *text)
{
    assert_null(understood(text));
    assert_true(sdp_answer(&offer, &agreed, &local, answer) > 0);
}

static void contains(const char *part)
{
    if (!strstr(answer, part))
        fail_msg("no \"%s\" in\n%s", part, answer);
}

static unsigned times(const char *part)
{
    unsigned n = 0;
    for (const char *p = answer; (p = strstr(p, part)); p += strlen(part))
        n++;
    return n;
}

static void an_offer_of_a_browser_is_answered_section_by_section(void **state)
{
    answered(HEAD AUDIO ICE CERT "a=mid:0\r\na=sendrecv\r\n" OPUS AUDIO ICE CERT
                                 "a=mid:1\r\na=recvonly\r\n" OPUS);
    assert_int_equal(agreed.payload_type, 111);
    assert_int_equal(agreed.level_id, 14);
    assert_int_equal(agreed.slots, 2);
    assert_int_equal(offer.hash, PEER_SHA256);
    assert_int_equal(offer.fingerprint[31], 0x20);
    contains("a=ice-lite\r\n");
    contains("a=group:BUNDLE 0 1\r\n");
    contains("a=extmap-allow-mixed\r\n");
    contains("a=ice-ufrag:00000007abcd\r\na=ice-pwd:ABCDEFGHIJKLMNOPQRSTUVWX\r\n");
    contains("a=fingerprint:sha-256 30:31:32:");
    contains("a=candidate:1 1 UDP 2130706431 198.18.0.1 50000 typ host\r\n");
    contains("a=extmap:14 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n");
    contains("a=ssrc:1000 cname:");
    contains("a=ssrc:1001 cname:");
    assert_int_equal(times("m=audio 50000 UDP/TLS/RTP/SAVPF 111\r\n"), 2);
    assert_int_equal(times("a=setup:passive\r\n"), 2);
    assert_int_equal(times("a=sendrecv\r\n"), 1);
    assert_int_equal(times("a=sendonly\r\n"), 1);
    assert_null(strstr(answer, "red/48000"));
    assert_null(strstr(answer, "sdes:mid"));
}

static void video_and_data_are_refused_and_audio_goes_on(void **state)
{
    answered(HEAD AUDIO ICE CERT
             "a=mid:a\r\n" OPUS VIDEO
             "a=mid:v\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\n");
    contains("a=group:BUNDLE a\r\n");
    contains("m=video 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:v\r\na=inactive\r\n");
    contains("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n");
    assert_int_equal(times("a=mid:d\r\n"), 1);
    assert_int_equal(agreed.slots, 1);
}

static void directions_are_turned_around(void **state)
{
    answered(HEAD AUDIO ICE CERT "a=mid:0\r\na=sendonly\r\n" OPUS);
    contains("a=recvonly\r\n");
    assert_int_equal(agreed.slots, 0);
    answered(HEAD AUDIO ICE CERT "a=mid:0\r\na=inactive\r\n" OPUS);
    contains("a=inactive\r\n");
    answered(HEAD AUDIO ICE CERT "a=mid:0\r\n" OPUS AUDIO "a=mid:1\r\n" OPUS);
    assert_int_equal(times("a=sendrecv\r\n"), 1); /* a peer has one microphone */
    assert_int_equal(times("a=sendonly\r\n"), 1);
}

static void more_sections_than_slots_stay_silent(void **state)
{
    static char text[32768];
    strcpy(text, HEAD ICE CERT);
    for (unsigned i = 0; i < PEER_SLOTS + 3; i++)
        strcat(text, AUDIO "a=recvonly\r\n" OPUS);
    answered(text);
    assert_int_equal(agreed.slots, PEER_SLOTS);
    assert_int_equal(times("a=inactive\r\n"), 3);
}

static void a_fragment_is_answered_with_one(void **state)
{
    answered(
        "a=extmap-allow-mixed\na=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuv\na=ice-options:trickle\n"
        "a=fingerprint:SHA-256 " PRINT "\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\n"
        "a=rtpmap:109 opus/48000/2");
    assert_true(offer.fragment);
    assert_int_equal(agreed.payload_type, 109);
    assert_int_equal(agreed.level_id, 1);
    contains("c=IN IP4 198.18.0.1\n");
    contains("a=rtcp:50000\n");
    contains("a=candidate:1 1 UDP ");
    assert_null(strstr(answer, "v=0"));
}

static void what_is_missing_is_said(void **state)
{
    assert_non_null(understood(""));
    assert_non_null(understood(HEAD AUDIO CERT OPUS));
    assert_non_null(understood(HEAD AUDIO ICE OPUS));
    assert_non_null(understood(HEAD AUDIO ICE CERT));
    assert_non_null(understood(HEAD VIDEO ICE CERT));
    assert_non_null(understood(HEAD AUDIO ICE CERT OPUS "a=setup:passive\r\n"));
    assert_non_null(understood(HEAD "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n" ICE CERT OPUS));
    assert_non_null(understood(HEAD AUDIO ICE "a=fingerprint:sha-1 01:02:03\r\n" OPUS));
}

static void what_is_malformed_is_refused(void **state)
{
    static char text[70000];
    assert_non_null(understood("m=audio\r\n"));
    assert_non_null(understood("m=audio 99999 UDP/TLS/RTP/SAVPF 111\r\n"));
    assert_non_null(understood("m=audio 9 UDP/TLS/RTP/SAVPF \r\n"));
    assert_non_null(understood("m=au<dio 9 UDP/TLS/RTP/SAVPF 1\r\n"));
    assert_non_null(understood("m=audio 9 UDP/TLS\x01RTP/SAVPF 1\r\n"));
    assert_non_null(understood(HEAD AUDIO "a=mid:0 1\r\n"));
    assert_non_null(understood(HEAD AUDIO "a=ice-ufrag:abc\r\n"));
    assert_non_null(understood(HEAD AUDIO "a=ice-ufrag:ab cd\r\n"));
    assert_non_null(understood(HEAD AUDIO "a=ice-pwd:short\r\n"));
    assert_non_null(understood(HEAD AUDIO "a=fingerprint:sha-256 01:02\r\n"));
    assert_non_null(understood(HEAD AUDIO "a=fingerprint:sha-256 " PRINT ":21\r\n"));
    memset(text, 'a', sizeof text - 1);
    assert_non_null(understood(text));
    text[2000] = 0;
    assert_non_null(understood(text));
    strcpy(text, HEAD);
    for (unsigned i = 0; i <= SDP_SECTIONS_MAX; i++)
        strcat(text, AUDIO);
    assert_non_null(understood(text));
}

/* What a client says comes back in the answer only where it cannot begin a line of its own. */
static void nothing_of_the_offer_makes_a_line(void **state)
{
    assert_non_null(understood(HEAD AUDIO ICE CERT "a=mid:x\ra=evil\r\n" OPUS));
    assert_non_null(understood(HEAD AUDIO ICE CERT OPUS "m=video 9 A\rB/C 96\r\n"));
}

static void a_whole_description_has_its_lines(void **state)
{
    static const char *const whole[] = {HEAD AUDIO, "v=0\no=- 1 2 IN IP4 0.0.0.0\ns=-\nt=0 0\nm=audio 9 X 1\n",
                                        "v=0\r\no=-\r\ns=\xc3\xa9\r\nt=0 0\r\nm=a"};
    static const char *const broken[] = {"",
                                         "v=0",
                                         "v=1\r\no=-\r\ns=-\r\nt=0 0\r\nm=a\r\n",
                                         "v=00\r\no=-\r\ns=-\r\nt=0 0\r\nm=a\r\n",
                                         "o=-\r\nv=0\r\ns=-\r\nt=0 0\r\nm=a\r\n",
                                         "v=0\r\ns=-\r\nt=0 0\r\nm=a\r\n",
                                         "v=0\r\no=-\r\nt=0 0\r\nm=a\r\n",
                                         "v=0\r\no=-\r\ns=-\r\nm=a\r\nt=0 0\r\n",
                                         "v=0\r\no=-\r\ns=-\r\nt=0 0\r\n",
                                         HEAD AUDIO "a\r\n",
                                         HEAD AUDIO "A=b\r\n",
                                         HEAD AUDIO "a=\x1b\r\n",
                                         HEAD AUDIO "a=b\rc\r\n"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        assert_null(sdp_whole(whole[i], strlen(whole[i])));
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        if (!sdp_whole(broken[i], strlen(broken[i])))
            fail_msg("taken: %s", broken[i]);
    assert_non_null(sdp_whole("v=0\r\no=-\r\ns=-\r\nt=0 0\r\nm=a\0\r\n", 31)); /* a byte 0 */
}

static void sections_of_one_name_are_refused(void **state)
{
    assert_non_null(understood(HEAD AUDIO ICE CERT "a=mid:0\r\n" OPUS AUDIO "a=mid:0\r\n" OPUS));
}

static void what_is_said_of_talking_and_of_one_port_is_noted(void **state)
{
    assert_null(understood(HEAD AUDIO ICE CERT "a=mid:0\r\na=recvonly\r\na=rtcp-mux\r\n" OPUS));
    assert_false(agreed.talks);
    assert_true(agreed.muxed);
    assert_null(understood(HEAD AUDIO ICE CERT "a=mid:0\r\na=sendonly\r\n" OPUS));
    assert_true(agreed.talks);
    assert_false(agreed.muxed);
}

static void a_peer_that_is_not_to_be_heard_is_told_so(void **state)
{
    struct sdp_local deaf = local;
    deaf.deaf = true;
    assert_null(understood(HEAD AUDIO ICE CERT "a=mid:0\r\na=sendrecv\r\n" OPUS));
    assert_true(sdp_answer(&offer, &agreed, &deaf, answer) > 0);
    contains("a=sendonly\r\n");
    assert_null(strstr(answer, "a=sendrecv"));
}

static void an_ice_restart_is_answered_with_our_new_name(void **state)
{
    assert_null(sdp_parse(ICE AUDIO "a=mid:x\r\n", strlen(ICE AUDIO "a=mid:x\r\n"), &offer));
    assert_true(sdp_restarted(&offer, &local, answer) > 0);
    contains("a=ice-lite\r\n");
    contains("a=ice-ufrag:00000007abcd\r\na=ice-pwd:ABCDEFGHIJKLMNOPQRSTUVWX\r\n");
    contains("a=mid:x\r\na=candidate:1 1 UDP 2130706431 198.18.0.1 50000 typ host\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offer_of_a_browser_is_answered_section_by_section),
        cmocka_unit_test(video_and_data_are_refused_and_audio_goes_on),
        cmocka_unit_test(directions_are_turned_around),
        cmocka_unit_test(more_sections_than_slots_stay_silent),
        cmocka_unit_test(a_fragment_is_answered_with_one),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(what_is_malformed_is_refused),
        cmocka_unit_test(nothing_of_the_offer_makes_a_line),
        cmocka_unit_test(a_whole_description_has_its_lines),
        cmocka_unit_test(sections_of_one_name_are_refused),
        cmocka_unit_test(what_is_said_of_talking_and_of_one_port_is_noted),
        cmocka_unit_test(a_peer_that_is_not_to_be_heard_is_told_so),
        cmocka_unit_test(an_ice_restart_is_answered_with_our_new_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
