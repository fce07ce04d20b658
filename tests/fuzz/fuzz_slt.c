/* sqllogictest scripts: records borrow from the script, come in order, and end. */
#include "slt/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct sc_slice part, struct sc_slice whole)
{
    SC_ASSERT(part.size == 0 || (part.ptr >= whole.ptr && part.ptr + part.size <= whole.ptr + whole.size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sc_slice text = sc_slice_of(data, size);
    struct slt_script s = slt_script_of(text);
    struct slt_record r;
    size_t line = 0;
    while (slt_script_next(&s, &r, NULL) == SC_OK && r.action != SLT_END) {
        SC_ASSERT(r.line > line);
        line = r.line;
        check_inside(r.sql, text);
        check_inside(r.expected, text);
        check_inside(r.label, text);
        SC_ASSERT(r.action != SLT_QUERY || (r.types.size != 0 && r.types.size <= SLT_TYPES_MAX));
    }
    SC_ASSERT(s.line <= size + 1);
    return 0;
}
