/* The auditor against a database that lies.  Each test builds an honest period, lets the operator of the database work on
 * its rows, and expects exactly the offending intervals by name. */
#include "fixture.h"

#include "billing/proof.h"

#include <inttypes.h>

#define STEP_MS   ((int64_t)1800000)
#define INTERVALS 96 /* two days of half hours */
#define ROWS_MAX  (INTERVALS + 64)
#define FIRST_MS  INT64_C(1719792000000) /* 2024-07-01 */
#define BEFORE    48 /* a day of readings before the period: what replays are made of */

struct row {
    const char *broken;
    int64_t timestamp_ms;
    struct sc_reading reading;
    uint8_t signature[SC_SIGNATURE_SIZE_MAX];
    size_t signature_size;
};

struct world {
    struct sc_signer *institute_key, *meter_key, *other_key;
    struct sc_cert *institute;
    struct sc_buf certificate; /* DER, of the meter */
    struct sc_tariff tariff;
    struct sc_contract contract;
    struct row history[BEFORE], genuine[INTERVALS], other[INTERVALS];
    json_t *bill;
};
static struct world worlds[3];
static const enum sc_sign_alg algs[3] = { SC_SIGN_ED25519, SC_SIGN_P256, SC_SIGN_RSA2048 };

/* ---- an honest world ---- */

static void sign_row(struct row *row, const struct sc_signer *key)
{
    struct sc_buf statement = { 0 }, signature = { 0 };
    sc_reading_encode(&row->reading, &statement);
    assert_ok(sc_signer_sign(key, sc_buf_slice(&statement), &signature));
    assert_true(signature.size <= sizeof row->signature);
    memcpy(row->signature, signature.ptr, signature.size);
    row->signature_size = signature.size;
    row->timestamp_ms = row->reading.start_ms;
    sc_buf_deinit(&statement);
    sc_buf_deinit(&signature);
}

static void issue(const struct world *w, const char *uri, const struct sc_signer *issuer, int64_t from_ms, int64_t to_ms,
                  struct sc_buf *der_out)
{
    struct sc_verifier *key = NULL;
    struct sc_cert *cert = NULL;
    assert_ok(sc_verifier_of_signer(w->meter_key, &key));
    const struct sc_cert_request req = { .common_name = "meter", .uri = uri, .subject_key = key,
                                         .not_before_ms = from_ms, .not_after_ms = to_ms };
    assert_ok(sc_cert_issue(&req, w->institute, issuer, &cert, NULL));
    sc_buf_reset(der_out);
    assert_ok(sc_cert_to_der(cert, der_out));
    sc_cert_free(cert);
    sc_verifier_free(key);
}

static void make_institute(struct world *w)
{
    struct sc_verifier *key = NULL;
    assert_ok(sc_signer_generate(SC_SIGN_P256, &w->institute_key, NULL));
    assert_ok(sc_verifier_of_signer(w->institute_key, &key));
    const struct sc_cert_request req = { .common_name = "institute", .subject_key = key, .is_ca = true,
                                         .not_before_ms = FIRST_MS - 1000 * SC_DAY_MS,
                                         .not_after_ms = FIRST_MS + 5000 * SC_DAY_MS };
    assert_ok(sc_cert_issue(&req, NULL, w->institute_key, &w->institute, NULL));
    sc_verifier_free(key);
}

static void make_readings(struct world *w, uint64_t seed)
{
    struct sc_prng rnd;
    struct fixture_meter m = { .serial = 17, .interval_s = 1800, .t0_ms = FIRST_MS - BEFORE * STEP_MS };
    struct fixture_meter o = { .serial = 18, .interval_s = 1800, .t0_ms = FIRST_MS };
    sc_prng_init(&rnd, seed);
    for (size_t i = 0; i < BEFORE + INTERVALS; i++) {
        struct row *row = i < BEFORE ? &w->history[i] : &w->genuine[i - BEFORE];
        if (i >= BEFORE + 30 && i < BEFORE + 40)
            fixture_meter_skip(&m, &row->reading);
        else
            fixture_meter_read(&m, sc_prng_below(&rnd, 3000), sc_prng_below(&rnd, 900), 0, &row->reading);
        sign_row(row, w->meter_key);
    }
    for (size_t i = 0; i < INTERVALS; i++) {
        fixture_meter_read(&o, sc_prng_below(&rnd, 3000), 0, 0, &w->other[i].reading);
        sign_row(&w->other[i], w->other_key);
    }
}

static void make_bill(const struct world *w, const struct sc_bill_period *p, json_t **out)
{
    struct sc_biller *b = NULL;
    struct sc_bill *bill = NULL;
    assert_ok(sc_biller_new(&w->tariff, &w->contract, p, &b, NULL));
    assert_ok(sc_biller_add(b, &w->history[BEFORE - 1].reading, NULL));
    for (size_t i = 0; i < INTERVALS; i++)
        assert_ok(sc_biller_add(b, &w->genuine[i].reading, NULL));
    assert_ok(sc_biller_finish(b, &bill, NULL));
    assert_ok(sc_bill_to_json(bill, NULL, out));
    sc_bill_free(bill);
    sc_biller_free(b);
}

static const struct sc_bill_period two_days = { FIRST_MS, FIRST_MS + INTERVALS * STEP_MS, 1800 };
static const char urn[] = "urn:securecloud:meter:00000017:customer:5";

static int make_worlds(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct world *w = &worlds[i];
        make_institute(w);
        assert_ok(sc_signer_generate(algs[i], &w->meter_key, NULL));
        assert_ok(sc_signer_generate(algs[i], &w->other_key, NULL));
        issue(w, urn, w->institute_key, FIRST_MS - 10 * SC_DAY_MS, FIRST_MS + 400 * SC_DAY_MS, &w->certificate);
        fixture_tariff(fixture_azul, &w->tariff);
        w->contract = (struct sc_contract){ .client_id = 5, .meter = 17, .phases = 3,
                                            .contracted_w = { [SC_SLOT_PEAK] = 5000, [SC_SLOT_OFF_PEAK] = 5000 } };
        make_readings(w, 1000 + i);
        make_bill(w, &two_days, &w->bill);
    }
    return 0;
}

static int free_worlds(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        sc_signer_free(worlds[i].institute_key);
        sc_signer_free(worlds[i].meter_key);
        sc_signer_free(worlds[i].other_key);
        sc_cert_free(worlds[i].institute);
        sc_buf_deinit(&worlds[i].certificate);
        json_decref(worlds[i].bill);
    }
    return 0;
}

/* ---- the database ---- */

struct database {
    struct row rows[ROWS_MAX];
    size_t count, at;
    uint64_t repeat_last; /* hand the last row out so many times more */
    struct sc_prng shuffle;
};

static struct database db;

static void db_fill(const struct world *w)
{
    db.count = db.at = 0;
    db.repeat_last = 0;
    db.rows[db.count++] = w->history[BEFORE - 1];
    for (size_t i = 0; i < INTERVALS; i++)
        db.rows[db.count++] = w->genuine[i];
}

static struct row *db_row(size_t interval)
{
    for (size_t i = 0; i < db.count; i++)
        if (db.rows[i].timestamp_ms == FIRST_MS + (int64_t)interval * STEP_MS)
            return &db.rows[i];
    fail_msg("no row at interval %zu", interval);
    return NULL;
}

static void db_delete(size_t interval)
{
    struct row *row = db_row(interval);
    *row = db.rows[--db.count];
}

static void db_insert(const struct row *row, int64_t timestamp_ms)
{
    assert_true(db.count < ROWS_MAX);
    db.rows[db.count] = *row;
    db.rows[db.count++].timestamp_ms = timestamp_ms;
}

/* UPDATE: all columns but the timestamp */
static void db_overwrite(size_t interval, const struct row *with)
{
    struct row *row = db_row(interval);
    const int64_t timestamp_ms = row->timestamp_ms;
    *row = *with;
    row->timestamp_ms = timestamp_ms;
}

static void db_swap(size_t a, size_t b)
{
    struct row *x = db_row(a), *y = db_row(b);
    const int64_t t = x->timestamp_ms;
    x->timestamp_ms = y->timestamp_ms;
    y->timestamp_ms = t;
}

static void db_shuffle(uint64_t seed)
{
    struct sc_prng rnd;
    sc_prng_init(&rnd, seed);
    for (size_t i = db.count; i > 1; i--) {
        const size_t j = sc_prng_below(&rnd, i);
        const struct row row = db.rows[j];
        db.rows[j] = db.rows[i - 1];
        db.rows[i - 1] = row;
    }
}

static sc_err db_next(void *self, struct sc_audit_row *out, bool *end_out, struct sc_diag *diag)
{
    (void)self;
    (void)diag;
    if (db.at == db.count && db.repeat_last > 0) {
        db.repeat_last--;
        db.at--;
    }
    *end_out = db.at == db.count;
    if (*end_out)
        return SC_OK;
    const struct row *row = &db.rows[db.at++];
    *out = (struct sc_audit_row){ .broken = row->broken, .has_timestamp = true, .timestamp_ms = row->timestamp_ms,
                                  .reading = row->reading,
                                  .signature = sc_slice_of(row->signature, row->signature_size) };
    out->reading.start_ms = row->timestamp_ms; /* there is one column for both */
    return SC_OK;
}

/* ---- auditing and expecting ---- */

static struct sc_verdict *audit_with(const struct world *w, const json_t *bill, struct sc_slice certificate,
                                     const struct sc_tariff *tariff, const struct sc_contract *contract)
{
    struct sc_bill_claim claim;
    struct sc_verdict *v = NULL;
    struct sc_diag diag = { 0 };
    assert_ok(sc_bill_claim_parse(bill, &claim, &diag));
    const struct sc_audit_options opt = { .claim = &claim, .tariff = tariff, .contract = contract,
                                          .certificate = certificate, .institute = w->institute };
    const struct sc_audit_rows rows = { db_next, NULL };
    db.at = 0;
    if (sc_audit_run(&opt, &rows, &v, &diag) != SC_OK)
        fail_msg("%s", diag.text);
    return v;
}

static struct sc_verdict *audit(const struct world *w)
{
    return audit_with(w, w->bill, sc_buf_slice(&w->certificate), &w->tariff, &w->contract);
}

struct expected {
    enum sc_audit_kind kind;
    int64_t interval;
};

/* The findings are these and no others; sequences are named right. */
static void expect(const struct sc_verdict *v, const struct expected *want, size_t count)
{
    assert_false(v->passed);
    bool used[64] = { false };
    assert_true(count <= 64);
    for (size_t i = 0; i < v->finding_count; i++) {
        const struct sc_audit_finding *f = &v->findings[i];
        size_t k = 0;
        while (k < count && (used[k] || want[k].kind != f->kind ||
                             FIRST_MS + want[k].interval * STEP_MS != f->start_ms))
            k++;
        if (k == count)
            fail_msg("not expected: %s at interval %" PRId64 ": %s", sc_audit_kind_name(f->kind),
                     (f->start_ms - FIRST_MS) / STEP_MS, f->why);
        used[k] = true;
        assert_int_equal(f->sequence, BEFORE + 1 + want[k].interval);
        assert_true(f->why[0] != '\0');
    }
    for (size_t k = 0; k < count; k++)
        if (!used[k])
            fail_msg("not found: %s at interval %" PRId64, sc_audit_kind_name(want[k].kind), want[k].interval);
}

static void expect_one(struct sc_verdict *v, enum sc_audit_kind kind, size_t interval)
{
    const struct expected want = { kind, (int64_t)interval };
    expect(v, &want, 1);
    sc_verdict_free(v);
}

static void assert_check(const struct sc_verdict *v, enum sc_audit_check_id id, enum sc_audit_result result)
{
    if (v->checks[id].result != result)
        fail_msg("%s: %s (%s)", sc_audit_check_name(id), sc_audit_result_name(v->checks[id].result), v->checks[id].detail);
}

/* first, last, and seeded ones between */
static size_t position(uint64_t seed, size_t nth)
{
    struct sc_prng rnd;
    sc_prng_init_stream(&rnd, seed, nth);
    return nth == 0 ? 0 : nth == 1 ? INTERVALS - 1 : (size_t)sc_prng_below(&rnd, INTERVALS);
}
#define POSITIONS 8

static void for_each_position(void (*attack)(const struct world *w, size_t interval, uint64_t seed), uint64_t seed)
{
    for (size_t alg = 0; alg < 3; alg++) {
        for (size_t nth = 0; nth < (alg == 0 ? POSITIONS : 3); nth++) {
            db_fill(&worlds[alg]);
            attack(&worlds[alg], position(seed + alg, nth), seed + nth);
        }
    }
}

/* ---- tests ---- */

static void an_honest_period_passes_whatever_the_order_of_rows(void **state)
{
    (void)state;
    for (size_t alg = 0; alg < 3; alg++) {
        for (uint64_t seed = 0; seed < 2; seed++) {
            db_fill(&worlds[alg]);
            if (seed != 0)
                db_shuffle(seed);
            struct sc_verdict *v = audit(&worlds[alg]);
            for (size_t i = 0; i < SC_AUDIT_CHECK_COUNT; i++)
                assert_check(v, (enum sc_audit_check_id)i, SC_AUDIT_PASS);
            assert_true(v->passed);
            assert_int_equal(v->finding_count, 0);
            assert_int_equal(v->expected_count, INTERVALS);
            assert_int_equal(v->genuine_count, INTERVALS);
            assert_int_equal(v->not_measured_count, 10);
            sc_verdict_free(v);
        }
    }
}

static void drop(const struct world *w, size_t interval, uint64_t seed)
{
    (void)seed;
    db_delete(interval);
    struct sc_verdict *v = audit(w);
    assert_check(v, SC_AUDIT_CHECK_COMPLETE, SC_AUDIT_FAIL);
    assert_check(v, SC_AUDIT_CHECK_SIGNATURES, SC_AUDIT_PASS);
    assert_check(v, SC_AUDIT_CHECK_HASH, SC_AUDIT_FAIL);
    expect_one(v, SC_AUDIT_DROPPED, interval);
}

static void a_dropped_interval_is_named(void **state)
{
    (void)state;
    for_each_position(drop, 1);
}

static void duplicate_off_grid(const struct world *w, size_t interval, uint64_t seed)
{
    const struct row copy = *db_row(interval);
    db_insert(&copy, copy.timestamp_ms + 1 + (int64_t)(seed * 7919 % (STEP_MS - 1)));
    struct sc_verdict *v = audit(w);
    assert_check(v, SC_AUDIT_CHECK_COMPLETE, SC_AUDIT_FAIL);
    assert_check(v, SC_AUDIT_CHECK_HASH, SC_AUDIT_PASS); /* the genuine readings are all there */
    assert_check(v, SC_AUDIT_CHECK_AMOUNT, SC_AUDIT_PASS);
    expect_one(v, SC_AUDIT_DUPLICATED, interval);
}

static void duplicate_same_time(const struct world *w, size_t interval, uint64_t seed)
{
    (void)seed;
    const struct row copy = *db_row(interval);
    db_insert(&copy, copy.timestamp_ms);
    expect_one(audit(w), SC_AUDIT_DUPLICATED, interval);
}

static void a_duplicated_interval_is_named(void **state)
{
    (void)state;
    for_each_position(duplicate_off_grid, 2);
    for_each_position(duplicate_same_time, 3);
}

static void alter_attribute(const struct world *w, size_t interval, uint64_t seed)
{
    struct sc_reading *r = &db_row(interval)->reading;
    switch (seed % 6) {
    case 0:
        r->value[SC_ATTR_DEMAND_KW] += 0.001f;
        break;
    case 1:
        r->reg[0] += 1;
        break;
    case 2:
        r->status ^= SC_READING_STATUS_TAMPER;
        break;
    case 3:
        r->sequence += 1;
        break;
    case 4:
        r->validity ^= 1u << SC_ATTR_FREQUENCY_HZ;
        break;
    default:
        r->interval_s = 3600;
        break;
    }
    struct sc_verdict *v = audit(w);
    assert_check(v, SC_AUDIT_CHECK_SIGNATURES, SC_AUDIT_FAIL);
    expect_one(v, SC_AUDIT_ALTERED, interval);
}

static void alter_signature(const struct world *w, size_t interval, uint64_t seed)
{
    struct row *row = db_row(interval);
    if (seed % 3 == 0)
        row->signature_size = 0;
    else
        row->signature[seed * 37 % row->signature_size] ^= (uint8_t)(1 << seed % 8);
    expect_one(audit(w), SC_AUDIT_ALTERED, interval);
}

static void alter_meter_number(const struct world *w, size_t interval, uint64_t seed)
{
    (void)seed;
    db_row(interval)->reading.meter = 99;
    expect_one(audit(w), SC_AUDIT_ALTERED, interval);
}

static void alter_into_nonsense(const struct world *w, size_t interval, uint64_t seed)
{
    (void)seed;
    db_row(interval)->broken = "an attribute is no number";
    expect_one(audit(w), SC_AUDIT_ALTERED, interval);
}

static void an_altered_interval_is_named(void **state)
{
    (void)state;
    for_each_position(alter_attribute, 4);
    for_each_position(alter_signature, 5);
    for_each_position(alter_meter_number, 6);
    for_each_position(alter_into_nonsense, 7);
}

static void replay_from_period(const struct world *w, size_t interval, uint64_t seed)
{
    db_overwrite(interval, &w->genuine[(interval + 1 + seed * 31 % (INTERVALS - 1)) % INTERVALS]);
    struct sc_verdict *v = audit(w);
    assert_check(v, SC_AUDIT_CHECK_COMPLETE, SC_AUDIT_FAIL);
    expect_one(v, SC_AUDIT_REPLAYED, interval);
}

static void replay_from_before(const struct world *w, size_t interval, uint64_t seed)
{
    db_overwrite(interval, &w->history[seed * 13 % BEFORE]);
    expect_one(audit(w), SC_AUDIT_REPLAYED, interval);
}

static void a_replayed_interval_is_named(void **state)
{
    (void)state;
    for_each_position(replay_from_period, 8);
    for_each_position(replay_from_before, 9);
}

static void reorder(const struct world *w, size_t interval, uint64_t seed)
{
    const size_t other = (interval + 1 + seed * 17 % (INTERVALS - 1)) % INTERVALS;
    db_swap(interval, other);
    struct sc_verdict *v = audit(w);
    assert_check(v, SC_AUDIT_CHECK_SIGNATURES, SC_AUDIT_FAIL);
    assert_check(v, SC_AUDIT_CHECK_COMPLETE, SC_AUDIT_PASS);
    assert_check(v, SC_AUDIT_CHECK_HASH, SC_AUDIT_PASS);
    const struct expected want[] = { { SC_AUDIT_REORDERED, (int64_t)interval }, { SC_AUDIT_REORDERED, (int64_t)other } };
    expect(v, want, 2);
    sc_verdict_free(v);
}

static void rotate_three(const struct world *w, size_t interval, uint64_t seed)
{
    (void)seed;
    const size_t b = (interval + 5) % INTERVALS, c = (interval + 40) % INTERVALS;
    db_swap(interval, b);
    db_swap(b, c);
    struct sc_verdict *v = audit(w);
    const struct expected want[] = { { SC_AUDIT_REORDERED, (int64_t)interval }, { SC_AUDIT_REORDERED, (int64_t)b },
                                     { SC_AUDIT_REORDERED, (int64_t)c } };
    expect(v, want, 3);
    sc_verdict_free(v);
}

static void move_off_grid(const struct world *w, size_t interval, uint64_t seed)
{
    db_row(interval)->timestamp_ms += 1 + (int64_t)seed;
    expect_one(audit(w), SC_AUDIT_REORDERED, interval);
}

static void reordered_intervals_are_named(void **state)
{
    (void)state;
    for_each_position(reorder, 10);
    for_each_position(rotate_three, 11);
    for_each_position(move_off_grid, 12);
}

static void put_foreign(const struct world *w, size_t interval, uint64_t seed)
{
    db_overwrite(interval, &w->other[seed % 2 == 0 ? interval : (interval + 3) % INTERVALS]);
    struct sc_verdict *v = audit(w);
    assert_check(v, SC_AUDIT_CHECK_SIGNATURES, SC_AUDIT_FAIL);
    expect_one(v, SC_AUDIT_FOREIGN, interval);
}

static void put_foreign_relabelled(const struct world *w, size_t interval, uint64_t seed)
{
    (void)seed;
    db_overwrite(interval, &w->other[interval]);
    db_row(interval)->reading.meter = 17; /* nobody can tell whose it was: it is no reading of this meter */
    expect_one(audit(w), SC_AUDIT_ALTERED, interval);
}

static void another_meters_reading_is_named(void **state)
{
    (void)state;
    for_each_position(put_foreign, 13);
    for_each_position(put_foreign_relabelled, 14);
}

/* Several distinct victims, one attack each, the kinds mixed at random; sources of replays are never victims. */
static void mixed_attack(const struct world *w, uint64_t seed)
{
    struct sc_prng rnd;
    struct expected want[40];
    size_t victims[21], count = 0;
    sc_prng_init(&rnd, seed);
    for (size_t i = 0; i < 21;) {
        victims[i] = (size_t)sc_prng_below(&rnd, INTERVALS / 2) * 2; /* even intervals; odd ones stay genuine */
        bool fresh = true;
        for (size_t k = 0; k < i; k++)
            fresh = fresh && victims[k] != victims[i];
        i += fresh;
    }
    for (size_t i = 0; i < 20; i++) {
        const size_t v = victims[i];
        const enum sc_audit_kind kind = (enum sc_audit_kind)sc_prng_below(&rnd, SC_AUDIT_KIND_COUNT);
        const struct row copy = *db_row(v);
        want[count++] = (struct expected){ kind, (int64_t)v };
        switch (kind) {
        case SC_AUDIT_DROPPED:
            db_delete(v);
            break;
        case SC_AUDIT_DUPLICATED:
            db_insert(&copy, copy.timestamp_ms + 1000);
            break;
        case SC_AUDIT_ALTERED:
            db_row(v)->reading.value[SC_ATTR_DEMAND_KW] *= 0.5f;
            db_row(v)->reading.reg[1] += 1;
            break;
        case SC_AUDIT_REPLAYED:
            db_overwrite(v, &w->genuine[sc_prng_below(&rnd, INTERVALS / 2) * 2 + 1]);
            break;
        case SC_AUDIT_REORDERED:
            db_swap(v, victims[i + 1]);
            want[count++] = (struct expected){ kind, (int64_t)victims[++i] };
            break;
        default:
            db_overwrite(v, &w->other[v]);
            break;
        }
    }
    db_shuffle(seed);
    struct sc_verdict *v = audit(w);
    expect(v, want, count);
    sc_verdict_free(v);
}

static void mixed_attacks_are_told_apart(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 116; seed++) {
        print_message("seed %" PRIu64 "\r", seed);
        db_fill(&worlds[0]);
        mixed_attack(&worlds[0], seed);
    }
}

static void a_bill_made_after_the_theft_of_readings_fails_too(void **state)
{
    (void)state;
    const struct world *w = &worlds[0];
    struct sc_biller *b = NULL;
    struct sc_bill *bill = NULL;
    json_t *doc = NULL;
    assert_ok(sc_biller_new(&w->tariff, &w->contract, &two_days, &b, NULL));
    for (size_t i = 0; i < INTERVALS; i++) /* the first three and one in the middle are gone before the bill is made */
        if (i > 2 && i != 60)
            assert_ok(sc_biller_add(b, &w->genuine[i].reading, NULL));
    assert_ok(sc_biller_finish(b, &bill, NULL));
    assert_ok(sc_bill_to_json(bill, NULL, &doc));
    sc_bill_free(bill);
    sc_biller_free(b);
    db_fill(w);
    for (size_t i = 0; i < 3; i++)
        db_delete(i);
    db_delete(60);
    struct sc_verdict *v = audit_with(w, doc, sc_buf_slice(&w->certificate), &w->tariff, &w->contract);
    /* without the opening reading nothing but the numbering tells of the first three: it began a day earlier */
    const struct expected want[] = { { SC_AUDIT_DROPPED, 0 }, { SC_AUDIT_DROPPED, 1 }, { SC_AUDIT_DROPPED, 2 },
                                     { SC_AUDIT_DROPPED, 60 } };
    expect(v, want, 4);
    assert_check(v, SC_AUDIT_CHECK_HASH, SC_AUDIT_PASS);
    assert_check(v, SC_AUDIT_CHECK_AMOUNT, SC_AUDIT_PASS);
    sc_verdict_free(v);
    json_decref(doc);
}

static void data_that_end_within_the_month_are_no_fault(void **state)
{
    (void)state;
    const struct world *w = &worlds[0];
    const struct sc_bill_period month = { FIRST_MS, FIRST_MS + 31 * SC_DAY_MS, 1800 };
    json_t *doc = NULL;
    make_bill(w, &month, &doc);
    db_fill(w);
    struct sc_verdict *v = audit_with(w, doc, sc_buf_slice(&w->certificate), &w->tariff, &w->contract);
    assert_true(v->passed);
    assert_int_equal(v->expected_count, INTERVALS);
    sc_verdict_free(v);
    /* a copy in a slot that the meter has not reached is a duplicate: nothing of that slot's own is gone */
    db_insert(&w->genuine[7], FIRST_MS + 20 * SC_DAY_MS);
    v = audit_with(w, doc, sc_buf_slice(&w->certificate), &w->tariff, &w->contract);
    expect_one(v, SC_AUDIT_DUPLICATED, 7);
    /* and a later genuine reading shows what lies before it as dropped */
    db_fill(w);
    db_delete(INTERVALS - 2);
    json_decref(doc);
    struct sc_biller *b = NULL;
    struct sc_bill *bill = NULL;
    assert_ok(sc_biller_new(&w->tariff, &w->contract, &month, &b, NULL));
    assert_ok(sc_biller_add(b, &w->history[BEFORE - 1].reading, NULL));
    for (size_t i = 0; i < INTERVALS - 2; i++)
        assert_ok(sc_biller_add(b, &w->genuine[i].reading, NULL));
    assert_ok(sc_biller_finish(b, &bill, NULL));
    assert_ok(sc_bill_to_json(bill, NULL, &doc));
    v = audit_with(w, doc, sc_buf_slice(&w->certificate), &w->tariff, &w->contract);
    expect_one(v, SC_AUDIT_DROPPED, INTERVALS - 2);
    sc_bill_free(bill);
    sc_biller_free(b);
    json_decref(doc);
}

static void everything_swapped_is_still_recognised(void **state)
{
    (void)state;
    const struct world *w = &worlds[0];
    db_fill(w);
    for (size_t i = 0; i < INTERVALS; i += 2)
        db_swap(i, i + 1);
    struct sc_verdict *v = audit(w);
    assert_int_equal(v->genuine_count, 0);
    assert_int_equal(v->kind_count[SC_AUDIT_REORDERED], INTERVALS);
    assert_int_equal(v->finding_count, INTERVALS);
    assert_check(v, SC_AUDIT_CHECK_HASH, SC_AUDIT_PASS);
    sc_verdict_free(v);
}

static void assert_certificate_refused(const struct world *w, struct sc_slice der)
{
    db_fill(w);
    struct sc_verdict *v = audit_with(w, w->bill, der, &w->tariff, &w->contract);
    assert_false(v->passed);
    assert_check(v, SC_AUDIT_CHECK_CERTIFICATE, SC_AUDIT_FAIL);
    assert_check(v, SC_AUDIT_CHECK_SIGNATURES, SC_AUDIT_SKIPPED);
    assert_int_equal(v->finding_count, 0);
    assert_int_equal(v->signature_checks, 0);
    sc_verdict_free(v);
}

static void only_the_institutes_word_makes_a_meter(void **state)
{
    (void)state;
    const struct world *w = &worlds[1];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf der = { 0 };
    const int64_t from = FIRST_MS - SC_DAY_MS, to = FIRST_MS + 400 * SC_DAY_MS;
    assert_certificate_refused(w, SC_SLICE_EMPTY);
    assert_certificate_refused(w, sc_slice_str("not a certificate"));
    issue(w, urn, w->other_key, from, to, &der); /* signed by another key in the institute's name */
    assert_certificate_refused(w, sc_buf_slice(&der));
    issue(w, "urn:securecloud:meter:00000018:customer:5", w->institute_key, from, to, &der);
    assert_certificate_refused(w, sc_buf_slice(&der));
    issue(w, "urn:securecloud:meter:00000017:customer:6", w->institute_key, from, to, &der);
    assert_certificate_refused(w, sc_buf_slice(&der));
    issue(w, NULL, w->institute_key, from, to, &der);
    assert_certificate_refused(w, sc_buf_slice(&der));
    issue(w, urn, w->institute_key, from, FIRST_MS + SC_DAY_MS, &der); /* expires within the period */
    assert_certificate_refused(w, sc_buf_slice(&der));
    issue(w, urn, w->institute_key, FIRST_MS + 1000, to, &der); /* not yet valid at its start */
    assert_certificate_refused(w, sc_buf_slice(&der));
    db_fill(w);
    struct world stranger = *w;
    stranger.institute = worlds[2].institute;
    struct sc_verdict *v = audit(&stranger);
    assert_check(v, SC_AUDIT_CHECK_CERTIFICATE, SC_AUDIT_FAIL);
    sc_verdict_free(v);
}

static void forged_bills_fail_where_they_are_forged(void **state)
{
    (void)state;
    static const struct {
        const char *member, *value;
        enum sc_audit_check_id check;
    } forgeries[] = {
        { "total", "'99999.99'", SC_AUDIT_CHECK_AMOUNT },
        { "subtotal", "'1.00'", SC_AUDIT_CHECK_AMOUNT },
        { "lines", "[]", SC_AUDIT_CHECK_AMOUNT },
        { "taxes", "[]", SC_AUDIT_CHECK_AMOUNT },
        { "energy_kwh", "'1.000'", SC_AUDIT_CHECK_AMOUNT },
        { "total", "null", SC_AUDIT_CHECK_AMOUNT },
        { "measurement_hash", "'0000000000000000000000000000000000000000000000000000000000000000'", SC_AUDIT_CHECK_HASH },
        { "contract", "{'phases':3,'contracted_kw':'6.000','contracted_peak_kw':'5.000'}", SC_AUDIT_CHECK_CONTRACT },
    };
    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "{'v':%s}", forgeries[i].value);
        json_t *value = fixture_json(text), *bill = json_deep_copy(worlds[0].bill);
        json_object_set(bill, forgeries[i].member, json_object_get(value, "v"));
        db_fill(&worlds[0]);
        struct sc_verdict *v = audit_with(&worlds[0], bill, sc_buf_slice(&worlds[0].certificate), &worlds[0].tariff,
                                          &worlds[0].contract);
        assert_false(v->passed);
        assert_int_equal(v->finding_count, 0);
        for (size_t k = 0; k < SC_AUDIT_CHECK_COUNT; k++)
            assert_check(v, (enum sc_audit_check_id)k, k == forgeries[i].check ? SC_AUDIT_FAIL : SC_AUDIT_PASS);
        sc_verdict_free(v);
        json_decref(bill);
        json_decref(value);
    }
}

static void a_bill_of_another_tariff_or_count_fails(void **state)
{
    (void)state;
    const struct world *w = &worlds[0];
    struct sc_tariff dearer = w->tariff;
    dearer.energy_price[SC_SLOT_PEAK] += 1;
    dearer.hash.bytes[0] ^= 1;
    db_fill(w);
    struct sc_verdict *v = audit_with(w, w->bill, sc_buf_slice(&w->certificate), &dearer, &w->contract);
    assert_check(v, SC_AUDIT_CHECK_TARIFF, SC_AUDIT_FAIL);
    assert_check(v, SC_AUDIT_CHECK_AMOUNT, SC_AUDIT_FAIL);
    sc_verdict_free(v);
    json_t *bill = json_deep_copy(w->bill);
    json_object_set_new(json_object_get(bill, "readings"), "count", json_integer(INTERVALS - 1));
    v = audit_with(w, bill, sc_buf_slice(&w->certificate), &w->tariff, &w->contract);
    assert_check(v, SC_AUDIT_CHECK_BILLED, SC_AUDIT_FAIL);
    sc_verdict_free(v);
    json_decref(bill);
}

static void a_database_without_the_contract_fails_but_all_else_is_judged(void **state)
{
    (void)state;
    const struct world *w = &worlds[0];
    db_fill(w);
    db_delete(3);
    struct sc_verdict *v = audit_with(w, w->bill, sc_buf_slice(&w->certificate), &w->tariff, NULL);
    assert_check(v, SC_AUDIT_CHECK_CONTRACT, SC_AUDIT_FAIL);
    expect_one(v, SC_AUDIT_DROPPED, 3);
    db_fill(w);
    v = audit_with(w, w->bill, sc_buf_slice(&w->certificate), &w->tariff, NULL);
    assert_false(v->passed);
    for (size_t k = 0; k < SC_AUDIT_CHECK_COUNT; k++)
        assert_check(v, (enum sc_audit_check_id)k, k == SC_AUDIT_CHECK_CONTRACT ? SC_AUDIT_FAIL : SC_AUDIT_PASS);
    sc_verdict_free(v);
}

static void a_meter_whose_registers_disagree_is_told(void **state)
{
    (void)state;
    const struct world *w = &worlds[0];
    db_fill(w);
    struct row *row = db_row(50);
    row->reading.reg[0] += 5;
    sign_row(row, w->meter_key); /* the meter itself says so */
    struct sc_verdict *v = audit(w);
    assert_false(v->passed);
    assert_int_equal(v->finding_count, 0);
    assert_check(v, SC_AUDIT_CHECK_REGISTERS, SC_AUDIT_FAIL);
    assert_check(v, SC_AUDIT_CHECK_SIGNATURES, SC_AUDIT_PASS);
    sc_verdict_free(v);
}

static void a_meter_that_breaks_its_numbering_is_told(void **state)
{
    (void)state;
    const struct world *w = &worlds[0];
    db_fill(w);
    struct row *row = db_row(50);
    row->reading.sequence += 1;
    sign_row(row, w->meter_key);
    struct sc_verdict *v = audit(w);
    assert_false(v->passed);
    assert_check(v, SC_AUDIT_CHECK_SEQUENCE, SC_AUDIT_FAIL);
    sc_verdict_free(v);
}

static void absurd_rows_are_findings_and_never_a_crash(void **state)
{
    (void)state;
    const struct world *w = &worlds[0];
    static const uint64_t sequences[] = { 0, UINT64_MAX, (uint64_t)INT64_MAX, (uint64_t)1 << 62 };
    static const int64_t times[] = { INT64_MIN, INT64_MAX, 0, FIRST_MS - STEP_MS + 1 };
    db_fill(w);
    for (size_t i = 0; i < 4; i++) {
        db_row(i)->reading.sequence = sequences[i];
        db_insert(&w->genuine[20 + i], times[i]); /* outside what was asked for: ignored */
    }
    struct sc_verdict *v = audit(w);
    const struct expected want[] = { { SC_AUDIT_ALTERED, 0 }, { SC_AUDIT_ALTERED, 1 }, { SC_AUDIT_ALTERED, 2 },
                                     { SC_AUDIT_ALTERED, 3 } };
    expect(v, want, 4);
    sc_verdict_free(v);
}

static void a_flood_of_rows_is_bounded_and_fails(void **state)
{
    (void)state;
    const struct world *w = &worlds[0];
    db_fill(w);
    struct row broken = { .broken = "an attribute is no number" };
    db_insert(&broken, FIRST_MS + 3);
    db.repeat_last = 3000000;
    struct sc_verdict *v = audit(w);
    assert_false(v->passed);
    assert_int_equal(v->row_count, INTERVALS + 3000001);
    assert_int_equal(v->rows_unread, v->row_count - sc_audit_rows_max(&two_days));
    assert_check(v, SC_AUDIT_CHECK_SIGNATURES, SC_AUDIT_FAIL);
    sc_verdict_free(v);
}

static void an_empty_database_drops_everything(void **state)
{
    (void)state;
    const struct world *w = &worlds[0];
    db_fill(w);
    db.count = 0;
    struct sc_verdict *v = audit(w);
    assert_false(v->passed);
    assert_int_equal(v->kind_count[SC_AUDIT_DROPPED], INTERVALS);
    assert_int_equal(v->findings[5].sequence, BEFORE + 6);
    assert_false(v->recomputed);
    sc_verdict_free(v);
}

static void the_verdict_is_signed_and_no_bit_of_it_can_change(void **state)
{
    (void)state;
    for (size_t alg = 0; alg < 3; alg++) {
        const struct world *w = &worlds[alg];
        struct sc_verifier *auditor = NULL, *other = NULL;
        json_t *verdict = NULL, *doc = NULL;
        bool passed = true;
        db_fill(w);
        db_delete(9);
        struct sc_verdict *v = audit(w);
        assert_ok(sc_verdict_to_json(v, "spiffe://institute/auditor", FIRST_MS, &verdict));
        assert_ok(sc_verdict_sign(verdict, w->other_key, &doc));
        assert_ok(sc_verifier_of_signer(w->other_key, &auditor));
        assert_ok(sc_verifier_of_signer(w->meter_key, &other));
        /* through a file's layout and back */
        char *text = json_dumps(doc, JSON_INDENT(3));
        json_t *back = json_loads(text, 0, NULL);
        assert_ok(sc_verdict_check(back, auditor, &passed, NULL));
        assert_false(passed);
        assert_int_equal(sc_verdict_check(back, other, &passed, NULL), SC_E_AUTH);
        json_t *inner = json_object_get(back, "verdict");
        assert_int_equal(json_array_size(json_object_get(inner, "findings")), 1);
        json_object_set_new(inner, "passed", json_true());
        assert_int_equal(sc_verdict_check(back, auditor, &passed, NULL), SC_E_AUTH);
        json_object_set_new(inner, "passed", json_false());
        assert_ok(sc_verdict_check(back, auditor, &passed, NULL));
        json_array_clear(json_object_get(inner, "findings"));
        assert_int_equal(sc_verdict_check(back, auditor, &passed, NULL), SC_E_AUTH);
        json_object_del(back, "signature");
        assert_int_equal(sc_verdict_check(back, auditor, &passed, NULL), SC_E_MALFORMED);
        free(text);
        json_decref(back);
        json_decref(doc);
        json_decref(verdict);
        sc_verifier_free(auditor);
        sc_verifier_free(other);
        sc_verdict_free(v);
    }
}

static void make_proof(const struct world *w, size_t index, json_t **out)
{
    struct sc_hash leaves[INTERVALS];
    struct sc_bill_claim claim;
    for (size_t i = 0; i < INTERVALS; i++)
        fixture_statement_hash(&w->genuine[i].reading, &leaves[i]);
    assert_ok(sc_bill_claim_parse(w->bill, &claim, NULL));
    struct sc_proof p = { .client_id = 5, .reading = w->genuine[index].reading, .index = index, .tree_size = INTERVALS,
                          .measurement_hash = claim.measurement_hash,
                          .signature = sc_slice_of(w->genuine[index].signature, w->genuine[index].signature_size),
                          .certificate = sc_buf_slice(&w->certificate) };
    sc_merkle_path(leaves, INTERVALS, index, p.path, &p.path_count);
    assert_ok(sc_proof_to_json(&p, out));
}

static void a_proof_convinces_whoever_holds_the_hash_and_the_root(void **state)
{
    (void)state;
    static const size_t indexes[] = { 0, 1, 35, 63, 64, INTERVALS - 1 };
    for (size_t alg = 0; alg < 3; alg++) {
        const struct world *w = &worlds[alg];
        struct sc_bill_claim claim;
        assert_ok(sc_bill_claim_parse(w->bill, &claim, NULL));
        for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
            json_t *doc = NULL;
            struct sc_proven proven;
            make_proof(w, indexes[i], &doc);
            assert_ok(sc_proof_check(doc, &claim.measurement_hash, w->institute, &proven, NULL));
            assert_int_equal(proven.reading.start_ms, w->genuine[indexes[i]].reading.start_ms);
            assert_int_equal(proven.index, indexes[i]);
            assert_int_equal(proven.client_id, 5);
            json_decref(doc);
        }
    }
}

static void a_proof_with_anything_changed_convinces_nobody(void **state)
{
    (void)state;
    const struct world *w = &worlds[1];
    struct sc_bill_claim claim;
    struct sc_proven proven;
    json_t *doc = NULL, *other = NULL;
    assert_ok(sc_bill_claim_parse(w->bill, &claim, NULL));
    make_proof(w, 40, &doc);
    make_proof(w, 41, &other);
    static const char *const members[] = { "statement", "signature", "certificate" };
    for (size_t m = 0; m < 3; m++) {
        const char *good = json_string_value(json_object_get(doc, members[m]));
        const size_t size = strlen(good);
        for (size_t at = 0; at < size; at += m == 2 ? 7 : 3) {
            json_t *bad = json_deep_copy(doc);
            char *text = strdup(good);
            text[at] = text[at] == '0' ? '1' : '0';
            json_object_set_new(bad, members[m], json_string(text));
            assert_int_not_equal(sc_proof_check(bad, &claim.measurement_hash, w->institute, &proven, NULL), SC_OK);
            free(text);
            json_decref(bad);
        }
    }
    static const char *const swapped[] = { "statement", "signature", "path", "index" };
    for (size_t m = 0; m < 4; m++) { /* of another, equally genuine proof */
        json_t *bad = json_deep_copy(doc);
        json_object_set(bad, swapped[m], json_object_get(other, swapped[m]));
        assert_int_equal(sc_proof_check(bad, &claim.measurement_hash, w->institute, &proven, NULL), SC_E_AUTH);
        json_decref(bad);
    }
    struct sc_hash hash = claim.measurement_hash;
    hash.bytes[31] ^= 1;
    assert_int_equal(sc_proof_check(doc, &hash, w->institute, &proven, NULL), SC_E_AUTH);
    assert_int_equal(sc_proof_check(doc, &claim.measurement_hash, worlds[0].institute, &proven, NULL), SC_E_AUTH);
    json_object_set_new(doc, "customer", json_integer(6));
    assert_int_equal(sc_proof_check(doc, &claim.measurement_hash, w->institute, &proven, NULL), SC_E_AUTH);
    json_decref(doc);
    json_decref(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_period_passes_whatever_the_order_of_rows),
        cmocka_unit_test(a_dropped_interval_is_named),
        cmocka_unit_test(a_duplicated_interval_is_named),
        cmocka_unit_test(an_altered_interval_is_named),
        cmocka_unit_test(a_replayed_interval_is_named),
        cmocka_unit_test(reordered_intervals_are_named),
        cmocka_unit_test(another_meters_reading_is_named),
        cmocka_unit_test(mixed_attacks_are_told_apart),
        cmocka_unit_test(a_bill_made_after_the_theft_of_readings_fails_too),
        cmocka_unit_test(data_that_end_within_the_month_are_no_fault),
        cmocka_unit_test(everything_swapped_is_still_recognised),
        cmocka_unit_test(only_the_institutes_word_makes_a_meter),
        cmocka_unit_test(forged_bills_fail_where_they_are_forged),
        cmocka_unit_test(a_bill_of_another_tariff_or_count_fails),
        cmocka_unit_test(a_database_without_the_contract_fails_but_all_else_is_judged),
        cmocka_unit_test(a_meter_whose_registers_disagree_is_told),
        cmocka_unit_test(a_meter_that_breaks_its_numbering_is_told),
        cmocka_unit_test(absurd_rows_are_findings_and_never_a_crash),
        cmocka_unit_test(a_flood_of_rows_is_bounded_and_fails),
        cmocka_unit_test(an_empty_database_drops_everything),
        cmocka_unit_test(the_verdict_is_signed_and_no_bit_of_it_can_change),
        cmocka_unit_test(a_proof_convinces_whoever_holds_the_hash_and_the_root),
        cmocka_unit_test(a_proof_with_anything_changed_convinces_nobody),
    };
    return cmocka_run_group_tests(tests, make_worlds, free_worlds);
}
