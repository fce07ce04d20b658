#include "fixture.h"

#include <unistd.h>

const char fixture_branca[] =
    "{'format':'securecloud-tariff','version':1,'id':'branca','name':'branca','modality':'branca',"
    "'hours':{'peak':[['17:30','20:30']],'intermediate':[['16:30','17:30'],['20:30','21:30']]},"
    "'energy':{'unit':'kWh','peak':{'te':'1.33333'},'intermediate':{'te':'0.88020'},'off_peak':{'te':'0.57060'}}}";

const char fixture_azul[] =
    "{'format':'securecloud-tariff','version':1,'id':'azul','name':'azul','modality':'azul',"
    "'hours':{'peak':[['18:00','21:00']]},"
    "'energy':{'unit':'MWh','peak':{'te':'475.91','tusd':'153.23'},'off_peak':{'te':'296.77','tusd':'153.23'}},"
    "'demand':{'peak':'68.21','off_peak':'22.81'},"
    "'reactive':{'energy_per_mwh':'296.77','demand_per_kw':'22.81','capacitive_hours':['00:00','06:00']},"
    "'taxes':{'rule':'tema_69','pis_percent':'0.82','cofins_percent':'3.77','icms':[{'percent':'18'}]}}";

json_t *fixture_json(const char *text)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    for (char *p = copy; *p != '\0'; p++)
        if (*p == '\'')
            *p = '"';
    json_t *doc = NULL;
    struct sc_diag diag = { 0 };
    if (sc_json_parse(sc_slice_str(copy), &doc, &diag) != SC_OK)
        fail_msg("%s", diag.text);
    free(copy);
    return doc;
}

void fixture_tariff(const char *text, struct sc_tariff *out)
{
    struct sc_diag diag = { 0 };
    json_t *doc = fixture_json(text);
    if (sc_tariff_parse(doc, out, &diag) != SC_OK)
        fail_msg("%s", diag.text);
    json_decref(doc);
}

int64_t fixture_ms(const char *time)
{
    int64_t ms = 0;
    assert_ok(sc_civil_parse(time, &ms));
    return ms;
}

const char *fixture_shared(const char *name)
{
    static char path[4096];
    const char *dir = getenv("SC_SHARED");
    snprintf(path, sizeof path, "%s/%s", dir != NULL ? dir : SC_SOURCE_ROOT "/../shared", name);
    return access(path, R_OK) == 0 ? path : NULL;
}

static void begin(struct fixture_meter *m, struct sc_reading *out)
{
    *out = (struct sc_reading){ .meter = m->serial, .sequence = ++m->sequence, .interval_s = m->interval_s };
    out->start_ms = m->t0_ms + (int64_t)(m->sequence - 1) * m->interval_s * 1000;
    out->validity = 7u << SC_READING_FLOAT_COUNT;
}

void fixture_meter_read(struct fixture_meter *m, uint64_t wh, uint64_t inductive_varh, uint64_t capacitive_varh,
                        struct sc_reading *out)
{
    begin(m, out);
    out->value[SC_ATTR_DEMAND_KW] = (float)((double)wh * 3.6 / m->interval_s);
    out->value[SC_ATTR_VOLTAGE_A_V] = 127.25f;
    out->validity |= 1u << SC_ATTR_DEMAND_KW | 1u << SC_ATTR_VOLTAGE_A_V;
    m->reg[0] += wh;
    m->reg[1] += inductive_varh;
    m->reg[2] += capacitive_varh;
    memcpy(out->reg, m->reg, sizeof out->reg);
}

void fixture_meter_skip(struct fixture_meter *m, struct sc_reading *out)
{
    begin(m, out);
    out->status = SC_READING_STATUS_NOT_MEASURED;
    memcpy(out->reg, m->reg, sizeof out->reg);
}

void fixture_statement_hash(const struct sc_reading *r, struct sc_hash *leaf_out)
{
    struct sc_buf statement = { 0 };
    sc_reading_encode(r, &statement);
    assert_ok(sc_buf_status(&statement));
    sc_merkle_leaf_hash(sc_buf_slice(&statement), leaf_out);
    sc_buf_deinit(&statement);
}
