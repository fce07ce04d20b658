/* Writes the seeds of the fuzz targets of this room: make_corpus DIR.  Run it again when a format changes; keys and
 * dates in the files are of no account, only their shapes are. */
#include "base/file.h"
#include "forge.h"

#include <stdio.h>

static const char *root;

static void save(const char *target, const char *name, struct sc_slice content)
{
    char path[4096];
    struct sc_diag diag = {0};
    snprintf(path, sizeof path, "%s/attest_%s", root, target);
    sc_err err = sc_dir_make(path, 0755, &diag);
    snprintf(path, sizeof path, "%s/attest_%s/%s", root, target, name);
    if (err == SC_OK)
        err = sc_file_write(path, content, 0644, &diag);
    if (err != SC_OK) {
        fprintf(stderr, "%s\n", sc_diag_text(&diag, err));
        exit(1);
    }
}

static void inner_save(const char *target, const char *file, const char *member, const struct sc_buf *document)
{
    struct sc_slice inner;
    uint8_t signature[64];
    SC_ASSERT(sc_signed_json_split(sc_buf_slice(document), member, &inner, signature, NULL) == SC_OK);
    save(target, file, sc_buf_slice(document));
}

static void intel(struct forge *f, uint16_t version, enum sc_quote_body body, int tcb_version, const char *name)
{
    struct forge_spec s;
    struct forge_set set;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf ext = {0};
    forge_spec_default(&s, version, body);
    s.tcb_version = tcb_version;
    s.pck_revoked = s.ca_revoked = true;
    forge_make(f, &s, &set);
    forge_pck_extension(&s.pck, &ext);
    save("quote", name, sc_buf_slice(&set.quote));
    save("pck", name, sc_buf_slice(&ext));
    save("crl", name, sc_buf_slice(&set.pck_crl));
    inner_save("tcb_info", name, "tcbInfo", &set.tcb_info);
    inner_save("qe_identity", name, "enclaveIdentity", &set.qe_identity);
    forge_set_deinit(&set);
}

static void amd(struct forge *f, const char *product, bool vlek, const char *name)
{
    struct forge_snp_spec s;
    struct forge_snp_set set;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf both = {0};
    forge_snp_spec_default(&s, product, vlek);
    s.with_crl = true;
    forge_snp_make(f, &s, &set);
    sc_buf_put_bytes(&both, sc_buf_slice(&set.report));
    sc_buf_put_bytes(&both, sc_buf_slice(&set.vek)); /* the target takes report and certificate */
    save("snp_report", name, sc_buf_slice(&both));
    save("crl", name, sc_buf_slice(&set.crl));
    forge_snp_set_deinit(&set);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_corpus DIR\n");
        return 2;
    }
    root = argv[1];
    struct forge *f = forge_new();
    intel(f, 3, SC_BODY_SGX, 3, "sgx-3");
    intel(f, 4, SC_BODY_TD10, 3, "tdx-4");
    intel(f, 5, SC_BODY_TD15, 3, "tdx-5");
    intel(f, 5, SC_BODY_SGX, 2, "sgx-5");
    amd(f, "Milan", false, "milan-vcek");
    amd(f, "Genoa", true, "genoa-vlek");
    amd(f, "Turin", false, "turin-vcek");
    forge_free(f);
    return 0;
}
