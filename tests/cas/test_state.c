/* The state of a CAS under a real quoting daemon: this test is the enclave. */
#include "../tee/quotingd.h"

#include "cas/state.h"

struct fixture {
    struct quotingd *q;
    struct sc_tee *tee;
    char *dir;
};

static int setup(void **state)
{
    if (geteuid() != 0) {
        print_message("SKIPPED: the quoting daemon needs root\n");
        *state = NULL;
        return 0;
    }
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->q = quotingd_new();
    assert_int_equal(quotingd_start(f->q), 0);
    f->dir = test_path(f->q->dir, "cas");
    const struct sc_tee_options opt = {.backend = SC_TEE_SOFTWARE, .root = f->q->socket};
    assert_ok(sc_tee_open(&opt, &f->tee, NULL));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f == NULL)
        return 0;
    sc_tee_free(f->tee);
    quotingd_free(f->q);
    free(f->dir);
    free(f);
    return 0;
}

#define FIXTURE(state)                                                                                                 \
    struct fixture *f = *(state);                                                                                      \
    if (f == NULL)                                                                                                     \
    skip()

static sc_err open_state(struct fixture *f, struct sc_tee *tee, bool create, struct sc_cas_state **out,
                         struct sc_diag *diag)
{
    const struct sc_cas_state_options opt = {.tee = tee, .dir = f->dir, .bind = SC_TEE_BIND_CODE, .create = create};
    return sc_cas_state_open(&opt, out, diag);
}

static sc_err put(struct sc_cas_state *s, const char *value)
{
    struct sc_kvs_txn *txn = NULL;
    assert_ok(sc_kvs_txn_begin(sc_cas_state_kvs(s), &txn));
    assert_ok(sc_kvs_txn_put(txn, sc_slice_str("key"), sc_slice_str(value)));
    return sc_kvs_txn_commit(txn, true, NULL);
}

static void expect(struct sc_cas_state *s, const char *value)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf got = {0};
    assert_ok(sc_kvs_get(sc_cas_state_kvs(s), NULL, sc_slice_str("key"), &got, NULL));
    assert_string_equal(sc_buf_cstr(&got), value);
}

static void copy_dir(const char *from, const char *to)
{
    char out[256];
    const char *const argv[] = {"/bin/cp", "-a", "-T", from, to, NULL};
    assert_int_equal(run_as(0, argv, out, sizeof out), 0);
}

static void state_is_there_after_a_restart(void **state)
{
    FIXTURE(state);
    struct sc_cas_state *s = NULL;
    struct sc_diag diag = {0};
    assert_err(open_state(f, f->tee, false, &s, NULL), SC_E_NOT_FOUND);
    assert_ok_diag(open_state(f, f->tee, true, &s, &diag), &diag);
    assert_ok(put(s, "one"));
    sc_cas_state_free(s);
    assert_ok_diag(open_state(f, f->tee, false, &s, &diag), &diag);
    expect(s, "one");
    sc_cas_state_free(s);
}

static void a_rolled_back_database_is_refused(void **state)
{
    FIXTURE(state);
    struct sc_cas_state *s = NULL;
    struct sc_diag diag = {0};
    SC_CLEANUP(sc_freep) char *backup = test_path(f->q->dir, "backup");
    assert_ok(open_state(f, f->tee, true, &s, NULL));
    assert_ok(put(s, "one"));
    sc_cas_state_free(s);
    copy_dir(f->dir, backup);
    assert_ok(open_state(f, f->tee, false, &s, NULL));
    assert_ok(put(s, "two"));
    sc_cas_state_free(s);
    assert_ok(sc_dir_remove(f->dir, NULL));
    copy_dir(backup, f->dir);
    assert_err(open_state(f, f->tee, false, &s, &diag), SC_E_AUTH);
    assert_true(diag.text[0] != '\0');
}

static void another_machine_does_not_open_it(void **state)
{
    FIXTURE(state);
    struct sc_cas_state *s = NULL;
    struct sc_diag diag = {0};
    struct quotingd *other = quotingd_new();
    SC_CLEANUP(sc_tee_freep) struct sc_tee *elsewhere = NULL;
    assert_ok(open_state(f, f->tee, true, &s, NULL));
    assert_ok(put(s, "one"));
    sc_cas_state_free(s);
    assert_int_equal(quotingd_start(other), 0);
    const struct sc_tee_options opt = {.backend = SC_TEE_SOFTWARE, .root = other->socket};
    assert_ok(sc_tee_open(&opt, &elsewhere, NULL));
    assert_err(open_state(f, elsewhere, false, &s, &diag), SC_E_AUTH);
    assert_contains(diag.text, "on another machine");
    quotingd_free(other);
}

static void a_second_one_waits_until_the_first_is_gone(void **state)
{
    FIXTURE(state);
    struct sc_cas_state *first = NULL;
    struct sc_cas_state *second = NULL;
    struct sc_diag diag = {0};
    assert_ok(open_state(f, f->tee, true, &first, NULL));
    assert_ok(put(first, "one"));
    assert_err(open_state(f, f->tee, false, &second, &diag), SC_E_CONFLICT);
    sc_cas_state_free(first);
    assert_ok(open_state(f, f->tee, false, &second, NULL));
    expect(second, "one");
    sc_cas_state_free(second);
}

/* A copy of the disk under the same machine's enclave: both are whole and genuine, and the lock is the directory's. */
static void of_two_copies_only_one_can_write(void **state)
{
    FIXTURE(state);
    struct sc_cas_state *first = NULL;
    struct sc_cas_state *second = NULL;
    SC_CLEANUP(sc_freep) char *copy = test_path(f->q->dir, "copy");
    SC_CLEANUP(sc_freep) char *original = strdup(f->dir);
    assert_ok(open_state(f, f->tee, true, &first, NULL));
    assert_ok(put(first, "one"));
    copy_dir(f->dir, copy);
    free(f->dir);
    f->dir = strdup(copy);
    assert_ok(open_state(f, f->tee, false, &second, NULL)); /* it is the newest state */
    assert_ok(put(second, "two"));
    assert_err(put(first, "three"), SC_E_CONFLICT);
    sc_cas_state_free(first);
    sc_cas_state_free(second);
    free(f->dir);
    f->dir = strdup(original);
    assert_err(open_state(f, f->tee, false, &first, NULL), SC_E_AUTH); /* now it is an old one */
}

static void a_lost_key_is_an_error_and_not_a_beginning(void **state)
{
    FIXTURE(state);
    struct sc_cas_state *s = NULL;
    SC_CLEANUP(sc_freep) char *root = test_path(f->dir, "root.sealed");
    assert_ok(open_state(f, f->tee, true, &s, NULL));
    sc_cas_state_free(s);
    assert_int_equal(unlink(root), 0);
    assert_err(open_state(f, f->tee, true, &s, NULL), SC_E_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(state_is_there_after_a_restart),   TEST(a_rolled_back_database_is_refused),
        TEST(another_machine_does_not_open_it), TEST(a_second_one_waits_until_the_first_is_gone),
        TEST(of_two_copies_only_one_can_write), TEST(a_lost_key_is_an_error_and_not_a_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
