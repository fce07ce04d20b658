/* The client of the quoting daemon. */
#include "tee/internal.h"
#include "tee/protocol.h"
#include "tee/signature.h"

#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

struct software {
    struct sockaddr_un address;
    int timeout_ms;
    struct sc_buf signature; /* of our code; empty: unsigned */
};

static void software_free(void *self)
{
    struct software *s = self;
    sc_buf_deinit(&s->signature);
    free(s);
}

static void software_freep(struct software **s)
{
    if (*s != NULL)
        software_free(*s);
}

/* <executable>.sig, when there is one.  Whether it is about us is for the daemon to judge. */
static sc_err read_own_signature(struct sc_buf *out, struct sc_diag *diag)
{
    char path[4096];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof ".sig");
    if (n <= 0)
        return sc_fail_errno(diag, SC_E_IO, "/proc/self/exe");
    memcpy(path + n, ".sig", sizeof ".sig");
    if (access(path, F_OK) != 0)
        return SC_OK;
    return sc_file_read(path, TEE_SIGNATURE_SIZE_MAX, out, diag);
}

static sc_err software_open(const struct sc_tee_options *opt, void **self_out, struct sc_diag *diag)
{
    SC_CLEANUP(software_freep) struct software *s = calloc(1, sizeof *s);
    if (s == NULL)
        return sc_fail(diag, SC_E_NOMEM, "enclave");
    s->timeout_ms = opt->timeout_ms;
    s->address.sun_family = AF_UNIX;
    if (strlen(opt->root) >= sizeof s->address.sun_path)
        return sc_fail(diag, SC_E_LIMIT, "%s: too long for a socket's name", opt->root);
    memcpy(s->address.sun_path, opt->root, strlen(opt->root) + 1);
    SC_TRY(read_own_signature(&s->signature, diag));
    *self_out = SC_TAKE(s);
    return SC_OK;
}

static sc_err receive(int fd, struct sc_buf *out, struct sc_diag *diag)
{
    uint8_t *to = sc_buf_extend(out, TEE_MESSAGE_MAX);
    if (to == NULL)
        return sc_buf_status(out);
    ssize_t n;
    do
        n = recv(fd, to, TEE_MESSAGE_MAX, 0);
    while (n < 0 && errno == EINTR);
    out->size = n > 0 ? (size_t)n : 0;
    if (n > 0)
        return SC_OK;
    if (n == 0)
        return sc_fail(diag, SC_E_IO, "the quoting daemon hung up");
    return sc_fail_errno(diag, errno == EAGAIN ? SC_E_AGAIN : SC_E_IO, "no answer from the quoting daemon");
}

/* An answer that is a refusal, as the error that it names. */
static sc_err refusal(struct sc_slice answer, struct sc_diag *diag)
{
    const int code = -(int)answer.ptr[0];
    const sc_err err = code >= SC_E_UNSUPPORTED && code < 0 ? (sc_err)code : SC_E_MALFORMED;
    return sc_fail(diag, err, "quoting daemon: %.*s", (int)(answer.size - 1), (const char *)answer.ptr + 1);
}

static sc_err dial(const struct software *s, int *fd_out, struct sc_diag *diag)
{
    const struct timeval limit = {.tv_sec = s->timeout_ms / 1000, .tv_usec = s->timeout_ms % 1000 * 1000};
    SC_CLEANUP(sc_fd_closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0)
        return sc_fail_errno(diag, SC_E_IO, "socket");
    if (connect(fd, (const struct sockaddr *)(const void *)&s->address, sizeof s->address) != 0)
        return sc_fail_errno(diag, SC_E_AGAIN, "%s: no quoting daemon", s->address.sun_path);
    *fd_out = fd;
    fd = -1;
    return SC_OK;
}

static sc_err say(int fd, struct sc_slice bytes, struct sc_diag *diag)
{
    if (send(fd, bytes.ptr, bytes.size, MSG_NOSIGNAL) != (ssize_t)bytes.size)
        return sc_fail_errno(diag, SC_E_IO, "talking to the quoting daemon");
    return SC_OK;
}

/* One request; answer_out (wiped by the caller where it is a secret) holds what follows the status byte. */
static sc_err ask(const struct software *s, enum tee_op op, struct sc_slice arguments, struct sc_buf *answer_out,
                  struct sc_diag *diag)
{
    SC_CLEANUP(sc_fd_closep) int fd = -1;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf request = {0};
    SC_CLEANUP(sc_buf_wipe) struct sc_buf answer = {0};
    SC_TRY(dial(s, &fd, diag));
    SC_TRY(say(fd, sc_slice_str(TEE_HELLO), diag));
    SC_TRY(receive(fd, &answer, diag));
    if (answer.size != TEE_CHALLENGE_SIZE + 1 || answer.ptr[0] != 0)
        return refusal(sc_buf_slice(&answer), diag);
    sc_buf_put_u8(&request, (uint8_t)op);
    sc_buf_put_bytes(&request, sc_slice_of(answer.ptr + 1, TEE_CHALLENGE_SIZE));
    sc_buf_put_lv16(&request, sc_buf_slice(&s->signature));
    sc_buf_put_bytes(&request, arguments);
    SC_TRY(sc_buf_status(&request));
    SC_TRY(say(fd, sc_buf_slice(&request), diag));
    sc_buf_reset(&answer);
    SC_TRY(receive(fd, &answer, diag));
    if (answer.ptr[0] != 0)
        return refusal(sc_buf_slice(&answer), diag);
    sc_buf_put_bytes(answer_out, sc_slice_of(answer.ptr + 1, answer.size - 1));
    return sc_buf_status(answer_out);
}

static sc_err malformed(struct sc_diag *diag)
{
    return sc_fail(diag, SC_E_MALFORMED, "the quoting daemon's answer");
}

static sc_err software_identity(void *self, struct sc_tee_identity *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf answer = {0};
    uint8_t debug = 0;
    SC_TRY(ask(self, TEE_OP_IDENTITY, SC_SLICE_EMPTY, &answer, diag));
    struct sc_reader r = sc_reader_of(sc_buf_slice(&answer));
    if (sc_reader_copy(&r, out->measurement, 32) != SC_OK || sc_reader_copy(&r, out->signer, 32) != SC_OK ||
        sc_reader_get_u32be(&r, &out->product_id) != SC_OK || sc_reader_get_u32be(&r, &out->svn) != SC_OK ||
        sc_reader_get_u8(&r, &debug) != SC_OK)
        return malformed(diag);
    out->measurement_size = out->signer_size = 32;
    out->debug = debug != 0;
    return SC_OK;
}

static sc_err software_evidence(void *self, const uint8_t report_data[static 64], struct sc_buf *out,
                                struct sc_buf *extra_out, struct sc_diag *diag)
{
    (void)extra_out;
    return ask(self, TEE_OP_QUOTE, sc_slice_of(report_data, 64), out, diag);
}

static sc_err software_seal_key(void *self, enum sc_tee_bind bind, struct sc_key *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf answer = {0};
    const uint8_t argument = (uint8_t)bind;
    SC_TRY(ask(self, TEE_OP_KEY, sc_slice_of(&argument, 1), &answer, diag));
    if (answer.size != sizeof out->bytes)
        return malformed(diag);
    memcpy(out->bytes, answer.ptr, sizeof out->bytes);
    return SC_OK;
}

static sc_err software_counter_read(void *self, enum sc_tee_bind bind, const char *name, uint64_t *out,
                                    struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf arguments = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf answer = {0};
    sc_buf_put_u8(&arguments, (uint8_t)bind);
    sc_buf_put_lv16(&arguments, sc_slice_str(name));
    SC_TRY(ask(self, TEE_OP_COUNTER_READ, sc_buf_slice(&arguments), &answer, diag));
    if (answer.size != 8)
        return malformed(diag);
    *out = sc_load_u64be(answer.ptr);
    return SC_OK;
}

static sc_err software_counter_advance(void *self, enum sc_tee_bind bind, const char *name, uint64_t from, uint64_t to,
                                       struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf arguments = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf answer = {0};
    sc_buf_put_u8(&arguments, (uint8_t)bind);
    sc_buf_put_lv16(&arguments, sc_slice_str(name));
    sc_buf_put_u64be(&arguments, from);
    sc_buf_put_u64be(&arguments, to);
    return ask(self, TEE_OP_COUNTER_ADVANCE, sc_buf_slice(&arguments), &answer, diag);
}

const struct tee_backend tee_backend_software = {.open = software_open,
                                                 .free = software_free,
                                                 .identity = software_identity,
                                                 .evidence = software_evidence,
                                                 .seal_key = software_seal_key,
                                                 .counter_read = software_counter_read,
                                                 .counter_advance = software_counter_advance};
