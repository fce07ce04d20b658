/* Text fields of an untrusted database back into signed readings. */
#include "fixture.h"

#include "billing/rows.h"

#include <inttypes.h>

static char texts[SC_READING_COLUMN_COUNT][2 * SC_ROW_SIGNATURE_SIZE_MAX + 16];
static struct sc_field fields[SC_READING_COLUMN_COUNT];
static uint8_t store[SC_ROW_SIGNATURE_SIZE_MAX];

static void set(size_t column, const char *text)
{
    snprintf(texts[column], sizeof texts[column], "%s", text);
    fields[column] = (struct sc_field){ false, sc_slice_str(texts[column]) };
}

/* As the collector writes it and PostgreSQL's text format shows it. */
static void fields_of(const struct sc_reading *r, const char *signature_hex)
{
    const size_t rest = 2 + SC_READING_ATTR_COUNT;
    char text[64];
    set(0, "5");
    snprintf(text, sizeof text, "%" PRId64, r->start_ms);
    set(1, text);
    for (size_t i = 0; i < SC_READING_ATTR_COUNT; i++) {
        if (i < SC_READING_FLOAT_COUNT)
            snprintf(text, sizeof text, "%.17g", (double)r->value[i]);
        else
            snprintf(text, sizeof text, "%" PRIu64, r->reg[i - SC_READING_FLOAT_COUNT]);
        set(2 + i, text);
        fields[2 + i].is_null = (r->validity >> i & 1) == 0;
    }
    const uint64_t numbers[] = { r->meter, r->sequence, r->interval_s, r->status };
    for (size_t i = 0; i < 4; i++) {
        snprintf(text, sizeof text, "%" PRIu64, numbers[i]);
        set(rest + i, text);
    }
    set(rest + 4, signature_hex);
}

static struct sc_reading random_reading(struct sc_prng *rnd)
{
    struct sc_reading r = { .meter = (uint32_t)sc_prng_below(rnd, 100000000), .sequence = 1 + sc_prng_below(rnd, 1 << 30),
                            .start_ms = (int64_t)sc_prng_below(rnd, 1 << 20) * 900000, .interval_s = 900,
                            .status = (uint32_t)sc_prng_below(rnd, 16) };
    r.validity = (uint32_t)sc_prng_u64(rnd) & ((1u << SC_READING_ATTR_COUNT) - 1);
    for (size_t i = 0; i < SC_READING_FLOAT_COUNT; i++)
        if ((r.validity >> i & 1) != 0)
            r.value[i] = (float)(sc_prng_normal(rnd) * 1e3);
    for (size_t i = 0; i < SC_READING_REGISTER_COUNT; i++)
        if ((r.validity >> (SC_READING_FLOAT_COUNT + i) & 1) != 0)
            r.reg[i] = sc_prng_u64(rnd) >> 1;
    return r;
}

static void a_row_gives_back_the_statement_that_was_signed(void **state)
{
    (void)state;
    struct sc_prng rnd;
    sc_prng_init(&rnd, 77);
    for (size_t i = 0; i < 200; i++) {
        const struct sc_reading r = random_reading(&rnd);
        struct sc_audit_row row;
        struct sc_hash before, after;
        fields_of(&r, "\\x0aFf10");
        sc_row_parse(fields, store, &row);
        assert_null(row.broken);
        assert_true(row.has_timestamp);
        assert_int_equal(row.timestamp_ms, r.start_ms);
        assert_int_equal(row.signature.size, 3);
        assert_memory_equal(row.signature.ptr, "\x0a\xff\x10", 3);
        fixture_statement_hash(&r, &before);
        fixture_statement_hash(&row.reading, &after);
        assert_memory_equal(before.bytes, after.bytes, 32);
    }
}

static void what_is_no_reading_is_told_and_never_taken(void **state)
{
    (void)state;
    enum { REST = 2 + SC_READING_ATTR_COUNT };
    static const struct {
        size_t column;
        const char *text; /* NULL: NULL */
    } wrong[] = { { 1, NULL },          { 1, "" },
                  { 1, "noon" },        { 1, "12.5" },
                  { 1, "99999999999999999999" },
                  { 2, "x" },           { 2, "nan" },
                  { 2, "inf" },         { 2, "1e39" },
                  { 2, "1e999" },       { 2, "0x10" },
                  { 2, " 1" },          { 2, "\\x00" },
                  { 2, "1 " },          { 29, "-1" },
                  { 29, "1.0" },        { REST, NULL },
                  { REST, "-1" },       { REST, "100000000" },
                  { REST + 1, "0" },    { REST + 1, NULL },
                  { REST + 2, "59" },   { REST + 2, "86401" },
                  { REST + 3, "-1" },   { REST + 3, "4294967296" },
                  { REST + 4, NULL },   { REST + 4, "ab" },
                  { REST + 4, "\\xabc" }, { REST + 4, "\\xzz" } };
    struct sc_prng rnd;
    sc_prng_init(&rnd, 78);
    struct sc_reading r = random_reading(&rnd);
    r.validity = (1u << SC_READING_ATTR_COUNT) - 1;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct sc_audit_row row;
        fields_of(&r, "\\x00");
        if (wrong[i].text == NULL)
            fields[wrong[i].column].is_null = true;
        else
            set(wrong[i].column, wrong[i].text);
        sc_row_parse(fields, store, &row);
        if (row.broken == NULL)
            fail_msg("column %zu = %s was taken", wrong[i].column, wrong[i].text);
        assert_int_equal(row.has_timestamp, wrong[i].column != 1);
    }
}

static void a_signature_too_long_is_refused(void **state)
{
    (void)state;
    struct sc_prng rnd;
    sc_prng_init(&rnd, 79);
    const struct sc_reading r = random_reading(&rnd);
    struct sc_audit_row row;
    char hex[2 * (SC_ROW_SIGNATURE_SIZE_MAX + 1) + 3] = "\\x";
    memset(hex + 2, 'a', 2 * (SC_ROW_SIGNATURE_SIZE_MAX + 1));
    fields_of(&r, hex);
    sc_row_parse(fields, store, &row);
    assert_non_null(row.broken);
    hex[2 * SC_ROW_SIGNATURE_SIZE_MAX + 2] = '\0';
    fields_of(&r, hex);
    sc_row_parse(fields, store, &row);
    assert_null(row.broken);
    assert_int_equal(row.signature.size, SC_ROW_SIGNATURE_SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_gives_back_the_statement_that_was_signed),
        cmocka_unit_test(what_is_no_reading_is_told_and_never_taken),
        cmocka_unit_test(a_signature_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
