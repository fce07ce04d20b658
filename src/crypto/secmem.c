/* Secret memory: memfd_secret(2) where the kernel has it, locked pages elsewhere. */
#include "crypto/crypto.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct sc_secmem {
    uint8_t *ptr;
    size_t size;
    const char *kind;
};

static uint8_t *map_memfd_secret(size_t size)
{
#ifdef SYS_memfd_secret
    const int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
#else
    const int fd = (int)syscall(447, 02000000u); /* x86-64 and arm64 share the number; O_CLOEXEC */
#endif
    if (fd < 0)
        return NULL;
    void *p = MAP_FAILED;
    if (ftruncate(fd, (off_t)size) == 0)
        p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return p == MAP_FAILED ? NULL : p;
}

sc_err sc_secmem_new(struct sc_secmem **out, size_t size, struct sc_diag *diag)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (size == 0 || size > (size_t)64 << 20)
        return sc_fail(diag, SC_E_LIMIT, "secret memory of %zu bytes", size);
    struct sc_secmem *mem = calloc(1, sizeof *mem);
    if (mem == NULL)
        return SC_E_NOMEM;
    mem->size = (size + page - 1) / page * page;
    mem->kind = "memfd_secret";
    mem->ptr = map_memfd_secret(mem->size);
    if (mem->ptr == NULL) {
        void *p = mmap(NULL, mem->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) {
            free(mem);
            return sc_fail_errno(diag, SC_E_NOMEM, "secret memory");
        }
        mem->ptr = p;
        mem->kind = mlock(p, mem->size) == 0 ? "mlock" : "unlocked";
        madvise(p, mem->size, MADV_DONTDUMP);
        madvise(p, mem->size, MADV_WIPEONFORK);
    }
    *out = mem;
    return SC_OK;
}

void sc_secmem_free(struct sc_secmem *mem)
{
    if (mem == NULL)
        return;
    explicit_bzero(mem->ptr, mem->size);
    munmap(mem->ptr, mem->size);
    free(mem);
}

void sc_secmem_freep(struct sc_secmem **mem)
{
    sc_secmem_free(*mem);
}

uint8_t *sc_secmem_ptr(struct sc_secmem *mem)
{
    return mem->ptr;
}

const char *sc_secmem_kind(const struct sc_secmem *mem)
{
    return mem->kind;
}

void sc_process_harden(void)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* also closes /proc/PID/mem and ptrace to the same user */
}
