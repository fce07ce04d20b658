#include "attest/snp_report.h"

#define SIGNATURE_COMPONENT 72 /* bytes of r and of s, of which a P-384 number fills 48 */
#define NUMBER_SIZE         48

void sc_snp_tcb_parse(const uint8_t bytes[static 8], bool is_turin, struct sc_snp_tcb *out)
{
    if (is_turin)
        *out = (struct sc_snp_tcb){bytes[0], bytes[1], bytes[2], bytes[3], bytes[7]};
    else
        *out = (struct sc_snp_tcb){0, bytes[0], bytes[1], bytes[6], bytes[7]};
}

/* Little-endian with zeros above to big-endian of fixed size; false when the number is too large for the curve. */
static bool number_from(const uint8_t *le, uint8_t *be)
{
    uint8_t above = 0;
    for (size_t i = NUMBER_SIZE; i < SIGNATURE_COMPONENT; i++)
        above |= le[i];
    for (size_t i = 0; i < NUMBER_SIZE; i++)
        be[i] = le[NUMBER_SIZE - 1 - i];
    return above == 0;
}

static void parse_identity(const uint8_t *b, struct sc_snp_report *out)
{
    out->version = sc_load_u32le(b);
    out->guest_svn = sc_load_u32le(b + 0x004);
    out->policy = sc_load_u64le(b + 0x008);
    memcpy(out->family_id, b + 0x010, 16);
    memcpy(out->image_id, b + 0x020, 16);
    out->vmpl = sc_load_u32le(b + 0x030);
    out->algorithm = sc_load_u32le(b + 0x034);
    const uint32_t flags = sc_load_u32le(b + 0x048);
    out->author_key_present = (flags & 1) != 0;
    out->chip_id_masked = (flags & 2) != 0;
    out->signing_key = (uint8_t)(flags >> 2 & 7);
    memcpy(out->report_data, b + 0x050, 64);
    memcpy(out->measurement, b + 0x090, 48);
    memcpy(out->host_data, b + 0x0c0, 32);
    memcpy(out->id_key_digest, b + 0x0e0, 48);
    memcpy(out->author_key_digest, b + 0x110, 48);
    memcpy(out->report_id, b + 0x140, 32);
    memcpy(out->report_id_ma, b + 0x160, 32);
}

static void parse_platform(const uint8_t *b, struct sc_snp_report *out)
{
    memcpy(out->current_tcb, b + 0x038, 8);
    out->platform_info = sc_load_u64le(b + 0x040);
    memcpy(out->reported_tcb, b + 0x180, 8);
    if (out->version >= 3) {
        out->cpuid_family = b[0x188];
        out->cpuid_model = b[0x189];
        out->cpuid_stepping = b[0x18a];
    }
    memcpy(out->chip_id, b + 0x1a0, 64);
    memcpy(out->committed_tcb, b + 0x1e0, 8);
    out->current_build = b[0x1e8];
    out->current_minor = b[0x1e9];
    out->current_major = b[0x1ea];
    out->committed_build = b[0x1ec];
    out->committed_minor = b[0x1ed];
    out->committed_major = b[0x1ee];
    memcpy(out->launch_tcb, b + 0x1f0, 8);
    if (out->version >= 5) {
        out->launch_mitigations = sc_load_u64le(b + 0x1f8);
        out->current_mitigations = sc_load_u64le(b + 0x200);
    }
}

enum sc_snp_flaw sc_snp_report_parse(struct sc_slice bytes, struct sc_snp_report *out, struct sc_diag *diag)
{
    *out = (struct sc_snp_report){0};
    if (bytes.size != SC_SNP_REPORT_SIZE) {
        sc_ignore(sc_fail(diag, SC_E_MALFORMED, "an SNP report has 1184 bytes, not %zu", bytes.size)); /* told below */
        return SC_SNP_BAD_SIZE;
    }
    parse_identity(bytes.ptr, out);
    parse_platform(bytes.ptr, out);
    const bool r_fits = number_from(bytes.ptr + 0x2a0, out->signature);
    const bool s_fits = number_from(bytes.ptr + 0x2a0 + SIGNATURE_COMPONENT, out->signature + NUMBER_SIZE);
    if (out->version < 2 || out->version > 5) {
        sc_ignore(sc_fail(diag, SC_E_MALFORMED, "SNP report of version %u", out->version)); /* told below */
        return SC_SNP_BAD_VERSION;
    }
    if (out->algorithm != 1) {
        sc_ignore(sc_fail(diag, SC_E_UNSUPPORTED, "signature algorithm %u", out->algorithm)); /* told below */
        return SC_SNP_BAD_ALGORITHM;
    }
    uint8_t rest = 0; /* of the signature's structure: not covered by it, so nothing may be there */
    for (size_t i = 0x2a0 + 2 * SIGNATURE_COMPONENT; i < SC_SNP_REPORT_SIZE; i++)
        rest |= bytes.ptr[i];
    return r_fits && s_fits && rest == 0 ? SC_SNP_FINE : SC_SNP_BAD_SIGNATURE;
}

bool sc_snp_looks_like(struct sc_slice bytes)
{
    if (bytes.size != SC_SNP_REPORT_SIZE)
        return false;
    const uint32_t version = sc_load_u32le(bytes.ptr);
    return version >= 2 && version <= 5 && sc_load_u32le(bytes.ptr + 0x034) == 1 &&
           (sc_load_u64le(bytes.ptr + 0x008) & SC_SNP_POLICY_RESERVED_ONE) != 0;
}
