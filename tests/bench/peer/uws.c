/*
 * The peer of the chat benches: uWebSockets, the fastest kernel TLS WebSocket server at hand, as PyPI's
 * package `socketify` carries it in a shared object. This program is its C interface alone, no Python runs:
 * all that is declared here is what that interface needs.
 *
 * usage: uws CERTIFICATE KEY PORT. Every connection subscribes to one topic; {"op":1...} is answered with
 * {"op":11}; what follows "tell " goes out to everybody.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TLS  1
#define TEXT 1

struct options {
    const char *key, *certificate, *passphrase, *dh_params, *ca, *ciphers;
    int prefer_low_memory;
};

struct listen_config {
    int port;
    const char *host;
    int options;
};

struct behavior {
    int compression;
    unsigned payload_max;
    unsigned short idle_timeout_s;
    unsigned backpressure_max;
    bool close_on_backpressure, reset_idle_on_send, send_pings;
    unsigned short lifetime_max;
    void *upgrade;
    void (*open)(void *ws, void *user);
    void (*message)(void *ws, const char *text, size_t length, int opcode, void *user);
    void *drain, *ping, *pong, *close, *subscription;
};

void *socketify_create_loop(void);
void *socketify_get_native_loop(void *loop);
int socketify_loop_run(void *loop, int mode);
void *uws_get_loop_with_native(void *native);
void *uws_create_app(int ssl, struct options options);
void uws_ws(int ssl, void *app, const char *pattern, struct behavior b, void *user);
void uws_app_listen(int ssl, void *app, int port,
                    void (*done)(void *socket, struct listen_config c, void *user), void *user);
int uws_ws_send(int ssl, void *ws, const char *text, size_t length, int opcode);
bool uws_ws_subscribe(int ssl, void *ws, const char *topic, size_t length);
bool uws_publish(int ssl, void *app, const char *topic, size_t topic_length, const char *text, size_t length,
                 int opcode, bool compress);

static void *app;

static void on_open(void *ws, void *user)
{
    uws_ws_subscribe(TLS, ws, "all", 3);
}

static void on_message(void *ws, const char *text, size_t length, int opcode, void *user)
{
    if (length > 8 && memcmp(text, "{\"op\":1,", 8) == 0)
        uws_ws_send(TLS, ws, "{\"op\":11}", 9, TEXT);
    else if (length > 5 && memcmp(text, "tell ", 5) == 0)
        uws_publish(TLS, app, "all", 3, text + 5, length - 5, TEXT, false);
}

static void on_listen(void *socket, struct listen_config c, void *user)
{
    printf(socket ? "listening\n" : "cannot listen\n");
    fflush(stdout);
    if (!socket)
        exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return fprintf(stderr, "usage: uws CERTIFICATE KEY PORT\n"), 2;
    void *loop = socketify_create_loop();
    uws_get_loop_with_native(socketify_get_native_loop(loop));
    app = uws_create_app(TLS, (struct options){.key = argv[2], .certificate = argv[1]});
    if (!app)
        return fprintf(stderr, "uws: certificate or key cannot be used\n"), 1;
    struct behavior b = {.payload_max = 65536,
                         .idle_timeout_s = 960,
                         .backpressure_max = 1u << 20,
                         .open = on_open,
                         .message = on_message};
    uws_ws(TLS, app, "/*", b, NULL);
    uws_app_listen(TLS, app, atoi(argv[3]), on_listen, NULL);
    return socketify_loop_run(loop, 0);
}
