/*
 * Runs a fuzz target over every file of the directories named: its corpus as a plain test.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path, uint8_t *buffer)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return 1;
    }
    size_t n = fread(buffer, 1, INPUT_MAX, f);
    fclose(f);
    /* A copy of exactly this size: reading beyond it shows under the sanitizers. */
    uint8_t *exact = malloc(n ? n : 1);
    for (size_t i = 0; i < n; i++)
        exact[i] = buffer[i];
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return 0;
}

static int replay_directory(const char *directory, uint8_t *buffer)
{
    struct dirent *e;
    int failed = 0, files = 0;
    DIR *d = opendir(directory);
    if (!d) {
        perror(directory);
        return 1;
    }
    while ((e = readdir(d))) {
        char path[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
        failed |= replay_file(path, buffer);
        files++;
    }
    closedir(d);
    printf("%d inputs of %s\n", files, directory);
    return failed || files == 0;
}

int main(int argc, char **argv)
{
    uint8_t *buffer = malloc(INPUT_MAX);
    int failed = argc < 2;
    for (int i = 1; i < argc; i++)
        failed |= replay_directory(argv[i], buffer);
    free(buffer);
    return failed;
}
