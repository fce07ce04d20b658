#include "base/arena.h"

#include <stdalign.h>

#define CHUNK_SIZE       ((size_t)32 << 10)
#define SIZE_MAX_DEFAULT ((size_t)1 << 30)

struct sc_arena_chunk {
    struct sc_arena_chunk *next;
    size_t used;
    size_t capacity;
    alignas(max_align_t) uint8_t data[];
};

void sc_arena_init(struct sc_arena *arena, size_t size_max)
{
    *arena = (struct sc_arena){.size_max = size_max};
}

static void free_chain(struct sc_arena_chunk *c)
{
    while (c != NULL) {
        struct sc_arena_chunk *next = c->next;
        free(c);
        c = next;
    }
}

void sc_arena_deinit(struct sc_arena *arena)
{
    if (arena == NULL)
        return;
    free_chain(arena->head);
    arena->head = NULL;
    arena->size = 0;
}

void sc_arena_reset(struct sc_arena *arena)
{
    if (arena->head != NULL) {
        free_chain(arena->head->next);
        arena->head->next = NULL;
        arena->head->used = 0;
    }
    arena->size = 0;
}

void *sc_arena_alloc_raw(struct sc_arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    const size_t size_max = arena->size_max != 0 ? arena->size_max : SIZE_MAX_DEFAULT;
    if (size > size_max)
        return NULL;
    const size_t rounded = (size + align - 1) & ~(align - 1);
    if (rounded > size_max || arena->size > size_max - rounded)
        return NULL;
    struct sc_arena_chunk *c = arena->head;
    if (c == NULL || c->capacity - c->used < rounded) {
        const size_t capacity = rounded > CHUNK_SIZE ? rounded : CHUNK_SIZE;
        c = malloc(sizeof *c + capacity);
        if (c == NULL)
            return NULL;
        *c = (struct sc_arena_chunk){.next = arena->head, .capacity = capacity};
        arena->head = c;
    }
    void *p = c->data + c->used;
    c->used += rounded;
    arena->size += rounded; /* what it costs: tiny pieces must not slip under the cap */
    return p;
}

void *sc_arena_alloc(struct sc_arena *arena, size_t size)
{
    void *p = sc_arena_alloc_raw(arena, size);
    return p != NULL ? memset(p, 0, size) : NULL;
}

char *sc_arena_strdup(struct sc_arena *arena, const char *s)
{
    const size_t size = strlen(s) + 1;
    char *p = sc_arena_alloc(arena, size);
    if (p != NULL)
        memcpy(p, s, size);
    return p;
}

struct sc_slice sc_arena_copy(struct sc_arena *arena, struct sc_slice s)
{
    uint8_t *p = sc_arena_alloc(arena, s.size != 0 ? s.size : 1);
    if (p != NULL && s.size != 0)
        memcpy(p, s.ptr, s.size);
    return (struct sc_slice){p, p != NULL ? s.size : 0};
}
