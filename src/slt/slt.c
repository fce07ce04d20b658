/* Which scripts there are, and running them side by side. */
#include "slt/slt.h"

#include "base/file.h"
#include "base/progress.h"
#include "slt/run.h"

#include <errno.h>
#include <fts.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRIPT_SIZE_MAX ((size_t)256 << 20)
#define JOB_COUNT_MAX   64
#define TELL_EVERY      ((size_t)64 << 10) /* bytes of a script */

struct script_file {
    char *path;
    uint64_t size;
};
struct run_all {
    const struct sc_slt_options *opt;
    struct script_file *files;
    size_t file_count, file_capacity;
    uint64_t size_total;
    pthread_mutex_t lock; /* guards all below, and opt->out */
    size_t file_next;
    uint64_t size_done;
    struct sc_slt_totals totals;
    struct sc_progress progress;
    char progress_text[80]; /* what it is called */
};
/* One thread's script. */
struct job {
    struct run_all *all;
    struct sc_slt_totals told; /* what all->totals already has of it */
    size_t done_told;
};

/* ---- finding scripts ---- */
static sc_err file_add(struct run_all *a, const char *path, uint64_t size, struct sc_diag *diag)
{
    if (a->file_count == a->file_capacity) {
        const size_t capacity = 2 * a->file_capacity + 16;
        struct script_file *files = reallocarray(a->files, capacity, sizeof *files);
        if (files == NULL)
            return sc_fail(diag, SC_E_NOMEM, "out of memory");
        a->files = files;
        a->file_capacity = capacity;
    }
    char *copy = strdup(path);
    if (copy == NULL)
        return sc_fail(diag, SC_E_NOMEM, "out of memory");
    a->files[a->file_count++] = (struct script_file){copy, size};
    a->size_total += size;
    return SC_OK;
}

static bool is_script_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL && (strcmp(dot, ".test") == 0 || strcmp(dot, ".slt") == 0);
}

static int names_compare(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static sc_err entries_add(struct run_all *a, FTS *fts, struct sc_diag *diag)
{
    errno = 0;
    for (FTSENT *e; (e = fts_read(fts)) != NULL; errno = 0) {
        if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS) {
            errno = e->fts_errno;
            return sc_fail_errno(diag, errno == ENOENT ? SC_E_NOT_FOUND : SC_E_IO, "%s", e->fts_path);
        }
        const bool chosen = e->fts_level == 0 || is_script_name(e->fts_name); /* who names a file means it */
        if (e->fts_info == FTS_F && chosen)
            SC_TRY(file_add(a, e->fts_path, (uint64_t)e->fts_statp->st_size, diag));
    }
    return errno == 0 ? SC_OK : sc_fail_errno(diag, SC_E_IO, "reading directories");
}

static sc_err path_add(struct run_all *a, const char *path, struct sc_diag *diag)
{
    char *const roots[] = {(char *)path, NULL}; /* fts(3) does not write to it */
    const size_t before = a->file_count;
    FTS *fts = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, names_compare);
    if (fts == NULL)
        return sc_fail_errno(diag, SC_E_IO, "%s", path);
    sc_err err = entries_add(a, fts, diag);
    fts_close(fts);
    if (err == SC_OK && a->file_count == before)
        err = sc_fail(diag, SC_E_NOT_FOUND, "%s: no file that ends in .test or .slt", path);
    return err;
}

/* ---- running ---- */
static void totals_add(struct sc_slt_totals *to, const struct sc_slt_totals *now, const struct sc_slt_totals *before)
{
    to->passed += now->passed - before->passed;
    to->failed += now->failed - before->failed;
    to->skipped += now->skipped - before->skipped;
    to->scripts += now->scripts - before->scripts;
}

static void tell(struct job *job, const struct sc_slt_totals *totals, size_t done)
{
    struct run_all *a = job->all;
    totals_add(&a->totals, totals, &job->told);
    a->size_done += done - job->done_told;
    job->told = *totals;
    job->done_told = done;
    snprintf(a->progress_text, sizeof a->progress_text, "%zu scripts, %" PRIu64 " passed, %" PRIu64 " failed",
             a->file_count, a->totals.passed, a->totals.failed);
    sc_progress_set(&a->progress, a->size_done, a->size_total);
}

static void on_progress(void *arg, const struct sc_slt_totals *totals, size_t done)
{
    struct job *job = arg;
    if (done - job->done_told < TELL_EVERY)
        return;
    pthread_mutex_lock(&job->all->lock);
    tell(job, totals, done);
    pthread_mutex_unlock(&job->all->lock);
}

static void script_run(struct job *job, const struct script_file *file, FILE *report, struct sc_slt_totals *totals)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = {0};
    struct sc_diag diag = {0};
    const struct slt_run run = {job->all->opt, file->path, report, on_progress, job};
    const sc_err err = sc_file_read(file->path, SCRIPT_SIZE_MAX, &text, &diag);
    if (err == SC_OK) {
        slt_run_script(&run, sc_buf_slice(&text), totals);
        return;
    }
    fprintf(report, "%s: %s\n", file->path, sc_diag_text(&diag, err));
    *totals = (struct sc_slt_totals){.failed = 1, .scripts = 1};
}

/* The report of a script is held back until it ends, so that those of scripts side by side do not mix. */
static void file_run(struct run_all *a, const struct script_file *file)
{
    struct job job = {.all = a};
    struct sc_slt_totals totals = {0};
    SC_CLEANUP(sc_freep) char *text = NULL;
    size_t size = 0;
    const int64_t start_us = sc_mono_us(&sc_clock_system);
    FILE *report = open_memstream(&text, &size);
    SC_ASSERT(report != NULL);
    script_run(&job, file, report, &totals);
    fclose(report);
    pthread_mutex_lock(&a->lock);
    sc_progress_clear(&a->progress);
    fwrite(text, 1, size, a->opt->out);
    if (a->opt->verbose)
        fprintf(a->opt->out, "%s: %" PRIu64 " passed, %" PRIu64 " failed, %" PRIu64 " skipped, %.2f s\n", file->path,
                totals.passed, totals.failed, totals.skipped, (double)(sc_mono_us(&sc_clock_system) - start_us) / 1e6);
    fflush(a->opt->out);
    tell(&job, &totals, file->size);
    pthread_mutex_unlock(&a->lock);
}

static void *worker_run(void *arg)
{
    struct run_all *a = arg;
    for (;;) {
        pthread_mutex_lock(&a->lock);
        const size_t i = a->file_next;
        a->file_next += i < a->file_count;
        pthread_mutex_unlock(&a->lock);
        if (i == a->file_count)
            return NULL;
        file_run(a, &a->files[i]);
    }
}

static size_t job_count(const struct run_all *a)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = a->opt->job_count != 0 ? a->opt->job_count : processors > 0 ? (size_t)processors : 1;
    n = n < JOB_COUNT_MAX ? n : JOB_COUNT_MAX;
    return n < a->file_count ? n : a->file_count;
}

static void workers_run(struct run_all *a)
{
    pthread_t threads[JOB_COUNT_MAX];
    size_t started = 0;
    while (started + 1 < job_count(a) && pthread_create(&threads[started], NULL, worker_run, a) == 0)
        started++;
    worker_run(a); /* this thread works, too; so less threads than wished for are no failure */
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}

sc_err sc_slt_run(const char *const *paths, size_t path_count, const struct sc_slt_options *opt,
                  struct sc_slt_totals *totals_out, struct sc_diag *diag)
{
    struct run_all a = {.opt = opt, .lock = PTHREAD_MUTEX_INITIALIZER};
    sc_err err = SC_OK;
    if (opt->progress)
        sc_progress_begin(&a.progress, a.progress_text, SC_PROGRESS_BYTES);
    for (size_t i = 0; i < path_count && err == SC_OK; i++)
        err = path_add(&a, paths[i], diag);
    if (err == SC_OK) {
        workers_run(&a);
        sc_progress_clear(&a.progress);
        *totals_out = a.totals;
    }
    for (size_t i = 0; i < a.file_count; i++)
        free(a.files[i].path);
    free(a.files);
    return err;
}
