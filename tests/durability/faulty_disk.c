/* A disk that fails on demand: preloaded into a registry process by test_faults.py.
 *
 * Here: write, pwrite, fsync, fdatasync, ftruncate and rename, which fail with a given errno for files below one folder, as often as the
 * control file says. Not here: what must hold afterwards. Control file: five native ints (errno, failures per thousand calls, mask of
 * operations, count of failures so far, how many calls are spared first), mapped and shared, so that a test turns faults on and off while the process runs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, RENAME = 4 };

struct control { int error, permille, mask, failed, spared; };

static volatile struct control *control;
static const char *folder;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("FAULTY_DISK_CONTROL");
    folder = getenv("FAULTY_DISK_FOLDER");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0 || !folder) return;
    void *found = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (found != MAP_FAILED) control = found;
}

static int below(const char *path) { return strncmp(path, folder, strlen(folder)) == 0; }

static int hits(int operation, int file, const char *path) {
    if (!control || !control->permille || !(control->mask & operation)) return 0;
    char link[64], target[4096];
    if (!path) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        ssize_t length = readlink(link, target, sizeof target - 1);
        if (length < 0) return 0;
        target[length] = 0;
        path = target;
    }
    if (!below(path) || rand() % 1000 >= control->permille) return 0;
    if (control->spared > 0 && __sync_fetch_and_sub((int *)&control->spared, 1) > 0) return 0;
    __sync_fetch_and_add((int *)&control->failed, 1);
    errno = control->error;
    return 1;
}

#define REAL(name) \
    static typeof(&name) real; \
    if (!real) real = (typeof(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int f, const void *b, size_t n) { REAL(write); return hits(WRITE, f, NULL) ? -1 : real(f, b, n); }
ssize_t pwrite(int f, const void *b, size_t n, off_t o) { REAL(pwrite); return hits(WRITE, f, NULL) ? -1 : real(f, b, n, o); }
ssize_t pwrite64(int f, const void *b, size_t n, off64_t o) { REAL(pwrite64); return hits(WRITE, f, NULL) ? -1 : real(f, b, n, o); }
int ftruncate(int f, off_t n) { REAL(ftruncate); return hits(WRITE, f, NULL) ? -1 : real(f, n); }
int ftruncate64(int f, off64_t n) { REAL(ftruncate64); return hits(WRITE, f, NULL) ? -1 : real(f, n); }
int fsync(int f) { REAL(fsync); return hits(SYNC, f, NULL) ? -1 : real(f); }
int fdatasync(int f) { REAL(fdatasync); return hits(SYNC, f, NULL) ? -1 : real(f); }
int rename(const char *a, const char *b) { REAL(rename); return hits(RENAME, -1, b) ? -1 : real(a, b); }
