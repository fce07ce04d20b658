#include "attest/pck.h"

#include "crypto/der.h"

/* All identifiers here start with the extension's own: 1.2.840.113741.1.13.1 */
static const uint8_t oid_base[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};

/* Members of the extension, of its TCB and of its configuration, by the last number of their identifiers. */
enum member { PPID = 1, TCB, PCE_ID, FMSPC, SGX_TYPE, INSTANCE_ID, CONFIGURATION, MEMBER_END };
enum tcb_member { COMPONENT_FIRST = 1, COMPONENT_LAST = 16, PCE_SVN = 17, CPU_SVN = 18, TCB_MEMBER_END };
enum configuration_member { DYNAMIC_PLATFORM = 1, CACHED_KEYS, SMT_ENABLED, CONFIGURATION_MEMBER_END };

/* One SEQUENCE { OID, value } whose identifier is the base, `parent` (0: none) and a last number. */
struct entry {
    uint8_t last;
    uint8_t tag;
    struct sc_slice value;
};

static sc_err entry_get(struct sc_reader *r, uint8_t parent, struct entry *out)
{
    struct sc_slice pair;
    struct sc_slice oid;
    SC_TRY(sc_der_expect(r, SC_DER_SEQUENCE, &pair));
    struct sc_reader in = sc_reader_of(pair);
    SC_TRY(sc_der_expect(&in, SC_DER_OID, &oid));
    SC_TRY(sc_der_get(&in, &out->tag, &out->value));
    SC_TRY(sc_reader_expect_end(&in));
    const size_t depth = parent != 0 ? 2 : 1;
    if (oid.size != sizeof oid_base + depth || memcmp(oid.ptr, oid_base, sizeof oid_base) != 0 ||
        (parent != 0 && oid.ptr[sizeof oid_base] != parent) || (oid.ptr[oid.size - 1] & 0x80) != 0)
        return SC_E_MALFORMED;
    out->last = oid.ptr[oid.size - 1];
    return SC_OK;
}

static sc_err take_octets(const struct entry *e, uint8_t *out, size_t size)
{
    if (e->tag != SC_DER_OCTET_STRING || e->value.size != size)
        return SC_E_MALFORMED;
    memcpy(out, e->value.ptr, size);
    return SC_OK;
}

static sc_err take_uint(const struct entry *e, uint8_t tag, uint64_t max, uint64_t *out)
{
    return e->tag == tag ? sc_der_uint(e->value, max, out) : SC_E_MALFORMED;
}

static sc_err take_bool(const struct entry *e, bool *out)
{
    if (e->tag != SC_DER_BOOLEAN || e->value.size != 1 || (e->value.ptr[0] != 0 && e->value.ptr[0] != 0xff))
        return SC_E_MALFORMED;
    *out = e->value.ptr[0] != 0;
    return SC_OK;
}

/* Each member once: sets its bit in *seen. */
static sc_err once(uint32_t *seen, uint8_t member)
{
    if ((*seen >> member & 1) != 0)
        return SC_E_MALFORMED;
    *seen |= UINT32_C(1) << member;
    return SC_OK;
}

static sc_err take_tcb_member(const struct entry *e, struct sc_pck *out)
{
    uint64_t v;
    if (e->last == CPU_SVN)
        return take_octets(e, out->cpu_svn, sizeof out->cpu_svn);
    SC_TRY(take_uint(e, SC_DER_INTEGER, e->last == PCE_SVN ? 0xffff : 0xff, &v));
    if (e->last == PCE_SVN)
        out->pce_svn = (uint16_t)v;
    else
        out->svn[e->last - COMPONENT_FIRST] = (uint8_t)v;
    return SC_OK;
}

static sc_err take_tcb(const struct entry *tcb, struct sc_pck *out)
{
    struct sc_reader r = sc_reader_of(tcb->value);
    uint32_t seen = 0;
    struct entry e;
    if (tcb->tag != SC_DER_SEQUENCE)
        return SC_E_MALFORMED;
    while (sc_reader_left(&r) != 0) {
        SC_TRY(entry_get(&r, TCB, &e));
        if (e.last < COMPONENT_FIRST || e.last >= TCB_MEMBER_END)
            return SC_E_MALFORMED;
        SC_TRY(once(&seen, e.last));
        SC_TRY(take_tcb_member(&e, out));
    }
    return seen == (UINT32_C(1) << TCB_MEMBER_END) - 2 ? SC_OK : SC_E_MALFORMED; /* 1 to 18, all of them */
}

static sc_err take_configuration(const struct entry *configuration, struct sc_pck *out)
{
    struct sc_reader r = sc_reader_of(configuration->value);
    bool *const places[] = {[DYNAMIC_PLATFORM] = &out->dynamic_platform,
                            [CACHED_KEYS] = &out->cached_keys,
                            [SMT_ENABLED] = &out->smt_enabled};
    uint32_t seen = 0;
    struct entry e;
    if (configuration->tag != SC_DER_SEQUENCE)
        return SC_E_MALFORMED;
    while (sc_reader_left(&r) != 0) {
        SC_TRY(entry_get(&r, CONFIGURATION, &e));
        if (e.last < DYNAMIC_PLATFORM || e.last >= CONFIGURATION_MEMBER_END)
            return SC_E_MALFORMED;
        SC_TRY(once(&seen, e.last));
        SC_TRY(take_bool(&e, places[e.last]));
    }
    return SC_OK;
}

static sc_err take_member(const struct entry *e, struct sc_pck *out)
{
    uint64_t v;
    switch (e->last) {
    case PPID:
        return take_octets(e, out->ppid, sizeof out->ppid);
    case TCB:
        return take_tcb(e, out);
    case PCE_ID:
        return take_octets(e, out->pce_id, sizeof out->pce_id);
    case FMSPC:
        return take_octets(e, out->fmspc, sizeof out->fmspc);
    case SGX_TYPE:
        SC_TRY(take_uint(e, SC_DER_ENUMERATED, 0xff, &v));
        out->sgx_type = (uint8_t)v;
        return SC_OK;
    case INSTANCE_ID:
        out->has_instance = true;
        return take_octets(e, out->instance_id, sizeof out->instance_id);
    case CONFIGURATION:
        return take_configuration(e, out);
    default:
        return SC_E_MALFORMED;
    }
}

sc_err sc_pck_parse(struct sc_slice value, struct sc_pck *out, struct sc_diag *diag)
{
    static const uint32_t required = 1u << PPID | 1u << TCB | 1u << PCE_ID | 1u << FMSPC | 1u << SGX_TYPE;
    struct sc_reader outer = sc_reader_of(value);
    struct sc_slice members;
    struct sc_pck pck = {0};
    uint32_t seen = 0;
    if (sc_der_expect(&outer, SC_DER_SEQUENCE, &members) != SC_OK || sc_reader_expect_end(&outer) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "SGX extension: one sequence expected");
    struct sc_reader r = sc_reader_of(members);
    for (unsigned n = 1; sc_reader_left(&r) != 0; n++) {
        struct entry e;
        if (entry_get(&r, 0, &e) != SC_OK || e.last == 0 || e.last >= MEMBER_END)
            return sc_fail(diag, SC_E_MALFORMED, "SGX extension: member %u is none of the extension's", n);
        if (once(&seen, e.last) != SC_OK || take_member(&e, &pck) != SC_OK)
            return sc_fail(diag, SC_E_MALFORMED, "SGX extension: member .%u is double or malformed", e.last);
    }
    if ((seen & required) != required)
        return sc_fail(diag, SC_E_MALFORMED, "SGX extension: a required member is missing (present: %#x)", seen);
    *out = pck;
    return SC_OK;
}
