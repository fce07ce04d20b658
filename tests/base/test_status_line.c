/* The line of a terminal that is redrawn; nothing where there is no terminal. */
#include "base/status_line.h"
#include "test.h"

static void nothing_is_shown_where_there_is_no_terminal(void **state)
{
    struct sc_status_line p;
    FILE *f = tmpfile();
    (void)state;
    assert_non_null(f);
    sc_status_line_init(&p, f);
    assert_false(sc_status_line_due(&p));
    sc_status_line_show(&p, 1, 2, "one of two");
    sc_status_line_clear(&p);
    assert_int_equal(ftell(f), 0);
    fclose(f);
}

static void the_line_is_redrawn_in_place_but_not_too_often(void **state)
{
    SC_CLEANUP(sc_freep) char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    struct sc_status_line p = {.out = f};
    (void)state;
    assert_non_null(f);
    sc_status_line_show(&p, 1, 4, "%d rows", 10000);
    assert_string_equal(text, "\r[######..................]  25 % 10000 rows");
    sc_status_line_show(&p, 2, 4, "too early");
    assert_null(strstr(text, "too early"));
    p.next_us = 0;
    sc_status_line_show(&p, 4, 4, "done"); /* what was longer is overwritten */
    assert_contains(text, "\r[########################] 100 % done      ");
    p.next_us = 0;
    sc_status_line_show(&p, 0, 0, "no end known");
    assert_contains(text, "\rno end known  ");
    sc_status_line_clear(&p);
    assert_int_equal(text[size - 1], '\r');
    const size_t cleared = size;
    sc_status_line_clear(&p); /* is clear */
    fflush(f);
    assert_int_equal(size, cleared);
    fclose(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_shown_where_there_is_no_terminal),
        cmocka_unit_test(the_line_is_redrawn_in_place_but_not_too_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
