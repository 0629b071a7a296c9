/*
 * voxpop, the operator's tool: noun, then verb. Reads the region itself, so that it works with a dead control
 * plane; what changes something is asked of the control plane through its unix socket.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/command.h"

int main(int argc, char **argv)
{
    return command_main(argc, argv);
}
