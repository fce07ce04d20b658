/* The HTTP client: libcurl. */
#include "net/http.h"

#include <curl/curl.h>
#include <pthread.h>

static void init_once(void)
{
    SC_ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
}

static size_t take(char *data, size_t one, size_t count, void *arg)
{
    struct sc_buf *out = arg;
    sc_buf_put_bytes(out, sc_slice_of(data, one * count));
    return sc_buf_status(out) == SC_OK ? one * count : 0;
}

sc_err sc_http_get(const char *url, long timeout_ms, struct sc_buf *body_out, struct sc_diag *diag)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_once);
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s", url);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body_out);
    const CURLcode rc = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (rc != CURLE_OK)
        return sc_fail(diag, SC_E_AGAIN, "%s: %s", url, curl_easy_strerror(rc));
    if (status != 200)
        return sc_fail(diag, status == 503 ? SC_E_AGAIN : SC_E_IO, "%s: HTTP status %ld", url, status);
    return SC_OK;
}
