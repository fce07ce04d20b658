/* Sessions under k-of-n signatures: who may change what, what is pending, what the history proves. */
#include "test.h"

#include "cas/registry.h"
#include "store/memory.h"

#define OWNERS 4
static const char *const names[OWNERS] = {"alice", "bob", "carol", "mallory"};

struct fixture {
    struct sc_store *store;
    struct sc_kvs *kvs;
    struct sc_key root;
    struct sc_clock_manual time;
    struct sc_clock clock;
    struct sc_registry r;
    struct sc_signer *keys[OWNERS];
    char pem[OWNERS][512];
};

static void make_owner(struct fixture *f, int i)
{
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *v = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf spki = {0};
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char base64[128] = "";
    assert_ok(sc_signer_generate(SC_SIGN_ED25519, &f->keys[i], NULL));
    assert_ok(sc_verifier_of_signer(f->keys[i], &v));
    assert_ok(sc_verifier_to_spki(v, &spki));
    assert_int_equal(spki.size, 44); /* so the last group of four has one '=' */
    for (size_t k = 0, out = 0; k < 45; k += 3) {
        const uint32_t w =
            (uint32_t)spki.ptr[k] << 16 | (uint32_t)spki.ptr[k + 1] << 8 | (k + 2 < 44 ? spki.ptr[k + 2] : 0);
        for (int shift = 18; shift >= 0; shift -= 6)
            base64[out++] = digits[w >> shift & 63];
    }
    base64[59] = '=';
    snprintf(f->pem[i], sizeof f->pem[i],
             "    %s: |\n      -----BEGIN PUBLIC KEY-----\n      %s\n      -----END PUBLIC KEY-----\n", names[i],
             base64);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_ok(sc_store_memory_new(&f->store));
    const struct sc_kvs_options opt = {.store = f->store, .root_key = &f->root, .create = true};
    assert_ok(sc_kvs_open(&opt, &f->kvs, NULL));
    f->time.wall_ms = INT64_C(1764000000000);
    f->clock = sc_clock_of_manual(&f->time);
    f->r = (struct sc_registry){f->kvs, &f->clock};
    for (int i = 0; i < OWNERS; i++)
        make_owner(f, i);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < OWNERS; i++)
        sc_signer_free(f->keys[i]);
    sc_kvs_close(f->kvs);
    sc_store_free(f->store);
    free(f);
    return 0;
}

/* owners: bits; note makes versions differ. */
static char *text_of(struct fixture *f, const char *name, const struct sc_hash *predecessor, unsigned owners,
                     unsigned threshold, const char *note)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = {0};
    char hex[65];
    sc_buf_put_fmt(&out, "name: %s\n", name);
    if (predecessor != NULL) {
        sc_hex_encode(sc_slice_of(predecessor->bytes, 32), hex);
        sc_buf_put_fmt(&out, "predecessor: %s\n", hex);
    }
    sc_buf_put_fmt(&out, "owners:\n  threshold: %u\n  keys:\n", threshold);
    for (int i = 0; i < OWNERS; i++)
        if ((owners >> i & 1) != 0)
            sc_buf_put_str(&out, f->pem[i]);
    sc_buf_put_fmt(&out, "attestation: {accept: [software]}\nsecrets: {note: {kind: value, value: \"%s\"}}\n", note);
    return strdup(sc_buf_cstr(&out));
}

static struct sc_hash hash_of(const char *text)
{
    struct sc_hash h;
    sc_hash_of(sc_slice_str(text), &h);
    return h;
}

/* Valid until the next call. */
static struct sc_signature act(struct fixture *f, int who, enum sc_session_act a, const struct sc_hash *hash)
{
    static struct sc_buf bytes;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf message = {0};
    struct sc_signature s = {0};
    sc_session_act_message(a, hash, &message);
    sc_buf_deinit(&bytes);
    bytes = (struct sc_buf){0};
    assert_ok(sc_signer_sign(f->keys[who], sc_buf_slice(&message), &bytes));
    snprintf(s.owner, sizeof s.owner, "%s", names[who]);
    s.bytes = sc_buf_slice(&bytes);
    return s;
}

static sc_err propose(struct fixture *f, const char *text, int who, struct sc_change *out, struct sc_diag *diag)
{
    const struct sc_hash hash = hash_of(text);
    const struct sc_signature s = act(f, who, SC_ACT_APPROVE, &hash);
    return sc_registry_propose(&f->r, sc_slice_str(text), &s, out, diag);
}

static sc_err approve(struct fixture *f, const char *text, int who, struct sc_change *out, struct sc_diag *diag)
{
    const struct sc_hash hash = hash_of(text);
    const struct sc_signature s = act(f, who, SC_ACT_APPROVE, &hash);
    return sc_registry_sign(&f->r, out->session, &hash, &s, out, diag);
}

static void two_of_three_let_a_change_in_and_one_does_not(void **state)
{
    struct fixture *f = *state;
    struct sc_change c;
    struct sc_diag diag = {0};
    SC_CLEANUP(sc_freep) char *first = text_of(f, "utility/mdc", NULL, 7, 2, "one");
    assert_ok_diag(propose(f, first, 0, &c, &diag), &diag);
    assert_int_equal(c.state, SC_CHANGE_PENDING);
    assert_int_equal(c.signed_count, 1);
    assert_string_equal(c.signers[0], "alice");
    assert_int_equal(c.missing_count, 2);
    assert_string_equal(c.missing[0], "bob");
    const struct sc_session *s = NULL;
    assert_err(sc_registry_current(&f->r, "utility/mdc", &s, NULL), SC_E_NOT_FOUND);
    assert_ok(sc_registry_pending(&f->r, "utility/mdc", &c, NULL)); /* visible to whoever has to sign */
    assert_int_equal(c.threshold, 2);
    assert_err(approve(f, first, 0, &c, NULL), SC_E_EXISTS); /* not twice */
    assert_ok_diag(approve(f, first, 2, &c, &diag), &diag);
    assert_int_equal(c.state, SC_CHANGE_CURRENT);
    assert_ok(sc_registry_current(&f->r, "utility/mdc", &s, NULL));
    const struct sc_hash hash = hash_of(first);
    assert_memory_equal(s->hash.bytes, hash.bytes, 32);
    sc_session_free(s);
    assert_err(sc_registry_pending(&f->r, "utility/mdc", &c, NULL), SC_E_NOT_FOUND);
}

static void version(struct fixture *f, const char *text)
{
    struct sc_change c;
    struct sc_diag diag = {0};
    assert_ok_diag(propose(f, text, 0, &c, &diag), &diag);
    if (c.state == SC_CHANGE_PENDING)
        assert_ok_diag(approve(f, text, 1, &c, &diag), &diag);
    assert_int_equal(c.state, SC_CHANGE_CURRENT);
}

static void a_strangers_update_is_refused(void **state)
{
    struct fixture *f = *state;
    struct sc_change c;
    struct sc_diag diag = {0};
    SC_CLEANUP(sc_freep) char *first = text_of(f, "utility/mdc", NULL, 7, 2, "one");
    version(f, first);
    const struct sc_hash hash = hash_of(first);
    SC_CLEANUP(sc_freep)
    char *hers = text_of(f, "utility/mdc", &hash, 8, 1, "mine now"); /* mallory makes herself owner */
    assert_err(propose(f, hers, 3, &c, &diag), SC_E_AUTH);
    assert_contains(diag.text, "\"mallory\" is no owner");
    /* under somebody else's name */
    const struct sc_hash new_hash = hash_of(hers);
    struct sc_signature s = act(f, 3, SC_ACT_APPROVE, &new_hash);
    snprintf(s.owner, sizeof s.owner, "alice");
    diag = (struct sc_diag){0};
    assert_err(sc_registry_propose(&f->r, sc_slice_str(hers), &s, &c, &diag), SC_E_AUTH);
    assert_contains(diag.text, "not the signature of alice");
    /* with alice's signature over another version */
    s = act(f, 0, SC_ACT_APPROVE, &hash);
    assert_err(sc_registry_propose(&f->r, sc_slice_str(hers), &s, &c, NULL), SC_E_AUTH);
    assert_err(sc_registry_pending(&f->r, "utility/mdc", &c, NULL), SC_E_NOT_FOUND);
}

static void an_update_names_the_current_version(void **state)
{
    struct fixture *f = *state;
    struct sc_change c;
    struct sc_diag diag = {0};
    SC_CLEANUP(sc_freep) char *first = text_of(f, "utility/mdc", NULL, 3, 1, "one");
    version(f, first);
    const struct sc_hash h1 = hash_of(first);
    SC_CLEANUP(sc_freep) char *second = text_of(f, "utility/mdc", &h1, 3, 1, "two");
    version(f, second);
    /* the first version once more, and the second: replays of genuine signatures */
    assert_err(propose(f, first, 0, &c, NULL), SC_E_CONFLICT);
    assert_err(propose(f, second, 0, &c, &diag), SC_E_CONFLICT);
    assert_contains(diag.text, "not the current version 2");
    /* another child of the first */
    SC_CLEANUP(sc_freep) char *fork = text_of(f, "utility/mdc", &h1, 3, 1, "three");
    assert_err(propose(f, fork, 0, &c, NULL), SC_E_CONFLICT);
}

static void a_pending_change_can_be_withdrawn_by_owners_only(void **state)
{
    struct fixture *f = *state;
    struct sc_change c;
    SC_CLEANUP(sc_freep) char *first = text_of(f, "utility/mdc", NULL, 7, 2, "one");
    version(f, first);
    const struct sc_hash h1 = hash_of(first);
    SC_CLEANUP(sc_freep) char *second = text_of(f, "utility/mdc", &h1, 7, 2, "two");
    SC_CLEANUP(sc_freep) char *other = text_of(f, "utility/mdc", &h1, 7, 2, "other");
    assert_ok(propose(f, second, 0, &c, NULL));
    assert_err(propose(f, other, 1, &c, NULL), SC_E_EXISTS);
    const struct sc_hash h2 = hash_of(second);
    struct sc_signature s = act(f, 3, SC_ACT_WITHDRAW, &h2);
    assert_err(sc_registry_withdraw(&f->r, "utility/mdc", &h2, &s, NULL), SC_E_AUTH);
    s = act(f, 1, SC_ACT_APPROVE, &h2); /* an approval is no withdrawal */
    assert_err(sc_registry_withdraw(&f->r, "utility/mdc", &h2, &s, NULL), SC_E_AUTH);
    s = act(f, 1, SC_ACT_WITHDRAW, &h2);
    assert_ok(sc_registry_withdraw(&f->r, "utility/mdc", &h2, &s, NULL));
    assert_ok(propose(f, other, 1, &c, NULL));
    const struct sc_hash h3 = hash_of(other);
    s = act(f, 0, SC_ACT_APPROVE, &h2); /* signed after having looked at the other one */
    assert_err(sc_registry_sign(&f->r, "utility/mdc", &h2, &s, &c, NULL), SC_E_CONFLICT);
    s = act(f, 0, SC_ACT_APPROVE, &h3);
    assert_ok(sc_registry_sign(&f->r, "utility/mdc", &h3, &s, &c, NULL));
    assert_int_equal(c.state, SC_CHANGE_CURRENT);
}

static void a_namespace_belongs_to_who_claimed_it(void **state)
{
    struct fixture *f = *state;
    struct sc_change c;
    struct sc_diag diag = {0};
    SC_CLEANUP(sc_freep) char *first = text_of(f, "utility/mdc", NULL, 1, 1, "one");
    version(f, first);
    SC_CLEANUP(sc_freep) char *intruder = text_of(f, "utility/other", NULL, 8, 1, "hers");
    assert_err(propose(f, intruder, 3, &c, &diag), SC_E_AUTH);
    assert_contains(diag.text, "no owner of utility/mdc");
    SC_CLEANUP(sc_freep) char *hers = text_of(f, "mallory/other", NULL, 8, 1, "hers");
    assert_ok(propose(f, hers, 3, &c, NULL));
    assert_int_equal(c.state, SC_CHANGE_CURRENT);
    /* alice lets bob have a session in her namespace; from then on it is his */
    SC_CLEANUP(sc_freep) char *bobs = text_of(f, "utility/bobs", NULL, 2, 1, "his");
    assert_ok(propose(f, bobs, 0, &c, NULL));
    assert_int_equal(c.state, SC_CHANGE_CURRENT);
    const struct sc_hash hash = hash_of(bobs);
    SC_CLEANUP(sc_freep) char *back = text_of(f, "utility/bobs", &hash, 1, 1, "hers again");
    assert_err(propose(f, back, 0, &c, NULL), SC_E_AUTH);
}

static void new_owners_decide_after_a_change_of_owners(void **state)
{
    struct fixture *f = *state;
    struct sc_change c;
    SC_CLEANUP(sc_freep) char *first = text_of(f, "utility/mdc", NULL, 1, 1, "alice's");
    version(f, first);
    const struct sc_hash h1 = hash_of(first);
    SC_CLEANUP(sc_freep) char *second = text_of(f, "utility/mdc", &h1, 4, 1, "carol's");
    version(f, second);
    const struct sc_hash h2 = hash_of(second);
    SC_CLEANUP(sc_freep) char *third = text_of(f, "utility/mdc", &h2, 1, 1, "alice's again");
    assert_err(propose(f, third, 0, &c, NULL), SC_E_AUTH);
    assert_ok(propose(f, third, 2, &c, NULL));
}

/* ---- history ---- */
struct collected {
    struct sc_buf entries[8];
    size_t count;
};

static sc_err collect(void *arg, const struct sc_history_entry *e)
{
    struct collected *all = arg;
    sc_history_entry_encode(e, &all->entries[all->count++]);
    return SC_OK;
}

static sc_err judge(const struct collected *all, struct sc_diag *diag)
{
    SC_CLEANUP(sc_history_judge_deinit) struct sc_history_judge j = {0};
    for (size_t i = 0; i < all->count; i++) {
        SC_CLEANUP(sc_history_entry_deinit) struct sc_history_entry e = {0};
        SC_TRY(sc_history_entry_decode(sc_buf_slice(&all->entries[i]), &e, diag));
        SC_TRY(sc_history_judge_next(&j, NULL, &e, diag));
    }
    return SC_OK;
}

static void the_history_proves_itself_and_no_byte_of_it_can_change(void **state)
{
    struct fixture *f = *state;
    struct collected all = {0};
    struct sc_diag diag = {0};
    char *texts[3] = {text_of(f, "utility/mdc", NULL, 7, 2, "one")};
    version(f, texts[0]);
    for (int i = 1; i < 3; i++) {
        const struct sc_hash before = hash_of(texts[i - 1]);
        f->time.wall_ms += 60000;
        texts[i] = text_of(f, "utility/mdc", &before, 7, 2, i == 1 ? "two" : "three");
        version(f, texts[i]);
    }
    assert_ok(sc_registry_history(&f->r, "utility/mdc", collect, &all, NULL));
    assert_int_equal(all.count, 3);
    assert_ok_diag(judge(&all, &diag), &diag);
    for (size_t v = 0; v < 2; v++) { /* the newest entry is what a reader compares with what he knows */
        for (size_t i = 0; i < all.entries[v].size; i++) {
            all.entries[v].ptr[i] ^= 1;
            if (judge(&all, NULL) == SC_OK)
                fail_msg("byte %zu of entry %zu may change", i, v);
            all.entries[v].ptr[i] ^= 1;
        }
    }
    struct sc_buf swapped = all.entries[0]; /* order */
    all.entries[0] = all.entries[1];
    all.entries[1] = swapped;
    assert_int_not_equal(judge(&all, NULL), SC_OK);
    swapped = all.entries[0];
    all.entries[0] = all.entries[1];
    all.entries[1] = swapped;
    struct collected without = {.entries = {all.entries[0], all.entries[2]}, .count = 2};
    assert_err(judge(&without, &diag), SC_E_AUTH);
    for (size_t i = 0; i < all.count; i++)
        sc_buf_deinit(&all.entries[i]);
    free(texts[0]);
    free(texts[1]);
    free(texts[2]);
}

static void everything_survives_a_restart(void **state)
{
    struct fixture *f = *state;
    struct sc_change c;
    SC_CLEANUP(sc_freep) char *first = text_of(f, "utility/mdc", NULL, 7, 2, "one");
    version(f, first);
    const struct sc_hash h1 = hash_of(first);
    SC_CLEANUP(sc_freep) char *second = text_of(f, "utility/mdc", &h1, 7, 2, "two");
    assert_ok(propose(f, second, 0, &c, NULL));
    assert_ok(sc_registry_counter_advance(&f->r, "utility/mdc", "data", 0, 7, NULL));
    sc_kvs_close(f->kvs);
    const struct sc_kvs_options opt = {.store = f->store, .root_key = &f->root};
    assert_ok(sc_kvs_open(&opt, &f->kvs, NULL));
    f->r.kvs = f->kvs;
    uint64_t value = 0;
    assert_ok(sc_registry_counter_read(&f->r, "utility/mdc", "data", &value, NULL));
    assert_int_equal(value, 7);
    assert_ok(sc_registry_pending(&f->r, "utility/mdc", &c, NULL));
    assert_ok(approve(f, second, 1, &c, NULL));
    assert_int_equal(c.state, SC_CHANGE_CURRENT);
}

static void counters_are_compared_and_set(void **state)
{
    struct fixture *f = *state;
    uint64_t value = 9;
    struct sc_diag diag = {0};
    assert_ok(sc_registry_counter_read(&f->r, "utility/mdc", "data", &value, NULL));
    assert_int_equal(value, 0);
    assert_ok(sc_registry_counter_advance(&f->r, "utility/mdc", "data", 0, 3, NULL));
    assert_err(sc_registry_counter_advance(&f->r, "utility/mdc", "data", 0, 4, &diag), SC_E_CONFLICT);
    assert_err(sc_registry_counter_advance(&f->r, "utility/mdc", "data", 3, 3, NULL), SC_E_CONFLICT);
    assert_ok(sc_registry_counter_advance(&f->r, "utility/other", "data", 0, 1, NULL)); /* another's */
    assert_ok(sc_registry_counter_read(&f->r, "utility/mdc", "data", &value, NULL));
    assert_int_equal(value, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(two_of_three_let_a_change_in_and_one_does_not),
        TEST(a_strangers_update_is_refused),
        TEST(an_update_names_the_current_version),
        TEST(a_pending_change_can_be_withdrawn_by_owners_only),
        TEST(a_namespace_belongs_to_who_claimed_it),
        TEST(new_owners_decide_after_a_change_of_owners),
        TEST(the_history_proves_itself_and_no_byte_of_it_can_change),
        TEST(everything_survives_a_restart),
        TEST(counters_are_compared_and_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
