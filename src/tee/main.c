/* securecloud tee: measure a program, sign its measurement, say who this process is. */
#include "base/file.h"
#include "tee/measure.h"
#include "tee/signature.h"
#include "tee/tee.h"

#include <getopt.h>
#include <stdio.h>

static const char help[] =
    "Usage: securecloud tee measure PROGRAM [--files]\n"
    "       securecloud tee sign PROGRAM --key KEY.pem [--product N] [--svn N]\n"
    "       securecloud tee identity [--backend software|sgx|tsm] [--root PATH]\n"
    "       securecloud tee evidence FILE [--data HEX] [--backend ...] [--root PATH]\n"
    "\n"
    "  measure   the measurement that PROGRAM will have under the software backend: its executable and the libraries\n"
    "            that its loader finds; --files lists them\n"
    "  sign      writes PROGRAM.sig: the key's owner vouches for this measurement, as product N, version N\n"
    "  identity  who this very command is, as its evidence would say (shows whether a backend works here)\n"
    "  evidence  writes evidence of this very command over 64 bytes of report data (zeros without --data): for\n"
    "            `securecloud attest show` and `verify`\n"
    "  --root    of the backend: the quoting daemon's socket, or the directory of device files\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage.\n";

struct arguments {
    const char *key, *backend, *root, *data;
    uint32_t product, svn;
    bool files;
};

static int wrong(const char *what)
{
    fprintf(stderr, "securecloud tee: %s; see securecloud tee --help\n", what);
    return 2;
}

static int failed(const struct sc_diag *diag, sc_err err)
{
    fprintf(stderr, "securecloud tee: %s\n", sc_diag_text(diag, err));
    return 1;
}

static bool number(const char *text, uint32_t *out)
{
    char *end = NULL;
    const unsigned long v = strtoul(text, &end, 10);
    *out = (uint32_t)v;
    return *text >= '0' && *text <= '9' && *end == '\0' && v <= 0xffff;
}

static sc_err measure(const char *path, struct tee_measurement *out, struct sc_diag *diag)
{
    SC_CLEANUP(tee_measurer_freep) struct tee_measurer *m = NULL;
    SC_TRY(tee_measurer_new(&m));
    return tee_measure_program(m, path, out, diag);
}

static int run_measure(const char *path, const struct arguments *a)
{
    struct sc_diag diag = {0};
    char hex[65];
    SC_CLEANUP(sc_freep) struct tee_measurement *m = calloc(1, sizeof *m);
    const sc_err err = m != NULL ? measure(path, m, &diag) : SC_E_NOMEM;
    if (err != SC_OK)
        return failed(&diag, err);
    sc_hex_encode(sc_slice_of(m->measurement.bytes, 32), hex);
    printf("%s\n", hex);
    for (size_t i = 0; a->files && i < m->file_count; i++) {
        sc_hex_encode(sc_slice_of(m->files[i].hash.bytes, 32), hex);
        printf("  %s  %s\n", hex, m->files[i].path);
    }
    return 0;
}

static sc_err sign(const char *path, const struct arguments *a, struct tee_measurement *m, struct sc_diag *diag)
{
    SC_CLEANUP(sc_signer_freep) struct sc_signer *key = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf signature = {0};
    SC_CLEANUP(sc_freep) char *out = NULL;
    SC_TRY(sc_signer_read_pem(a->key, &key, diag));
    SC_TRY(measure(path, m, diag));
    SC_TRY(tee_signature_make(&m->measurement, a->product, a->svn, key, &signature, diag));
    if (asprintf(&out, "%s.sig", path) < 0) {
        out = NULL;
        return SC_E_NOMEM;
    }
    SC_TRY(sc_file_write(out, sc_buf_slice(&signature), 0644, diag));
    struct tee_signature made;
    SC_TRY(tee_signature_check(sc_buf_slice(&signature), &made, diag));
    char measurement[65];
    char signer[65];
    sc_hex_encode(sc_slice_of(made.measurement.bytes, 32), measurement);
    sc_hex_encode(sc_slice_of(made.signer.bytes, 32), signer);
    printf("%s: measurement %s\nsigner %s, product %u, svn %u\n", out, measurement, signer, a->product, a->svn);
    return SC_OK;
}

static int run_sign(const char *path, const struct arguments *a)
{
    struct sc_diag diag = {0};
    SC_CLEANUP(sc_freep) struct tee_measurement *m = calloc(1, sizeof *m);
    const sc_err err = m != NULL ? sign(path, a, m, &diag) : SC_E_NOMEM;
    return err == SC_OK ? 0 : failed(&diag, err);
}

/* 0, or the exit code. */
static int open_tee(const struct arguments *a, struct sc_tee **out)
{
    struct sc_diag diag = {0};
    struct sc_tee_options opt;
    sc_tee_options_detect(&opt);
    if (a->backend != NULL && sc_tee_backend_parse(a->backend, &opt.backend) != SC_OK)
        return wrong("--backend is software, sgx or tsm");
    opt.root = a->root;
    const sc_err err = sc_tee_open(&opt, out, &diag);
    return err == SC_OK ? 0 : failed(&diag, err);
}

static int run_identity(const struct arguments *a)
{
    struct sc_diag diag = {0};
    struct sc_tee_identity id;
    char measurement[97];
    char signer[97];
    SC_CLEANUP(sc_tee_freep) struct sc_tee *tee = NULL;
    const int code = open_tee(a, &tee);
    if (code != 0)
        return code;
    const sc_err err = sc_tee_identity(tee, &id, &diag);
    if (err != SC_OK)
        return failed(&diag, err);
    sc_hex_encode(sc_slice_of(id.measurement, id.measurement_size), measurement);
    sc_hex_encode(sc_slice_of(id.signer, id.signer_size), signer);
    printf("kind         %s\nmeasurement  %s\nsigner       %s\nproduct      %u\nsvn          %u\ndebug        %s\n",
           sc_tee_label(tee), measurement, signer, id.product_id, id.svn, id.debug ? "yes" : "no");
    return 0;
}

static int run_evidence(const char *path, const struct arguments *a)
{
    struct sc_diag diag = {0};
    uint8_t data[SC_TEE_REPORT_DATA_SIZE] = {0};
    SC_CLEANUP(sc_tee_freep) struct sc_tee *tee = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf evidence = {0};
    if (a->data != NULL && sc_hex_decode(a->data, data, sizeof data) != SC_OK)
        return wrong("--data takes 128 hexadecimal digits");
    const int code = open_tee(a, &tee);
    if (code != 0)
        return code;
    sc_err err = sc_tee_evidence(tee, data, &evidence, NULL, &diag);
    if (err == SC_OK)
        err = sc_file_write(path, sc_buf_slice(&evidence), 0644, &diag);
    return err == SC_OK ? 0 : failed(&diag, err);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"key", required_argument, NULL, 'k'},
                                            {"product", required_argument, NULL, 'p'},
                                            {"svn", required_argument, NULL, 'v'},
                                            {"backend", required_argument, NULL, 'b'},
                                            {"root", required_argument, NULL, 'r'},
                                            {"data", required_argument, NULL, 'd'},
                                            {"files", no_argument, NULL, 'f'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct arguments a = {0};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o == 'h') {
            fputs(help, stdout);
            return 0;
        }
        if (o == '?')
            return 2;
        if ((o == 'p' && !number(optarg, &a.product)) || (o == 'v' && !number(optarg, &a.svn)))
            return wrong("product and svn are numbers up to 65535");
        a.key = o == 'k' ? optarg : a.key;
        a.backend = o == 'b' ? optarg : a.backend;
        a.root = o == 'r' ? optarg : a.root;
        a.data = o == 'd' ? optarg : a.data;
        a.files = a.files || o == 'f';
    }
    const char *verb = optind < argc ? argv[optind] : "";
    const char *path = optind + 2 == argc ? argv[optind + 1] : NULL;
    const bool is_identity = strcmp(verb, "identity") == 0 && optind + 1 == argc;
    if (is_identity || (strcmp(verb, "evidence") == 0 && path != NULL)) {
        sc_process_harden();
        return is_identity ? run_identity(&a) : run_evidence(path, &a);
    }
    if (strcmp(verb, "measure") == 0 && path != NULL)
        return run_measure(path, &a);
    if (strcmp(verb, "sign") == 0 && path != NULL && a.key != NULL)
        return run_sign(path, &a);
    return wrong("measure PROGRAM, sign PROGRAM --key KEY.pem, identity, or evidence FILE");
}
