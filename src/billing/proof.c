#include "billing/proof.h"

#include "metering/schema.h"

#include <inttypes.h>

#define BLOB_SIZE_MAX ((size_t)65536)

static json_t *hex_of(struct sc_slice s)
{
    SC_CLEANUP(sc_freep) char *text = malloc(2 * s.size + 1);
    if (text == NULL)
        return NULL;
    sc_hex_encode(s, text);
    return json_string(text);
}

static void put(json_t *obj, bool *ok, const char *name, json_t *value)
{
    if (json_object_set_new(obj, name, value) != 0)
        *ok = false;
}

sc_err sc_proof_to_json(const struct sc_proof *proof, json_t **out)
{
    bool ok = true;
    SC_CLEANUP(sc_json_freep) json_t *doc = json_object();
    SC_CLEANUP(sc_buf_deinit) struct sc_buf statement = {0};
    sc_reading_encode(&proof->reading, &statement);
    SC_TRY(sc_buf_status(&statement));
    json_t *path = json_array();
    for (size_t i = 0; i < proof->path_count; i++)
        ok = json_array_append_new(path, hex_of(sc_slice_of(proof->path[i].bytes, SC_HASH_SIZE))) == 0 && ok;
    char time[SC_TIME_TEXT_SIZE];
    put(doc, &ok, "format", json_string("securecloud-proof"));
    put(doc, &ok, "version", json_integer(1));
    put(doc, &ok, "customer", json_integer(proof->client_id));
    put(doc, &ok, "at", json_string(sc_time_text(proof->reading.start_ms, time)));
    put(doc, &ok, "measurement_hash", hex_of(sc_slice_of(proof->measurement_hash.bytes, SC_HASH_SIZE)));
    put(doc, &ok, "index", json_integer((json_int_t)proof->index));
    put(doc, &ok, "tree_size", json_integer((json_int_t)proof->tree_size));
    put(doc, &ok, "path", path);
    put(doc, &ok, "statement", hex_of(sc_buf_slice(&statement)));
    put(doc, &ok, "signature", hex_of(proof->signature));
    put(doc, &ok, "certificate", hex_of(proof->certificate));
    if (!ok)
        return SC_E_NOMEM;
    *out = SC_TAKE(doc);
    return SC_OK;
}

/* ---- checking ---- */

static sc_err get_hex(const json_t *doc, const char *name, struct sc_buf *out, struct sc_diag *diag)
{
    const char *text;
    SC_TRY(sc_json_get_str(doc, name, &text, diag));
    const size_t size = strlen(text) / 2;
    uint8_t *to = size <= BLOB_SIZE_MAX ? sc_buf_extend(out, size) : NULL;
    if (to == NULL || sc_hex_decode(text, to, size) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "member \"%s\": at most %zu bytes in hexadecimal expected", name,
                       BLOB_SIZE_MAX);
    return SC_OK;
}

static sc_err get_path(const json_t *doc, struct sc_hash *path, size_t *count_out, struct sc_diag *diag)
{
    const json_t *list = json_object_get(doc, "path");
    if (!json_is_array(list) || json_array_size(list) > SC_MERKLE_DEPTH_MAX)
        return sc_fail(diag, SC_E_MALFORMED, "member \"path\": a list of at most %d hashes expected",
                       SC_MERKLE_DEPTH_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL || sc_hex_decode(text, path[i].bytes, SC_HASH_SIZE) != SC_OK)
            return sc_fail(diag, SC_E_MALFORMED, "member \"path\": hash %zu", i);
    }
    *count_out = json_array_size(list);
    return SC_OK;
}

static sc_err check_meter(const json_t *doc, const struct sc_reading *r, struct sc_slice statement,
                          const struct sc_cert *institute, int64_t *client_id_out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf der = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf signature = {0};
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *key = NULL;
    char uri[128];
    uint32_t serial;
    uint64_t client_id;
    SC_TRY(get_hex(doc, "certificate", &der, diag));
    SC_TRY(get_hex(doc, "signature", &signature, diag));
    SC_TRY(sc_cert_from_der(sc_buf_slice(&der), &cert, diag));
    SC_TRY(sc_cert_verify(cert, institute, r->start_ms, diag));
    SC_TRY(sc_cert_uri(cert, uri, sizeof uri, diag));
    if (sc_meter_urn_parse(uri, &serial, &client_id) != SC_OK || serial != r->meter)
        return sc_fail(diag, SC_E_AUTH, "the certificate is for %s, the reading is meter %08" PRIu32 "'s", uri,
                       r->meter);
    SC_TRY(sc_cert_verifier(cert, &key, diag));
    if (sc_verifier_check(key, statement, sc_buf_slice(&signature)) != SC_OK)
        return sc_fail(diag, SC_E_AUTH, "the meter did not sign this statement");
    *client_id_out = (int64_t)client_id;
    return SC_OK;
}

sc_err sc_proof_check(const json_t *doc, const struct sc_hash *hash, const struct sc_cert *institute,
                      struct sc_proven *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf statement = {0};
    struct sc_proven p = {0};
    struct sc_hash path[SC_MERKLE_DEPTH_MAX], leaf;
    size_t path_count = 0;
    const char *format;
    int64_t version, client_id, index, tree_size, certified = 0;
    SC_TRY(sc_json_get_str(doc, "format", &format, diag));
    if (strcmp(format, "securecloud-proof") != 0)
        return sc_fail(diag, SC_E_MALFORMED, "\"format\": not a proof");
    SC_TRY(sc_json_get_int(doc, "version", 1, 1, &version, diag));
    SC_TRY(sc_json_get_int(doc, "customer", 0, INT64_MAX, &client_id, diag));
    SC_TRY(sc_json_get_int(doc, "index", 0, INT64_MAX, &index, diag));
    SC_TRY(sc_json_get_int(doc, "tree_size", 1, INT64_MAX, &tree_size, diag));
    SC_TRY(get_path(doc, path, &path_count, diag));
    SC_TRY(get_hex(doc, "statement", &statement, diag));
    if (sc_reading_decode(sc_buf_slice(&statement), &p.reading) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "member \"statement\": not a reading");
    SC_TRY(check_meter(doc, &p.reading, sc_buf_slice(&statement), institute, &certified, diag));
    if (certified != client_id)
        return sc_fail(diag, SC_E_AUTH, "the meter is customer %" PRId64 "'s, the proof says %" PRId64, certified,
                       client_id);
    sc_merkle_leaf_hash(sc_buf_slice(&statement), &leaf);
    if (sc_merkle_path_check(&leaf, (uint64_t)index, (uint64_t)tree_size, path, path_count, hash) != SC_OK)
        return sc_fail(diag, SC_E_AUTH, "the reading is not under this measurement hash");
    p.client_id = certified;
    p.index = (uint64_t)index;
    p.tree_size = (uint64_t)tree_size;
    *out = p;
    return SC_OK;
}
