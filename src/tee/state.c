#include "tee/state.h"

#include "base/file.h"
#include "tee/box.h"
#include "tee/tpm.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNTERS_MAGIC "SCCNT001"
#define COUNTERS_HEAD  ((size_t)20) /* magic (8), epoch (8), count (4) */
#define STATE_FILE_MAX ((size_t)8 << 20)

struct counter {
    struct tee_owner owner;
    uint8_t name[SC_TEE_COUNTER_NAME_MAX];
    size_t name_size;
    uint64_t value;
};

struct tee_state {
    char *dir;
    struct tee_tpm *tpm;
    struct sc_secmem *memory; /* the sealing root */
    struct tee_platform *platform;
    uint64_t epoch;
    struct counter *counters;
    size_t count, capacity;
    bool broken; /* a write failed: what the next start finds is unknown */
};

void tee_state_free(struct tee_state *s)
{
    if (s == NULL)
        return;
    tee_tpm_free(s->tpm);
    sc_secmem_free(s->memory);
    tee_platform_free(s->platform);
    free(s->counters);
    free(s->dir);
    free(s);
}

void tee_state_freep(struct tee_state **s)
{
    tee_state_free(*s);
}

const char *tee_state_memory_kind(const struct tee_state *s)
{
    return sc_secmem_kind(s->memory);
}

const struct tee_platform *tee_state_platform(const struct tee_state *s)
{
    return s->platform;
}

static struct sc_key *root_of(struct tee_state *s)
{
    return (struct sc_key *)(void *)sc_secmem_ptr(s->memory);
}

static char *path_of(const struct tee_state *s, const char *name)
{
    return sc_path_join(s->dir, name);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* ---- the counters' file: magic | epoch | count | count * (owner (32), u8 size, name, value) | HMAC ---- */
static void counters_encode(struct tee_state *s, uint64_t epoch, struct sc_buf *out)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key key = {0};
    uint8_t mac[32];
    sc_buf_put_bytes(out, sc_slice_of(COUNTERS_MAGIC, 8));
    sc_buf_put_u64be(out, epoch);
    sc_buf_put_u32be(out, (uint32_t)s->count);
    for (size_t i = 0; i < s->count; i++) {
        sc_buf_put_bytes(out, sc_slice_of(s->counters[i].owner.id.bytes, 32));
        sc_buf_put_u8(out, (uint8_t)s->counters[i].name_size);
        sc_buf_put_bytes(out, sc_slice_of(s->counters[i].name, s->counters[i].name_size));
        sc_buf_put_u64be(out, s->counters[i].value);
    }
    if (sc_key_derive(&key, root_of(s), "quoting/counters v1", SC_SLICE_EMPTY) != SC_OK)
        out->failed = SC_E_NOMEM;
    sc_hmac(&key, sc_buf_slice(out), mac);
    sc_buf_put_bytes(out, sc_slice_of(mac, sizeof mac));
}

static sc_err counter_decode(struct sc_reader *r, struct counter *c)
{
    uint8_t size = 0;
    SC_TRY(sc_reader_copy(r, c->owner.id.bytes, 32));
    SC_TRY(sc_reader_get_u8(r, &size));
    if (size == 0 || size > sizeof c->name)
        return SC_E_MALFORMED;
    c->name_size = size;
    SC_TRY(sc_reader_copy(r, c->name, size));
    return sc_reader_get_u64be(r, &c->value);
}

static sc_err counters_decode(struct sc_slice body, uint64_t *epoch_out, struct counter **out, size_t *count_out)
{
    struct sc_reader r = sc_reader_of(body);
    struct sc_slice magic;
    uint32_t count = 0;
    SC_TRY(sc_reader_get_bytes(&r, 8, &magic));
    SC_TRY(sc_reader_get_u64be(&r, epoch_out));
    SC_TRY(sc_reader_get_u32be(&r, &count));
    if (memcmp(magic.ptr, COUNTERS_MAGIC, 8) != 0 || count > TEE_COUNTERS_MAX)
        return SC_E_MALFORMED;
    SC_CLEANUP(sc_freep) struct counter *list = calloc((size_t)count + 1, sizeof *list);
    if (list == NULL)
        return SC_E_NOMEM;
    for (uint32_t i = 0; i < count; i++)
        SC_TRY(counter_decode(&r, &list[i]));
    SC_TRY(sc_reader_expect_end(&r));
    *out = SC_TAKE(list);
    *count_out = count;
    return SC_OK;
}

/* SC_E_AUTH: not ours, or damaged.  Nothing is believed before the MAC. */
static sc_err counters_read(struct tee_state *s, unsigned slot, uint64_t *epoch_out, struct counter **out,
                            size_t *count_out)
{
    char name[16];
    uint8_t mac[32];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bytes = {0};
    SC_CLEANUP(sc_key_wipe) struct sc_key key = {0};
    snprintf(name, sizeof name, "counters.%u", slot);
    SC_CLEANUP(sc_freep) char *path = path_of(s, name);
    if (path == NULL)
        return SC_E_NOMEM;
    SC_TRY(sc_file_read(path, STATE_FILE_MAX, &bytes, NULL));
    if (bytes.size < COUNTERS_HEAD + sizeof mac)
        return SC_E_AUTH;
    const struct sc_slice body = {bytes.ptr, bytes.size - sizeof mac};
    SC_TRY(sc_key_derive(&key, root_of(s), "quoting/counters v1", SC_SLICE_EMPTY));
    sc_hmac(&key, body, mac);
    if (!sc_ct_equal(mac, body.ptr + body.size, sizeof mac))
        return SC_E_AUTH;
    return counters_decode(body, epoch_out, out, count_out);
}

/* Writes the counters for the next epoch, then lets the TPM count.  Acknowledge only after this. */
static sc_err counters_commit(struct tee_state *s, struct sc_diag *diag)
{
    char name[16];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bytes = {0};
    snprintf(name, sizeof name, "counters.%u", (unsigned)((s->epoch + 1) & 1));
    SC_CLEANUP(sc_freep) char *path = path_of(s, name);
    if (path == NULL)
        return SC_E_NOMEM;
    if (s->broken)
        return sc_fail(diag, SC_E_IO, "%s: an earlier write failed; restart the quoting daemon", s->dir);
    counters_encode(s, s->epoch + 1, &bytes);
    SC_TRY(sc_buf_status(&bytes));
    sc_err err = sc_file_write(path, sc_buf_slice(&bytes), 0600, diag);
    if (err == SC_OK && s->tpm != NULL)
        err = tee_tpm_counter_increment(s->tpm, diag);
    s->broken = err != SC_OK;
    s->epoch += err == SC_OK;
    return err;
}

static sc_err counters_load(struct tee_state *s, struct sc_diag *diag)
{
    uint64_t tpm_epoch = 0;
    uint64_t newest = 0;
    bool found = false;
    if (s->tpm != NULL)
        SC_TRY(tee_tpm_counter_read(s->tpm, &tpm_epoch, diag));
    for (unsigned slot = 0; slot < 2; slot++) {
        uint64_t epoch = 0;
        size_t count = 0;
        SC_CLEANUP(sc_freep) struct counter *list = NULL;
        const sc_err err = counters_read(s, slot, &epoch, &list, &count);
        if (err == SC_E_NOMEM)
            return err;
        if (err != SC_OK)
            continue; /* torn by a crash, or not there: the other one must do, and is judged below */
        newest = epoch > newest ? epoch : newest;
        if (s->tpm != NULL ? epoch != tpm_epoch : (found && epoch < s->epoch))
            continue;
        free(s->counters);
        s->counters = SC_TAKE(list);
        s->count = count;
        s->capacity = count + 1;
        s->epoch = epoch;
        found = true;
    }
    if (!found && newest != 0)
        return sc_fail(diag, SC_E_AUTH,
                       "%s: the counters are those of epoch %" PRIu64 ", the TPM stands at %" PRIu64
                       ": an older copy was put back",
                       s->dir, newest, tpm_epoch);
    return found ? SC_OK : sc_fail(diag, SC_E_AUTH, "%s: no whole file of counters", s->dir);
}

/* ---- the sealing root ---- */
static sc_err root_make(struct tee_state *s, struct sc_buf *file, struct sc_diag *diag)
{
    sc_random(root_of(s)->bytes, SC_KEY_SIZE);
    if (s->tpm != NULL)
        return tee_tpm_seal(s->tpm, root_of(s), file, diag);
    sc_buf_put_bytes(file, sc_slice_of(root_of(s)->bytes, SC_KEY_SIZE));
    return sc_buf_status(file);
}

static sc_err root_read(struct tee_state *s, const char *path, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf file = {0};
    SC_TRY(sc_file_read(path, 4096, &file, diag));
    if (s->tpm != NULL)
        return sc_context(diag, tee_tpm_unseal(s->tpm, sc_buf_slice(&file), root_of(s), diag), "%s", path);
    if (file.size != SC_KEY_SIZE)
        return sc_fail(diag, SC_E_MALFORMED, "%s: %zu bytes instead of %zu", path, file.size, SC_KEY_SIZE);
    memcpy(root_of(s)->bytes, file.ptr, SC_KEY_SIZE);
    return SC_OK;
}

static const char platform_purpose[] = "quoting/platform v1";

/* The root is written last: without it there is no state, and a start that was cut short begins again. */
static sc_err state_make(struct tee_state *s, const char *root_path, const char *platform_path, int64_t now_ms,
                         struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf root = {0};
    SC_CLEANUP(sc_buf_wipe) struct sc_buf plain = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sealed = {0};
    SC_TRY(root_make(s, &root, diag));
    SC_TRY(tee_platform_new(now_ms, &s->platform, diag));
    SC_TRY(tee_platform_encode(s->platform, &plain));
    SC_TRY(tee_box_seal(root_of(s), platform_purpose, SC_SLICE_EMPTY, sc_buf_slice(&plain), &sealed));
    SC_TRY(sc_file_write(platform_path, sc_buf_slice(&sealed), 0600, diag));
    if (s->tpm != NULL) {
        SC_TRY(tee_tpm_counter_define(s->tpm, diag));
        SC_TRY(tee_tpm_counter_read(s->tpm, &s->epoch, diag));
    }
    SC_TRY(counters_commit(s, diag));
    return sc_file_write(root_path, sc_buf_slice(&root), 0600, diag);
}

static sc_err state_load(struct tee_state *s, const char *root_path, const char *platform_path, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sealed = {0};
    SC_CLEANUP(sc_buf_wipe) struct sc_buf plain = {0};
    SC_TRY(root_read(s, root_path, diag));
    SC_TRY(sc_file_read(platform_path, STATE_FILE_MAX, &sealed, diag));
    if (tee_box_open(root_of(s), platform_purpose, SC_SLICE_EMPTY, sc_buf_slice(&sealed), &plain) != SC_OK)
        return sc_fail(diag, SC_E_AUTH, "%s: sealed under another root, or changed", platform_path);
    SC_TRY(sc_context(diag, tee_platform_decode(sc_buf_slice(&plain), &s->platform, diag), "%s", platform_path));
    SC_TRY(counters_load(s, diag));
    return counters_commit(s, diag);
}

static sc_err state_open(struct tee_state *s, const struct tee_state_options *opt, int64_t now_ms, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *clear = path_of(s, "root.key");
    SC_CLEANUP(sc_freep) char *by_tpm = path_of(s, "root.tpm");
    SC_CLEANUP(sc_freep) char *platform = path_of(s, "platform.sealed");
    SC_CLEANUP(sc_freep) char *published = path_of(s, "public");
    if (clear == NULL || by_tpm == NULL || platform == NULL || published == NULL)
        return SC_E_NOMEM;
    if (exists(opt->tpm_tcti != NULL ? clear : by_tpm))
        return sc_fail(diag, SC_E_USAGE, "%s: this state was made %s a TPM", s->dir,
                       opt->tpm_tcti != NULL ? "without" : "with");
    if (opt->tpm_tcti != NULL)
        SC_TRY(tee_tpm_open(opt->tpm_tcti, opt->nv_index != 0 ? opt->nv_index : TEE_NV_INDEX_DEFAULT, &s->tpm, diag));
    SC_TRY(sc_secmem_new(&s->memory, SC_KEY_SIZE, diag));
    const char *root = opt->tpm_tcti != NULL ? by_tpm : clear;
    SC_TRY(exists(root) ? state_load(s, root, platform, diag) : state_make(s, root, platform, now_ms, diag));
    return tee_platform_publish(s->platform, now_ms, published, diag);
}

sc_err tee_state_open(const struct tee_state_options *opt, int64_t now_ms, struct tee_state **out, struct sc_diag *diag)
{
    SC_CLEANUP(tee_state_freep) struct tee_state *s = calloc(1, sizeof *s);
    if (s == NULL || (s->dir = strdup(opt->dir)) == NULL)
        return sc_fail(diag, SC_E_NOMEM, "quoting daemon's state");
    SC_TRY(sc_dir_make(opt->dir, 0711, diag));
    SC_TRY(state_open(s, opt, now_ms, diag));
    *out = SC_TAKE(s);
    return SC_OK;
}

/* ---- keys and counters ---- */
void tee_owner_make(enum sc_tee_bind bind, const struct sc_hash *code_or_signer, uint32_t product_id, bool debug,
                    struct tee_owner *out)
{
    uint8_t head[6] = {(uint8_t)bind, debug};
    sc_store_u32be(head + 2, bind == SC_TEE_BIND_SIGNER ? product_id : 0);
    const struct sc_slice parts[] = {sc_slice_str("quoting/owner v1"), sc_slice_of(head, sizeof head),
                                     sc_slice_of(code_or_signer->bytes, 32)};
    sc_hash_of_parts(parts, 3, &out->id);
}

sc_err tee_state_seal_key(struct tee_state *s, const struct tee_owner *owner, struct sc_key *out)
{
    return sc_key_derive(out, root_of(s), "quoting/seal v1", sc_slice_of(owner->id.bytes, 32));
}

static struct counter *counter_find(struct tee_state *s, const struct tee_owner *owner, struct sc_slice name,
                                    size_t *owned_out)
{
    struct counter *found = NULL;
    *owned_out = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct counter *c = &s->counters[i];
        if (memcmp(c->owner.id.bytes, owner->id.bytes, 32) != 0)
            continue;
        ++*owned_out;
        if (sc_slice_eq(sc_slice_of(c->name, c->name_size), name))
            found = c;
    }
    return found;
}

static sc_err check_name(struct sc_slice name, struct sc_diag *diag)
{
    if (name.size == 0 || name.size > SC_TEE_COUNTER_NAME_MAX)
        return sc_fail(diag, SC_E_USAGE, "a counter's name of %zu bytes", name.size);
    return SC_OK;
}

sc_err tee_state_counter_read(struct tee_state *s, const struct tee_owner *owner, struct sc_slice name, uint64_t *out,
                              struct sc_diag *diag)
{
    size_t owned;
    SC_TRY(check_name(name, diag));
    if (s->broken)
        return sc_fail(diag, SC_E_IO, "an earlier write of the counters failed; restart the quoting daemon");
    const struct counter *c = counter_find(s, owner, name, &owned);
    *out = c != NULL ? c->value : 0;
    return SC_OK;
}

static sc_err counter_add(struct tee_state *s, const struct tee_owner *owner, struct sc_slice name, size_t owned,
                          struct counter **out, struct sc_diag *diag)
{
    if (s->count == TEE_COUNTERS_MAX || owned >= TEE_COUNTERS_OWNER_MAX)
        return sc_fail(diag, SC_E_LIMIT, "too many counters");
    if (s->count == s->capacity) {
        const size_t capacity = s->capacity == 0 ? 16 : 2 * s->capacity;
        struct counter *list = reallocarray(s->counters, capacity, sizeof *list);
        if (list == NULL)
            return SC_E_NOMEM;
        s->counters = list;
        s->capacity = capacity;
    }
    *out = &s->counters[s->count];
    **out = (struct counter){.owner = *owner, .name_size = name.size};
    memcpy((*out)->name, name.ptr, name.size);
    s->count++;
    return SC_OK;
}

sc_err tee_state_counter_advance(struct tee_state *s, const struct tee_owner *owner, struct sc_slice name,
                                 uint64_t from, uint64_t to, struct sc_diag *diag)
{
    size_t owned;
    SC_TRY(check_name(name, diag));
    struct counter *c = counter_find(s, owner, name, &owned);
    const uint64_t stands = c != NULL ? c->value : 0;
    if (from != stands || to <= from)
        return sc_fail(diag, SC_E_CONFLICT,
                       "counter %.*s stands at %" PRIu64 ", not at %" PRIu64 ": another writer uses it", (int)name.size,
                       (const char *)name.ptr, stands, from);
    const bool is_new = c == NULL;
    if (is_new)
        SC_TRY(counter_add(s, owner, name, owned, &c, diag));
    c->value = to;
    const sc_err err = counters_commit(s, diag);
    if (err != SC_OK) {
        c->value = stands;
        s->count -= is_new;
    }
    return err;
}
