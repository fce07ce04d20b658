/* Runs a fuzz target without a fuzzer: over the files given (directories: all in them) and over seeded mutations.
 *   fuzz_x_corpus [-n ITERATIONS] [-s SEED] [-i ITERATION] [-t MILLISECONDS] [FILE|DIRECTORY]...
 * -i runs that one iteration only, to repeat a failure. */
#include "base/clock.h"
#include "base/file.h"

#include <dirent.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_COUNT_MAX 1024u
#define INPUT_SIZE_MAX  ((size_t)1 << 20)
#define GROWTH_MAX      ((size_t)4096)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sc_buf inputs[INPUT_COUNT_MAX];
static size_t input_count;
static char where[160]; /* what is running, for the last words */

static void last_words(int sig)
{
    if (write(STDERR_FILENO, where, strlen(where)) < 0) {
        /* nowhere left to say so */
    }
    signal(sig, SIG_DFL);
    raise(sig);
}

/* Over a copy of exactly this size, so that a sanitizer sees a read beyond the end. */
static void run_on(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size != 0 ? size : 1);
    SC_ASSERT(copy != NULL);
    if (size != 0)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static sc_err load(const char *path, struct sc_diag *diag)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return sc_fail_errno(diag, SC_E_IO, "%s", path);
    if (!S_ISDIR(st.st_mode)) {
        if (input_count == INPUT_COUNT_MAX)
            return sc_fail(diag, SC_E_LIMIT, "more than %u inputs", INPUT_COUNT_MAX);
        return sc_file_read(path, INPUT_SIZE_MAX, &inputs[input_count++], diag);
    }
    DIR *dir = opendir(path);
    if (dir == NULL)
        return sc_fail_errno(diag, SC_E_IO, "%s", path);
    sc_err err = SC_OK;
    const struct dirent *e;
    while (err == SC_OK && (e = readdir(dir)) != NULL) {
        SC_CLEANUP(sc_freep) char *below = sc_path_join(path, e->d_name);
        if (e->d_name[0] != '.')
            err = below != NULL ? load(below, diag) : SC_E_NOMEM;
    }
    closedir(dir);
    return err;
}

/* ---- mutations ---- */
static void insert(uint8_t *bytes, size_t *size, size_t at, size_t count)
{
    memmove(bytes + at + count, bytes + at, *size - at);
    *size += count;
}

static void mutate_once(struct sc_prng *prng, uint8_t *bytes, size_t *size, size_t capacity)
{
    static const uint8_t telling[] = { 0, 1, 0x7f, 0x80, 0xff, ' ', '"', ',', '\n', '-', '9' };
    const size_t at = (size_t)sc_prng_below(prng, *size + 1);
    const size_t left = *size - at;
    switch (sc_prng_below(prng, 7)) {
    case 0: /* one bit */
        if (left != 0)
            bytes[at] ^= (uint8_t)(1u << sc_prng_below(prng, 8));
        break;
    case 1: /* one byte that parsers stumble over */
        if (left != 0)
            bytes[at] = telling[sc_prng_below(prng, sizeof telling)];
        break;
    case 2: /* cut the end */
        if (sc_prng_below(prng, 4) == 0)
            *size = at;
        break;
    case 3: { /* leave out a piece */
        const size_t count = (size_t)sc_prng_below(prng, (left < 16 ? left : 16) + 1);
        memmove(bytes + at, bytes + at + count, left - count);
        *size -= count;
        break;
    }
    case 4: { /* random bytes between */
        const size_t count = 1 + (size_t)sc_prng_below(prng, 16);
        if (*size + count > capacity)
            break;
        insert(bytes, size, at, count);
        for (size_t i = 0; i < count; i++)
            bytes[at + i] = (uint8_t)sc_prng_u64(prng);
        break;
    }
    case 5: { /* a piece twice */
        const size_t count = (size_t)sc_prng_below(prng, (left < 256 ? left : 256) + 1);
        if (*size + count > capacity)
            break;
        insert(bytes, size, at, count);
        memmove(bytes + at, bytes + at + count, count);
        break;
    }
    default: { /* a piece of another input */
        const struct sc_buf *other = &inputs[sc_prng_below(prng, input_count)];
        size_t count = other->size < left ? other->size : left;
        count = count != 0 ? (size_t)sc_prng_below(prng, count) : 0;
        const size_t from = count != 0 ? (size_t)sc_prng_below(prng, other->size - count + 1) : 0;
        if (count != 0)
            memcpy(bytes + at, other->ptr + from, count);
        break;
    }
    }
}

static void run_mutation(uint64_t seed, uint64_t iteration)
{
    struct sc_prng prng;
    sc_prng_init_stream(&prng, seed, iteration); /* each can be repeated alone */
    const struct sc_buf *from = &inputs[sc_prng_below(&prng, input_count)];
    const size_t capacity = from->size + GROWTH_MAX;
    uint8_t *bytes = malloc(capacity);
    SC_ASSERT(bytes != NULL);
    size_t size = from->size;
    if (size != 0)
        memcpy(bytes, from->ptr, size);
    for (uint64_t n = 1 + sc_prng_below(&prng, 8); n != 0; n--)
        mutate_once(&prng, bytes, &size, capacity);
    run_on(bytes, size);
    free(bytes);
}

int main(int argc, char **argv)
{
    uint64_t count = 5000;
    uint64_t seed = 1;
    int64_t only = -1;
    int64_t time_ms = 1500;
    int o;
    while ((o = getopt(argc, argv, "n:s:i:t:")) != -1) {
        if (o == 'n')
            count = strtoull(optarg, NULL, 10);
        else if (o == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (o == 'i')
            only = strtoll(optarg, NULL, 10);
        else if (o == 't')
            time_ms = strtoll(optarg, NULL, 10);
        else
            return 2;
    }
    struct sc_diag diag = { 0 };
    for (int i = optind; i < argc; i++) {
        const sc_err err = load(argv[i], &diag);
        if (err != SC_OK) {
            fprintf(stderr, "%s: %s\n", argv[0], sc_diag_text(&diag, err));
            return 1;
        }
    }
    signal(SIGABRT, last_words);
    signal(SIGSEGV, last_words);
    const size_t file_count = input_count;
    if (input_count == 0) /* no corpus: mutations of nothing and of zeros */
        memset(sc_buf_extend(&inputs[input_count++], 256), 0, 256);
    const int64_t until_us = sc_mono_us(&sc_clock_system) + time_ms * 1000;
    for (size_t i = 0; only < 0 && i < input_count; i++) {
        snprintf(where, sizeof where, "\nwhile running input %zu\n", i);
        run_on(inputs[i].ptr, inputs[i].size);
    }
    if (only < 0)
        run_on((const uint8_t *)"", 0);
    uint64_t done = 0;
    for (uint64_t i = only >= 0 ? (uint64_t)only : 0; i < (only >= 0 ? (uint64_t)only + 1 : count); i++, done++) {
        if (only < 0 && sc_mono_us(&sc_clock_system) >= until_us)
            break;
        snprintf(where, sizeof where, "\nrepeat with: -s %" PRIu64 " -i %" PRIu64 "\n", seed, i);
        run_mutation(seed, i);
    }
    printf("%zu inputs, %" PRIu64 " mutations, seed %" PRIu64 "\n", file_count, done, seed);
    for (size_t i = 0; i < input_count; i++)
        sc_buf_deinit(&inputs[i]);
    return 0;
}
