/* tee/measure.h - measuring a process, or the program it would be, from outside: what its memory executes.
 *
 * Measurement = SHA-256("securecloud software enclave v1\0" | hash of the executable | hashes of the other files that are
 * mapped executable, each once, sorted).  Files are reached through the kernel's links (/proc/PID/exe, map_files), never
 * by name, so neither a renamed file nor another mount namespace can lie.  Code that no file backs is refused.
 *
 * A measurer caches hashes by device, inode, size and both times; it belongs to one thread. */
#ifndef SC_TEE_MEASURE_H
#define SC_TEE_MEASURE_H

#include "crypto/crypto.h"

#include <sys/types.h>

#define TEE_FILES_MAX ((size_t)256)
#define TEE_PATH_MAX  ((size_t)256)

struct tee_file {
    struct sc_hash hash;
    char path[TEE_PATH_MAX]; /* as the kernel names it; for people, cut where too long */
};
struct tee_measurement {
    struct sc_hash measurement;
    bool debug;         /* traced, or dumpable: others can read its memory */
    char debug_why[96]; /* "" unless debug */
    size_t file_count;  /* the executable is the first; the others are sorted by hash */
    struct tee_file files[TEE_FILES_MAX];
};

struct tee_measurer;
sc_err tee_measurer_new(struct tee_measurer **out) SC_MUST_CHECK;
void tee_measurer_free(struct tee_measurer *m); /* NULL is fine */
void tee_measurer_freep(struct tee_measurer **m);

/* proc_fd: a descriptor of /proc/PID, which stays with that process when its number is used again.  uid: its effective
 * user.  Needs CAP_SYS_PTRACE and CAP_CHECKPOINT_RESTORE for processes that are not dumpable.
 * SC_E_AUTH: executable memory without a file, or writable; SC_E_AGAIN: its code changed meanwhile. */
sc_err tee_measure_process(struct tee_measurer *m, int proc_fd, uid_t uid, struct tee_measurement *out,
                           struct sc_diag *diag) SC_MUST_CHECK;
/* What the program at path will measure when it runs, its libraries found by its own dynamic loader. */
sc_err tee_measure_program(struct tee_measurer *m, const char *path, struct tee_measurement *out,
                           struct sc_diag *diag) SC_MUST_CHECK;

/* One line of /proc/PID/maps. */
struct tee_map {
    uint64_t start, end;
    bool executable, writable;
    uint64_t inode;
    const char *name; /* rest of the line: points into it */
};
/* line without its end, NUL-terminated. */
sc_err tee_map_parse(const char *line, struct tee_map *out) SC_MUST_CHECK;

#endif
