/* Rows of an untrusted database: fields separated by the byte 0x1f, a field that is only "N" is NULL. */
#include "billing/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sc_field fields[SC_READING_COLUMN_COUNT];
    uint8_t store[SC_ROW_SIGNATURE_SIZE_MAX];
    struct sc_audit_row row;
    const uint8_t *at = data, *end = data + size;
    for (size_t i = 0; i < SC_READING_COLUMN_COUNT; i++) {
        const uint8_t *stop = at < end ? memchr(at, 0x1f, (size_t)(end - at)) : NULL;
        if (stop == NULL)
            stop = end;
        fields[i].text = sc_slice_of(at, (size_t)(stop - at));
        fields[i].is_null = fields[i].text.size == 1 && at[0] == 'N';
        at = stop < end ? stop + 1 : end;
    }
    sc_row_parse(fields, store, &row);
    if (row.broken != NULL)
        return 0;
    /* what is no longer broken has a statement, and its numbers are a reading's */
    SC_CLEANUP(sc_buf_deinit) struct sc_buf statement = { 0 };
    sc_reading_encode(&row.reading, &statement);
    if (sc_buf_status(&statement) != SC_OK || statement.size != SC_READING_STATEMENT_SIZE || row.reading.sequence == 0 ||
        row.reading.meter > 99999999 || !row.has_timestamp)
        abort();
    return 0;
}
