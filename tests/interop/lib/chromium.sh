#!/bin/bash
# Chromium inside the clients' namespace: it reaches the POP and nothing else.
# SPDX-License-Identifier: Apache-2.0
exec ip netns exec "$VOXPOP_WEB_NETNS" chromium "$@"
