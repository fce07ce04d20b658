/* A store in a local directory:
 *
 *   DIR/lock           held with flock(2) while open
 *   DIR/root           the root record, replaced by rename
 *   DIR/objects/NAME   one file an object
 *   DIR/tmp/NAME       an object being put; emptied at open
 *
 * Durability: a file's bytes by fsync or fdatasync, its name by fsync of the directory.  A failed sync is reported once
 * and means that what reached the disk is unknown (the kernel forgets dirty pages after an error): the caller must not
 * try again. */
#include "store/store.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE_MAX 64

struct dir_store {
    struct sc_store base;
    char *path;
    int dir_fd, objects_fd, tmp_fd, lock_fd;
    pthread_mutex_t root_lock; /* guards the root file */
};
struct sc_store_append {
    struct dir_store *store;
    int fd;
    char name[NAME_SIZE_MAX + 1];
};

static bool name_is_good(const char *name)
{
    const size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-");
    return n != 0 && n <= NAME_SIZE_MAX && name[n] == '\0' && name[0] != '.';
}

static sc_err write_synced(int dir_fd, const char *name, struct sc_slice content, struct sc_diag *diag)
{
    SC_CLEANUP(sc_fd_closep) int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return sc_fail_errno(diag, SC_E_IO, "%s", name);
    SC_TRY(sc_fd_write_all(fd, content, diag));
    if (fsync(fd) != 0)
        return sc_fail_errno(diag, SC_E_IO, "%s: fsync", name);
    return SC_OK;
}

static sc_err dir_put(struct sc_store *s, const char *name, struct sc_slice content, struct sc_diag *diag)
{
    struct dir_store *d = (struct dir_store *)s;
    SC_ASSERT(name_is_good(name));
    const sc_err err = write_synced(d->tmp_fd, name, content, diag);
    if (err != SC_OK) {
        unlinkat(d->tmp_fd, name, 0);
        return sc_context(diag, err, "%s", d->path);
    }
    if (renameat(d->tmp_fd, name, d->objects_fd, name) != 0 || fsync(d->objects_fd) != 0)
        return sc_fail_errno(diag, SC_E_IO, "%s/objects/%s", d->path, name);
    return SC_OK;
}

static sc_err object_open(struct dir_store *d, const char *name, int *fd_out, struct sc_diag *diag)
{
    SC_ASSERT(name_is_good(name));
    const int fd = openat(d->objects_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return sc_fail_errno(diag, errno == ENOENT ? SC_E_NOT_FOUND : SC_E_IO, "%s/objects/%s", d->path, name);
    *fd_out = fd;
    return SC_OK;
}

static sc_err dir_get(struct sc_store *s, const char *name, uint64_t offset, size_t size, uint8_t *out,
                      struct sc_diag *diag)
{
    struct dir_store *d = (struct dir_store *)s;
    SC_CLEANUP(sc_fd_closep) int fd = -1;
    SC_TRY(object_open(d, name, &fd, diag));
    if (offset > INT64_MAX)
        return sc_fail(diag, SC_E_MALFORMED, "%s/objects/%s: offset too large", d->path, name);
    size_t done = 0;
    while (done < size) {
        const ssize_t n = pread(fd, out + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sc_fail_errno(diag, SC_E_IO, "%s/objects/%s", d->path, name);
        if (n == 0)
            return sc_fail(diag, SC_E_MALFORMED, "%s/objects/%s: ends at byte %llu", d->path, name,
                           (unsigned long long)(offset + done));
        done += (size_t)n;
    }
    return SC_OK;
}

static sc_err dir_size(struct sc_store *s, const char *name, uint64_t *size_out, struct sc_diag *diag)
{
    struct dir_store *d = (struct dir_store *)s;
    SC_CLEANUP(sc_fd_closep) int fd = -1;
    SC_TRY(object_open(d, name, &fd, diag));
    struct stat st;
    if (fstat(fd, &st) != 0)
        return sc_fail_errno(diag, SC_E_IO, "%s/objects/%s", d->path, name);
    *size_out = (uint64_t)st.st_size;
    return SC_OK;
}

static sc_err dir_remove(struct sc_store *s, const char *name, struct sc_diag *diag)
{
    struct dir_store *d = (struct dir_store *)s;
    SC_ASSERT(name_is_good(name));
    if (unlinkat(d->objects_fd, name, 0) != 0 && errno != ENOENT)
        return sc_fail_errno(diag, SC_E_IO, "%s/objects/%s", d->path, name);
    return SC_OK;
}

static void closedirp(DIR **dir)
{
    if (*dir != NULL)
        closedir(*dir);
}

static sc_err dir_list(struct sc_store *s, sc_err (*each)(void *arg, const char *name), void *arg, struct sc_diag *diag)
{
    struct dir_store *d = (struct dir_store *)s;
    const int fd = openat(d->dir_fd, "objects", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return sc_fail_errno(diag, SC_E_IO, "%s/objects", d->path);
    SC_CLEANUP(closedirp) DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return sc_fail_errno(diag, SC_E_IO, "%s/objects", d->path);
    }
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (e == NULL)
            return errno == 0 ? SC_OK : sc_fail_errno(diag, SC_E_IO, "%s/objects", d->path);
        if (name_is_good(e->d_name))
            SC_TRY(each(arg, e->d_name));
    }
}

static sc_err dir_append_open(struct sc_store *s, const char *name, struct sc_store_append **out, struct sc_diag *diag)
{
    struct dir_store *d = (struct dir_store *)s;
    SC_ASSERT(name_is_good(name));
    struct sc_store_append *a = calloc(1, sizeof *a);
    if (a == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s", name);
    a->store = d;
    snprintf(a->name, sizeof a->name, "%s", name);
    a->fd = openat(d->objects_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (a->fd >= 0 && fsync(d->objects_fd) == 0) {
        *out = a;
        return SC_OK;
    }
    const sc_err err = sc_fail_errno(diag, errno == EEXIST ? SC_E_EXISTS : SC_E_IO, "%s/objects/%s", d->path, name);
    sc_fd_closep(&a->fd);
    free(a);
    return err;
}

static sc_err dir_append(struct sc_store_append *a, struct sc_slice bytes, struct sc_diag *diag)
{
    return sc_context(diag, sc_fd_write_all(a->fd, bytes, diag), "%s/objects/%s", a->store->path, a->name);
}

static sc_err dir_append_sync(struct sc_store_append *a, struct sc_diag *diag)
{
    if (fdatasync(a->fd) != 0)
        return sc_fail_errno(diag, SC_E_IO, "%s/objects/%s: fdatasync", a->store->path, a->name);
    return SC_OK;
}

static void dir_append_close(struct sc_store_append *a)
{
    if (a == NULL)
        return;
    sc_fd_closep(&a->fd);
    free(a);
}

/* One byte beyond the limit is read so that an overlong root is refused rather than cut. */
static sc_err root_read(struct dir_store *d, uint8_t out[static SC_STORE_ROOT_SIZE_MAX], size_t *size_out,
                        struct sc_diag *diag)
{
    uint8_t buf[SC_STORE_ROOT_SIZE_MAX + 1];
    SC_CLEANUP(sc_fd_closep) int fd = openat(d->dir_fd, "root", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        *size_out = 0;
        return SC_OK;
    }
    if (fd < 0)
        return sc_fail_errno(diag, SC_E_IO, "%s/root", d->path);
    ssize_t n;
    do
        n = pread(fd, buf, sizeof buf, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return sc_fail_errno(diag, SC_E_IO, "%s/root", d->path);
    if (n == 0 || (size_t)n > SC_STORE_ROOT_SIZE_MAX)
        return sc_fail(diag, SC_E_MALFORMED, "%s/root: wrong size", d->path);
    memcpy(out, buf, (size_t)n);
    *size_out = (size_t)n;
    return SC_OK;
}

static sc_err dir_root_get(struct sc_store *s, uint8_t out[static SC_STORE_ROOT_SIZE_MAX], size_t *size_out,
                           struct sc_diag *diag)
{
    struct dir_store *d = (struct dir_store *)s;
    pthread_mutex_lock(&d->root_lock);
    const sc_err err = root_read(d, out, size_out, diag);
    pthread_mutex_unlock(&d->root_lock);
    return err;
}

static sc_err root_swap(struct dir_store *d, struct sc_slice expected, struct sc_slice next, struct sc_diag *diag)
{
    uint8_t now[SC_STORE_ROOT_SIZE_MAX];
    size_t now_size = 0;
    SC_TRY(root_read(d, now, &now_size, diag));
    if (!sc_slice_eq(sc_slice_of(now, now_size), expected))
        return sc_fail(diag, SC_E_CONFLICT, "%s/root: changed by somebody else", d->path);
    SC_TRY(sc_context(diag, write_synced(d->dir_fd, "root.new", next, diag), "%s", d->path));
    if (renameat(d->dir_fd, "root.new", d->dir_fd, "root") != 0 || fsync(d->dir_fd) != 0)
        return sc_fail_errno(diag, SC_E_IO, "%s/root", d->path);
    return SC_OK;
}

static sc_err dir_root_cas(struct sc_store *s, struct sc_slice expected, struct sc_slice next, struct sc_diag *diag)
{
    struct dir_store *d = (struct dir_store *)s;
    SC_ASSERT(next.size != 0 && next.size <= SC_STORE_ROOT_SIZE_MAX);
    pthread_mutex_lock(&d->root_lock);
    const sc_err err = root_swap(d, expected, next, diag);
    pthread_mutex_unlock(&d->root_lock);
    return err;
}

static void dir_free(struct sc_store *s)
{
    struct dir_store *d = (struct dir_store *)s;
    sc_fd_closep(&d->tmp_fd);
    sc_fd_closep(&d->objects_fd);
    sc_fd_closep(&d->dir_fd);
    sc_fd_closep(&d->lock_fd); /* last: the lock goes with it */
    pthread_mutex_destroy(&d->root_lock);
    free(d->path);
    free(d);
}

static const struct sc_store_ops dir_ops = {
    .put = dir_put,
    .get = dir_get,
    .size = dir_size,
    .remove = dir_remove,
    .list = dir_list,
    .append_open = dir_append_open,
    .append = dir_append,
    .append_sync = dir_append_sync,
    .append_close = dir_append_close,
    .root_get = dir_root_get,
    .root_cas = dir_root_cas,
    .free = dir_free,
};

static sc_err subdir_open(struct dir_store *d, const char *name, int *fd_out, struct sc_diag *diag)
{
    if (mkdirat(d->dir_fd, name, 0700) != 0 && errno != EEXIST)
        return sc_fail_errno(diag, SC_E_IO, "%s/%s", d->path, name);
    *fd_out = openat(d->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (*fd_out < 0)
        return sc_fail_errno(diag, SC_E_IO, "%s/%s", d->path, name);
    return SC_OK;
}

static sc_err lock_take(struct dir_store *d, struct sc_diag *diag)
{
    d->lock_fd = openat(d->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (d->lock_fd < 0)
        return sc_fail_errno(diag, SC_E_IO, "%s/lock", d->path);
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return SC_OK;
    if (errno == EWOULDBLOCK)
        return sc_fail(diag, SC_E_CONFLICT, "%s: in use by another process", d->path);
    return sc_fail_errno(diag, SC_E_IO, "%s/lock", d->path);
}

/* What a crash left half-put. */
static void tmp_clear(struct dir_store *d)
{
    const int fd = openat(d->dir_fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    SC_CLEANUP(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] != '.')
            unlinkat(d->tmp_fd, e->d_name, 0);
    }
}

static sc_err dir_fill(struct dir_store *d, struct sc_diag *diag)
{
    SC_TRY(sc_dir_make(d->path, 0700, diag));
    d->dir_fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->dir_fd < 0)
        return sc_fail_errno(diag, SC_E_IO, "%s", d->path);
    SC_TRY(lock_take(d, diag));
    SC_TRY(subdir_open(d, "objects", &d->objects_fd, diag));
    SC_TRY(subdir_open(d, "tmp", &d->tmp_fd, diag));
    if (fsync(d->dir_fd) != 0)
        return sc_fail_errno(diag, SC_E_IO, "%s: fsync", d->path);
    tmp_clear(d);
    return SC_OK;
}

sc_err sc_store_dir_open(const char *path, struct sc_store **out, struct sc_diag *diag)
{
    struct dir_store *d = calloc(1, sizeof *d);
    if (d == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s", path);
    *d = (struct dir_store){.base.ops = &dir_ops, .dir_fd = -1, .objects_fd = -1, .tmp_fd = -1, .lock_fd = -1};
    pthread_mutex_init(&d->root_lock, NULL);
    d->path = strdup(path);
    const sc_err err = d->path != NULL ? dir_fill(d, diag) : sc_fail(diag, SC_E_NOMEM, "%s", path);
    if (err != SC_OK) {
        dir_free(&d->base);
        return err;
    }
    *out = &d->base;
    return SC_OK;
}
