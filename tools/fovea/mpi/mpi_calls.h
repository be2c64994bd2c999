// What the tool asks of MPI, as a table of functions. An MPI brings ten libraries and a millisecond
// or more with it, and hardly any command speaks it: the table lies in a module of its own
// (tools/mpi), which is loaded by those commands that another process may have been started beside.
// The tool itself is the same program where no MPI is there.
//
// All messages are of bytes, within the group of all processes that were started together. What MPI
// has not ended goes on using the memory that it was given.
#ifndef FOVEA_TOOL_MPI_CALLS_H
#define FOVEA_TOOL_MPI_CALLS_H

#include <stdbool.h>

// What has begun and not ended; the content is the module's.
typedef struct mpi_request {
    _Alignas(16) unsigned char content[16];
} mpi_request;

enum { MPI_CALLS_ANY_TAG = -1 };

typedef struct mpi_calls {
    const char *version; // fv_version of the tool that the module belongs to

    // Joins the group, with `threads` for calls from several threads, one at a time, and with errors
    // that come back; else they end the group. False where this MPI cannot serve threads.
    bool (*join)(bool threads, int *rank, int *size);
    void (*leave)(void);          // waits for all
    void (*abort)(int exit_code); // ends all; does not return

    // The tag of the first message that has come from `rank` with this tag or any, and its size; -1
    // where none has.
    int (*look)(int rank, int tag, int *size);
    void (*send)(const void *bytes, int size, int rank, int tag);
    void (*receive)(void *bytes, int size, int rank, int tag);

    // As above, without waiting; false where it cannot begin, or went wrong.
    bool (*begin_send)(const void *bytes, int size, int rank, int tag, mpi_request *request);
    bool (*begin_receive)(void *bytes, int size, int rank, int tag, mpi_request *request);
    void (*begin_meeting)(mpi_request *request); // ends once every process has begun it
    bool (*has_ended)(mpi_request *request, bool *ended);
    void (*forget)(mpi_request *request); // lets it end unseen
    void (*wait)(mpi_request *request);

    void (*meet)(void);
    double (*largest)(double number); // of all processes' numbers
} mpi_calls;

// The table, loaded at the first call. NULL where there is none, after *why is a sentence that says
// what to install.
const mpi_calls *mpi_load(const char **why);

// The name under which the module has its table.
#define MPI_CALLS_SYMBOL "fovea_mpi_calls"

#endif
