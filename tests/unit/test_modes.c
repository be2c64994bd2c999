// What new files are allowed to whom: what the user's umask says, which is the process's, not this
// library's to change; and what is said where no file can be made.
#include "folder.h"

#include <fovea/store.h>
#include <fovea/whole_file.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static int n_calls;

// In place of the C library's: even to read the umask is to change it for every thread.
mode_t umask(mode_t mask) {
    n_calls++;
    return (mode_t)syscall(SYS_umask, mask);
}

static int make_folder(void **state) {
    (void)state;
    return folder_make("fovea.db");
}

static int mode_of_file(void) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_mode & 0777;
}

static void make_whole_file(void) {
    fv_whole_file file;
    fv_error error = {0};
    assert_int_equal(fv_whole_file_open(&file, path, &error), FV_OK);
    assert_int_equal(fv_whole_file_close(&file, 1, &error), FV_OK);
}

static void make_store(void) {
    fv_store *store;
    fv_error error = {0};
    assert_int_equal(fv_store_open(path, FV_STORE_WRITE, &store, &error), FV_OK);
    fv_store_close(store);
}

static void files_are_for_whom_the_umask_says(void **state) {
    (void)state;
    static const mode_t MASKS[] = {000, 002, 022, 027, 077};
    void (*const makers[])(void) = {make_whole_file, make_store};
    mode_t before = (mode_t)syscall(SYS_umask, 022);
    n_calls = 0;
    for (int i = 0; i < 10; i++) {
        syscall(SYS_umask, MASKS[i / 2]);
        makers[i % 2]();
        assert_int_equal(mode_of_file(), 0666 & ~MASKS[i / 2]);
        assert_int_equal(unlink(path), 0);
    }
    syscall(SYS_umask, before);
    assert_int_equal(n_calls, 0);
}

static void an_older_store_keeps_its_mode(void **state) {
    (void)state;
    make_store();
    assert_int_equal(chmod(path, 0640), 0);
    make_store();
    assert_int_equal(mode_of_file(), 0640);
}

// No more descriptors: nothing of the reason is lost on the way to the message.
static void a_store_that_cannot_be_locked_says_why(void **state) {
    (void)state;
    struct rlimit before, none;
    fv_store *store;
    fv_error error = {0};
    int next = open("/dev/null", O_RDONLY);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){(rlim_t)next, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    fv_status status = fv_store_open(path, FV_STORE_WRITE, &store, &error);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(status, FV_IO);
    assert_non_null(strstr(error.text, "Too many open files"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(files_are_for_whom_the_umask_says),
        TEST(an_older_store_keeps_its_mode),
        TEST(a_store_that_cannot_be_locked_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
