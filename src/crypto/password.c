#include "crypto/password.h"

#include "crypto/internal.h"

#include <limits.h>
#include <openssl/err.h>

#define BASE64_SIZE_MAX ((size_t)1 << 20)

sc_err sc_pbkdf2(struct sc_slice password, struct sc_slice salt, unsigned iterations, struct sc_key *out)
{
    if (password.size > INT_MAX || salt.size > INT_MAX || iterations == 0 || iterations > INT_MAX)
        return SC_E_LIMIT;
    if (PKCS5_PBKDF2_HMAC((const char *)password.ptr, (int)password.size, salt.ptr, (int)salt.size, (int)iterations,
                          EVP_sha256(), (int)sizeof out->bytes, out->bytes) == 1)
        return SC_OK;
    ERR_clear_error();
    return SC_E_NOMEM;
}

void sc_base64_encode(struct sc_slice s, struct sc_buf *out)
{
    const size_t size = s.size <= BASE64_SIZE_MAX ? (s.size + 2) / 3 * 4 : SC_BUF_SIZE_MAX; /* too much fails below */
    uint8_t *to = sc_buf_extend(out, size + 1);                                             /* OpenSSL adds a NUL */
    if (to == NULL)
        return;
    EVP_EncodeBlock(to, s.ptr, (int)s.size);
    out->size--;
}

sc_err sc_base64_decode(struct sc_slice text, uint8_t *out, size_t out_size_max, size_t *size_out)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf bytes = {0};
    SC_CLEANUP(sc_buf_wipe) struct sc_buf again = {0};
    if (text.size % 4 != 0)
        return SC_E_MALFORMED;
    if (text.size > BASE64_SIZE_MAX)
        return SC_E_LIMIT;
    size_t size = text.size / 4 * 3;
    uint8_t *to = sc_buf_extend(&bytes, size);
    if (size != 0 && to == NULL)
        return SC_E_NOMEM;
    if (size != 0 && EVP_DecodeBlock(to, text.ptr, (int)text.size) != (int)size)
        return SC_E_MALFORMED;
    for (size_t i = 1; i <= 2 && i <= text.size && text.ptr[text.size - i] == '='; i++)
        size--;
    if (size > out_size_max)
        return SC_E_LIMIT;
    /* OpenSSL steps over blanks and takes loose bits; what does not come back as it was is not canonical */
    sc_base64_encode((struct sc_slice){bytes.ptr != NULL ? bytes.ptr : (const uint8_t *)"", size}, &again);
    SC_TRY(sc_buf_status(&again));
    if (!sc_slice_eq(sc_buf_slice(&again), text))
        return SC_E_MALFORMED;
    if (size != 0)
        memcpy(out, bytes.ptr, size);
    *size_out = size;
    return SC_OK;
}
