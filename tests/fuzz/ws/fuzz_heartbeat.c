/*
 * The heartbeat recognisers against a JSON parser: whatever they recognise is a heartbeat, with the same
 * numbers.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/fuzz/http/expect.h"
#include "tests/unit/ws/heartbeat_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_voice(const uint8_t *p, size_t size, unsigned version)
{
    struct voice_beat beat;
    int64_t t = 0, seq_ack = 0;
    if (!voice_beat_parse(p, size, version, &beat))
        return;
    EXPECT(oracle_voice(p, size, version, &t, &seq_ack));
    EXPECT(beat.t >= p && beat.t + beat.t_length < p + size && beat.t_length <= VOICE_T_MAX);
    char digits[VOICE_T_MAX + 1] = {0};
    memcpy(digits, beat.t, beat.t_length);
    EXPECT(strtoll(digits, NULL, 10) == t && beat.seq_ack == seq_ack);
    uint8_t ack[HEARTBEAT_MAX];
    EXPECT(voice_beat_ack(ack, version, &beat) < HEARTBEAT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *p = exact_copy(data, size);
    struct gateway_beat beat, oracle;
    if (gateway_beat_parse(p, size, &beat))
        EXPECT(oracle_gateway(p, size, &oracle) && beat.sequence == oracle.sequence);
    check_voice(p, size, 4);
    check_voice(p, size, 8);
    free(p);
    return 0;
}
