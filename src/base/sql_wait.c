// Waiting for a file that another program has locked. SQLite's locks are POSIX locks on the file
// and on the one of its WAL ("-shm"), which the kernel lists with their owners in /proc/locks. To
// ask fcntl would need a descriptor of the file, and closing it would drop this process's own
// locks.
#include "base/sql_wait.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_MILLISECONDS = 50, SAY_AFTER = 20, GIVE_UP_AFTER = 200 };

static struct {
    void (*say)(void *context, const char *text);
    void *context;
    const volatile int *interrupted;
} hook;

void sql_on_wait(void (*say)(void *context, const char *text), void *context,
                 const volatile int *interrupted) {
    hook.say = say;
    hook.context = context;
    hook.interrupted = interrupted;
}

// The process that has a lock on the file of that inode, one to write before one to read; 0 where
// none is known.
static long find_holder(ino_t inode) {
    FILE *locks = fopen("/proc/locks", "r");
    char line[256], kind[16];
    long holder = 0, pid;
    unsigned long long number;
    bool writes = false;
    while (locks != NULL && fgets(line, sizeof line, locks) != NULL) {
        if (sscanf(line, "%*d: POSIX %*s %15s %ld %*x:%*x:%llu", kind, &pid, &number) != 3)
            continue;
        if (number != inode || pid == (long)getpid() || pid <= 0) continue;
        bool write = strcmp(kind, "WRITE") == 0;
        if (holder != 0 && (writes || !write)) continue;
        holder = pid;
        writes = write;
    }
    if (locks != NULL) fclose(locks);
    return holder;
}

static void name_holder(const char *path, char *text, size_t size) {
    static const char *const ENDS[] = {"-shm", ""};
    long pid = 0;
    for (size_t i = 0; pid == 0 && i < sizeof ENDS / sizeof *ENDS; i++) {
        char file[PATH_MAX];
        struct stat info;
        int n = snprintf(file, sizeof file, "%s%s", path, ENDS[i]);
        if (n > 0 && (size_t)n < sizeof file && stat(file, &info) == 0)
            pid = find_holder(info.st_ino);
    }
    char name[64] = "", comm[64];
    snprintf(comm, sizeof comm, "/proc/%ld/comm", pid);
    FILE *in = pid != 0 ? fopen(comm, "r") : NULL;
    if (in != NULL && fgets(name, sizeof name, in) != NULL) name[strcspn(name, "\n")] = '\0';
    if (in != NULL) fclose(in);
    if (pid == 0)
        snprintf(text, size, "another program");
    else
        snprintf(text, size, "process %ld%s%s%s", pid, *name ? " (" : "", name, *name ? ")" : "");
}

static int wait_on(void *database, int n) {
    const struct timespec pause = {.tv_nsec = PAUSE_MILLISECONDS * 1000000L};
    if (hook.interrupted != NULL && __atomic_load_n(hook.interrupted, __ATOMIC_RELAXED)) return 0;
    if (hook.say == NULL && n >= GIVE_UP_AFTER) return 0;
    if (hook.say != NULL && n == SAY_AFTER) {
        char holder[160], text[PATH_MAX + 256];
        const char *path = sqlite3_db_filename(database, "main");
        if (path == NULL) path = "";
        name_holder(path, holder, sizeof holder);
        snprintf(text, sizeof text, "%s is locked by %s; waiting until it is free", path, holder);
        hook.say(hook.context, text);
    }
    nanosleep(&pause, NULL);
    return 1;
}

void sql_wait(sqlite3 *db) {
    sqlite3_busy_handler(db, wait_on, db);
}
