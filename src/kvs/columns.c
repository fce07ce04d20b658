/* Blocks of columns.  Plaintext:
 *
 *   u16 count, varint newest seq, u8 flags (1: keys distinct, 2: keys are a series, 4: there are tails)
 *   lvar key prefix                              common to all keys
 *   series entry word                            seq << 1 | is_put
 *   keys:  flag 2:  u8 suffix size (0..8), series suffix as a big-endian integer
 *          else:    series end of the suffix in the bytes, lv32 bytes of all suffixes
 *   varint word count, series*                   the values' leading 8-byte little-endian words
 *   tails: flag 4:  series end of the tail, u8 packed (0/1), u32 plain size, lv32 bytes of all tails
 *   rows                                         the residuals of all series, row by row, in the order above
 *
 * Residuals stand row by row, not column by column, so that a point read touches one or two cache lines of them.
 * A deletion has no value: its words repeat the row before, its tail is empty. */
#include "kvs/block.h"
#include "kvs/pack.h"
#include "kvs/series.h"

enum { FLAG_DISTINCT = 1, FLAG_KEY_SERIES = 2, FLAG_TAILS = 4 };
#define FLAGS_ALL        7
#define KEY_SIZE_MAX     ((size_t)1024) /* larger keys are left to the other layout */
#define VALUE_SIZE_MAX   ((size_t)8192)
#define WIDTH_WORTHWHILE 48 /* a word that needs more bits is no number that climbs: leave it to the tail */
#define TAIL_PACK_MIN    64
#define BITS_SLACK       16 /* kvs_bits_get() reads ahead */

/* ---- building ---- */

struct kvs_columns_builder {
    struct kvs_packer *packer;
    uint64_t *words;     /* one column */
    uint64_t *residuals; /* column after column */
    size_t residuals_capacity;
    struct kvs_series series[KVS_COLUMNS_WORDS_MAX + 3];
    size_t series_count;
    struct sc_buf suffixes, tails, packed;
};

void kvs_columns_builder_free(struct kvs_columns_builder *b)
{
    if (b == NULL)
        return;
    kvs_packer_free(b->packer);
    free(b->words);
    free(b->residuals);
    sc_buf_deinit(&b->suffixes);
    sc_buf_deinit(&b->tails);
    sc_buf_deinit(&b->packed);
    free(b);
}

sc_err kvs_columns_builder_new(struct kvs_columns_builder **out)
{
    struct kvs_columns_builder *b = calloc(1, sizeof *b);
    if (b == NULL)
        return SC_E_NOMEM;
    b->words = calloc(KVS_COLUMNS_ROWS_MAX, sizeof *b->words);
    const sc_err err = b->words != NULL ? kvs_packer_new(&b->packer) : SC_E_NOMEM;
    if (err != SC_OK) {
        kvs_columns_builder_free(b);
        return err;
    }
    *out = b;
    return SC_OK;
}

/* What the entries have in common. */
struct shape {
    size_t prefix_size;
    bool key_series; /* suffixes of one size, at most 8 bytes */
    size_t suffix_size;
    bool distinct;
    uint64_t seq_max;
    size_t word_count; /* in every value */
    size_t raw_size;
};

static bool shape_of(const struct kvs_entry *entries, size_t count, struct shape *out)
{
    struct shape s = {.distinct = true};
    size_t value_size_min = SIZE_MAX;
    bool same_key_size = true;
    for (size_t i = 0; i < count; i++) {
        const struct kvs_entry *e = &entries[i];
        if (e->key.size > KEY_SIZE_MAX || e->value.size > VALUE_SIZE_MAX)
            return false;
        same_key_size &= e->key.size == entries[0].key.size;
        if (e->is_put && e->value.size < value_size_min)
            value_size_min = e->value.size;
        if (i != 0 && sc_slice_eq(e->key, entries[i - 1].key))
            s.distinct = false;
        s.seq_max = e->seq > s.seq_max ? e->seq : s.seq_max;
        s.raw_size += e->key.size + e->value.size;
    }
    if (value_size_min == SIZE_MAX || value_size_min < 8)
        return false;
    s.prefix_size =
        sc_slice_shared(entries[0].key, entries[count - 1].key); /* sorted: the ones between share it, too */
    s.suffix_size = entries[0].key.size - s.prefix_size;
    s.key_series = same_key_size && s.suffix_size <= 8;
    s.word_count = value_size_min / 8 < KVS_COLUMNS_WORDS_MAX ? value_size_min / 8 : KVS_COLUMNS_WORDS_MAX;
    *out = s;
    return true;
}

static uint64_t be_get(const uint8_t *p, size_t size)
{
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++)
        v = v << 8 | p[i];
    return v;
}

/* Makes b->words, of count entries, the next series. */
static void series_add(struct kvs_columns_builder *b, size_t count)
{
    kvs_series_fit(b->words, count, &b->series[b->series_count], b->residuals + b->series_count * count);
    b->series_count++;
}

static void keys_add(struct kvs_columns_builder *b, const struct kvs_entry *entries, size_t count,
                     const struct shape *s)
{
    sc_buf_reset(&b->suffixes);
    for (size_t i = 0; i < count; i++) {
        const struct sc_slice key = entries[i].key;
        const struct sc_slice rest = {key.ptr + s->prefix_size, key.size - s->prefix_size};
        if (s->key_series) {
            b->words[i] = be_get(rest.ptr, rest.size);
        } else {
            sc_buf_put_bytes(&b->suffixes, rest);
            b->words[i] = b->suffixes.size;
        }
    }
    series_add(b, count);
}

static void word_gather(struct kvs_columns_builder *b, const struct kvs_entry *entries, size_t count, size_t word)
{
    uint64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].is_put)
            memcpy(&last, entries[i].value.ptr + word * 8, 8);
        b->words[i] = last;
    }
}

/* The values' words; those behind the last worthwhile one are left to the tails.  Returns how many stay. */
static size_t words_add(struct kvs_columns_builder *b, const struct kvs_entry *entries, size_t count, size_t word_count)
{
    const size_t first = b->series_count;
    size_t stay = 0;
    for (size_t w = 0; w < word_count; w++) {
        word_gather(b, entries, count, w);
        series_add(b, count);
        if (b->series[first + w].width <= WIDTH_WORTHWHILE)
            stay = w + 1;
    }
    b->series_count = first + stay;
    return stay;
}

static void tails_add(struct kvs_columns_builder *b, const struct kvs_entry *entries, size_t count, size_t head_size)
{
    sc_buf_reset(&b->tails);
    for (size_t i = 0; i < count; i++) {
        const struct sc_slice v = entries[i].value;
        if (entries[i].is_put)
            sc_buf_put_bytes(&b->tails, sc_slice_of(v.ptr + head_size, v.size - head_size));
        b->words[i] = b->tails.size;
    }
    if (b->tails.size != 0)
        series_add(b, count);
}

static size_t row_bits_place(struct kvs_columns_builder *b)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < b->series_count; i++) {
        b->series[i].bit_offset = bits;
        bits += b->series[i].width;
    }
    return bits;
}

static void rows_put(const struct kvs_columns_builder *b, size_t count, size_t row_bits, struct sc_buf *out)
{
    const size_t size = (count * row_bits + 7) / 8;
    uint8_t *p = sc_buf_extend(out, size + BITS_SLACK);
    if (p == NULL)
        return;
    memset(p, 0, size + BITS_SLACK);
    for (size_t c = 0; c < b->series_count; c++) {
        const struct kvs_series *s = &b->series[c];
        const uint64_t *residuals = b->residuals + c * count;
        if (s->width == 0)
            continue;
        for (size_t i = 0; i < count; i++)
            kvs_bits_set(p, (uint64_t)i * row_bits + s->bit_offset, s->width, residuals[i]);
    }
    out->size -= BITS_SLACK;
}

static sc_err tails_put(struct kvs_columns_builder *b, const struct kvs_series *series, struct sc_buf *out)
{
    bool packed = false;
    kvs_series_put(out, series);
    if (b->tails.size >= TAIL_PACK_MIN)
        SC_TRY(kvs_pack(b->packer, sc_buf_slice(&b->tails), &b->packed, &packed));
    sc_buf_put_u8(out, packed);
    sc_buf_put_u32be(out, (uint32_t)b->tails.size);
    sc_buf_put_lv32(out, sc_buf_slice(packed ? &b->packed : &b->tails));
    return SC_OK;
}

static sc_err block_put(struct kvs_columns_builder *b, const struct kvs_entry *entries, size_t count,
                        const struct shape *s, struct sc_buf *out)
{
    const size_t row_bits = row_bits_place(b);
    const struct kvs_series *series = b->series;
    sc_buf_put_u16be(out, (uint16_t)count);
    sc_buf_put_varint(out, s->seq_max);
    sc_buf_put_u8(out, (uint8_t)((s->distinct ? FLAG_DISTINCT : 0) | (s->key_series ? FLAG_KEY_SERIES : 0) |
                                 (b->tails.size != 0 ? FLAG_TAILS : 0)));
    sc_buf_put_lvar(out, sc_slice_of(entries[0].key.ptr, s->prefix_size));
    kvs_series_put(out, series++);
    if (s->key_series)
        sc_buf_put_u8(out, (uint8_t)s->suffix_size);
    kvs_series_put(out, series++);
    if (!s->key_series)
        sc_buf_put_lv32(out, sc_buf_slice(&b->suffixes));
    sc_buf_put_varint(out, s->word_count);
    for (size_t w = 0; w < s->word_count; w++)
        kvs_series_put(out, series++);
    if (b->tails.size != 0)
        SC_TRY(tails_put(b, series, out));
    rows_put(b, count, row_bits, out);
    return sc_buf_status(out);
}

static sc_err residuals_reserve(struct kvs_columns_builder *b, size_t need)
{
    if (need <= b->residuals_capacity)
        return SC_OK;
    uint64_t *p = realloc(b->residuals, need * sizeof *p);
    if (p == NULL)
        return SC_E_NOMEM;
    b->residuals = p;
    b->residuals_capacity = need;
    return SC_OK;
}

sc_err kvs_columns_encode(struct kvs_columns_builder *b, const struct kvs_entry *entries, size_t count,
                          struct sc_buf *out, bool *done_out)
{
    struct shape s;
    SC_ASSERT(count != 0 && count <= KVS_COLUMNS_ROWS_MAX);
    *done_out = false;
    if (!shape_of(entries, count, &s))
        return SC_OK;
    SC_TRY(residuals_reserve(b, (s.word_count + 3) * count));
    b->series_count = 0;
    for (size_t i = 0; i < count; i++)
        b->words[i] = kvs_entry_word(entries[i].seq, entries[i].is_put);
    series_add(b, count);
    keys_add(b, entries, count, &s);
    s.word_count = words_add(b, entries, count, s.word_count);
    if (s.word_count == 0)
        return SC_OK;
    tails_add(b, entries, count, s.word_count * 8);
    SC_TRY(sc_buf_status(&b->suffixes));
    SC_TRY(sc_buf_status(&b->tails));
    const size_t start = out->size;
    SC_TRY(block_put(b, entries, count, &s, out));
    *done_out = out->size - start < s.raw_size - s.raw_size / 4;
    if (!*done_out)
        out->size = start;
    return SC_OK;
}

/* ---- reading ---- */

struct columns {
    struct kvs_block base;
    bool key_series, has_tails;
    uint8_t suffix_size; /* of a key series */
    uint32_t row_bits;
    uint32_t word_count, active_count;
    size_t key_size_max, tail_size_max;
    struct sc_slice prefix, suffixes;
    struct kvs_series entry_word, key, tail;
    uint8_t *tails; /* plain */
    size_t tails_size;
    const uint8_t *rows;
    uint64_t *constants;       /* every word; those that vary are overwritten in the scratch */
    uint16_t *active;          /* words that vary */
    struct kvs_series words[]; /* then constants, active, prefix, suffixes, rows */
};

static uint64_t at(const struct columns *b, const struct kvs_series *s, size_t row)
{
    return kvs_series_word(s, row, kvs_bits_get(b->rows, (uint64_t)row * b->row_bits + s->bit_offset, s->width));
}

/* Ends of variable parts were checked to climb and stay inside when the block was read. */
static size_t end_of(const struct columns *b, const struct kvs_series *s, size_t row)
{
    return (size_t)at(b, s, row);
}

static struct sc_slice suffix_of(const struct columns *b, size_t row)
{
    const size_t start = row != 0 ? end_of(b, &b->key, row - 1) : 0;
    return (struct sc_slice){b->suffixes.ptr + start, end_of(b, &b->key, row) - start};
}

static struct sc_slice tail_of(const struct columns *b, size_t row)
{
    if (!b->has_tails)
        return SC_SLICE_EMPTY;
    const size_t start = row != 0 ? end_of(b, &b->tail, row - 1) : 0;
    return (struct sc_slice){b->tails + start, end_of(b, &b->tail, row) - start};
}

static sc_err columns_enter(const struct kvs_block *base, struct kvs_scratch *s)
{
    const struct columns *b = (const struct columns *)base;
    sc_buf_reset(&s->key);
    sc_buf_put_bytes(&s->key, b->prefix); /* stays while the scratch is in this block */
    if (sc_buf_extend(&s->key, b->key_size_max - b->prefix.size) == NULL)
        return sc_buf_status(&s->key);
    sc_buf_reset(&s->value);
    if (sc_buf_extend(&s->value, (size_t)b->word_count * 8 + b->tail_size_max) == NULL)
        return sc_buf_status(&s->value);
    memcpy(s->value.ptr, b->constants, (size_t)b->word_count * 8); /* so do the words that never vary */
    return SC_OK;
}

static void columns_head(const struct kvs_block *base, size_t row, struct kvs_scratch *s, struct kvs_entry *out)
{
    const struct columns *b = (const struct columns *)base;
    const uint64_t word = at(b, &b->entry_word, row);
    out->seq = word >> 1;
    out->is_put = (word & 1) != 0;
    uint8_t *p = s->key.ptr + b->prefix.size;
    size_t size = b->suffix_size;
    if (b->key_series) {
        uint8_t be[8];
        sc_store_u64be(be, at(b, &b->key, row) << (8 * (8 - size) & 63));
        memcpy(p, be, size);
    } else {
        const struct sc_slice rest = suffix_of(b, row);
        memcpy(p, rest.ptr, rest.size);
        size = rest.size;
    }
    out->key = (struct sc_slice){s->key.ptr, b->prefix.size + size};
}

static size_t columns_value_size(const struct kvs_block *base, size_t row)
{
    const struct columns *b = (const struct columns *)base;
    return (at(b, &b->entry_word, row) & 1) == 0 ? 0 : (size_t)b->word_count * 8 + tail_of(b, row).size;
}

/* The words that vary, and the tail; returns the value's size. */
static size_t value_fill(const struct columns *b, size_t row, uint8_t *out)
{
    const uint64_t start = (uint64_t)row * b->row_bits;
    for (uint32_t i = 0; i < b->active_count; i++) {
        const uint32_t w = b->active[i];
        const struct kvs_series *s = &b->words[w];
        const uint64_t word = kvs_series_word(s, row, kvs_bits_get(b->rows, start + s->bit_offset, s->width));
        memcpy(out + (size_t)w * 8, &word, 8);
    }
    const size_t head_size = (size_t)b->word_count * 8;
    const struct sc_slice tail = tail_of(b, row);
    memcpy(out + head_size, tail.ptr, tail.size);
    return head_size + tail.size;
}

static struct sc_slice columns_value(const struct kvs_block *base, size_t row, struct kvs_scratch *s)
{
    return (struct sc_slice){s->value.ptr, value_fill((const struct columns *)base, row, s->value.ptr)};
}

static void columns_value_copy(const struct kvs_block *base, size_t row, uint8_t *out)
{
    const struct columns *b = (const struct columns *)base;
    memcpy(out, b->constants, (size_t)b->word_count * 8);
    value_fill(b, row, out);
}

static struct sc_slice columns_value_part(const struct kvs_block *base, size_t row, size_t offset, size_t size,
                                          struct kvs_scratch *s)
{
    const struct columns *b = (const struct columns *)base;
    const size_t head_size = (size_t)b->word_count * 8;
    if (offset >= head_size) {
        const struct sc_slice tail = tail_of(b, row);
        return (struct sc_slice){tail.ptr + (offset - head_size), size};
    }
    if (offset + size > head_size) {
        const struct sc_slice whole = columns_value(base, row, s);
        return (struct sc_slice){whole.ptr + offset, size};
    }
    for (size_t w = offset / 8; w * 8 < offset + size; w++) {
        const uint64_t word = at(b, &b->words[w], row);
        memcpy(s->value.ptr + w * 8, &word, 8);
    }
    return (struct sc_slice){s->value.ptr + offset, size};
}

/* -1, 0, 1: entry row against (rest of a key behind the prefix, seq). */
static int row_cmp(const struct columns *b, size_t row, struct sc_slice rest, uint64_t seq)
{
    int c;
    if (b->key_series) {
        uint8_t be[8];
        sc_store_u64be(be, at(b, &b->key, row) << (8 * (8 - b->suffix_size) & 63));
        c = sc_slice_cmp((struct sc_slice){be, b->suffix_size}, rest);
    } else {
        c = sc_slice_cmp(suffix_of(b, row), rest);
    }
    if (c != 0)
        return c;
    const uint64_t row_seq = at(b, &b->entry_word, row) >> 1;
    return (row_seq < seq) - (row_seq > seq);
}

static bool columns_match(const struct kvs_block *base, size_t row, struct sc_slice key, uint64_t *seq_out,
                          bool *is_put_out)
{
    const struct columns *b = (const struct columns *)base;
    const size_t n = b->prefix.size;
    const uint64_t word = at(b, &b->entry_word, row);
    *seq_out = word >> 1;
    *is_put_out = (word & 1) != 0;
    return key.size >= n && memcmp(key.ptr, b->prefix.ptr, n) == 0 &&
           row_cmp(b, row, (struct sc_slice){key.ptr + n, key.size - n}, word >> 1) == 0;
}

static size_t columns_seek(const struct kvs_block *base, struct sc_slice key, uint64_t seq)
{
    const struct columns *b = (const struct columns *)base;
    const size_t n = key.size < b->prefix.size ? key.size : b->prefix.size;
    const int c = n != 0 ? memcmp(key.ptr, b->prefix.ptr, n) : 0;
    if (c != 0 || key.size < b->prefix.size)
        return c > 0 ? base->count : 0;
    const struct sc_slice rest = {key.ptr + n, key.size - n};
    size_t lo = 0, hi = base->count;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (row_cmp(b, mid, rest, seq) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static const struct kvs_block_ops columns_ops = {
    .head = columns_head,
    .value = columns_value,
    .value_part = columns_value_part,
    .value_size = columns_value_size,
    .seek = columns_seek,
    .match = columns_match,
    .value_copy = columns_value_copy,
    .enter = columns_enter,
};

static void columns_destroy(struct kvs_cached *c)
{
    struct columns *b = (struct columns *)c;
    free(b->tails);
    free(b);
}

/* ---- parsing ---- */

/* What the plaintext says, before there is memory for it. */
struct wire {
    uint16_t count;
    uint64_t seq_max;
    uint8_t flags, suffix_size;
    struct sc_slice prefix, suffixes, rows;
    struct kvs_series entry_word, key, tail;
    uint64_t word_count;
    struct sc_reader words; /* the series of words, to be read again */
    uint8_t tails_packed;
    uint32_t tails_size;
    struct sc_slice tails;
    uint32_t row_bits;
};

static sc_err series_get(struct sc_reader *r, uint32_t *row_bits, struct kvs_series *out)
{
    SC_TRY(kvs_series_get(r, out));
    out->bit_offset = *row_bits;
    *row_bits += out->width;
    return SC_OK;
}

static sc_err keys_get(struct sc_reader *r, struct wire *w)
{
    if ((w->flags & FLAG_KEY_SERIES) != 0) {
        SC_TRY(sc_reader_get_u8(r, &w->suffix_size));
        return w->suffix_size <= 8 ? series_get(r, &w->row_bits, &w->key) : SC_E_MALFORMED;
    }
    SC_TRY(series_get(r, &w->row_bits, &w->key));
    return sc_reader_get_lv32(r, &w->suffixes);
}

static sc_err tails_get(struct sc_reader *r, struct wire *w)
{
    if ((w->flags & FLAG_TAILS) == 0)
        return SC_OK;
    SC_TRY(series_get(r, &w->row_bits, &w->tail));
    SC_TRY(sc_reader_get_u8(r, &w->tails_packed));
    SC_TRY(sc_reader_get_u32be(r, &w->tails_size));
    SC_TRY(sc_reader_get_lv32(r, &w->tails));
    if (w->tails_packed > 1 || w->tails_size > KVS_COLUMNS_ROWS_MAX * VALUE_SIZE_MAX ||
        (w->tails_packed == 0 && w->tails_size != w->tails.size))
        return SC_E_MALFORMED;
    return SC_OK;
}

static sc_err wire_get(struct sc_slice plain, struct wire *w)
{
    struct sc_reader r = sc_reader_of(plain);
    struct kvs_series skipped;
    *w = (struct wire){.suffixes = SC_SLICE_EMPTY};
    SC_TRY(sc_reader_get_u16be(&r, &w->count));
    SC_TRY(sc_reader_get_varint(&r, &w->seq_max));
    SC_TRY(sc_reader_get_u8(&r, &w->flags));
    SC_TRY(sc_reader_get_lvar(&r, &w->prefix));
    if (w->count == 0 || w->count > KVS_COLUMNS_ROWS_MAX || w->flags > FLAGS_ALL || w->prefix.size > KEY_SIZE_MAX)
        return SC_E_MALFORMED;
    SC_TRY(series_get(&r, &w->row_bits, &w->entry_word));
    SC_TRY(keys_get(&r, w));
    SC_TRY(sc_reader_get_varint(&r, &w->word_count));
    if (w->word_count > KVS_COLUMNS_WORDS_MAX)
        return SC_E_MALFORMED;
    w->words = r;
    for (uint64_t i = 0; i < w->word_count; i++)
        SC_TRY(series_get(&r, &w->row_bits, &skipped));
    SC_TRY(tails_get(&r, w));
    SC_TRY(sc_reader_get_bytes(&r, ((size_t)w->count * w->row_bits + 7) / 8, &w->rows));
    return sc_reader_expect_end(&r);
}

/* Ends that climb and the last of which is size; *part_max_out is the largest part. */
static sc_err ends_check(const struct columns *b, const struct kvs_series *s, size_t size, size_t *part_max_out)
{
    size_t last = 0, part_max = 0;
    for (size_t i = 0; i < b->base.count; i++) {
        const uint64_t end = at(b, s, i);
        if (end < last || end > size)
            return SC_E_MALFORMED;
        part_max = (size_t)end - last > part_max ? (size_t)end - last : part_max;
        last = (size_t)end;
    }
    *part_max_out = part_max;
    return last == size ? SC_OK : SC_E_MALFORMED;
}

static void words_fill(struct columns *b, struct sc_reader words, uint32_t first_bit)
{
    for (uint32_t i = 0; i < b->word_count; i++) {
        sc_ignore(series_get(&words, &first_bit, &b->words[i])); /* the second reading of the same bytes */
        b->constants[i] = kvs_series_word(&b->words[i], 0, 0);
        if (b->words[i].width != 0 || b->words[i].slope != 0)
            b->active[b->active_count++] = (uint16_t)i;
    }
}

static sc_err tails_fill(struct columns *b, const struct wire *w)
{
    b->has_tails = true;
    b->tails_size = w->tails_size;
    b->tails = malloc(w->tails_size != 0 ? w->tails_size : 1);
    if (b->tails == NULL)
        return SC_E_NOMEM;
    if (w->tails_packed != 0)
        SC_TRY(kvs_unpack(w->tails, b->tails, w->tails_size));
    else
        memcpy(b->tails, w->tails.ptr, w->tails.size);
    return ends_check(b, &b->tail, w->tails_size, &b->tail_size_max);
}

static sc_err columns_fill(struct columns *b, const struct wire *w)
{
    if (b->prefix.size == 0 && (b->key_series ? w->suffix_size : w->suffixes.size) == 0) /* no key is empty */
        return SC_E_MALFORMED;
    b->key_size_max = b->prefix.size + w->suffix_size;
    if (!b->key_series) {
        size_t suffix_max;
        SC_TRY(ends_check(b, &b->key, w->suffixes.size, &suffix_max));
        b->key_size_max = b->prefix.size + suffix_max;
    }
    return (w->flags & FLAG_TAILS) != 0 ? tails_fill(b, w) : SC_OK;
}

static uint8_t *copy_to(uint8_t *to, struct sc_slice s)
{
    memcpy(to, s.ptr, s.size);
    return to + s.size;
}

sc_err kvs_columns_parse(struct sc_slice plain, struct kvs_block **out)
{
    struct wire w;
    SC_TRY(wire_get(plain, &w));
    const size_t words = (size_t)w.word_count;
    const size_t size = sizeof(struct columns) +
                        words * (sizeof(struct kvs_series) + sizeof(uint64_t) + sizeof(uint16_t)) + w.prefix.size +
                        w.suffixes.size + w.rows.size + BITS_SLACK;
    struct columns *b = malloc(size);
    if (b == NULL)
        return SC_E_NOMEM;
    *b = (struct columns){
        .base = {.cached = {.destroy = columns_destroy, .size = size + w.tails_size},
                 .ops = &columns_ops,
                 .count = w.count,
                 .distinct = (w.flags & FLAG_DISTINCT) != 0,
                 .seq_max = w.seq_max},
        .key_series = (w.flags & FLAG_KEY_SERIES) != 0,
        .suffix_size = w.suffix_size,
        .row_bits = w.row_bits,
        .word_count = (uint32_t)words,
        .entry_word = w.entry_word,
        .key = w.key,
        .tail = w.tail,
    };
    atomic_init(&b->base.cached.refs, 1);
    b->constants = (uint64_t *)(b->words + words);
    b->active = (uint16_t *)(b->constants + words);
    uint8_t *p = (uint8_t *)(b->active + words);
    b->prefix = (struct sc_slice){p, w.prefix.size};
    p = copy_to(p, w.prefix);
    b->suffixes = (struct sc_slice){p, w.suffixes.size};
    p = copy_to(p, w.suffixes);
    b->rows = p;
    memset(copy_to(p, w.rows), 0, BITS_SLACK);
    words_fill(b, w.words, w.entry_word.width + w.key.width);
    const sc_err err = columns_fill(b, &w);
    if (err != SC_OK) {
        columns_destroy(&b->base.cached);
        return err;
    }
    *out = &b->base;
    return SC_OK;
}
