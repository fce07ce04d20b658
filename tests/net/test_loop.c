#include "test_net.h"

#include <pthread.h>
#include <signal.h>

struct seen {
    struct sc_loop *loop;
    struct sc_timer *timer;
    unsigned count;
};

static void stop(void *arg)
{
    struct seen *s = arg;
    s->count++;
    sc_loop_stop(s->loop);
}

static void *call_from_outside(void *arg)
{
    struct seen *s = arg;
    assert_ok(sc_loop_call(s->loop, stop, s));
    return NULL;
}

static void another_thread_calls_into_the_loop(void **state)
{
    struct seen *s = *state;
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, call_from_outside, s), 0);
    sc_loop_run(s->loop);
    pthread_join(t, NULL);
    assert_int_equal(s->count, 1);
}

static void a_stop_before_the_run_is_not_forgotten(void **state)
{
    struct seen *s = *state;
    sc_loop_stop(s->loop);
    sc_loop_run(s->loop); /* returns, or the test times out */
    sc_loop_stop(s->loop);
    sc_loop_run(s->loop);
    assert_int_equal(s->count, 0);
}

static void on_term(void *arg)
{
    stop(arg);
}

static void a_termination_signal_is_a_callback(void **state)
{
    struct seen *s = *state;
    assert_ok(sc_loop_on_terminate(s->loop, on_term, s, NULL));
    kill(getpid(), SIGTERM);
    sc_loop_run(s->loop);
    assert_int_equal(s->count, 1);
}

static void free_itself(void *arg)
{
    struct seen *s = arg;
    s->count++;
    sc_timer_free(SC_TAKE(s->timer));
}

static void a_timer_may_free_itself_and_runs_once(void **state)
{
    struct seen *s = *state;
    assert_ok(sc_timer_new(s->loop, free_itself, s, &s->timer));
    sc_timer_start(s->timer, -5); /* the past is now */
    loop_for(s->loop, 20);
    assert_int_equal(s->count, 1);
}

static void bump(void *arg)
{
    ((struct seen *)arg)->count++;
}

static void a_stopped_timer_does_not_run_and_a_restarted_one_runs_once(void **state)
{
    struct seen *s = *state;
    assert_ok(sc_timer_new(s->loop, bump, s, &s->timer));
    sc_timer_start(s->timer, 5);
    sc_timer_stop(s->timer);
    loop_for(s->loop, 30);
    assert_int_equal(s->count, 0);
    sc_timer_start(s->timer, 5);
    sc_timer_start(s->timer, 10);
    loop_for(s->loop, 40);
    assert_int_equal(s->count, 1);
    sc_timer_free(s->timer);
    sc_timer_free(NULL);
}

static int setup(void **state)
{
    struct seen *s = calloc(1, sizeof *s);
    *state = s;
    return sc_loop_new(&s->loop, NULL) == SC_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct seen *s = *state;
    sc_loop_free(s->loop);
    free(s);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(another_thread_calls_into_the_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stop_before_the_run_is_not_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(a_termination_signal_is_a_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(a_timer_may_free_itself_and_runs_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stopped_timer_does_not_run_and_a_restarted_one_runs_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
