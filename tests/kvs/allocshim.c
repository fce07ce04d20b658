#include "allocshim.h"

#include "base/err.h"

#include <pthread.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *s);
void __wrap_free(void *p);

#define SLOTS ((size_t)1 << 18) /* of held blocks; open addressing */
#define GONE  ((void *)1)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all below */
static bool counting;
static uint64_t count, fail_from, failed;
static bool fail_all;
static void *held[SLOTS];
static size_t held_count, used_count;

static _Thread_local unsigned exempt;

void allocshim_exempt(bool yes)
{
    exempt += yes ? 1 : -1u;
}

static size_t slot_of(const void *p)
{
    return (size_t)(((uintptr_t)p >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 46) % SLOTS;
}

static void note(void *p)
{
    if (p == NULL || !counting || exempt != 0)
        return;
    SC_ASSERT(used_count < SLOTS / 2);
    size_t i = slot_of(p);
    while (held[i] != NULL && held[i] != GONE)
        i = (i + 1) % SLOTS;
    used_count += held[i] == NULL;
    held[i] = p;
    held_count++;
}

static void forget(const void *p)
{
    for (size_t i = slot_of(p); held[i] != NULL; i = (i + 1) % SLOTS) {
        if (held[i] != p)
            continue;
        held[i] = GONE;
        held_count--;
        return;
    }
}

static bool fails(void)
{
    if (!counting || exempt != 0)
        return false;
    count++;
    const bool now = fail_from != 0 && (fail_all ? count >= fail_from : count == fail_from);
    failed += now;
    return now;
}

static bool enter(void)
{
    pthread_mutex_lock(&lock);
    return !fails();
}

static void *leave(void *p)
{
    note(p);
    pthread_mutex_unlock(&lock);
    return p;
}

void *__wrap_malloc(size_t size)
{
    return leave(enter() ? __real_malloc(size) : NULL);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return leave(enter() ? __real_calloc(n, size) : NULL);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return leave(enter() ? __real_aligned_alloc(alignment, size) : NULL);
}

void *__wrap_realloc(void *old, size_t size)
{
    void *p = NULL;
    pthread_mutex_lock(&lock);
    if (!fails()) {
        p = __real_realloc(old, size);
        if (p != NULL && old != NULL)
            forget(old);
        note(p);
    }
    pthread_mutex_unlock(&lock);
    return p;
}

char *__wrap_strdup(const char *s)
{
    const size_t size = strlen(s) + 1;
    char *p = __wrap_malloc(size);
    return p != NULL ? memcpy(p, s, size) : NULL;
}

void __wrap_free(void *p)
{
    pthread_mutex_lock(&lock);
    if (p != NULL)
        forget(p);
    __real_free(p);
    pthread_mutex_unlock(&lock);
}

void allocshim_begin(void)
{
    pthread_mutex_lock(&lock);
    memset(held, 0, sizeof held);
    counting = true;
    count = failed = fail_from = 0;
    held_count = used_count = 0;
    pthread_mutex_unlock(&lock);
}

void allocshim_arm(uint64_t nth, bool all)
{
    pthread_mutex_lock(&lock);
    fail_from = count + nth;
    fail_all = all;
    failed = 0;
    pthread_mutex_unlock(&lock);
}

uint64_t allocshim_disarm(void)
{
    pthread_mutex_lock(&lock);
    const uint64_t n = failed;
    fail_from = 0;
    pthread_mutex_unlock(&lock);
    return n;
}

uint64_t allocshim_count(void)
{
    pthread_mutex_lock(&lock);
    const uint64_t n = count;
    pthread_mutex_unlock(&lock);
    return n;
}

size_t allocshim_held(void)
{
    pthread_mutex_lock(&lock);
    const size_t n = held_count;
    pthread_mutex_unlock(&lock);
    return n;
}
