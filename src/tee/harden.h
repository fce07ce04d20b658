/* tee/harden.h - giving up what a service does not need, for good: called once, when all is open and before serving.
 *
 * Not dumpable, no core, no new privileges, locked memory (where the limit allows), a system call filter (libseccomp), and
 * Landlock where the kernel has it.  After it no further code can be mapped: what was measured is what runs. */
#ifndef SC_TEE_HARDEN_H
#define SC_TEE_HARDEN_H

#include "base/err.h"

enum sc_harden_profile {
    SC_HARDEN_SERVICE, /* a network server with files and threads */
    SC_HARDEN_QUOTING  /* the quoting daemon: Unix sockets, files, no threads */
};
struct sc_harden_options {
    enum sc_harden_profile profile;
    bool lock_memory;
    bool connects_out; /* SC_HARDEN_QUOTING: a TPM is reached through a socket */
    /* Landlock: the only paths below which files may be read, and read and changed; NULL-terminated; both NULL: no
     * restriction.  A path that does not exist is an error. */
    const char *const *read_only;
    const char *const *read_write;
};
struct sc_harden_report { /* for the start-up log */
    bool memory_locked;
    int landlock_abi; /* 0: not asked for, or the kernel has none */
};
/* What would leave the process weaker than asked is an error, but for a kernel without Landlock and a limit on locked
 * memory, which the report tells.  Calls that are forbidden answer EPERM; those that only an attacker makes (ptrace,
 * execve, reading other processes, loading kernel code) end the process. */
sc_err sc_harden(const struct sc_harden_options *opt, struct sc_harden_report *out, struct sc_diag *diag) SC_MUST_CHECK;

#endif
