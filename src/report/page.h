/* report/page.h - the pages of the report.  Each call writes one whole XHTML5 page: style inline, no script, no network. */
#ifndef SC_REPORT_PAGE_H
#define SC_REPORT_PAGE_H

#include "report/model.h"

enum report_verdict { REPORT_NOT_AUDITED, REPORT_PASSED, REPORT_FAILED };

/* What the front page tells of one customer; owns its texts. */
struct report_summary {
    int64_t customer;
    char name[96], energy_kwh[32], total[32], currency[8];
    int64_t reading_count;
    bool complete;
    enum report_verdict verdict;
    size_t finding_count;
};
void report_summary_fill(struct report_summary *s, const struct report_bill *bill, const struct report_audit *audit);

/* Sums over all customers. */
#define REPORT_DAYS_MAX 400
#define REPORT_SLOTS_MAX 1440
struct report_totals {
    int64_t first_day_ms;                /* of daily_kwh[0]; meaningless without days */
    size_t day_count;
    double daily_kwh[REPORT_DAYS_MAX];
    size_t slot_count;                   /* 0 until the first bill; curves of another length are left out */
    double weekday_kw[REPORT_SLOTS_MAX], weekend_kw[REPORT_SLOTS_MAX];
    int64_t reading_count;
};
/* SC_E_LIMIT: the bills' days spread over more than REPORT_DAYS_MAX. */
sc_err report_totals_add(struct report_totals *t, const struct report_bill *bill, struct sc_diag *diag) SC_MUST_CHECK;

struct report_pages {
    const struct report_run *run;
    const struct report_ranking *ranking;   /* doc NULL: none was made */
    const struct report_summary *customers; /* in order of number */
    size_t customer_count;
    const struct report_totals *totals;
};
void report_page_index(struct sc_buf *out, const struct report_pages *pages);
/* audit may be NULL (not audited). */
void report_page_customer(struct sc_buf *out, const struct report_pages *pages, const struct report_bill *bill,
                          const struct report_audit *audit);

/* parts.c: what both pages use */
void report_page_open(struct sc_buf *out, const char *title);
void report_page_close(struct sc_buf *out, const struct report_run *run);
void report_consumption(struct sc_buf *out, const char *const *day, const double *daily_kwh, size_t day_count,
                        const double *weekday_kw, const double *weekend_kw, size_t slot_count);
/* "2017-11-05" ... of consecutive days; owned by the caller: free(). */
char (*report_days(int64_t first_ms, size_t count))[16];
/* "2017-11-06 to 2017-11-24 (not included)": times at midnight lose their hour. */
void report_period(struct sc_buf *out, const char *from, const char *to);
void report_grade(struct sc_buf *out, const char *grade);
void report_verdict(struct sc_buf *out, enum report_verdict verdict);
/* The suspicious days of a ranking's entry: each against the own regular and the group's curve; at most `max`. */
void report_suspicious_days(struct sc_buf *out, const json_t *entry, size_t max);
void report_reasons(struct sc_buf *out, const json_t *entry);
/* unit_marked as in sc_svg_map; may be NULL. */
void report_map(struct sc_buf *out, const json_t *map, const bool *unit_marked);

extern const char report_style[];

#endif
