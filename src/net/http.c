#include "net/http.h"

#include "net/internal.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define REQUEST_SIZE_MAX ((size_t)64 << 10)

struct sc_http {
    struct evhttp *evhttp;
    sc_http_handler handler;
    void *arg;
    uint16_t port;
};

static void on_request(struct evhttp_request *req, void *arg)
{
    struct sc_http *http = arg;
    const char *raw_path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(req));
    size_t path_size = 0;
    SC_CLEANUP(sc_freep) char *path = evhttp_uridecode(raw_path != NULL ? raw_path : "/", 0, &path_size);
    if (path == NULL || strlen(path) != path_size) { /* "%00" */
        evhttp_send_error(req, 400, NULL);
        return;
    }
    struct evbuffer *in = evhttp_request_get_input_buffer(req);
    const size_t size = evbuffer_get_length(in);
    const bool is_post = evhttp_request_get_command(req) == EVHTTP_REQ_POST;
    const struct sc_http_request request = {
        .method = is_post ? "POST" : "GET",
        .path = path,
        .body = sc_slice_of(size != 0 ? evbuffer_pullup(in, -1) : NULL, size),
    };
    struct sc_http_response res = {.status = 200, .content_type = "text/plain; charset=utf-8"};
    http->handler(http->arg, &request, &res);
    if (sc_buf_status(&res.body) != SC_OK)
        res.status = 500;
    struct evbuffer *out = evhttp_request_get_output_buffer(req);
    if (res.status != 500)
        evbuffer_add(out, res.body.ptr, res.body.size);
    evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", res.content_type);
    evhttp_send_reply(req, res.status, NULL, NULL);
    sc_buf_deinit(&res.body);
}

sc_err sc_http_new(struct sc_loop *loop, const char *host, uint16_t port, sc_http_handler handler, void *arg,
                   struct sc_http **out, struct sc_diag *diag)
{
    struct sc_http *http = calloc(1, sizeof *http);
    if (http == NULL || (http->evhttp = evhttp_new(net_loop_base(loop))) == NULL) {
        free(http);
        return sc_fail(diag, SC_E_NOMEM, "HTTP server");
    }
    http->handler = handler;
    http->arg = arg;
    evhttp_set_gencb(http->evhttp, on_request, http);
    evhttp_set_allowed_methods(http->evhttp, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
    evhttp_set_max_body_size(http->evhttp, (ev_ssize_t)REQUEST_SIZE_MAX);
    evhttp_set_max_headers_size(http->evhttp, 16384);
    evhttp_set_timeout(http->evhttp, 10);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(http->evhttp, host, port);
    if (bound == NULL) {
        evhttp_free(http->evhttp);
        free(http);
        return sc_fail_errno(diag, SC_E_IO, "HTTP on %s:%u", host, port);
    }
    struct sockaddr_in addr = {0};
    socklen_t size = sizeof addr;
    getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)(void *)&addr, &size);
    http->port = ntohs(addr.sin_port);
    *out = http;
    return SC_OK;
}

void sc_http_free(struct sc_http *http)
{
    if (http == NULL)
        return;
    evhttp_free(http->evhttp);
    free(http);
}

uint16_t sc_http_port(const struct sc_http *http)
{
    return http->port;
}
