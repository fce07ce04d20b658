/* tests/metering/test_metering.h - what the tests of this folder share. */
#ifndef TEST_METERING_H
#define TEST_METERING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "crypto/x509.h"

#define assert_ok(expr) assert_int_equal((expr), SC_OK)
/* |a - b| <= tolerance, in double; NaN is near nothing. */
#define assert_near(a, b, tolerance)                                                                         \
    do {                                                                                                     \
        const double a_ = (double)(a), b_ = (double)(b);                                                     \
        if (!(a_ - b_ <= (double)(tolerance) && b_ - a_ <= (double)(tolerance)))                             \
            fail_msg("%s = %.9g, not near %s = %.9g", #a, a_, #b, b_);                                       \
    } while (0)
/* Every flip of one bit of the `size` bytes at `bytes`: runs `body` with the flip in place. */
#define FOR_EACH_FLIP(bytes, size, body)                                                                     \
    for (size_t bit_ = 0; bit_ < (size)*8; bit_++) {                                                         \
        (bytes)[bit_ / 8] ^= (uint8_t)(1u << bit_ % 8);                                                      \
        body;                                                                                                \
        (bytes)[bit_ / 8] ^= (uint8_t)(1u << bit_ % 8);                                                      \
    }

/* path of a file below the shared data, or NULL (with a message) where it is not installed. */
static inline const char *shared_path(const char *name)
{
    static char path[4096];
    const char *root = getenv("SC_SHARED");
    if (root == NULL)
        root = getenv("SC_SHARED_DEFAULT"); /* set by the build: beside the source tree */
    snprintf(path, sizeof path, "%s/%s", root != NULL ? root : "../shared", name);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        printf("skipped: %s is not here (set SC_SHARED)\n", path);
        return NULL;
    }
    fclose(f);
    return path;
}

static inline struct sc_key key_of(uint8_t byte)
{
    struct sc_key k;
    memset(k.bytes, byte, sizeof k.bytes);
    return k;
}

#endif
