/* slt/main.h - `securecloud sql --slt`. */
#ifndef SC_SLT_MAIN_H
#define SC_SLT_MAIN_H

/* argv as of a program, without --slt.  Returns the exit code: 0 all passed, 1 some failed, 2 wrong usage. */
int sc_slt_main(int argc, char **argv);

#endif
