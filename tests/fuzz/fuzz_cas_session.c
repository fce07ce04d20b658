/* Sessions come from strangers until their signatures are checked. */
#include "cas/session.h"

#include <string.h>

static void count_note(void *arg, unsigned line, const char *text)
{
    SC_ASSERT(line != 0 && text[0] != '\0');
    ++*(size_t *)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sc_session *s = NULL;
    struct sc_diag diag = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = {0};
    size_t told = 0;
    if (sc_session_parse(sc_slice_of(data, size), &s, &diag) != SC_OK) {
        SC_ASSERT(s == NULL && diag.text[0] != '\0');
        return 0;
    }
    SC_ASSERT(s->owner_count != 0 && s->threshold != 0 && s->threshold <= s->owner_count);
    SC_ASSERT(sc_slice_eq(s->text, sc_slice_of(data, size)));
    SC_ASSERT(sc_session_lint(s, count_note, &told) == told);
    sc_session_explain(s, &out);
    SC_ASSERT(out.size != 0);
    SC_ASSERT(sc_session_diff(s, s, &out) == 0); /* nothing differs from itself */
    sc_session_free(s);
    return 0;
}
