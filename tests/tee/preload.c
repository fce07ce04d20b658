/* A library that has no business in an enclave. */
int sc_test_preload(void);
int sc_test_preload(void)
{
    return 7;
}
