/*
 * Any decrypted packet as RTP and as RTCP: the parsers stay inside, and a header is never longer than its
 * packet. The first byte is the id of the audio level extension.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/webrtc/rtcp.h"
#include "dataplane/webrtc/rtp.h"
#include "tests/fuzz/http/expect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rtcp_heard heard;
    struct rtp_view v;
    if (size < 1)
        return 0;
    uint8_t *p = exact_copy(data + 1, size - 1);
    if (rtp_view(p, size - 1, data[0], &v))
        EXPECT(v.header >= 12 && v.header <= size - 1);
    if (rtcp_hear(p, size - 1, &heard))
        EXPECT(heard.blocks <= RTCP_REPORTS_MAX && size - 1 >= 4);
    free(p);
    return 0;
}
