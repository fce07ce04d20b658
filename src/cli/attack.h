/* cli/attack.h - what a dishonest operator of the database could do to one customer's readings, for the demo and the
 * tests of the audit.  He can change any row; he cannot make a meter's signature. */
#ifndef SC_CLI_ATTACK_H
#define SC_CLI_ATTACK_H

#include "service/db.h"

enum sc_attack { SC_ATTACK_NONE, SC_ATTACK_DROP, SC_ATTACK_DUPLICATE, SC_ATTACK_ALTER, SC_ATTACK_REPLAY, SC_ATTACK_REORDER,
                 SC_ATTACK_STEAL /* by the customer: see field/population.h */ };
sc_err sc_attack_parse(const char *name, enum sc_attack *out) SC_MUST_CHECK;
const char *sc_attack_name(enum sc_attack attack);
bool sc_attack_on_database(enum sc_attack attack);

/* Carries out a database attack on one or two intervals of the customer, chosen by seed.  what_out says what was done. */
sc_err sc_attack_run(PGconn *db, enum sc_attack attack, uint64_t client_id, uint64_t seed, char *what_out, size_t what_size,
                     struct sc_diag *diag) SC_MUST_CHECK;

#endif
