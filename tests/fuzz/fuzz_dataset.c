/* Data files; the first byte chooses the header, so that the rows are reached, and the options. */
#include "metering/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void header_put(struct sc_buf *csv, unsigned slots)
{
    sc_buf_put_str(csv, "meter,date");
    for (unsigned i = 0; i < slots; i++)
        sc_buf_put_fmt(csv, ",v%02u", i);
    sc_buf_put_str(csv, "\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf csv = {0};
    SC_CLEANUP(sc_dataset_freep) struct sc_dataset *d = NULL;
    SC_CLEANUP(sc_profile_freep) struct sc_profile *p = NULL;
    struct sc_diag diag = {0};
    if (size == 0)
        return 0;
    if ((data[0] & 3) == 1)
        header_put(&csv, 48);
    else if ((data[0] & 3) == 2)
        header_put(&csv, 96);
    else if ((data[0] & 3) == 3)
        sc_buf_put_str(&csv, "date,start,kwh,kvarh_lag,kvarh_lead\n");
    sc_buf_put_bytes(&csv, sc_slice_of(data + 1, size - 1));
    const struct sc_dataset_options opt = {.days = data[0] >> 4 & 3, .customers_max = data[0] >> 6};
    const sc_err err = sc_dataset_parse(sc_buf_slice(&csv), "fuzz", &opt, &d, &diag);
    SC_ASSERT((err == SC_OK) == (d != NULL) && (err == SC_OK || err == SC_E_NOMEM || diag.text[0] != '\0'));
    if (d != NULL)
        sc_ignore(sc_profile_derive(d, "fuzz", &p, &diag)); /* few days are an error */
    return 0;
}
