/* billing/tariff.h - a tariff as data: prices, hours, flags, taxes, read from a JSON document (docs/formats/tariff.md).
 *
 * Prices are nanos of a real (billing/decimal.h) per kWh or kW.  Plain data, immutable once loaded: may be shared
 * between threads. */
#ifndef SC_BILLING_TARIFF_H
#define SC_BILLING_TARIFF_H

#include "base/json.h"
#include "billing/calendar.h"
#include "billing/decimal.h"
#include "crypto/crypto.h"
#include "metering/schema.h"

enum sc_slot { SC_SLOT_OFF_PEAK, SC_SLOT_INTERMEDIATE, SC_SLOT_PEAK, SC_SLOT_COUNT };
const char *sc_slot_name(enum sc_slot slot); /* "off_peak", "intermediate", "peak" */

/* B for conventional and branca, A for azul and verde. */
static inline bool sc_modality_is_group_a(enum sc_modality m)
{
    return m == SC_MODALITY_AZUL || m == SC_MODALITY_VERDE;
}

enum sc_flag { SC_FLAG_GREEN, SC_FLAG_YELLOW, SC_FLAG_RED_1, SC_FLAG_RED_2, SC_FLAG_COUNT };
const char *sc_flag_name(enum sc_flag flag); /* "green", "yellow", "red_1", "red_2" */

enum sc_tax_rule {
    SC_TAX_NONE,      /* prices as they stand */
    SC_TAX_TOGETHER,  /* old: base / (1 - PIS - COFINS - ICMS) */
    SC_TAX_TEMA_69,   /* since 2017-03-15: base / ((1 - PIS - COFINS) (1 - ICMS)) */
};

#define SC_TARIFF_HOLIDAYS_MAX    64
#define SC_TARIFF_FLAG_MONTHS_MAX 240
#define SC_TARIFF_ICMS_MAX        8
#define SC_TARIFF_SIZE_MAX        ((size_t)1 << 18)

struct sc_tariff {
    char id[64];
    char name[160];
    enum sc_modality modality;
    int32_t utc_offset_min; /* local clock of the tariff = UTC + this */

    bool national_holidays;
    size_t holiday_count;
    int32_t holidays[SC_TARIFF_HOLIDAYS_MAX]; /* days, beside the national ones */
    uint8_t slot_of_half_hour[48];            /* enum sc_slot on a working day */

    bool one_price; /* one price for all hours: energy_price[SC_SLOT_OFF_PEAK] */
    int64_t energy_price[SC_SLOT_COUNT];

    enum sc_flag flag_default;
    size_t flag_month_count;
    struct {
        int32_t month; /* year * 12 + month - 1 */
        enum sc_flag flag;
    } flag_months[SC_TARIFF_FLAG_MONTHS_MAX];
    int64_t flag_price[SC_FLAG_COUNT]; /* per kWh */

    int64_t minimum_wh[4]; /* by number of phases; 0 = none */

    /* group A; price 0 = no such charge */
    int64_t demand_price[SC_SLOT_COUNT]; /* per kW; verde: [SC_SLOT_OFF_PEAK] for all hours */
    int64_t tolerance;                   /* rate: 5 % */
    int64_t overshoot_factor;            /* nanos: 2 */
    int64_t reactive_energy_price;       /* VR_ERE, per kWh */
    int64_t reactive_demand_price;       /* VR_DRE, per kW */
    int32_t reference_factor_milli;      /* fr = 0.920 */
    int32_t capacitive_from_hour, capacitive_to_hour; /* leading kvarh count here (may wrap midnight), lagging elsewhere */

    enum sc_tax_rule tax_rule;
    int64_t pis, cofins; /* rates */
    size_t icms_count;
    struct {
        int64_t up_to_wh; /* inclusive; INT64_MAX in the last */
        int64_t rate;
    } icms[SC_TARIFF_ICMS_MAX]; /* by billed energy, rising */
    int64_t cosip_cents;

    struct sc_hash hash; /* SHA-256 of the document in canonical form: what a bill names */
};

/* SC_E_MALFORMED names the member.  Members that are not known are refused: a typing error must not change a bill. */
sc_err sc_tariff_parse(const json_t *doc, struct sc_tariff *out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_tariff_read(const char *path, struct sc_tariff *out, struct sc_diag *diag) SC_MUST_CHECK;

/* The slot that the instant lies in; a slot contains its start and not its end. */
enum sc_slot sc_tariff_slot(const struct sc_tariff *t, int64_t wall_ms);
/* Saturdays, Sundays and holidays are off-peak all day. */
bool sc_tariff_is_working_day(const struct sc_tariff *t, int32_t local_day);
static inline int64_t sc_tariff_local_ms(const struct sc_tariff *t, int64_t wall_ms)
{
    return wall_ms + (int64_t)t->utc_offset_min * 60000;
}
enum sc_flag sc_tariff_flag(const struct sc_tariff *t, int32_t month); /* month = year * 12 + month - 1 */
/* The rate of ICMS for so much billed energy; 0 without taxes. */
int64_t sc_tariff_icms(const struct sc_tariff *t, int64_t billed_wh);
/* "2024-07" on the tariff's clock: [from, to) in UTC.  SC_E_USAGE for another text. */
sc_err sc_tariff_month(const struct sc_tariff *t, const char *text, int64_t *from_ms_out, int64_t *to_ms_out)
    SC_MUST_CHECK;
/* Is this one hour (0..23, local) one where capacitive kvarh count? */
bool sc_tariff_hour_is_capacitive(const struct sc_tariff *t, int hour);

/* The canonical bytes of a JSON document that this folder hashes and signs: UTF-8, members sorted, no white space (RFC
 * 8785 for documents with ASCII names and without fractions). */
sc_err sc_json_canonical(const json_t *doc, struct sc_buf *out) SC_MUST_CHECK;

#endif
