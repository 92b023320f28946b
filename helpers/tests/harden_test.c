/* harden_test.c - what a hardened process can no longer do, and that a kernel which offers nothing
 * of it is borne. */
/* wrap: syscall prctl */
#include "daemon.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- a kernel that may refuse -------------------------------------------------------------------
 */

static long refused; /* the system call that is refused; 0: none, -1: all */
static bool pretend; /* say yes, but do nothing */

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    long a = va_arg(list, long);
    long b = va_arg(list, long);
    long c = va_arg(list, long);
    va_end(list);
    if (number == refused || refused == -1) {
        errno = ENOSYS;
        return -1;
    }
    if (!pretend)
        return __real_syscall(number, a, b, c);
    if (number == SYS_landlock_create_ruleset)
        return a ? dup(STDERR_FILENO) : 99; /* a version of the future */
    return 0;
}

int __real_prctl(int what, ...);
int __wrap_prctl(int what, ...);
int __wrap_prctl(int what, ...)
{
    assert(what == PR_SET_NO_NEW_PRIVS);
    if (refused == -1) {
        errno = EPERM;
        return -1;
    }
    return pretend ? 0 : __real_prctl(what, 1, 0, 0, 0);
}

static void test_refusals(void)
{
    struct daemon_hardening got;
    refused = -1;
    daemon_harden(&got);
    assert(!got.no_new_privs && !got.landlock && !got.seccomp);
    daemon_harden(NULL);
    pretend = true;
    refused = 0;
    daemon_harden(&got);
    assert(got.no_new_privs && got.landlock && got.seccomp);
    refused = SYS_landlock_restrict_self;
    daemon_harden(&got);
    assert(!got.landlock && got.seccomp);
    refused = SYS_landlock_create_ruleset;
    daemon_harden(&got);
    assert(!got.landlock && got.seccomp);
    refused = SYS_seccomp;
    daemon_harden(&got);
    assert(got.landlock && !got.seccomp);
    refused = 0;
    pretend = false;
}

/* -- the real one ---------------------------------------------------------------------------------
 */

/* Run it in a child that is hardened: its exit status, or 128 and the signal that ended it. */
static int hardened(int (*try)(const struct daemon_hardening *got))
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct daemon_hardening got;
        daemon_harden(&got);
        _exit(try(&got));
    }
    assert(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int try_file(const struct daemon_hardening *got)
{
    int fd = open("/tmp/harden_test", O_CREAT | O_WRONLY, 0600);
    if (fd >= 0)
        unlink("/tmp/harden_test");
    return got->landlock ? fd < 0 && errno == EACCES : 1;
}

static int try_reading(const struct daemon_hardening *got)
{
    (void)got;
    char octet;
    int fd = open("/etc/passwd", O_RDONLY);
    return fd >= 0 && read(fd, &octet, 1) == 1;
}

static int try_socket(const struct daemon_hardening *got)
{
    (void)got;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd >= 0 && close(fd) == 0;
}

static int try_unlisted(const struct daemon_hardening *got)
{
    return got->seccomp ? chroot("/") < 0 && errno == ENOSYS : 1;
}

static int try_exec(const struct daemon_hardening *got)
{
    char name[] = "/bin/true";
    char *argv[] = {name, NULL};
    if (!got->seccomp)
        return 128 + SIGSYS;
    execv(name, argv);
    return 0;
}

int main(void)
{
    test_refusals();
    assert(hardened(try_file) == 1);
    assert(hardened(try_reading) == 1);
    assert(hardened(try_socket) == 1);
    assert(hardened(try_unlisted) == 1);
    assert(hardened(try_exec) == 128 + SIGSYS);
    return 0;
}
