#include "test.h"

#include <errno.h>

static void the_first_failure_is_the_one_that_is_told(void **state)
{
    (void)state;
    struct sc_diag diag = { 0 };
    assert_err(sc_fail(&diag, SC_E_IO, "disk %d", 3), SC_E_IO);
    assert_err(sc_fail(&diag, SC_E_AUTH, "an echo"), SC_E_AUTH); /* the code goes to the caller all the same */
    assert_int_equal(diag.code, SC_E_IO);
    assert_string_equal(diag.text, "disk 3");
    assert_err(sc_fail(NULL, SC_E_LIMIT, "nobody listens"), SC_E_LIMIT);
}

static void errno_is_told_in_words(void **state)
{
    (void)state;
    struct sc_diag diag = { 0 };
    errno = ENOENT;
    assert_err(sc_fail_errno(&diag, SC_E_IO, "/nowhere"), SC_E_IO);
    assert_string_equal(diag.text, "/nowhere: No such file or directory");
}

static void context_goes_before_the_story(void **state)
{
    (void)state;
    struct sc_diag diag = { 0 };
    assert_err(sc_context(&diag, SC_OK, "nothing happened"), SC_OK);
    assert_string_equal(diag.text, "");
    sc_ignore(sc_fail(&diag, SC_E_MALFORMED, "byte 7")); /* the text is what counts */
    assert_err(sc_context(&diag, SC_E_MALFORMED, "file %s", "a"), SC_E_MALFORMED);
    assert_string_equal(diag.text, "file a: byte 7");
    struct sc_diag empty = { 0 };
    assert_err(sc_context(&empty, SC_E_NOMEM, "table"), SC_E_NOMEM);
    assert_string_equal(empty.text, "table: out of memory");
    assert_int_equal(empty.code, SC_E_NOMEM);
    assert_string_equal(sc_diag_text(NULL, SC_E_IO), "input/output error");
}

static void a_long_story_is_cut_and_terminated(void **state)
{
    (void)state;
    char big[2000];
    memset(big, 'x', sizeof big);
    big[sizeof big - 1] = '\0';
    struct sc_diag diag = { 0 };
    errno = EIO;
    sc_ignore(sc_fail_errno(&diag, SC_E_IO, "%s", big)); /* must not write beyond diag */
    assert_int_equal(strlen(diag.text), sizeof diag.text - 1);
    for (int i = 0; i < 3; i++)
        sc_ignore(sc_context(&diag, SC_E_IO, "%s", big)); /* ditto */
    assert_int_equal(strlen(diag.text), sizeof diag.text - 1);
}

static void every_code_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i >= SC_E_UNSUPPORTED; i--)
        for (int k = 0; k > i; k--)
            assert_string_not_equal(sc_err_name((sc_err)i), sc_err_name((sc_err)k));
    assert_string_equal(sc_err_name((sc_err)-99), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_failure_is_the_one_that_is_told),
        cmocka_unit_test(errno_is_told_in_words),
        cmocka_unit_test(context_goes_before_the_story),
        cmocka_unit_test(a_long_story_is_cut_and_terminated),
        cmocka_unit_test(every_code_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
