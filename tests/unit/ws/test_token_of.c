/*
 * Finding an identify's token without a parser: the forms that clients send, and the traps.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/ws/token_of.h"
#include "tests/unit/http/guard.h"
#include "token.h"

static struct guard guard;

static bool found(const char *text, size_t length, const char **token, size_t *n)
{
    return gateway_token(guard_put(&guard, text, length), length, token, n);
}

static void the_token_of_every_clients_identify_is_found(void **state)
{
    static const char *const list[] = {
        "{\"op\":2,\"d\":{\"token\":\"T.o.k\",\"properties\":{\"os\":\"linux\"},\"intents\":33409}}",
        "{\"op\":2,\"d\":{\"properties\":{\"a\":[{\"token\":\"x\"},\"}\"]},\"token\":\"T.o.k\"}}",
        " { \"d\" : { \"compress\" : false , \"token\" : \"T.o.k\" , \"seq\":null } , \"op\" : 6 , \"s\" : "
        "null } \n",
        "{\"op\":6,\"d\":{\"session_id\":\"\\u0041\",\"token\":\"T.o.k\",\"seq\":12}}",
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        const char *token = NULL;
        size_t n = 0, length = strlen(list[i]);
        assert_true(found(list[i], length, &token, &n));
        assert_int_equal(n, 5);
        assert_memory_equal(token, "T.o.k", 5);
        for (size_t cut = 0; cut < length; cut++)
            if (strspn(list[i] + cut, " \n") != length - cut)
                assert_false(found(list[i], cut, &token, &n));
    }
}

static void what_is_not_certain_is_left_to_the_parser(void **state)
{
    static const char *const list[] = {
        "",
        "{}",
        "[]",
        "{\"op\":2}",
        "{\"op\":2,\"d\":{}}",
        "{\"op\":2,\"d\":null}",
        "{\"op\":2,\"d\":{\"token\":1}}",
        "{\"op\":1,\"d\":{\"token\":\"x\"}}",
        "{\"op\":22,\"d\":{\"token\":\"x\"}}",
        "{\"op\":2.0,\"d\":{\"token\":\"x\"}}",
        "{\"op\":\"2\",\"d\":{\"token\":\"x\"}}",
        "{\"op\":2,\"d\":{\"token\":\"x\",\"token\":\"y\"}}",
        "{\"op\":2,\"op\":2,\"d\":{\"token\":\"x\"}}",
        "{\"op\":2,\"d\":{\"token\":\"x\"},\"d\":{}}",
        "{\"op\":2,\"d\":{\"tok\\u0065n\":\"x\"}}",
        "{\"op\":2,\"d\":{\"token\":\"\\u0041\"}}",
        "{\"op\":2,\"d\":{\"token\":\"x\"}}}",
        "{\"op\":2,\"d\":{\"token\":\"x\"}",
        "{\"op\":2,\"d\":[{\"token\":\"x\"}]}",
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        const char *token = NULL;
        size_t n = 0;
        if (found(list[i], strlen(list[i]), &token, &n))
            fail_msg("found in %s", list[i]);
    }
}

static void a_token_is_good_under_its_own_key_only(void **state)
{
    const uint8_t key[TOKEN_KEY] = {1}, other[TOKEN_KEY] = {2};
    char text[TOKEN_TEXT_MAX] = "MTE1MjkyMTUwNDYwNjg0Njk3Ng.AbCdEf_-";
    size_t length = token_sign(key, text, strlen(text));
    assert_int_equal(length, 26 + 1 + 8 + 1 + TOKEN_SIGN_TEXT);
    assert_int_equal(token_check(key, text, length), TOKEN_SIGNED);
    assert_int_equal(token_check(other, text, length), TOKEN_WRONG);
    for (size_t i = 0; i < length; i++) {
        char was = text[i];
        text[i] = was == 'x' ? 'y' : 'x';
        assert_int_equal(token_check(key, text, length), TOKEN_WRONG);
        text[i] = was;
        assert_int_equal(token_check(key, text, i), TOKEN_WRONG);
    }
    memmove(text + 27 + 6, text + 27 + 8, TOKEN_SIGN_TEXT + 1); /* as before there was a key */
    assert_int_equal(token_check(key, text, length - 2), TOKEN_UNSIGNED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_token_of_every_clients_identify_is_found),
        cmocka_unit_test(what_is_not_certain_is_left_to_the_parser),
        cmocka_unit_test(a_token_is_good_under_its_own_key_only),
    };
    guard = guard_make(4096);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    guard_free(&guard);
    return failed;
}
