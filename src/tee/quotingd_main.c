/* securecloud-quotingd: the quoting daemon of the software backend. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "tee/harden.h"
#include "tee/quoting.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40
#endif

static const char help[] =
    "Usage: securecloud-quotingd --state DIR [--socket PATH] --user NAME [--tpm TCTI [--tpm-index N]]\n"
    "\n"
    "The quoting daemon of the software backend: measures whoever asks, through the kernel, and signs quotes in the "
    "SGX\n"
    "DCAP form under a simulation root.  SIMULATED: see docs/tee.md for what this protects from, and what not.\n"
    "\n"
    "  --state DIR      sealing root, simulated platform, counters; DIR/public/ is for verifiers\n"
    "  --socket PATH    default " SC_TEE_SOCKET_DEFAULT "\n"
    "  --user NAME      runs as this user (or number), which nothing else should use; required when started as root.\n"
    "                   Started by another user, it needs CAP_SYS_PTRACE, CAP_CHECKPOINT_RESTORE and\n"
    "                   CAP_DAC_READ_SEARCH to measure processes that are not dumpable.\n"
    "  --tpm TCTI       the sealing root and the counters' freshness come from this TPM 2.0 (\"device:/dev/tpmrm0\")\n"
    "  --tpm-index N    NV index of its counter, default 0x1500020\n"
    "  --log-level LEVEL  debug, info, warn, error\n"
    "\n"
    "Exit codes: 0 stopped on request, 1 failed, 2 wrong usage.\n";

struct arguments {
    const char *state, *socket, *user, *tpm;
    uint32_t nv_index;
    enum sc_log_level level;
};

static bool parse(int argc, char **argv, struct arguments *a, int *exit_code)
{
    static const struct option options[] = {{"state", required_argument, NULL, 's'},
                                            {"socket", required_argument, NULL, 'S'},
                                            {"user", required_argument, NULL, 'u'},
                                            {"tpm", required_argument, NULL, 't'},
                                            {"tpm-index", required_argument, NULL, 'n'},
                                            {"log-level", required_argument, NULL, 'l'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    *a = (struct arguments){.socket = SC_TEE_SOCKET_DEFAULT, .level = SC_LOG_INFO};
    *exit_code = 2;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        char *end = NULL;
        switch (o) {
        case 'h':
            fputs(help, stdout);
            *exit_code = 0;
            return false;
        case 's':
            a->state = optarg;
            break;
        case 'S':
            a->socket = optarg;
            break;
        case 'u':
            a->user = optarg;
            break;
        case 't':
            a->tpm = optarg;
            break;
        case 'n':
            a->nv_index = (uint32_t)strtoul(optarg, &end, 0);
            if (*optarg != '\0' && *end == '\0' && a->nv_index >> 24 == 0x01)
                break;
            fprintf(stderr, "securecloud-quotingd: \"%s\" is no NV index (0x01000000 to 0x01ffffff)\n", optarg);
            return false;
        case 'l':
            if (sc_log_level_parse(optarg, &a->level) == SC_OK)
                break;
            fprintf(stderr, "securecloud-quotingd: \"%s\" is no log level\n", optarg);
            return false;
        default:
            return false;
        }
    }
    if (a->state != NULL && optind == argc && (a->user != NULL || geteuid() != 0))
        return true;
    fprintf(stderr, "securecloud-quotingd: --state is required, and --user as root; see --help\n");
    return false;
}

/* ---- privileges: another user's uid, with what measuring needs ---- */
static sc_err user_find(const char *name, uid_t *uid_out, gid_t *gid_out, struct sc_diag *diag)
{
    char *end = NULL;
    const unsigned long number = strtoul(name, &end, 10);
    const struct passwd *pw = getpwnam(name);
    if (pw != NULL) {
        *uid_out = pw->pw_uid;
        *gid_out = pw->pw_gid;
    } else if (*name != '\0' && *end == '\0' && number != 0 && number < 0xfffffffful) {
        *uid_out = (uid_t)number;
        *gid_out = (gid_t)number;
    } else {
        return sc_fail(diag, SC_E_NOT_FOUND, "--user %s: no such user", name);
    }
    return *uid_out != 0 ? SC_OK
                         : sc_fail(diag, SC_E_USAGE, "--user %s: root is what the daemon is to be kept from", name);
}

static sc_err privileges_drop(uid_t uid, gid_t gid, struct sc_diag *diag)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    static const unsigned kept[] = {CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_CHECKPOINT_RESTORE};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        data[kept[i] / 32].effective |= UINT32_C(1) << kept[i] % 32;
        data[kept[i] / 32].permitted |= UINT32_C(1) << kept[i] % 32;
    }
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 ||
        setresuid(uid, uid, uid) != 0 || syscall(SYS_capset, &head, data) != 0)
        return sc_fail_errno(diag, SC_E_IO, "becoming uid %u", uid);
    return SC_OK;
}

/* ---- the socket ---- */
static sc_err listen_on(const char *path, int *fd_out, struct sc_diag *diag)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return sc_fail(diag, SC_E_LIMIT, "%s: too long for a socket's name", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    SC_CLEANUP(sc_freep) char *dir = strdup(path);
    char *slash = dir != NULL ? strrchr(dir, '/') : NULL;
    if (slash != NULL && slash != dir) {
        *slash = '\0';
        SC_TRY(sc_dir_make(dir, 0755, diag));
    }
    SC_CLEANUP(sc_fd_closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(path); /* left by an earlier one; a living one loses its callers to us, which is what a restart means */
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || chmod(path, 0666) != 0 ||
        listen(fd, 128) != 0)
        return sc_fail_errno(diag, SC_E_IO, "%s", path);
    *fd_out = fd;
    fd = -1;
    return SC_OK;
}

static sc_err stop_signals(int *fd_out, struct sc_diag *diag)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || (*fd_out = signalfd(-1, &set, SFD_CLOEXEC)) < 0)
        return sc_fail_errno(diag, SC_E_IO, "signals");
    return SC_OK;
}

static sc_err become_user(const struct arguments *a, struct sc_diag *diag)
{
    uid_t uid = 0;
    gid_t gid = 0;
    if (geteuid() != 0)
        return SC_OK;
    SC_TRY(user_find(a->user, &uid, &gid, diag));
    const struct rlimit no_limit = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_MEMLOCK, &no_limit); /* whether memory is locked in the end is told at the start */
    SC_TRY(sc_dir_make(a->state, 0711, diag));
    if (chown(a->state, uid, gid) != 0)
        return sc_fail_errno(diag, SC_E_IO, "%s", a->state);
    return privileges_drop(uid, gid, diag);
}

static sc_err run(const struct arguments *a, struct sc_diag *diag)
{
    SC_CLEANUP(sc_fd_closep) int listen_fd = -1;
    SC_CLEANUP(sc_fd_closep) int stop_fd = -1;
    SC_CLEANUP(tee_state_freep) struct tee_state *state = NULL;
    struct sc_harden_report hardened;
    SC_TRY(stop_signals(&stop_fd, diag));
    SC_TRY(listen_on(a->socket, &listen_fd, diag));
    SC_TRY(become_user(a, diag));
    sc_process_harden(); /* before there is a secret to read */
    const struct tee_state_options state_options = {.dir = a->state, .tpm_tcti = a->tpm, .nv_index = a->nv_index};
    SC_TRY(tee_state_open(&state_options, sc_wall_ms(&sc_clock_system), &state, diag));
    SC_CLEANUP(sc_freep) char *public_dir = sc_path_join(a->state, "public");
    if (public_dir == NULL)
        return SC_E_NOMEM;
    /* No Landlock here: under it a process may not look into others, and to look into others is this one's work. */
    const struct sc_harden_options harden = {
        .profile = SC_HARDEN_QUOTING, .lock_memory = true, .connects_out = a->tpm != NULL};
    SC_TRY(sc_harden(&harden, &hardened, diag));
    sc_log(SC_LOG_INFO, "ready kind=SIMULATED socket=%s uid=%u root_in=%s memory_locked=%s freshness=%s", a->socket,
           geteuid(), tee_state_memory_kind(state), hardened.memory_locked ? "yes" : "no",
           a->tpm != NULL ? "tpm" : "none: whoever puts an older state back is not noticed");
    const struct tee_quoting_options options = {
        .listen_fd = listen_fd, .stop_fd = stop_fd, .state = state, .public_dir = public_dir};
    return tee_quoting_run(&options, diag);
}

int main(int argc, char **argv)
{
    struct arguments a;
    struct sc_diag diag = {0};
    int exit_code;
    if (!parse(argc, argv, &a, &exit_code))
        return exit_code;
    sc_log_init("securecloud-quotingd", a.level);
    const sc_err err = run(&a, &diag);
    if (err != SC_OK)
        sc_log(SC_LOG_ERROR, "%s", sc_diag_text(&diag, err));
    return err == SC_OK ? 0 : 1;
}
