/* collection/orders.h - load orders on their way from the table `load_order` to the meters and back.
 *
 * An operator inserts a signed order (securecloud-load does); a thread of the MDC looks for pending ones, the loop sends
 * them until the meter has answered, and the answer is written back.  The meter acts once however often an order comes.
 * sc_orders_take() and sc_orders_result() belong to the loop's thread. */
#ifndef SC_COLLECTION_ORDERS_H
#define SC_COLLECTION_ORDERS_H

#include "metering/messages.h"
#include "service/identity.h"

/* load_order(meter, order_id, statement, signature, state, result, done_ms): state is pending or done. */
extern const char sc_load_order_create_table[];

struct sc_orders;
sc_err sc_orders_new(const struct sc_identity *identity, struct sc_orders **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_orders_free(struct sc_orders *o); /* NULL is fine */
/* Calls each(arg, ...) for every order that waits for its meter's answer. */
void sc_orders_take(struct sc_orders *o, void (*each)(void *arg, uint32_t meter, struct sc_slice statement, struct sc_slice signature),
                    void *arg);
/* The meter's answer: written back, and the order is done. */
void sc_orders_result(struct sc_orders *o, uint32_t meter, const struct sc_message_load_result *result);

#endif
