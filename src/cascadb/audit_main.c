/* securecloud-cascadb-audit: is the audit log as the server wrote it? */
#include "base/file.h"
#include "cascadb/audit_log.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#define SIGNER_ID "spiffe://securecloud.local/cascadb"

static const char usage[] = "Usage: securecloud-cascadb-audit [--ca CA.pem [--signer SPIFFE_ID]] [--head HASH] FILE\n";

static void print_help(void)
{
    printf("%s\n"
           "Checks the audit log that securecloud-cascadb keeps (member \"audit\" of its config.json): each line has "
           "the hash of\n"
           "the one before, and checkpoints are signed with the server's key.  Without --ca the signatures are not "
           "checked, and\n"
           "whoever can write the file could have made a chain of his own.\n\n"
           "  --ca CA.pem       the CA of the server's certificate\n"
           "  --signer ID       the server's SPIFFE ID (default " SIGNER_ID ")\n"
           "  --head HASH       the last line must have this hash (from /metrics or the server's log): nothing was cut "
           "off\n\n"
           "Exit codes: 0 it is, 1 it is not or cannot be read, 2 wrong usage.\n",
           usage);
}

static sc_err run(const char *path, const char *ca, const char *signer_id, const char *head, struct sc_diag *diag)
{
    SC_CLEANUP(sc_cert_freep) struct sc_cert *root = NULL;
    struct audit_verdict v;
    if (ca != NULL)
        SC_TRY(sc_cert_read_pem(ca, &root, diag));
    SC_TRY(audit_log_check(path, root, signer_id, &v, diag));
    if (head != NULL && strcmp(head, v.head) != 0)
        return sc_fail(diag, SC_E_AUTH,
                       "the last of %" PRIu64 " lines has the hash %s: lines are missing, or there are more", v.count,
                       v.head);
    printf("%" PRIu64 " lines, %" PRIu64 " checkpoints%s, %" PRIu64 " lines behind the last one\nhead %s\n", v.count,
           v.checkpoints, root != NULL ? ", all signed by the server" : " (signatures NOT checked: no --ca)",
           v.count - v.signed_count, v.head);
    return SC_OK;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"ca", required_argument, NULL, 'c'},   {"signer", required_argument, NULL, 's'},
        {"head", required_argument, NULL, 'd'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},    {NULL, 0, NULL, 0},
    };
    const char *ca = NULL;
    const char *signer_id = SIGNER_ID;
    const char *head = NULL;
    bool usable = true;
    int o;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (o == 'h') {
            print_help();
            return 0;
        }
        if (o == 'V') {
            printf("securecloud-cascadb-audit %s\n", SC_VERSION);
            return 0;
        }
        ca = o == 'c' ? optarg : ca;
        signer_id = o == 's' ? optarg : signer_id;
        head = o == 'd' ? optarg : head;
        usable = usable && o != '?';
    }
    if (!usable || optind + 1 != argc) {
        fputs(usage, stderr);
        return 2;
    }
    struct sc_diag diag = {0};
    const sc_err err = run(argv[optind], ca, signer_id, head, &diag);
    if (err != SC_OK)
        fprintf(stderr, "securecloud-cascadb-audit: %s: %s\n", argv[optind], sc_diag_text(&diag, err));
    return err == SC_OK ? 0 : 1;
}
