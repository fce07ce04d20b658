/* SCRAM: verifiers as text, and a client's two messages.  Nobody here knows the password, so nobody may get in. */
#include "cascadb/scram.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_verifier(struct sc_slice in)
{
    struct scram_verifier v, again;
    struct sc_buf text = { 0 };
    if (scram_verifier_parse(in, &v) != SC_OK)
        return;
    scram_verifier_write(&v, &text); /* there is one form only */
    if (sc_buf_status(&text) != SC_OK || !sc_slice_eq(sc_buf_slice(&text), in) ||
        scram_verifier_parse(sc_buf_slice(&text), &again) != SC_OK || memcmp(&v, &again, sizeof v) != 0)
        abort();
    sc_buf_deinit(&text);
}

static void fuzz_exchange(struct sc_slice in, bool plus)
{
    static const uint8_t nonce[SCRAM_NONCE_SIZE] = "eighteen bytes....";
    static const struct scram_verifier v = { .iterations = SCRAM_ITERATIONS_MIN, .salt = "saltsaltsaltsalt", .salt_size = 16,
                                             .stored_key = { { 1 } }, .server_key = { { 2 } } };
    struct sc_buf out = { 0 };
    struct scram_exchange x = { .verifier = &v, .end_point = plus ? sc_slice_str("end point") : SC_SLICE_EMPTY, .plus = plus,
                                .nonce = nonce };
    const uint8_t *nul = memchr(in.ptr, 0, in.size);
    const size_t n = nul != NULL ? (size_t)(nul - in.ptr) : in.size;
    const sc_err err = scram_first(&x, (struct sc_slice){ in.ptr, n }, &out);
    if ((err == SC_OK) != (out.size != 0))
        abort();
    sc_buf_reset(&out);
    if (nul != NULL && (scram_final(&x, (struct sc_slice){ nul + 1, in.size - n - 1 }, &out) == SC_OK || out.size != 0))
        abort();
    scram_exchange_deinit(&x);
    sc_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct sc_slice in = { data + 1, size - 1 };
    if (data[0] % 3 == 0)
        fuzz_verifier(in);
    else
        fuzz_exchange(in, data[0] % 3 == 1);
    return 0;
}
