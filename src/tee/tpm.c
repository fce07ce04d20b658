#include "tee/tpm.h"

#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

struct tee_tpm {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    uint32_t nv_index;
};

#define AUTH ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE
#define NONE ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE

static sc_err fail_tpm(struct sc_diag *diag, sc_err code, const char *what, TSS2_RC rc)
{
    return sc_fail(diag, code, "TPM: %s: %s", what, Tss2_RC_Decode(rc));
}

sc_err tee_tpm_open(const char *tcti, uint32_t nv_index, struct tee_tpm **out, struct sc_diag *diag)
{
    SC_CLEANUP(tee_tpm_freep) struct tee_tpm *t = calloc(1, sizeof *t);
    if (t == NULL)
        return sc_fail(diag, SC_E_NOMEM, "TPM");
    t->nv_index = nv_index;
    setenv("TSS2_LOG", "all+none", 0); /* failures are told in our words; whoever debugs sets it himself */
    TSS2_RC rc = Tss2_TctiLdr_Initialize(tcti, &t->tcti);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_Initialize(&t->esys, t->tcti, NULL);
    if (rc != TSS2_RC_SUCCESS)
        return fail_tpm(diag, SC_E_IO, tcti, rc);
    rc = Esys_Startup(t->esys, TPM2_SU_CLEAR); /* a software TPM wants it; a machine's was started by its firmware */
    if (rc != TSS2_RC_SUCCESS && rc != TPM2_RC_INITIALIZE)
        return fail_tpm(diag, SC_E_IO, tcti, rc);
    *out = SC_TAKE(t);
    return SC_OK;
}

void tee_tpm_free(struct tee_tpm *t)
{
    if (t == NULL)
        return;
    Esys_Finalize(&t->esys);
    Tss2_TctiLdr_Finalize(&t->tcti);
    free(t);
}

void tee_tpm_freep(struct tee_tpm **t)
{
    tee_tpm_free(*t);
}

/* ---- sealing ---- */
/* The storage key is made anew each time: the same template under the same owner seed gives the same key, on this TPM.
 */
static sc_err storage_key(struct tee_tpm *t, ESYS_TR *out, struct sc_diag *diag)
{
    const TPM2B_SENSITIVE_CREATE sensitive = {0};
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION pcrs = {0};
    const TPM2B_PUBLIC template = {
        .publicArea = {.type = TPM2_ALG_ECC,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                           TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                           TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
                       .parameters.eccDetail = {
                           .symmetric = {.algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB},
                           .scheme.scheme = TPM2_ALG_NULL,
                           .curveID = TPM2_ECC_NIST_P256,
                           .kdf.scheme = TPM2_ALG_NULL}}};
    const TSS2_RC rc = Esys_CreatePrimary(t->esys, ESYS_TR_RH_OWNER, AUTH, &sensitive, &template, &outside, &pcrs, out,
                                          NULL, NULL, NULL, NULL);
    return rc == TSS2_RC_SUCCESS ? SC_OK : fail_tpm(diag, SC_E_IO, "storage key", rc);
}

static sc_err blob_put(const TPM2B_PUBLIC *public_part, const TPM2B_PRIVATE *private_part, struct sc_buf *out,
                       struct sc_diag *diag)
{
    uint8_t bytes[sizeof *public_part + sizeof *private_part];
    size_t offset = 0;
    if (Tss2_MU_TPM2B_PUBLIC_Marshal(public_part, bytes, sizeof bytes, &offset) != TSS2_RC_SUCCESS ||
        Tss2_MU_TPM2B_PRIVATE_Marshal(private_part, bytes, sizeof bytes, &offset) != TSS2_RC_SUCCESS)
        return sc_fail(diag, SC_E_LIMIT, "TPM: sealed object");
    sc_buf_put_bytes(out, sc_slice_of(bytes, offset));
    return sc_buf_status(out);
}

sc_err tee_tpm_seal(struct tee_tpm *t, const struct sc_key *secret, struct sc_buf *blob_out, struct sc_diag *diag)
{
    ESYS_TR parent = ESYS_TR_NONE;
    TPM2B_PRIVATE *private_part = NULL;
    TPM2B_PUBLIC *public_part = NULL;
    TPM2B_SENSITIVE_CREATE sensitive = {.sensitive.data.size = sizeof secret->bytes};
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION pcrs = {0};
    const TPM2B_PUBLIC template = {.publicArea = {.type = TPM2_ALG_KEYEDHASH,
                                                  .nameAlg = TPM2_ALG_SHA256,
                                                  .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                                                      TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA,
                                                  .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL}};
    SC_TRY(storage_key(t, &parent, diag));
    memcpy(sensitive.sensitive.data.buffer, secret->bytes, sizeof secret->bytes);
    const TSS2_RC rc = Esys_Create(t->esys, parent, AUTH, &sensitive, &template, &outside, &pcrs, &private_part,
                                   &public_part, NULL, NULL, NULL);
    explicit_bzero(&sensitive, sizeof sensitive);
    Esys_FlushContext(t->esys, parent);
    const sc_err err = rc == TSS2_RC_SUCCESS ? blob_put(public_part, private_part, blob_out, diag)
                                             : fail_tpm(diag, SC_E_IO, "sealing", rc);
    Esys_Free(private_part);
    Esys_Free(public_part);
    return err;
}

sc_err tee_tpm_unseal(struct tee_tpm *t, struct sc_slice blob, struct sc_key *out, struct sc_diag *diag)
{
    TPM2B_PUBLIC public_part = {0};
    TPM2B_PRIVATE private_part = {0};
    size_t offset = 0;
    ESYS_TR parent = ESYS_TR_NONE;
    ESYS_TR object = ESYS_TR_NONE;
    TPM2B_SENSITIVE_DATA *data = NULL;
    if (Tss2_MU_TPM2B_PUBLIC_Unmarshal(blob.ptr, blob.size, &offset, &public_part) != TSS2_RC_SUCCESS ||
        Tss2_MU_TPM2B_PRIVATE_Unmarshal(blob.ptr, blob.size, &offset, &private_part) != TSS2_RC_SUCCESS ||
        offset != blob.size)
        return sc_fail(diag, SC_E_MALFORMED, "TPM: these bytes are no sealed object");
    SC_TRY(storage_key(t, &parent, diag));
    TSS2_RC rc = Esys_Load(t->esys, parent, AUTH, &private_part, &public_part, &object);
    Esys_FlushContext(t->esys, parent);
    if (rc != TSS2_RC_SUCCESS)
        return fail_tpm(diag, SC_E_AUTH, "the sealing root was sealed by another TPM, or changed", rc);
    rc = Esys_Unseal(t->esys, object, AUTH, &data);
    Esys_FlushContext(t->esys, object);
    if (rc != TSS2_RC_SUCCESS)
        return fail_tpm(diag, SC_E_AUTH, "unsealing", rc);
    const bool fits = data->size == sizeof out->bytes;
    if (fits)
        memcpy(out->bytes, data->buffer, sizeof out->bytes);
    explicit_bzero(data, sizeof *data);
    Esys_Free(data);
    return fits ? SC_OK : sc_fail(diag, SC_E_MALFORMED, "TPM: the sealed object is no key");
}

/* ---- the counter ---- */
static sc_err nv_handle(struct tee_tpm *t, ESYS_TR *out, struct sc_diag *diag)
{
    const TSS2_RC rc = Esys_TR_FromTPMPublic(t->esys, t->nv_index, NONE, out);
    if (rc == TSS2_RC_SUCCESS)
        return SC_OK;
    return fail_tpm(diag, SC_E_NOT_FOUND, "the counter is not there", rc);
}

sc_err tee_tpm_counter_define(struct tee_tpm *t, struct sc_diag *diag)
{
    ESYS_TR handle = ESYS_TR_NONE;
    const TPM2B_AUTH auth = {0};
    const TPM2B_NV_PUBLIC public_part = {.nvPublic = {.nvIndex = t->nv_index,
                                                      .nameAlg = TPM2_ALG_SHA256,
                                                      .attributes = TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD |
                                                                    TPMA_NV_NO_DA |
                                                                    (TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT),
                                                      .dataSize = 8}};
    if (nv_handle(t, &handle, NULL) == SC_OK) {
        Esys_TR_Close(t->esys, &handle);
        return SC_OK;
    }
    const TSS2_RC rc = Esys_NV_DefineSpace(t->esys, ESYS_TR_RH_OWNER, AUTH, &auth, &public_part, &handle);
    if (rc != TSS2_RC_SUCCESS)
        return fail_tpm(diag, SC_E_IO, "making the counter", rc);
    Esys_TR_Close(t->esys, &handle);
    return tee_tpm_counter_increment(t, diag); /* before the first one it cannot be read */
}

sc_err tee_tpm_counter_read(struct tee_tpm *t, uint64_t *out, struct sc_diag *diag)
{
    ESYS_TR handle = ESYS_TR_NONE;
    TPM2B_MAX_NV_BUFFER *data = NULL;
    SC_TRY(nv_handle(t, &handle, diag));
    const TSS2_RC rc = Esys_NV_Read(t->esys, ESYS_TR_RH_OWNER, handle, AUTH, 8, 0, &data);
    Esys_TR_Close(t->esys, &handle);
    if (rc != TSS2_RC_SUCCESS)
        return fail_tpm(diag, SC_E_IO, "reading the counter", rc);
    const bool fits = data->size == 8;
    if (fits)
        *out = sc_load_u64be(data->buffer);
    Esys_Free(data);
    return fits ? SC_OK : sc_fail(diag, SC_E_MALFORMED, "TPM: a counter of another size");
}

sc_err tee_tpm_counter_increment(struct tee_tpm *t, struct sc_diag *diag)
{
    ESYS_TR handle = ESYS_TR_NONE;
    SC_TRY(nv_handle(t, &handle, diag));
    const TSS2_RC rc = Esys_NV_Increment(t->esys, ESYS_TR_RH_OWNER, handle, AUTH);
    Esys_TR_Close(t->esys, &handle);
    return rc == TSS2_RC_SUCCESS ? SC_OK : fail_tpm(diag, SC_E_IO, "advancing the counter", rc);
}
