/* Writes the sample run into a directory, for looking at the report: report_sample DIR */
#include "sample.h"

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    sample_write(argv[1], "SecureCloud: 12 customers, a made-up run", NULL);
    return 0;
}
