/* cli/processes.h - child processes of a command: services kept running, tasks run to their end.  Single-threaded. */
#ifndef SC_CLI_PROCESSES_H
#define SC_CLI_PROCESSES_H

#include "base/bytes.h"

#include <sys/types.h>

/* Where `securecloud-<verb>` is: beside this executable, in the folders next to it (build tree), or on PATH. */
sc_err sc_program_find(const char *verb, char *out, size_t out_size, struct sc_diag *diag) SC_MUST_CHECK;

#define SC_PROCESS_COUNT_MAX 32
struct sc_process {
    char name[32];
    char program[512];
    char identity[512];
    char log[512];
    pid_t pid;           /* 0: not running */
    unsigned restarts;
    int64_t started_us;
};
/* Services that are started again when they die. */
struct sc_processes {
    struct sc_process process[SC_PROCESS_COUNT_MAX];
    size_t count;
    char pid_file[512];  /* JSON {name: pid}, kept up to date; "" for none */
};
/* Starts `securecloud-<program> --identity identity`, output appended to log. */
sc_err sc_processes_start(struct sc_processes *p, const char *name, const char *program, const char *identity, const char *log,
                          struct sc_diag *diag) SC_MUST_CHECK;
/* Starts dead ones again; call it every now and then.  SC_E_IO when one dies again and again at once. */
sc_err sc_processes_tend(struct sc_processes *p, struct sc_diag *diag) SC_MUST_CHECK;
unsigned sc_processes_restarts(const struct sc_processes *p);
/* SIGTERM in reverse order, 10 s of patience, then SIGKILL.  *unclean_out: how many did not stop by themselves with 0. */
void sc_processes_stop(struct sc_processes *p, unsigned *unclean_out);

/* Runs `securecloud-<verb> args...` (NULL at the end) to its end, output appended to log. */
sc_err sc_task_run(const char *verb, const char *const *args, const char *log, struct sc_diag *diag) SC_MUST_CHECK;

#endif
