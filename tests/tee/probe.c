/* An enclave for tests: tee_probe SOCKET COMMAND...; prints its answer, or "ERROR <code>: <why>" and exits with 1.
 * Commands: identity; quote HEX OUT; seal code|signer FILE TEXT; unseal FILE; counter code|signer NAME [FROM TO];
 * Before them, conditions: dumpable (does not harden itself), jit (with executable memory), traced. */
#include "base/file.h"
#include "tee/protocol.h"
#include "tee/tee.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(sc_err err, const struct sc_diag *diag)
{
    printf("ERROR %s: %s\n", sc_err_name(err), sc_diag_text(diag, err));
    return 1;
}

static enum sc_tee_bind bind_of(const char *text)
{
    return strcmp(text, "signer") == 0 ? SC_TEE_BIND_SIGNER : SC_TEE_BIND_CODE;
}

static sc_err identity(struct sc_tee *tee, struct sc_diag *diag)
{
    struct sc_tee_identity id;
    char measurement[97];
    char signer[97];
    SC_TRY(sc_tee_identity(tee, &id, diag));
    sc_hex_encode(sc_slice_of(id.measurement, id.measurement_size), measurement);
    sc_hex_encode(sc_slice_of(id.signer, id.signer_size), signer);
    printf("%s %s %u %u %s\n", measurement, signer, id.product_id, id.svn, id.debug ? "debug" : "production");
    return SC_OK;
}

static sc_err quote(struct sc_tee *tee, const char *hex, const char *path, struct sc_diag *diag)
{
    uint8_t data[64];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bytes = {0};
    SC_TRY(sc_hex_decode(hex, data, sizeof data));
    SC_TRY(sc_tee_evidence(tee, data, &bytes, NULL, diag));
    return sc_file_write(path, sc_buf_slice(&bytes), 0644, diag);
}

static sc_err seal(struct sc_tee *tee, const char *bind, const char *path, const char *text, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sealed = {0};
    SC_TRY(sc_tee_seal(tee, bind_of(bind), sc_slice_str("test"), sc_slice_str(text), &sealed, diag));
    return sc_file_write(path, sc_buf_slice(&sealed), 0644, diag);
}

static sc_err unseal(struct sc_tee *tee, const char *path, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sealed = {0};
    SC_CLEANUP(sc_buf_wipe) struct sc_buf plain = {0};
    SC_TRY(sc_file_read(path, 65536, &sealed, diag));
    SC_TRY(sc_tee_unseal(tee, sc_slice_str("test"), sc_buf_slice(&sealed), &plain, diag));
    printf("%s\n", sc_buf_cstr(&plain));
    return SC_OK;
}

static sc_err counter(struct sc_tee *tee, int argc, char **argv, struct sc_diag *diag)
{
    uint64_t value = 0;
    SC_CLEANUP(sc_tee_counter_freep) struct sc_tee_counter *c = NULL;
    SC_TRY(sc_tee_counter_open(tee, bind_of(argv[0]), argv[1], &c, diag));
    if (argc == 4)
        SC_TRY(sc_tee_counter_advance(c, strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10), diag));
    SC_TRY(sc_tee_counter_read(c, &value, diag));
    printf("%" PRIu64 "\n", value);
    return SC_OK;
}

/* The attack that the challenge is there for: a child asks over its parent's connection. */
static int child_asks(const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    uint8_t bytes[4096];
    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    if (connect(fd, (const struct sockaddr *)(const void *)&address, sizeof address) != 0 ||
        send(fd, TEE_HELLO, 4, 0) != 4 || recv(fd, bytes, sizeof bytes, 0) != 33)
        return 2;
    const pid_t pid = fork();
    if (pid == 0) {
        uint8_t request[35] = {TEE_OP_IDENTITY};
        memcpy(request + 1, bytes + 1, 32);
        _exit(send(fd, request, sizeof request, 0) == (ssize_t)sizeof request ? 0 : 2);
    }
    int status = 0;
    const ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    waitpid(pid, &status, 0);
    if (n <= 0 || status != 0)
        return 2;
    printf("%s %.*s\n", bytes[0] == 0 ? "ANSWERED" : "ERROR", (int)n - 1, (const char *)bytes + 1);
    return bytes[0] != 0;
}

/* Connects some dozen times, says nothing, and waits to be killed. */
static int hold_connections(const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    for (int i = 0; i < 40; i++) {
        const int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        if (connect(fd, (const struct sockaddr *)(const void *)&address, sizeof address) != 0)
            return 2;
    }
    printf("holding\n");
    fflush(stdout);
    pause();
    return 0;
}

static int run(const char *socket_path, int argc, char **argv)
{
    const struct sc_tee_options opt = {.backend = SC_TEE_SOFTWARE, .root = socket_path};
    SC_CLEANUP(sc_tee_freep) struct sc_tee *tee = NULL;
    struct sc_diag diag = {0};
    sc_err err = sc_tee_open(&opt, &tee, &diag);
    if (err != SC_OK)
        return fail(err, &diag);
    err = SC_E_USAGE;
    if (strcmp(argv[0], "identity") == 0 && argc == 1)
        err = identity(tee, &diag);
    else if (strcmp(argv[0], "quote") == 0 && argc == 3)
        err = quote(tee, argv[1], argv[2], &diag);
    else if (strcmp(argv[0], "seal") == 0 && argc == 4)
        err = seal(tee, argv[1], argv[2], argv[3], &diag);
    else if (strcmp(argv[0], "unseal") == 0 && argc == 2)
        err = unseal(tee, argv[1], &diag);
    else if (strcmp(argv[0], "counter") == 0 && (argc == 3 || argc == 5))
        err = counter(tee, argc - 1, argv + 1, &diag);
    return err == SC_OK ? 0 : fail(err, &diag);
}

/* Runs the command in a child that this process debugs. */
static int run_traced(const char *socket_path, int argc, char **argv)
{
    const pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(3);
        const int rc = run(socket_path, argc, argv);
        fflush(stdout);
        _exit(rc);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
        ptrace(PTRACE_CONT, pid, NULL, NULL);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    const char *condition = argv[2];
    const bool conditional =
        strcmp(condition, "dumpable") == 0 || strcmp(condition, "jit") == 0 || strcmp(condition, "traced") == 0;
    char **command = argv + 2 + conditional;
    const int count = argc - 2 - conditional;
    if (strcmp(condition, "dumpable") != 0)
        sc_process_harden();
    if (strcmp(condition, "child-asks") == 0)
        return child_asks(argv[1]);
    if (strcmp(condition, "hold") == 0)
        return hold_connections(argv[1]);
    if (count < 1)
        return 2;
    if (strcmp(condition, "jit") == 0 &&
        mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
        return 2;
    return strcmp(condition, "traced") == 0 ? run_traced(argv[1], count, command) : run(argv[1], count, command);
}
