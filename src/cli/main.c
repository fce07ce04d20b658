/* securecloud: the front door.  `securecloud VERB ...` runs `securecloud-VERB ...`. */
#include "cli/processes.h"

#include <stdio.h>
#include <unistd.h>

static const struct {
    const char *group, *verb, *what;
} verbs[] = {
    {"Start here", "demo",
     "the whole way of a reading, on this machine: from meters to bills, audits and a fraud ranking"},
    {"Start here", "report", "HTML pages from a demo's or a month's results"},
    {"Working with the data", "sql", "SQL on CascaDB: a server, an encrypted volume, or memory"},
    {"Working with the data", "bill", "bills with measurement hashes; proofs that a reading is in one"},
    {"Working with the data", "audit", "the other party's judgement of a bill; trusts the institute's root alone"},
    {"Working with the data", "fraud", "rank customers by suspicion, with the reasons; evaluate the method"},
    {"Working with the data", "profile", "typical-day figures from measured loads"},
    {"Working with the data", "load", "order a meter to disconnect or reconnect its load"},
    {"Working with the data", "kvs", "a volume of the Secure KVS: look, verify, back up, restore, change keys"},
    {"Running an installation", "init", "make authorities, identities and configurations"},
    {"Running an installation", "attest", "judge the evidence of an enclave (SGX, TDX, SEV-SNP), or show what it says"},
    {"Running an installation", "cas", "check, explain and compare sessions: which code becomes which service"},
    {"Running an installation", "tee", "measure and sign programs; who a process is, as its evidence says"},
    {"Running an installation", "quotingd", "the quoting daemon of the software backend (SIMULATED)"},
    {"Services (started by an identity)", "aggregator",
     "forwards sealed messages, stores them while the uplink is down"},
    {"Services (started by an identity)", "authenticator", "opens and verifies what meters say"},
    {"Services (started by an identity)", "mdc", "Metering Data Collection"},
    {"Services (started by an identity)", "cascadb", "SQL on the Secure KVS, PostgreSQL's protocol"},
    {"Services (started by an identity)", "simulator", "a field of meters"},
};

static void print_help(void)
{
    const char *group = "";
    printf("Usage: securecloud COMMAND [OPTIONS]      securecloud COMMAND --help\n");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(group, verbs[i].group) != 0)
            printf("\n%s\n", verbs[i].group);
        group = verbs[i].group;
        printf("  %-14s %s\n", verbs[i].verb, verbs[i].what);
    }
    printf("\nThis build uses the software backend: enclaves are SIMULATED (docs/threat-model.md).\n");
}

int main(int argc, char **argv)
{
    char program[4200];
    struct sc_diag diag = {0};
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help();
        return argc < 2 ? 2 : 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("securecloud %s\n", SC_VERSION);
        return 0;
    }
    if (sc_program_find(argv[1], program, sizeof program, &diag) != SC_OK) {
        fprintf(stderr, "securecloud: %s; see securecloud --help\n", diag.text);
        return 2;
    }
    argv[1] = program;
    execv(program, argv + 1);
    perror(program);
    return 1;
}
