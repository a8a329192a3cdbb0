/* A library for LD_PRELOAD that makes the calls of one process fail, for files beneath MARKSIM_FAULTS_DIR, and its wall clock
 * step, as the control file MARKSIM_FAULTS_CONTROL says. That file is mapped and shared: what is written there holds from the
 * next call on, and the counters of all processes are there. MARKSIM_FAULTS_PROCESS, if given, is a word of the command line
 * that a process must have. Without a control file every call passes.
 *
 * Seen are open, write, pwrite, writev, fsync, fdatasync, rename, ftruncate, fallocate, unlink and mkdir with their relatives:
 * all that Python, SQLite, DuckDB and Arrow write with. What libc calls inside itself (fopen, fwrite) is not, nor are maps.
 * tests/faults/shim.py is the other half, and has the layout of the control file once more.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { OPEN, WRITE, SYNC, RENAME, TRUNCATE, UNLINK, OPERATIONS };
enum { FAIL, SHORT, TEAR };

/* One for each kind of call. */
struct rule {
    int64_t at;       /* the call whose number in `seen` this is, is hit; 0: none */
    int64_t chance;   /* every call is hit with this chance, of 2^32 */
    int64_t error;    /* errno of a call that fails */
    int64_t kind;     /* FAIL; SHORT: half is written; TEAR: half is written, and the next call fails */
    int64_t most;     /* so many are hit, then no more; negative: all */
    int64_t seen;     /* calls for files that the pattern fits */
    int64_t injected; /* of these, hit */
    int64_t torn;     /* 1: the next one fails */
    char pattern[64]; /* a part of the path; empty: any */
};

struct control {
    char magic[8];
    int64_t clock_offset_ns;
    int64_t full;          /* 1: nothing beneath the directory can grow */
    int64_t full_injected; /* calls that failed for that */
    int64_t random;        /* state of the generator */
    struct rule rules[OPERATIONS];
};

static struct control *control;
static char root[PATH_MAX];
static size_t root_length;

/* libc's own, looked up once at each place of a call; two threads that do it at once find the same. */
#define REAL(name)                                                          \
    ({                                                                      \
        static __typeof__(&name) found;                                     \
        __typeof__(&name) known = __atomic_load_n(&found, __ATOMIC_ACQUIRE); \
        if (!known) {                                                       \
            known = (__typeof__(&name))real(#name);                         \
            __atomic_store_n(&found, known, __ATOMIC_RELEASE);              \
        }                                                                   \
        known;                                                              \
    })
#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define ADD(field, by) __atomic_add_fetch(&(field), (by), __ATOMIC_ACQ_REL)

static void *real(const char *name) {
    void *found = NULL;
    /* Of this one libc has an old version, too, whose condition variables are others. */
    if (strcmp(name, "pthread_cond_timedwait") == 0) found = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
    if (!found) found = dlsym(RTLD_NEXT, name);
    if (!found) { fprintf(stderr, "faults: libc has no %s\n", name); abort(); }
    return found;
}

__attribute__((constructor)) static void begin(int argc, char **argv, char **environment) {
    (void)environment;
    const char *directory = getenv("MARKSIM_FAULTS_DIR"), *path = getenv("MARKSIM_FAULTS_CONTROL");
    const char *word = getenv("MARKSIM_FAULTS_PROCESS");
    if (!path || !directory) return;
    int meant = !word || !*word;
    for (int i = 0; i < argc && !meant; i++) meant = strstr(argv[i], word) != NULL;
    if (!meant) return;
    if (!realpath(directory, root)) { perror("faults: MARKSIM_FAULTS_DIR"); abort(); }
    root_length = strlen(root);
    int file = REAL(open64)(path, O_RDWR | O_CLOEXEC);
    if (file < 0) { perror("faults: MARKSIM_FAULTS_CONTROL"); abort(); }
    struct control *mapped = mmap(NULL, sizeof *mapped, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED) { perror("faults: mmap of MARKSIM_FAULTS_CONTROL"); abort(); }
    if (memcmp(mapped->magic, "MKSFLT01", 8)) { fprintf(stderr, "faults: %s is no control file\n", path); abort(); }
    control = mapped;
}

/* ---- which file -------------------------------------------------------------------------------------------------------- */

static int beneath(const char *path) {
    return strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || !path[root_length]);
}

static int path_of(int file, char *path) {
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return beneath(path);
}

/* The name as a whole path, whether the file is there or not: its folder must be. */
static int named(int folder, const char *name, char *path) {
    char whole[PATH_MAX], base[PATH_MAX], resolved[PATH_MAX];
    if (name[0] == '/') {
        snprintf(whole, sizeof whole, "%s", name);
    } else {
        if (folder == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return 0;
        } else {
            char link[40];
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t length = readlink(link, base, sizeof base - 1);
            if (length < 0) return 0;
            base[length] = 0;
        }
        if ((size_t)snprintf(whole, sizeof whole, "%s/%s", base, name) >= sizeof whole) return 0;
    }
    char *slash = strrchr(whole, '/');
    if (!slash) return 0;
    *slash = 0;
    if (!realpath(*whole ? whole : "/", resolved)) return 0;
    return (size_t)snprintf(path, PATH_MAX, "%s/%s", resolved, slash + 1) < PATH_MAX && beneath(path);
}

/* ---- what happens ------------------------------------------------------------------------------------------------------ */

static uint32_t draw(void) {
    uint64_t x = (uint64_t)ADD(control->random, (int64_t)0x9e3779b97f4a7c15ULL);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return (uint32_t)((x ^ (x >> 31)) >> 32);
}

static int take_one(struct rule *rule) {
    int64_t most = LOAD(rule->most);
    while (most > 0) {
        if (__atomic_compare_exchange_n(&rule->most, &most, most - 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return 1;
    }
    return most < 0;
}

/* -1: the call passes; otherwise its kind, with errno set for FAIL. */
static int hit(int operation, const char *path) {
    struct rule *rule = &control->rules[operation];
    if (rule->pattern[0] && !strstr(path, rule->pattern)) return -1;
    int64_t number = ADD(rule->seen, 1), at = LOAD(rule->at), chance = LOAD(rule->chance);
    if (__atomic_exchange_n(&rule->torn, 0, __ATOMIC_ACQ_REL)) {
        ADD(rule->injected, 1);
        errno = (int)LOAD(rule->error);
        return FAIL;
    }
    if (!((at && number == at) || (chance && (int64_t)draw() < chance)) || !take_one(rule)) return -1;
    ADD(rule->injected, 1);
    int kind = (int)LOAD(rule->kind);
    if (kind == TEAR) __atomic_store_n(&rule->torn, 1, __ATOMIC_RELEASE);
    if (kind == FAIL) errno = (int)LOAD(rule->error);
    return kind;
}

static int fails(int operation, const char *path) { return hit(operation, path) == FAIL; }

static int no_room(void) {
    ADD(control->full_injected, 1);
    errno = ENOSPC;
    return 1;
}

/* How many bytes of a write go through; -1 with errno: none. `offset` negative: where the file stands. */
static ssize_t allowed(int file, size_t size, off64_t offset) {
    char path[PATH_MAX];
    struct stat64 about;
    if (!control || !size || !path_of(file, path) || fstat64(file, &about) || !S_ISREG(about.st_mode)) return (ssize_t)size;
    if (LOAD(control->full)) {
        if (offset < 0) {
            int flags = fcntl(file, F_GETFL);
            offset = flags >= 0 && (flags & O_APPEND) ? about.st_size : lseek64(file, 0, SEEK_CUR);
        }
        if (offset + (off64_t)size > about.st_size && no_room()) return -1;
    }
    int kind = hit(WRITE, path);
    if (kind < 0 || (kind != FAIL && size < 2)) return (ssize_t)size;
    return kind == FAIL ? -1 : (ssize_t)(size / 2);
}

ssize_t write(int file, const void *data, size_t size) {
    ssize_t length = allowed(file, size, -1);
    return length < 0 ? -1 : REAL(write)(file, data, (size_t)length);
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) {
    ssize_t length = allowed(file, size, offset);
    return length < 0 ? -1 : REAL(pwrite64)(file, data, (size_t)length, offset);
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset) { return pwrite64(file, data, size, offset); }

ssize_t writev(int file, const struct iovec *parts, int count) {
    size_t size = 0;
    for (int i = 0; i < count; i++) size += parts[i].iov_len;
    ssize_t length = allowed(file, size, -1);
    if (length < 0) return -1;
    if ((size_t)length == size) return REAL(writev)(file, parts, count);
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len) {
            size_t first = parts[i].iov_len < (size_t)length ? parts[i].iov_len : (size_t)length;
            return REAL(write)(file, parts[i].iov_base, first);
        }
    }
    return 0;
}

static int open_fails(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    if (!control || (flags & O_ACCMODE) == O_RDONLY || !named(folder, name, path)) return 0;
    if ((flags & O_CREAT) && LOAD(control->full) && faccessat(folder, name, F_OK, 0) && no_room()) return 1;
    return fails(OPEN, path);
}

#define OPENER(name, folder, passed)                                    \
    {                                                                              \
        mode_t mode = 0;                                                           \
        if (flags & (O_CREAT | __O_TMPFILE)) {                                     \
            va_list more;                                                          \
            va_start(more, flags);                                                 \
            mode = va_arg(more, mode_t);                                           \
            va_end(more);                                                          \
        }                                                                          \
        if (open_fails(folder, path, flags)) return -1;                            \
        return REAL(name) passed;                                                  \
    }

int open(const char *path, int flags, ...) OPENER(open, AT_FDCWD, (path, flags, mode))
int open64(const char *path, int flags, ...) OPENER(open64, AT_FDCWD, (path, flags, mode))
int openat(int folder, const char *path, int flags, ...) OPENER(openat, folder, (folder, path, flags, mode))
int openat64(int folder, const char *path, int flags, ...) OPENER(openat64, folder, (folder, path, flags, mode))

static int file_fails(int operation, int file) {
    char path[PATH_MAX];
    return control && path_of(file, path) && fails(operation, path);
}

int fsync(int file) { return file_fails(SYNC, file) ? -1 : REAL(fsync)(file); }

int fdatasync(int file) { return file_fails(SYNC, file) ? -1 : REAL(fdatasync)(file); }

static int grows(int file, off64_t length) {
    char path[PATH_MAX];
    struct stat64 about;
    return control && LOAD(control->full) && path_of(file, path) && !fstat64(file, &about) && length > about.st_size;
}

int ftruncate64(int file, off64_t length) {
    if (grows(file, length) && no_room()) return -1;
    return file_fails(TRUNCATE, file) ? -1 : REAL(ftruncate64)(file, length);
}

int ftruncate(int file, off_t length) { return ftruncate64(file, length); }

int posix_fallocate64(int file, off64_t offset, off64_t length) {
    if (grows(file, offset + length) && no_room()) return ENOSPC;
    return REAL(posix_fallocate64)(file, offset, length);
}

int posix_fallocate(int file, off_t offset, off_t length) { return posix_fallocate64(file, offset, length); }

int fallocate64(int file, int mode, off64_t offset, off64_t length) {
    if (!(mode & FALLOC_FL_KEEP_SIZE) && grows(file, offset + length) && no_room()) return -1;
    return REAL(fallocate64)(file, mode, offset, length);
}

int fallocate(int file, int mode, off_t offset, off_t length) { return fallocate64(file, mode, offset, length); }

static int name_fails(int operation, int folder, const char *name) {
    char path[PATH_MAX];
    return control && named(folder, name, path) && fails(operation, path);
}

/* The new name counts: it is the one that people know. */
int rename(const char *old, const char *new) {
    return name_fails(RENAME, AT_FDCWD, new) ? -1 : REAL(rename)(old, new);
}

int renameat(int old_folder, const char *old, int new_folder, const char *new) {
    return name_fails(RENAME, new_folder, new) ? -1 : REAL(renameat)(old_folder, old, new_folder, new);
}

int renameat2(int old_folder, const char *old, int new_folder, const char *new, unsigned flags) {
    return name_fails(RENAME, new_folder, new) ? -1 : REAL(renameat2)(old_folder, old, new_folder, new, flags);
}

int unlink(const char *path) { return name_fails(UNLINK, AT_FDCWD, path) ? -1 : REAL(unlink)(path); }

int unlinkat(int folder, const char *path, int flags) {
    return name_fails(UNLINK, folder, path) ? -1 : REAL(unlinkat)(folder, path, flags);
}

int mkdir(const char *path, mode_t mode) {
    char whole[PATH_MAX];
    if (control && LOAD(control->full) && named(AT_FDCWD, path, whole) && access(path, F_OK) && no_room()) return -1;
    return REAL(mkdir)(path, mode);
}

/* ---- the wall clock ---------------------------------------------------------------------------------------------------- */

static int64_t offset_ns(void) { return control ? LOAD(control->clock_offset_ns) : 0; }

static struct timespec moved(struct timespec time, int64_t by_ns) {
    int64_t rest = time.tv_nsec + by_ns % 1000000000;
    time.tv_sec += by_ns / 1000000000;
    if (rest < 0) { rest += 1000000000; time.tv_sec--; }
    if (rest >= 1000000000) { rest -= 1000000000; time.tv_sec++; }
    time.tv_nsec = rest;
    return time;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int failed = REAL(clock_gettime)(clock, time);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) *time = moved(*time, offset_ns());
    return failed;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *where) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}

/* Who waits until a time of the stepped clock means that clock: the kernel knows the true one only. */
#define TRUE_TIME(until) struct timespec told = moved(*(until), -offset_ns())

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    /* Of which clock it is, the condition knows; no machine runs for thirty years, so a large one is the wall's. */
    if (until->tv_sec < 1000000000) return REAL(pthread_cond_timedwait)(condition, mutex, until);
    TRUE_TIME(until);
    return REAL(pthread_cond_timedwait)(condition, mutex, &told);
}

int pthread_cond_clockwait(
    pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until) {
    if (clock != CLOCK_REALTIME) return REAL(pthread_cond_clockwait)(condition, mutex, clock, until);
    TRUE_TIME(until);
    return REAL(pthread_cond_clockwait)(condition, mutex, clock, &told);
}

int sem_timedwait(sem_t *semaphore, const struct timespec *until) {
    TRUE_TIME(until);
    return REAL(sem_timedwait)(semaphore, &told);
}

int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until) {
    if (clock != CLOCK_REALTIME) return REAL(sem_clockwait)(semaphore, clock, until);
    TRUE_TIME(until);
    return REAL(sem_clockwait)(semaphore, clock, &told);
}

/* Some libraries wait on a futex without libc. */
long syscall(long number, ...) {
    long a[6];
    va_list more;
    va_start(more, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(more, long);
    va_end(more);
    if (number == SYS_futex && a[3] && (a[1] & FUTEX_CLOCK_REALTIME)) {
        TRUE_TIME((const struct timespec *)a[3]);
        return REAL(syscall)(number, a[0], a[1], a[2], (long)&told, a[4], a[5]);
    }
    return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
