/* The aggregator's spool file is on an untrusted disk: whatever it holds, it opens, is emptied, and takes new messages. */
#include "base/file.h"
#include "collection/spool.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define MESSAGE_MAX 4096u

static void drain(struct sc_spool *s, uint64_t expected)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = { 0 };
    for (; expected != 0; expected--) {
        SC_ASSERT(sc_spool_peek(s, &out, NULL) == SC_OK);
        SC_ASSERT(out.size != 0 && out.size <= MESSAGE_MAX);
        SC_ASSERT(sc_spool_pop(s, NULL) == SC_OK);
    }
    SC_ASSERT(sc_spool_peek(s, &out, NULL) == SC_E_NOT_FOUND && sc_spool_size(s) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    SC_CLEANUP(sc_fd_closep) int fd = memfd_create("spool", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    SC_ASSERT(fd >= 0 && sc_fd_write_all(fd, sc_slice_of(data, size), NULL) == SC_OK);
    struct sc_spool *s = NULL;
    uint64_t cut = 0;
    SC_ASSERT(sc_spool_open(path, UINT64_C(1) << 24, MESSAGE_MAX, &s, &cut, NULL) == SC_OK);
    SC_ASSERT(cut + sc_spool_size(s) == size);
    drain(s, sc_spool_count(s));
    SC_ASSERT(sc_spool_push(s, sc_slice_str("new"), NULL) == SC_OK && sc_spool_count(s) == 1);
    drain(s, 1);
    sc_spool_free(s);
    return 0;
}
