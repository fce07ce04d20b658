/* Inside a TDX or SEV-SNP guest: configfs-tsm.  A directory of its own for each request, so that requesters do not
 * meet; `generation` tells whether somebody wrote in between all the same.  Making one needs rights in configfs; where
 * the given directory is an entry already (it holds `inblob`), made for this process by somebody who has them, that one
 * is used. */
#include "tee/internal.h"

#include "base/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVIDENCE_SIZE_MAX ((size_t)1 << 20)
#define TRIES             5
#define SNP_REPORT_SIZE   ((size_t)1184)
#define TD_QUOTE_SIZE_MIN ((size_t)48 + 584)

struct tsm {
    char *root;
};

static sc_err tsm_open(const struct sc_tee_options *opt, void **self_out, struct sc_diag *diag)
{
    struct stat st;
    if (stat(opt->root, &st) != 0 || !S_ISDIR(st.st_mode))
        return sc_fail(diag, SC_E_IO, "%s: no configfs-tsm here (Linux 6.7 and later, in a TDX or SEV-SNP guest)",
                       opt->root);
    struct tsm *t = calloc(1, sizeof *t);
    if (t == NULL || (t->root = strdup(opt->root)) == NULL) {
        free(t);
        return sc_fail(diag, SC_E_NOMEM, "enclave");
    }
    *self_out = t;
    return SC_OK;
}

static void tsm_free(void *self)
{
    struct tsm *t = self;
    free(t->root);
    free(t);
}

static sc_err read_generation(const char *dir, uint64_t *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = {0};
    SC_TRY(tee_file_read(dir, "generation", 32, &text, diag));
    char *end = NULL;
    const char *from = sc_buf_cstr(&text);
    errno = 0;
    const unsigned long long v = strtoull(from, &end, 10);
    if (end == from || errno != 0 || (*end != '\0' && *end != '\n'))
        return sc_fail(diag, SC_E_MALFORMED, "%s/generation: \"%s\" is no number", dir, from);
    *out = v;
    return SC_OK;
}

static sc_err check_provider(const char *dir, struct sc_slice evidence, const uint8_t report_data[static 64],
                             struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf name = {0};
    SC_TRY(tee_file_read(dir, "provider", 64, &name, diag));
    while (name.size != 0 && name.ptr[name.size - 1] == '\n')
        name.size--;
    const bool snp = sc_slice_eq(sc_buf_slice(&name), sc_slice_str("sev_guest"));
    if (!snp && !sc_slice_eq(sc_buf_slice(&name), sc_slice_str("tdx_guest")))
        return sc_fail(diag, SC_E_UNSUPPORTED, "%s/provider is \"%s\": sev_guest and tdx_guest are known", dir,
                       sc_buf_cstr(&name));
    if (snp ? evidence.size != SNP_REPORT_SIZE : evidence.size < TD_QUOTE_SIZE_MIN)
        return sc_fail(diag, SC_E_MALFORMED, "%s/outblob: %zu bytes", dir, evidence.size);
    if (snp && memcmp(evidence.ptr + 0x50, report_data, 64) != 0)
        return sc_fail(diag, SC_E_MALFORMED, "%s/outblob: over other report data", dir);
    return SC_OK;
}

static sc_err report_once(const char *dir, const uint8_t report_data[static 64], struct sc_buf *out,
                          struct sc_buf *extra, struct sc_diag *diag)
{
    uint64_t before = 0;
    uint64_t after = 0;
    SC_TRY(read_generation(dir, &before, diag));
    SC_TRY(tee_file_write(dir, "inblob", sc_slice_of(report_data, 64), diag));
    SC_TRY(tee_file_read(dir, "outblob", EVIDENCE_SIZE_MAX, out, diag));
    const sc_err err = tee_file_read(dir, "auxblob", EVIDENCE_SIZE_MAX, extra, NULL); /* TDX has none */
    if (err != SC_OK && err != SC_E_NOT_FOUND && err != SC_E_IO)
        return sc_fail(diag, err, "%s/auxblob", dir);
    SC_TRY(read_generation(dir, &after, diag));
    if (after != before + 1)
        return sc_fail(diag, SC_E_AGAIN, "%s: written by somebody else at the same time", dir);
    return check_provider(dir, sc_buf_slice(out), report_data, diag);
}

static void dir_remove(char **path)
{
    if (*path != NULL)
        rmdir(*path); /* configfs: its files go with it */
    free(*path);
}

/* Asks through dir until nobody interferes. */
static sc_err report(const char *dir, const uint8_t report_data[static 64], struct sc_buf *out,
                     struct sc_buf *extra_out, struct sc_diag *diag)
{
    for (int i = 0;; i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf evidence = {0};
        SC_CLEANUP(sc_buf_deinit) struct sc_buf extra = {0};
        struct sc_diag why = {0};
        const sc_err err = report_once(dir, report_data, &evidence, &extra, &why);
        if (err == SC_E_AGAIN && i + 1 < TRIES)
            continue;
        if (err != SC_OK)
            return sc_fail(diag, err, "%s", sc_diag_text(&why, err));
        sc_buf_put_bytes(out, sc_buf_slice(&evidence));
        if (extra_out != NULL)
            sc_buf_put_bytes(extra_out, sc_buf_slice(&extra));
        return sc_buf_status(out);
    }
}

static sc_err tsm_evidence(void *self, const uint8_t report_data[static 64], struct sc_buf *out,
                           struct sc_buf *extra_out, struct sc_diag *diag)
{
    const struct tsm *t = self;
    SC_CLEANUP(sc_freep) char *made_for_us = sc_path_join(t->root, "inblob");
    uint64_t random = 0;
    char name[40];
    if (made_for_us == NULL)
        return SC_E_NOMEM;
    if (access(made_for_us, W_OK) == 0)
        return report(t->root, report_data, out, extra_out, diag);
    sc_random(&random, sizeof random);
    snprintf(name, sizeof name, "securecloud-%016" PRIx64, random);
    SC_CLEANUP(dir_remove) char *dir = sc_path_join(t->root, name);
    if (dir == NULL)
        return SC_E_NOMEM;
    if (mkdir(dir, 0700) != 0)
        return sc_fail_errno(diag, SC_E_IO, "%s", dir);
    return report(dir, report_data, out, extra_out, diag);
}

static void put(uint8_t *to, size_t *size, const uint8_t *from)
{
    memcpy(to, from, 48);
    *size = 48;
}

static sc_err tsm_identity(void *self, struct sc_tee_identity *out, struct sc_diag *diag)
{
    static const uint8_t nothing[64];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf e = {0};
    SC_TRY(tsm_evidence(self, nothing, &e, NULL, diag));
    if (e.size == SNP_REPORT_SIZE) { /* a TD quote is larger: its signature data alone has more than 500 bytes */
        put(out->measurement, &out->measurement_size, e.ptr + 0x90);
        put(out->signer, &out->signer_size, e.ptr + 0xe0);
        out->svn = (uint32_t)e.ptr[4] | (uint32_t)e.ptr[5] << 8 | (uint32_t)e.ptr[6] << 16 | (uint32_t)e.ptr[7] << 24;
        out->debug = (e.ptr[8 + 2] & 0x08) != 0; /* policy, bit 19 */
        return SC_OK;
    }
    const size_t body = e.ptr[0] == 5 ? 54 : 48; /* version 5 describes its body in six bytes */
    if (e.size < body + 584)
        return sc_fail(diag, SC_E_MALFORMED, "TD quote of %zu bytes", e.size);
    put(out->measurement, &out->measurement_size, e.ptr + body + 136);
    put(out->signer, &out->signer_size, e.ptr + body + 232);
    out->debug = (e.ptr[body + 120] & 0x01) != 0;
    return SC_OK;
}

const struct tee_backend tee_backend_tsm = {
    .open = tsm_open, .free = tsm_free, .identity = tsm_identity, .evidence = tsm_evidence};
