// Runs a fuzz target over the files of the given folders, where no fuzzer is at hand: each input
// that a fuzzer once found interesting stays a regression test for every compiler and sanitizer.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) return perror(path), 1;
    size_t capacity = 1 << 20, size = 0, n;
    uint8_t *data = malloc(capacity);
    while (data && (n = fread(data + size, 1, capacity - size, file)) > 0) {
        size += n;
        if (size == capacity) data = realloc(data, capacity *= 2);
    }
    fclose(file);
    if (!data) return fputs("out of memory\n", stderr), 1;
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

static int replay_folder(const char *folder) {
    DIR *listing = opendir(folder);
    if (!listing) return perror(folder), 1;
    int n = 0, failed = 0;
    for (struct dirent *entry; (entry = readdir(listing));) {
        if (entry->d_name[0] == '.') continue;
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        failed |= replay_file(path);
        n++;
    }
    closedir(listing);
    printf("%s: %d inputs\n", folder, n);
    return failed || n == 0;
}

int main(int argc, char **argv) {
    int failed = argc < 2;
    for (int i = 1; i < argc; i++) failed |= replay_folder(argv[i]);
    return failed;
}
