#include "metering/envelope.h"

#include <inttypes.h>

/* Key schedule: see envelope.h.  Every input that must not be swapped (both statics, the ephemeral key,
 * serial and opening time) is in the derivation, so a swap fails as a wrong tag. */
#define SALT         "securecloud meter session v1"
#define PURPOSE_DOWN "securecloud meter down v1"

enum { PREFIX_UP = 1, PREFIX_DOWN = 2 }; /* first word of the nonce */
#define FLAG_TO_METER 0x01

struct instance { /* towards the meter: one sender */
    uint64_t id;
    struct sc_aead *aead;
    struct sc_replay_window window;
};

struct sc_session {
    bool is_meter;
    uint32_t meter;
    struct sc_dh_public ephemeral;
    int64_t opened_ms;
    uint64_t sent; /* counter of the last message sealed */
    struct sc_aead *up;
    struct sc_replay_window up_window; /* head-end only */
    struct sc_key down_root;           /* what instances' keys come from */
    size_t instance_count;             /* head-end: 1, itself; meter: those heard */
    bool instance_refused;
    struct instance instance[SC_SESSION_INSTANCES_MAX];
};

const char *sc_envelope_type_name(enum sc_envelope_type type)
{
    static const char *const names[] = {"?",     "request", "reply",        "notify",     "ack",
                                        "error", "hello",   "load-command", "load-result"};
    return (size_t)type < sizeof names / sizeof names[0] ? names[type] : names[0];
}

/* ---- header ---- */
static void header_put(const struct sc_envelope_header *h, struct sc_buf *out)
{
    sc_buf_put_str(out, "SM");
    sc_buf_put_u8(out, SC_ENVELOPE_VERSION);
    sc_buf_put_u8(out, (uint8_t)h->type);
    sc_buf_put_u8(out, h->to_meter ? FLAG_TO_METER : 0);
    sc_buf_put_u8(out, 0);
    sc_buf_put_u32be(out, h->meter);
    sc_buf_put_bytes(out, sc_slice_of(h->ephemeral.bytes, sizeof h->ephemeral.bytes));
    sc_buf_put_u64be(out, (uint64_t)h->opened_ms);
    sc_buf_put_u64be(out, h->instance);
    sc_buf_put_u64be(out, h->counter);
    sc_buf_put_u32be(out, h->message_id);
    sc_buf_put_u32be(out, h->correlation_id);
    sc_buf_put_u32be(out, h->payload_size);
}

static sc_err header_get(struct sc_reader *r, struct sc_envelope_header *h)
{
    struct sc_slice head;
    uint64_t opened;
    SC_TRY(sc_reader_get_bytes(r, 6, &head));
    if (head.ptr[0] != 'S' || head.ptr[1] != 'M')
        return SC_E_MALFORMED;
    if (head.ptr[2] != SC_ENVELOPE_VERSION)
        return SC_E_UNSUPPORTED;
    const uint8_t type = head.ptr[3];
    if (type < SC_ENVELOPE_REQUEST || type > SC_ENVELOPE_LOAD_RESULT || (head.ptr[4] & ~FLAG_TO_METER) != 0 ||
        head.ptr[5] != 0)
        return SC_E_MALFORMED;
    h->type = (enum sc_envelope_type)type;
    h->to_meter = (head.ptr[4] & FLAG_TO_METER) != 0;
    SC_TRY(sc_reader_get_u32be(r, &h->meter));
    SC_TRY(sc_reader_copy(r, h->ephemeral.bytes, sizeof h->ephemeral.bytes));
    SC_TRY(sc_reader_get_u64be(r, &opened));
    h->opened_ms = (int64_t)opened;
    SC_TRY(sc_reader_get_u64be(r, &h->instance));
    SC_TRY(sc_reader_get_u64be(r, &h->counter));
    SC_TRY(sc_reader_get_u32be(r, &h->message_id));
    SC_TRY(sc_reader_get_u32be(r, &h->correlation_id));
    SC_TRY(sc_reader_get_u32be(r, &h->payload_size));
    if (h->meter > SC_METER_SERIAL_MAX || h->counter == 0 || (h->instance != 0) != h->to_meter)
        return SC_E_MALFORMED;
    return h->payload_size > SC_ENVELOPE_PAYLOAD_MAX ? SC_E_LIMIT : SC_OK;
}

sc_err sc_envelope_peek(struct sc_slice wire, struct sc_envelope_header *out)
{
    struct sc_reader r = sc_reader_of(wire);
    struct sc_envelope_header h = {0};
    SC_TRY(header_get(&r, &h));
    if (sc_reader_left(&r) != h.payload_size + SC_TAG_SIZE)
        return SC_E_MALFORMED;
    *out = h;
    return SC_OK;
}

sc_err sc_envelope_size(struct sc_slice begin, size_t *out)
{
    struct sc_reader r = sc_reader_of(begin);
    struct sc_envelope_header h = {0};
    if (begin.size < SC_ENVELOPE_HEADER_SIZE)
        return SC_E_AGAIN;
    SC_TRY(header_get(&r, &h));
    *out = SC_ENVELOPE_HEADER_SIZE + h.payload_size + SC_TAG_SIZE;
    return SC_OK;
}

/* ---- replay: RFC 4303, section 3.4.3 ---- */
sc_err sc_replay_check(const struct sc_replay_window *w, uint64_t counter)
{
    if (counter == 0)
        return SC_E_LIMIT;
    if (counter > w->newest)
        return SC_OK;
    const uint64_t age = w->newest - counter;
    if (age >= SC_REPLAY_WINDOW)
        return SC_E_LIMIT;
    return (w->seen >> age & 1) != 0 ? SC_E_EXISTS : SC_OK;
}

sc_err sc_replay_check_and_set(struct sc_replay_window *w, uint64_t counter)
{
    SC_TRY(sc_replay_check(w, counter));
    if (counter > w->newest) {
        const uint64_t step = counter - w->newest;
        w->seen = step < SC_REPLAY_WINDOW ? w->seen << step | 1 : 1;
        w->newest = counter;
    } else {
        w->seen |= UINT64_C(1) << (w->newest - counter);
    }
    return SC_OK;
}

/* ---- keys ---- */
struct agreement {
    const struct sc_key *secret_a; /* DH with ephemeral in it: meter: its ephemeral; head-end: its static */
    const struct sc_dh_public *public_a;
    const struct sc_key *secret_b; /* static with static */
    const struct sc_dh_public *public_b;
    const struct sc_dh_public *headend, *meter_static;
};

static sc_err ikm_make(const struct agreement *a, uint8_t ikm[static 64])
{
    SC_CLEANUP(sc_key_wipe) struct sc_key first = {0};
    SC_CLEANUP(sc_key_wipe) struct sc_key second = {0};
    SC_TRY(sc_dh_agree(a->secret_a, a->public_a, &first));
    SC_TRY(sc_dh_agree(a->secret_b, a->public_b, &second));
    memcpy(ikm, first.bytes, 32);
    memcpy(ikm + 32, second.bytes, 32);
    return SC_OK;
}

static sc_err session_keys(struct sc_session *s, const struct agreement *a)
{
    uint8_t ikm[64];
    uint8_t keys[64];
    uint8_t info[32 * 3 + 4 + 8];
    struct sc_key up;
    memcpy(info, s->ephemeral.bytes, 32);
    memcpy(info + 32, a->headend->bytes, 32);
    memcpy(info + 64, a->meter_static->bytes, 32);
    sc_store_u32be(info + 96, s->meter);
    sc_store_u64be(info + 100, (uint64_t)s->opened_ms);

    sc_err err = ikm_make(a, ikm);
    if (err == SC_OK)
        err = sc_hkdf(sc_slice_str(SALT), sc_slice_of(ikm, sizeof ikm), sc_slice_of(info, sizeof info), keys,
                      sizeof keys);
    if (err == SC_OK) {
        memcpy(up.bytes, keys, 32);
        memcpy(s->down_root.bytes, keys + 32, 32);
        err = sc_aead_new(&s->up, &up);
    }
    explicit_bzero(ikm, sizeof ikm);
    explicit_bzero(keys, sizeof keys);
    sc_key_wipe(&up);
    return err;
}

static sc_err instance_init(const struct sc_session *s, uint64_t id, struct instance *out)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key key = {0};
    uint8_t context[8];
    sc_store_u64be(context, id);
    SC_TRY(sc_key_derive(&key, &s->down_root, PURPOSE_DOWN, sc_slice_of(context, sizeof context)));
    *out = (struct instance){.id = id};
    return sc_aead_new(&out->aead, &key);
}

/* ---- session ---- */
sc_err sc_session_meter_open(const struct sc_session_meter_options *opt, struct sc_session **out)
{
    SC_ASSERT(opt->meter <= SC_METER_SERIAL_MAX);
    SC_CLEANUP(sc_session_freep) struct sc_session *s = calloc(1, sizeof *s);
    SC_CLEANUP(sc_key_wipe) struct sc_key secret = {0};
    struct sc_dh_public meter_static;
    if (s == NULL)
        return SC_E_NOMEM;
    s->is_meter = true;
    s->meter = opt->meter;
    s->opened_ms = opt->opened_ms;
    if (opt->ephemeral_key != NULL) {
        secret = *opt->ephemeral_key;
        SC_TRY(sc_dh_public_of(&secret, &s->ephemeral));
    } else {
        sc_dh_generate(&secret, &s->ephemeral);
    }
    SC_TRY(sc_dh_public_of(opt->agreement_key, &meter_static));
    const struct agreement a = {.secret_a = &secret,
                                .public_a = opt->headend,
                                .secret_b = opt->agreement_key,
                                .public_b = opt->headend,
                                .headend = opt->headend,
                                .meter_static = &meter_static};
    SC_TRY(session_keys(s, &a));
    *out = SC_TAKE(s);
    return SC_OK;
}

sc_err sc_session_headend_open(const struct sc_session_headend_options *opt, struct sc_session **out)
{
    SC_CLEANUP(sc_session_freep) struct sc_session *s = calloc(1, sizeof *s);
    struct sc_dh_public headend;
    uint64_t id = opt->instance;
    if (s == NULL)
        return SC_E_NOMEM;
    s->meter = opt->seen->meter;
    s->opened_ms = opt->seen->opened_ms;
    s->ephemeral = opt->seen->ephemeral;
    SC_TRY(sc_dh_public_of(opt->headend_key, &headend));
    const struct agreement a = {.secret_a = opt->headend_key,
                                .public_a = &s->ephemeral,
                                .secret_b = opt->headend_key,
                                .public_b = opt->meter_agreement,
                                .headend = &headend,
                                .meter_static = opt->meter_agreement};
    SC_TRY(session_keys(s, &a));
    while (id == 0)
        sc_random(&id, sizeof id);
    SC_TRY(instance_init(s, id, &s->instance[0]));
    s->instance_count = 1;
    *out = SC_TAKE(s);
    return SC_OK;
}

void sc_session_free(struct sc_session *s)
{
    if (s == NULL)
        return;
    sc_aead_free(s->up);
    for (size_t i = 0; i < SC_SESSION_INSTANCES_MAX; i++)
        sc_aead_free(s->instance[i].aead);
    explicit_bzero(s, sizeof *s);
    free(s);
}

void sc_session_freep(struct sc_session **s)
{
    sc_session_free(*s);
}

uint32_t sc_session_meter(const struct sc_session *s)
{
    return s->meter;
}

const struct sc_dh_public *sc_session_ephemeral(const struct sc_session *s)
{
    return &s->ephemeral;
}

int64_t sc_session_opened_ms(const struct sc_session *s)
{
    return s->opened_ms;
}

bool sc_session_expired(const struct sc_session *s, int64_t now_ms)
{
    return now_ms - s->opened_ms >= SC_SESSION_AGE_MAX_MS || now_ms < s->opened_ms - SC_SESSION_AGE_MAX_MS ||
           s->sent >= SC_SESSION_MESSAGES_MAX || s->instance_refused;
}

bool sc_session_matches(const struct sc_session *s, const struct sc_envelope_header *h)
{
    return h->meter == s->meter && h->opened_ms == s->opened_ms &&
           memcmp(&h->ephemeral, &s->ephemeral, sizeof h->ephemeral) == 0;
}

/* ---- sealing and opening ---- */
sc_err sc_envelope_seal(struct sc_session *s, enum sc_envelope_type type, uint32_t message_id, uint32_t correlation_id,
                        struct sc_slice payload, struct sc_buf *out)
{
    if (payload.size > SC_ENVELOPE_PAYLOAD_MAX || s->sent >= SC_SESSION_MESSAGES_MAX)
        return SC_E_LIMIT;
    SC_TRY(sc_buf_status(out));
    const size_t begin = out->size;
    const struct sc_envelope_header h = {
        .type = type,
        .to_meter = !s->is_meter,
        .meter = s->meter,
        .ephemeral = s->ephemeral,
        .opened_ms = s->opened_ms,
        .instance = s->is_meter ? 0 : s->instance[0].id,
        .counter = s->sent + 1,
        .message_id = message_id,
        .correlation_id = correlation_id,
        .payload_size = (uint32_t)payload.size,
    };
    header_put(&h, out);
    uint8_t *sealed = sc_buf_extend(out, payload.size + SC_TAG_SIZE);
    if (sealed == NULL) {
        const sc_err err = out->failed;
        out->size = begin;
        return err;
    }
    s->sent = h.counter; /* spent, whatever happens: a counter is never used twice */
    uint8_t nonce[SC_NONCE_SIZE];
    sc_nonce_make(nonce, s->is_meter ? PREFIX_UP : PREFIX_DOWN, h.counter);
    const sc_err err =
        sc_aead_seal(s->is_meter ? s->up : s->instance[0].aead, nonce,
                     sc_slice_of(out->ptr + begin, SC_ENVELOPE_HEADER_SIZE), payload, sealed, sealed + payload.size);
    if (err != SC_OK)
        out->size = begin;
    return err;
}

/* The key and window for an incoming message; on the meter a sender not heard before gets *fresh, which the
 * caller keeps only once the tag has proved that it is real. */
static sc_err receiver_find(struct sc_session *s, uint64_t id, struct instance *fresh, struct sc_aead **aead_out,
                            struct sc_replay_window **window_out)
{
    if (!s->is_meter) {
        *aead_out = s->up;
        *window_out = &s->up_window;
        return SC_OK;
    }
    for (size_t i = 0; i < s->instance_count; i++) {
        if (s->instance[i].id == id) {
            *aead_out = s->instance[i].aead;
            *window_out = &s->instance[i].window;
            return SC_OK;
        }
    }
    SC_TRY(instance_init(s, id, fresh));
    *aead_out = fresh->aead;
    *window_out = &fresh->window;
    return SC_OK;
}

static void fresh_instance_free(struct instance *fresh)
{
    sc_aead_free(fresh->aead);
}

static sc_err payload_open(struct sc_aead *aead, uint32_t prefix, const struct sc_envelope_header *h,
                           struct sc_slice wire, struct sc_buf *out)
{
    const size_t begin = out->size;
    uint8_t nonce[SC_NONCE_SIZE];
    uint8_t *plain = sc_buf_extend(out, h->payload_size);
    if (plain == NULL)
        return out->failed;
    sc_nonce_make(nonce, prefix, h->counter);
    const uint8_t *sealed = wire.ptr + SC_ENVELOPE_HEADER_SIZE;
    const sc_err err = sc_aead_open(aead, nonce, sc_slice_of(wire.ptr, SC_ENVELOPE_HEADER_SIZE),
                                    sc_slice_of(sealed, h->payload_size), sealed + h->payload_size, plain);
    if (err != SC_OK)
        out->size = begin;
    return err;
}

sc_err sc_envelope_open(struct sc_session *s, struct sc_slice wire, struct sc_envelope_header *header_out,
                        struct sc_buf *payload_out)
{
    struct sc_envelope_header h;
    SC_CLEANUP(fresh_instance_free) struct instance fresh = {0};
    struct sc_aead *aead = NULL;
    struct sc_replay_window *window = NULL;
    SC_TRY(sc_envelope_peek(wire, &h));
    SC_TRY(sc_buf_status(payload_out));
    if (!sc_session_matches(s, &h))
        return SC_E_CONFLICT;
    if (h.to_meter != s->is_meter)
        return SC_E_AUTH;
    SC_TRY(receiver_find(s, h.instance, &fresh, &aead, &window));
    SC_TRY(sc_replay_check(window, h.counter)); /* cheap, before the cipher; nothing is marked yet */
    SC_TRY(payload_open(aead, s->is_meter ? PREFIX_DOWN : PREFIX_UP, &h, wire, payload_out));
    if (window == &fresh.window) {
        if (s->instance_count == SC_SESSION_INSTANCES_MAX) {
            s->instance_refused = true; /* genuine, but its replays could not be told: a new session is due */
            payload_out->size -= h.payload_size;
            return SC_E_LIMIT;
        }
        s->instance[s->instance_count] = fresh;
        window = &s->instance[s->instance_count++].window;
        fresh.aead = NULL;
    }
    SC_ASSERT(sc_replay_check_and_set(window, h.counter) == SC_OK);
    *header_out = h;
    return SC_OK;
}
