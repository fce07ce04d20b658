#include "crypto/crypto.h"
#include "test.h"

#include <sys/prctl.h>
#include <sys/resource.h>

/* The line of /proc/self/maps that holds p (and its VmFlags from smaps) into text. */
static bool mapping_of(const void *p, char *line, size_t line_size, char *flags, size_t flags_size)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    assert_non_null(f);
    char text[512];
    bool inside = false;
    bool found = false;
    while (fgets(text, sizeof text, f) != NULL) {
        unsigned long from;
        unsigned long to;
        if (sscanf(text, "%lx-%lx ", &from, &to) == 2) {
            inside = (unsigned long)(uintptr_t)p >= from && (unsigned long)(uintptr_t)p < to;
            if (inside) {
                found = true;
                snprintf(line, line_size, "%s", text);
            }
        } else if (inside && strncmp(text, "VmFlags:", 8) == 0) {
            snprintf(flags, flags_size, "%s", text);
        }
    }
    fclose(f);
    return found;
}

static void secret_pages_are_what_their_kind_says(void **state)
{
    (void)state;
    SC_CLEANUP(sc_secmem_freep) struct sc_secmem *mem = NULL;
    assert_ok(sc_secmem_new(&mem, 100, NULL));
    const char *kind = sc_secmem_kind(mem);
    print_message("secret memory: %s\n", kind);
    char line[512] = "";
    char flags[512] = "";
    assert_true(mapping_of(sc_secmem_ptr(mem), line, sizeof line, flags, sizeof flags));
    if (strcmp(kind, "memfd_secret") == 0) {
        assert_contains(line, "secretmem");
    } else {
        assert_true(strcmp(kind, "mlock") == 0 || strcmp(kind, "unlocked") == 0);
        assert_contains(flags, " dd"); /* not in core dumps */
        if (strcmp(kind, "mlock") == 0)
            assert_contains(flags, " lo");
    }
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(sc_secmem_ptr(mem)[i], 0);
    memset(sc_secmem_ptr(mem), 0x5a, 100);
    assert_int_equal(sc_secmem_ptr(mem)[99], 0x5a);
}

static void freed_pages_are_gone(void **state)
{
    (void)state;
    struct sc_secmem *mem = NULL;
    assert_ok(sc_secmem_new(&mem, 4096, NULL));
    const void *p = sc_secmem_ptr(mem);
    memset(sc_secmem_ptr(mem), 0x5a, 4096);
    sc_secmem_free(mem);
    char line[512];
    char flags[512] = "";
    assert_false(mapping_of(p, line, sizeof line, flags, sizeof flags));
    sc_secmem_free(NULL);
}

static void senseless_sizes_are_refused(void **state)
{
    (void)state;
    struct sc_secmem *mem = NULL;
    assert_err(sc_secmem_new(&mem, 0, NULL), SC_E_LIMIT);
    assert_err(sc_secmem_new(&mem, SIZE_MAX, NULL), SC_E_LIMIT);
    assert_null(mem);
}

static void keys_and_buffers_are_zeroised(void **state)
{
    (void)state;
    struct sc_key key;
    sc_key_random(&key);
    sc_key_wipe(&key);
    static const uint8_t zeros[32];
    assert_memory_equal(key.bytes, zeros, 32);
}

static void a_hardened_process_leaves_no_dump(void **state)
{
    (void)state;
    sc_process_harden();
    struct rlimit core;
    assert_int_equal(getrlimit(RLIMIT_CORE, &core), 0);
    assert_int_equal(core.rlim_cur, 0);
    assert_int_equal(core.rlim_max, 0);
    assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secret_pages_are_what_their_kind_says),
        cmocka_unit_test(freed_pages_are_gone),
        cmocka_unit_test(senseless_sizes_are_refused),
        cmocka_unit_test(keys_and_buffers_are_zeroised),
        cmocka_unit_test(a_hardened_process_leaves_no_dump), /* last: it closes /proc/self to us */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
