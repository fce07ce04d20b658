/* store/dir_internal.h - what the parts of the directory store share. */
#ifndef SC_STORE_DIR_INTERNAL_H
#define SC_STORE_DIR_INTERNAL_H

#include "store/store.h"

#include <pthread.h>
#include <sys/stat.h>

#define DIR_NAME_SIZE_MAX 64
#define DIR_OBJECT_PREFIX "o." /* of an object's file name; a temporary file begins with "t." */
#define DIR_FILE_SIZE     (DIR_NAME_SIZE_MAX + 3)
#define DIR_OPEN_COUNT    64

/* A file kept open for reading: opening one costs more than reading a cached block of it. */
struct dir_open_file {
    char name[DIR_NAME_SIZE_MAX + 1]; /* empty: free */
    int fd;
    unsigned readers;
    bool dropped; /* removed meanwhile: the last reader closes it */
};
struct dir_store {
    struct sc_store base;
    char *path;
    int dir_fd, lock_fd;
    pthread_mutex_t root_lock; /* guards the root file and what we know of it: */
    struct stat root_stat;     /* of the file that root_bytes were read from */
    size_t root_size;          /* 0: nothing known */
    uint8_t root_bytes[SC_STORE_ROOT_SIZE_MAX];
    pthread_mutex_t open_lock; /* guards open_files */
    struct dir_open_file open_files[DIR_OPEN_COUNT];
};

/* "o.NAME"; returns file. */
const char *dir_object_file(const char *name, char file[static DIR_FILE_SIZE]);

/* ---- dir_append.c ---- */
sc_err dir_append_open(struct sc_store *s, const char *name, struct sc_store_append **out, struct sc_diag *diag);
sc_err dir_append(struct sc_store_append *a, struct sc_slice bytes, struct sc_diag *diag);
sc_err dir_append_sync(struct sc_store_append *a, struct sc_diag *diag);
void dir_append_close(struct sc_store_append *a);

#endif
