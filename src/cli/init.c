/* securecloud-init: the files of an installation. */
#include "cli/options.h"
#include "cli/system.h"

#include <getopt.h>
#include <stdio.h>

static void print_help(void)
{
    printf("Usage: securecloud init --dir DIR [--authenticators N] [--base-port PORT]\n\n"
           "Makes a local certificate authority, a (simulated) metrology institute, and for every service an identity: "
           "certificate\n"
           "with a SPIFFE ID, key, configuration, secrets.  A service is then started with\n"
           "    securecloud SERVICE --identity DIR/services/SERVICE\n"
           "DIR/ca and DIR/institute hold private keys: in earnest they belong to other machines and other people.\n\n"
           "  --dir DIR            where; must not hold an installation yet\n"
           "  --authenticators N   how many identities for authenticators (default 2)\n"
           "  --base-port PORT     services get consecutive ports from here on 127.0.0.1 (default: free ones)\n\n"
           "Exit codes: 0 done, 1 failed, 2 wrong usage.\n");
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"dir", required_argument, NULL, 'd'},
                                            {"authenticators", required_argument, NULL, 'a'},
                                            {"base-port", required_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct sc_system_options opt = {.authenticators = 2};
    struct sc_diag diag = {0};
    sc_err err = SC_OK;
    uint64_t n = 0;
    int o;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (o == 'd')
            opt.dir = optarg;
        else if (o == 'a' && err == SC_OK) {
            err = sc_option_number("authenticators", optarg, SC_SYSTEM_AUTHENTICATORS_MAX, &n, &diag);
            opt.authenticators = n;
        } else if (o == 'p' && err == SC_OK) {
            err =
                sc_option_number("base-port", optarg, UINT16_MAX - 32, &n, &diag); /* room for every service's ports */
            opt.base_port = (uint16_t)n;
        } else if (o == 'h') {
            print_help();
            return 0;
        } else if (o == '?')
            return 2;
    }
    if (err != SC_OK) {
        fprintf(stderr, "securecloud init: %s\n", sc_diag_text(&diag, err));
        return 2;
    }
    if (opt.dir == NULL || optind != argc) {
        fprintf(stderr, "securecloud init: --dir DIR is required; see --help\n");
        return 2;
    }
    struct sc_system system;
    err = sc_system_create(&opt, &system, &diag);
    if (err != SC_OK) {
        fprintf(stderr, "securecloud init: %s\n", sc_diag_text(&diag, err));
        return err == SC_E_USAGE ? 2 : 1;
    }
    for (size_t i = 0; i < system.service_count; i++)
        printf("%-18s port %5u  health and metrics on port %5u\n", system.service[i].name, system.service[i].port,
               system.service[i].http_port);
    return 0;
}
