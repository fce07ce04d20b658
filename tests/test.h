/* tests/test.h - what all tests share: cmocka with its headers, seeds, a directory that goes away. */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"

/* Succeeds, or fails the test with the story of `diag`. */
#define assert_ok(expr)                                                                                                \
    do {                                                                                                               \
        const sc_err assert_ok_ = (expr);                                                                              \
        if (assert_ok_ != SC_OK)                                                                                       \
            fail_msg("%s: %s", #expr, sc_err_name(assert_ok_));                                                        \
    } while (0)
#define assert_ok_diag(expr, diag)                                                                                     \
    do {                                                                                                               \
        const sc_err assert_ok_ = (expr);                                                                              \
        if (assert_ok_ != SC_OK)                                                                                       \
            fail_msg("%s: %s", #expr, sc_diag_text((diag), assert_ok_));                                               \
    } while (0)
#define assert_err(expr, code) assert_int_equal((expr), (code))
#define assert_contains(text, part)                                                                                    \
    do {                                                                                                               \
        if (strstr((text), (part)) == NULL)                                                                            \
            fail_msg("\"%s\" does not contain \"%s\"", (text), (part));                                                \
    } while (0)

/* The seed of a random test: fixed, or SC_TEST_SEED; printed, so that a failure can be repeated. */
static inline uint64_t test_seed(uint64_t fixed)
{
    const char *env = getenv("SC_TEST_SEED");
    const uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : fixed;
    print_message("seed %" PRIu64 "\n", seed);
    return seed;
}

/* A fresh directory; the caller frees the path and removes the directory with sc_dir_remove(). */
static inline char *test_dir_new(void)
{
    char path[] = "/tmp/sc-test-XXXXXX";
    assert_non_null(mkdtemp(path));
    return strdup(path);
}

static inline void test_dir_free(char *path)
{
    assert_ok(sc_dir_remove(path, NULL));
    free(path);
}

static inline char *test_path(const char *dir, const char *name)
{
    char *path = sc_path_join(dir, name);
    assert_non_null(path);
    return path;
}

static inline void test_write(const char *dir, const char *name, struct sc_slice content)
{
    SC_CLEANUP(sc_freep) char *path = test_path(dir, name);
    struct sc_diag diag = { 0 };
    assert_ok_diag(sc_file_write(path, content, 0600, &diag), &diag);
}

#endif
