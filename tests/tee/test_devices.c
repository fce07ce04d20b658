/* The hardware backends against fake device trees. */
#include "test.h"

#include "tee/tee.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

static int make_dir(void **state)
{
    *state = test_dir_new();
    return 0;
}

static int remove_dir(void **state)
{
    test_dir_free(*state);
    return 0;
}

static struct sc_tee *open_tee(enum sc_tee_backend backend, const char *root)
{
    struct sc_tee *tee = NULL;
    struct sc_diag diag = {0};
    const struct sc_tee_options opt = {.backend = backend, .root = root};
    assert_ok_diag(sc_tee_open(&opt, &tee, &diag), &diag);
    return tee;
}

/* ---- Gramine's files ---- */
static const uint8_t report_data[64] = "the hash of a key, as report data";

static void fake_sgx(const char *dir, const uint8_t data[64])
{
    uint8_t quote[600] = {3, 0, 2};
    memset(quote + 48 + 64, 0xaa, 32);
    memset(quote + 48 + 128, 0xbb, 32);
    quote[48 + 256] = 7;
    quote[48 + 258] = 3;
    quote[48 + 48] = 0x05;
    memcpy(quote + 48 + 320, data, 64);
    SC_CLEANUP(sc_freep) char *keys = test_path(dir, "keys");
    mkdir(keys, 0700);
    test_write(dir, "attestation_type", sc_slice_str("dcap"));
    test_write(dir, "user_report_data", sc_slice_of(quote, 64));
    test_write(dir, "quote", sc_slice_of(quote, sizeof quote));
    test_write(keys, "_sgx_mrenclave", sc_slice_str("0123456789abcdef"));
    test_write(keys, "_sgx_mrsigner", sc_slice_str("fedcba9876543210"));
}

static void sgx_gives_the_quote_over_what_was_written(void **state)
{
    fake_sgx(*state, report_data);
    SC_CLEANUP(sc_tee_freep) struct sc_tee *tee = open_tee(SC_TEE_SGX, *state);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf quote = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf written = {0};
    SC_CLEANUP(sc_freep) char *path = test_path(*state, "user_report_data");
    assert_ok(sc_tee_evidence(tee, report_data, &quote, NULL, NULL));
    assert_int_equal(quote.size, 600);
    assert_ok(sc_file_read(path, 64, &written, NULL));
    assert_memory_equal(written.ptr, report_data, 64);
    assert_string_equal(sc_tee_label(tee), "sgx");
}

static void sgx_refuses_a_quote_over_other_report_data(void **state)
{
    static const uint8_t other[64] = "what another thread wrote";
    struct sc_diag diag = {0};
    fake_sgx(*state, other);
    SC_CLEANUP(sc_tee_freep) struct sc_tee *tee = open_tee(SC_TEE_SGX, *state);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf quote = {0};
    assert_err(sc_tee_evidence(tee, report_data, &quote, NULL, &diag), SC_E_AGAIN);
    assert_int_equal(quote.size, 0);
}

static void sgx_tells_the_identity(void **state)
{
    static const uint8_t nothing[64];
    struct sc_tee_identity id;
    fake_sgx(*state, nothing);
    SC_CLEANUP(sc_tee_freep) struct sc_tee *tee = open_tee(SC_TEE_SGX, *state);
    assert_ok(sc_tee_identity(tee, &id, NULL));
    assert_int_equal(id.measurement_size, 32);
    assert_int_equal(id.measurement[31], 0xaa);
    assert_int_equal(id.signer[0], 0xbb);
    assert_int_equal(id.product_id, 7);
    assert_int_equal(id.svn, 3);
    assert_false(id.debug);
}

static void sgx_seals_to_the_code_and_to_the_signer(void **state)
{
    fake_sgx(*state, report_data);
    const struct sc_slice aad = sc_slice_str("volume");
    for (int bind = SC_TEE_BIND_CODE; bind <= SC_TEE_BIND_SIGNER; bind++) {
        SC_CLEANUP(sc_tee_freep) struct sc_tee *tee = open_tee(SC_TEE_SGX, *state);
        SC_CLEANUP(sc_buf_deinit) struct sc_buf sealed = {0};
        SC_CLEANUP(sc_buf_wipe) struct sc_buf plain = {0};
        SC_CLEANUP(sc_freep) char *keys = test_path(*state, "keys");
        assert_ok(sc_tee_seal(tee, (enum sc_tee_bind)bind, aad, sc_slice_str("secret"), &sealed, NULL));
        assert_int_equal(sealed.size, 6 + SC_TEE_SEALED_EXTRA);
        for (size_t i = 0; i < sealed.size; i++) { /* every byte counts */
            sealed.ptr[i] ^= 1;
            assert_int_not_equal(sc_tee_unseal(tee, aad, sc_buf_slice(&sealed), &plain, NULL), SC_OK);
            sealed.ptr[i] ^= 1;
        }
        for (size_t size = 0; size < sealed.size; size++)
            assert_int_not_equal(sc_tee_unseal(tee, aad, sc_slice_of(sealed.ptr, size), &plain, NULL), SC_OK);
        assert_err(sc_tee_unseal(tee, sc_slice_str("another"), sc_buf_slice(&sealed), &plain, NULL), SC_E_AUTH);
        assert_int_equal(plain.size, 0);
        assert_ok(sc_tee_unseal(tee, aad, sc_buf_slice(&sealed), &plain, NULL));
        assert_memory_equal(plain.ptr, "secret", 6);
        test_write(keys, bind == SC_TEE_BIND_CODE ? "_sgx_mrenclave" : "_sgx_mrsigner",
                   sc_slice_str("another machine "));
        assert_err(sc_tee_unseal(tee, aad, sc_buf_slice(&sealed), &plain, NULL), SC_E_AUTH);
    }
}

static void sgx_without_remote_attestation_says_so(void **state)
{
    struct sc_tee *tee = NULL;
    struct sc_diag diag = {0};
    const struct sc_tee_options opt = {.backend = SC_TEE_SGX, .root = *state};
    assert_err(sc_tee_open(&opt, &tee, &diag), SC_E_NOT_FOUND);
    test_write(*state, "attestation_type", sc_slice_str("none"));
    diag = (struct sc_diag){0};
    assert_err(sc_tee_open(&opt, &tee, &diag), SC_E_UNSUPPORTED);
    assert_contains(diag.text, "sgx.remote_attestation");
}

static void sgx_has_no_counters_and_says_so(void **state)
{
    struct sc_tee_counter *c = NULL;
    struct sc_diag diag = {0};
    fake_sgx(*state, report_data);
    SC_CLEANUP(sc_tee_freep) struct sc_tee *tee = open_tee(SC_TEE_SGX, *state);
    assert_err(sc_tee_counter_open(tee, SC_TEE_BIND_CODE, "x", &c, &diag), SC_E_UNSUPPORTED);
}

/* ---- configfs-tsm: pipes, served in the order in which a guest uses them ---- */
struct fake_tsm {
    const char *dir;
    const char *provider;
    struct sc_slice evidence, extra;
    unsigned disturbed; /* so many rounds somebody else writes in between */
    uint8_t written[64];
};

static void serve(const char *dir, const char *name, struct sc_slice bytes)
{
    SC_CLEANUP(sc_freep) char *path = test_path(dir, name);
    const int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.ptr, bytes.size), (ssize_t)bytes.size);
    close(fd);
}

static void take(const char *dir, const char *name, uint8_t out[64])
{
    SC_CLEANUP(sc_freep) char *path = test_path(dir, name);
    const int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, out, 64), 64);
    close(fd);
}

/* Each write of inblob counts one generation; a disturbed round counts one more, somebody else's. */
static void *tsm_thread(void *arg)
{
    struct fake_tsm *f = arg;
    unsigned generation = 8;
    for (unsigned round = 0; round <= f->disturbed; round++) {
        char text[16];
        take(f->dir, "inblob", f->written);
        generation += round < f->disturbed ? 2 : 1;
        snprintf(text, sizeof text, "%u\n", generation);
        test_write(f->dir, "generation", sc_slice_str(text)); /* before anybody can go on: outblob is a pipe */
        serve(f->dir, "outblob", f->evidence);
        serve(f->dir, "auxblob", f->extra);
    }
    return NULL;
}

static pthread_t tsm_start(struct fake_tsm *f)
{
    static const char *const pipes[] = {"inblob", "outblob", "auxblob"};
    pthread_t thread;
    for (size_t i = 0; i < 3; i++) {
        SC_CLEANUP(sc_freep) char *path = test_path(f->dir, pipes[i]);
        assert_int_equal(mkfifo(path, 0600), 0);
    }
    test_write(f->dir, "generation", sc_slice_str("8\n"));
    test_write(f->dir, "provider", sc_slice_str(f->provider));
    assert_int_equal(pthread_create(&thread, NULL, tsm_thread, f), 0);
    return thread;
}

static void snp_report_make(uint8_t report[1184], const uint8_t data[64])
{
    memset(report, 0, 1184);
    report[0] = 2;
    report[4] = 9; /* guest SVN */
    memcpy(report + 0x50, data, 64);
    memset(report + 0x90, 0xcc, 48);
    memset(report + 0xe0, 0xdd, 48);
}

static void tsm_gives_an_snp_report_with_its_certificates(void **state)
{
    uint8_t report[1184];
    snp_report_make(report, report_data);
    struct fake_tsm f = {.dir = *state,
                         .provider = "sev_guest\n",
                         .evidence = sc_slice_of(report, sizeof report),
                         .extra = sc_slice_str("certificate table")};
    const pthread_t thread = tsm_start(&f);
    SC_CLEANUP(sc_tee_freep) struct sc_tee *tee = open_tee(SC_TEE_TSM, *state);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf extra = {0};
    struct sc_diag diag = {0};
    assert_ok_diag(sc_tee_evidence(tee, report_data, &out, &extra, &diag), &diag);
    pthread_join(thread, NULL);
    assert_memory_equal(f.written, report_data, 64);
    assert_memory_equal(out.ptr, report, sizeof report);
    assert_true(sc_slice_eq(sc_buf_slice(&extra), sc_slice_str("certificate table")));
}

static void tsm_starts_again_when_somebody_wrote_in_between(void **state)
{
    uint8_t report[1184];
    snp_report_make(report, report_data);
    struct fake_tsm f = {.dir = *state,
                         .provider = "sev_guest\n",
                         .evidence = sc_slice_of(report, sizeof report),
                         .extra = SC_SLICE_EMPTY,
                         .disturbed = 2};
    const pthread_t thread = tsm_start(&f);
    SC_CLEANUP(sc_tee_freep) struct sc_tee *tee = open_tee(SC_TEE_TSM, *state);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = {0};
    assert_ok(sc_tee_evidence(tee, report_data, &out, NULL, NULL));
    pthread_join(thread, NULL);
    assert_int_equal(out.size, sizeof report);
}

static void tsm_refuses_a_report_over_other_data(void **state)
{
    static const uint8_t other[64] = "replayed";
    uint8_t report[1184];
    snp_report_make(report, other);
    struct fake_tsm f = {.dir = *state,
                         .provider = "sev_guest\n",
                         .evidence = sc_slice_of(report, sizeof report),
                         .extra = SC_SLICE_EMPTY};
    const pthread_t thread = tsm_start(&f);
    SC_CLEANUP(sc_tee_freep) struct sc_tee *tee = open_tee(SC_TEE_TSM, *state);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = {0};
    struct sc_diag diag = {0};
    assert_err(sc_tee_evidence(tee, report_data, &out, NULL, &diag), SC_E_MALFORMED);
    pthread_join(thread, NULL);
    assert_contains(diag.text, "other report data");
}

static void tsm_tells_the_identity_of_snp_and_tdx_guests(void **state)
{
    static const uint8_t nothing[64];
    uint8_t report[1184];
    uint8_t quote[48 + 584 + 700] = {4};
    struct sc_tee_identity id;
    snp_report_make(report, nothing);
    report[8 + 2] = 0x08; /* policy: debugging allowed */
    SC_CLEANUP(sc_freep) char *snp = test_path(*state, "snp");
    SC_CLEANUP(sc_freep) char *tdx = test_path(*state, "tdx");
    mkdir(snp, 0700);
    mkdir(tdx, 0700);
    struct fake_tsm f = {
        .dir = snp, .provider = "sev_guest\n", .evidence = sc_slice_of(report, sizeof report), .extra = SC_SLICE_EMPTY};
    pthread_t thread = tsm_start(&f);
    SC_CLEANUP(sc_tee_freep) struct sc_tee *tee = open_tee(SC_TEE_TSM, snp);
    assert_ok(sc_tee_identity(tee, &id, NULL));
    pthread_join(thread, NULL);
    assert_int_equal(id.measurement_size, 48);
    assert_int_equal(id.measurement[47], 0xcc);
    assert_int_equal(id.signer[0], 0xdd);
    assert_int_equal(id.svn, 9);
    assert_true(id.debug);
    memset(quote + 48 + 136, 0x7d, 48);
    f = (struct fake_tsm){
        .dir = tdx, .provider = "tdx_guest\n", .evidence = sc_slice_of(quote, sizeof quote), .extra = SC_SLICE_EMPTY};
    thread = tsm_start(&f);
    SC_CLEANUP(sc_tee_freep) struct sc_tee *td = open_tee(SC_TEE_TSM, tdx);
    assert_ok(sc_tee_identity(td, &id, NULL));
    pthread_join(thread, NULL);
    assert_int_equal(id.measurement[0], 0x7d);
    assert_false(id.debug);
}

static void tsm_has_neither_sealing_nor_counters_and_says_so(void **state)
{
    struct sc_diag diag = {0};
    struct sc_tee_counter *c = NULL;
    SC_CLEANUP(sc_tee_freep) struct sc_tee *tee = open_tee(SC_TEE_TSM, *state);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = {0};
    assert_err(sc_tee_seal(tee, SC_TEE_BIND_CODE, SC_SLICE_EMPTY, sc_slice_str("x"), &out, &diag), SC_E_UNSUPPORTED);
    assert_err(sc_tee_counter_open(tee, SC_TEE_BIND_CODE, "x", &c, NULL), SC_E_UNSUPPORTED);
}

/* Without an entry made for us, one is made for each request, and it does not stay. */
static void tsm_cleans_up_its_entry(void **state)
{
    SC_CLEANUP(sc_tee_freep) struct sc_tee *tee = open_tee(SC_TEE_TSM, *state);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = {0};
    struct sc_diag diag = {0};
    assert_err(sc_tee_evidence(tee, report_data, &out, NULL, &diag), SC_E_NOT_FOUND);
    assert_contains(diag.text, "generation");
    DIR *dir = opendir(*state);
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        assert_int_equal(e->d_name[0], '.');
    closedir(dir);
}

static void a_missing_backend_is_an_error_not_a_surprise(void **state)
{
    (void)state;
    static const enum sc_tee_backend all[] = {SC_TEE_SGX, SC_TEE_TSM};
    for (size_t i = 0; i < 2; i++) {
        struct sc_tee *tee = NULL;
        struct sc_diag diag = {0};
        const struct sc_tee_options opt = {.backend = all[i], .root = "/nonexistent"};
        assert_int_not_equal(sc_tee_open(&opt, &tee, &diag), SC_OK);
        assert_null(tee);
        assert_true(diag.text[0] != '\0');
    }
    const struct sc_tee_options opt = {.backend = SC_TEE_SOFTWARE, .root = "/nonexistent/socket"};
    struct sc_diag diag = {0};
    struct sc_tee_identity id;
    SC_CLEANUP(sc_tee_freep) struct sc_tee *tee = NULL;
    assert_ok(sc_tee_open(&opt, &tee, NULL));
    assert_err(sc_tee_identity(tee, &id, &diag), SC_E_AGAIN);
    assert_contains(diag.text, "no quoting daemon");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sgx_gives_the_quote_over_what_was_written),
        TEST(sgx_refuses_a_quote_over_other_report_data),
        TEST(sgx_tells_the_identity),
        TEST(sgx_seals_to_the_code_and_to_the_signer),
        TEST(sgx_without_remote_attestation_says_so),
        TEST(sgx_has_no_counters_and_says_so),
        TEST(tsm_gives_an_snp_report_with_its_certificates),
        TEST(tsm_starts_again_when_somebody_wrote_in_between),
        TEST(tsm_refuses_a_report_over_other_data),
        TEST(tsm_tells_the_identity_of_snp_and_tdx_guests),
        TEST(tsm_has_neither_sealing_nor_counters_and_says_so),
        TEST(tsm_cleans_up_its_entry),
        TEST(a_missing_backend_is_an_error_not_a_surprise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
