#include "crypto/der.h"

/* X.690, 8.1.3 and 10.1: the short form below 128, else the fewest bytes that hold it. */
static sc_err get_length(struct sc_reader *r, size_t *out)
{
    uint8_t first;
    uint8_t byte;
    SC_TRY(sc_reader_get_u8(r, &first));
    if (first < 0x80) {
        *out = first;
        return SC_OK;
    }
    const unsigned count = first & 0x7fu;
    if (count == 0 || count > 4) /* the indefinite form; more than 4 GiB */
        return SC_E_MALFORMED;
    size_t length = 0;
    for (unsigned i = 0; i < count; i++) {
        SC_TRY(sc_reader_get_u8(r, &byte));
        if (i == 0 && byte == 0)
            return SC_E_MALFORMED;
        length = length << 8 | byte;
    }
    if (length < 0x80)
        return SC_E_MALFORMED;
    *out = length;
    return SC_OK;
}

sc_err sc_der_get(struct sc_reader *r, uint8_t *tag_out, struct sc_slice *value_out)
{
    struct sc_reader at = *r; /* committed at the end: a failed read moves nothing */
    uint8_t tag;
    size_t length;
    struct sc_slice value;
    SC_TRY(sc_reader_get_u8(&at, &tag));
    if ((tag & 0x1f) == 0x1f) /* tag numbers above 30 take more bytes; no format here has one */
        return SC_E_MALFORMED;
    SC_TRY(get_length(&at, &length));
    SC_TRY(sc_reader_get_bytes(&at, length, &value));
    *r = at;
    *tag_out = tag;
    *value_out = value;
    return SC_OK;
}

sc_err sc_der_expect(struct sc_reader *r, uint8_t tag, struct sc_slice *value_out)
{
    struct sc_reader at = *r;
    uint8_t found;
    struct sc_slice value;
    SC_TRY(sc_der_get(&at, &found, &value));
    if (found != tag)
        return SC_E_MALFORMED;
    *r = at;
    *value_out = value;
    return SC_OK;
}

sc_err sc_der_uint(struct sc_slice value, uint64_t max, uint64_t *out)
{
    if (value.size == 0 || (value.ptr[0] & 0x80) != 0)
        return SC_E_MALFORMED;
    if (value.size > 1 && value.ptr[0] == 0 && (value.ptr[1] & 0x80) == 0) /* X.690, 8.3.2 */
        return SC_E_MALFORMED;
    if (value.size > 9)
        return SC_E_MALFORMED;
    uint64_t v = 0;
    for (size_t i = 0; i < value.size; i++)
        v = v << 8 | value.ptr[i];
    if (v > max)
        return SC_E_MALFORMED;
    *out = v;
    return SC_OK;
}
