/* base/file.h - whole files and directories, durably.  Paths are the operator's, never a peer's. */
#ifndef SC_BASE_FILE_H
#define SC_BASE_FILE_H

#include "base/bytes.h"

#include <sys/types.h>

/* Appends path's content to out (a regular file of at most size_max bytes; SC_E_LIMIT beyond). */
sc_err sc_file_read(const char *path, size_t size_max, struct sc_buf *out, struct sc_diag *diag) SC_MUST_CHECK;
/* Replaces path atomically: temporary file beside it, fsync, rename, fsync of the directory. */
sc_err sc_file_write(const char *path, struct sc_slice content, mode_t mode, struct sc_diag *diag) SC_MUST_CHECK;
/* mkdir -p */
sc_err sc_dir_make(const char *path, mode_t mode, struct sc_diag *diag) SC_MUST_CHECK;
/* rm -r; a path that is not there is fine. */
sc_err sc_dir_remove(const char *path, struct sc_diag *diag) SC_MUST_CHECK;
/* Writes all bytes to fd, through EINTR and short writes. */
sc_err sc_fd_write_all(int fd, struct sc_slice s, struct sc_diag *diag) SC_MUST_CHECK;
/* "dir/name" into an owned string; NULL when out of memory. */
char *sc_path_join(const char *dir, const char *name) SC_MUST_CHECK;
void sc_fd_closep(int *fd); /* cleanup helper; ignores negative */

#endif
