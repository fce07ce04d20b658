#include "cli/processes.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STOP_PATIENCE_US ((int64_t)10000000)
#define QUICK_DEATH_US   ((int64_t)1000000)
#define QUICK_DEATHS_MAX 20

static int64_t now_us(void)
{
    return sc_mono_us(&sc_clock_system);
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* ---- where programs are ---- */
static bool own_folder(char *out, size_t size)
{
    const ssize_t n = readlink("/proc/self/exe", out, size - 1);
    if (n <= 0)
        return false;
    out[n] = '\0';
    dirname(out);
    return true;
}

static bool first_match(const char *pattern, char *out, size_t out_size)
{
    glob_t g;
    bool found = false;
    if (glob(pattern, 0, NULL, &g) == 0) {
        for (size_t i = 0; i < g.gl_pathc && !found; i++) {
            if (access(g.gl_pathv[i], X_OK) != 0 || strlen(g.gl_pathv[i]) >= out_size)
                continue;
            memcpy(out, g.gl_pathv[i], strlen(g.gl_pathv[i]) + 1);
            found = true;
        }
        globfree(&g);
    }
    return found;
}

static bool on_path(const char *verb, char *out, size_t out_size)
{
    const char *path = getenv("PATH");
    while (path != NULL && *path != '\0') {
        const size_t n = strcspn(path, ":");
        const int size = snprintf(out, out_size, "%.*s/securecloud-%s", (int)n, path, verb);
        if (size > 0 && (size_t)size < out_size && access(out, X_OK) == 0)
            return true;
        path += n + (path[n] == ':');
    }
    return false;
}

sc_err sc_program_find(const char *verb, char *out, size_t out_size, struct sc_diag *diag)
{
    char folder[4096];
    char pattern[4200];
    if (strspn(verb, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(verb) || verb[0] == '\0')
        return sc_fail(diag, SC_E_USAGE, "\"%s\" is not the name of a command", verb);
    if (own_folder(folder, sizeof folder)) {
        snprintf(pattern, sizeof pattern, "%s/securecloud-%s", folder, verb);
        if (first_match(pattern, out, out_size))
            return SC_OK;
        snprintf(pattern, sizeof pattern, "%s/../*/securecloud-%s", folder, verb);
        if (first_match(pattern, out, out_size))
            return SC_OK;
    }
    if (on_path(verb, out, out_size))
        return SC_OK;
    return sc_fail(diag, SC_E_NOT_FOUND,
                   "there is no command \"%s\" (no program securecloud-%s beside this one nor on PATH)", verb, verb);
}

/* ---- starting ---- */
static pid_t spawn(const char *program, char *const *argv, const char *log, bool dies_with_us)
{
    const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid == 0) {
        if (dies_with_us) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            if (getppid() != parent)
                _exit(1);
        }
        setpgid(0, 0); /* the terminal's Ctrl-C is ours: we stop them in order */
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execv(program, argv);
        _exit(127);
    }
    close(fd);
    return pid;
}

static sc_err process_spawn(struct sc_process *x, struct sc_diag *diag)
{
    char *const argv[] = {x->program, (char *)"--identity", x->identity, NULL};
    x->pid = spawn(x->program, argv, x->log, true);
    if (x->pid < 0) {
        x->pid = 0;
        return sc_fail_errno(diag, SC_E_IO, "starting %s", x->name);
    }
    x->started_us = now_us();
    return SC_OK;
}

static void pids_write(const struct sc_processes *p)
{
    if (p->pid_file[0] == '\0')
        return;
    json_t *doc = json_object();
    for (size_t i = 0; i < p->count; i++)
        json_object_set_new(doc, p->process[i].name, json_integer(p->process[i].pid));
    char *text = json_dumps(doc, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    if (text != NULL)
        sc_ignore(sc_file_write(p->pid_file, sc_slice_str(text), 0644, NULL)); /* for onlookers only */
    free(text);
    json_decref(doc);
}

sc_err sc_processes_start(struct sc_processes *p, const char *name, const char *program, const char *identity,
                          const char *log, struct sc_diag *diag)
{
    SC_ASSERT(p->count < SC_PROCESS_COUNT_MAX);
    struct sc_process *x = &p->process[p->count];
    *x = (struct sc_process){0};
    snprintf(x->name, sizeof x->name, "%s", name);
    snprintf(x->identity, sizeof x->identity, "%s", identity);
    snprintf(x->log, sizeof x->log, "%s", log);
    SC_TRY(sc_program_find(program, x->program, sizeof x->program, diag));
    SC_TRY(process_spawn(x, diag));
    p->count++;
    pids_write(p);
    return SC_OK;
}

sc_err sc_processes_tend(struct sc_processes *p, struct sc_diag *diag)
{
    bool changed = false;
    for (size_t i = 0; i < p->count; i++) {
        struct sc_process *x = &p->process[i];
        int status;
        if (x->pid != 0 && waitpid(x->pid, &status, WNOHANG) != x->pid)
            continue;
        changed = true;
        if (now_us() - x->started_us < QUICK_DEATH_US && x->restarts >= QUICK_DEATHS_MAX)
            return sc_fail(diag, SC_E_IO, "%s dies again and again; its log is %s", x->name, x->log);
        if (now_us() - x->started_us < QUICK_DEATH_US)
            pause_ms(100);
        x->restarts++;
        SC_TRY(process_spawn(x, diag));
    }
    if (changed)
        pids_write(p);
    return SC_OK;
}

unsigned sc_processes_restarts(const struct sc_processes *p)
{
    unsigned n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += p->process[i].restarts;
    return n;
}

void sc_processes_stop(struct sc_processes *p, unsigned *unclean_out)
{
    unsigned unclean = 0;
    for (size_t i = p->count; i-- > 0;) {
        struct sc_process *x = &p->process[i];
        int status = 0;
        if (x->pid == 0)
            continue;
        kill(x->pid, SIGTERM);
        const int64_t until = now_us() + STOP_PATIENCE_US;
        pid_t gone = 0;
        while ((gone = waitpid(x->pid, &status, WNOHANG)) == 0 && now_us() < until)
            pause_ms(10);
        if (gone == 0) {
            kill(x->pid, SIGKILL);
            waitpid(x->pid, &status, 0);
        }
        unclean += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
        x->pid = 0;
    }
    p->count = 0;
    *unclean_out = unclean;
}

sc_err sc_task_run(const char *verb, const char *const *args, const char *log, struct sc_diag *diag)
{
    char program[512];
    char *argv[32];
    size_t n = 0;
    SC_TRY(sc_program_find(verb, program, sizeof program, diag));
    argv[n++] = program;
    for (; *args != NULL && n < 31; args++)
        argv[n++] = (char *)*args;
    argv[n] = NULL;
    const pid_t pid = spawn(program, argv, log, true);
    if (pid < 0)
        return sc_fail_errno(diag, SC_E_IO, "starting %s", verb);
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return sc_fail_errno(diag, SC_E_IO, "%s", verb);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return SC_OK;
    return sc_fail(diag, SC_E_IO, "securecloud %s failed (%s %d); see %s", verb,
                   WIFEXITED(status) ? "exit code" : "signal",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), log);
}
