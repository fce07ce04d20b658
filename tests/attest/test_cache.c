/* The collateral cache: from a folder, from a service on this machine that has Intel's and AMD's URLs, offline, hostile. */
#include "attest/cache.h"
#include "fixture.h"
#include "net/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

/* A service with a handful of pages; answers each connection once. */
struct page {
    const char *path, *header;
    const struct sc_buf *body;
};
struct service {
    int fd;
    pthread_t thread;
    char url[64];
    struct page pages[8];
    size_t page_count;
    unsigned asked; /* read when the thread is idle */
    char last_path[512];
};

static void answer(struct service *s, int fd)
{
    char request[4096];
    char head[8192];
    ssize_t n = read(fd, request, sizeof request - 1);
    if (n <= 0)
        return;
    request[n] = '\0';
    char *path = strchr(request, ' ');
    if (path == NULL)
        return;
    path++;
    path[strcspn(path, " ")] = '\0';
    s->asked++;
    snprintf(s->last_path, sizeof s->last_path, "%s", path);
    const struct page *page = NULL;
    for (size_t i = 0; i < s->page_count; i++)
        page = strcmp(s->pages[i].path, path) == 0 ? &s->pages[i] : page;
    if (page == NULL) {
        static const char missing[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        sc_ignore(sc_fd_write_all(fd, sc_slice_str(missing), NULL)); /* the client will complain */
        return;
    }
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
             page->header != NULL ? page->header : "", page->body->size);
    sc_ignore(sc_fd_write_all(fd, sc_slice_str(head), NULL));
    sc_ignore(sc_fd_write_all(fd, sc_buf_slice(page->body), NULL));
}

static void *serve(void *arg)
{
    struct service *s = arg;
    for (;;) {
        const int fd = accept(s->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        answer(s, fd);
        close(fd);
    }
}

static void service_start(struct service *s)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof addr;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)(void *)&addr, sizeof addr), 0);
    assert_int_equal(listen(s->fd, 8), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)(void *)&addr, &size), 0);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", ntohs(addr.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void service_stop(struct service *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static sc_err fetch(void *arg, const char *url, const char *const chain_header[2], struct sc_buf *chain_out,
                    struct sc_buf *body_out, struct sc_diag *diag)
{
    (void)arg;
    if (chain_header == NULL)
        return sc_http_fetch(url, 5000, NULL, 0, body_out, diag);
    const struct sc_http_header headers[] = { { chain_header[0], chain_out } };
    return sc_http_fetch(url, 5000, headers, 1, body_out, diag);
}

/* "TCB-Info-Issuer-Chain: ...\r\n" with the PEM percent-encoded, as Intel's service does */
static char *chain_header(const struct sc_buf *pem)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = { 0 };
    sc_buf_put_str(&out, "tcb-info-issuer-chain: ");
    for (size_t i = 0; i < pem->size; i++) {
        if (strchr("\n +/=", pem->ptr[i]) != NULL)
            sc_buf_put_fmt(&out, "%%%02X", pem->ptr[i]);
        else
            sc_buf_put_u8(&out, pem->ptr[i]);
    }
    sc_buf_put_str(&out, "\r\n");
    return strdup(sc_buf_cstr(&out));
}

struct place {
    struct forge_set set;
    struct service service;
    char *header, *dir;
    struct sc_roots roots;
    struct sc_cache_options opt;
};

static void intel_pages(struct place *p)
{
    free(p->header);
    p->header = chain_header(&p->set.signing_chain);
    p->service.page_count = 0;
    const struct page pages[] = {
        { "/sgx/certification/v4/tcb?fmspc=aabbcc000000", p->header, &p->set.tcb_info },
        { "/sgx/certification/v4/qe/identity", NULL, &p->set.qe_identity },
        { "/sgx/certification/v4/pckcrl?ca=platform&encoding=der", NULL, &p->set.pck_crl },
        { "/IntelSGXRootCA.der", NULL, &p->set.root_crl },
    };
    for (size_t i = 0; i < 4; i++)
        p->service.pages[p->service.page_count++] = pages[i];
}

static void place_open(struct place *p, struct fixture *f, const struct forge_spec *spec)
{
    memset(p, 0, sizeof *p);
    forge_make(f->forge, spec, &p->set);
    assert_ok(sc_roots_add_pem(&p->roots, SC_ROOT_INTEL, sc_buf_slice(&p->set.root_pem), NULL));
    p->dir = test_dir_new();
    intel_pages(p);
    service_start(&p->service);
    p->opt = (struct sc_cache_options){ .dir = p->dir, .fetch = fetch, .pcs_url = p->service.url, .kds_url = p->service.url };
}

static void place_close(struct place *p)
{
    service_stop(&p->service);
    forge_set_deinit(&p->set);
    free(p->header);
    test_dir_free(p->dir);
}

static enum sc_attest_reason judge(struct fixture *f, const struct sc_roots *roots, struct sc_collateral *c,
                                   struct sc_slice evidence, int64_t now_s)
{
    SC_CLEANUP(sc_attest_verifier_freep) struct sc_attest_verifier *v = NULL;
    const struct sc_attest_request req = { .evidence = evidence, .collateral = c, .now_s = now_s };
    assert_ok(sc_attest_verifier_new(roots, &v));
    assert_ok(sc_attest_verify(v, &req, &f->r));
    return f->r.reason;
}

/* Gets from the cache and judges; note is what the cache has to say. */
static enum sc_attest_reason get_and_judge(struct fixture *f, struct place *p, int64_t now_s, struct sc_diag *note)
{
    SC_CLEANUP(sc_collateral_freep) struct sc_collateral *c = NULL;
    struct sc_diag diag = { 0 };
    assert_ok_diag(sc_cache_get(&p->opt, sc_buf_slice(&p->set.quote), now_s, &c, note, &diag), &diag);
    return judge(f, &p->roots, c, sc_buf_slice(&p->set.quote), now_s);
}

static void a_service_is_asked_once_and_the_set_serves_offline(void **state)
{
    struct fixture *f = *state;
    struct forge_spec s;
    struct place p;
    struct sc_diag note;
    forge_spec_default(&s, 3, SC_BODY_SGX);
    place_open(&p, f, &s);
    assert_reason(get_and_judge(f, &p, FORGE_NOW_S, &note), SC_ATTEST_OK);
    assert_string_equal(note.text, "");
    assert_int_equal(p.service.asked, 4);
    assert_reason(get_and_judge(f, &p, FORGE_NOW_S + FORGE_DAY_S, &note), SC_ATTEST_OK);
    assert_int_equal(p.service.asked, 4);
    p.opt.fetch = NULL;
    assert_reason(get_and_judge(f, &p, FORGE_NOW_S + 2 * FORGE_DAY_S, &note), SC_ATTEST_OK);
    place_close(&p);
}

static void a_set_is_refreshed_before_it_runs_out(void **state)
{
    struct fixture *f = *state;
    struct forge_spec s;
    struct place p;
    struct sc_diag note;
    forge_spec_default(&s, 3, SC_BODY_SGX);
    place_open(&p, f, &s);
    assert_reason(get_and_judge(f, &p, FORGE_NOW_S, &note), SC_ATTEST_OK);
    const struct forge_dates later = { FORGE_NOW_S + 9 * FORGE_DAY_S, FORGE_NOW_S + 40 * FORGE_DAY_S };
    s.pck_crl = s.root_crl = s.tcb_info = s.qe_identity = later;
    forge_set_deinit(&p.set);
    forge_make(f->forge, &s, &p.set);
    intel_pages(&p);
    assert_reason(get_and_judge(f, &p, FORGE_NOW_S + 11 * FORGE_DAY_S, &note), SC_ATTEST_OK); /* 4 days before */
    assert_int_equal(p.service.asked, 8);
    assert_int_equal(f->r.collateral_issued_s, later.from_s);
    place_close(&p);
}

static void what_is_there_is_used_while_the_service_is_away_and_no_longer_than_it_lasts(void **state)
{
    struct fixture *f = *state;
    struct forge_spec s;
    struct place p;
    struct sc_diag note;
    forge_spec_default(&s, 3, SC_BODY_SGX);
    place_open(&p, f, &s);
    assert_reason(get_and_judge(f, &p, FORGE_NOW_S, &note), SC_ATTEST_OK);
    p.service.page_count = 0;
    assert_reason(get_and_judge(f, &p, FORGE_NOW_S + 12 * FORGE_DAY_S, &note), SC_ATTEST_OK);
    assert_contains(note.text, "404");
    assert_reason(get_and_judge(f, &p, FORGE_NOW_S + 16 * FORGE_DAY_S, &note), SC_ATTEST_CRL_EXPIRED);
    place_close(&p);
}

static void rubbish_and_old_sets_never_take_the_place_of_a_good_one(void **state)
{
    struct fixture *f = *state;
    struct forge_spec s;
    struct place p;
    struct sc_diag note;
    forge_spec_default(&s, 3, SC_BODY_SGX);
    place_open(&p, f, &s);
    assert_reason(get_and_judge(f, &p, FORGE_NOW_S, &note), SC_ATTEST_OK);
    struct sc_buf rubbish = { 0 };
    sc_buf_put_str(&rubbish, "<html>the portal of a hotel</html>");
    for (size_t i = 0; i < 4; i++) {
        const struct sc_buf *good = p.service.pages[i].body;
        p.service.pages[i].body = &rubbish;
        assert_reason(get_and_judge(f, &p, FORGE_NOW_S + 12 * FORGE_DAY_S, &note), SC_ATTEST_OK);
        assert_contains(note.text, "what was got for sgx-aabbcc000000-platform");
        p.service.pages[i].body = good;
    }
    s.tcb_info.until_s -= 5 * FORGE_DAY_S; /* genuine, but older than what is cached */
    forge_set_deinit(&p.set);
    forge_make(f->forge, &s, &p.set);
    intel_pages(&p);
    assert_reason(get_and_judge(f, &p, FORGE_NOW_S + 12 * FORGE_DAY_S, &note), SC_ATTEST_OK);
    assert_contains(note.text, "runs out before");
    sc_buf_deinit(&rubbish);
    place_close(&p);
}

static void nothing_cached_and_nobody_to_ask_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct forge_spec s;
    struct place p;
    struct sc_diag diag = { 0 };
    SC_CLEANUP(sc_collateral_freep) struct sc_collateral *c = NULL;
    forge_spec_default(&s, 4, SC_BODY_TD10);
    place_open(&p, f, &s);
    assert_err(sc_cache_get(&p.opt, sc_buf_slice(&p.set.quote), FORGE_NOW_S, &c, NULL, &diag), SC_E_IO);
    assert_contains(diag.text, "/tdx/certification/v4/tcb?fmspc=aabbcc000000: HTTP status 404");
    p.opt.fetch = NULL;
    assert_err(sc_cache_get(&p.opt, sc_buf_slice(&p.set.quote), FORGE_NOW_S, &c, NULL, NULL), SC_E_NOT_FOUND);
    assert_err(sc_cache_get(&p.opt, sc_slice_str("no evidence"), FORGE_NOW_S, &c, NULL, NULL), SC_E_MALFORMED);
    place_close(&p);
}

static void a_folder_serves_as_a_source(void **state)
{
    struct fixture *f = *state;
    struct forge_spec s;
    struct place p;
    struct sc_diag note;
    char key[SC_CACHE_KEY_SIZE];
    forge_spec_default(&s, 3, SC_BODY_SGX);
    place_open(&p, f, &s);
    char *source = test_dir_new();
    assert_ok(sc_cache_key(&p.opt, sc_buf_slice(&p.set.quote), key, NULL));
    assert_string_equal(key, "sgx-aabbcc000000-platform");
    SC_CLEANUP(sc_freep) char *dir = test_path(source, key);
    assert_ok(sc_dir_make(dir, 0755, NULL));
    test_write(dir, "tcb_info.json", sc_buf_slice(&p.set.tcb_info));
    test_write(dir, "qe_identity.json", sc_buf_slice(&p.set.qe_identity));
    test_write(dir, "pck_crl.der", sc_buf_slice(&p.set.pck_crl));
    test_write(dir, "root_ca_crl.der", sc_buf_slice(&p.set.root_crl));
    test_write(dir, "tcb_signing_chain.pem", sc_buf_slice(&p.set.signing_chain));
    p.opt.source_dir = source;
    p.opt.fetch = NULL;
    assert_reason(get_and_judge(f, &p, FORGE_NOW_S, &note), SC_ATTEST_OK);
    test_dir_free(source);
    p.opt.source_dir = NULL; /* from now on the cache stands alone */
    assert_reason(get_and_judge(f, &p, FORGE_NOW_S, &note), SC_ATTEST_OK);
    place_close(&p);
}

static void amd_certificates_come_by_chip_and_tcb(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(forge_snp_set_deinit) struct forge_snp_set snp;
    SC_CLEANUP(sc_collateral_freep) struct sc_collateral *c = NULL;
    struct forge_snp_spec spec;
    struct forge_spec s;
    struct place p;
    struct sc_roots roots = { 0 };
    struct sc_diag diag = { 0 };
    forge_spec_default(&s, 3, SC_BODY_SGX);
    place_open(&p, f, &s);
    forge_snp_spec_default(&spec, "Turin", false);
    spec.with_crl = true;
    forge_snp_make(f->forge, &spec, &snp);
    const struct page pages[] = {
        { "/vcek/v1/Turin/c1c1c1c1c1c1c1c1?fmcSPL=1&blSPL=02&teeSPL=03&snpSPL=04&ucodeSPL=69", NULL, &snp.vek },
        { "/vcek/v1/Turin/cert_chain", NULL, &snp.chain },
        { "/vcek/v1/Turin/crl", NULL, &snp.crl },
    };
    memcpy(p.service.pages, pages, sizeof pages);
    p.service.page_count = 3;
    assert_ok(sc_roots_add_pem(&roots, SC_ROOT_AMD, sc_buf_slice(&snp.root_pem), NULL));
    assert_ok_diag(sc_cache_get(&p.opt, sc_buf_slice(&snp.report), FORGE_NOW_S, &c, NULL, &diag), &diag);
    assert_reason(judge(f, &roots, c, sc_buf_slice(&snp.report), FORGE_NOW_S), SC_ATTEST_OK);
    forge_snp_set_deinit(&snp);
    forge_snp_spec_default(&spec, "Milan", true);
    forge_snp_make(f->forge, &spec, &snp);
    struct sc_collateral *none = NULL;
    assert_err(sc_cache_get(&p.opt, sc_buf_slice(&snp.report), FORGE_NOW_S, &none, NULL, NULL), SC_E_UNSUPPORTED);
    place_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_is_asked_once_and_the_set_serves_offline),
        cmocka_unit_test(a_set_is_refreshed_before_it_runs_out),
        cmocka_unit_test(what_is_there_is_used_while_the_service_is_away_and_no_longer_than_it_lasts),
        cmocka_unit_test(rubbish_and_old_sets_never_take_the_place_of_a_good_one),
        cmocka_unit_test(nothing_cached_and_nobody_to_ask_is_an_error),
        cmocka_unit_test(a_folder_serves_as_a_source),
        cmocka_unit_test(amd_certificates_come_by_chip_and_tcb),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_drop);
}
