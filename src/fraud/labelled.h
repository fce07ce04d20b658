/* fraud/labelled.h - daily energy of customers with a label: "customer,flag,dYYYYMMDD,..." (gz or plain CSV), flag 1 for
 * a thief, kWh per day, an empty cell is missing. */
#ifndef SC_FRAUD_LABELLED_H
#define SC_FRAUD_LABELLED_H

#include "fraud/load.h"

struct sc_labelled {
    struct sc_load_table table; /* one slot a day; owned */
    bool *thief;                /* [customer]; owned */
};

/* Whether the file's header says so. */
sc_err sc_labelled_recognise(const char *path, bool *is_out, struct sc_diag *diag) SC_MUST_CHECK;
/* customers_max 0 = all.  SC_E_MALFORMED names path:line. */
sc_err sc_labelled_load(const char *path, size_t customers_max, struct sc_labelled *out, struct sc_diag *diag)
    SC_MUST_CHECK;
void sc_labelled_deinit(struct sc_labelled *l);

#endif
