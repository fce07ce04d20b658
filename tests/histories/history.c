#include "history.h"

#include "base/err.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- recording ---- */
static size_t history_size(uint32_t txn_max)
{
    return sizeof(struct history) + txn_max * sizeof(struct txn);
}

struct history *history_new(uint32_t txn_max)
{
    struct history *h =
        mmap(NULL, history_size(txn_max), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    SC_ASSERT(h != MAP_FAILED);
    h->txn_max = txn_max;
    return h;
}

void history_free(struct history *h)
{
    munmap(h, history_size(h->txn_max));
}

struct txn *history_begin(struct history *h)
{
    const uint32_t i = atomic_fetch_add(&h->txn_count, 1);
    if (i >= h->txn_max) {
        atomic_store(&h->txn_count, h->txn_max);
        return NULL;
    }
    struct txn *t = &h->txns[i];
    t->begin = atomic_fetch_add(&h->clock, 1) + 1;
    atomic_store(&t->state, TXN_RUNNING);
    return t;
}

struct op *txn_op(struct txn *t, bool append, uint32_t key)
{
    SC_ASSERT(t->op_count < OPS_MAX);
    struct op *op = &t->ops[t->op_count++];
    op->append = append;
    op->key = key;
    return op;
}

void history_end(struct history *h, struct txn *t, enum txn_state outcome)
{
    t->end = atomic_fetch_add(&h->clock, 1) + 1;
    atomic_store(&t->state, outcome);
}

/* ---- the graph ----
 * Nodes: each transaction twice, reached by an rw edge or by another; then a chain of moments for the order in time. */
struct edge {
    uint32_t from, to;
};
struct checker {
    const struct history *h;
    uint32_t txn_count;
    const struct final_list *finals;
    size_t final_count;
    struct verdict *v;
    uint32_t *writer; /* transaction + 1 that appended the value; 0: nobody */
    uint32_t value_max;
    struct edge *edges;
    size_t edge_count, edge_capacity;
};

static void problem(struct checker *c, const char *fmt, ...) SC_PRINTF(2, 3);
static void problem(struct checker *c, const char *fmt, ...)
{
    va_list args;
    if (c->v->problem[0] != '\0')
        return; /* the first tells most */
    va_start(args, fmt);
    vsnprintf(c->v->problem, sizeof c->v->problem, fmt, args);
    va_end(args);
}

static void edge_add(struct checker *c, uint32_t from, uint32_t to)
{
    if (c->edge_count == c->edge_capacity) {
        c->edge_capacity = 2 * c->edge_capacity + 1024;
        c->edges = reallocarray(c->edges, c->edge_capacity, sizeof *c->edges);
        SC_ASSERT(c->edges != NULL);
    }
    c->edges[c->edge_count++] = (struct edge){from, to};
}

static uint32_t node(uint32_t txn, bool by_rw)
{
    return 2 * txn + by_rw;
}

/* ww, wr and so: whatever brought us to `from`. */
static void depends(struct checker *c, uint32_t from, uint32_t to)
{
    if (from == to)
        return;
    edge_add(c, node(from, false), node(to, false));
    edge_add(c, node(from, true), node(to, false));
    c->v->edges++;
}

/* rw: for snapshot isolation only where the step before was none, so that a cycle in this graph is one without two rw
 * edges in a row; for serialisability always. */
static void anti_depends(struct checker *c, uint32_t from, uint32_t to, enum isolation level)
{
    if (from == to)
        return;
    edge_add(c, node(from, false), node(to, true));
    if (level == ISOLATION_SERIALIZABLE)
        edge_add(c, node(from, true), node(to, true));
    c->v->edges++;
}

/* ---- what each value says ---- */
static bool is_final(const struct final_list *f, uint32_t value)
{
    for (uint32_t i = 0; i < f->count; i++)
        if (f->list[i] == value)
            return true;
    return false;
}

static const struct final_list *final_of(struct checker *c, uint32_t key)
{
    for (size_t i = 0; i < c->final_count; i++)
        if (c->finals[i].key == key)
            return &c->finals[i];
    return NULL;
}

static bool final_has(struct checker *c, uint32_t key, uint32_t value)
{
    const struct final_list *f = final_of(c, key);
    return f != NULL && is_final(f, value);
}

static uint32_t writer_of(const struct checker *c, uint32_t value)
{
    return value <= c->value_max ? c->writer[value] : 0;
}

static void find_writers(struct checker *c)
{
    for (uint32_t t = 0; t < c->txn_count; t++)
        for (uint32_t o = 0; o < c->h->txns[t].op_count; o++)
            if (c->h->txns[t].ops[o].append && c->h->txns[t].ops[o].value > c->value_max)
                c->value_max = c->h->txns[t].ops[o].value;
    c->writer = calloc((size_t)c->value_max + 1, sizeof *c->writer);
    SC_ASSERT(c->writer != NULL);
    for (uint32_t t = 0; t < c->txn_count; t++)
        for (uint32_t o = 0; o < c->h->txns[t].op_count; o++)
            if (c->h->txns[t].ops[o].append)
                c->writer[c->h->txns[t].ops[o].value] = t + 1;
}

/* Whether the transaction is there in the end; one that is there by half is a problem. */
static bool is_there(struct checker *c, uint32_t t)
{
    const struct txn *txn = &c->h->txns[t];
    uint32_t appends = 0, there = 0;
    for (uint32_t o = 0; o < txn->op_count; o++) {
        if (!txn->ops[o].append)
            continue;
        appends++;
        there += final_has(c, txn->ops[o].key, txn->ops[o].value);
    }
    if (there != 0 && there != appends)
        problem(c, "transaction %u is there by half: %u of %u appends", t, there, appends);
    return there != 0;
}

static bool counts(struct checker *c, uint32_t t)
{
    const uint32_t state = c->h->txns[t].state;
    return state == TXN_COMMITTED || (state == TXN_COMMITTING && is_there(c, t));
}

static void judge_outcome(struct checker *c, uint32_t t)
{
    const struct txn *txn = &c->h->txns[t];
    const bool there = is_there(c, t);
    uint32_t appends = 0;
    for (uint32_t o = 0; o < txn->op_count; o++)
        appends += txn->ops[o].append;
    const uint32_t state = txn->state;
    switch (state) {
    case TXN_COMMITTED:
        c->v->committed++;
        if (appends != 0 && !there)
            problem(c, "lost update: transaction %u was committed, its appends are gone", t);
        break;
    case TXN_COMMITTING:
        c->v->unknown_there += there;
        c->v->unknown_lost += !there;
        break;
    default:
        c->v->aborted++;
        if (there)
            problem(c, "transaction %u was not committed, but its appends are there", t);
    }
}

/* ---- what each read says ---- */
/* Appends of `t` to key before its operation `until`. */
static uint32_t own_appends(const struct txn *t, uint32_t key, uint32_t until)
{
    uint32_t n = 0;
    for (uint32_t o = 0; o < until; o++)
        n += t->ops[o].append && t->ops[o].key == key;
    return n;
}

static bool is_last_append(const struct txn *t, uint32_t key, uint32_t value)
{
    uint32_t last = 0;
    for (uint32_t o = 0; o < t->op_count; o++)
        if (t->ops[o].append && t->ops[o].key == key)
            last = t->ops[o].value;
    return last == value;
}

/* The version that a read saw, below the reader's own appends: its length in the final list. */
static bool version_of(struct checker *c, uint32_t t, uint32_t o, const struct final_list *f, uint32_t *out)
{
    const struct txn *txn = &c->h->txns[t];
    const struct op *op = &txn->ops[o];
    const uint32_t own = own_appends(txn, op->key, o);
    if (own > op->list_count) {
        problem(c, "transaction %u does not see its own appends to key %u", t, op->key);
        return false;
    }
    const uint32_t n = op->list_count - own;
    for (uint32_t i = n; i < op->list_count; i++)
        if (writer_of(c, op->list[i]) != t + 1) {
            problem(c, "transaction %u does not see its own appends to key %u last", t, op->key);
            return false;
        }
    for (uint32_t i = 0; i < n; i++)
        if (i >= f->count || f->list[i] != op->list[i]) {
            problem(c,
                    "dirty read or lost update: transaction %u read value %u of key %u, which is not at place %u in "
                    "the end",
                    t, op->list[i], op->key, i);
            return false;
        }
    *out = n;
    return true;
}

static void judge_read(struct checker *c, uint32_t t, uint32_t o, enum isolation level)
{
    static const struct final_list nothing = {0};
    const struct op *op = &c->h->txns[t].ops[o];
    const struct final_list *f = final_of(c, op->key);
    uint32_t n;
    c->v->reads++;
    if (!version_of(c, t, o, f != NULL ? f : &nothing, &n))
        return;
    if (n != 0) {
        const uint32_t w = writer_of(c, op->list[n - 1]);
        if (w == 0 || !is_last_append(&c->h->txns[w - 1], op->key, op->list[n - 1])) {
            problem(c, "transaction %u read key %u in the middle of a transaction that appended to it", t, op->key);
            return;
        }
        depends(c, w - 1, t);
    }
    if (f != NULL && n < f->count)
        anti_depends(c, t, writer_of(c, f->list[n]) - 1, level);
}

/* ---- order ---- */
static void versions_order(struct checker *c)
{
    for (size_t i = 0; i < c->final_count; i++) {
        const struct final_list *f = &c->finals[i];
        for (uint32_t p = 0; p < f->count; p++) {
            const uint32_t w = writer_of(c, f->list[p]);
            if (w == 0) {
                problem(c, "value %u of key %u was appended by nobody", f->list[p], f->key);
                return;
            }
            for (uint32_t q = 0; q < p; q++)
                if (f->list[q] == f->list[p])
                    problem(c, "value %u of key %u is there twice", f->list[p], f->key);
            if (p != 0)
                depends(c, writer_of(c, f->list[p - 1]) - 1, w - 1);
        }
    }
}

/* A chain of moments: whoever ended before somebody began comes before him, without an edge for each pair. */
static uint32_t times_order(struct checker *c)
{
    const uint32_t first = 2 * c->txn_count;
    const uint32_t last = (uint32_t)c->h->clock;
    for (uint32_t m = 0; m < last; m++)
        edge_add(c, first + m, first + m + 1);
    for (uint32_t t = 0; t < c->txn_count; t++) {
        const struct txn *txn = &c->h->txns[t];
        if (!counts(c, t))
            continue;
        edge_add(c, first + (uint32_t)txn->begin, node(t, false));
        if (txn->state == TXN_COMMITTED) {
            edge_add(c, node(t, false), first + (uint32_t)txn->end);
            edge_add(c, node(t, true), first + (uint32_t)txn->end);
        }
    }
    return first + last + 1;
}

/* ---- cycles: strongly connected components, without recursion (Tarjan 1972) ---- */
struct components {
    uint32_t node_count;
    uint32_t *start, *to; /* edges of node n: to[start[n]] .. to[start[n + 1] - 1] */
    uint32_t *index, *low, *next, *stack, *path;
    bool *on_stack;
    uint32_t counter, stack_count, path_count;
};

static void edges_group(struct checker *c, struct components *s)
{
    s->start = calloc((size_t)s->node_count + 2, sizeof *s->start);
    s->to = calloc(c->edge_count + 1, sizeof *s->to);
    SC_ASSERT(s->start != NULL && s->to != NULL);
    for (size_t e = 0; e < c->edge_count; e++)
        s->start[c->edges[e].from + 2]++;
    for (uint32_t n = 2; n < s->node_count + 2; n++)
        s->start[n] += s->start[n - 1];
    for (size_t e = 0; e < c->edge_count; e++)
        s->to[s->start[c->edges[e].from + 1]++] = c->edges[e].to;
}

static void node_enter(struct components *s, uint32_t n)
{
    s->index[n] = s->low[n] = ++s->counter;
    s->next[n] = s->start[n];
    s->stack[s->stack_count++] = n;
    s->on_stack[n] = true;
    s->path[s->path_count++] = n;
}

/* Size of the component that ends with n; 0 when n is no root.  *member_out: some other node of it. */
static uint32_t node_leave(struct components *s, uint32_t n, uint32_t *member_out)
{
    uint32_t size = 0;
    s->path_count--;
    if (s->path_count != 0) {
        const uint32_t up = s->path[s->path_count - 1];
        if (s->low[n] < s->low[up])
            s->low[up] = s->low[n];
    }
    if (s->low[n] != s->index[n])
        return 0;
    for (uint32_t m;; *member_out = m) {
        m = s->stack[--s->stack_count];
        s->on_stack[m] = false;
        size++;
        if (m == n)
            return size;
    }
}

/* Returns the number of components of more than one node; *a, *b: two nodes of the first. */
static uint32_t cycles_find(struct components *s, uint32_t *a, uint32_t *b)
{
    uint32_t found = 0;
    for (uint32_t root = 0; root < s->node_count; root++) {
        if (s->index[root] != 0)
            continue;
        node_enter(s, root);
        while (s->path_count != 0) {
            const uint32_t n = s->path[s->path_count - 1];
            uint32_t other = n;
            if (s->next[n] < s->start[n + 1]) {
                const uint32_t m = s->to[s->next[n]++];
                if (s->index[m] == 0)
                    node_enter(s, m);
                else if (s->on_stack[m] && s->index[m] < s->low[n])
                    s->low[n] = s->index[m];
            } else if (node_leave(s, n, &other) > 1 && found++ == 0) {
                *a = n;
                *b = other;
            }
        }
    }
    return found;
}

static uint32_t cycles_count(struct checker *c, uint32_t node_count, uint32_t *a, uint32_t *b)
{
    struct components s = {.node_count = node_count};
    edges_group(c, &s);
    s.index = calloc(node_count, sizeof *s.index);
    s.low = calloc(node_count, sizeof *s.low);
    s.next = calloc(node_count, sizeof *s.next);
    s.stack = calloc(node_count, sizeof *s.stack);
    s.path = calloc(node_count, sizeof *s.path);
    s.on_stack = calloc(node_count, sizeof *s.on_stack);
    SC_ASSERT(s.index && s.low && s.next && s.stack && s.path && s.on_stack);
    const uint32_t found = cycles_find(&s, a, b);
    free(s.start);
    free(s.to);
    free(s.index);
    free(s.low);
    free(s.next);
    free(s.stack);
    free(s.path);
    free(s.on_stack);
    return found;
}

/* ---- all together ---- */
static uint32_t graph_cycles(struct checker *c, enum isolation level, uint32_t *a, uint32_t *b)
{
    c->edge_count = 0;
    c->v->edges = 0;
    c->v->reads = 0;
    versions_order(c);
    for (uint32_t t = 0; t < c->txn_count && c->v->problem[0] == '\0'; t++)
        for (uint32_t o = 0; o < c->h->txns[t].op_count; o++)
            if (!c->h->txns[t].ops[o].append && counts(c, t))
                judge_read(c, t, o, level);
    return c->v->problem[0] == '\0' ? cycles_count(c, times_order(c), a, b) : 0;
}

void history_check(const struct history *h, const struct final_list *finals, size_t final_count, enum isolation level,
                   struct verdict *out)
{
    struct checker c = {.h = h, .txn_count = h->txn_count, .finals = finals, .final_count = final_count, .v = out};
    uint32_t a = 0, b = 0;
    *out = (struct verdict){0};
    find_writers(&c);
    for (uint32_t t = 0; t < c.txn_count; t++)
        judge_outcome(&c, t);
    if (out->problem[0] == '\0')
        out->skew_components = graph_cycles(&c, ISOLATION_SERIALIZABLE, &a, &b);
    if (level == ISOLATION_SNAPSHOT && graph_cycles(&c, ISOLATION_SNAPSHOT, &a, &b) != 0)
        problem(&c, "a cycle that snapshot isolation forbids, through transactions %u and %u", a / 2, b / 2);
    else if (level == ISOLATION_SERIALIZABLE && out->skew_components != 0)
        problem(&c, "a cycle, so no serial order, through transactions %u and %u", a / 2, b / 2);
    free(c.writer);
    free(c.edges);
}
