#include "cas/history.h"

#include <inttypes.h>

static const char entry_title[] = "securecloud session history v1"; /* with its NUL */
static const char act_title[] = "securecloud session act v1";

void sc_history_entry_deinit(struct sc_history_entry *e)
{
    free(e->signatures);
    e->signatures = NULL;
    e->signature_count = 0;
}

/* u64 version | i64 time | previous (32) | u32 size, text | u16 count * (u16 size, owner | u16 size, signature) */
void sc_history_entry_encode(const struct sc_history_entry *e, struct sc_buf *out)
{
    sc_buf_put_u64be(out, e->version);
    sc_buf_put_u64be(out, (uint64_t)e->time_ms);
    sc_buf_put_bytes(out, sc_slice_of(e->previous.bytes, 32));
    sc_buf_put_lv32(out, e->text);
    sc_buf_put_u16be(out, (uint16_t)e->signature_count);
    for (size_t i = 0; i < e->signature_count; i++) {
        sc_buf_put_lv16(out, sc_slice_str(e->signatures[i].owner));
        sc_buf_put_lv16(out, e->signatures[i].bytes);
    }
}

static sc_err signature_decode(struct sc_reader *r, struct sc_signature *s)
{
    struct sc_slice owner;
    SC_TRY(sc_reader_get_lv16(r, &owner));
    if (owner.size == 0 || owner.size >= sizeof s->owner || memchr(owner.ptr, 0, owner.size) != NULL)
        return SC_E_MALFORMED;
    memcpy(s->owner, owner.ptr, owner.size);
    s->owner[owner.size] = '\0';
    SC_TRY(sc_reader_get_lv16(r, &s->bytes));
    return s->bytes.size <= SC_SIGNATURE_SIZE_MAX ? SC_OK : SC_E_MALFORMED;
}

static sc_err entry_decode(struct sc_reader *r, struct sc_history_entry *e)
{
    uint64_t time_ms = 0;
    uint16_t count = 0;
    SC_TRY(sc_reader_get_u64be(r, &e->version));
    SC_TRY(sc_reader_get_u64be(r, &time_ms));
    e->time_ms = (int64_t)time_ms;
    SC_TRY(sc_reader_copy(r, e->previous.bytes, 32));
    SC_TRY(sc_reader_get_lv32(r, &e->text));
    SC_TRY(sc_reader_get_u16be(r, &count));
    if (e->text.size > SC_SESSION_SIZE_MAX || count > SC_SESSION_LIST_MAX)
        return SC_E_LIMIT;
    e->signatures = calloc((size_t)count + 1, sizeof *e->signatures);
    if (e->signatures == NULL)
        return SC_E_NOMEM;
    for (; e->signature_count < count; e->signature_count++)
        SC_TRY(signature_decode(r, &e->signatures[e->signature_count]));
    return sc_reader_expect_end(r);
}

sc_err sc_history_entry_decode(struct sc_slice bytes, struct sc_history_entry *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_history_entry_deinit) struct sc_history_entry e = {0};
    struct sc_reader r = sc_reader_of(bytes);
    const sc_err err = entry_decode(&r, &e);
    if (err != SC_OK)
        return sc_fail(diag, err, "entry of a session's history");
    *out = e;
    e.signatures = NULL;
    return SC_OK;
}

void sc_history_entry_hash(const struct sc_history_entry *e, struct sc_hash *out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bytes = {0};
    sc_history_entry_encode(e, &bytes);
    SC_ASSERT(sc_buf_status(&bytes) == SC_OK); /* its parts are bounded; a heap without some KiB ends the process */
    const struct sc_slice parts[] = {sc_slice_of(entry_title, sizeof entry_title), sc_buf_slice(&bytes)};
    sc_hash_of_parts(parts, 2, out);
}

/* ---- signatures ---- */
void sc_session_act_message(enum sc_session_act act, const struct sc_hash *session, struct sc_buf *out)
{
    sc_buf_put_bytes(out, sc_slice_of(act_title, sizeof act_title));
    sc_buf_put_u8(out, (uint8_t)act);
    sc_buf_put_bytes(out, sc_slice_of(session->bytes, 32));
}

static const struct sc_session_owner *owner_find(const struct sc_session *s, const char *name)
{
    for (size_t i = 0; i < s->owner_count; i++)
        if (strcmp(s->owners[i].name, name) == 0)
            return &s->owners[i];
    return NULL;
}

sc_err sc_session_act_check(const struct sc_session *by, enum sc_session_act act, const struct sc_hash *session,
                            const struct sc_signature *signature, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf message = {0};
    const struct sc_session_owner *owner = owner_find(by, signature->owner);
    if (owner == NULL)
        return sc_fail(diag, SC_E_AUTH, "\"%s\" is no owner of %s", signature->owner, by->name);
    sc_session_act_message(act, session, &message);
    SC_TRY(sc_buf_status(&message));
    const sc_err err = sc_verifier_check(owner->key, sc_buf_slice(&message), signature->bytes);
    return err == SC_E_AUTH ? sc_fail(diag, err, "this is not the signature of %s over this version", owner->name)
                            : err;
}

sc_err sc_session_quorum_check(const struct sc_session *by, const struct sc_hash *session,
                               const struct sc_signature *signatures, size_t count, struct sc_diag *diag)
{
    for (size_t i = 0; i < count; i++) {
        SC_TRY(sc_session_act_check(by, SC_ACT_APPROVE, session, &signatures[i], diag));
        for (size_t k = 0; k < i; k++)
            if (strcmp(signatures[i].owner, signatures[k].owner) == 0)
                return sc_fail(diag, SC_E_AUTH, "%s signed twice", signatures[i].owner);
    }
    if (count < by->threshold)
        return sc_fail(diag, SC_E_AUTH, "%zu of %zu owners signed, %zu must", count, by->owner_count, by->threshold);
    return SC_OK;
}

/* ---- the judge ---- */
void sc_history_judge_deinit(struct sc_history_judge *j)
{
    sc_session_free(j->newest);
    *j = (struct sc_history_judge){0};
}

static sc_err judge_link(const struct sc_history_judge *j, const struct sc_session *s, const struct sc_history_entry *e,
                         struct sc_diag *diag)
{
    if (e->version != j->version + 1 || memcmp(e->previous.bytes, j->entry.bytes, 32) != 0)
        return sc_fail(diag, SC_E_AUTH, "version %" PRIu64 " does not follow version %" PRIu64, e->version, j->version);
    if (j->newest == NULL)
        return s->has_predecessor ? sc_fail(diag, SC_E_AUTH, "the first version names a predecessor") : SC_OK;
    if (strcmp(s->name, j->newest->name) != 0)
        return sc_fail(diag, SC_E_AUTH, "version %" PRIu64 " is of session %s", e->version, s->name);
    if (!s->has_predecessor || memcmp(s->predecessor.bytes, j->newest->hash.bytes, 32) != 0)
        return sc_fail(diag, SC_E_AUTH, "version %" PRIu64 " replaces another version than %" PRIu64, e->version,
                       j->version);
    return SC_OK;
}

sc_err sc_history_judge_next(struct sc_history_judge *j, const struct sc_session *root,
                             const struct sc_history_entry *e, struct sc_diag *diag)
{
    SC_CLEANUP(sc_session_freep) const struct sc_session *s = NULL;
    SC_TRY(sc_context(diag, sc_session_parse(e->text, &s, diag), "version %" PRIu64, e->version));
    SC_TRY(judge_link(j, s, e, diag));
    const struct sc_session *by = j->newest != NULL ? j->newest : root != NULL ? root : s;
    SC_TRY(sc_context(diag, sc_session_quorum_check(by, &s->hash, e->signatures, e->signature_count, diag),
                      "version %" PRIu64, e->version));
    sc_session_free(j->newest);
    j->newest = SC_TAKE(s);
    j->version = e->version;
    sc_history_entry_hash(e, &j->entry);
    return SC_OK;
}
