/* report/html.h - writing well-formed XHTML5 text into a buffer.  Everything that comes from a file passes through
 * sc_html_text(); markup is written with sc_buf_put_str/fmt and never holds foreign text.  Thread-safe. */
#ifndef SC_REPORT_HTML_H
#define SC_REPORT_HTML_H

#include "base/bytes.h"

/* For content and attribute values alike: & < > " ' become references; characters that XML forbids, and what is not
 * UTF-8, become U+FFFD. */
void sc_html_text(struct sc_buf *out, const char *text);
/* "12 345 678.9": groups of three by narrow no-break spaces; "-" for NAN. */
void sc_html_number(struct sc_buf *out, double v, int decimals);
/* A decimal number as text ("12345.67"), grouped the same way; anything else as sc_html_text(). */
void sc_html_decimal(struct sc_buf *out, const char *text);

#endif
