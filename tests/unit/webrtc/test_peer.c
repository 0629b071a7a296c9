/*
 * A browser and native clients in one room, without a browser: checks, a DTLS client of OpenSSL, SRTP by
 * libsrtp2; what each hears of the other, what is refused, and what a restart keeps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <srtp2/srtp.h>

#include "dataplane/webrtc/srtp.h"
#include "dataplane/webrtc/stun.h"
#include "dataplane/webrtc/webrtc.h"
#include "tests/unit/include/wait.h"
#include "tests/unit/voice/fixture.h"

#define PEER     1u /* member */
#define NATIVE   0u
#define LEVEL_ID 3u
#define TYPE     109u /* of Opus, for the browser */
#define SSRC_IN  0x77777777u
#define SSRC_OUT 5000u
#define PASSWORD "abcdefghijklmnopqrstuvwx"

static struct fix *f;
static struct webrtc *w;
static struct voice_peer *peers; /* the region's */
static struct dtls_server *server;
static struct dtls_helper *helper;
static struct peer_identity box, own;
static char ufrag[PEER_UFRAG + 1];
static struct client address; /* the browser's */
static SSL_CTX *context;
static SSL *ssl;
static srtp_t sends, hears;
static struct {
    uint8_t bytes[1600];
    int length; /* opened: without tag; below 0: it did not open */
    unsigned count;
} heard;

/* ---- the box ---- */

static void starts_serving(void)
{
    struct webrtc_env env = {.voice = f->v,
                             .members = f->members,
                             .peers = peers,
                             .counters = &f->counters,
                             .helper = helper,
                             .worker = WORKER};
    w = webrtc_new(&env, f->now);
    assert_non_null(w);
}

static unsigned polls(void)
{
    begins(f);
    unsigned n = webrtc_poll(w, f->now);
    commits(f);
    return n;
}

/* `suffix`: the last four characters of the name that checks are to have. */
static bool is_told(uint32_t generation, bool restart, const char *suffix)
{
    struct verb_member verb = {.member = WORKER * MEMBERS + PEER,
                               .generation = generation,
                               .session = 100 + PEER,
                               .user_id = 1000 + PEER,
                               .channel_id = CHANNEL,
                               .ssrc = ssrc_of(PEER),
                               .kind = MEMBER_WEBRTC};
    struct verb_peer peer = {.member = verb.member,
                             .generation = generation,
                             .ssrc = SSRC_OUT,
                             .payload_type = TYPE,
                             .level_id = LEVEL_ID,
                             .slots = 2,
                             .hash = PEER_SHA256,
                             .restart = restart};
    snprintf(ufrag, sizeof ufrag, "%08x%s", verb.member, suffix);
    memcpy(peer.ufrag, ufrag, sizeof peer.ufrag);
    memcpy(peer.password, PASSWORD, sizeof peer.password);
    memcpy(peer.fingerprint, own.fingerprint, sizeof own.fingerprint);
    begins(f);
    bool ok = (restart || voice_member_set(f->v, &verb, f->now)) && webrtc_peer_set(w, &peer);
    commits(f);
    return ok;
}

#define is_peer(generation) is_told(generation, false, "WXYZ")

/* ---- checks ---- */

static uint8_t *attribute(uint8_t *p, uint16_t type, const void *value, uint16_t length)
{
    put_be16(p, type);
    put_be16(p + 2, length);
    memset(p + 4, 0, (length + 3u) & ~3u);
    memcpy(p + 4, value, length);
    return p + 4 + ((length + 3u) & ~3u);
}

/* A binding request; role: 0x802a controlling, 0x8029 controlled. */
static size_t check(uint8_t *out, const char *name, const char *password, uint16_t role, bool nominate)
{
    char user[64];
    unsigned size = 20;
    uint8_t mac[20], *p = out + 20;
    snprintf(user, sizeof user, "%s:theirs", name);
    memcpy(out, "\0\1\0\0\x21\x12\xa4\x42transaction!", 20);
    p = attribute(p, 0x0006, user, (uint16_t)strlen(user));
    p = attribute(p, role, "tiebreak", 8);
    p = attribute(p, 0x0024, "\x6e\x7f\1\xff", 4);
    if (nominate)
        p = attribute(p, 0x0025, "", 0);
    put_be16(out + 2, (uint16_t)(p - out + 4));
    HMAC(EVP_sha1(), password, (int)strlen(password), out, (size_t)(p - out), mac, &size);
    p = attribute(p, 0x0008, mac, 20);
    return (size_t)(p - out);
}

/* What the box answers to a check from there: 0 nothing, 0x0101 success, else the error's number. */
static unsigned answered(const struct client *from, const char *name, const char *password, uint16_t role,
                         bool nominate)
{
    uint8_t request[256];
    size_t len = check(request, name, password, role, nominate);
    assert_int_equal(arrives(f, from, request, len), VOICE_DONE);
    const struct webrtc_datagram *d = webrtc_next(w);
    if (!d)
        return 0;
    assert_null(webrtc_next(w));
    assert_true(d->length <= len);
    assert_int_equal(d->peer_port, from->port);
    assert_memory_equal(d->peer_ip, from->ip, 16);
    assert_memory_equal(d->bytes + 8, request + 8, 12);
    return be16(d->bytes) == 0x0101 ? 0x0101u : d->bytes[26] * 100u + d->bytes[27];
}

static void is_verified(void)
{
    assert_int_equal(answered(&address, ufrag, PASSWORD, 0x802a, true), 0x0101);
}

/* ---- DTLS and SRTP ---- */

static unsigned never(SSL *s, unsigned before_us)
{
    return 3600000000u;
}

static void sends_flight(void)
{
    uint8_t bytes[8192];
    int n = BIO_read(SSL_get_wbio(ssl), bytes, sizeof bytes);
    for (int at = 0; at < n;) {
        int size = 13 + be16(bytes + at + 11);
        arrives(f, &address, bytes + at, (size_t)size);
        at += size;
    }
}

static bool keyed(void)
{
    return peers[PEER].generation && atomic_load(&peers[PEER].keyed) == peers[PEER].generation;
}

static srtp_t session(const uint8_t *key, const uint8_t *salt, srtp_ssrc_type_t direction)
{
    static uint8_t both[28];
    srtp_policy_t policy = {.ssrc = {.type = direction}, .key = both, .window_size = 128};
    srtp_t made;
    memcpy(both, key, 16);
    memcpy(both + 16, salt, 12);
    srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
    srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
    assert_int_equal(srtp_create(&made, &policy), srtp_err_status_ok);
    return made;
}

static void shakes_hands(void)
{
    uint8_t material[56];
    ssl = SSL_new(context);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    BIO_set_mem_eof_return(SSL_get_rbio(ssl), -1);
    SSL_set_connect_state(ssl);
    SSL_set_mtu(ssl, 1200);
    DTLS_set_timer_cb(ssl, never);
    SSL_do_handshake(ssl);
    while (!SSL_is_init_finished(ssl)) {
        sends_flight();
        const struct webrtc_datagram *d;
        while (!(polls(), d = webrtc_next(w)))
            wait_turn();
        for (; d; d = webrtc_next(w)) {
            BIO_write(SSL_get_rbio(ssl), d->bytes, d->length);
            SSL_do_handshake(ssl);
        }
    }
    assert_true(keyed());
    assert_int_equal(SSL_export_keying_material(ssl, material, 56, "EXTRACTOR-dtls_srtp", 19, NULL, 0, 0), 1);
    sends = session(material, material + 32, ssrc_any_outbound);
    hears = session(material + 16, material + 44, ssrc_any_inbound);
}

/* An SRTP packet of the browser with an audio level, a CSRC too many and padding. */
static enum voice_verdict says(uint16_t sequence, const char *payload)
{
    uint8_t p[256] = {0xb0, 0x80 | TYPE};
    size_t len = strlen(payload);
    put_be16(p + 2, sequence);
    put_be32(p + 4, 960u * sequence);
    put_be32(p + 8, SSRC_IN);
    put_be32(p + 12, 0xbede0001);
    put_be32(p + 16, 0x30850000);
    memcpy(p + 20, payload, len);
    memcpy(p + 20 + len, "\0\0\3", 3);
    int sealed = (int)(20 + len + 3);
    assert_int_equal(srtp_protect(sends, p, &sealed), srtp_err_status_ok);
    return arrives(f, &address, p, (size_t)sealed);
}

/* What goes out to the browser is opened by libsrtp2, the rest by the fixture. */
static void (*fixture_sealed)(struct fix *, const struct voice_target *);

static void sealed(struct fix *fix, const struct voice_target *t)
{
    if (t->member != PEER) {
        fixture_sealed(fix, t);
        return;
    }
    heard.count++;
    heard.length = t->length;
    memcpy(heard.bytes, t->payload, t->length);
    if (srtp_unprotect(hears, heard.bytes, &heard.length) != srtp_err_status_ok)
        heard.length = -1;
}

/* ---- tests ---- */

static int begin(void **state)
{
    f = given();
    peers = calloc(MEMBERS, sizeof *peers);
    fixture_sealed = f->sealed;
    f->sealed = sealed;
    memset(&heard, 0, sizeof heard);
    starts_serving();
    listens(f, NATIVE, 0, VOICE_AES256_GCM_RTPSIZE);
    address = (struct client){.i = PEER, .ip = {[10] = 0xff, [11] = 0xff, 198, 18, 2, 9}, .port = 6000};
    assert_true(is_peer(1));
    forget(f);
    return 0;
}

static int end(void **state)
{
    if (ssl)
        SSL_free(ssl);
    if (sends)
        srtp_dealloc(sends);
    if (hears)
        srtp_dealloc(hears);
    ssl = NULL;
    sends = hears = NULL;
    webrtc_free(w);
    free(peers);
    done(f);
    return 0;
}

static void a_check_is_answered_and_binds_the_address(void **state)
{
    is_verified();
    assert_int_equal(member(f, PEER)->address, ADDRESS_BOUND);
    assert_int_equal(member(f, PEER)->peer_port, 6000);
    assert_int_equal(all_drops(f), 0);
}

static void the_latest_nominated_address_is_the_one(void **state)
{
    struct client elsewhere = address;
    elsewhere.port = 6001;
    is_verified();
    assert_int_equal(answered(&elsewhere, ufrag, PASSWORD, 0x802a, false), 0x0101);
    assert_int_equal(member(f, PEER)->peer_port, 6000);
    assert_int_equal(answered(&elsewhere, ufrag, PASSWORD, 0x802a, true), 0x0101);
    assert_int_equal(member(f, PEER)->peer_port, 6001);
}

static void strangers_learn_nothing(void **state)
{
    assert_int_equal(answered(&address, "00000000WXYZ", PASSWORD, 0x802a, true), 0);
    assert_int_equal(answered(&address, "zzzzzzzzWXYZ", PASSWORD, 0x802a, true), 0);
    ufrag[11] ^= 1;
    assert_int_equal(answered(&address, ufrag, PASSWORD, 0x802a, true), 0);
    assert_int_equal(drops(f, DROP_WEBRTC_UFRAG), 3);
    assert_int_equal(member(f, PEER)->address, ADDRESS_NONE);
}

static void a_wrong_password_is_401_and_binds_nothing(void **state)
{
    assert_int_equal(answered(&address, ufrag, "abcdefghijklmnopqrstuvwy", 0x802a, true), 401);
    assert_int_equal(drops(f, DROP_WEBRTC_INTEGRITY), 1);
    assert_int_equal(member(f, PEER)->address, ADDRESS_NONE);
}

static void a_peer_that_thinks_it_is_controlled_is_told_487(void **state)
{
    assert_int_equal(answered(&address, ufrag, PASSWORD, 0x8029, true), 487);
    assert_int_equal(member(f, PEER)->address, ADDRESS_NONE);
}

static void checks_have_a_rate(void **state)
{
    unsigned good = 0;
    for (unsigned i = 0; i < 500; i++)
        good += answered(&address, ufrag, PASSWORD, 0x802a, true) == 0x0101;
    assert_int_equal(good, 100);
    assert_int_equal(drops(f, DROP_WEBRTC_RATE), 400);
    f->now += 1000 * MS;
    is_verified();
}

static void without_checks_for_thirty_seconds_nothing_is_sent(void **state)
{
    is_verified();
    f->now += WEBRTC_CONSENT_US - 1000 * MS;
    polls();
    assert_int_equal(member(f, PEER)->address, ADDRESS_BOUND);
    f->now += 2000 * MS;
    polls();
    assert_int_equal(member(f, PEER)->address, ADDRESS_NONE);
    assert_int_equal(drops(f, DROP_WEBRTC_CONSENT), 1);
    is_verified();
    assert_int_equal(member(f, PEER)->address, ADDRESS_BOUND);
}

static void dtls_from_an_address_that_is_not_verified_is_not_heard(void **state)
{
    uint8_t hello[64] = {22, 0xfe, 0xfd, [12] = 51, [13] = 1};
    assert_int_equal(arrives(f, &address, hello, sizeof hello), VOICE_DONE);
    assert_int_equal(drops(f, DROP_VOICE_DTLS), 1);
    is_verified();
    hello[0] = 23; /* data before a hello */
    assert_int_equal(arrives(f, &address, hello, sizeof hello), VOICE_DONE);
    assert_int_equal(drops(f, DROP_VOICE_DTLS), 2);
}

static void a_native_client_hears_the_browser(void **state)
{
    is_verified();
    shakes_hands();
    assert_int_equal(says(65535, "hello from the browser"), VOICE_FORWARD);
    rounds_out(f);
    assert_int_equal(times_heard(f, NATIVE, "hello from the browser"), 1);
    assert_int_equal(f->heard[0].ssrc, ssrc_of(PEER));
    assert_int_equal(f->heard[0].seq, 65535);
    assert_int_equal(f->heard[0].datagram[0], 0x80);
    assert_int_equal(f->heard[0].datagram[1], 120);
    assert_int_equal(says(0, "over the wrap"), VOICE_FORWARD);
    rounds_out(f);
    assert_int_equal(times_heard(f, NATIVE, "over the wrap"), 1);
    assert_int_equal(notices(f, NOTICE_HEARD), 1);
    assert_int_equal(all_drops(f), 0);
}

static void the_browser_hears_a_native_client(void **state)
{
    is_verified();
    shakes_hands();
    for (unsigned i = 0; i < 3; i++) {
        f->now += 20 * MS;
        speaks(f, &f->client[NATIVE], "hello from the bot");
        rounds_out(f);
        assert_int_equal(heard.count, i + 1);
        assert_true(heard.length > 0);
        assert_int_equal(heard.bytes[1] & 0x7f, TYPE);
        assert_int_equal(heard.bytes[1] >> 7, i == 0);
        assert_int_equal(be16(heard.bytes + 2), i + 1);
        assert_int_equal(be32(heard.bytes + 8), SSRC_OUT);
        assert_int_equal(be32(heard.bytes + 12), ssrc_of(NATIVE));
        assert_memory_equal(heard.bytes + 16, "hello from the bot", 18);
    }
}

static void replayed_or_changed_media_is_refused(void **state)
{
    is_verified();
    shakes_hands();
    says(7, "once");
    uint8_t copy[1600];
    uint16_t len = f->last_length;
    memcpy(copy, f->last, len);
    assert_int_equal(arrives(f, &address, copy, len), VOICE_DONE);
    assert_int_equal(drops(f, DROP_VOICE_REPLAY), 1);
    copy[3]++;
    assert_int_equal(arrives(f, &address, copy, len), VOICE_DONE);
    assert_int_equal(drops(f, DROP_VOICE_AUTH), 1);
    copy[1] ^= 1;
    arrives(f, &address, copy, len);
    assert_int_equal(drops(f, DROP_VOICE_PAYLOAD_TYPE), 1);
    copy[1] ^= 1;
    copy[11] ^= 1;
    arrives(f, &address, copy, len);
    assert_int_equal(drops(f, DROP_VOICE_SSRC), 1);
    rounds_out(f);
    assert_int_equal(times_heard(f, NATIVE, "once"), 1);
    assert_int_equal(says(8, "and on"), VOICE_FORWARD);
}

static void media_before_keys_is_refused(void **state)
{
    uint8_t p[64] = {0x80, TYPE, [11] = 9};
    is_verified();
    assert_int_equal(arrives(f, &address, p, sizeof p), VOICE_DONE);
    assert_int_equal(drops(f, DROP_WEBRTC_UNKEYED), 1);
    speaks(f, &f->client[NATIVE], "nobody there yet");
    rounds_out(f);
    assert_int_equal(heard.count, 0);
    assert_int_equal(drops(f, DROP_WEBRTC_UNKEYED), 2);
}

/* libsrtp2 opens nothing twice: an index that came again would show. */
static void a_restart_keeps_the_call_and_uses_no_index_again(void **state)
{
    is_verified();
    shakes_hands();
    for (unsigned life = 0; life < 4; life++) {
        for (unsigned i = 0; i < 3; i++) {
            f->now += 20 * MS;
            speaks(f, &f->client[NATIVE], "on and on");
            rounds_out(f);
            assert_true(heard.length > 0);
        }
        assert_int_equal(be16(heard.bytes + 2), 3 * (life + 1));
        struct fix *next = killed(f);
        webrtc_free(w);
        done(f);
        f = next;
        fixture_sealed = f->sealed;
        f->sealed = sealed;
        starts_serving();
        assert_int_equal(webrtc_count(w), 1);
        assert_int_equal(says((uint16_t)(100 + life), "still here"), VOICE_FORWARD);
        rounds_out(f);
        assert_int_equal(times_heard(f, NATIVE, "still here"), 1);
    }
}

static void reports_are_sent_and_opened(void **state)
{
    is_verified();
    shakes_hands();
    f->now += 20 * MS;
    says(1, "one");
    says(3, "three");
    speaks(f, &f->client[NATIVE], "hello");
    rounds_out(f);
    f->now += 1100 * MS;
    polls();
    const struct webrtc_datagram *d = webrtc_next(w);
    assert_non_null(d);
    uint8_t p[1600];
    int len = d->length;
    memcpy(p, d->bytes, d->length);
    assert_int_equal(srtp_unprotect_rtcp(hears, p, &len), srtp_err_status_ok);
    assert_int_equal(p[1], 200); /* a sender report on the slot, with a block on what we hear */
    assert_int_equal(p[0] & 31, 1);
    assert_int_equal(be32(p + 4), SSRC_OUT);
    assert_int_equal(be32(p + 28), SSRC_IN);
    assert_int_equal(be32(p + 32) & 0xffffff, 1); /* lost */
    assert_int_equal(p[52 + 1], 202);
}

static void who_has_left_is_told_so_and_is_not_known_any_more(void **state)
{
    is_verified();
    shakes_hands();
    speaks(f, &f->client[NATIVE], "hello");
    rounds_out(f);
    while (webrtc_next(w))
        ;
    begins(f);
    assert_true(voice_member_remove(f->v, &(struct verb_member_ref){WORKER * MEMBERS + PEER, 1}));
    commits(f);
    const struct webrtc_datagram *d = webrtc_next(w);
    assert_non_null(d);
    uint8_t p[1600];
    int len = d->length;
    memcpy(p, d->bytes, d->length);
    assert_int_equal(srtp_unprotect_rtcp(hears, p, &len), srtp_err_status_ok);
    assert_int_equal(p[len - 8 + 1], 203);
    assert_int_equal(webrtc_count(w), 0);
    assert_int_equal(answered(&address, ufrag, PASSWORD, 0x802a, true), 0);
    static const uint8_t nothing[32];
    assert_memory_equal(peers[PEER].key_out, nothing, 32);
}

static void a_new_offer_begins_anew(void **state)
{
    is_verified();
    shakes_hands();
    assert_true(keyed());
    assert_true(is_peer(1));
    assert_false(keyed());
    speaks(f, &f->client[NATIVE], "too early");
    rounds_out(f);
    assert_int_equal(heard.count, 0);
    SSL_free(ssl);
    srtp_dealloc(sends);
    srtp_dealloc(hears);
    is_verified();
    shakes_hands();
    f->now += 20 * MS;
    speaks(f, &f->client[NATIVE], "now");
    rounds_out(f);
    assert_int_equal(heard.count, 1);
    assert_int_equal(be16(heard.bytes + 2), 1);
}

static int start(void **state)
{
    char error[DTLS_ERROR_MAX];
    if (!aead_init(AEAD_BACKEND_AUTO) || srtp_init() != srtp_err_status_ok || !dtls_identity_make(&box) ||
        !dtls_identity_make(&own))
        return -1;
    server = dtls_server_new(&box, error);
    struct dtls_helper_config config = {
        .server = server, .workers = WORKER + 1, .associations_max = 64, .ring_bytes = 256u << 10};
    helper = dtls_helper_start(&config, error);
    context = SSL_CTX_new(DTLS_client_method());
    SSL_CTX_use_certificate_ASN1(context, own.certificate_length, own.certificate);
    SSL_CTX_use_PrivateKey_ASN1(EVP_PKEY_EC, context, own.key, own.key_length);
    SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU);
    SSL_CTX_set_tlsext_use_srtp(context, "SRTP_AEAD_AES_128_GCM");
    return helper ? 0 : -1;
}

static int stop(void **state)
{
    SSL_CTX_free(context);
    dtls_helper_stop(helper);
    dtls_server_free(server);
    return 0;
}

static void ice_begins_anew_under_a_new_name_and_the_call_goes_on(void **state)
{
    char before[sizeof ufrag];
    is_verified();
    shakes_hands();
    speaks(f, &f->client[NATIVE], "before");
    rounds_out(f);
    assert_int_equal(heard.count, 1);
    memcpy(before, ufrag, sizeof before);
    assert_true(is_told(1, true, "abcd"));
    f->now += 20 * MS;
    speaks(f, &f->client[NATIVE], "meanwhile");
    rounds_out(f);
    assert_int_equal(heard.count, 2);
    assert_int_equal(be16(heard.bytes + 2), 2);
    assert_int_equal(answered(&address, before, PASSWORD, 0x802a, true), 0);
    struct client elsewhere = address;
    elsewhere.port++;
    assert_int_equal(answered(&elsewhere, ufrag, PASSWORD, 0x802a, true), 0x0101);
    assert_int_equal(member(f, PEER)->peer_port, elsewhere.port);
    assert_false(is_told(2, true, "efgh")); /* of a peer that nobody knows */
}


#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_check_is_answered_and_binds_the_address),
        CASE(the_latest_nominated_address_is_the_one),
        CASE(strangers_learn_nothing),
        CASE(a_wrong_password_is_401_and_binds_nothing),
        CASE(a_peer_that_thinks_it_is_controlled_is_told_487),
        CASE(checks_have_a_rate),
        CASE(without_checks_for_thirty_seconds_nothing_is_sent),
        CASE(dtls_from_an_address_that_is_not_verified_is_not_heard),
        CASE(a_native_client_hears_the_browser),
        CASE(the_browser_hears_a_native_client),
        CASE(replayed_or_changed_media_is_refused),
        CASE(media_before_keys_is_refused),
        CASE(a_restart_keeps_the_call_and_uses_no_index_again),
        CASE(reports_are_sent_and_opened),
        CASE(who_has_left_is_told_so_and_is_not_known_any_more),
        CASE(a_new_offer_begins_anew),
        CASE(ice_begins_anew_under_a_new_name_and_the_call_goes_on),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
