#include "cluster.h"

#include "peer.h"

#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_SECONDS_MAX 60

static pid_t server_pid; /* 0: none */
static char socket_dir[200];

/* In the child.  The death signal is asked for after the change of user, which would clear it. */
static void become_postgres(void)
{
    if (geteuid() == 0) {
        const struct passwd *pw = getpwnam("postgres");
        if (pw == NULL || setgroups(0, NULL) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0)
            _exit(126);
    }
    prctl(PR_SET_PDEATHSIG, SIGINT); /* PostgreSQL's fast shutdown */
}

static pid_t spawn(const char *const *argv, const char *log)
{
    const pid_t pid = fork();
    if (pid < 0)
        bench_die("fork failed");
    if (pid != 0)
        return pid;
    become_postgres();
    if (freopen(log, "a", stdout) == NULL || dup2(STDOUT_FILENO, STDERR_FILENO) < 0 || chdir("/") != 0)
        _exit(125);
    execv(argv[0], (char *const *)argv); /* which does not write to it */
    _exit(127);
}

static void own(const char *path)
{
    const struct passwd *pw = getpwnam("postgres");
    if (mkdir(path, 0700) != 0)
        bench_die("%s cannot be made", path);
    if (geteuid() == 0 && (pw == NULL || chown(path, pw->pw_uid, pw->pw_gid) != 0))
        bench_die("there is no user postgres to run the cluster as");
}

static void cluster_make(const char *bin, const char *data, const char *log)
{
    char program[256];
    int status = 0;
    snprintf(program, sizeof program, "%s/initdb", bin);
    const char *argv[] = {program, "-D", data, "-U", "bench", "--auth=trust", "-E", "UTF8", "--locale=C", NULL};
    const pid_t pid = spawn(argv, log);
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_die("initdb failed, see %s", log);
}

static void wait_until_ready(const char *log)
{
    char conninfo[300];
    snprintf(conninfo, sizeof conninfo, "host=%s user=bench dbname=postgres", socket_dir);
    for (int i = 0; i < START_SECONDS_MAX * 20; i++) {
        if (PQping(conninfo) == PQPING_OK)
            return;
        if (waitpid(server_pid, NULL, WNOHANG) == server_pid) {
            server_pid = 0;
            break;
        }
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    bench_die("PostgreSQL did not start, see %s", log);
}

const char *cluster_start(const char *bin, const char *dir, const char *const *settings)
{
    char data[256], log[256], program[256];
    const char *argv[64];
    size_t n = 0;
    snprintf(socket_dir, sizeof socket_dir, "%s/postgres", dir);
    snprintf(data, sizeof data, "%s/data", socket_dir);
    snprintf(log, sizeof log, "%s/log", socket_dir);
    snprintf(program, sizeof program, "%s/postgres", bin);
    own(socket_dir);
    cluster_make(bin, data, log);
    argv[n++] = program;
    argv[n++] = "-D";
    argv[n++] = data;
    argv[n++] = "-k";
    argv[n++] = socket_dir;
    for (size_t i = 0; settings[i] != NULL && n < 62; i++)
        argv[n++] = settings[i];
    argv[n] = NULL;
    server_pid = spawn(argv, log);
    atexit(cluster_stop);
    wait_until_ready(log);
    return socket_dir;
}

void cluster_stop(void)
{
    if (server_pid == 0)
        return;
    kill(server_pid, SIGINT);
    waitpid(server_pid, NULL, 0);
    server_pid = 0;
}
