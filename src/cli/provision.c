/* The meters of an installation: keys, the institute's certificates, and their rows in the database. */
#include "base/file.h"
#include "cli/system.h"
#include "collection/orders.h"
#include "metering/electrical.h"
#include "metering/reading.h"
#include "service/db.h"

#include <inttypes.h>
#include <stdio.h>

#define CERT_FROM_MS  INT64_C(946684800000)  /* 2000-01-01 */
#define CERT_UNTIL_MS INT64_C(2524608000000) /* 2050-01-01 */

sc_err sc_meter_keys_parse(const char *name, enum sc_meter_keys *out)
{
    static const char *const names[] = {"mixed", "ed25519", "p256", "rsa2048"};
    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (enum sc_meter_keys)i;
            return SC_OK;
        }
    return SC_E_USAGE;
}

/* Mixed: as in a field that grew over years; few with RSA, whose signatures take the longest. */
static enum sc_sign_alg alg_of(enum sc_meter_keys keys, size_t index)
{
    switch (keys) {
    case SC_METER_KEYS_ED25519:
        return SC_SIGN_ED25519;
    case SC_METER_KEYS_P256:
        return SC_SIGN_P256;
    case SC_METER_KEYS_RSA2048:
        return SC_SIGN_RSA2048;
    case SC_METER_KEYS_MIXED:
        break;
    }
    return index == 0 ? SC_SIGN_RSA2048 : index % 4 == 1 ? SC_SIGN_ED25519 : SC_SIGN_P256;
}

struct institute {
    struct sc_signer *key;
    struct sc_cert *cert;
};

static void institute_deinit(struct institute *i)
{
    sc_signer_free(i->key);
    sc_cert_free(i->cert);
}

static sc_err institute_load(const char *dir, struct institute *out, struct sc_diag *diag)
{
    char path[512];
    snprintf(path, sizeof path, "%s/institute/institute.key.pem", dir);
    SC_TRY(sc_signer_read_pem(path, &out->key, diag));
    snprintf(path, sizeof path, "%s/institute/institute.pem", dir);
    return sc_cert_read_pem(path, &out->cert, diag);
}

static sc_err certify(const struct institute *institute, const struct sc_customer *c, const struct sc_signer *key,
                      struct sc_cert **out, struct sc_diag *diag)
{
    char urn[SC_METER_URN_SIZE];
    char name[32];
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *public_key = NULL;
    SC_TRY(sc_verifier_of_signer(key, &public_key));
    snprintf(name, sizeof name, "Meter %08" PRIu32, c->meter);
    const struct sc_cert_request req = {.common_name = name,
                                        .uri = sc_meter_urn_format(c->meter, c->client_id, urn),
                                        .subject_key = public_key,
                                        .not_before_ms = CERT_FROM_MS,
                                        .not_after_ms = CERT_UNTIL_MS};
    return sc_cert_issue(&req, institute->cert, institute->key, out, diag);
}

static sc_err insert_customer(PGconn *db, const struct sc_customer *c, const struct sc_electrical_config *e,
                              struct sc_diag *diag)
{
    char id[24];
    char phases[8];
    char volt[32];
    char peak[32];
    char contracted[32];
    char meter[16];
    snprintf(id, sizeof id, "%" PRIu64, c->client_id);
    snprintf(phases, sizeof phases, "%u", e->phases);
    snprintf(volt, sizeof volt, "%.17g", e->nominal_v);
    snprintf(peak, sizeof peak, "%.17g", c->contracted_peak_kw);
    snprintf(contracted, sizeof contracted, "%.17g", c->contracted_kw);
    snprintf(meter, sizeof meter, "%" PRIu32, c->meter);
    const char *const values[] = {id,
                                  c->name,
                                  sc_customer_class_name(c->customer_class),
                                  sc_modality_name(c->modality),
                                  phases,
                                  volt,
                                  peak,
                                  contracted,
                                  meter};
    SC_CLEANUP(sc_db_result_freep)
    PGresult *res =
        PQexecParams(db,
                     "INSERT INTO customer(client_id, name, class, modality, phases, nominal_v, contracted_peak_kw,"
                     " contracted_kw, meter) VALUES($1,$2,$3,$4,$5,$6,$7,$8,$9)",
                     9, (const Oid[]){20, 25, 25, 25, 20, 701, 701, 701, 20}, values, NULL, NULL, 0);
    return sc_db_check(db, res, "table customer", diag);
}

static sc_err insert_meter(PGconn *db, const struct sc_customer *c, struct sc_slice certificate,
                           const struct sc_dh_public *agreement, uint32_t interval_s, int64_t installed_ms,
                           struct sc_diag *diag)
{
    uint8_t words[4][8];
    sc_store_u64be(words[0], c->meter);
    sc_store_u64be(words[1], c->client_id);
    sc_store_u64be(words[2], interval_s);
    sc_store_u64be(words[3], (uint64_t)installed_ms);
    const char *const values[] = {(const char *)words[0],         (const char *)words[1], (const char *)certificate.ptr,
                                  (const char *)agreement->bytes, (const char *)words[2], (const char *)words[3]};
    const int sizes[] = {8, 8, (int)certificate.size, (int)sizeof agreement->bytes, 8, 8};
    const int formats[] = {1, 1, 1, 1, 1, 1};
    SC_CLEANUP(sc_db_result_freep)
    PGresult *res =
        PQexecParams(db,
                     "INSERT INTO meter(serial, client_id, certificate, agreement_key, interval_s, installed_ms)"
                     " VALUES($1,$2,$3,$4,$5,$6)",
                     6, (const Oid[]){20, 20, 17, 17, 20, 20}, values, sizes, formats, 0);
    return sc_db_check(db, res, "table meter", diag);
}

/* The simulator's side: the meter's private keys. */
static sc_err keys_append(json_t *list, const struct sc_customer *c, const struct sc_signer *key,
                          const struct sc_cert *cert, const struct sc_key *agreement)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf key_pem = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf cert_pem = {0};
    char hex[2 * sizeof agreement->bytes + 1];
    SC_TRY(sc_signer_to_pem(key, &key_pem));
    SC_TRY(sc_cert_to_pem(cert, &cert_pem));
    sc_hex_encode(sc_slice_of(agreement->bytes, sizeof agreement->bytes), hex);
    json_t *entry = json_pack("{s:I, s:s, s:s, s:s}", "serial", (json_int_t)c->meter, "key", sc_buf_cstr(&key_pem),
                              "certificate", sc_buf_cstr(&cert_pem), "agreement", hex);
    explicit_bzero(hex, sizeof hex);
    return entry != NULL && json_array_append_new(list, entry) == 0 ? SC_OK : SC_E_NOMEM;
}

static sc_err meter_install(PGconn *db, const struct institute *institute, const struct sc_population *p, size_t index,
                            enum sc_meter_keys keys, json_t *list, struct sc_diag *diag)
{
    const struct sc_customer *c = sc_population_customer(p, index);
    struct sc_electrical_config e;
    SC_CLEANUP(sc_signer_freep) struct sc_signer *key = NULL;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf der = {0};
    SC_CLEANUP(sc_key_wipe) struct sc_key agreement;
    struct sc_dh_public agreement_public;
    sc_dh_generate(&agreement, &agreement_public);
    SC_TRY(sc_signer_generate(alg_of(keys, index), &key, diag));
    SC_TRY(certify(institute, c, key, &cert, diag));
    SC_TRY(sc_cert_to_der(cert, &der));
    sc_electrical_suggest(c->customer_class, c->peak_kw, &e);
    SC_TRY(insert_customer(db, c, &e, diag));
    SC_TRY(insert_meter(db, c, sc_buf_slice(&der), &agreement_public, sc_population_interval_s(p),
                        sc_population_first_ms(p), diag));
    return keys_append(list, c, key, cert, &agreement);
}

static sc_err write_private_json(const char *path, const json_t *doc, struct sc_diag *diag)
{
    char *text = json_dumps(doc, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    if (text == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s", path);
    const sc_err err = sc_file_write(path, sc_slice_str(text), 0600, diag);
    explicit_bzero(text, strlen(text));
    free(text);
    return err;
}

sc_err sc_system_provision(const struct sc_system *s, const struct sc_population *p, enum sc_meter_keys keys,
                           void (*progress)(void *arg, size_t done, size_t total), void *arg, struct sc_diag *diag)
{
    char path[512];
    snprintf(path, sizeof path, "%s/services/operator", s->dir);
    SC_CLEANUP(institute_deinit) struct institute institute = {0};
    SC_CLEANUP(sc_identity_freep) struct sc_identity *id = NULL;
    SC_CLEANUP(sc_db_freep) PGconn *db = NULL;
    SC_CLEANUP(sc_json_freep) json_t *list = json_array();
    SC_TRY(institute_load(s->dir, &institute, diag));
    SC_TRY(sc_identity_load(path, &id, diag));
    SC_TRY(sc_db_connect_wait(id, 10000, &db, diag));
    SC_TRY(sc_db_exec(db, sc_customer_create_table, diag));
    SC_TRY(sc_db_exec(db, sc_meter_create_table, diag));
    SC_TRY(sc_db_exec(db, sc_reading_create_table, diag));
    SC_TRY(sc_db_exec(db, sc_load_order_create_table, diag));
    SC_TRY(sc_db_exec(db, "BEGIN", diag));
    const size_t count = sc_population_count(p);
    for (size_t i = 0; i < count; i++) {
        SC_TRY(meter_install(db, &institute, p, i, keys, list, diag));
        if (progress != NULL)
            progress(arg, i + 1, count);
    }
    SC_TRY(sc_db_exec(db, "COMMIT", diag));
    snprintf(path, sizeof path, "%s/services/simulator/meters.json", s->dir);
    return write_private_json(path, list, diag);
}
