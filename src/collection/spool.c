#include "collection/spool.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LENGTH_SIZE 4u

struct sc_spool {
    int fd;
    uint64_t size_max;
    size_t message_size_max;
    uint64_t size;  /* of the file: where the next record goes */
    uint64_t head;  /* offset of the oldest record not yet forwarded */
    uint64_t count; /* records from head on */
    size_t peeked;  /* size of the record at head, 0: not peeked */
};

static sc_err read_at(int fd, uint64_t offset, uint8_t *out, size_t size, struct sc_diag *diag)
{
    while (size != 0) {
        const ssize_t n = pread(fd, out, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sc_fail_errno(diag, SC_E_IO, "spool: read");
        if (n == 0)
            return sc_fail(diag, SC_E_MALFORMED, "spool: the file was cut on disk");
        out += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return SC_OK;
}

/* Walks the records of an existing file up to its end or the first that does not fit. */
static sc_err recover(struct sc_spool *s, uint64_t file_size, struct sc_diag *diag)
{
    while (file_size - s->size >= LENGTH_SIZE) {
        uint8_t length[LENGTH_SIZE];
        SC_TRY(read_at(s->fd, s->size, length, sizeof length, diag));
        const uint32_t size = sc_load_u32be(length);
        if (size == 0 || size > s->message_size_max || size > file_size - s->size - LENGTH_SIZE)
            break;
        s->size += LENGTH_SIZE + size;
        s->count++;
    }
    return SC_OK;
}

sc_err sc_spool_open(const char *path, uint64_t size_max, size_t message_size_max, struct sc_spool **out,
                     uint64_t *cut_out, struct sc_diag *diag)
{
    struct sc_spool *s = calloc(1, sizeof *s);
    if (s == NULL)
        return sc_fail(diag, SC_E_NOMEM, "spool %s", path);
    s->size_max = size_max;
    s->message_size_max = message_size_max;
    s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat st = {0};
    sc_err err = SC_OK;
    if (s->fd < 0 || fstat(s->fd, &st) != 0)
        err = sc_fail_errno(diag, SC_E_IO, "spool %s", path);
    if (err == SC_OK)
        err = sc_context(diag, recover(s, (uint64_t)st.st_size, diag), "spool %s", path);
    if (err == SC_OK && s->size != (uint64_t)st.st_size && ftruncate(s->fd, (off_t)s->size) != 0)
        err = sc_fail_errno(diag, SC_E_IO, "spool %s", path);
    if (err != SC_OK) {
        sc_spool_free(s);
        return err;
    }
    *cut_out = (uint64_t)st.st_size - s->size;
    *out = s;
    return SC_OK;
}

void sc_spool_free(struct sc_spool *s)
{
    if (s == NULL)
        return;
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}

sc_err sc_spool_push(struct sc_spool *s, struct sc_slice message, struct sc_diag *diag)
{
    if (message.size == 0 || message.size > s->message_size_max)
        return sc_fail(diag, SC_E_USAGE, "spool: message of %zu bytes", message.size);
    if (s->size + LENGTH_SIZE + message.size > s->size_max)
        return sc_fail(diag, SC_E_LIMIT, "spool: full (%llu bytes)", (unsigned long long)s->size_max);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf record = {0};
    sc_buf_put_lv32(&record, message);
    SC_TRY(sc_buf_status(&record));
    if (lseek(s->fd, (off_t)s->size, SEEK_SET) < 0)
        return sc_fail_errno(diag, SC_E_IO, "spool: seek");
    const sc_err err = sc_fd_write_all(s->fd, sc_buf_slice(&record), diag);
    if (err != SC_OK) { /* half a record must not stand before the next one */
        if (ftruncate(s->fd, (off_t)s->size) != 0)
            s->size_max = 0; /* accept nothing more: its place in the file would be unreadable */
        return sc_context(diag, err, "spool");
    }
    s->size += record.size;
    s->count++;
    return SC_OK;
}

sc_err sc_spool_peek(struct sc_spool *s, struct sc_buf *out, struct sc_diag *diag)
{
    if (s->count == 0)
        return SC_E_NOT_FOUND;
    uint8_t length[LENGTH_SIZE];
    SC_TRY(read_at(s->fd, s->head, length, sizeof length, diag));
    const uint32_t size = sc_load_u32be(length);
    if (size == 0 || size > s->message_size_max || size > s->size - s->head - LENGTH_SIZE)
        return sc_fail(diag, SC_E_MALFORMED, "spool: record at %llu was changed on disk", (unsigned long long)s->head);
    sc_buf_reset(out);
    uint8_t *to = sc_buf_extend(out, size);
    if (to == NULL)
        return sc_buf_status(out);
    SC_TRY(read_at(s->fd, s->head + LENGTH_SIZE, to, size, diag));
    s->peeked = size;
    return SC_OK;
}

sc_err sc_spool_pop(struct sc_spool *s, struct sc_diag *diag)
{
    SC_ASSERT(s->count != 0 && s->peeked != 0);
    s->head += LENGTH_SIZE + s->peeked;
    s->peeked = 0;
    s->count--;
    if (s->count != 0)
        return SC_OK;
    if (ftruncate(s->fd, 0) != 0)
        return sc_fail_errno(diag, SC_E_IO, "spool: truncate");
    s->head = 0;
    s->size = 0;
    return SC_OK;
}

bool sc_spool_has_room(const struct sc_spool *s)
{
    return s->size_max >= s->size && s->size_max - s->size >= LENGTH_SIZE + s->message_size_max;
}

uint64_t sc_spool_count(const struct sc_spool *s)
{
    return s->count;
}

uint64_t sc_spool_size(const struct sc_spool *s)
{
    return s->size;
}
