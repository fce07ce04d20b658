/* Inside an SGX enclave under Gramine: the files of /dev/attestation.
 * The identity is read from one's own quote (the offsets are those of version 3): nothing else tells it. */
#include "tee/internal.h"

#include <stdio.h>

#define QUOTE_SIZE_MAX  ((size_t)64 << 10)
#define REPORT_OFFSET   ((size_t)48)
#define REPORT_SIZE     ((size_t)384)
#define QUOTE_SIZE_MIN  (REPORT_OFFSET + REPORT_SIZE)
#define ATTRIBUTE_DEBUG 0x02
#define RAW_KEY_SIZE    ((size_t)16)

struct sgx {
    char *root;
};

static sc_err sgx_open(const struct sc_tee_options *opt, void **self_out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf type = {0};
    SC_TRY(sc_context(diag, tee_file_read(opt->root, "attestation_type", 64, &type, diag), "no enclave under Gramine"));
    while (type.size != 0 && (type.ptr[type.size - 1] == '\n' || type.ptr[type.size - 1] == '\0'))
        type.size--;
    if (!sc_slice_eq(sc_buf_slice(&type), sc_slice_str("dcap")))
        return sc_fail(diag, SC_E_UNSUPPORTED,
                       "%s/attestation_type is \"%.*s\": evidence needs sgx.remote_attestation = \"dcap\"", opt->root,
                       (int)type.size, (const char *)type.ptr);
    struct sgx *s = calloc(1, sizeof *s);
    if (s == NULL || (s->root = strdup(opt->root)) == NULL) {
        free(s);
        return sc_fail(diag, SC_E_NOMEM, "enclave");
    }
    *self_out = s;
    return SC_OK;
}

static void sgx_free(void *self)
{
    struct sgx *s = self;
    free(s->root);
    free(s);
}

static sc_err sgx_evidence(void *self, const uint8_t report_data[static 64], struct sc_buf *out,
                           struct sc_buf *extra_out, struct sc_diag *diag)
{
    const struct sgx *s = self;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf quote = {0};
    (void)extra_out;
    SC_TRY(tee_file_write(s->root, "user_report_data", sc_slice_of(report_data, 64), diag));
    SC_TRY(tee_file_read(s->root, "quote", QUOTE_SIZE_MAX, &quote, diag));
    if (quote.size < QUOTE_SIZE_MIN)
        return sc_fail(diag, SC_E_MALFORMED, "%s/quote: %zu bytes are no quote", s->root, quote.size);
    /* another thread of this process may have written its own report data in between */
    if (memcmp(quote.ptr + REPORT_OFFSET + 320, report_data, 64) != 0)
        return sc_fail(diag, SC_E_AGAIN, "%s/quote: over somebody else's report data", s->root);
    sc_buf_put_bytes(out, sc_buf_slice(&quote));
    return sc_buf_status(out);
}

static sc_err sgx_identity(void *self, struct sc_tee_identity *out, struct sc_diag *diag)
{
    static const uint8_t nothing[64];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf quote = {0};
    SC_TRY(sgx_evidence(self, nothing, &quote, NULL, diag));
    const uint8_t *r = quote.ptr + REPORT_OFFSET;
    memcpy(out->measurement, r + 64, 32);
    memcpy(out->signer, r + 128, 32);
    out->measurement_size = out->signer_size = 32;
    out->product_id = (uint32_t)r[256] | (uint32_t)r[257] << 8;
    out->svn = (uint32_t)r[258] | (uint32_t)r[259] << 8;
    out->debug = (r[48] & ATTRIBUTE_DEBUG) != 0;
    return SC_OK;
}

/* Gramine's sealing keys have 16 bytes; ours are stretched from them. */
static sc_err sgx_seal_key(void *self, enum sc_tee_bind bind, struct sc_key *out, struct sc_diag *diag)
{
    const struct sgx *s = self;
    SC_CLEANUP(sc_buf_wipe) struct sc_buf raw = {0};
    const char *name = bind == SC_TEE_BIND_CODE ? "keys/_sgx_mrenclave" : "keys/_sgx_mrsigner";
    SC_TRY(tee_file_read(s->root, name, RAW_KEY_SIZE, &raw, diag));
    if (raw.size != RAW_KEY_SIZE)
        return sc_fail(diag, SC_E_MALFORMED, "%s/%s: %zu bytes instead of %zu", s->root, name, raw.size, RAW_KEY_SIZE);
    return sc_hkdf(SC_SLICE_EMPTY, sc_buf_slice(&raw), sc_slice_str("securecloud tee/sgx seal v1"), out->bytes,
                   sizeof out->bytes);
}

const struct tee_backend tee_backend_sgx = {
    .open = sgx_open, .free = sgx_free, .identity = sgx_identity, .evidence = sgx_evidence, .seal_key = sgx_seal_key};
