#include "tee/measure.h"

#include "base/file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CACHE_MAX     ((size_t)1024)
#define FILE_SIZE_MAX ((off_t)1 << 30)
#define MAPS_SIZE_MAX ((size_t)4 << 20)
/* A file that changes twice within the file system's clock tick keeps its times: believe a hash only when the last
 * change lies this long before it (as git does with its index). */
#define SETTLED_NS    INT64_C(1000000000)

struct cached {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime, ctime;
    struct sc_hash hash;
    uint64_t used;
};
struct tee_measurer {
    struct cached *cache;
    size_t count;
    uint64_t clock;
};

sc_err tee_measurer_new(struct tee_measurer **out)
{
    struct tee_measurer *m = calloc(1, sizeof *m);
    if (m == NULL || (m->cache = calloc(CACHE_MAX, sizeof *m->cache)) == NULL) {
        free(m);
        return SC_E_NOMEM;
    }
    *out = m;
    return SC_OK;
}

void tee_measurer_free(struct tee_measurer *m)
{
    if (m == NULL)
        return;
    free(m->cache);
    free(m);
}

void tee_measurer_freep(struct tee_measurer **m)
{
    tee_measurer_free(*m);
}

/* ---- files ---- */
static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_state(const struct stat *st, const struct cached *c)
{
    return c->dev == st->st_dev && c->ino == st->st_ino && c->size == st->st_size &&
           same_time(&c->mtime, &st->st_mtim) && same_time(&c->ctime, &st->st_ctim);
}

static bool settled(const struct stat *st)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t age_s = (int64_t)now.tv_sec - st->st_ctim.tv_sec;
    return age_s > 2 || age_s * INT64_C(1000000000) + now.tv_nsec - st->st_ctim.tv_nsec > SETTLED_NS;
}

static void cache_put(struct tee_measurer *m, const struct stat *st, const struct sc_hash *hash)
{
    size_t at = m->count;
    if (at < CACHE_MAX) {
        m->count++;
    } else {
        at = 0;
        for (size_t i = 1; i < m->count; i++)
            at = m->cache[i].used < m->cache[at].used ? i : at;
    }
    m->cache[at] = (struct cached){.dev = st->st_dev,
                                   .ino = st->st_ino,
                                   .size = st->st_size,
                                   .mtime = st->st_mtim,
                                   .ctime = st->st_ctim,
                                   .hash = *hash,
                                   .used = ++m->clock};
}

static sc_err hash_content(int fd, struct sc_hash *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_hash_ctx_freep) struct sc_hash_ctx *ctx = NULL;
    SC_CLEANUP(sc_freep) uint8_t *part = malloc((size_t)1 << 17);
    off_t offset = 0;
    if (part == NULL)
        return SC_E_NOMEM;
    SC_TRY(sc_hash_ctx_new(&ctx));
    for (;;) {
        const ssize_t n = pread(fd, part, (size_t)1 << 17, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sc_fail_errno(diag, SC_E_IO, "reading the file of an executable mapping");
        if (n == 0)
            break;
        sc_hash_ctx_update(ctx, sc_slice_of(part, (size_t)n));
        offset += n;
    }
    sc_hash_ctx_final(ctx, out);
    return SC_OK;
}

static sc_err hash_file(struct tee_measurer *m, int fd, struct sc_hash *out, struct sc_diag *diag)
{
    struct stat st;
    struct stat after;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_SIZE_MAX)
        return sc_fail(diag, SC_E_AUTH, "code from something that is no regular file, or too large");
    for (size_t i = 0; i < m->count; i++) {
        if (same_state(&st, &m->cache[i])) {
            m->cache[i].used = ++m->clock;
            *out = m->cache[i].hash;
            return SC_OK;
        }
    }
    SC_TRY(hash_content(fd, out, diag));
    if (fstat(fd, &after) != 0 || after.st_size != st.st_size || !same_time(&after.st_mtim, &st.st_mtim) ||
        !same_time(&after.st_ctim, &st.st_ctim))
        return sc_fail(diag, SC_E_AGAIN, "a file of its code changes while it is measured");
    if (settled(&st))
        cache_put(m, &st, out);
    return SC_OK;
}

/* ---- the set of files ---- */
static sc_err add_file(struct tee_measurement *out, const struct sc_hash *hash, const char *path, struct sc_diag *diag)
{
    for (size_t i = 0; i < out->file_count; i++)
        if (memcmp(out->files[i].hash.bytes, hash->bytes, sizeof hash->bytes) == 0)
            return SC_OK;
    if (out->file_count == TEE_FILES_MAX)
        return sc_fail(diag, SC_E_LIMIT, "code from more than %zu files", TEE_FILES_MAX);
    struct tee_file *f = &out->files[out->file_count++];
    f->hash = *hash;
    snprintf(f->path, sizeof f->path, "%s", path);
    return SC_OK;
}

static int by_hash(const void *a, const void *b)
{
    return memcmp(((const struct tee_file *)a)->hash.bytes, ((const struct tee_file *)b)->hash.bytes, 32);
}

static sc_err conclude(struct tee_measurement *out)
{
    static const char title[] = "securecloud software enclave v1"; /* with its NUL */
    SC_CLEANUP(sc_hash_ctx_freep) struct sc_hash_ctx *ctx = NULL;
    SC_TRY(sc_hash_ctx_new(&ctx));
    if (out->file_count > 1)
        qsort(out->files + 1, out->file_count - 1, sizeof out->files[0], by_hash);
    sc_hash_ctx_update(ctx, sc_slice_of(title, sizeof title));
    for (size_t i = 0; i < out->file_count; i++)
        sc_hash_ctx_update(ctx, sc_slice_of(out->files[i].hash.bytes, 32));
    sc_hash_ctx_final(ctx, &out->measurement);
    return SC_OK;
}

static sc_err measure_at(struct tee_measurer *m, int dir_fd, const char *name, const char *shown,
                         struct tee_measurement *out, struct sc_diag *diag)
{
    struct sc_hash hash;
    SC_CLEANUP(sc_fd_closep) int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return sc_fail_errno(diag, errno == ENOENT ? SC_E_AGAIN : SC_E_IO, "%s", shown);
    SC_TRY(sc_context(diag, hash_file(m, fd, &hash, diag), "%s", shown));
    return add_file(out, &hash, shown, diag);
}

/* ---- /proc/PID/maps ---- */
static bool take_hex(const char **at, uint64_t *out, char end)
{
    uint64_t v = 0;
    const char *p = *at;
    size_t digits = 0;
    for (; digits < 17; p++, digits++) {
        const char c = *p;
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        else
            break;
    }
    if (digits == 0 || digits > 16 || *p != end)
        return false;
    *at = p + 1;
    *out = v;
    return true;
}

sc_err tee_map_parse(const char *line, struct tee_map *out)
{
    struct tee_map map = {0};
    uint64_t ignored;
    const char *at = line;
    if (!take_hex(&at, &map.start, '-') || !take_hex(&at, &map.end, ' ') || strnlen(at, 5) < 5 || at[4] != ' ')
        return SC_E_MALFORMED;
    map.writable = at[1] == 'w';
    map.executable = at[2] == 'x';
    at += 5;
    if (!take_hex(&at, &ignored, ' ') || !take_hex(&at, &ignored, ':') || !take_hex(&at, &ignored, ' '))
        return SC_E_MALFORMED;
    for (size_t digits = 0; *at >= '0' && *at <= '9'; at++) {
        if (++digits > 19)
            return SC_E_MALFORMED;
        map.inode = map.inode * 10 + (uint64_t)(*at - '0');
    }
    if (*at != ' ' && *at != '\0')
        return SC_E_MALFORMED;
    at += strspn(at, " ");
    map.name = at;
    *out = map;
    return SC_OK;
}

static sc_err read_at(int dir_fd, const char *name, size_t size_max, struct sc_buf *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_fd_closep) int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return sc_fail_errno(diag, SC_E_IO, "/proc/PID/%s", name);
    for (;;) {
        uint8_t part[16384];
        const ssize_t n = read(fd, part, sizeof part);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sc_fail_errno(diag, SC_E_IO, "/proc/PID/%s", name);
        if (n == 0)
            return sc_buf_status(out);
        if (out->size + (size_t)n > size_max)
            return sc_fail(diag, SC_E_LIMIT, "/proc/PID/%s: more than %zu bytes", name, size_max);
        sc_buf_put_bytes(out, sc_slice_of(part, (size_t)n));
    }
}

static bool is_kernels_own(const char *name)
{
    return strcmp(name, "[vdso]") == 0 || strcmp(name, "[vsyscall]") == 0;
}

/* Measures one mapping; its text goes into seen, by which the two passes are compared. */
static sc_err measure_map(struct tee_measurer *m, int proc_fd, const char *line, struct tee_measurement *out,
                          struct sc_buf *seen, struct sc_diag *diag)
{
    struct tee_map map;
    char name[64];
    if (tee_map_parse(line, &map) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "/proc/PID/maps: \"%.80s\"", line);
    if (!map.executable || (map.inode == 0 && is_kernels_own(map.name)))
        return SC_OK;
    if (map.writable)
        return sc_fail(diag, SC_E_AUTH, "memory that is writable and executable (%.80s)", map.name);
    if (map.inode == 0)
        return sc_fail(diag, SC_E_AUTH, "executable memory that no file backs (%.80s)",
                       map.name[0] != '\0' ? map.name : "anonymous");
    sc_buf_put_str(seen, line);
    if (out == NULL)
        return SC_OK;
    snprintf(name, sizeof name, "map_files/%" PRIx64 "-%" PRIx64, map.start, map.end);
    return measure_at(m, proc_fd, name, map.name, out, diag);
}

/* out NULL: look only, for comparing */
static sc_err measure_maps(struct tee_measurer *m, int proc_fd, struct tee_measurement *out, struct sc_buf *seen,
                           struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf maps = {0};
    SC_TRY(read_at(proc_fd, "maps", MAPS_SIZE_MAX, &maps, diag));
    if (maps.size == 0) /* a zombie, or a kernel thread */
        return sc_fail(diag, SC_E_NOT_FOUND, "the process has no memory: it has ended");
    (void)sc_buf_cstr(&maps);
    SC_TRY(sc_buf_status(&maps));
    char *save = NULL;
    for (char *line = strtok_r((char *)maps.ptr, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
        SC_TRY(measure_map(m, proc_fd, line, out, seen, diag));
    return sc_buf_status(seen);
}

static sc_err judge_debug(int proc_fd, uid_t uid, struct tee_measurement *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf status = {0};
    struct stat st;
    SC_TRY(read_at(proc_fd, "status", 65536, &status, diag));
    const char *tracer = strstr(sc_buf_cstr(&status), "\nTracerPid:\t");
    if (tracer == NULL)
        return sc_fail(diag, SC_E_MALFORMED, "/proc/PID/status without TracerPid");
    if (strncmp(tracer + 12, "0\n", 2) != 0) {
        out->debug = true;
        snprintf(out->debug_why, sizeof out->debug_why, "a debugger is attached to it");
        return SC_OK;
    }
    /* The files of a process that is not dumpable belong to root (proc(5)).  Of root's own this tells nothing: whoever
     * is root may trace it anyway. */
    if (fstatat(proc_fd, "status", &st, 0) != 0)
        return sc_fail_errno(diag, SC_E_IO, "/proc/PID/status");
    if (uid != 0 && st.st_uid == uid) {
        out->debug = true;
        snprintf(out->debug_why, sizeof out->debug_why, "it is dumpable: processes of its own user can read it");
    }
    return SC_OK;
}

sc_err tee_measure_process(struct tee_measurer *m, int proc_fd, uid_t uid, struct tee_measurement *out,
                           struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf before = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf after = {0};
    char path[TEE_PATH_MAX] = "";
    out->file_count = 0;
    out->debug = false;
    out->debug_why[0] = '\0';
    const ssize_t n = readlinkat(proc_fd, "exe", path, sizeof path - 1);
    if (n <= 0)
        return sc_fail_errno(diag, SC_E_IO, "/proc/PID/exe");
    path[n] = '\0';
    SC_TRY(measure_at(m, proc_fd, "exe", path, out, diag));
    SC_TRY(measure_maps(m, proc_fd, out, &before, diag));
    SC_TRY(judge_debug(proc_fd, uid, out, diag));
    SC_TRY(measure_maps(m, proc_fd, NULL, &after, diag));
    if (!sc_slice_eq(sc_buf_slice(&before), sc_buf_slice(&after)))
        return sc_fail(diag, SC_E_AGAIN, "its code changed while it was measured");
    return conclude(out);
}

/* ---- a program that does not run ---- */
/* The name in PT_INTERP; "" for a static program. */
static sc_err read_interpreter(int fd, char *out, size_t out_size, struct sc_diag *diag)
{
    Elf64_Ehdr eh;
    out[0] = '\0';
    if (pread(fd, &eh, sizeof eh, 0) != (ssize_t)sizeof eh || memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 ||
        eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_phentsize != sizeof(Elf64_Phdr) || eh.e_phnum > 128)
        return sc_fail(diag, SC_E_MALFORMED, "not a 64-bit ELF program");
    for (unsigned i = 0; i < eh.e_phnum; i++) {
        Elf64_Phdr ph;
        if (pread(fd, &ph, sizeof ph, (off_t)(eh.e_phoff + i * sizeof ph)) != (ssize_t)sizeof ph)
            return sc_fail(diag, SC_E_MALFORMED, "ELF: program headers");
        if (ph.p_type != PT_INTERP)
            continue;
        if (ph.p_filesz < 2 || ph.p_filesz > out_size ||
            pread(fd, out, ph.p_filesz, (off_t)ph.p_offset) != (ssize_t)ph.p_filesz || out[ph.p_filesz - 1] != '\0')
            return sc_fail(diag, SC_E_MALFORMED, "ELF: interpreter");
        return SC_OK;
    }
    return SC_OK;
}

static sc_err run_loader(const char *loader, const char *path, struct sc_buf *out, struct sc_diag *diag)
{
    int pipe_fd[2];
    int status = 0;
    if (pipe2(pipe_fd, O_CLOEXEC) != 0)
        return sc_fail_errno(diag, SC_E_IO, "pipe");
    const pid_t pid = fork();
    if (pid == 0) {
        char *const argv[] = {(char *)(uintptr_t)loader, (char *)(uintptr_t) "--list", (char *)(uintptr_t)path, NULL};
        char *const environment[] = {NULL}; /* a service is measured as it starts: without LD_LIBRARY_PATH */
        dup2(pipe_fd[1], STDOUT_FILENO);
        execve(loader, argv, environment);
        _exit(127);
    }
    close(pipe_fd[1]);
    ssize_t n = 0;
    uint8_t part[4096];
    while (pid > 0 && (n = read(pipe_fd[0], part, sizeof part)) > 0)
        sc_buf_put_bytes(out, sc_slice_of(part, (size_t)n));
    close(pipe_fd[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || n < 0)
        return sc_fail_errno(diag, SC_E_IO, "running %s", loader);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return sc_fail(diag, SC_E_MALFORMED, "%s --list %s failed: a library is missing", loader, path);
    return sc_buf_status(out);
}

/* "\tlibc.so.6 => /lib/.../libc.so.6 (0x...)", "\t/lib64/ld-linux-x86-64.so.2 (0x...)", "\tlinux-vdso.so.1 (0x...)" */
static sc_err measure_listed(struct tee_measurer *m, char *list, struct tee_measurement *out, struct sc_diag *diag)
{
    char *save = NULL;
    for (char *line = strtok_r(list, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        char *path = strchr(line, '/');
        char *end = strrchr(line, '(');
        if (path == NULL || end == NULL || end <= path)
            continue;
        char *const arrow = strstr(line, "=> ");
        path = arrow != NULL ? arrow + 3 : path;
        end[-1] = '\0';
        SC_TRY(measure_at(m, AT_FDCWD, path, path, out, diag));
    }
    return SC_OK;
}

sc_err tee_measure_program(struct tee_measurer *m, const char *path, struct tee_measurement *out, struct sc_diag *diag)
{
    char loader[TEE_PATH_MAX];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf list = {0};
    SC_CLEANUP(sc_freep) char *full = realpath(path, NULL);
    out->file_count = 0;
    out->debug = false;
    out->debug_why[0] = '\0';
    SC_CLEANUP(sc_fd_closep) int fd = full != NULL ? open(full, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return sc_fail_errno(diag, SC_E_IO, "%s", path);
    SC_TRY(sc_context(diag, read_interpreter(fd, loader, sizeof loader, diag), "%s", path));
    SC_TRY(measure_at(m, AT_FDCWD, full, full, out, diag));
    if (loader[0] != '\0') {
        SC_TRY(run_loader(loader, full, &list, diag));
        (void)sc_buf_cstr(&list);
        SC_TRY(measure_listed(m, (char *)list.ptr, out, diag));
    }
    return conclude(out);
}
