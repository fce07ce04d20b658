#include "fraud/robust.h"

#include "fraud/load.h"

#include <math.h>

static void swap(double *a, double *b)
{
    const double t = *a;
    *a = *b;
    *b = t;
}

/* Selection after Hoare in Wirth's form: the k-th smallest, with no larger ones before it. */
static double select_kth(double *v, size_t count, size_t k)
{
    ptrdiff_t lo = 0, hi = (ptrdiff_t)count - 1;
    const ptrdiff_t wanted = (ptrdiff_t)k;
    while (lo < hi) {
        const double pivot = v[wanted];
        ptrdiff_t i = lo, j = hi;
        do {
            while (v[i] < pivot)
                i++;
            while (pivot < v[j])
                j--;
            if (i <= j)
                swap(&v[i++], &v[j--]);
        } while (i <= j);
        if (j < wanted)
            lo = i;
        if (wanted < i)
            hi = j;
    }
    return v[k];
}

double fraud_median(double *values, size_t count)
{
    if (count == 0)
        return NAN;
    if (count <= 16) { /* the common case: a handful of days */
        for (size_t i = 1; i < count; i++)
            for (size_t j = i; j > 0 && values[j - 1] > values[j]; j--)
                swap(&values[j - 1], &values[j]);
        return count % 2 == 1 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
    }
    const double upper = select_kth(values, count, count / 2);
    if (count % 2 == 1)
        return upper;
    double lower = values[0];
    for (size_t i = 1; i < count / 2; i++)
        lower = values[i] > lower ? values[i] : lower;
    return 0.5 * (lower + upper);
}

double fraud_correlation(const double *a, const double *b, size_t count)
{
    double n = 0.0, sa = 0.0, sb = 0.0;
    for (size_t i = 0; i < count; i++) {
        if (isnan(a[i]) || isnan(b[i]))
            continue;
        n += 1.0;
        sa += a[i];
        sb += b[i];
    }
    if (n < 4.0)
        return NAN;
    double aa = 0.0, bb = 0.0, ab = 0.0;
    for (size_t i = 0; i < count; i++) {
        if (isnan(a[i]) || isnan(b[i]))
            continue;
        const double da = a[i] - sa / n, db = b[i] - sb / n;
        aa += da * da;
        bb += db * db;
        ab += da * db;
    }
    return aa > 0.0 && bb > 0.0 ? ab / sqrt(aa * bb) : NAN;
}

/* Present values of one stratum (or of all: stratum_wanted = UINT8_MAX) in [from, to). */
static size_t collect(const double *y, const uint8_t *stratum, uint8_t stratum_wanted, size_t from, size_t to,
                      double *out)
{
    size_t n = 0;
    for (size_t d = from; d < to; d++)
        if (!isnan(y[d]) && (stratum_wanted == UINT8_MAX || stratum[d] == stratum_wanted))
            out[n++] = y[d];
    return n;
}

static double squares_about(const double *v, size_t n, double centre)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += (v[i] - centre) * (v[i] - centre);
    return sum;
}

struct fraud_change fraud_change_at(const double *y, const uint8_t *stratum, size_t from, size_t at, size_t to,
                                    double prior_variance)
{
    SC_ASSERT(from <= at && at <= to && to - from <= SC_LOAD_DAYS_MAX);
    const double prior_days = 4.0;
    double part[SC_LOAD_DAYS_MAX];
    struct fraud_change c = {0};
    double squares = prior_days * prior_variance, freedom = prior_days, drop = 0.0;
    for (uint8_t s = 0; s < FRAUD_STRATA_MAX; s++) {
        const size_t n1 = collect(y, stratum, s, from, at, part);
        const double m1 = fraud_median(part, n1);
        squares += n1 > 1 ? squares_about(part, n1, m1) : 0.0;
        freedom += n1 > 1 ? (double)(n1 - 1) : 0.0;
        const size_t n2 = collect(y, stratum, s, at, to, part);
        const double m2 = fraud_median(part, n2);
        squares += n2 > 1 ? squares_about(part, n2, m2) : 0.0;
        freedom += n2 > 1 ? (double)(n2 - 1) : 0.0;
        if (n1 == 0 || n2 == 0)
            continue;
        const double w = (double)(n1 * n2) / (double)(n1 + n2);
        drop += w * (m1 - m2);
        c.weight += w;
    }
    c.variance = squares / freedom;
    c.drop = c.weight > 0.0 ? drop / c.weight : 0.0;
    c.before = fraud_median(part, collect(y, stratum, UINT8_MAX, from, at, part));
    c.after = fraud_median(part, collect(y, stratum, UINT8_MAX, at, to, part));
    return c;
}

double fraud_change_statistic(const struct fraud_change *c, double wobble)
{
    const double median_penalty = 1.57; /* pi/2: variance of a median against that of a mean */
    return c->weight > 0.0 ? c->drop / sqrt(median_penalty * c->variance / c->weight + wobble * wobble) : NAN;
}
