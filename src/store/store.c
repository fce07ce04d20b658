#include "store/store.h"

void sc_store_free(struct sc_store *s)
{
    if (s != NULL)
        s->ops->free(s);
}

void sc_store_freep(struct sc_store **s)
{
    sc_store_free(*s);
}
