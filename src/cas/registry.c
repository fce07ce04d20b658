/* Keys:  h/<session>            the newest version's number (u64) and entry hash
 *        v/<session>/<u64 be>   an entry of the history
 *        q/<session>            what is pending: an entry whose version and previous are not settled yet
 *        n/<namespace>          the session that claimed it
 *        c/<session>/<volume>   a counter (u64) */
#include "cas/registry.h"

#include <inttypes.h>
#include <stdio.h>

static void make_key(struct sc_buf *out, char kind, const char *name)
{
    sc_buf_reset(out);
    sc_buf_put_u8(out, (uint8_t)kind);
    sc_buf_put_u8(out, '/');
    sc_buf_put_str(out, name);
}

static void make_version_key(struct sc_buf *out, const char *session, uint64_t version)
{
    make_key(out, 'v', session);
    sc_buf_put_u8(out, '/');
    sc_buf_put_u64be(out, version);
}

struct change { /* one transaction over the registry */
    struct sc_registry *r;
    struct sc_kvs_txn *txn;
    const struct sc_session *current; /* NULL: there is none */
    const struct sc_session *by;      /* whose owners decide; NULL: the session's own (a namespace is claimed) */
    uint64_t version;
    struct sc_hash entry;
    struct sc_diag *diag;
};

static void change_deinit(struct change *c)
{
    if (c->txn != NULL)
        sc_kvs_txn_abort(c->txn);
    if (c->by != c->current)
        sc_session_free(c->by);
    sc_session_free(c->current);
}

static sc_err get(struct change *c, const struct sc_buf *key, struct sc_buf *out)
{
    sc_buf_reset(out);
    return sc_kvs_txn_get(c->txn, sc_buf_slice(key), out, c->diag);
}

/* The current version of a session within the transaction; SC_E_NOT_FOUND without a story. */
static sc_err load_current(struct change *c, const char *name, uint64_t *version, struct sc_hash *entry_hash,
                           const struct sc_session **out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_wipe) struct sc_buf value = {0};
    SC_CLEANUP(sc_history_entry_deinit) struct sc_history_entry e = {0};
    struct sc_diag quiet = {0};
    make_key(&key, 'h', name);
    const sc_err err = sc_kvs_txn_get(c->txn, sc_buf_slice(&key), &value, &quiet);
    if (err != SC_OK)
        return err == SC_E_NOT_FOUND ? err : sc_fail(c->diag, err, "%s", sc_diag_text(&quiet, err));
    struct sc_reader r = sc_reader_of(sc_buf_slice(&value));
    SC_TRY(sc_reader_get_u64be(&r, version));
    SC_TRY(sc_reader_copy(&r, entry_hash->bytes, 32));
    make_version_key(&key, name, *version);
    SC_TRY(get(c, &key, &value));
    SC_TRY(sc_history_entry_decode(sc_buf_slice(&value), &e, c->diag));
    return sc_session_parse(e.text, out, c->diag);
}

static sc_err load_namespace(struct change *c, const char *space)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf root = {0};
    struct sc_diag quiet = {0};
    uint64_t version;
    struct sc_hash entry;
    make_key(&key, 'n', space);
    const sc_err err = sc_kvs_txn_get(c->txn, sc_buf_slice(&key), &root, &quiet);
    if (err == SC_E_NOT_FOUND)
        return SC_OK; /* unclaimed: the session's own owners decide */
    if (err != SC_OK)
        return sc_fail(c->diag, err, "%s", sc_diag_text(&quiet, err));
    return load_current(c, sc_buf_cstr(&root), &version, &entry, &c->by);
}

static sc_err change_begin(struct change *c, const char *session)
{
    SC_TRY(sc_kvs_txn_begin(c->r->kvs, &c->txn));
    sc_kvs_txn_track_reads(c->txn);
    const sc_err err = load_current(c, session, &c->version, &c->entry, &c->current);
    if (err != SC_OK && err != SC_E_NOT_FOUND)
        return err;
    c->by = c->current;
    if (c->current != NULL)
        return SC_OK;
    char space[SC_SESSION_NAME_MAX + 1];
    snprintf(space, sizeof space, "%s", session);
    space[strcspn(space, "/")] = '\0';
    return load_namespace(c, space);
}

static sc_err change_commit(struct change *c)
{
    return sc_kvs_txn_commit(SC_TAKE(c->txn), true, c->diag);
}

static bool has_signed(const struct sc_history_entry *e, const char *owner)
{
    for (size_t i = 0; i < e->signature_count; i++)
        if (strcmp(e->signatures[i].owner, owner) == 0)
            return true;
    return false;
}

static void describe(const struct sc_session *by, const struct sc_session *s, const struct sc_history_entry *e,
                     enum sc_change_state state, struct sc_change *out)
{
    *out = (struct sc_change){.state = state, .hash = s->hash, .threshold = by->threshold};
    snprintf(out->session, sizeof out->session, "%s", s->name);
    for (size_t i = 0; i < by->owner_count; i++) {
        const char *name = by->owners[i].name;
        if (has_signed(e, name))
            snprintf(out->signers[out->signed_count++], 64, "%s", name);
        else
            snprintf(out->missing[out->missing_count++], 64, "%s", name);
    }
}

/* ---- letting a version in ---- */
static sc_err put_current(struct change *c, const struct sc_session *s, struct sc_history_entry *e)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_wipe) struct sc_buf value = {0};
    struct sc_hash hash;
    e->version = c->version + 1;
    e->previous = c->entry;
    e->time_ms = sc_wall_ms(c->r->clock);
    sc_history_entry_encode(e, &value);
    SC_TRY(sc_buf_status(&value));
    make_version_key(&key, s->name, e->version);
    SC_TRY(sc_kvs_txn_put(c->txn, sc_buf_slice(&key), sc_buf_slice(&value)));
    sc_history_entry_hash(e, &hash);
    sc_buf_reset(&value);
    sc_buf_put_u64be(&value, e->version);
    sc_buf_put_bytes(&value, sc_slice_of(hash.bytes, 32));
    make_key(&key, 'h', s->name);
    SC_TRY(sc_kvs_txn_put(c->txn, sc_buf_slice(&key), sc_buf_slice(&value)));
    if (c->by == NULL) {
        make_key(&key, 'n', s->space);
        SC_TRY(sc_kvs_txn_put(c->txn, sc_buf_slice(&key), sc_slice_str(s->name)));
    }
    make_key(&key, 'q', s->name);
    return sc_kvs_txn_delete(c->txn, sc_buf_slice(&key));
}

static sc_err put_pending(struct change *c, const struct sc_session *s, const struct sc_history_entry *e)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_wipe) struct sc_buf value = {0};
    sc_history_entry_encode(e, &value);
    SC_TRY(sc_buf_status(&value));
    make_key(&key, 'q', s->name);
    return sc_kvs_txn_put(c->txn, sc_buf_slice(&key), sc_buf_slice(&value));
}

static sc_err put(struct change *c, const struct sc_session *s, struct sc_history_entry *e, struct sc_change *out)
{
    const struct sc_session *by = c->by != NULL ? c->by : s;
    const bool enough = e->signature_count >= by->threshold;
    if (enough)
        SC_TRY(sc_session_quorum_check(by, &s->hash, e->signatures, e->signature_count, c->diag));
    SC_TRY(enough ? put_current(c, s, e) : put_pending(c, s, e));
    describe(by, s, e, enough ? SC_CHANGE_CURRENT : SC_CHANGE_PENDING, out);
    return change_commit(c);
}

static sc_err check_predecessor(const struct change *c, const struct sc_session *s)
{
    if (c->current == NULL)
        return s->has_predecessor
                   ? sc_fail(c->diag, SC_E_CONFLICT, "%s names a predecessor, but there is none", s->name)
                   : SC_OK;
    if (!s->has_predecessor)
        return sc_fail(c->diag, SC_E_CONFLICT, "%s exists: a change names its predecessor's hash", s->name);
    if (memcmp(s->predecessor.bytes, c->current->hash.bytes, 32) != 0)
        return sc_fail(c->diag, SC_E_CONFLICT, "%s: the predecessor that is named is not the current version %" PRIu64,
                       s->name, c->version);
    return SC_OK;
}

static sc_err refuse_second(struct change *c, const char *session)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    make_key(&key, 'q', session);
    struct sc_diag quiet = {0};
    const sc_err err = sc_kvs_txn_get(c->txn, sc_buf_slice(&key), NULL, &quiet);
    if (err == SC_OK)
        return sc_fail(c->diag, SC_E_EXISTS, "%s: another change is pending: sign that one, or withdraw it", session);
    return err == SC_E_NOT_FOUND ? SC_OK : sc_fail(c->diag, err, "%s", sc_diag_text(&quiet, err));
}

sc_err sc_registry_propose(struct sc_registry *r, struct sc_slice text, const struct sc_signature *signature,
                           struct sc_change *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_session_freep) const struct sc_session *s = NULL;
    SC_CLEANUP(change_deinit) struct change c = {.r = r, .diag = diag};
    struct sc_signature copy = *signature;
    struct sc_history_entry e = {
        .time_ms = sc_wall_ms(r->clock), .text = text, .signatures = &copy, .signature_count = 1};
    SC_TRY(sc_session_parse(text, &s, diag));
    SC_TRY(change_begin(&c, s->name));
    SC_TRY(sc_session_act_check(c.by != NULL ? c.by : s, SC_ACT_APPROVE, &s->hash, signature, diag));
    SC_TRY(check_predecessor(&c, s));
    SC_TRY(refuse_second(&c, s->name));
    return put(&c, s, &e, out);
}

/* What is pending: e borrows from bytes. */
static sc_err load_pending(struct change *c, const char *session, struct sc_buf *bytes, struct sc_history_entry *e,
                           const struct sc_session **s)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    struct sc_diag quiet = {0};
    if (!sc_session_name_valid(session))
        return sc_fail(c->diag, SC_E_USAGE, "no name of a session");
    make_key(&key, 'q', session);
    const sc_err err = sc_kvs_txn_get(c->txn, sc_buf_slice(&key), bytes, &quiet);
    if (err == SC_E_NOT_FOUND)
        return sc_fail(c->diag, err, "%s: no change is pending", session);
    if (err != SC_OK)
        return sc_fail(c->diag, err, "%s", sc_diag_text(&quiet, err));
    SC_TRY(sc_history_entry_decode(sc_buf_slice(bytes), e, c->diag));
    return sc_session_parse(e->text, s, c->diag);
}

static sc_err expect_hash(const struct sc_session *s, const struct sc_hash *hash, struct sc_diag *diag)
{
    if (memcmp(s->hash.bytes, hash->bytes, 32) != 0)
        return sc_fail(diag, SC_E_CONFLICT, "%s: another change is pending than the one named", s->name);
    return SC_OK;
}

sc_err sc_registry_sign(struct sc_registry *r, const char *session, const struct sc_hash *hash,
                        const struct sc_signature *signature, struct sc_change *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf bytes = {0};
    SC_CLEANUP(sc_session_freep) const struct sc_session *s = NULL;
    SC_CLEANUP(sc_history_entry_deinit) struct sc_history_entry e = {0};
    SC_CLEANUP(change_deinit) struct change c = {.r = r, .diag = diag};
    SC_TRY(change_begin(&c, session));
    SC_TRY(load_pending(&c, session, &bytes, &e, &s));
    SC_TRY(expect_hash(s, hash, diag));
    SC_TRY(sc_session_act_check(c.by != NULL ? c.by : s, SC_ACT_APPROVE, hash, signature, diag));
    if (has_signed(&e, signature->owner))
        return sc_fail(diag, SC_E_EXISTS, "%s has signed it already", signature->owner);
    SC_TRY(check_predecessor(&c, s));
    struct sc_signature *list = reallocarray(e.signatures, e.signature_count + 1, sizeof *list);
    if (list == NULL)
        return SC_E_NOMEM;
    e.signatures = list;
    e.signatures[e.signature_count++] = *signature;
    return put(&c, s, &e, out);
}

sc_err sc_registry_withdraw(struct sc_registry *r, const char *session, const struct sc_hash *hash,
                            const struct sc_signature *signature, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf bytes = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_session_freep) const struct sc_session *s = NULL;
    SC_CLEANUP(sc_history_entry_deinit) struct sc_history_entry e = {0};
    SC_CLEANUP(change_deinit) struct change c = {.r = r, .diag = diag};
    SC_TRY(change_begin(&c, session));
    SC_TRY(load_pending(&c, session, &bytes, &e, &s));
    SC_TRY(expect_hash(s, hash, diag));
    SC_TRY(sc_session_act_check(c.by != NULL ? c.by : s, SC_ACT_WITHDRAW, hash, signature, diag));
    make_key(&key, 'q', session);
    SC_TRY(sc_kvs_txn_delete(c.txn, sc_buf_slice(&key)));
    return change_commit(&c);
}

sc_err sc_registry_pending(struct sc_registry *r, const char *session, struct sc_change *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf bytes = {0};
    SC_CLEANUP(sc_session_freep) const struct sc_session *s = NULL;
    SC_CLEANUP(sc_history_entry_deinit) struct sc_history_entry e = {0};
    SC_CLEANUP(change_deinit) struct change c = {.r = r, .diag = diag};
    SC_TRY(change_begin(&c, session));
    SC_TRY(load_pending(&c, session, &bytes, &e, &s));
    describe(c.by != NULL ? c.by : s, s, &e, SC_CHANGE_PENDING, out);
    return SC_OK;
}

/* ---- reading ---- */
sc_err sc_registry_current(struct sc_registry *r, const char *session, const struct sc_session **out,
                           struct sc_diag *diag)
{
    SC_CLEANUP(change_deinit) struct change c = {.r = r, .diag = diag};
    if (!sc_session_name_valid(session))
        return sc_fail(diag, SC_E_USAGE, "no name of a session");
    SC_TRY(sc_kvs_txn_begin(r->kvs, &c.txn));
    const sc_err err = load_current(&c, session, &c.version, &c.entry, &c.current);
    if (err == SC_E_NOT_FOUND)
        return sc_fail(diag, err, "there is no session %s", session);
    SC_TRY(err);
    *out = SC_TAKE(c.current);
    return SC_OK;
}

sc_err sc_registry_history(struct sc_registry *r, const char *session, sc_history_fn each, void *arg,
                           struct sc_diag *diag)
{
    SC_CLEANUP(change_deinit) struct change c = {.r = r, .diag = diag};
    if (!sc_session_name_valid(session))
        return sc_fail(diag, SC_E_USAGE, "no name of a session");
    SC_TRY(sc_kvs_txn_begin(r->kvs, &c.txn));
    const sc_err err = load_current(&c, session, &c.version, &c.entry, &c.current);
    if (err == SC_E_NOT_FOUND)
        return sc_fail(diag, err, "there is no session %s", session);
    SC_TRY(err);
    for (uint64_t version = 1; version <= c.version; version++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
        SC_CLEANUP(sc_buf_wipe) struct sc_buf value = {0};
        SC_CLEANUP(sc_history_entry_deinit) struct sc_history_entry e = {0};
        make_version_key(&key, session, version);
        SC_TRY(get(&c, &key, &value));
        SC_TRY(sc_history_entry_decode(sc_buf_slice(&value), &e, diag));
        SC_TRY(each(arg, &e));
    }
    return SC_OK;
}

/* ---- counters ---- */
static sc_err counter_get(struct change *c, const char *session, const char *volume, struct sc_buf *key, uint64_t *out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    struct sc_diag quiet = {0};
    make_key(key, 'c', session);
    sc_buf_put_u8(key, '/');
    sc_buf_put_str(key, volume);
    const sc_err err = sc_kvs_txn_get(c->txn, sc_buf_slice(key), &value, &quiet);
    *out = 0;
    if (err == SC_E_NOT_FOUND)
        return SC_OK;
    if (err != SC_OK || value.size != 8)
        return sc_fail(c->diag, err != SC_OK ? err : SC_E_MALFORMED, "counter of volume %s", volume);
    *out = sc_load_u64be(value.ptr);
    return SC_OK;
}

sc_err sc_registry_counter_read(struct sc_registry *r, const char *session, const char *volume, uint64_t *out,
                                struct sc_diag *diag)
{
    SC_CLEANUP(change_deinit) struct change c = {.r = r, .diag = diag};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_TRY(sc_kvs_txn_begin(r->kvs, &c.txn));
    return counter_get(&c, session, volume, &key, out);
}

sc_err sc_registry_counter_advance(struct sc_registry *r, const char *session, const char *volume, uint64_t from,
                                   uint64_t to, struct sc_diag *diag)
{
    SC_CLEANUP(change_deinit) struct change c = {.r = r, .diag = diag};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    uint64_t stands = 0;
    uint8_t value[8];
    SC_TRY(sc_kvs_txn_begin(r->kvs, &c.txn));
    SC_TRY(counter_get(&c, session, volume, &key, &stands));
    if (stands != from || to <= from)
        return sc_fail(diag, SC_E_CONFLICT,
                       "counter of volume %s stands at %" PRIu64 ", not at %" PRIu64 ": another writer uses it", volume,
                       stands, from);
    sc_store_u64be(value, to);
    SC_TRY(sc_kvs_txn_put(c.txn, sc_buf_slice(&key), sc_slice_of(value, 8)));
    return change_commit(&c);
}
