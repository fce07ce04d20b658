#include "slt/run.h"

#include "slt/result.h"

#include <inttypes.h>
#include <search.h>

#define SHOWN_LINES 10 /* of SQL, expected and given values */

/* The result that a label stands for. */
struct label {
    struct sc_slice name; /* borrowed from the script */
    size_t line;
    char md5[SLT_MD5_TEXT_SIZE];
};

struct runner {
    const struct slt_run *run;
    struct sc_slt_engine *engine;
    struct slt_result result;
    struct sc_slice types; /* of the query being run */
    size_t columns_given;  /* when they are not as many as types */
    uint64_t hash_threshold;
    void *labels; /* tsearch(3) tree of struct label */
    struct sc_slt_totals totals;
};

/* ---- telling what failed ---- */
static void show_lines(FILE *out, const char *title, struct sc_slice text)
{
    struct sc_reader rest = sc_reader_of(text);
    struct sc_slice line;
    size_t shown = 0;
    for (; shown < SHOWN_LINES && slt_line_next(&rest, &line); shown++)
        fprintf(out, "  %-9s %.*s%s\n", shown == 0 ? title : "", (int)(line.size < 500 ? line.size : 500),
                (const char *)line.ptr, line.size > 500 ? "..." : "");
    if (shown == 0)
        fprintf(out, "  %-9s (nothing)\n", title);
    if (rest.cur != rest.end)
        fprintf(out, "  %-9s ... %zu more bytes\n", "", sc_reader_left(&rest));
}

static void failed(struct runner *r, const struct slt_record *rec, const char *fmt, ...) SC_PRINTF(3, 4);
static void failed(struct runner *r, const struct slt_record *rec, const char *fmt, ...)
{
    FILE *out = r->run->report;
    va_list args;
    r->totals.failed++;
    fprintf(out, "%s:%zu: ", r->run->path, rec->line);
    va_start(args, fmt);
    vfprintf(out, fmt, args);
    va_end(args);
    fputc('\n', out);
    if (rec->sql.size != 0)
        show_lines(out, "SQL:", rec->sql);
}

static void show_difference(struct runner *r, const struct slt_record *rec)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf given = {0};
    show_lines(r->run->report, "expected:", rec->expected);
    /* A result that was expected in full is shown in full, whatever the threshold. */
    const bool hashed = memmem(rec->expected.ptr, rec->expected.size, " values hashing to ", 19) != NULL;
    const sc_err err = slt_result_put(&r->result, hashed ? r->hash_threshold : 0, &given);
    if (err != SC_OK)
        fprintf(r->run->report, "  given:    (%s)\n", sc_err_name(err));
    else
        show_lines(r->run->report, "given:", sc_buf_slice(&given));
}

/* ---- labels ---- */
static int label_compare(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    return sc_slice_cmp(x->name, y->name);
}

/* The label's first result becomes what later ones are held against.  *other_line_out = 0: they are equal. */
static sc_err label_check(struct runner *r, const struct slt_record *rec, size_t *other_line_out)
{
    SC_CLEANUP(sc_freep) struct label *label = calloc(1, sizeof *label);
    if (label == NULL)
        return SC_E_NOMEM;
    label->name = rec->label;
    label->line = rec->line;
    SC_TRY(slt_result_md5(&r->result, label->md5));
    struct label **found = tsearch(label, &r->labels, label_compare);
    if (found == NULL)
        return SC_E_NOMEM;
    *other_line_out = 0;
    if (*found == label)
        label = NULL; /* the tree's now */
    else if (strcmp((*found)->md5, label->md5) != 0)
        *other_line_out = (*found)->line;
    return SC_OK;
}

/* ---- records ---- */
static sc_err take_row(void *arg, const struct sc_sql_value *values, size_t count)
{
    struct runner *r = arg;
    const sc_err err = slt_result_add(&r->result, r->types, values, count);
    if (err == SC_E_USAGE)
        r->columns_given = count;
    return err;
}

static void judge_result(struct runner *r, const struct slt_record *rec)
{
    bool same = false;
    size_t other_line = 0;
    sc_err err = slt_result_sort(&r->result, rec->sort);
    if (err == SC_OK)
        err = slt_result_matches(&r->result, rec->expected, &same);
    if (err == SC_OK && rec->label.size != 0)
        err = label_check(r, rec, &other_line);
    if (err != SC_OK) {
        failed(r, rec, "the result cannot be judged: %s", sc_err_name(err));
    } else if (!same) {
        failed(r, rec, "the query gives other values");
        show_difference(r, rec);
    } else if (other_line != 0) {
        failed(r, rec, "the result differs from that of line %zu, which has the same label \"%.*s\"", other_line,
               (int)rec->label.size, (const char *)rec->label.ptr);
    } else {
        r->totals.passed++;
    }
}

static void query_run(struct runner *r, const struct slt_record *rec)
{
    struct sc_diag diag = {0};
    slt_result_reset(&r->result);
    r->types = rec->types;
    r->columns_given = 0;
    const sc_err err = r->run->opt->engine->run(r->engine, rec->sql, take_row, r, &diag);
    if (r->columns_given != 0)
        failed(r, rec, "the query gives %zu columns, not %zu", r->columns_given, rec->types.size);
    else if (err != SC_OK)
        failed(r, rec, "the query failed: %s", sc_diag_text(&diag, err));
    else
        judge_result(r, rec);
}

static void statement_run(struct runner *r, const struct slt_record *rec)
{
    struct sc_diag diag = {0};
    const sc_err err = r->run->opt->engine->run(r->engine, rec->sql, NULL, NULL, &diag);
    if (rec->error_expected && err == SC_OK)
        failed(r, rec, "the statement worked, but must fail");
    else if (rec->error_expected && (err == SC_E_NOMEM || err == SC_E_IO))
        failed(r, rec, "the statement failed, but not for a reason of its own: %s", sc_diag_text(&diag, err));
    else if (!rec->error_expected && err != SC_OK)
        failed(r, rec, "the statement failed: %s", sc_diag_text(&diag, err));
    else
        r->totals.passed++;
}

/* false: the script ends here. */
static bool record_run(struct runner *r, const struct slt_record *rec)
{
    if (rec->skipped) {
        r->totals.skipped += rec->action == SLT_QUERY || rec->action == SLT_STATEMENT;
        return rec->action != SLT_END;
    }
    switch (rec->action) {
    case SLT_STATEMENT:
        statement_run(r, rec);
        return true;
    case SLT_QUERY:
        query_run(r, rec);
        return true;
    case SLT_HASH_THRESHOLD:
        r->hash_threshold = rec->hash_threshold;
        return true;
    case SLT_HALT:
    case SLT_END:
        break;
    }
    return false;
}

static void script_failed(struct runner *r, const char *what)
{
    r->totals.failed++;
    fprintf(r->run->report, "%s: %s\n", r->run->path, what);
}

static void records_run(struct runner *r, struct sc_slice text)
{
    struct slt_script script = slt_script_of(text);
    struct slt_record rec;
    struct sc_diag diag = {0};
    do {
        const sc_err err = slt_script_next(&script, &rec, &diag);
        if (err != SC_OK) {
            script_failed(r, sc_diag_text(&diag, err));
            return;
        }
        r->run->progress(r->run->progress_arg, &r->totals, (size_t)(script.rest.cur - text.ptr));
    } while (record_run(r, &rec));
}

void slt_run_script(const struct slt_run *run, struct sc_slice text, struct sc_slt_totals *totals_out)
{
    struct runner r = {.run = run, .totals.scripts = 1};
    struct sc_diag diag = {0};
    const sc_err err = run->opt->engine->open(&run->opt->engine_options, &r.engine, &diag);
    if (err != SC_OK)
        script_failed(&r, sc_diag_text(&diag, err));
    else
        records_run(&r, text);
    run->opt->engine->close(r.engine);
    slt_result_deinit(&r.result);
    tdestroy(r.labels, free);
    *totals_out = r.totals;
}
