/* securecloud-cascadb: SQL over the Secure KVS, for PostgreSQL's clients. */
#include "base/log.h"
#include "cascadb/journal.h"
#include "cascadb/server.h"
#include "kvs/kvs.h"
#include "service/service.h"
#include "sql/memory.h"

#include <inttypes.h>
#include <unistd.h>

#define CONNECTIONS_DEFAULT       64
#define CONNECTION_MEMORY_DEFAULT ((int64_t)64 << 20)
#define SQL_HEAP_DEFAULT          ((int64_t)512 << 20)

struct gauge {
    const char *name;
    const char *help;
    size_t offset; /* in struct sc_kvs_stats */
};
#define GAUGE(field, help)                                                                                             \
    {                                                                                                                  \
        "securecloud_kvs_" #field, help, offsetof(struct sc_kvs_stats, field)                                          \
    }
static const struct gauge gauges[] = {
    GAUGE(table_count, "Sorted tables"),
    GAUGE(table_bytes, "Bytes in sorted tables"),
    GAUGE(log_bytes, "Bytes in write-ahead logs"),
    GAUGE(memtable_bytes, "Bytes in memory not yet in tables"),
    GAUGE(cache_bytes, "Bytes in the block cache"),
    GAUGE(commit_count, "Commits since start"),
    GAUGE(sync_count, "Syncs of the log since start"),
    GAUGE(flush_count, "Memtables written since start"),
    GAUGE(compaction_count, "Compactions since start"),
    GAUGE(block_reads, "Blocks read from the store since start"),
    GAUGE(cache_hits, "Blocks found in the cache since start"),
    GAUGE(bytes_written, "Bytes written to the store since start"),
    GAUGE(epoch, "Epoch of this writer"),
    GAUGE(counter, "Value of the trusted counter"),
};
#define GAUGE_COUNT (sizeof gauges / sizeof gauges[0])

struct cascadb {
    struct sc_store *store;
    struct sc_kvs_counter counter;
    struct sc_kvs *kvs;
    struct sc_sql_db *db;
    struct pg_server *server;
    struct pg_journal *journal;
    struct audit_log *audit;
    struct sc_signer *signer; /* of the audit log's checkpoints */
    struct sc_cert *certificate;
    struct sc_metric *gauge[GAUGE_COUNT];
};

static void audit_end(struct cascadb *c)
{
    uint64_t count = 0;
    char head[2 * SC_HASH_SIZE + 1];
    if (c->audit == NULL)
        return;
    audit_log_close(SC_TAKE(c->audit), &count, head);
    sc_log(SC_LOG_INFO, "audit log closed records=%" PRIu64 " head=%s", count, head);
}

static void cascadb_free(struct cascadb *c)
{
    if (c == NULL)
        return;
    audit_end(c);
    pg_journal_free(c->journal);
    sc_signer_free(c->signer);
    sc_cert_free(c->certificate);
    sc_sql_db_close(c->db);
    sc_kvs_close(c->kvs);
    if (c->counter.read != NULL)
        sc_kvs_counter_file_close(&c->counter);
    sc_store_free(c->store);
    free(c);
}

static void cascadb_freep(struct cascadb **c)
{
    cascadb_free(*c);
}

static sc_err volume_open(struct cascadb *c, const struct sc_identity *id, struct sc_diag *diag)
{
    const json_t *config = sc_identity_config(id);
    const char *volume = NULL;
    const char *counter = NULL;
    int64_t memtable = 0;
    int64_t cache = 0;
    SC_CLEANUP(sc_key_wipe) struct sc_key root = {0};
    SC_TRY(sc_json_get_str(config, "volume", &volume, diag));
    SC_TRY(sc_json_get_str(config, "counter", &counter, diag));
    SC_TRY(sc_json_opt_int(config, "memtable_bytes", 1 << 16, (int64_t)1 << 32, &memtable, diag));
    SC_TRY(sc_json_opt_int(config, "cache_bytes", 1 << 16, (int64_t)1 << 36, &cache, diag));
    SC_TRY(sc_identity_secret(id, "kvs-root", &root, diag));
    SC_TRY(sc_context(diag, sc_store_dir_open(volume, &c->store, diag), "volume %s", volume));
    SC_TRY(sc_context(diag, sc_kvs_counter_insecure_file(counter, &c->counter, diag), "counter %s", counter));
    sc_log(SC_LOG_WARN,
           "the volume's counter is a file: INSECURE, whoever restores it with the volume is not noticed file=%s",
           counter);
    const struct sc_kvs_options opt = {.store = c->store,
                                       .root_key = &root,
                                       .counter = c->counter,
                                       .create = true,
                                       .memtable_size_max = (size_t)memtable,
                                       .block_cache_size_max = (size_t)cache};
    return sc_context(diag, sc_kvs_open(&opt, &c->kvs, diag), "volume %s", volume);
}

/* The file of users lies in the identity's directory, where secrets come to; NULL: none is configured. */
static sc_err users_find(struct sc_identity *id, const char **path_out, struct sc_diag *diag)
{
    const char *name = NULL;
    SC_TRY(sc_json_opt_str(sc_identity_config(id), "users", &name, diag));
    if (name == NULL)
        return SC_OK;
    if (strchr(name, '/') != NULL)
        return sc_fail(diag, SC_E_MALFORMED,
                       "config.json: \"users\" names a file of the identity, without a directory");
    return sc_identity_file(id, name, path_out);
}

static sc_err journal_start(struct cascadb *c, struct sc_service *s, struct sc_diag *diag)
{
    struct sc_identity *id = sc_service_identity(s);
    const char *path = NULL;
    int64_t slow_ms = 0;
    SC_TRY(sc_json_opt_str(sc_identity_config(id), "audit", &path, diag));
    SC_TRY(sc_json_opt_int(sc_identity_config(id), "slow_statement_ms", 0, 86400000, &slow_ms, diag));
    if (path != NULL) {
        SC_TRY(sc_identity_signer(id, &c->signer, diag));
        SC_TRY(sc_cert_read_pem(sc_identity_cert_path(id), &c->certificate, diag));
        SC_TRY(audit_log_open(path, c->signer, c->certificate, &c->audit, diag));
    }
    const struct pg_journal_options opt = {
        .metrics = sc_service_metrics(s), .slow_us_min = slow_ms * 1000, .audit = c->audit};
    return pg_journal_new(&opt, &c->journal, diag);
}

static sc_err server_start(struct cascadb *c, struct sc_service *s, struct sc_diag *diag)
{
    const struct sc_identity *id = sc_service_identity(s);
    const json_t *config = sc_identity_config(id);
    struct sc_endpoint listen;
    struct sc_endpoint https = {.host = ""};
    int64_t connections = CONNECTIONS_DEFAULT;
    int64_t idle_s = 0;
    int64_t statement_s = 0;
    int64_t heap = SQL_HEAP_DEFAULT;
    int64_t result = 0;
    const char *unix_path = NULL;
    const char *users = NULL;
    SC_TRY(sc_identity_endpoint(id, "listen", &listen, diag));
    SC_TRY(sc_json_opt_int(config, "connections_max", 1, 10000, &connections, diag));
    SC_TRY(sc_json_opt_int(config, "idle_seconds_max", 0, 86400 * 7, &idle_s, diag));
    SC_TRY(sc_json_opt_int(config, "statement_seconds_max", 0, 86400 * 7, &statement_s, diag));
    SC_TRY(sc_json_opt_int(config, "result_bytes_max", 0, INT64_MAX, &result, diag));
    SC_TRY(sc_json_opt_int(config, "sql_heap_bytes", 16 << 20, (int64_t)1 << 40, &heap, diag));
    if (json_object_get(config, "https") != NULL)
        SC_TRY(sc_identity_endpoint(id, "https", &https, diag));
    SC_TRY(sc_json_opt_str(config, "insecure_unix_socket", &unix_path, diag));
    SC_TRY(users_find(sc_service_identity(s), &users, diag));
    sc_sql_heap_limit_set(heap);
    if (unix_path != NULL)
        sc_log(SC_LOG_WARN, "rows go over a Unix socket in the clear: INSECURE, the host can read them path=%s",
               unix_path);
    const struct pg_server_options opt = {
        .host = listen.host,
        .port = listen.port,
        .https_host = https.host[0] != '\0' ? https.host : NULL,
        .https_port = https.port,
        .unix_path = unix_path,
        .tls = sc_service_tls(s),
        .db = c->db,
        .rights = json_object_get(config, "rights"),
        .users_path = users,
        .metrics = sc_service_metrics(s),
        .journal = c->journal,
        .result_size_max = (uint64_t)result,
        .connections_max = (size_t)connections,
        .idle_ms_max = idle_s != 0 ? (int)(idle_s * 1000) : -1,
        .statement_ms_max = statement_s * 1000,
    };
    SC_TRY(pg_server_start(&opt, &c->server, diag));
    sc_log(SC_LOG_INFO, "listening host=%s port=%u tables=%zu", listen.host, pg_server_port(c->server),
           sc_sql_db_table_count(c->db));
    return SC_OK;
}

/* Before SQLite has done anything. */
static sc_err memory_limit(const json_t *config, struct sc_diag *diag)
{
    int64_t bytes = CONNECTION_MEMORY_DEFAULT;
    SC_TRY(sc_json_opt_int(config, "connection_memory_bytes", 4 << 20, (int64_t)1 << 40, &bytes, diag));
    return sc_sql_thread_memory_limit_set(bytes) == SC_OK ? SC_OK
                                                          : sc_fail(diag, SC_E_USAGE, "memory limit of a connection");
}

static sc_err start(struct sc_service *s, void **state_out, struct sc_diag *diag)
{
    SC_CLEANUP(cascadb_freep) struct cascadb *c = calloc(1, sizeof *c);
    if (c == NULL)
        return sc_fail(diag, SC_E_NOMEM, "cascadb");
    for (size_t i = 0; i < GAUGE_COUNT; i++)
        c->gauge[i] = sc_metrics_gauge(sc_service_metrics(s), gauges[i].name, "", gauges[i].help);
    SC_TRY(memory_limit(sc_identity_config(sc_service_identity(s)), diag));
    SC_TRY(volume_open(c, sc_service_identity(s), diag));
    SC_TRY(sc_sql_db_open(c->kvs, &c->db, diag));
    SC_TRY(journal_start(c, s, diag));
    SC_TRY(server_start(c, s, diag));
    *state_out = SC_TAKE(c);
    return SC_OK;
}

static void sample(void *state)
{
    struct cascadb *c = state;
    struct sc_kvs_stats stats;
    sc_kvs_stats(c->kvs, &stats);
    for (size_t i = 0; i < GAUGE_COUNT; i++) {
        uint64_t value;
        memcpy(&value, (const char *)&stats + gauges[i].offset, sizeof value);
        sc_metric_set(c->gauge[i], (int64_t)value);
    }
}

static void stop(void *state)
{
    struct cascadb *c = state;
    if (!pg_server_stop(c->server)) {
        /* The volume cannot be closed under a running thread; it is as safe as after a crash, where nothing committed
         * is lost. */
        sc_log(SC_LOG_ERROR, "a connection did not end in time: leaving without closing the volume");
        _exit(1);
    }
    cascadb_free(c);
}

static const struct sc_service_definition definition = {
    .name = "securecloud-cascadb",
    .summary = "CascaDB: SQL over the Secure KVS, for PostgreSQL clients (protocol 3 over TLS 1.3; client certificates "
               "or passwords).",
    .config = "  listen     {\"host\", \"port\"}: PostgreSQL protocol\n"
              "  https      {\"host\", \"port\"}: POST /sql (optional)\n"
              "  rights     {\"spiffe://securecloud.local/mdc\": \"write\", ...: \"read\"}\n"
              "  users      file of users with passwords, in DIR (see securecloud-cascadb-user)\n"
              "  insecure_unix_socket   path of a Unix socket (rows pass in the clear)\n"
              "  volume     directory of the encrypted volume\n"
              "  counter    file of the volume's counter (insecure: see docs/services/cascadb.md)\n"
              "  connections_max (64), idle_seconds_max (0: no limit), statement_seconds_max (0: no limit)\n"
              "  result_bytes_max (0: no limit), connection_memory_bytes (64 MiB)\n"
              "  slow_statement_ms  slower ones are logged, without their literals (0: none)\n"
              "  audit      path of the audit log (see securecloud-cascadb-audit; none if absent)\n"
              "  memtable_bytes (8 MiB), cache_bytes (32 MiB), sql_heap_bytes (512 MiB)\n"
              "secrets:\n  kvs-root.key   32 bytes: the volume's root key\n",
    .start = start,
    .sample = sample,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return sc_service_main(argc, argv, &definition);
}
