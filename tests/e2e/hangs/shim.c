/* Makes a disk hang for the process that loads this library.
 *
 * While HANG_FOLDER/hang-fsync exists, fsync hangs; while HANG_FOLDER/hang-open exists, so does
 * every open of a path in HANG_FOLDER/lists. A call that hangs first creates HANG_FOLDER/hangs,
 * which tests wait for. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void hang_if_requested(const char *flag)
{
    char path[4096], mark[4096];
    const char *folder = getenv("HANG_FOLDER");
    if (!folder)
        return;
    snprintf(path, sizeof path, "%s/%s", folder, flag);
    snprintf(mark, sizeof mark, "%s/hangs", folder);
    if (access(path, F_OK) != 0)
        return;
    syscall(SYS_openat, AT_FDCWD, mark, O_CREAT | O_WRONLY, 0600);
    for (;;)
        pause();
}

int fsync(int fd)
{
    hang_if_requested("hang-fsync");
    return syscall(SYS_fsync, fd);
}

static int open_path(const char *path, int flags, mode_t mode)
{
    const char *folder = getenv("HANG_FOLDER");
    if (folder && strncmp(path, folder, strlen(folder)) == 0 && strstr(path, "/lists/"))
        hang_if_requested("hang-open");
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

#define MODE(flags, mode)               \
    mode_t mode = 0;                    \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list rest;                   \
        va_start(rest, flags);          \
        mode = va_arg(rest, mode_t);    \
        va_end(rest);                   \
    }

int open64(const char *path, int flags, ...)
{
    MODE(flags, mode)
    return open_path(path, flags | O_LARGEFILE, mode);
}

int open(const char *path, int flags, ...)
{
    MODE(flags, mode)
    return open_path(path, flags, mode);
}
