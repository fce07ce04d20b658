/* SNP reports and the certificates that come with them: 1184 bytes of report, the rest a VCEK or VLEK in DER. */
#include "attest/attest.h"
#include "attest/describe.h"
#include "attest/snp_certs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_certificate(struct sc_slice der)
{
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    struct sc_cert_facts facts;
    struct sc_snp_vek vek;
    if (sc_cert_from_der(der, &cert, NULL) != SC_OK || sc_cert_facts(cert, &facts, NULL) != SC_OK)
        return;
    if (sc_snp_vek_parse(cert, &vek, NULL) == SC_OK &&
        (vek.product == SC_SNP_PRODUCT_UNKNOWN || vek.hardware_id_size > sizeof vek.hardware_id))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sc_roots roots;
    static struct sc_attest_result r;
    const size_t report_size = size < SC_SNP_REPORT_SIZE ? size : SC_SNP_REPORT_SIZE;
    const struct sc_slice report = sc_slice_of(data, report_size);
    const struct sc_slice vek = sc_slice_of(data + report_size, size - report_size);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = {0};
    SC_CLEANUP(sc_attest_verifier_freep) struct sc_attest_verifier *v = NULL;
    SC_CLEANUP(sc_collateral_freep) struct sc_collateral *c = NULL;
    struct sc_collateral_bytes bytes;
    struct sc_snp_vek id;
    uint8_t number;
    sc_ignore(sc_describe_evidence(report, &text, NULL)); /* must not crash */
    sc_ignore(sc_snp_extension_hardware_id(vek, &id));    /* nor these */
    sc_ignore(sc_snp_extension_u8(vek, &number));
    use_certificate(vek);
    sc_collateral_bytes_init(&bytes);
    bytes.vek = vek;
    bytes.amd_chain = vek;
    if (sc_collateral_new(&bytes, &c, NULL) != SC_OK || sc_attest_verifier_new(&roots, &v) != SC_OK)
        abort();
    const struct sc_attest_request req = {
        .evidence = report, .collateral = c, .kind = SC_ATTEST_SNP, .now_s = 1738368000};
    if (sc_attest_verify(v, &req, &r) == SC_OK && r.reason == SC_ATTEST_OK) /* no root is trusted */
        abort();
    return 0;
}
