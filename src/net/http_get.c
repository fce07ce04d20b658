/* The HTTP client: libcurl. */
#include "net/http.h"

#include <curl/curl.h>
#include <pthread.h>

static void init_once(void)
{
    SC_ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
}

struct answer {
    CURL *curl;
    struct sc_buf *body;
};

static long status_of(CURL *curl)
{
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static size_t take(char *data, size_t one, size_t count, void *arg)
{
    const struct answer *a = arg;
    if (status_of(a->curl) != 200) /* an error page is not what was asked for */
        return one * count;
    sc_buf_put_bytes(a->body, sc_slice_of(data, one * count));
    return sc_buf_status(a->body) == SC_OK ? one * count : 0;
}

static sc_err judge(CURLcode rc, long status, const char *url, const struct sc_buf *body, struct sc_diag *diag)
{
    if (rc == CURLE_WRITE_ERROR && sc_buf_status(body) != SC_OK)
        return sc_fail(diag, sc_buf_status(body), "%s: answer too large", url);
    if (rc == CURLE_URL_MALFORMAT || rc == CURLE_UNSUPPORTED_PROTOCOL)
        return sc_fail(diag, SC_E_USAGE, "%s: %s", url, curl_easy_strerror(rc));
    if (rc != CURLE_OK)
        return sc_fail(diag, SC_E_AGAIN, "%s: %s", url, curl_easy_strerror(rc));
    if (status != 200)
        return sc_fail(diag, status == 503 ? SC_E_AGAIN : SC_E_IO, "%s: HTTP status %ld", url, status);
    return SC_OK;
}

sc_err sc_http_get(const char *url, long timeout_ms, struct sc_buf *body_out, struct sc_diag *diag)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_once);
    struct answer answer = {curl_easy_init(), body_out};
    if (answer.curl == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s", url);
    curl_easy_setopt(answer.curl, CURLOPT_URL, url);
    curl_easy_setopt(answer.curl, CURLOPT_PROTOCOLS_STR, "http,https"); /* not file:// */
    curl_easy_setopt(answer.curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(answer.curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(answer.curl, CURLOPT_PROXY, "");
    curl_easy_setopt(answer.curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(answer.curl, CURLOPT_WRITEDATA, &answer);
    const CURLcode rc = curl_easy_perform(answer.curl);
    const sc_err err = judge(rc, status_of(answer.curl), url, body_out, diag);
    curl_easy_cleanup(answer.curl);
    return err;
}
