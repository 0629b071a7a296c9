/*
 * The log's lines, read back from a file that stands in for stderr.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/log.h"

#define THREADS 4
#define LINES   200

static int terminal = -1;
static FILE *file;
static char text[1u << 17];

static int catch_lines(void **state)
{
    log_process("test");
    log_limit(LOG_INFO, 1000);
    terminal = dup(STDERR_FILENO);
    file = tmpfile();
    return file && dup2(fileno(file), STDERR_FILENO) >= 0 ? 0 : -1;
}

static int release_lines(void **state)
{
    dup2(terminal, STDERR_FILENO);
    close(terminal);
    return fclose(file);
}

static const char *lines(void)
{
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    return text;
}

static unsigned count_lines(void)
{
    unsigned n = 0;
    for (const char *p = lines(); (p = strchr(p, '\n')); p++)
        n++;
    return n;
}

static void assert_is_whole(const char *pattern)
{
    regex_t re;
    assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&re, lines(), 0, NULL, 0))
        fail_msg("%s is not %s", text, pattern);
    regfree(&re);
}

static void a_line_names_time_process_level_event_and_values(void **state)
{
    log_event(LOG_WARNING, "some_event", "count=%u why=%s", 3, log_text("it \"is\" so").text);
    assert_is_whole(
        "^time=[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z process=test level=warning "
        "event=some_event count=3 why=\"it \\\\\"is\\\\\" so\"\n$");
}

static void a_newline_in_a_value_makes_no_second_line(void **state)
{
    log_event(LOG_INFO, "forged", "why=%s", log_text("one\ntime=2 event=two").text);
    assert_int_equal(count_lines(), 1);
    assert_is_whole("why=\"one time=2 event=two\"\n$");
}

static void a_long_value_is_cut_and_its_quotes_are_closed(void **state)
{
    char value[4000];
    memset(value, ' ', sizeof value);
    value[sizeof value - 1] = 0;
    log_event(LOG_INFO, "long", "a=%s b=%s c=%s", log_text(value).text, log_text(value).text,
              log_text(value).text);
    assert_int_equal(count_lines(), 1);
    assert_true(strlen(text) <= 1024);
    assert_true(strlen(log_text(value).text) < LOG_TEXT_MAX);
    assert_int_equal(log_text(value).text[strlen(log_text(value).text) - 1], '"');
}

static void a_word_stands_as_it_is_and_nothing_stands_in_quotes(void **state)
{
    assert_string_equal(log_text("198.18.0.1/24").text, "198.18.0.1/24");
    assert_string_equal(log_text("").text, "\"\"");
    assert_string_equal(log_text("a=b").text, "\"a=b\"");
    assert_string_equal(log_text("a\\b").text, "\"a\\\\b\"");
}

static void what_is_less_than_the_level_is_not_written(void **state)
{
    log_event(LOG_DEBUG, "detail", "n=%d", 1);
    assert_int_equal(count_lines(), 0);
    log_limit(LOG_DEBUG, 1000);
    log_event(LOG_DEBUG, "detail", "n=%d", 2);
    assert_is_whole("level=debug event=detail n=2\n$");
    log_limit(LOG_ERROR, 1000);
    log_event(LOG_WARNING, "detail", "n=%d", 3);
    assert_int_equal(count_lines(), 1);
}

static void one_event_is_held_back_alone_and_says_so_later(void **state)
{
    uint32_t suppressed = 0, written = 0;
    log_limit(LOG_INFO, 20);
    for (int i = 0; i < 50; i++)
        written += log_admit("test_a", 1000, &suppressed);
    assert_int_equal(written, 20);
    assert_true(log_admit("test_b", 1000, &suppressed));
    assert_true(log_admit("test_a", 2000, &suppressed));
    assert_int_equal(suppressed, 30);
    assert_true(log_admit("test_a", 2000, &suppressed));
    assert_int_equal(suppressed, 0);
}

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++)
        log_event(LOG_INFO, arg, "n=%d", i);
    return NULL;
}

static void threads_write_whole_lines(void **state)
{
    static char name[THREADS][8] = {"t0", "t1", "t2", "t3"};
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, write_lines, name[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(count_lines(), THREADS * LINES);
    for (const char *line = text; *line; line = strchr(line, '\n') + 1)
        assert_memory_equal(line, "time=", 5);
}

#define WITH_FILE(f) cmocka_unit_test_setup_teardown(f, catch_lines, release_lines)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILE(a_line_names_time_process_level_event_and_values),
        WITH_FILE(a_newline_in_a_value_makes_no_second_line),
        WITH_FILE(a_long_value_is_cut_and_its_quotes_are_closed),
        WITH_FILE(a_word_stands_as_it_is_and_nothing_stands_in_quotes),
        WITH_FILE(what_is_less_than_the_level_is_not_written),
        WITH_FILE(one_event_is_held_back_alone_and_says_so_later),
        WITH_FILE(threads_write_whole_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
