/*
 * What the box speaks, as README's tables: made from the tables that the code runs on, so that they cannot differ.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_REFERENCE_H
#define VOXPOP_REFERENCE_H

#include <stdio.h>

/* Markdown: opcodes and close codes of both gateways, then the REST routes. */
void reference_print(FILE *to);

#endif
