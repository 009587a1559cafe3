/* A disk that loses its power or fails. Loaded before libc, it passes the writes to a database through
 * and logs how to undo those that no fsync has made durable.
 *
 * 1. Before a write or a truncation of a followed file, it appends the bytes that will be lost to the log.
 * 2. It logs each sync of the file, and does not pass the sync on: the log says what is durable.
 * 3. The test kills the process and undoes what came after each file's last sync.
 *
 * While the file $TM_POWER_CUT_FAULT exists, the disk fails with EIO: at writes to the followed files if
 * that file begins with 'w', else at their syncs.
 *
 * It follows the files whose path is $TM_POWER_CUT_DATABASE, alone or with "-wal" or "-journal". The
 * "-shm" file is shared memory, which SQLite rebuilds.
 *
 * The log is a sequence of records, in the machine's byte order: kind (1: undo, 2: sync), file (0:
 * database, 1: wal, 2: journal), length of the bytes that follow, offset, size of the file before, length
 * of the write, each a uint64_t; then the bytes that were there before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t plain_write(int fd, const void *bytes, size_t length) {
    return syscall(SYS_write, fd, bytes, length);
}

/* Which followed file a descriptor is, or -1. */
static int followed(int fd) {
    static const char *const endings[] = {"", "-wal", "-journal"};
    const char *database = getenv("TM_POWER_CUT_DATABASE");
    char link[64], path[4096];
    if (database == NULL) return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    size_t stem = strlen(database);
    if (length < (ssize_t)stem) return -1;
    path[length] = 0;
    if (strncmp(path, database, stem) != 0) return -1;
    for (int file = 0; file < 3; file++)
        if (strcmp(path + stem, endings[file]) == 0) return file;
    return -1;
}

/* Whether the disk fails now, at writes ('w') or at syncs ('s'). */
static int fails(char at) {
    const char *fault = getenv("TM_POWER_CUT_FAULT");
    int fd = fault == NULL ? -1 : open(fault, O_RDONLY);
    if (fd < 0) return 0;
    char first = 's';
    if (read(fd, &first, 1) != 1) first = 's';
    close(fd);
    if ((first == 'w') != (at == 'w')) return 0;
    errno = EIO;
    return 1;
}

static void append(uint64_t kind, uint64_t file, uint64_t length, uint64_t offset, uint64_t size, uint64_t written,
                   const void *bytes) {
    static int log = -1;
    if (log < 0) log = open(getenv("TM_POWER_CUT_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    uint64_t head[6] = {kind, file, length, offset, size, written};
    char *record = malloc(sizeof head + length);
    if (log < 0 || record == NULL) abort();
    memcpy(record, head, sizeof head);
    memcpy(record + sizeof head, bytes, length);
    if (plain_write(log, record, sizeof head + length) != (ssize_t)(sizeof head + length)) abort();
    free(record);
}

/* Logs the present bytes from `offset` on, at most `length` of them. */
static void remember(int fd, int file, off_t offset, size_t length, size_t written) {
    struct stat now;
    if (fstat(fd, &now) != 0) abort();
    size_t there = now.st_size > offset ? (size_t)(now.st_size - offset) : 0;
    size_t kept = there < length ? there : length;
    char *bytes = malloc(kept + 1);
    if (bytes == NULL || pread(fd, bytes, kept, offset) != (ssize_t)kept) abort();
    append(1, file, kept, offset, now.st_size, written, bytes);
    free(bytes);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    int file = followed(fd);
    if (file < 0) return plain_write(fd, bytes, length);
    if (fails('w')) return -1;
    pthread_mutex_lock(&lock);
    remember(fd, file, lseek(fd, 0, SEEK_CUR), length, length);
    ssize_t written = plain_write(fd, bytes, length);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    int file = followed(fd);
    if (file < 0) return syscall(SYS_pwrite64, fd, bytes, length, offset);
    if (fails('w')) return -1;
    pthread_mutex_lock(&lock);
    remember(fd, file, offset, length, length);
    ssize_t written = syscall(SYS_pwrite64, fd, bytes, length, offset);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }

int ftruncate64(int fd, off64_t size) {
    int file = followed(fd);
    if (file < 0) return syscall(SYS_ftruncate, fd, size);
    if (fails('w')) return -1;
    pthread_mutex_lock(&lock);
    remember(fd, file, size, SIZE_MAX, 0);
    int outcome = syscall(SYS_ftruncate, fd, size);
    pthread_mutex_unlock(&lock);
    return outcome;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int fdatasync(int fd) {
    int file = followed(fd);
    if (file < 0) return syscall(SYS_fdatasync, fd);
    if (fails('s')) return -1;
    pthread_mutex_lock(&lock);
    append(2, file, 0, 0, 0, 0, "");
    pthread_mutex_unlock(&lock);
    return 0;
}

int fsync(int fd) { return followed(fd) < 0 ? (int)syscall(SYS_fsync, fd) : fdatasync(fd); }
