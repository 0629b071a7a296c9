/*
 * voxpop capture replay DIR.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/show.h"
#include "dataplane/capture/pcapng_file.h"
#include "dataplane/capture/replay.h"
#include "dataplane/crypto/aead.h"

static void on_frame(void *user, uint32_t worker, bool sent, uint64_t unix_us, const uint8_t *frame,
                     size_t len)
{
    pcapng_file_packet(user, worker, unix_us, sent ? PCAPNG_OUTBOUND : PCAPNG_INBOUND, frame, len);
}

static json_t *summary_json(const struct replay_summary *s, const char *file)
{
    return json_pack("{s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "file", file,
                     "seconds", (double)s->duration_us / 1e6, "workers", (json_int_t)s->workers, "iterations",
                     (json_int_t)s->steps, "packets_in", (json_int_t)s->packets_in, "packets_out",
                     (json_int_t)s->packets_out, "connections", (json_int_t)s->connections, "opened",
                     (json_int_t)s->opened, "closed", (json_int_t)s->closed, "handshakes_replayed",
                     (json_int_t)s->handshakes, "handshakes_skipped", (json_int_t)s->skipped, "verbs",
                     (json_int_t)s->verbs, "events", (json_int_t)s->events);
}

static bool replay_to(const char *directory, const char *file, struct replay_summary *s, char *why)
{
    struct pcapng_file *f = malloc(sizeof *f);
    struct replay_sink sink = {f, on_frame};
    bool good =
        f && replay_look(directory, s, why) && pcapng_file_open(f, file, s->workers, s->start_unix_us, why);
    if (good) {
        good = replay_run(directory, &sink, s, why);
        if (!pcapng_file_close(f, NULL, s->end_unix_us) && good) {
            snprintf(why, 256, "%.200s could not be written", file);
            good = false;
        }
    }
    free(f);
    return good;
}

int run_capture_replay(const struct invocation *i)
{
    struct replay_summary s;
    char file[600], why[256] = "no memory";
    const char *out = invocation_option(i, "out");
    snprintf(file, sizeof file, "%s%s", out ? out : i->operand[0], out ? "" : "/replay.pcapng");
    if (!aead_init(AEAD_BACKEND_AUTO))
        snprintf(why, sizeof why, "no cipher can be used on this processor");
    else if (replay_to(i->operand[0], file, &s, why))
        return show_value(i, summary_json(&s, file));
    fprintf(stderr, "voxpop: %s\n", why);
    return EXIT_FAILED;
}
