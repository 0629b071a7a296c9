/*
 * Start of the topics' index; the rest of topics is in audience.h, which their callers include.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TOPICS_H
#define VOXPOP_TOPICS_H

#include "controlplane/sessions/control.h"

void topics_open(struct control *c);

#endif
