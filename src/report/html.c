#include "report/html.h"

#include <math.h>
#include <stdio.h>

#define REPLACEMENT "\xEF\xBF\xBD"
#define GROUP_SPACE "\xE2\x80\xAF" /* narrow no-break space */

/* Length of the UTF-8 sequence at p, 0 when it is none (overlong, surrogate, beyond U+10FFFF, cut) or forbidden in XML.
 */
static size_t character_size(const unsigned char *p)
{
    if (p[0] < 0x80)
        return p[0] >= 0x20 || p[0] == '\t' || p[0] == '\n' || p[0] == '\r' ? (p[0] == 0x7F ? 0 : 1) : 0;
    const size_t size = p[0] >= 0xC2 && p[0] <= 0xDF   ? 2
                        : (p[0] & 0xF0) == 0xE0        ? 3
                        : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4
                                                       : 0;
    uint32_t c = size == 2 ? p[0] & 0x1Fu : size == 3 ? p[0] & 0x0Fu : p[0] & 0x07u;
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xC0) != 0x80) /* the NUL at the end of the text is none either */
            return 0;
        c = c << 6 | (p[i] & 0x3Fu);
    }
    const bool overlong = (size == 3 && c < 0x800) || (size == 4 && c < 0x10000);
    const bool forbidden = (c >= 0xD800 && c <= 0xDFFF) || c == 0xFFFE || c == 0xFFFF || c > 0x10FFFF ||
                           (c >= 0x80 && c < 0xA0) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
    /* C1 controls and the marks that turn writing direction around are allowed in XML, but only ever deceive here. */
    return overlong || forbidden ? 0 : size;
}

void sc_html_text(struct sc_buf *out, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p != '\0') {
        const size_t size = character_size(p);
        switch (*p) {
        case '&':
            sc_buf_put_str(out, "&amp;");
            break;
        case '<':
            sc_buf_put_str(out, "&lt;");
            break;
        case '>':
            sc_buf_put_str(out, "&gt;");
            break;
        case '"':
            sc_buf_put_str(out, "&quot;");
            break;
        case '\'':
            sc_buf_put_str(out, "&#39;");
            break;
        default:
            sc_buf_put_bytes(out, size == 0 ? sc_slice_str(REPLACEMENT) : sc_slice_of(p, size));
            break;
        }
        p += size == 0 ? 1 : size;
    }
}

/* digits before the point, grouped from the right */
static void grouped(struct sc_buf *out, const char *digits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i != 0 && (count - i) % 3 == 0)
            sc_buf_put_str(out, GROUP_SPACE);
        sc_buf_put_u8(out, (uint8_t)digits[i]);
    }
}

void sc_html_decimal(struct sc_buf *out, const char *text)
{
    const char *digits = *text == '-' ? text + 1 : text;
    const size_t whole = strspn(digits, "0123456789");
    const char *rest = digits + whole;
    if (whole == 0 || whole > 30 ||
        (*rest != '\0' && (*rest != '.' || rest[1 + strspn(rest + 1, "0123456789")] != '\0'))) {
        sc_html_text(out, text);
        return;
    }
    if (*text == '-')
        sc_buf_put_str(out, "\xE2\x88\x92");
    grouped(out, digits, whole);
    sc_buf_put_str(out, rest);
}

void sc_html_number(struct sc_buf *out, double v, int decimals)
{
    char text[400];
    if (!isfinite(v)) {
        sc_buf_put_str(out, "\xE2\x80\x93");
        return;
    }
    snprintf(text, sizeof text, "%.*f", decimals, v);
    sc_html_decimal(out, text);
}
