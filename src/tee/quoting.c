#include "tee/quoting.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "tee/measure.h"
#include "tee/protocol.h"
#include "tee/signature.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CLIENTS_MAX       64
#define CLIENT_TIMEOUT_US INT64_C(5000000)
#define REPUBLISH_US      INT64_C(86400000000) /* once a day */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

struct client {
    int fd, proc_fd, pid_fd;
    struct ucred peer;
    int64_t deadline_us;
    bool challenged;
    uint8_t challenge[TEE_CHALLENGE_SIZE];
    struct sc_hash measured; /* at the time of the challenge */
};

struct daemon {
    const struct tee_quoting_options *opt;
    struct tee_measurer *measurer;
    struct tee_measurement *now; /* of the client being served */
    struct client clients[CLIENTS_MAX];
    size_t count;
    int64_t published_us;
    struct sc_log_limiter limiter;
};

/* The caller, as it is certified: what was measured, and who signed for it. */
struct caller {
    const struct tee_measurement *m;
    struct sc_hash signer;
    bool is_signed;
    uint32_t product_id, svn;
};

/* ---- who is it ---- */
static void client_close(struct daemon *d, size_t i)
{
    struct client *c = &d->clients[i];
    sc_fd_closep(&c->fd);
    sc_fd_closep(&c->proc_fd);
    sc_fd_closep(&c->pid_fd);
    *c = d->clients[--d->count];
}

/* A pidfd names the process for good, its number may be used again.  Order matters: first the pidfd, then /proc/PID,
 * then the look whether the pidfd's process is still there, so that both are the same one. */
static sc_err client_identify(struct client *c, struct sc_diag *diag)
{
    char path[32];
    socklen_t size = sizeof c->peer;
    socklen_t fd_size = sizeof c->pid_fd;
    if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &c->peer, &size) != 0 || c->peer.pid <= 0)
        return sc_fail(diag, SC_E_AUTH, "the peer is in no process that can be seen from here");
    if (getsockopt(c->fd, SOL_SOCKET, SO_PEERPIDFD, &c->pid_fd, &fd_size) != 0)
        c->pid_fd = (int)syscall(SYS_pidfd_open, c->peer.pid, 0);
    snprintf(path, sizeof path, "/proc/%d", (int)c->peer.pid);
    c->proc_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct pollfd ended = {.fd = c->pid_fd, .events = POLLIN};
    if (c->pid_fd < 0 || c->proc_fd < 0 || poll(&ended, 1, 0) != 0)
        return sc_fail(diag, SC_E_AUTH, "the peer has ended");
    return SC_OK;
}

static void on_accept(struct daemon *d)
{
    const int on = 1;
    struct client c = {.fd = accept4(d->opt->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK),
                       .proc_fd = -1,
                       .pid_fd = -1,
                       .deadline_us = sc_mono_us(&sc_clock_system) + CLIENT_TIMEOUT_US};
    struct sc_diag diag = {0};
    if (c.fd < 0)
        return;
    d->clients[d->count++] = c;
    struct client *kept = &d->clients[d->count - 1];
    sc_err err = setsockopt(c.fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0 ? SC_OK : SC_E_IO;
    if (err == SC_OK)
        err = client_identify(kept, &diag);
    if (err != SC_OK) {
        sc_log_limited(&d->limiter, SC_LOG_WARN, "caller refused why=\"%s\"", sc_diag_text(&diag, err));
        client_close(d, d->count - 1);
    }
}

/* ---- answers ---- */
static sc_err take_owner(struct sc_reader *r, const struct caller *who, struct tee_owner *out, struct sc_diag *diag)
{
    uint8_t bind = 0;
    if (sc_reader_get_u8(r, &bind) != SC_OK || (bind != SC_TEE_BIND_CODE && bind != SC_TEE_BIND_SIGNER))
        return sc_fail(diag, SC_E_MALFORMED, "bound to neither code nor signer");
    if (bind == SC_TEE_BIND_SIGNER && !who->is_signed)
        return sc_fail(diag, SC_E_USAGE, "bound to the signer, but nobody signed this code");
    tee_owner_make((enum sc_tee_bind)bind, bind == SC_TEE_BIND_CODE ? &who->m->measurement : &who->signer,
                   who->product_id, who->m->debug, out);
    return SC_OK;
}

static sc_err answer_quote(struct daemon *d, const struct caller *who, struct sc_reader *r, struct sc_buf *out,
                           struct sc_diag *diag)
{
    struct tee_report report = {.measurement = who->m->measurement,
                                .signer = who->signer,
                                .product_id = (uint16_t)who->product_id,
                                .svn = (uint16_t)who->svn,
                                .debug = who->m->debug};
    if (sc_reader_copy(r, report.report_data, 64) != SC_OK || sc_reader_expect_end(r) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "a quote is over 64 bytes of report data");
    return tee_platform_quote(tee_state_platform(d->opt->state), &report, out, diag);
}

static sc_err answer_key(struct daemon *d, const struct caller *who, struct sc_reader *r, struct sc_buf *out,
                         struct sc_diag *diag)
{
    struct tee_owner owner;
    SC_CLEANUP(sc_key_wipe) struct sc_key key = {0};
    SC_TRY(take_owner(r, who, &owner, diag));
    SC_TRY(sc_reader_expect_end(r));
    SC_TRY(tee_state_seal_key(d->opt->state, &owner, &key));
    sc_buf_put_bytes(out, sc_slice_of(key.bytes, sizeof key.bytes));
    return sc_buf_status(out);
}

static sc_err answer_counter_read(struct daemon *d, const struct caller *who, struct sc_reader *r, struct sc_buf *out,
                                  struct sc_diag *diag)
{
    struct tee_owner owner;
    struct sc_slice name;
    uint64_t value = 0;
    SC_TRY(take_owner(r, who, &owner, diag));
    SC_TRY(sc_reader_get_lv16(r, &name));
    SC_TRY(sc_reader_expect_end(r));
    SC_TRY(tee_state_counter_read(d->opt->state, &owner, name, &value, diag));
    sc_buf_put_u64be(out, value);
    return sc_buf_status(out);
}

static sc_err answer_counter_advance(struct daemon *d, const struct caller *who, struct sc_reader *r,
                                     struct sc_diag *diag)
{
    struct tee_owner owner;
    struct sc_slice name;
    uint64_t from = 0;
    uint64_t to = 0;
    SC_TRY(take_owner(r, who, &owner, diag));
    SC_TRY(sc_reader_get_lv16(r, &name));
    SC_TRY(sc_reader_get_u64be(r, &from));
    SC_TRY(sc_reader_get_u64be(r, &to));
    SC_TRY(sc_reader_expect_end(r));
    return tee_state_counter_advance(d->opt->state, &owner, name, from, to, diag);
}

static sc_err answer_identity(const struct caller *who, struct sc_buf *out)
{
    sc_buf_put_bytes(out, sc_slice_of(who->m->measurement.bytes, 32));
    sc_buf_put_bytes(out, sc_slice_of(who->signer.bytes, 32));
    sc_buf_put_u32be(out, who->product_id);
    sc_buf_put_u32be(out, who->svn);
    sc_buf_put_u8(out, who->m->debug);
    sc_buf_put_lv16(out, sc_slice_str(who->m->debug_why));
    sc_buf_put_u16be(out, (uint16_t)who->m->file_count);
    for (size_t i = 0; i < who->m->file_count; i++) {
        sc_buf_put_bytes(out, sc_slice_of(who->m->files[i].hash.bytes, 32));
        sc_buf_put_lv16(out, sc_slice_str(who->m->files[i].path));
    }
    return sc_buf_status(out);
}

/* The code signature is the caller's word, but proves itself; one for other code is a mistake to be told, not dropped.
 */
static sc_err take_signature(struct sc_slice bytes, struct caller *who, struct sc_diag *diag)
{
    struct tee_signature s;
    if (bytes.size == 0)
        return SC_OK;
    SC_TRY(tee_signature_check(bytes, &s, diag));
    if (memcmp(s.measurement.bytes, who->m->measurement.bytes, 32) != 0)
        return sc_fail(diag, SC_E_AUTH, "the code signature is for other code than what runs");
    if (s.product_id > 0xffff || s.svn > 0xffff)
        return sc_fail(diag, SC_E_LIMIT, "code signature: product and svn have 16 bits in a quote");
    who->signer = s.signer;
    who->product_id = s.product_id;
    who->svn = s.svn;
    who->is_signed = true;
    return SC_OK;
}

static sc_err answer(struct daemon *d, struct client *c, struct sc_slice request, struct sc_buf *out,
                     struct sc_diag *diag)
{
    struct sc_reader r = sc_reader_of(request);
    struct sc_slice challenge;
    struct sc_slice signature;
    struct caller who = {.m = d->now};
    uint8_t op = 0;
    if (sc_reader_get_u8(&r, &op) != SC_OK || sc_reader_get_bytes(&r, TEE_CHALLENGE_SIZE, &challenge) != SC_OK ||
        sc_reader_get_lv16(&r, &signature) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "request");
    if (!sc_ct_equal(challenge.ptr, c->challenge, TEE_CHALLENGE_SIZE))
        return sc_fail(diag, SC_E_AUTH, "the challenge is not this connection's");
    SC_TRY(tee_measure_process(d->measurer, c->proc_fd, c->peer.uid, d->now, diag));
    if (memcmp(d->now->measurement.bytes, c->measured.bytes, 32) != 0)
        return sc_fail(diag, SC_E_AUTH, "the process runs other code than when it began to ask");
    SC_TRY(take_signature(signature, &who, diag));
    switch (op) {
    case TEE_OP_QUOTE:
        return answer_quote(d, &who, &r, out, diag);
    case TEE_OP_KEY:
        return answer_key(d, &who, &r, out, diag);
    case TEE_OP_COUNTER_READ:
        return answer_counter_read(d, &who, &r, out, diag);
    case TEE_OP_COUNTER_ADVANCE:
        return answer_counter_advance(d, &who, &r, diag);
    case TEE_OP_IDENTITY:
        SC_TRY(sc_reader_expect_end(&r));
        return answer_identity(&who, out);
    default:
        return sc_fail(diag, SC_E_UNSUPPORTED, "there is no request %u", op);
    }
}

/* ---- the conversation ---- */
static sc_err challenge(struct daemon *d, struct client *c, struct sc_slice hello, struct sc_buf *out,
                        struct sc_diag *diag)
{
    if (!sc_slice_eq(hello, sc_slice_str(TEE_HELLO)))
        return sc_fail(diag, SC_E_MALFORMED, "greeting");
    SC_TRY(tee_measure_process(d->measurer, c->proc_fd, c->peer.uid, d->now, diag));
    c->measured = d->now->measurement;
    sc_random(c->challenge, sizeof c->challenge);
    c->challenged = true;
    sc_buf_put_bytes(out, sc_slice_of(c->challenge, sizeof c->challenge));
    return sc_buf_status(out);
}

/* One message with the process that sent it; pid 0 where the kernel told none.  Descriptors that come along find no
 * room and are closed by the kernel. */
static ssize_t receive(int fd, uint8_t *to, size_t size, pid_t *pid_out)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec part = {.iov_base = to, .iov_len = size};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    *pid_out = 0;
    const ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n > 0 && (msg.msg_flags & MSG_TRUNC) != 0)
        return 0;
    for (struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL; h != NULL; h = CMSG_NXTHDR(&msg, h)) {
        struct ucred cred;
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_CREDENTIALS || h->cmsg_len != CMSG_LEN(sizeof cred))
            continue;
        memcpy(&cred, CMSG_DATA(h), sizeof cred);
        *pid_out = cred.pid;
    }
    return n;
}

static void reply(struct client *c, sc_err err, const struct sc_diag *diag, struct sc_buf *body)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf message = {0};
    sc_buf_put_u8(&message, (uint8_t)-err);
    if (err == SC_OK)
        sc_buf_put_bytes(&message, sc_buf_slice(body));
    else
        sc_buf_put_str(&message, sc_diag_text(diag, err));
    if (sc_buf_status(&message) == SC_OK && send(c->fd, message.ptr, message.size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        sc_ignore(SC_E_IO); /* the caller went away; nobody is left to tell */
}

/* false: the conversation is over */
static bool on_message(struct daemon *d, struct client *c)
{
    uint8_t bytes[4096];
    pid_t sender = 0;
    struct sc_diag diag = {0};
    SC_CLEANUP(sc_buf_wipe) struct sc_buf body = {0};
    const ssize_t n = receive(c->fd, bytes, sizeof bytes, &sender);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    const bool greeting = !c->challenged;
    sc_err err;
    if (greeting)
        err = challenge(d, c, sc_slice_of(bytes, (size_t)n), &body, &diag);
    else if (sender != c->peer.pid)
        err = sc_fail(&diag, SC_E_AUTH, "the request comes from another process than the one that connected");
    else
        err = answer(d, c, sc_slice_of(bytes, (size_t)n), &body, &diag);
    reply(c, err, &diag, &body);
    if (err != SC_OK)
        sc_log_limited(&d->limiter, SC_LOG_WARN, "refused pid=%d uid=%u why=\"%s\"", (int)c->peer.pid, c->peer.uid,
                       sc_diag_text(&diag, err));
    return greeting && err == SC_OK;
}

static void republish(struct daemon *d, int64_t now_us)
{
    struct sc_diag diag = {0};
    if (now_us - d->published_us < REPUBLISH_US)
        return;
    d->published_us = now_us;
    const sc_err err = tee_platform_publish(tee_state_platform(d->opt->state), sc_wall_ms(&sc_clock_system),
                                            d->opt->public_dir, &diag);
    if (err != SC_OK) /* good for weeks to come; tomorrow again */
        sc_log(SC_LOG_ERROR, "collateral not renewed why=\"%s\"", sc_diag_text(&diag, err));
}

static void serve_ready(struct daemon *d, const struct pollfd *fds, int64_t now_us)
{
    for (size_t i = d->count; i-- > 0;) { /* backwards: closing moves the last one into the gap */
        const short events = fds[i].revents;
        if ((events & POLLIN) != 0 ? !on_message(d, &d->clients[i])
                                   : (events & (POLLHUP | POLLERR)) != 0 || now_us > d->clients[i].deadline_us)
            client_close(d, i);
    }
}

static sc_err loop(struct daemon *d, struct sc_diag *diag)
{
    struct pollfd fds[CLIENTS_MAX + 2];
    for (;;) {
        const size_t count = d->count;
        for (size_t i = 0; i < count; i++)
            fds[i] = (struct pollfd){.fd = d->clients[i].fd, .events = POLLIN};
        /* full: callers wait in the socket's queue */
        fds[count] = (struct pollfd){.fd = count < CLIENTS_MAX ? d->opt->listen_fd : -1, .events = POLLIN};
        fds[count + 1] = (struct pollfd){.fd = d->opt->stop_fd, .events = POLLIN};
        if (poll(fds, count + 2, count != 0 ? 250 : 60000) < 0) {
            if (errno == EINTR)
                continue;
            return sc_fail_errno(diag, SC_E_IO, "poll");
        }
        const int64_t now_us = sc_mono_us(&sc_clock_system);
        if ((fds[count + 1].revents & POLLIN) != 0)
            return SC_OK;
        serve_ready(d, fds, now_us);
        if ((fds[count].revents & POLLIN) != 0)
            on_accept(d);
        republish(d, now_us);
    }
}

sc_err tee_quoting_run(const struct tee_quoting_options *opt, struct sc_diag *diag)
{
    struct daemon *d = calloc(1, sizeof *d);
    struct tee_measurement *now = calloc(1, sizeof *now);
    sc_err err = SC_E_NOMEM;
    if (d != NULL && now != NULL)
        err = tee_measurer_new(&d->measurer);
    if (err == SC_OK) {
        d->opt = opt;
        d->now = now;
        d->published_us = sc_mono_us(&sc_clock_system);
        err = loop(d, diag);
        while (d->count != 0)
            client_close(d, d->count - 1);
        tee_measurer_free(d->measurer);
    }
    free(now);
    free(d);
    return err;
}
