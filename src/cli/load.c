/* securecloud-load: orders a meter to disconnect or reconnect its load, and waits for its answer. */
#include "base/clock.h"
#include "cli/options.h"
#include "collection/orders.h"
#include "service/db.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

struct request {
    const char *identity_dir;
    uint32_t meter;
    enum sc_load_action action;
    int64_t valid_s;
    int wait_s;
};

static void print_help(void)
{
    printf("Usage: securecloud load disconnect|reconnect|arm|query --identity DIR --meter SERIAL [--valid SECONDS] "
           "[--wait SECONDS]\n\n"
           "Signs a load order with the identity's key (the meters know the operator's), puts it into the table "
           "load_order, and\n"
           "waits until the meter has answered.  The order is void after --valid seconds (default 300), so a delayed "
           "one does no\n"
           "harm; a meter acts on each order once.  arm lets the customer reconnect at the meter's button.\n\n"
           "Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 3 no answer within --wait seconds (default 60).\n");
}

static sc_err action_parse(const char *text, enum sc_load_action *out)
{
    for (int i = SC_LOAD_DISCONNECT; i <= SC_LOAD_QUERY; i++)
        if (strcmp(text, sc_load_action_name((enum sc_load_action)i)) == 0) {
            *out = (enum sc_load_action)i;
            return SC_OK;
        }
    return SC_E_USAGE;
}

static sc_err order_insert(PGconn *db, const struct sc_load_order *order, const struct sc_signer *signer,
                           struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf statement = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf signature = {0};
    uint8_t words[2][8];
    sc_load_order_encode(order, &statement);
    SC_TRY(sc_buf_status(&statement));
    SC_TRY(sc_signer_sign(signer, sc_buf_slice(&statement), &signature));
    sc_store_u64be(words[0], order->meter);
    sc_store_u64be(words[1], order->order_id);
    const char *const values[] = {(const char *)words[0], (const char *)words[1], (const char *)statement.ptr,
                                  (const char *)signature.ptr};
    const int sizes[] = {8, 8, (int)statement.size, (int)signature.size};
    const int formats[] = {1, 1, 1, 1};
    SC_TRY(sc_db_exec(db, sc_load_order_create_table, diag));
    SC_CLEANUP(sc_db_result_freep)
    PGresult *res = PQexecParams(
        db, "INSERT INTO load_order(meter, order_id, statement, signature, state) VALUES($1,$2,$3,$4,'pending')", 4,
        (const Oid[]){20, 20, 17, 17}, values, sizes, formats, 0);
    return sc_db_check(db, res, "load order", diag);
}

/* Prints the meter's answer; SC_E_AGAIN when none came in time, SC_E_AUTH when it refused. */
static sc_err answer_wait(PGconn *db, const struct sc_load_order *order, int wait_s, struct sc_diag *diag)
{
    char meter[16];
    char id[24];
    snprintf(meter, sizeof meter, "%" PRIu32, order->meter);
    snprintf(id, sizeof id, "%" PRIu64, order->order_id);
    const char *const values[] = {meter, id};
    for (int waited_ms = 0; waited_ms <= wait_s * 1000; waited_ms += 200) {
        SC_CLEANUP(sc_db_result_freep)
        PGresult *res =
            PQexecParams(db, "SELECT result FROM load_order WHERE meter = $1 AND order_id = $2 AND state = 'done'", 2,
                         (const Oid[]){20, 20}, values, NULL, NULL, 0);
        SC_TRY(sc_db_check(db, res, "load order", diag));
        if (PQntuples(res) == 1) {
            printf("%s\n", PQgetvalue(res, 0, 0));
            return strstr(PQgetvalue(res, 0, 0), sc_load_code_name(SC_LOAD_DONE)) != NULL
                       ? SC_OK
                       : sc_fail(diag, SC_E_AUTH, "the meter refused the order");
        }
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    }
    return sc_fail(diag, SC_E_AGAIN,
                   "meter %s has not answered within %d s; the order stays valid until its time is over", meter,
                   wait_s);
}

static sc_err load_run(const struct request *r, struct sc_diag *diag)
{
    SC_CLEANUP(sc_identity_freep) struct sc_identity *id = NULL;
    SC_CLEANUP(sc_signer_freep) struct sc_signer *signer = NULL;
    SC_CLEANUP(sc_db_freep) PGconn *db = NULL;
    SC_TRY(sc_identity_load(r->identity_dir, &id, diag));
    SC_TRY(sc_identity_signer(id, &signer, diag));
    SC_TRY(sc_db_connect(id, &db, diag));
    const int64_t now_ms = sc_wall_ms(&sc_clock_system);
    struct sc_load_order order = {.meter = r->meter,
                                  .order_id = (uint64_t)now_ms,
                                  .action = r->action,
                                  .reason = SC_LOAD_REASON_OTHER,
                                  .not_before_ms = now_ms - 5000,
                                  .not_after_ms = now_ms + r->valid_s * 1000};
    snprintf(order.operator_id, sizeof order.operator_id, "%.32s", strrchr(sc_identity_spiffe_id(id), '/') + 1);
    SC_TRY(order_insert(db, &order, signer, diag));
    return answer_wait(db, &order, r->wait_s, diag);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"identity", required_argument, NULL, 'i'}, {"meter", required_argument, NULL, 'm'},
        {"valid", required_argument, NULL, 'v'},    {"wait", required_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
    struct request r = {.valid_s = 300, .wait_s = 60};
    struct sc_diag diag = {0};
    sc_err err = SC_OK;
    uint64_t n = 0;
    int o;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (o) {
        case 'i':
            r.identity_dir = optarg;
            break;
        case 'm':
            err = err != SC_OK ? err : sc_option_number("meter", optarg, SC_METER_SERIAL_MAX, &n, &diag);
            r.meter = (uint32_t)n;
            break;
        case 'v':
            err = err != SC_OK ? err : sc_option_number("valid", optarg, 86400 * 30, &n, &diag);
            r.valid_s = (int64_t)n;
            break;
        case 'w':
            err = err != SC_OK ? err : sc_option_number("wait", optarg, 86400, &n, &diag);
            r.wait_s = (int)n;
            break;
        case 'h':
            print_help();
            return 0;
        default:
            return 2;
        }
    }
    if (err != SC_OK) {
        fprintf(stderr, "securecloud load: %s\n", sc_diag_text(&diag, err));
        return 2;
    }
    if (r.identity_dir == NULL || r.meter == 0 || r.valid_s <= 0 || optind != argc - 1 ||
        action_parse(argv[optind], &r.action) != SC_OK) {
        fprintf(stderr, "securecloud load: an action, --identity DIR and --meter SERIAL are required; see --help\n");
        return 2;
    }
    err = load_run(&r, &diag);
    if (err != SC_OK)
        fprintf(stderr, "securecloud load: %s\n", sc_diag_text(&diag, err));
    return err == SC_OK ? 0 : err == SC_E_AGAIN ? 3 : 1;
}
