#include "kvs/cmd.h"

#include "base/file.h"
#include "base/progress.h"

#include <stdio.h>
#include <unistd.h>

void cmd_volume_close(struct cmd_volume *v)
{
    sc_kvs_close(v->kvs);
    sc_kvs_counter_file_close(&v->counter);
    sc_store_free(v->store);
    *v = (struct cmd_volume){0};
}

sc_err cmd_key_read(const char *path, struct sc_key *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf content = {0};
    SC_TRY(sc_file_read(path, 128, &content, diag));
    if (content.size == sizeof out->bytes) {
        memcpy(out->bytes, content.ptr, content.size);
        return SC_OK;
    }
    if (content.size == 2 * sizeof out->bytes + 1 && content.ptr[content.size - 1] == '\n')
        content.size--;
    if (content.size == 2 * sizeof out->bytes &&
        sc_hex_decode(sc_buf_cstr(&content), out->bytes, sizeof out->bytes) == SC_OK)
        return SC_OK;
    return sc_fail(diag, SC_E_USAGE, "%s: a key is 32 bytes or 64 hexadecimal digits", path);
}

sc_err cmd_volume_open(const struct cmd_args *a, enum cmd_mode mode, struct cmd_volume *v, struct sc_diag *diag)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key key = {0};
    SC_TRY(cmd_key_read(a->key_file, &key, diag));
    if (mode != CMD_CREATE && access(a->dir, F_OK) != 0)
        return sc_fail_errno(diag, SC_E_NOT_FOUND, "%s", a->dir);
    SC_TRY(sc_store_dir_open(a->dir, &v->store, diag));
    if (a->counter_file != NULL)
        SC_TRY(sc_kvs_counter_insecure_file(a->counter_file, &v->counter, diag));
    const struct sc_kvs_options opt = {
        .store = v->store,
        .root_key = &key,
        .counter = v->counter,
        .create = mode == CMD_CREATE,
        .read_only = mode == CMD_READ,
        .memtable_size_max = a->memtable_size,
        .block_cache_size_max = a->cache_size,
        .block_size = a->block_size,
    };
    return sc_context(diag, sc_kvs_open(&opt, &v->kvs, diag), "%s", a->dir);
}

sc_err cmd_verify(struct sc_kvs *kvs, const char *what, struct sc_diag *diag)
{
    SC_CLEANUP(sc_progress_end) struct sc_progress progress;
    sc_progress_begin(&progress, what, SC_PROGRESS_BYTES);
    return sc_kvs_verify(kvs, sc_progress_report, &progress, diag);
}

sc_err cmd_bytes_of(const struct cmd_args *a, const char *text, struct sc_buf *out, struct sc_diag *diag)
{
    if (!a->hex) {
        sc_buf_put_str(out, text);
        return sc_buf_status(out);
    }
    const size_t size = strlen(text) / 2;
    uint8_t *p = sc_buf_extend(out, size);
    if (p == NULL)
        return sc_buf_status(out);
    if (strlen(text) % 2 != 0 || sc_hex_decode(text, p, size) != SC_OK)
        return sc_fail(diag, SC_E_USAGE, "%s: not hexadecimal", text);
    return SC_OK;
}

void cmd_print(const struct cmd_args *a, struct sc_slice s)
{
    static const char digits[] = "0123456789abcdef";
    if (!a->hex) {
        fwrite(s.ptr, 1, s.size, stdout);
        return;
    }
    for (size_t i = 0; i < s.size; i++) {
        putchar(digits[s.ptr[i] >> 4]);
        putchar(digits[s.ptr[i] & 15]);
    }
}
