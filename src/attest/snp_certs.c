#include "attest/snp_certs.h"

#include "crypto/der.h"

#define AMD "1.3.6.1.4.1.3704.1"

static const char *const product_names[] = {
    [SC_SNP_PRODUCT_UNKNOWN] = "", [SC_SNP_MILAN] = "Milan", [SC_SNP_GENOA] = "Genoa", [SC_SNP_TURIN] = "Turin"};

const char *sc_snp_product_name(enum sc_snp_product product)
{
    return product_names[product];
}

enum sc_snp_product sc_snp_product_of_name(const char *name)
{
    static const struct {
        const char *part;
        enum sc_snp_product product;
    } names[] = {{"Milan", SC_SNP_MILAN},
                 {"Genoa", SC_SNP_GENOA},
                 {"Bergamo", SC_SNP_GENOA}, /* Genoa's dense and small siblings share its chain */
                 {"Siena", SC_SNP_GENOA},
                 {"Turin", SC_SNP_TURIN}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strstr(name, names[i].part) != NULL)
            return names[i].product;
    return SC_SNP_PRODUCT_UNKNOWN;
}

enum sc_snp_product sc_snp_product_of_cpuid(uint8_t family, uint8_t model)
{
    if (family == 0x19 && model <= 0x0f)
        return SC_SNP_MILAN;
    if (family == 0x19 && ((model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf)))
        return SC_SNP_GENOA;
    if (family == 0x1a && model <= 0x1f)
        return SC_SNP_TURIN;
    return SC_SNP_PRODUCT_UNKNOWN;
}

sc_err sc_snp_extension_u8(struct sc_slice value, uint8_t *out)
{
    struct sc_reader r = sc_reader_of(value);
    struct sc_slice number;
    uint64_t v;
    SC_TRY(sc_der_expect(&r, SC_DER_INTEGER, &number));
    SC_TRY(sc_reader_expect_end(&r));
    SC_TRY(sc_der_uint(number, 255, &v));
    *out = (uint8_t)v;
    return SC_OK;
}

sc_err sc_snp_extension_hardware_id(struct sc_slice value, struct sc_snp_vek *out)
{
    struct sc_reader r = sc_reader_of(value);
    struct sc_slice id = value;
    if (value.size != 64 && value.size != 8) {
        SC_TRY(sc_der_expect(&r, SC_DER_OCTET_STRING, &id));
        SC_TRY(sc_reader_expect_end(&r));
    }
    if (id.size != 64 && id.size != 8)
        return SC_E_MALFORMED;
    memcpy(out->hardware_id, id.ptr, id.size);
    out->hardware_id_size = id.size;
    return SC_OK;
}

static sc_err get_u8(const struct sc_cert *cert, const char *oid, uint8_t *out, struct sc_diag *diag)
{
    struct sc_slice value;
    const sc_err err = sc_cert_extension(cert, oid, &value);
    if (err != SC_OK || sc_snp_extension_u8(value, out) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "extension %s is missing or malformed", oid);
    return SC_OK;
}

static sc_err get_tcb(const struct sc_cert *cert, bool is_turin, struct sc_snp_tcb *out, struct sc_diag *diag)
{
    SC_TRY(get_u8(cert, AMD ".3.1", &out->boot_loader, diag));
    SC_TRY(get_u8(cert, AMD ".3.2", &out->tee, diag));
    SC_TRY(get_u8(cert, AMD ".3.3", &out->snp, diag));
    SC_TRY(get_u8(cert, AMD ".3.8", &out->microcode, diag));
    return is_turin ? get_u8(cert, AMD ".3.9", &out->fmc, diag) : SC_OK;
}

/* The issuer's name tells the product ("SEV-Milan", "SEV-VLEK-Milan"), the extension must not tell another. */
static sc_err get_product(const struct sc_cert *cert, enum sc_snp_product *out, struct sc_diag *diag)
{
    char cn[SC_CERT_CN_SIZE_MAX];
    char name[32];
    struct sc_slice value;
    struct sc_slice text;
    sc_cert_issuer_cn(cert, cn);
    const enum sc_snp_product by_issuer = sc_snp_product_of_name(cn);
    const sc_err err = sc_cert_extension(cert, AMD ".2", &value);
    if (by_issuer == SC_SNP_PRODUCT_UNKNOWN)
        return sc_fail(diag, SC_E_MALFORMED, "issuer \"%s\" is of no known product", cn);
    *out = by_issuer;
    if (err == SC_E_NOT_FOUND)
        return SC_OK;
    struct sc_reader r = sc_reader_of(value);
    if (err != SC_OK || sc_der_expect(&r, SC_DER_IA5_STRING, &text) != SC_OK || sc_reader_expect_end(&r) != SC_OK ||
        text.size >= sizeof name)
        return sc_fail(diag, SC_E_MALFORMED, "extension " AMD ".2 is malformed");
    memcpy(name, text.ptr, text.size);
    name[text.size] = '\0';
    if (sc_snp_product_of_name(name) != by_issuer)
        return sc_fail(diag, SC_E_AUTH, "the certificate's product is not the issuer's (\"%s\")", cn);
    return SC_OK;
}

static sc_err get_kind(const struct sc_cert *cert, bool *is_vlek_out, struct sc_diag *diag)
{
    char cn[SC_CERT_CN_SIZE_MAX];
    sc_cert_subject_cn(cert, cn);
    const bool is_vlek = strstr(cn, "VLEK") != NULL;
    if (is_vlek == (strstr(cn, "VCEK") != NULL))
        return sc_fail(diag, SC_E_MALFORMED, "\"%s\" is neither a VCEK nor a VLEK", cn);
    *is_vlek_out = is_vlek;
    return SC_OK;
}

sc_err sc_snp_vek_parse(const struct sc_cert *cert, struct sc_snp_vek *out, struct sc_diag *diag)
{
    struct sc_slice value;
    struct sc_snp_vek vek = {0};
    SC_TRY(get_kind(cert, &vek.is_vlek, diag));
    SC_TRY(get_product(cert, &vek.product, diag));
    SC_TRY(get_tcb(cert, vek.product == SC_SNP_TURIN, &vek.tcb, diag));
    if (!vek.is_vlek &&
        (sc_cert_extension(cert, AMD ".4", &value) != SC_OK || sc_snp_extension_hardware_id(value, &vek) != SC_OK))
        return sc_fail(diag, SC_E_MALFORMED, "extension " AMD ".4 is missing or malformed");
    *out = vek;
    return SC_OK;
}
