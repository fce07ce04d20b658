/* Appending to an object of a directory store.
 *
 * What a sync costs is two things: the device's flush, which nobody can spare, and the file system's journal, which is
 * asked whenever a file grows.  So small appends go into space that was filled with zeros before, by direct writes
 * (O_DIRECT | O_DSYNC: one system call, no page cache), of whole 4 KiB blocks; the last block is written again with
 * each sync until it is full.  Large appends grow the file: there the journal does not matter.
 *
 * Bytes that were appended but not synced stay in this process.  Until it is closed, an object may end in zeros that
 * nobody appended: the store's contract allows that for appended objects. */
#include "store/dir_internal.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define BLOCK_SIZE   ((size_t)4096)
#define PENDING_MAX  ((size_t)4 << 20)  /* written out before it is synced */
#define LARGE_APPEND ((size_t)96 << 10) /* from here on the file simply grows */
#define PREFILL_MIN  ((size_t)64 << 10)
#define PREFILL_MAX  ((size_t)1 << 20)

struct sc_store_append {
    struct dir_store *store;
    int fd;
    bool direct;     /* O_DIRECT | O_DSYNC; else buffered writes and fdatasync */
    uint8_t *buf;    /* from base on, aligned */
    size_t capacity; /* of buf: a multiple of BLOCK_SIZE */
    size_t used;
    uint64_t base;      /* offset of buf[0]: a multiple of BLOCK_SIZE */
    uint64_t allocated; /* the file's size: zeros behind base + used */
    size_t prefill;     /* next amount; 0: there was no room */
    bool dirty;
    char name[DIR_NAME_SIZE_MAX + 1];
};

static sc_err failed(const struct sc_store_append *a, const char *what, struct sc_diag *diag)
{
    return sc_fail_errno(diag, SC_E_IO, "%s/%s%s: %s", a->store->path, DIR_OBJECT_PREFIX, a->name, what);
}

static sc_err fd_open(struct dir_store *d, struct sc_store_append *a)
{
    char file[DIR_FILE_SIZE];
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    dir_object_file(a->name, file);
    a->fd = openat(d->dir_fd, file, flags | O_DIRECT | O_DSYNC, 0600);
    a->direct = a->fd >= 0;
    if (a->fd < 0 && errno == EINVAL) { /* a file system without direct writes may have made the file all the same */
        unlinkat(d->dir_fd, file, 0);
        a->fd = openat(d->dir_fd, file, flags, 0600);
    }
    return a->fd >= 0 && fsync(d->dir_fd) == 0 ? SC_OK : SC_E_IO;
}

sc_err dir_append_open(struct sc_store *s, const char *name, struct sc_store_append **out, struct sc_diag *diag)
{
    struct dir_store *d = (struct dir_store *)s;
    struct sc_store_append *a = calloc(1, sizeof *a);
    if (a == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s", name);
    a->store = d;
    a->prefill = PREFILL_MIN;
    snprintf(a->name, sizeof a->name, "%s", name);
    if (fd_open(d, a) == SC_OK) {
        *out = a;
        return SC_OK;
    }
    const sc_err err =
        sc_fail_errno(diag, errno == EEXIST ? SC_E_EXISTS : SC_E_IO, "%s/%s%s", d->path, DIR_OBJECT_PREFIX, name);
    sc_fd_closep(&a->fd);
    free(a);
    return err;
}

static sc_err reserve(struct sc_store_append *a, size_t more)
{
    size_t need;
    if (sc_size_add(a->used, more, &need) != SC_OK || need > SC_BUF_SIZE_MAX)
        return SC_E_LIMIT;
    need = (need + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE;
    if (need <= a->capacity)
        return SC_OK;
    const size_t doubled = a->capacity * 2;
    const size_t capacity = doubled > need && doubled <= PENDING_MAX ? doubled : need;
    uint8_t *buf = aligned_alloc(BLOCK_SIZE, capacity);
    if (buf == NULL)
        return SC_E_NOMEM;
    if (a->used != 0)
        memcpy(buf, a->buf, a->used);
    free(a->buf);
    a->buf = buf;
    a->capacity = capacity;
    return SC_OK;
}

/* Some file systems take O_DIRECT at open and refuse it at the first write: O_DSYNC alone does, more slowly. */
static bool direct_give_up(struct sc_store_append *a)
{
    const int flags = fcntl(a->fd, F_GETFL);
    return flags >= 0 && (flags & O_DIRECT) != 0 && fcntl(a->fd, F_SETFL, flags & ~O_DIRECT) == 0;
}

static sc_err write_at(struct sc_store_append *a, const uint8_t *bytes, size_t size, uint64_t offset,
                       struct sc_diag *diag)
{
    while (size != 0) {
        const ssize_t n = pwrite(a->fd, bytes, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EINVAL && direct_give_up(a))
            continue;
        if (n <= 0 || (a->direct && (size_t)n % BLOCK_SIZE != 0))
            return failed(a, "write", diag);
        bytes += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return SC_OK;
}

/* Zeros ahead, so that the next small syncs need not grow the file.  Where there is no room for them, there may still
 * be for what is to be written: that is tried all the same. */
static void prefill(struct sc_store_append *a)
{
    uint8_t *zeros = aligned_alloc(BLOCK_SIZE, a->prefill);
    if (zeros == NULL) {
        a->prefill = 0;
        return;
    }
    memset(zeros, 0, a->prefill);
    const sc_err err = write_at(a, zeros, a->prefill, a->allocated, NULL);
    free(zeros);
    if (err != SC_OK) {
        a->prefill = 0;
        return;
    }
    a->allocated += a->prefill;
    a->prefill = a->prefill < PREFILL_MAX ? a->prefill * 2 : a->prefill;
}

/* Everything to the file; durable when direct. */
static sc_err write_out(struct sc_store_append *a, struct sc_diag *diag)
{
    const size_t size = (a->used + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE;
    const size_t written = a->direct ? size : a->used;
    if (a->used == 0)
        return SC_OK;
    while (a->direct && a->prefill != 0 && size < LARGE_APPEND && a->base + size > a->allocated)
        prefill(a);
    memset(a->buf + a->used, 0, size - a->used);
    SC_TRY(write_at(a, a->buf, written, a->base, diag));
    if (a->base + written > a->allocated)
        a->allocated = a->base + written;
    const size_t whole = a->used / BLOCK_SIZE * BLOCK_SIZE;
    memmove(a->buf, a->buf + whole, a->used - whole);
    a->base += whole;
    a->used -= whole;
    return SC_OK;
}

sc_err dir_append(struct sc_store_append *a, struct sc_slice bytes, struct sc_diag *diag)
{
    const sc_err err = reserve(a, bytes.size);
    if (err != SC_OK)
        return sc_fail(diag, err, "%s/%s%s: append of %zu bytes", a->store->path, DIR_OBJECT_PREFIX, a->name,
                       bytes.size);
    memcpy(a->buf + a->used, bytes.ptr, bytes.size);
    a->used += bytes.size;
    a->dirty = true;
    return a->used > PENDING_MAX ? write_out(a, diag) : SC_OK;
}

sc_err dir_append_sync(struct sc_store_append *a, struct sc_diag *diag)
{
    if (!a->dirty)
        return SC_OK;
    SC_TRY(write_out(a, diag));
    if (!a->direct && fdatasync(a->fd) != 0)
        return failed(a, "fdatasync", diag);
    a->dirty = false;
    return SC_OK;
}

/* The unsynced rest and the exact length are courtesies: neither was promised. */
void dir_append_close(struct sc_store_append *a)
{
    if (a == NULL)
        return;
    const uint64_t size = a->base + a->used;
    if (!a->dirty || write_out(a, NULL) == SC_OK) {
        if (size < a->allocated && ftruncate(a->fd, (off_t)size) != 0)
            a->allocated = 0; /* zeros stay behind: allowed */
    }
    sc_fd_closep(&a->fd);
    free(a->buf);
    free(a);
}
