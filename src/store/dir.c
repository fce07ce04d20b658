/* A store in a local directory:
 *
 *   DIR/lock    held with flock(2) while open
 *   DIR/root    the root record, replaced by rename (root.new)
 *   DIR/o.NAME  one file an object
 *   DIR/t.NAME  an object being put; removed at open
 *
 * Durability: a file's bytes by fsync or fdatasync, its name by fsync of the directory.  A failed sync is reported once
 * and means that what reached the disk is unknown (the kernel forgets dirty pages after an error): the caller must not
 * try again. */
#include "store/dir_internal.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#define TMP_PREFIX "t."

static bool name_is_good(const char *name)
{
    const size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-");
    return n != 0 && n <= DIR_NAME_SIZE_MAX && name[n] == '\0' && name[0] != '.';
}

const char *dir_object_file(const char *name, char file[static DIR_FILE_SIZE])
{
    SC_ASSERT(name_is_good(name));
    snprintf(file, DIR_FILE_SIZE, DIR_OBJECT_PREFIX "%s", name);
    return file;
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

/* ---- files kept open ---- */

static struct dir_open_file *open_slot(struct dir_store *d, const char *name)
{
    uint32_t h = 0;
    for (const char *p = name; *p != '\0'; p++)
        h = h * 31 + (uint8_t)*p;
    return &d->open_files[h % DIR_OPEN_COUNT];
}

/* A file descriptor for reading; *slot_out is NULL when it is the caller's own. */
static sc_err object_open(struct dir_store *d, const char *name, int *fd_out, struct dir_open_file **slot_out,
                          struct sc_diag *diag)
{
    char file[DIR_FILE_SIZE];
    struct dir_open_file *slot = open_slot(d, name);
    pthread_mutex_lock(&d->open_lock);
    if (strcmp(slot->name, name) == 0 && !slot->dropped) {
        slot->readers++;
        *fd_out = slot->fd;
        *slot_out = slot;
        pthread_mutex_unlock(&d->open_lock);
        return SC_OK;
    }
    pthread_mutex_unlock(&d->open_lock);
    const int fd = openat(d->dir_fd, dir_object_file(name, file), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return sc_fail_errno(diag, errno == ENOENT ? SC_E_NOT_FOUND : SC_E_IO, "%s/%s", d->path, file);
    *fd_out = fd;
    *slot_out = NULL;
    pthread_mutex_lock(&d->open_lock);
    if (slot->readers == 0) { /* takes the place of another */
        if (slot->name[0] != '\0')
            close(slot->fd);
        *slot = (struct dir_open_file){.fd = fd, .readers = 1};
        snprintf(slot->name, sizeof slot->name, "%s", name);
        *slot_out = slot;
    }
    pthread_mutex_unlock(&d->open_lock);
    return SC_OK;
}

static void slot_clear(struct dir_open_file *slot)
{
    close(slot->fd);
    *slot = (struct dir_open_file){0};
}

static void object_close(struct dir_store *d, int fd, struct dir_open_file *slot)
{
    if (slot == NULL) {
        close(fd);
        return;
    }
    pthread_mutex_lock(&d->open_lock);
    if (--slot->readers == 0 && slot->dropped)
        slot_clear(slot);
    pthread_mutex_unlock(&d->open_lock);
}

/* The name means another file from now on, or none. */
static void object_forget(struct dir_store *d, const char *name)
{
    struct dir_open_file *slot = open_slot(d, name);
    pthread_mutex_lock(&d->open_lock);
    if (strcmp(slot->name, name) == 0) {
        slot->dropped = true;
        if (slot->readers == 0)
            slot_clear(slot);
    }
    pthread_mutex_unlock(&d->open_lock);
}

/* ---- objects ---- */

static sc_err dir_put(struct sc_store *s, const char *name, struct sc_slice content, struct sc_diag *diag)
{
    struct dir_store *d = (struct dir_store *)s;
    char file[DIR_FILE_SIZE], tmp[DIR_FILE_SIZE];
    dir_object_file(name, file);
    snprintf(tmp, sizeof tmp, TMP_PREFIX "%s", name);
    const sc_err err = write_synced(d->dir_fd, tmp, content, diag);
    if (err != SC_OK) {
        unlinkat(d->dir_fd, tmp, 0);
        return sc_context(diag, err, "%s", d->path);
    }
    if (renameat(d->dir_fd, tmp, d->dir_fd, file) != 0 || fsync(d->dir_fd) != 0)
        return sc_fail_errno(diag, SC_E_IO, "%s/%s", d->path, file);
    object_forget(d, name);
    return SC_OK;
}

static sc_err read_exact(const struct dir_store *d, int fd, const char *name, uint64_t offset, size_t size,
                         uint8_t *out, struct sc_diag *diag)
{
    size_t done = 0;
    if (offset > INT64_MAX)
        return sc_fail(diag, SC_E_MALFORMED, "%s/%s%s: offset too large", d->path, DIR_OBJECT_PREFIX, name);
    while (done < size) {
        const ssize_t n = pread(fd, out + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sc_fail_errno(diag, SC_E_IO, "%s/%s%s", d->path, DIR_OBJECT_PREFIX, name);
        if (n == 0)
            return sc_fail(diag, SC_E_MALFORMED, "%s/%s%s: ends at byte %llu", d->path, DIR_OBJECT_PREFIX, name,
                           (unsigned long long)(offset + done));
        done += (size_t)n;
    }
    return SC_OK;
}

static sc_err dir_get(struct sc_store *s, const char *name, uint64_t offset, size_t size, uint8_t *out,
                      struct sc_diag *diag)
{
    struct dir_store *d = (struct dir_store *)s;
    struct dir_open_file *slot = NULL;
    int fd = -1;
    SC_TRY(object_open(d, name, &fd, &slot, diag));
    const sc_err err = read_exact(d, fd, name, offset, size, out, diag);
    object_close(d, fd, slot);
    return err;
}

static sc_err dir_size(struct sc_store *s, const char *name, uint64_t *size_out, struct sc_diag *diag)
{
    struct dir_store *d = (struct dir_store *)s;
    char file[DIR_FILE_SIZE];
    struct stat st;
    if (fstatat(d->dir_fd, dir_object_file(name, file), &st, AT_SYMLINK_NOFOLLOW) != 0)
        return sc_fail_errno(diag, errno == ENOENT ? SC_E_NOT_FOUND : SC_E_IO, "%s/%s", d->path, file);
    *size_out = (uint64_t)st.st_size;
    return SC_OK;
}

static sc_err dir_remove(struct sc_store *s, const char *name, struct sc_diag *diag)
{
    struct dir_store *d = (struct dir_store *)s;
    char file[DIR_FILE_SIZE];
    object_forget(d, name);
    if (unlinkat(d->dir_fd, dir_object_file(name, file), 0) != 0 && errno != ENOENT)
        return sc_fail_errno(diag, SC_E_IO, "%s/%s", d->path, file);
    return SC_OK;
}

static void closedirp(DIR **dir)
{
    if (*dir != NULL)
        closedir(*dir);
}

static bool has_prefix(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static sc_err dir_list(struct sc_store *s, sc_err (*each)(void *arg, const char *name), void *arg, struct sc_diag *diag)
{
    struct dir_store *d = (struct dir_store *)s;
    SC_CLEANUP(closedirp) DIR *dir = opendir(d->path);
    if (dir == NULL)
        return sc_fail_errno(diag, SC_E_IO, "%s", d->path);
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (e == NULL)
            return errno == 0 ? SC_OK : sc_fail_errno(diag, SC_E_IO, "%s", d->path);
        if (has_prefix(e->d_name, DIR_OBJECT_PREFIX) && name_is_good(e->d_name + 2))
            SC_TRY(each(arg, e->d_name + 2));
    }
}

/* ---- the root ---- */

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* One byte beyond the limit is read so that an overlong root is refused rather than cut. */
static sc_err root_load(struct dir_store *d, struct sc_diag *diag)
{
    uint8_t buf[SC_STORE_ROOT_SIZE_MAX + 1];
    d->root_size = 0;
    SC_CLEANUP(sc_fd_closep) int fd = openat(d->dir_fd, "root", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? SC_E_NOT_FOUND : sc_fail_errno(diag, SC_E_IO, "%s/root", d->path);
    if (fstat(fd, &d->root_stat) != 0)
        return sc_fail_errno(diag, SC_E_IO, "%s/root", d->path);
    ssize_t n;
    do
        n = pread(fd, buf, sizeof buf, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return sc_fail_errno(diag, SC_E_IO, "%s/root", d->path);
    if (n == 0 || (size_t)n > SC_STORE_ROOT_SIZE_MAX)
        return sc_fail(diag, SC_E_MALFORMED, "%s/root: wrong size", d->path);
    memcpy(d->root_bytes, buf, (size_t)n);
    d->root_size = (size_t)n;
    return SC_OK;
}

/* Asked at every sync: a look at the name tells whether it is still the file that we know. */
static sc_err root_read(struct dir_store *d, uint8_t out[static SC_STORE_ROOT_SIZE_MAX], size_t *size_out,
                        struct sc_diag *diag)
{
    struct stat st;
    *size_out = 0;
    if (fstatat(d->dir_fd, "root", &st, AT_SYMLINK_NOFOLLOW) != 0 || d->root_size == 0 ||
        !same_file(&st, &d->root_stat)) {
        const sc_err err = root_load(d, diag);
        if (err != SC_OK)
            return err == SC_E_NOT_FOUND ? SC_OK : err;
    }
    memcpy(out, d->root_bytes, d->root_size);
    *size_out = d->root_size;
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
    for (size_t i = 0; i < DIR_OPEN_COUNT; i++)
        if (d->open_files[i].name[0] != '\0')
            close(d->open_files[i].fd);
    sc_fd_closep(&d->dir_fd);
    sc_fd_closep(&d->lock_fd); /* last: the lock goes with it */
    pthread_mutex_destroy(&d->open_lock);
    pthread_mutex_destroy(&d->root_lock);
    free(d->path);
    free(d);
}

static sc_err dir_share(struct sc_store *s, struct sc_store *to, const char *name)
{
    struct dir_store *d = (struct dir_store *)s, *other = (struct dir_store *)to;
    char file[DIR_FILE_SIZE];
    if (to->ops != s->ops)
        return SC_E_UNSUPPORTED;
    dir_object_file(name, file);
    object_forget(other, name);
    if (linkat(d->dir_fd, file, other->dir_fd, file, 0) != 0 || fsync(other->dir_fd) != 0)
        return SC_E_IO;
    return SC_OK;
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
    .share = dir_share,
    .free = dir_free,
};

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
    SC_CLEANUP(closedirp) DIR *dir = opendir(d->path);
    if (dir == NULL)
        return;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (has_prefix(e->d_name, TMP_PREFIX))
            unlinkat(d->dir_fd, e->d_name, 0);
    }
}

static sc_err dir_fill(struct dir_store *d, struct sc_diag *diag)
{
    SC_TRY(sc_dir_make(d->path, 0700, diag));
    d->dir_fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->dir_fd < 0)
        return sc_fail_errno(diag, SC_E_IO, "%s", d->path);
    SC_TRY(lock_take(d, diag));
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
    *d = (struct dir_store){.base.ops = &dir_ops, .dir_fd = -1, .lock_fd = -1};
    pthread_mutex_init(&d->root_lock, NULL);
    pthread_mutex_init(&d->open_lock, NULL);
    d->path = strdup(path);
    const sc_err err = d->path != NULL ? dir_fill(d, diag) : sc_fail(diag, SC_E_NOMEM, "%s", path);
    if (err != SC_OK) {
        dir_free(&d->base);
        return err;
    }
    *out = &d->base;
    return SC_OK;
}
