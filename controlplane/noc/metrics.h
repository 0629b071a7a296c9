/*
 * The region as Prometheus text (exposition format 0.0.4).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_NOC_METRICS_H
#define VOXPOP_NOC_METRICS_H

#include <stdio.h>

#include "region.h"

void metrics_write(FILE *to, const struct region *r);

#endif
