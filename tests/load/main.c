/*
 * voxpop-load: commands and options.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "herd.h"
#include "load.h"

static const char usage[] =
    "usage: voxpop-load voice-fanout --config FILE --dataplane PROGRAM [--rooms N] "
    "[--listeners N] [--turns] [--rate PACKETS_PER_SECOND | --window | --loads]\n"
    "       voxpop-load wire --socket PATH\n"
    "       voxpop-load seal [--keys N]\n"
    "       voxpop-load connections|fanout|gateway-echo|handshakes (--config FILE --dataplane PROGRAM | "
    "--device DPDK_DEVICE) "
    "--connections N [--resume] [--sessions] [--opening N] [--rate PER_SECOND] [--heartbeat S] "
    "[--slow SHARE] [--deaths PER_SECOND] [--storm S] [--target PATH] [--port N] [--ca FILE] [--verify-all]\n"
    "       voxpop-load resume-storm --config FILE --dataplane PROGRAM --connections N --untouched N [--opening N]\n"
    "options of all: --cpu N, --descriptors N (of the wire), --seconds S (of a "
    "trial), --repeats N, --seed N\n"
    "voice-fanout finds the peak; with --rate it offers so many sealed packets/s "
    "once; with --window it only goes flat out.\n";

static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                        {"dataplane", required_argument, NULL, 'd'},
                                        {"socket", required_argument, NULL, 's'},
                                        {"cpu", required_argument, NULL, 'p'},
                                        {"rooms", required_argument, NULL, 'r'},
                                        {"listeners", required_argument, NULL, 'l'},
                                        {"rate", required_argument, NULL, 'R'},
                                        {"seconds", required_argument, NULL, 't'},
                                        {"repeats", required_argument, NULL, 'n'},
                                        {"keys", required_argument, NULL, 'k'},
                                        {"descriptors", required_argument, NULL, 'D'},
                                        {"window", no_argument, NULL, 'w'},
                                        {"turns", no_argument, NULL, 'x'},
                                        {"loads", no_argument, NULL, 'y'},
                                        {"seed", required_argument, NULL, 'S'},
                                        {"connections", required_argument, NULL, 'N'},
                                        {"opening", required_argument, NULL, 'o'},
                                        {"heartbeat", required_argument, NULL, 'h'},
                                        {"slow", required_argument, NULL, 'L'},
                                        {"deaths", required_argument, NULL, 'e'},
                                        {"storm", required_argument, NULL, 'T'},
                                        {"untouched", required_argument, NULL, 'U'},
                                        {"kills", required_argument, NULL, 'k' + 256},
                                        {"peak", required_argument, NULL, 'K'},
                                        {"target", required_argument, NULL, 'g'},
                                        {"port", required_argument, NULL, 'P'},
                                        {"ca", required_argument, NULL, 'a'},
                                        {"device", required_argument, NULL, 'v'},
                                        {"resume", no_argument, NULL, 'u'},
                                        {"sessions", no_argument, NULL, 'b'},
                                        {"verify-all", no_argument, NULL, 'A'},
                                        {0}};

static unsigned number(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

static bool take_chat(struct load_options *o, int option)
{
    switch (option) {
    case 'N':
        return (o->connections = number(optarg)) > 0 && o->connections <= HERD_MAX;
    case 'o':
        return (o->opening = number(optarg)) > 0;
    case 'h':
        return (o->heartbeat = strtod(optarg, NULL)) >= 0;
    case 'L':
        return (o->slow = strtod(optarg, NULL)) >= 0;
    case 'e':
        return (o->deaths = strtod(optarg, NULL)) >= 0;
    case 'T':
        return (o->storm = strtod(optarg, NULL)) >= 0;
    case 'U':
        return (o->untouched = number(optarg)) > 0;
    case 'k' + 256:
        return (o->kills = number(optarg)) > 0;
    case 'K':
        return (o->peak = strtod(optarg, NULL)) > 0;
    case 'g':
        o->target = optarg;
        return true;
    case 'P':
        return (o->server_port = (uint16_t)number(optarg)) > 0;
    case 'a':
        o->ca = optarg;
        return true;
    case 'v':
        o->device = optarg;
        return true;
    case 'u':
        return (o->resume = true);
    case 'b':
        return (o->sessions = true);
    case 'A':
        return (o->verify_all = true);
    default:
        return false;
    }
}

static bool take(struct load_options *o, int option)
{
    switch (option) {
    case 'c':
        o->config = optarg;
        return true;
    case 'd':
        o->dataplane = optarg;
        return true;
    case 's':
        o->socket = optarg;
        return true;
    case 'p':
        o->cpu = number(optarg);
        return true;
    case 'r':
        return (o->rooms = number(optarg)) > 0;
    case 'l':
        return (o->listeners = number(optarg)) > 0;
    case 'R':
        return (o->rate = strtod(optarg, NULL)) > 0;
    case 't':
        return (o->seconds = strtod(optarg, NULL)) > 0;
    case 'n':
        return (o->repeats = number(optarg)) > 0;
    case 'k':
        return (o->keys = number(optarg)) > 0;
    case 'D':
        return (o->descriptors = number(optarg)) > 0;
    case 'w':
        return (o->window = true);
    case 'x':
        return (o->turns = true);
    case 'y':
        return (o->loads = true);
    case 'S':
        o->seed = strtoull(optarg, NULL, 10);
        return true;
    default:
        return take_chat(o, option);
    }
}

int main(int argc, char **argv)
{
    struct load_options o = {.cpu = 1,
                             .rooms = 1,
                             .listeners = 50,
                             .seconds = 0.5,
                             .repeats = 1,
                             .keys = 51,
                             .seed = 1,
                             .target = "/?v=10&encoding=json",
                             .server_port = 443,
                             .opening = 64,
                             .heartbeat = 41};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (!take(&o, option))
            return fputs(usage, stderr), 2;
    const char *command = optind + 1 == argc ? argv[optind] : "";
    if (strcmp(command, "voice-fanout") == 0 && o.config && o.dataplane)
        return load_voice_fanout(&o);
    bool somewhere = (o.config && o.dataplane) || o.device;
    if (strcmp(command, "connections") == 0 && o.connections && somewhere)
        return load_connections(&o);
    if (strcmp(command, "fanout") == 0 && o.connections && somewhere)
        return load_fanout(&o);
    if (strcmp(command, "gateway-echo") == 0 && o.connections && somewhere)
        return load_gateway_echo(&o);
    if (strcmp(command, "handshakes") == 0 && o.connections && somewhere)
        return load_handshakes(&o);
    if (strcmp(command, "survive") == 0 && o.connections && o.kills && o.config && o.dataplane && o.device)
        return load_survive(&o);
    if (strcmp(command, "resume-storm") == 0 && o.connections > o.untouched && o.untouched && o.config && o.dataplane)
        return load_resume_storm(&o);
    if (strcmp(command, "wire") == 0 && o.socket)
        return load_wire(&o);
    if (strcmp(command, "seal") == 0)
        return load_seal(&o);
    return fputs(usage, stderr), 2;
}
