// Files that appear whole or not at all, what killed processes leave of them, folders, and whether
// a picture is there to its end.
#include "figures/picture.h"

#include <fcntl.h>
#include <fovea/whole_file.h>
#include <glob.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static char path[128];

static int make_bench(void **state) {
    (void)state;
    strcpy(folder, "/tmp/fovea-whole-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

// How many files of the folder a pattern names.
static int count(const char *pattern) {
    char whole[192];
    glob_t found = {0};
    snprintf(whole, sizeof whole, "%s/%s", folder, pattern);
    int n = glob(whole, 0, NULL, &found) == 0 ? (int)found.gl_pathc : 0;
    globfree(&found);
    return n;
}

static int remove_bench(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static char *content(void) {
    static char text[64];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof text - 1, file);
    text[n] = '\0';
    fclose(file);
    return text;
}

static void write_file(const char *text, int good) {
    fv_whole_file file;
    fv_error error;
    assert_int_equal(fv_whole_file_open(&file, path, &error), FV_OK);
    fputs(text, file.stream);
    assert_int_equal(fv_whole_file_close(&file, good, &error), FV_OK);
}

// --- writing -----------------------------------------------------------------------------------

static void test_whole_or_not_at_all(void **state) {
    (void)state;
    write_file("never", 0);
    assert_int_equal(access(path, F_OK), -1);
    write_file("first", 1);
    write_file("never", 0);
    assert_string_equal(content(), "first");
    write_file("second", 1);
    assert_string_equal(content(), "second");
    assert_int_equal(count(".fovea*"), 0);
}

static void test_links_and_pipes_stay(void **state) {
    (void)state;
    char link_path[128];
    write_file("old", 1);
    snprintf(link_path, sizeof link_path, "%s/link", folder);
    assert_int_equal(symlink("file", link_path), 0);
    char *own = strdup(path);
    strcpy(path, link_path);
    write_file("new", 1);
    strcpy(path, own);
    assert_string_equal(content(), "new");
    struct stat info;
    assert_int_equal(lstat(link_path, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    strcpy(path, "/dev/null");
    write_file("gone", 1);
    assert_int_equal(lstat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    strcpy(path, own);
    free(own);
}

static void test_what_cannot_be_written(void **state) {
    (void)state;
    fv_whole_file file;
    fv_error error;
    assert_int_equal(fv_whole_file_open(&file, folder, &error), FV_IO);
    assert_non_null(strstr(error.text, "Is a directory"));
    assert_int_equal(fv_whole_file_check(folder, &error), FV_IO);
    assert_int_equal(fv_whole_file_check("/nonexistent/file", &error), FV_IO);
    assert_int_equal(fv_whole_file_open(&file, "/dev/full", &error), FV_OK);
    fputs("text", file.stream);
    assert_int_equal(fv_whole_file_close(&file, 1, &error), FV_IO);
    assert_non_null(strstr(error.text, "No space left"));
    assert_int_equal(fv_whole_file_check(path, &error), FV_OK);
    assert_int_equal(access(path, F_OK), -1);
}

// --- sweeping ----------------------------------------------------------------------------------

static void touch(const char *format, long pid) {
    char name[64], whole[192];
    snprintf(name, sizeof name, format, pid);
    snprintf(whole, sizeof whole, "%s/%s", folder, name);
    int file = open(whole, O_WRONLY | O_CREAT, 0666);
    assert_true(file >= 0);
    close(file);
}

// The number of a process that is gone.
static long dead(void) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, NULL, 0);
    return (long)child;
}

static void test_sweep(void **state) {
    (void)state;
    long gone = dead();
    touch(".fovea-%ld-aB3xYz", gone);
    touch("model.safetensors.%ld.part", gone);
    touch(".fovea-%ld-aB3xYz", (long)getppid()); // a living process
    touch("model.safetensors.%ld.part", (long)getppid());
    touch(".fovea-%ld-notes!", gone); // other people's
    touch(".fovea-%ld-longer7", gone);
    touch(".fovea-%ldx-aB3xYz", gone);
    touch("report.html.%ld.part", gone);
    touch("report.html.backup", gone);
    touch("fovea-%ld-aB3xYz", gone);
    fv_folder_sweep(folder);
    assert_int_equal(count("*") + count(".fovea*"), 8);
    char name[64];
    snprintf(name, sizeof name, "model.safetensors.%ld.part", (long)getppid());
    assert_int_equal(count(name), 1);
    snprintf(name, sizeof name, ".fovea-%ld-aB3xYz", gone);
    assert_int_equal(count(name), 0);
}

// A container gives the same number to another process; the lock tells that it writes.
static void test_sweep_spares_locked_files(void **state) {
    (void)state;
    char whole[192];
    long gone = dead();
    touch(".fovea-%ld-aB3xYz", gone);
    snprintf(whole, sizeof whole, "%s/.fovea-%ld-aB3xYz", folder, gone);
    int file = open(whole, O_RDWR);
    assert_int_equal(flock(file, LOCK_EX), 0);
    fv_folder_sweep(folder);
    assert_int_equal(access(whole, F_OK), 0);
    close(file);
    fv_folder_sweep(folder);
    assert_int_equal(access(whole, F_OK), -1);
}

static void test_what_kill_leaves_is_swept(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        fv_whole_file file;
        fv_error error;
        if (fv_whole_file_open(&file, path, &error) == FV_OK) pause();
        _exit(1);
    }
    for (int i = 0; count(".fovea-*") == 0 && i < 1000; i++) usleep(1000);
    fv_folder_sweep(folder);
    assert_int_equal(count(".fovea-*"), 1); // it lives
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    fv_folder_sweep(folder);
    assert_int_equal(count(".fovea-*"), 0);
}

// --- folders -----------------------------------------------------------------------------------

static void test_folders(void **state) {
    (void)state;
    char deep[5000];
    fv_error error;
    snprintf(deep, sizeof deep, "%s/a/b/c", folder);
    assert_int_equal(fv_folder_make(deep, NULL, &error), FV_OK);
    assert_int_equal(fv_folder_make(deep, "fovea.db", &error), FV_OK);
    write_file("x", 1);
    assert_int_equal(fv_folder_make(path, NULL, &error), FV_USAGE);
    assert_int_equal(fv_folder_make("", NULL, &error), FV_USAGE);
    // 600 bytes make a folder, but SQLite opens nothing in it.
    snprintf(deep, sizeof deep, "%s/%0200d/%0200d/%0200d", folder, 1, 2, 3);
    assert_int_equal(fv_folder_make(deep, "fovea.db", &error), FV_USAGE);
    assert_non_null(strstr(error.text, "504 bytes"));
    assert_int_equal(access(deep, F_OK), -1);
    assert_int_equal(fv_folder_make(deep, NULL, &error), FV_OK);
    memset(deep, 'x', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    assert_int_equal(fv_folder_make(deep, NULL, &error), FV_USAGE);
}

// --- pictures ----------------------------------------------------------------------------------

static const char SVG[] = "<?xml version=\"1.0\"?>\n<svg><g/></svg>\n";
static const char PNG[] = "\x89PNG\r\n\x1a\n"
                          "\0\0\0\3abcdATAchck"
                          "\0\0\0\0IEND\xae\x42\x60\x82";
// Two global colours, an extension, an image whose data look like a trailer.
static const char GIF[] = "GIF89a\1\0\1\0\x80\0\0abcdef"
                          "!\xf9\4\0\0\0\0\0"
                          ",\0\0\0\0\1\0\1\0\0\2\3;;;\0"
                          ";";

// A picture is whole, none of its beginnings is, and none with something behind.
static void is_exact(figure_picture picture, const char *bytes, size_t n, size_t shortest) {
    char longer[256];
    assert_true(picture_is_whole(picture, bytes, n));
    for (size_t i = 0; i < shortest; i++) assert_false(picture_is_whole(picture, bytes, i));
    memcpy(longer, bytes, n);
    longer[n] = 'x';
    assert_false(picture_is_whole(picture, longer, n + 1));
}

static void test_pictures(void **state) {
    (void)state;
    is_exact(FV_PICTURE_SVG, SVG, sizeof SVG - 1, sizeof SVG - 2);
    is_exact(FV_PICTURE_GIF, GIF, sizeof GIF - 1, sizeof GIF - 1);
    char png[sizeof PNG];
    memcpy(png, PNG, sizeof PNG);
    is_exact(FV_PICTURE_PNG, png, sizeof PNG - 1, sizeof PNG - 1);
    png[9] = 1; // a length beyond the end
    assert_false(picture_is_whole(FV_PICTURE_PNG, png, sizeof PNG - 1));
}

// --- messages ----------------------------------------------------------------------------------

static void test_messages_are_printable(void **state) {
    (void)state;
    fv_error error;
    fv_fail(&error, FV_IO, "%s", "a\nb\tc\r\x1b[31m\x7f \xc2\x9b ä \\n");
    assert_string_equal(error.text, "a\\nb\\tc\\r\\x1b[31m\\x7f \\u009b ä \\n");
    char text[8] = "ab\ncdef";
    fv_printable(text, sizeof text);
    assert_string_equal(text, "ab\\ncde");
    strcpy(text, "abcdef\n");
    fv_printable(text, sizeof text);
    assert_string_equal(text, "abcdef");
    char full[sizeof error.text + 100];
    memset(full, '\n', sizeof full - 1);
    full[sizeof full - 1] = '\0';
    fv_fail(&error, FV_IO, "%s", full);
    assert_true(strlen(error.text) < sizeof error.text);
    assert_null(strchr(error.text, '\n'));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_bench, remove_bench)
    const struct CMUnitTest tests[] = {
        TEST(test_whole_or_not_at_all),
        TEST(test_links_and_pipes_stay),
        TEST(test_what_cannot_be_written),
        TEST(test_sweep),
        TEST(test_sweep_spares_locked_files),
        TEST(test_what_kill_leaves_is_swept),
        TEST(test_folders),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_messages_are_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
