/* The counter in a file: two slots, written in turn, so that a torn write leaves the other.
 * It is not synced: a volume may run ahead of its counter, never behind, so after a power cut it opens; what the cut
 * loses is some protection, of which a file that anybody can put back has little anyhow.
 *   slot = u32 magic, u16 version, u16 zero, u64 value, 16 bytes of SHA-256 over what is before; at 0 and at 4096 */
#include "kvs/kvs.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/file.h>
#include <unistd.h>

#define MAGIC       UINT32_C(0x53434b43) /* "SCKC" */
#define SLOT_STRIDE 4096
#define SLOT_SIZE   ((size_t)32)
#define FILE_SIZE   ((size_t)8192)

struct counter_file {
    pthread_mutex_t lock; /* guards all below */
    int fd;
    uint64_t value;
    unsigned slot; /* the one that holds value */
    bool broken;   /* a write failed: what the file holds is unknown */
    char *path;
};

static void slot_make(uint8_t out[static SLOT_SIZE], uint64_t value)
{
    struct sc_hash hash;
    sc_store_u32be(out, MAGIC);
    sc_store_u32be(out + 4, UINT32_C(1) << 16);
    sc_store_u64be(out + 8, value);
    sc_hash_of(sc_slice_of(out, 16), &hash);
    memcpy(out + 16, hash.bytes, 16);
}

static sc_err counter_read(void *self, uint64_t *value_out, struct sc_diag *diag)
{
    struct counter_file *c = self;
    pthread_mutex_lock(&c->lock);
    const uint64_t value = c->value;
    const bool broken = c->broken;
    pthread_mutex_unlock(&c->lock);
    if (broken)
        return sc_fail(diag, SC_E_IO, "%s: an earlier write failed", c->path);
    *value_out = value;
    return SC_OK;
}

static sc_err slot_write(struct counter_file *c, unsigned slot, uint64_t value, struct sc_diag *diag)
{
    uint8_t bytes[SLOT_SIZE];
    slot_make(bytes, value);
    if (pwrite(c->fd, bytes, sizeof bytes, (off_t)slot * SLOT_STRIDE) != (ssize_t)sizeof bytes) {
        c->broken = true;
        return sc_fail_errno(diag, SC_E_IO, "%s", c->path);
    }
    return SC_OK;
}

static sc_err advance_locked(struct counter_file *c, uint64_t from, uint64_t to, struct sc_diag *diag)
{
    if (c->broken)
        return sc_fail(diag, SC_E_IO, "%s: an earlier write failed", c->path);
    if (from != c->value || to <= from)
        return sc_fail(diag, SC_E_CONFLICT, "%s: stands at %" PRIu64 ", not at %" PRIu64 ": another writer uses it",
                       c->path, c->value, from);
    SC_TRY(slot_write(c, 1 - c->slot, to, diag));
    c->slot = 1 - c->slot;
    c->value = to;
    return SC_OK;
}

static sc_err counter_advance(void *self, uint64_t from, uint64_t to, struct sc_diag *diag)
{
    struct counter_file *c = self;
    pthread_mutex_lock(&c->lock);
    const sc_err err = advance_locked(c, from, to, diag);
    pthread_mutex_unlock(&c->lock);
    return err;
}

static void counter_file_free(struct counter_file *c)
{
    sc_fd_closep(&c->fd);
    pthread_mutex_destroy(&c->lock);
    free(c->path);
    free(c);
}

/* A new file appears whole or not at all, so an existing one without a good slot is damage, never a beginning. */
static sc_err counter_file_create(const char *path, struct sc_diag *diag)
{
    uint8_t zero[FILE_SIZE] = {0};
    slot_make(zero, 0);
    return sc_file_write(path, sc_slice_of(zero, sizeof zero), 0600, diag);
}

static sc_err counter_file_load(struct counter_file *c, struct sc_diag *diag)
{
    bool found = false;
    for (unsigned slot = 0; slot < 2; slot++) {
        uint8_t bytes[SLOT_SIZE];
        uint8_t expected[SLOT_SIZE];
        if (pread(c->fd, bytes, sizeof bytes, (off_t)slot * SLOT_STRIDE) != (ssize_t)sizeof bytes)
            return sc_fail(diag, SC_E_MALFORMED, "%s: too short for a counter", c->path);
        const uint64_t value = sc_load_u64be(bytes + 8);
        slot_make(expected, value);
        if (memcmp(bytes, expected, sizeof bytes) != 0 || (found && value < c->value))
            continue;
        found = true;
        c->value = value;
        c->slot = slot;
    }
    return found ? SC_OK : sc_fail(diag, SC_E_MALFORMED, "%s: no counter in it", c->path);
}

static sc_err counter_file_open(struct counter_file *c, struct sc_diag *diag)
{
    c->fd = open(c->path, O_RDWR | O_CLOEXEC);
    if (c->fd < 0 && errno == ENOENT) {
        SC_TRY(counter_file_create(c->path, diag));
        c->fd = open(c->path, O_RDWR | O_CLOEXEC);
    }
    if (c->fd < 0)
        return sc_fail_errno(diag, SC_E_IO, "%s", c->path);
    if (flock(c->fd, LOCK_EX | LOCK_NB) != 0)
        return sc_fail(diag, SC_E_CONFLICT, "%s: in use by another process", c->path);
    return counter_file_load(c, diag);
}

sc_err sc_kvs_counter_insecure_file(const char *path, struct sc_kvs_counter *out, struct sc_diag *diag)
{
    struct counter_file *c = calloc(1, sizeof *c);
    if (c == NULL)
        return SC_E_NOMEM;
    c->fd = -1;
    pthread_mutex_init(&c->lock, NULL);
    c->path = strdup(path);
    const sc_err err = c->path != NULL ? counter_file_open(c, diag) : SC_E_NOMEM;
    if (err != SC_OK) {
        counter_file_free(c);
        return err;
    }
    *out = (struct sc_kvs_counter){.read = counter_read, .advance = counter_advance, .self = c};
    return SC_OK;
}

void sc_kvs_counter_file_close(struct sc_kvs_counter *counter)
{
    if (counter == NULL || counter->self == NULL)
        return;
    counter_file_free(counter->self);
    *counter = (struct sc_kvs_counter){0};
}
