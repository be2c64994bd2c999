// A temporary file is named ".fovea-PID-XXXXXX", which no one else's file is, and is locked (flock)
// for as long as it is written: fv_folder_sweep takes it for left behind when its process is gone
// and the lock is free. The number alone does not tell, since processes of other machines and
// containers count from one as well; the lock alone is missing for an instant after the file is
// made.
#include <fovea/whole_file.h>

#include "base/sql.h"
#include "base/text.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char PREFIX[] = ".fovea-";
enum { N_RANDOM = 6, N_TRIES = 100 }; // characters of a name; names that others may have

enum { UNKNOWN = -1 }; // an error of a write long ago, which did not keep its reason

static fv_status fail(const char *path, int cause, fv_error *error) {
    return fv_fail(error, FV_IO, "%s cannot be written: %s", path,
                   cause == UNKNOWN ? "a write failed; is the disk full?" : strerror(cause));
}

// --- writing -----------------------------------------------------------------------------------

// How much of `path` names its folder: "out/" of "out/report.html", nothing of "report.html".
static int folder_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? (int)(slash - path) + 1 : 0;
}

// Six characters of chance at `name`. False with errno.
static bool add_random(char *name) {
    static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    unsigned char chance[N_RANDOM];
    if (getentropy(chance, sizeof chance) != 0) return false;
    for (int i = 0; i < N_RANDOM; i++) name[i] = LETTERS[chance[i] % (sizeof LETTERS - 1)];
    return true;
}

// A new file whose name ends in characters of chance, -1 with errno. mkstemp would give it a mode
// of its own, and to learn what the user wants instead, umask, is to change it for every thread.
static int open_new(char *name) {
    int descriptor = -1, tries = 0;
    do {
        if (!add_random(name + strlen(name) - N_RANDOM)) return -1;
        descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (descriptor < 0 && errno == EEXIST && ++tries < N_TRIES);
    return descriptor;
}

// The descriptor of a new locked file beside file->path, or -1 with errno.
static int make_temporary(fv_whole_file *file) {
    text_buffer name = {0};
    text_add(&name, "%.*s%s%ld-XXXXXX", folder_length(file->path), file->path, PREFIX,
             (long)getpid());
    int descriptor = -1;
    if (name.failed)
        errno = ENOMEM;
    else
        descriptor = open_new(name.data);
    if (descriptor < 0) {
        text_free(&name);
        return -1;
    }
    file->temporary = name.data;
    flock(descriptor, LOCK_EX | LOCK_NB);
    return descriptor;
}

fv_status fv_whole_file_open(fv_whole_file *file, const char *path, fv_error *error) {
    *file = (fv_whole_file){.path = realpath(path, NULL)};
    struct stat there;
    bool exists = stat(path, &there) == 0;
    // What /dev/stdout stands for has no path of its own.
    bool special = exists && (!S_ISREG(there.st_mode) || file->path == NULL);
    if (file->path == NULL) file->path = text_copy(path);
    int descriptor = -1;
    if (file->path == NULL)
        errno = ENOMEM;
    else if (special)
        descriptor = open(path, O_WRONLY | O_CLOEXEC);
    else
        descriptor = make_temporary(file);
    if (descriptor >= 0) file->stream = fdopen(descriptor, "w");
    if (file->stream != NULL) return FV_OK;
    int cause = errno;
    if (descriptor >= 0) close(descriptor);
    if (file->temporary != NULL) unlink(file->temporary);
    free(file->temporary);
    free(file->path);
    *file = (fv_whole_file){0};
    return fail(path, cause, error);
}

// Not every file system can do it; one that cannot makes no promise that could be broken.
static bool sync_file(int descriptor) {
    return fsync(descriptor) == 0 || errno == EINVAL || errno == ENOSYS || errno == ENOTSUP;
}

// Makes the new name durable, as far as the file system lets us.
static void sync_folder(const char *path) {
    int length = folder_length(path);
    char *folder = length > 0 ? text_copy_n(path, (size_t)length) : text_copy(".");
    int descriptor = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (descriptor >= 0) {
        fsync(descriptor);
        close(descriptor);
    }
    free(folder);
}

// Writes what is buffered, to the disk; returns 0 or the first error.
static int finish(fv_whole_file *file, bool good) {
    int cause = ferror(file->stream) != 0 ? UNKNOWN : 0;
    errno = 0;
    if (fflush(file->stream) != 0 && errno != 0) cause = errno;
    if (good && cause == 0 && file->temporary != NULL && !sync_file(fileno(file->stream)))
        cause = errno;
    errno = 0;
    if (fclose(file->stream) != 0 && cause == 0) cause = errno != 0 ? errno : UNKNOWN;
    return cause;
}

fv_status fv_whole_file_close(fv_whole_file *file, int good, fv_error *error) {
    fv_status status = FV_OK;
    int cause = finish(file, good != 0);
    bool named = good && cause == 0;
    if (named && file->temporary != NULL && rename(file->temporary, file->path) != 0) {
        cause = errno;
        named = false;
    }
    if (named && file->temporary != NULL) sync_folder(file->path);
    if (!named && file->temporary != NULL) unlink(file->temporary);
    if (good && cause != 0) status = fail(file->path, cause, error);
    free(file->temporary);
    free(file->path);
    *file = (fv_whole_file){0};
    return status;
}

// --- what killed processes leave ---------------------------------------------------------------

// The number of a process at the start of a text, and what follows it; 0 for none.
static long read_pid(const char *text, const char **rest) {
    char *end;
    errno = 0;
    long pid = isdigit((unsigned char)*text) ? strtol(text, &end, 10) : 0;
    if (errno != 0 || pid <= 0 || pid > INT_MAX) return 0;
    *rest = end;
    return pid;
}

static bool is_random(const char *text) {
    for (const char *c = text; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c)) return false;
    return strlen(text) == N_RANDOM;
}

// The process that a temporary file names, or 0 for a file of anybody else.
static long writer_of(const char *name) {
    static const char EXPORT[] = ".safetensors."; // PID.part: how 0.1.0 named its exports
    const char *rest, *old = strstr(name, EXPORT);
    if (strncmp(name, PREFIX, strlen(PREFIX)) == 0) {
        long pid = read_pid(name + strlen(PREFIX), &rest);
        return pid != 0 && *rest == '-' && is_random(rest + 1) ? pid : 0;
    }
    long pid = old != NULL ? read_pid(old + strlen(EXPORT), &rest) : 0;
    return pid != 0 && strcmp(rest, ".part") == 0 ? pid : 0;
}

static bool lives(long pid) {
    return pid != getpid() && (kill((pid_t)pid, 0) == 0 || errno != ESRCH);
}

void fv_folder_sweep(const char *folder) {
    DIR *entries = opendir(folder);
    if (entries == NULL) return;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        long pid = writer_of(entry->d_name);
        if (pid == 0 || lives(pid)) continue;
        int descriptor =
            openat(dirfd(entries), entry->d_name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat file;
        if (descriptor < 0) continue;
        if (fstat(descriptor, &file) == 0 && S_ISREG(file.st_mode) &&
            flock(descriptor, LOCK_EX | LOCK_NB) == 0)
            unlinkat(dirfd(entries), entry->d_name, 0);
        close(descriptor);
    }
    closedir(entries);
}

fv_status fv_whole_file_check(const char *path, fv_error *error) {
    struct stat there;
    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode) && !S_ISDIR(there.st_mode)) return FV_OK;
    fv_whole_file file;
    fv_status status = fv_whole_file_open(&file, path, error);
    if (status != FV_OK) return status;
    file.path[folder_length(file.path)] = '\0';
    fv_folder_sweep(*file.path != '\0' ? file.path : ".");
    return fv_whole_file_close(&file, 0, error);
}

// --- folders -----------------------------------------------------------------------------------

static fv_status refuse(const char *folder, const char *problem, fv_error *error) {
    return fv_fail(error, FV_USAGE, "the output folder %s cannot be %s: %s; choose another", folder,
                   problem, strerror(errno));
}

static fv_status make(const char *folder, char *path, fv_error *error) {
    for (char *slash = path + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        bool made = mkdir(path, 0777) == 0 || errno == EEXIST;
        *slash = '/';
        if (!made) return refuse(folder, "made", error);
    }
    if (mkdir(path, 0777) != 0 && errno != EEXIST) return refuse(folder, "made", error);
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode)) {
        errno = ENOTDIR;
        return refuse(folder, "used", error);
    }
    if (access(path, W_OK | X_OK) != 0) return refuse(folder, "written", error);
    fv_folder_sweep(path);
    return FV_OK;
}

fv_status fv_folder_make(const char *folder, const char *database, fv_error *error) {
    enum { LONGEST = PATH_MAX - NAME_MAX - 1 };
    if (*folder == '\0' || strlen(folder) > LONGEST)
        return fv_fail(error, FV_USAGE, "the output folder must be a path of 1 to %d bytes",
                       LONGEST);
    text_buffer path = {0};
    text_add(&path, "%s/%s", folder, database != NULL ? database : "");
    if (path.failed) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    fv_status status = database != NULL ? sql_check_path(path.data, error) : FV_OK;
    path.data[strlen(folder)] = '\0';
    if (status == FV_OK) status = make(folder, path.data, error);
    text_free(&path);
    return status;
}
