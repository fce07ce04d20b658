#include "tee/signature.h"

#define MAGIC      "SCSIGN1"
#define MAGIC_SIZE ((size_t)8)
#define HEAD_SIZE  ((size_t)48)

static void covered(struct sc_slice head, struct sc_buf *out)
{
    sc_buf_put_str(out, "securecloud code signature v1");
    sc_buf_put_bytes(out, head);
}

sc_err tee_signature_make(const struct sc_hash *measurement, uint32_t product_id, uint32_t svn,
                          const struct sc_signer *key, struct sc_buf *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *public_key = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf head = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf message = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf spki = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf signature = {0};
    sc_buf_put_bytes(&head, sc_slice_of(MAGIC, MAGIC_SIZE));
    sc_buf_put_bytes(&head, sc_slice_of(measurement->bytes, sizeof measurement->bytes));
    sc_buf_put_u32be(&head, product_id);
    sc_buf_put_u32be(&head, svn);
    covered(sc_buf_slice(&head), &message);
    SC_TRY(sc_buf_status(&message));
    SC_TRY(sc_verifier_of_signer(key, &public_key));
    SC_TRY(sc_verifier_to_spki(public_key, &spki));
    SC_TRY(sc_signer_sign(key, sc_buf_slice(&message), &signature));
    sc_buf_put_bytes(out, sc_buf_slice(&head));
    sc_buf_put_lv16(out, sc_buf_slice(&spki));
    sc_buf_put_lv16(out, sc_buf_slice(&signature));
    if (sc_buf_status(out) != SC_OK || out->size > TEE_SIGNATURE_SIZE_MAX)
        return sc_fail(diag, SC_E_LIMIT, "code signature");
    return SC_OK;
}

sc_err tee_signature_check(struct sc_slice bytes, struct tee_signature *out, struct sc_diag *diag)
{
    struct sc_reader r = sc_reader_of(bytes);
    struct tee_signature s = {0};
    struct sc_slice magic;
    struct sc_slice spki;
    struct sc_slice signature;
    if (bytes.size > TEE_SIGNATURE_SIZE_MAX || sc_reader_get_bytes(&r, MAGIC_SIZE, &magic) != SC_OK ||
        memcmp(magic.ptr, MAGIC, MAGIC_SIZE) != 0 || sc_reader_copy(&r, s.measurement.bytes, 32) != SC_OK ||
        sc_reader_get_u32be(&r, &s.product_id) != SC_OK || sc_reader_get_u32be(&r, &s.svn) != SC_OK ||
        sc_reader_get_lv16(&r, &spki) != SC_OK || sc_reader_get_lv16(&r, &signature) != SC_OK ||
        sc_reader_expect_end(&r) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "code signature: not of its form");
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *key = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf message = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf canonical = {0};
    SC_TRY(sc_context(diag, sc_verifier_from_spki(spki, &key, diag), "code signature"));
    SC_TRY(sc_verifier_to_spki(key, &canonical));
    if (!sc_slice_eq(spki, sc_buf_slice(&canonical))) /* one key, one name */
        return sc_fail(diag, SC_E_MALFORMED, "code signature: its key is not in DER");
    covered(sc_slice_of(bytes.ptr, HEAD_SIZE), &message);
    SC_TRY(sc_buf_status(&message));
    if (sc_verifier_check(key, sc_buf_slice(&message), signature) != SC_OK)
        return sc_fail(diag, SC_E_AUTH, "code signature: wrong");
    sc_hash_of(spki, &s.signer);
    *out = s;
    return SC_OK;
}
