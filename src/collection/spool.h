/* collection/spool.h - the aggregator's store-and-forward queue: sealed messages on disk, bounded, first in, first out.
 *
 * One file of records (u32 length, bytes).  It is emptied by truncation once all of it was forwarded; after a crash
 * everything in it is forwarded again, which the head-end recognises by sequence numbers.  The content is sealed end to
 * end, so the file needs neither secrecy nor a checksum of its own.  Not thread-safe. */
#ifndef SC_COLLECTION_SPOOL_H
#define SC_COLLECTION_SPOOL_H

#include "base/bytes.h"

struct sc_spool;
/* Opens or creates path.  A torn or senseless tail is cut off and told in *cut_out (bytes). */
sc_err sc_spool_open(const char *path, uint64_t size_max, size_t message_size_max, struct sc_spool **out,
                     uint64_t *cut_out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_spool_free(struct sc_spool *s); /* NULL is fine; what is in it stays on disk */
/* SC_E_LIMIT when it would grow beyond size_max. */
sc_err sc_spool_push(struct sc_spool *s, struct sc_slice message, struct sc_diag *diag) SC_MUST_CHECK;
/* The oldest message not yet forwarded into out (reset first); SC_E_NOT_FOUND when there is none. */
sc_err sc_spool_peek(struct sc_spool *s, struct sc_buf *out, struct sc_diag *diag) SC_MUST_CHECK;
/* Done with what peek gave; empties the file after the last. */
sc_err sc_spool_pop(struct sc_spool *s, struct sc_diag *diag) SC_MUST_CHECK;
/* Would the largest message still find room? */
bool sc_spool_has_room(const struct sc_spool *s);
uint64_t sc_spool_count(const struct sc_spool *s); /* messages waiting */
uint64_t sc_spool_size(const struct sc_spool *s);  /* bytes of the file */

#endif
