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
    const struct sc_http_header *headers;
    size_t header_count;
    sc_err header_err; /* a header was larger than its buffer takes */
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

/* One line of the answer's head; a header whose buffer is full ends the transfer. */
static size_t take_header(char *data, size_t one, size_t count, void *arg)
{
    struct answer *a = arg;
    const size_t size = one * count;
    for (size_t i = 0; i < a->header_count; i++) {
        const struct sc_http_header *h = &a->headers[i];
        const size_t name_size = strlen(h->name);
        if (size <= name_size || strncasecmp(data, h->name, name_size) != 0 || data[name_size] != ':')
            continue;
        size_t from = name_size + 1;
        size_t to = size;
        while (from < to && (data[from] == ' ' || data[from] == '\t'))
            from++;
        while (to > from && (data[to - 1] == '\r' || data[to - 1] == '\n' || data[to - 1] == ' '))
            to--;
        sc_buf_put_bytes(h->value, sc_slice_of(data + from, to - from));
        a->header_err = sc_buf_status(h->value);
        if (a->header_err != SC_OK)
            return 0;
    }
    return size;
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

static sc_err perform(struct answer *a, const char *url, long timeout_ms, struct sc_diag *diag)
{
    curl_easy_setopt(a->curl, CURLOPT_URL, url);
    curl_easy_setopt(a->curl, CURLOPT_PROTOCOLS_STR, "http,https"); /* not file:// */
    curl_easy_setopt(a->curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(a->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(a->curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(a->curl, CURLOPT_WRITEDATA, a);
    if (a->header_count != 0) {
        curl_easy_setopt(a->curl, CURLOPT_HEADERFUNCTION, take_header);
        curl_easy_setopt(a->curl, CURLOPT_HEADERDATA, a);
    }
    const CURLcode rc = curl_easy_perform(a->curl);
    if (a->header_err != SC_OK)
        return sc_fail(diag, a->header_err, "%s: a header of the answer is too large", url);
    return judge(rc, status_of(a->curl), url, a->body, diag);
}

static sc_err answer_init(struct answer *a, const char *url, struct sc_diag *diag)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_once);
    a->curl = curl_easy_init();
    return a->curl != NULL ? SC_OK : sc_fail(diag, SC_E_NOMEM, "%s", url);
}

sc_err sc_http_get(const char *url, long timeout_ms, struct sc_buf *body_out, struct sc_diag *diag)
{
    struct answer answer = {.body = body_out};
    SC_TRY(answer_init(&answer, url, diag));
    curl_easy_setopt(answer.curl, CURLOPT_PROXY, "");
    const sc_err err = perform(&answer, url, timeout_ms, diag);
    curl_easy_cleanup(answer.curl);
    return err;
}

sc_err sc_http_fetch(const char *url, long timeout_ms, const struct sc_http_header *headers, size_t header_count,
                     struct sc_buf *body_out, struct sc_diag *diag)
{
    struct answer answer = {.body = body_out, .headers = headers, .header_count = header_count};
    SC_TRY(answer_init(&answer, url, diag));
    const sc_err err = perform(&answer, url, timeout_ms, diag);
    curl_easy_cleanup(answer.curl);
    return err;
}
