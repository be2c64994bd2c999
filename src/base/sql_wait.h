// What happens when another program has an SQLite file locked.
#ifndef BASE_SQL_WAIT_H
#define BASE_SQL_WAIT_H

#include <sqlite3.h>

// Lets a connection wait: for ten seconds, or where sql_on_wait has named someone to tell, until
// the file is free or *interrupted is set.
void sql_wait(sqlite3 *db);

// `say` is told once of each wait of more than a second, with a sentence that says for whom. For
// the whole process, before it opens files.
void sql_on_wait(void (*say)(void *context, const char *text), void *context,
                 const volatile int *interrupted);

#endif
