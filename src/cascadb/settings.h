/* cascadb/settings.h - what current_setting() says. */
#ifndef SC_CASCADB_SETTINGS_H
#define SC_CASCADB_SETTINGS_H

/* A setting's value, borrowed; NULL: there is no such setting.  pg_setting() is for a struct pg_connection. */
const char *pg_setting(void *connection, const char *name);
const char *pg_setting_default(const char *name);

#endif
