/* collection/writer.h - the thread that writes readings into CascaDB, batch by batch, until each is stored.
 *
 * A batch is one transaction of INSERT OR IGNORE; when the database goes away or a commit's outcome is unknown, the
 * same batch is written again, so nothing is lost and nothing counted twice. */
#ifndef SC_COLLECTION_WRITER_H
#define SC_COLLECTION_WRITER_H

#include "collection/mdc.h"
#include "net/loop.h"
#include "service/identity.h"

struct sc_writer;
struct sc_batch {
    struct sc_mdc_row *rows;
    size_t count, capacity;
};
#define SC_BATCH_ROWS_MAX 8192

/* done(arg, batch) runs on loop's thread when the batch is stored; the batch belongs to it again. */
struct sc_writer_options {
    const struct sc_identity *identity; /* borrowed */
    struct sc_loop *loop;
    void (*done)(void *arg, struct sc_batch *batch);
    void *arg;
};
sc_err sc_writer_new(const struct sc_writer_options *opt, struct sc_writer **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_writer_free(struct sc_writer *w); /* gives up an unfinished batch: its readings were never acknowledged */
/* Hands a batch over; only when idle. */
void sc_writer_submit(struct sc_writer *w, struct sc_batch *batch);
bool sc_writer_busy(const struct sc_writer *w);
uint64_t sc_writer_retries(const struct sc_writer *w); /* any thread */

sc_err sc_batch_add(struct sc_batch *b, const struct sc_mdc_row *row) SC_MUST_CHECK; /* SC_E_LIMIT when full */
void sc_batch_deinit(struct sc_batch *b);

#endif
