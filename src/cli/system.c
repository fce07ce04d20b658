#include "cli/system.h"

#include "base/clock.h"
#include "base/file.h"
#include "service/identity.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY_MS            ((int64_t)86400000)
#define SERVICE_CERT_DAYS 825

struct authority {
    struct sc_signer *key;
    struct sc_cert *cert;
};

static void authority_deinit(struct authority *a)
{
    sc_signer_free(a->key);
    sc_cert_free(a->cert);
}

/* ---- files ---- */
static sc_err path_of(char *out, size_t size, struct sc_diag *diag, const char *fmt, ...) SC_PRINTF(4, 5);
static sc_err path_of(char *out, size_t size, struct sc_diag *diag, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(out, size, fmt, ap);
    va_end(ap);
    return n < 0 || (size_t)n >= size ? sc_fail(diag, SC_E_LIMIT, "path too long: %.60s...", out) : SC_OK;
}

static sc_err write_cert(const struct sc_cert *cert, const char *path, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf pem = {0};
    SC_TRY(sc_cert_to_pem(cert, &pem));
    return sc_file_write(path, sc_buf_slice(&pem), 0644, diag);
}

/* ---- authorities ---- */
static sc_err authority_create(const char *dir, const char *name, const char *title, int64_t from_ms,
                               struct authority *out, struct sc_diag *diag)
{
    char path[512];
    SC_TRY(path_of(path, sizeof path, diag, "%s/%s", dir, name));
    SC_TRY(sc_dir_make(path, 0700, diag));
    SC_TRY(sc_signer_generate(SC_SIGN_P256, &out->key, diag));
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *public_key = NULL;
    SC_TRY(sc_verifier_of_signer(out->key, &public_key));
    const struct sc_cert_request req = {.common_name = title,
                                        .subject_key = public_key,
                                        .not_before_ms = from_ms,
                                        .not_after_ms = sc_wall_ms(&sc_clock_system) + 20 * 365 * DAY_MS,
                                        .is_ca = true};
    SC_TRY(sc_cert_issue(&req, NULL, out->key, &out->cert, diag));
    SC_TRY(path_of(path, sizeof path, diag, "%s/%s/%s.key.pem", dir, name, name));
    SC_TRY(sc_signer_write_pem(out->key, path, diag));
    SC_TRY(path_of(path, sizeof path, diag, "%s/%s/%s.pem", dir, name, name));
    return write_cert(out->cert, path, diag);
}

/* ---- identities ---- */
/* Makes DIR/services/NAME with certificate, key, CA and configuration; steals config. */
static sc_err identity_create(const char *dir, const char *name, const struct authority *ca, json_t *config,
                              struct sc_diag *diag)
{
    SC_CLEANUP(sc_json_freep) json_t *owned = config;
    char path[512];
    char spiffe_id[128];
    if (owned == NULL)
        return sc_fail(diag, SC_E_NOMEM, "configuration of %s", name);
    SC_TRY(path_of(path, sizeof path, diag, "%s/services/%s", dir, name));
    SC_TRY(sc_dir_make(path, 0700, diag));
    SC_CLEANUP(sc_signer_freep) struct sc_signer *key = NULL;
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *public_key = NULL;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    SC_TRY(sc_signer_generate(SC_SIGN_P256, &key, diag));
    SC_TRY(sc_verifier_of_signer(key, &public_key));
    snprintf(spiffe_id, sizeof spiffe_id, "%s/%s", SC_TRUST_DOMAIN, name);
    const int64_t now_ms = sc_wall_ms(&sc_clock_system);
    const struct sc_cert_request req = {.common_name = name,
                                        .uri = spiffe_id,
                                        .dns = "localhost",
                                        .subject_key = public_key,
                                        .not_before_ms = now_ms - DAY_MS,
                                        .not_after_ms = now_ms + SERVICE_CERT_DAYS * DAY_MS,
                                        .is_tls = true};
    SC_TRY(sc_cert_issue(&req, ca->cert, ca->key, &cert, diag));
    SC_TRY(path_of(path, sizeof path, diag, "%s/services/%s/key.pem", dir, name));
    SC_TRY(sc_signer_write_pem(key, path, diag));
    SC_TRY(path_of(path, sizeof path, diag, "%s/services/%s/cert.pem", dir, name));
    SC_TRY(write_cert(cert, path, diag));
    SC_TRY(path_of(path, sizeof path, diag, "%s/services/%s/ca.pem", dir, name));
    SC_TRY(write_cert(ca->cert, path, diag));
    SC_TRY(path_of(path, sizeof path, diag, "%s/services/%s/config.json", dir, name));
    return sc_json_write(path, owned, diag);
}

static sc_err secret_write(const char *dir, const char *name, const char *secret, const struct sc_key *key,
                           struct sc_diag *diag)
{
    char path[512];
    SC_TRY(path_of(path, sizeof path, diag, "%s/services/%s/%s.key", dir, name, secret));
    return sc_file_write(path, sc_slice_of(key->bytes, sizeof key->bytes), 0600, diag);
}

static sc_err cert_copy(const char *dir, const char *name, const char *file, const struct sc_cert *cert,
                        struct sc_diag *diag)
{
    char path[512];
    SC_TRY(path_of(path, sizeof path, diag, "%s/services/%s/%s", dir, name, file));
    return write_cert(cert, path, diag);
}

/* ---- ports ---- */
/* A port nobody listens on now.  Held sockets are closed together at the end, so that no port comes twice. */
struct ports {
    uint16_t next; /* 0: ask the kernel */
    int held[32];
    size_t held_count;
};

static sc_err port_take(struct ports *p, uint16_t *out, struct sc_diag *diag)
{
    if (p->next != 0) {
        *out = p->next++;
        return SC_OK;
    }
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof addr;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || p->held_count == sizeof p->held / sizeof p->held[0])
        return sc_fail_errno(diag, SC_E_IO, "looking for a free port");
    p->held[p->held_count++] = fd;
    if (bind(fd, (struct sockaddr *)(void *)&addr, sizeof addr) != 0 ||
        getsockname(fd, (struct sockaddr *)(void *)&addr, &size) != 0)
        return sc_fail_errno(diag, SC_E_IO, "looking for a free port");
    *out = ntohs(addr.sin_port);
    return SC_OK;
}

static void ports_deinit(struct ports *p)
{
    for (size_t i = 0; i < p->held_count; i++)
        close(p->held[i]);
}

static sc_err service_add(struct sc_system *s, struct ports *ports, const char *name, const char *program, bool serves,
                          struct sc_diag *diag)
{
    struct sc_system_service *x = &s->service[s->service_count++];
    *x = (struct sc_system_service){0};
    snprintf(x->name, sizeof x->name, "%s", name);
    snprintf(x->program, sizeof x->program, "%s", program);
    if (serves)
        SC_TRY(port_take(ports, &x->port, diag));
    return port_take(ports, &x->http_port, diag);
}

const struct sc_system_service *sc_system_find(const struct sc_system *s, const char *name)
{
    for (size_t i = 0; i < s->service_count; i++)
        if (strcmp(s->service[i].name, name) == 0)
            return &s->service[i];
    sc_assert_failed("the service is part of the system", __FILE__, __LINE__);
}

/* ---- configurations ---- */
static json_t *address(uint16_t port, const char *name)
{
    char id[128];
    snprintf(id, sizeof id, "%s/%s", SC_TRUST_DOMAIN, name);
    return json_pack("{s:s, s:i, s:s}", "host", "127.0.0.1", "port", (int)port, "id", id);
}

static json_t *http_address(const struct sc_system_service *x)
{
    return json_pack("{s:s, s:i}", "host", "127.0.0.1", "port", (int)x->http_port);
}

static json_t *database_address(const struct sc_system *s)
{
    return address(sc_system_find(s, "cascadb")->port, "cascadb");
}

/* Who may do what in the database: services write or read, people of other parties read. */
static json_t *rights_make(const struct sc_system *s)
{
    static const struct {
        const char *name;
        const char *right;
    } fixed[] = {{"mdc", "write"}, {"operator", "write"}, {"billing", "read"}, {"fraud", "read"}, {"auditor", "read"}};
    json_t *rights = json_object();
    char id[128];
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        snprintf(id, sizeof id, "%s/%s", SC_TRUST_DOMAIN, fixed[i].name);
        json_object_set_new(rights, id, json_string(fixed[i].right));
    }
    for (size_t i = 0; i < s->service_count; i++) {
        if (strcmp(s->service[i].program, "authenticator") != 0)
            continue;
        snprintf(id, sizeof id, "%s/%s", SC_TRUST_DOMAIN, s->service[i].name);
        json_object_set_new(rights, id, json_string("read"));
    }
    return rights;
}

static json_t *service_config(const struct sc_system_service *x)
{
    json_t *c = json_pack("{s:o}", "http", http_address(x));
    if (x->port != 0)
        json_object_set_new(c, "listen", address(x->port, x->name));
    return c;
}

static sc_err cascadb_create(const struct sc_system *s, const struct authority *ca, struct sc_diag *diag)
{
    char path[512];
    json_t *c = service_config(sc_system_find(s, "cascadb"));
    json_object_set_new(c, "rights", rights_make(s));
    sc_err err = path_of(path, sizeof path, diag, "%s/volume", s->dir);
    json_object_set_new(c, "volume", json_string(path));
    if (err == SC_OK)
        err = path_of(path, sizeof path, diag, "%s/counter", s->dir);
    json_object_set_new(c, "counter", json_string(path));
    if (err != SC_OK) {
        json_decref(c);
        return err;
    }
    SC_TRY(identity_create(s->dir, "cascadb", ca, c, diag));
    SC_CLEANUP(sc_key_wipe) struct sc_key root;
    sc_key_random(&root);
    return secret_write(s->dir, "cascadb", "kvs-root", &root, diag);
}

static sc_err authenticators_create(const struct sc_system *s, const struct authority *ca,
                                    const struct authority *institute, const struct sc_key *headend,
                                    struct sc_diag *diag)
{
    for (size_t i = 0; i < s->service_count; i++) {
        const struct sc_system_service *x = &s->service[i];
        if (strcmp(x->program, "authenticator") != 0)
            continue;
        json_t *c = service_config(x);
        json_object_set_new(c, "mdc", address(sc_system_find(s, "mdc")->port, "mdc"));
        json_object_set_new(c, "database", database_address(s));
        SC_TRY(identity_create(s->dir, x->name, ca, c, diag));
        SC_TRY(cert_copy(s->dir, x->name, "institute.pem", institute->cert, diag));
        SC_TRY(secret_write(s->dir, x->name, "headend", headend, diag));
    }
    return SC_OK;
}

static sc_err aggregator_create(const struct sc_system *s, const struct authority *ca, struct sc_diag *diag)
{
    char path[512];
    SC_TRY(path_of(path, sizeof path, diag, "%s/spool", s->dir));
    json_t *c = service_config(sc_system_find(s, "aggregator"));
    json_t *list = json_array();
    for (size_t i = 0; i < s->service_count; i++)
        if (strcmp(s->service[i].program, "authenticator") == 0)
            json_array_append_new(list, address(s->service[i].port, s->service[i].name));
    json_object_set_new(c, "authenticators", list);
    json_object_set_new(c, "spool", json_string(path));
    return identity_create(s->dir, "aggregator", ca, c, diag);
}

static sc_err simulator_create(const struct sc_system *s, const struct sc_system_options *opt,
                               const struct authority *ca, const struct sc_dh_public *headend, struct sc_diag *diag)
{
    char path[512];
    char hex[2 * sizeof headend->bytes + 1];
    json_t *population = NULL;
    SC_TRY(path_of(path, sizeof path, diag, "%s/progress", s->dir));
    SC_TRY(sc_population_options_to_json(opt->population, &population));
    json_t *c = service_config(sc_system_find(s, "simulator"));
    sc_hex_encode(sc_slice_of(headend->bytes, sizeof headend->bytes), hex);
    json_object_set_new(c, "population", population);
    json_object_set_new(c, "aggregator", address(sc_system_find(s, "aggregator")->port, "aggregator"));
    json_object_set_new(c, "headend", json_string(hex));
    json_object_set_new(c, "loss", json_real(opt->radio_loss));
    json_object_set_new(c, "seed", json_integer((json_int_t)opt->population->seed));
    json_object_set_new(c, "progress", json_string(path));
    return identity_create(s->dir, "simulator", ca, c, diag);
}

/* People and batch tasks: they only connect to the database. */
static sc_err clients_create(const struct sc_system *s, const struct authority *ca, const struct authority *institute,
                             struct sc_diag *diag)
{
    static const char *const names[] = {"operator", "billing", "fraud", "auditor"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        SC_TRY(identity_create(s->dir, names[i], ca, json_pack("{s:o}", "database", database_address(s)), diag));
        SC_TRY(cert_copy(s->dir, names[i], "institute.pem", institute->cert, diag));
    }
    return SC_OK;
}

static sc_err services_choose(struct sc_system *s, const struct sc_system_options *opt, struct sc_diag *diag)
{
    SC_CLEANUP(ports_deinit) struct ports ports = {.next = opt->base_port};
    char name[32];
    SC_TRY(service_add(s, &ports, "cascadb", "cascadb", true, diag));
    SC_TRY(service_add(s, &ports, "mdc", "mdc", true, diag));
    for (size_t i = 1; i <= opt->authenticators; i++) {
        snprintf(name, sizeof name, "authenticator-%zu", i);
        SC_TRY(service_add(s, &ports, name, "authenticator", true, diag));
    }
    SC_TRY(service_add(s, &ports, "aggregator", "aggregator", true, diag));
    if (opt->population != NULL)
        SC_TRY(service_add(s, &ports, "simulator", "simulator", false, diag));
    return SC_OK;
}

static sc_err keys_of_headend(const char *dir, struct sc_key *private_out, struct sc_dh_public *public_out,
                              struct sc_diag *diag)
{
    char path[512];
    char hex[2 * sizeof public_out->bytes + 2];
    sc_dh_generate(private_out, public_out);
    sc_hex_encode(sc_slice_of(public_out->bytes, sizeof public_out->bytes), hex);
    strncat(hex, "\n", 2);
    SC_TRY(path_of(path, sizeof path, diag, "%s/headend.pub", dir));
    return sc_file_write(path, sc_slice_str(hex), 0644, diag);
}

sc_err sc_system_create(const struct sc_system_options *opt, struct sc_system *out, struct sc_diag *diag)
{
    struct stat st;
    char path[512];
    if (opt->authenticators < 1 || opt->authenticators > SC_SYSTEM_AUTHENTICATORS_MAX)
        return sc_fail(diag, SC_E_USAGE, "1 to %d authenticators", SC_SYSTEM_AUTHENTICATORS_MAX);
    SC_TRY(path_of(path, sizeof path, diag, "%s/ca", opt->dir));
    if (stat(path, &st) == 0)
        return sc_fail(diag, SC_E_EXISTS, "%s holds an installation already", opt->dir);
    SC_TRY(sc_dir_make(opt->dir, 0700, diag));
    *out = (struct sc_system){.dir = opt->dir};
    SC_TRY(services_choose(out, opt, diag));

    SC_CLEANUP(authority_deinit) struct authority ca = {0};
    SC_CLEANUP(authority_deinit) struct authority institute = {0};
    SC_CLEANUP(sc_key_wipe) struct sc_key headend;
    struct sc_dh_public headend_public;
    SC_TRY(authority_create(opt->dir, "ca", "SecureCloud local CA", sc_wall_ms(&sc_clock_system) - DAY_MS, &ca, diag));
    /* From 2000 on: it vouches for meters whose recorded data are that old. */
    SC_TRY(authority_create(opt->dir, "institute", "Metrology institute (simulated)", 946684800000, &institute, diag));
    SC_TRY(keys_of_headend(opt->dir, &headend, &headend_public, diag));
    SC_TRY(cascadb_create(out, &ca, diag));
    json_t *mdc = service_config(sc_system_find(out, "mdc"));
    json_object_set_new(mdc, "database", database_address(out));
    SC_TRY(identity_create(opt->dir, "mdc", &ca, mdc, diag));
    SC_TRY(authenticators_create(out, &ca, &institute, &headend, diag));
    SC_TRY(aggregator_create(out, &ca, diag));
    SC_TRY(clients_create(out, &ca, &institute, diag));
    if (opt->population == NULL)
        return SC_OK;
    SC_TRY(simulator_create(out, opt, &ca, &headend_public, diag));
    SC_CLEANUP(sc_cert_freep) struct sc_cert *operator_cert = NULL;
    SC_TRY(path_of(path, sizeof path, diag, "%s/services/operator/cert.pem", opt->dir));
    SC_TRY(sc_cert_read_pem(path, &operator_cert, diag));
    return cert_copy(opt->dir, "simulator", "operator.pem", operator_cert, diag);
}
