/* securecloud-fraud: ranks customers by how much their consumption looks like theft. */
#include "fraud/commands.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: securecloud-fraud rank --identity DIR --from DATE --to DATE --out-dir DIR\n"
    "       securecloud-fraud evaluate --data FILE [--thefts N] [--seed S]\n"
    "\n"
    "rank      reads all customers' readings from CascaDB and writes ranking.csv and ranking.json\n"
    "evaluate  measures the ranking on thefts whose truth is known\n"
    "\n"
    "securecloud-fraud COMMAND --help tells more.\n";

sc_err fraud_number_parse(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    const unsigned long long n = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0)
        return SC_E_USAGE;
    *out = n;
    return SC_OK;
}

void fraud_progress(const char *what, size_t done, size_t total)
{
    static size_t told_percent = SIZE_MAX;
    const size_t percent = total == 0 ? 100 : 100 * done / total;
    if (!isatty(STDERR_FILENO) || percent == told_percent)
        return;
    told_percent = percent;
    fprintf(stderr, "\r%s %3zu %% (%zu of %zu)%s", what, percent, done, total, done == total ? "\n" : "");
}

int main(int argc, char **argv)
{
    sc_log_init("fraud", SC_LOG_INFO);
    if (argc >= 2 && strcmp(argv[1], "rank") == 0)
        return fraud_rank_main(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "evaluate") == 0)
        return fraud_evaluate_main(argc - 1, argv + 1);
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts(SC_VERSION);
        return 0;
    }
    fputs(usage, stderr);
    return 2;
}
