#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void sc_fd_closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

char *sc_path_join(const char *dir, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/* Keys are read through here too: no copy stays on the stack. */
struct chunk {
    size_t size; /* the most that was ever in it */
    uint8_t bytes[16384];
};

static void chunk_wipe(struct chunk *c)
{
    explicit_bzero(c->bytes, c->size);
}

sc_err sc_file_read(const char *path, size_t size_max, struct sc_buf *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return sc_fail_errno(diag, errno == ENOENT ? SC_E_NOT_FOUND : SC_E_IO, "%s", path);
    struct stat st;
    if (fstat(fd, &st) != 0)
        return sc_fail_errno(diag, SC_E_IO, "%s", path);
    if (!S_ISREG(st.st_mode))
        return sc_fail(diag, SC_E_USAGE, "%s: not a regular file", path);
    size_t total = 0;
    SC_CLEANUP(chunk_wipe) struct chunk chunk;
    chunk.size = 0; /* the bytes need no initial value */
    for (;;) {
        const ssize_t n = read(fd, chunk.bytes, sizeof chunk.bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sc_fail_errno(diag, SC_E_IO, "%s", path);
        if (n == 0)
            break;
        chunk.size = (size_t)n > chunk.size ? (size_t)n : chunk.size;
        total += (size_t)n;
        if (total > size_max)
            return sc_fail(diag, SC_E_LIMIT, "%s: larger than %zu bytes", path, size_max);
        sc_buf_put_bytes(out, sc_slice_of(chunk.bytes, (size_t)n));
    }
    const sc_err err = sc_buf_status(out);
    return err == SC_OK ? SC_OK : sc_fail(diag, err, "%s: %s", path, sc_err_name(err));
}

sc_err sc_fd_write_all(int fd, struct sc_slice s, struct sc_diag *diag)
{
    while (s.size != 0) {
        const ssize_t n = write(fd, s.ptr, s.size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sc_fail_errno(diag, SC_E_IO, "write");
        s = (struct sc_slice){s.ptr + n, s.size - (size_t)n};
    }
    return SC_OK;
}

static sc_err sync_parent(const char *path, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *copy = strdup(path);
    if (copy == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s", path);
    SC_CLEANUP(sc_fd_closep) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return sc_fail_errno(diag, SC_E_IO, "%s: directory", path);
    return SC_OK;
}

sc_err sc_file_write(const char *path, struct sc_slice content, mode_t mode, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *tmp = NULL;
    if (asprintf(&tmp, "%s.tmp.%ld", path, (long)getpid()) < 0) {
        tmp = NULL;
        return sc_fail(diag, SC_E_NOMEM, "%s", path);
    }
    SC_CLEANUP(sc_fd_closep) int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return sc_fail_errno(diag, SC_E_IO, "%s", tmp);
    sc_err err = sc_fd_write_all(fd, content, diag);
    if (err == SC_OK && fsync(fd) != 0)
        err = sc_fail_errno(diag, SC_E_IO, "fsync");
    if (err == SC_OK && rename(tmp, path) != 0)
        err = sc_fail_errno(diag, SC_E_IO, "rename");
    if (err != SC_OK) {
        unlink(tmp);
        return sc_context(diag, err, "%s", path);
    }
    return sync_parent(path, diag);
}

sc_err sc_dir_make(const char *path, mode_t mode, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *copy = strdup(path);
    if (copy == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s", path);
    for (char *p = copy + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        const char was = *p;
        *p = '\0';
        if (mkdir(copy, mode) != 0 && errno != EEXIST)
            return sc_fail_errno(diag, SC_E_IO, "%s", copy);
        if (was == '\0')
            break;
        *p = was;
    }
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return sc_fail(diag, SC_E_IO, "%s: not a directory", path);
    return SC_OK;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

sc_err sc_dir_remove(const char *path, struct sc_diag *diag)
{
    struct stat st;
    if (lstat(path, &st) != 0 && errno == ENOENT)
        return SC_OK;
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
        return sc_fail_errno(diag, SC_E_IO, "%s", path);
    return SC_OK;
}
