/* Certificate revocation lists, and the certificates around them in PEM. */
#include "crypto/pki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t point[64] = {/* the generator of P-256 */
                                      0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63,
                                      0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1,
                                      0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f,
                                      0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57,
                                      0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};
    static struct sc_pubkey *key;
    SC_CLEANUP(sc_crl_freep) struct sc_crl *crl = NULL;
    struct sc_cert *certs[3] = {NULL};
    size_t count = 0;
    if (key == NULL && sc_pubkey_from_point(SC_PUBKEY_P256, sc_slice_of(point, sizeof point), &key) != SC_OK)
        abort();
    if (sc_crl_parse(sc_slice_of(data, size), &crl, NULL) == SC_OK) {
        sc_ignore(sc_crl_signed_by(crl, key)); /* whoever makes the generator his key: must not crash */
        if (sc_crl_lists(crl, sc_slice_of("\x01\x02\x03", 3)) && sc_crl_count(crl) == 0)
            abort();
    }
    if (sc_certs_from_pem(sc_slice_of(data, size), certs, 3, &count, NULL) != SC_OK && count != 0)
        abort();
    for (size_t i = 0; i < count; i++)
        sc_cert_free(certs[i]);
    return 0;
}
