#include "tee/harden.h"

#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The leak check of sanitizers traces its own process at the end. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* ---- system calls ---- */
static const int common[] = {SCMP_SYS(read),
                             SCMP_SYS(write),
                             SCMP_SYS(readv),
                             SCMP_SYS(writev),
                             SCMP_SYS(pread64),
                             SCMP_SYS(pwrite64),
                             SCMP_SYS(close),
                             SCMP_SYS(fstat),
                             SCMP_SYS(stat),
                             SCMP_SYS(lstat),
                             SCMP_SYS(newfstatat),
                             SCMP_SYS(statx),
                             SCMP_SYS(lseek),
                             SCMP_SYS(munmap),
                             SCMP_SYS(brk),
                             SCMP_SYS(madvise),
                             SCMP_SYS(mremap),
                             SCMP_SYS(mlock),
                             SCMP_SYS(mlock2),
                             SCMP_SYS(munlock),
                             SCMP_SYS(open),
                             SCMP_SYS(openat),
                             SCMP_SYS(readlink),
                             SCMP_SYS(readlinkat),
                             SCMP_SYS(access),
                             SCMP_SYS(faccessat),
                             SCMP_SYS(faccessat2),
                             SCMP_SYS(fsync),
                             SCMP_SYS(fdatasync),
                             SCMP_SYS(rename),
                             SCMP_SYS(renameat),
                             SCMP_SYS(renameat2),
                             SCMP_SYS(unlink),
                             SCMP_SYS(unlinkat),
                             SCMP_SYS(mkdir),
                             SCMP_SYS(mkdirat),
                             SCMP_SYS(ftruncate),
                             SCMP_SYS(fchmod),
                             SCMP_SYS(fcntl),
                             SCMP_SYS(getdents64),
                             SCMP_SYS(rt_sigaction),
                             SCMP_SYS(rt_sigprocmask),
                             SCMP_SYS(rt_sigreturn),
                             SCMP_SYS(sigaltstack),
                             SCMP_SYS(restart_syscall),
                             SCMP_SYS(exit),
                             SCMP_SYS(exit_group),
                             SCMP_SYS(futex),
                             SCMP_SYS(getrandom),
                             SCMP_SYS(clock_gettime),
                             SCMP_SYS(clock_getres),
                             SCMP_SYS(clock_nanosleep),
                             SCMP_SYS(nanosleep),
                             SCMP_SYS(gettimeofday),
                             SCMP_SYS(time),
                             SCMP_SYS(getpid),
                             SCMP_SYS(gettid),
                             SCMP_SYS(getuid),
                             SCMP_SYS(geteuid),
                             SCMP_SYS(getgid),
                             SCMP_SYS(getegid),
                             SCMP_SYS(poll),
                             SCMP_SYS(ppoll),
                             SCMP_SYS(recvfrom),
                             SCMP_SYS(recvmsg),
                             SCMP_SYS(sendto),
                             SCMP_SYS(sendmsg),
                             SCMP_SYS(getsockopt),
                             SCMP_SYS(setsockopt),
                             SCMP_SYS(getsockname),
                             SCMP_SYS(getpeername),
                             SCMP_SYS(accept),
                             SCMP_SYS(accept4),
                             SCMP_SYS(shutdown),
                             SCMP_SYS(uname),
                             SCMP_SYS(tgkill),
                             SCMP_SYS(rseq),
                             SCMP_SYS(sched_yield),
                             SCMP_SYS(umask),
                             SCMP_SYS(memfd_secret)};
static const int service_only[] = {SCMP_SYS(socket),
                                   SCMP_SYS(socketpair),
                                   SCMP_SYS(connect),
                                   SCMP_SYS(bind),
                                   SCMP_SYS(listen),
                                   SCMP_SYS(sendmmsg),
                                   SCMP_SYS(recvmmsg),
                                   SCMP_SYS(epoll_create),
                                   SCMP_SYS(epoll_create1),
                                   SCMP_SYS(epoll_ctl),
                                   SCMP_SYS(epoll_wait),
                                   SCMP_SYS(epoll_pwait),
                                   SCMP_SYS(epoll_pwait2),
                                   SCMP_SYS(eventfd2),
                                   SCMP_SYS(timerfd_create),
                                   SCMP_SYS(timerfd_settime),
                                   SCMP_SYS(pipe),
                                   SCMP_SYS(pipe2),
                                   SCMP_SYS(select),
                                   SCMP_SYS(pselect6),
                                   SCMP_SYS(dup),
                                   SCMP_SYS(dup2),
                                   SCMP_SYS(dup3),
                                   SCMP_SYS(preadv),
                                   SCMP_SYS(pwritev),
                                   SCMP_SYS(preadv2),
                                   SCMP_SYS(pwritev2),
                                   SCMP_SYS(fallocate),
                                   SCMP_SYS(fadvise64),
                                   SCMP_SYS(copy_file_range),
                                   SCMP_SYS(sync_file_range),
                                   SCMP_SYS(msync),
                                   SCMP_SYS(link),
                                   SCMP_SYS(linkat),
                                   SCMP_SYS(rmdir),
                                   SCMP_SYS(flock),
                                   SCMP_SYS(getcwd),
                                   SCMP_SYS(sysinfo),
                                   SCMP_SYS(getrusage),
                                   SCMP_SYS(prlimit64),
                                   SCMP_SYS(getrlimit),
                                   SCMP_SYS(sched_getaffinity),
                                   SCMP_SYS(sched_getparam),
                                   SCMP_SYS(sched_getscheduler),
                                   SCMP_SYS(set_robust_list),
                                   SCMP_SYS(set_tid_address),
                                   SCMP_SYS(membarrier),
                                   SCMP_SYS(fstatfs),
                                   SCMP_SYS(statfs),
                                   SCMP_SYS(mincore),
                                   SCMP_SYS(getppid)};
static const int tpm_only[] = {SCMP_SYS(socket), SCMP_SYS(connect)};
/* Nothing here makes them by mistake: whoever does has taken the process over. */
static const int deadly[] = {SCMP_SYS(ptrace),
                             SCMP_SYS(process_vm_readv),
                             SCMP_SYS(process_vm_writev),
                             SCMP_SYS(execve),
                             SCMP_SYS(execveat),
                             SCMP_SYS(bpf),
                             SCMP_SYS(perf_event_open),
                             SCMP_SYS(userfaultfd),
                             SCMP_SYS(init_module),
                             SCMP_SYS(finit_module),
                             SCMP_SYS(delete_module),
                             SCMP_SYS(kexec_load),
                             SCMP_SYS(kexec_file_load),
                             SCMP_SYS(mount),
                             SCMP_SYS(umount2),
                             SCMP_SYS(pivot_root),
                             SCMP_SYS(setns),
                             SCMP_SYS(unshare),
                             SCMP_SYS(pidfd_getfd),
                             SCMP_SYS(add_key),
                             SCMP_SYS(keyctl),
                             SCMP_SYS(request_key),
                             SCMP_SYS(personality),
                             SCMP_SYS(reboot)};
static const int sanitizers_need[] = {
    SCMP_SYS(ptrace),  SCMP_SYS(clone), SCMP_SYS(wait4), SCMP_SYS(prctl), SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getppid), SCMP_SYS(kill)};

static int add_all(scmp_filter_ctx ctx, uint32_t action, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const int rc = seccomp_rule_add(ctx, action, calls[i], 0);
        if (rc != 0 && rc != -EEXIST && rc != -EACCES) /* EACCES: it is what the default does anyway */
            return rc;
    }
    return 0;
}
#define ADD_ALL(ctx, action, calls) add_all((ctx), (action), (calls), sizeof(calls) / sizeof(calls)[0])

/* Memory: no new code.  Threads, but no processes (clone3's flags lie in memory: it answers ENOSYS, and the C library
 * falls back). */
static int add_special(scmp_filter_ctx ctx, bool threads)
{
    int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME, 0));
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, 0x541b, 0)); /* FIONREAD */
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, 0x5421, 0)); /* FIONBIO */
    if (rc == 0 && threads)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return rc;
}

static sc_err filter_load(const struct sc_harden_options *opt, struct sc_diag *diag)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (ctx == NULL)
        return sc_fail(diag, SC_E_NOMEM, "system call filter");
    int rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    if (rc == 0)
        rc = ADD_ALL(ctx, SCMP_ACT_ALLOW, common);
    if (rc == 0 && opt->profile == SC_HARDEN_SERVICE)
        rc = ADD_ALL(ctx, SCMP_ACT_ALLOW, service_only);
    if (rc == 0 && opt->profile == SC_HARDEN_QUOTING && opt->connects_out)
        rc = ADD_ALL(ctx, SCMP_ACT_ALLOW, tpm_only);
    if (rc == 0 && SANITIZED)
        rc = ADD_ALL(ctx, SCMP_ACT_ALLOW, sanitizers_need);
    if (rc == 0)
        rc = add_special(ctx, opt->profile == SC_HARDEN_SERVICE);
    if (rc == 0 && !SANITIZED)
        rc = ADD_ALL(ctx, SCMP_ACT_KILL_PROCESS, deadly);
    if (rc == 0)
        rc = seccomp_load(ctx);
    seccomp_release(ctx);
    errno = -rc;
    return rc == 0 ? SC_OK : sc_fail_errno(diag, SC_E_IO, "system call filter");
}

/* ---- Landlock: through system calls, the C library has none ---- */
#define ACCESS_FILE_READ  (LANDLOCK_ACCESS_FS_READ_FILE)
#define ACCESS_FILE_WRITE (ACCESS_FILE_READ | LANDLOCK_ACCESS_FS_WRITE_FILE)
#define ACCESS_READ       (ACCESS_FILE_READ | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_WRITE                                                                                                   \
    (ACCESS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |    \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK)
#define ACCESS_HANDLED                                                                                                 \
    (ACCESS_WRITE | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |        \
     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM)
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (UINT64_C(1) << 13) /* ABI 2 */
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (UINT64_C(1) << 14) /* ABI 3 */
#endif

static sc_err allow_path(int ruleset, const char *path, uint64_t directory_access, uint64_t file_access,
                         struct sc_diag *diag)
{
    struct stat st;
    const int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        if (fd >= 0)
            close(fd);
        return sc_fail_errno(diag, SC_E_NOT_FOUND, "Landlock: %s", path);
    }
    const struct landlock_path_beneath_attr rule = {
        .allowed_access = S_ISDIR(st.st_mode) ? directory_access : file_access, .parent_fd = fd};
    const long rc = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(fd);
    return rc == 0 ? SC_OK : sc_fail_errno(diag, SC_E_IO, "Landlock: %s", path);
}

static sc_err allow_paths(int ruleset, const char *const *paths, uint64_t directory_access, uint64_t file_access,
                          struct sc_diag *diag)
{
    for (size_t i = 0; paths != NULL && paths[i] != NULL; i++)
        SC_TRY(allow_path(ruleset, paths[i], directory_access, file_access, diag));
    return SC_OK;
}

static sc_err landlock_apply(const struct sc_harden_options *opt, int *abi_out, struct sc_diag *diag)
{
    const long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    *abi_out = 0;
    if (abi < 1)
        return SC_OK; /* the kernel has none: told by the report */
    const uint64_t more = (abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0) | (abi >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0);
    const struct landlock_ruleset_attr attr = {.handled_access_fs = ACCESS_HANDLED | more};
    const int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (ruleset < 0)
        return sc_fail_errno(diag, SC_E_IO, "Landlock");
    const uint64_t truncate = more & LANDLOCK_ACCESS_FS_TRUNCATE;
    sc_err err = allow_paths(ruleset, opt->read_only, ACCESS_READ, ACCESS_FILE_READ, diag);
    if (err == SC_OK)
        err = allow_paths(ruleset, opt->read_write, ACCESS_WRITE | more, ACCESS_FILE_WRITE | truncate, diag);
    if (err == SC_OK && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        err = sc_fail_errno(diag, SC_E_IO, "Landlock");
    close(ruleset);
    *abi_out = err == SC_OK ? (int)abi : 0;
    return err;
}

sc_err sc_harden(const struct sc_harden_options *opt, struct sc_harden_report *out, struct sc_diag *diag)
{
    *out = (struct sc_harden_report){0};
    sc_process_harden();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return sc_fail_errno(diag, SC_E_IO, "no new privileges");
    if (opt->lock_memory)
        out->memory_locked = mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
    if (opt->read_only != NULL || opt->read_write != NULL)
        SC_TRY(landlock_apply(opt, &out->landlock_abi, diag));
    return filter_load(opt, diag);
}
