// One writing process at a time, by flock on "fovea.db.lock" beside the store.
//
// SQLite would let two writers take turns, but two sweeps on one store train the same runs twice,
// and SQLite versions before 3.51.3 can lose commits when two connections write at the same
// instant. The kernel drops the lock of a process that ends in any way, kill -9 included, so that a
// lock file left behind locks nobody out. The file says who holds it; it is removed while the lock
// is still held, and whoever locked a removed file notices and starts again.
#include "store/store_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static fv_status held(const fv_store *store, int file, fv_error *error) {
    char holder[256] = "another process";
    ssize_t n = pread(file, holder, sizeof holder - 1, 0);
    if (n > 0) holder[n] = '\0';
    holder[strcspn(holder, "\n")] = '\0';
    return fv_fail(error, FV_STORE,
                   "%s is being written by %s; let it end, or write to another folder", store->path,
                   holder);
}

static bool write_holder(int file) {
    char host[128] = "this machine";
    gethostname(host, sizeof host - 1);
    char holder[256];
    int length = snprintf(holder, sizeof holder, "process %ld on %s\n", (long)getpid(), host);
    return ftruncate(file, 0) == 0 && pwrite(file, holder, (size_t)length, 0) == length;
}

// Whether the locked file is still the one that the path names.
static bool is_current(int file, const char *path) {
    struct stat mine, named;
    return fstat(file, &mine) == 0 && stat(path, &named) == 0 && mine.st_ino == named.st_ino &&
           mine.st_dev == named.st_dev;
}

// Whether something else has the lock's name: what a link leads to would be overwritten. Leaves
// errno as open set it.
static bool is_other(const char *path, int file) {
    struct stat info;
    if (file >= 0) return fstat(file, &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink > 1;
    int cause = errno;
    bool other = lstat(path, &info) == 0 && !S_ISREG(info.st_mode);
    errno = cause;
    return other;
}

fv_status store_lock(fv_store *store, fv_error *error) {
    size_t size = strlen(store->path) + sizeof ".lock";
    char *path = malloc(size);
    if (path == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory opening a run store");
    snprintf(path, size, "%s.lock", store->path);
    for (;;) {
        int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
        if (is_other(path, file)) {
            fv_fail(error, FV_STORE,
                    "%s is a link or no plain file, and not the lock of a run store; remove it",
                    path);
            if (file >= 0) close(file);
            free(path);
            return FV_STORE;
        }
        int locked = file < 0 ? -1 : flock(file, LOCK_EX | LOCK_NB);
        bool taken = locked == 0 && is_current(file, path);
        if (taken && write_holder(file)) {
            store->lock_path = path;
            store->lock = file;
            return FV_OK;
        }
        fv_status status = FV_OK;
        if (locked != 0 && file >= 0 && errno == EWOULDBLOCK)
            status = held(store, file, error);
        else if (locked != 0 || taken)
            status =
                fv_fail(error, FV_IO, "cannot write %s: %s; its folder must exist and be writable",
                        path, strerror(errno));
        if (taken) unlink(path);
        if (file >= 0) close(file);
        if (status == FV_OK) continue; // locked a file that its last owner had just removed
        free(path);
        return status;
    }
}

void store_unlock(fv_store *store) {
    if (store->lock_path == NULL) return;
    unlink(store->lock_path);
    close(store->lock);
    free(store->lock_path);
    store->lock_path = NULL;
}
