/*
 * Files beside messages: uploaded as multipart/form-data, kept with the message, served back with their type
 * and never so that a browser would run them (reference/rest.md 6.3).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/multipart.h"
#include "tests/unit/controlplane/store/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ID(x) ((unsigned long long)(x))
#define B     "--x\r\n"
#define END   "\r\n--x--\r\n"
#define FILE_HEAD(n, name, type)                                                                             \
    "Content-Disposition: form-data; name=\"files[" #n "]\"; filename=\"" name "\"\r\nContent-Type: " type   \
    "\r\n\r\n"
#define JSON_HEAD                                                                                            \
    "Content-Disposition: form-data; name=\"payload_json\"\r\nContent-Type: application/json\r\n\r\n"

static struct fixture f;

static int setup(void **state)
{
    (void)state;
    fixture_open(&f);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

static void answered(void *ctx, const struct rest_reply *reply)
{
    free(f.raw);
    f.raw = malloc(reply->length + 1);
    memcpy(f.raw, reply->data, reply->length);
    f.raw[reply->length] = 0;
    f.status = reply->status;
    json_decref(f.json);
    f.json = json_loads(strstr(f.raw, "\r\n\r\n") + 4, JSON_DECODE_ANY, NULL);
    f.answers++;
}

static int ask(const char *token, const char *method, const char *path, const char *type, const char *body,
               size_t length)
{
    size_t before = f.answers;
    const char *query = strchr(path, '?');
    struct rest_request q = {.method = rest_method_of(method, strlen(method)),
                             .path = path,
                             .path_length = query ? (size_t)(query - path) : strlen(path),
                             .query = query ? query + 1 : NULL,
                             .query_length = query ? strlen(query + 1) : 0,
                             .authorization = token,
                             .authorization_length = token ? strlen(token) : 0,
                             .content_type = type,
                             .content_type_length = type ? strlen(type) : 0,
                             .body = body,
                             .body_length = length};
    rest_handle(f.rest, &q, answered, NULL);
    fixture_wait(&f, before + 1);
    return f.status;
}

static int upload(const char *method, uint64_t message, const char *body, size_t length)
{
    char path[128];
    snprintf(path, sizeof path,
             message ? "/api/v10/channels/%llu/messages/%llu" : "/api/v10/channels/%llu/messages", ID(f.text),
             ID(message));
    return ask(f.owner_token, method, path, "multipart/form-data; boundary=x", body, length);
}

#define UPLOAD(body) upload("POST", 0, body, sizeof body - 1)

/* The path of a file of the last answer. */
static const char *path_of(size_t i)
{
    static char path[512];
    const json_t *a = json_array_get(json_object_get(f.json, "attachments"), i);
    const char *url = json_string_value(json_object_get(a, "url"));
    assert_non_null(url);
    assert_int_equal(strncmp(url, "https://pop/attachments/", 24), 0);
    snprintf(path, sizeof path, "%s", url + strlen("https://pop"));
    return path;
}

static void a_file_is_kept_with_its_message_and_served_as_it_was(void **state)
{
    (void)state;
    static const char body[] = B JSON_HEAD
        "{\"content\":\"see\",\"attachments\":[{\"id\":0,\"description\":\"two bytes\"}]}\r\n" B FILE_HEAD(
            0, "a.png", "image/png") "\0\xff" END;
    char path[512];
    f.m->files_url = "https://pop";
    assert_int_equal(UPLOAD(body), 200);
    const json_t *a = json_array_get(json_object_get(f.json, "attachments"), 0);
    assert_int_equal(json_integer_value(json_object_get(a, "size")), 2);
    assert_string_equal(json_string_value(json_object_get(a, "filename")), "a.png");
    assert_string_equal(json_string_value(json_object_get(a, "description")), "two bytes");
    const struct kept_effect *e = fixture_event(&f, "MESSAGE_CREATE");
    assert_non_null(strstr(e->body, "a.png"));
    assert_null(strstr(e->redacted, "a.png"));
    strcpy(path, path_of(0));
    fixture_restart(&f);
    assert_int_equal(ask(NULL, "GET", path, NULL, NULL, 0), 200);
    assert_non_null(strstr(f.raw, "\r\nContent-Type: image/png\r\n"));
    assert_non_null(strstr(f.raw, "\r\nContent-Disposition: attachment; filename=\"a.png\"\r\n"));
    assert_non_null(strstr(f.raw, "\r\nX-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(f.raw, "\r\nContent-Security-Policy: default-src 'none'; sandbox\r\n"));
    assert_non_null(strstr(f.raw, "\r\nContent-Length: 2\r\n"));
    assert_memory_equal(strstr(f.raw, "\r\n\r\n") + 4, "\0\xff", 2);
    path[strlen(path) - 1] ^= 1; /* another key */
    assert_int_equal(ask(NULL, "GET", path, NULL, NULL, 0), 404);
    *strchr(path, '?') = 0;
    assert_int_equal(ask(f.owner_token, "GET", path, NULL, NULL, 0), 404);
}

static void what_a_browser_would_run_is_served_as_text(void **state)
{
    (void)state;
    static const char *const types[] = {"text/html", "image/svg+xml",         "application/javascript",
                                        "text/css",  "application/xhtml+xml", "application/json"};
    f.m->files_url = "https://pop";
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char body[512];
        snprintf(body, sizeof body,
                 B "Content-Disposition: form-data; name=\"files[0]\"; filename=\"x.html\"\r\n"
                   "Content-Type: %s; charset=utf-8\r\n\r\n<script>alert(1)</script>" END,
                 types[i]);
        assert_int_equal(upload("POST", 0, body, strlen(body)), 200);
        assert_int_equal(ask(NULL, "GET", path_of(0), NULL, NULL, 0), 200);
        assert_non_null(strstr(f.raw, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    }
}

static void names_lose_their_folders_and_their_tricks(void **state)
{
    (void)state;
    static const struct {
        const char *given, *want;
    } names[] = {{"../../etc/passwd", "passwd"},
                 {"..\\\\..\\\\boot.ini", "boot.ini"},
                 {"/", "file"},
                 {"..", "file"},
                 {"a b\tc.txt", "a_b_c.txt"},
                 {"x%22; filename=y", "x___filename_y"},
                 {"\xc3\xa9.png", "__.png"},
                 {"'; DROP TABLE messages;--", "___DROP_TABLE_messages_--"}};
    f.m->files_url = "https://pop";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char body[512];
        snprintf(body, sizeof body,
                 B "Content-Disposition: form-data; name=\"files[0]\"; filename=\"%s\"\r\n\r\nx" END,
                 names[i].given);
        assert_int_equal(upload("POST", 0, body, strlen(body)), 200);
        assert_string_equal(json_string_value(json_object_get(
                                json_array_get(json_object_get(f.json, "attachments"), 0), "filename")),
                            names[i].want);
        assert_int_equal(ask(NULL, "GET", path_of(0), NULL, NULL, 0), 200);
        assert_non_null(strstr(f.raw, "\r\nContent-Type: application/octet-stream\r\n"));
    }
}

static void files_go_with_an_edit_that_does_not_keep_them_and_with_the_message(void **state)
{
    (void)state;
    static const char body[] =
        B FILE_HEAD(0, "a", "image/png") "aa\r\n" B FILE_HEAD(1, "b", "image/png") "bbb" END;
    static const char more[] = B JSON_HEAD "{\"content\":\"c\"}\r\n" B FILE_HEAD(0, "c", "image/png") "c" END;
    char path[2][512], edit[128], where[128];
    f.m->files_url = "https://pop";
    assert_int_equal(UPLOAD(body), 200); /* no text at all: the files are enough */
    uint64_t id = json_id_of(f.json, "id");
    strcpy(path[0], path_of(0));
    strcpy(path[1], path_of(1));
    uint64_t keep = json_id_of(json_array_get(json_object_get(f.json, "attachments"), 1), "id");
    fixture_ask(&f, f.owner_token, "PATCH", "{\"content\":\"\",\"attachments\":[]}",
                "/channels/%llu/messages/%llu", ID(f.text), ID(id));
    assert_int_equal(f.status, 400); /* nothing would be left */
    assert_int_equal(ask(NULL, "GET", path[0], NULL, NULL, 0), 200);
    snprintf(edit, sizeof edit, "{\"attachments\":[{\"id\":\"%llu\"}]}", ID(keep));
    assert_int_equal(
        fixture_ask(&f, f.owner_token, "PATCH", edit, "/channels/%llu/messages/%llu", ID(f.text), ID(id)),
        200);
    assert_int_equal(json_array_size(json_object_get(f.json, "attachments")), 1);
    assert_int_equal(ask(NULL, "GET", path[0], NULL, NULL, 0), 404);
    assert_int_equal(ask(NULL, "GET", path[1], NULL, NULL, 0), 200);
    assert_int_equal(upload("PATCH", id, more, sizeof more - 1), 200);
    assert_int_equal(json_array_size(json_object_get(f.json, "attachments")), 2);
    snprintf(where, sizeof where, "/channels/%llu/messages/%llu", ID(f.text), ID(id));
    assert_int_equal(fixture_ask(&f, f.owner_token, "DELETE", NULL, "%s", where), 204);
    assert_int_equal(ask(NULL, "GET", path[1], NULL, NULL, 0), 404);
}

static void who_may_not_attach_may_not_upload(void **state)
{
    (void)state;
    static const char body[] = B FILE_HEAD(0, "a", "image/png") "aa" END;
    char path[96], deny[64];
    snprintf(deny, sizeof deny, "{\"type\":0,\"deny\":\"%llu\"}", ID(PERM_ATTACH_FILES));
    assert_int_equal(fixture_ask(&f, f.owner_token, "PUT", deny, "/channels/%llu/permissions/%llu",
                                 ID(f.text), ID(f.guild)),
                     204);
    snprintf(path, sizeof path, "/api/v10/channels/%llu/messages", ID(f.text));
    assert_int_equal(
        ask(f.other_token, "POST", path, "multipart/form-data; boundary=x", body, sizeof body - 1), 403);
}

static void a_broken_body_is_refused_and_stores_nothing(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "",
        "--x",
        "--x--",
        "--x\r\n",
        B "\r\nno head" END,
        B "Content-Disposition: form-data\r\n\r\nno name" END,
        B "Content-Disposition: attachment; name=\"a\"\r\n\r\nnot form-data" END,
        B FILE_HEAD(0, "a", "image/png") "no end",
        B FILE_HEAD(0, "a", "image/png") "half an end\r\n--x",
        B FILE_HEAD(0, "a", "image/png") "another end\r\n--y--\r\n",
        B "Content-Disposition: form-data; name=\"files[0]\r\n\r\nan open quote" END,
        B JSON_HEAD "{\"content\":" END,
        B JSON_HEAD "[1]" END,
        B JSON_HEAD "{\"attachments\":[{\"id\":7}]}" END,
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        int status = upload("POST", 0, broken[i], strlen(broken[i]));
        if (status != 400)
            fail_msg("body %zu is answered %d", i, status);
    }
    char many[4096] = "";
    for (int i = 0; i < 11; i++)
        strcat(many, B FILE_HEAD(0, "a", "image/png") "x\r\n");
    strcat(many, "--x--");
    assert_int_equal(upload("POST", 0, many, strlen(many)), 400);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages", ID(f.text));
    assert_int_equal(json_array_size(f.json), 0);
    assert_int_equal(f.effect_count, 0);
}

static void every_truncation_of_a_good_body_is_refused(void **state)
{
    (void)state;
    static const char body[] =
        "preamble\r\n" B JSON_HEAD
        "{\"content\":\"c\"}\r\n" B FILE_HEAD(0, "c", "image/png") "\r\n--y is not the end\r\n" END;
    struct multipart_part parts[MULTIPART_PARTS_MAX];
    assert_int_equal(multipart_parse(body, sizeof body - 1, "x", parts), 2);
    assert_int_equal(parts[1].length, strlen("\r\n--y is not the end\r\n"));
    for (size_t n = 0; n < sizeof body - 1 - strlen("\r\n"); n++) {
        char *cut = malloc(n + 1);
        memcpy(cut, body, n);
        assert_int_equal(multipart_parse(cut, n, "x", parts), -1);
        free(cut);
    }
}

static void boundaries_are_read_as_the_header_has_them(void **state)
{
    (void)state;
    char b[72];
    static const struct {
        const char *type, *want;
    } cases[] = {{"multipart/form-data; boundary=abc", "abc"},
                 {"Multipart/Form-Data;charset=utf-8; BOUNDARY=\"a b\"", "a b"},
                 {"multipart/form-data; boundary=\"a\\\"b\";", "a\"b"},
                 {"multipart/form-data", NULL},
                 {"multipart/form-data; boundary=", NULL},
                 {"multipart/form-data; boundary=\"", NULL},
                 {"multipart/mixed; boundary=abc", NULL},
                 {"application/json", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(multipart_boundary(cases[i].type, strlen(cases[i].type), b), cases[i].want != NULL);
        if (cases[i].want)
            assert_string_equal(b, cases[i].want);
    }
    char longer[200] = "multipart/form-data; boundary=";
    memset(longer + strlen(longer), 'a', 71);
    assert_false(multipart_boundary(longer, strlen(longer), b));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_file_is_kept_with_its_message_and_served_as_it_was),
        CASE(what_a_browser_would_run_is_served_as_text),
        CASE(names_lose_their_folders_and_their_tricks),
        CASE(files_go_with_an_edit_that_does_not_keep_them_and_with_the_message),
        CASE(who_may_not_attach_may_not_upload),
        CASE(a_broken_body_is_refused_and_stores_nothing),
        CASE(every_truncation_of_a_good_body_is_refused),
        CASE(boundaries_are_read_as_the_header_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
