/*
 * TLS alerts, and a refusal: the reason that is counted with the alert that the peer is told. RFC 8446 6, RFC
 * 7301.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_ALERT_H
#define VOXPOP_TLS_ALERT_H

#include <stdint.h>
#include "drop_reason.h"

enum tls_alert {
    TLS_ALERT_CLOSE_NOTIFY = 0,
    TLS_ALERT_UNEXPECTED_MESSAGE = 10,
    TLS_ALERT_BAD_RECORD_MAC = 20,
    TLS_ALERT_RECORD_OVERFLOW = 22,
    TLS_ALERT_HANDSHAKE_FAILURE = 40,
    TLS_ALERT_ILLEGAL_PARAMETER = 47,
    TLS_ALERT_DECODE_ERROR = 50,
    TLS_ALERT_PROTOCOL_VERSION = 70,
    TLS_ALERT_INTERNAL_ERROR = 80,
    TLS_ALERT_USER_CANCELED = 90,
    TLS_ALERT_NO_RENEGOTIATION = 100,
    TLS_ALERT_NO_APPLICATION_PROTOCOL = 120,
    TLS_ALERT_NONE = 255, /* nothing to tell: the peer does not speak TLS, or has told us first */
};

#define TLS_ALERT_LEVEL_WARNING 1
#define TLS_ALERT_LEVEL_FATAL   2

struct tls_refusal {
    enum drop_reason reason;
    uint8_t alert; /* enum tls_alert to send, or TLS_ALERT_NONE */
};

#endif
