/* harden.c - daemon_harden: give up for good what a small network daemon never needs.
 *
 * Three nets, each for the case that somebody makes this process run code of theirs: it gains no
 * privileges by executing something, it changes no file, and most of the kernel is out of reach.
 * All are optional: an old kernel, or a container runtime's own filter, may refuse any of them. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon.h"

/* -- files ----------------------------------------------------------------------------------- */

/* Landlock denies what a ruleset handles and no rule grants: there is no rule, so nothing below is
 * possible any more. Reading is left: names and certificates are read while we run. */
static bool restrict_files(void)
{
    static const uint64_t handled[] = {
        0,
        LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
            LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
            LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
            LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
            LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM,
        1ull << 13, /* LANDLOCK_ACCESS_FS_REFER */
        1ull << 14, /* LANDLOCK_ACCESS_FS_TRUNCATE */
    };
    struct landlock_ruleset_attr attr = {0};
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    for (long i = 1; i <= version && i < (long)(sizeof(handled) / sizeof(*handled)); i++)
        attr.handled_access_fs |= handled[i];
    if (version < 1)
        return false;
    /* Of the structure an old kernel knows only the first member. */
    long ruleset = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
    if (ruleset < 0)
        return false;
    bool done = syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    close((int)ruleset);
    return done;
}

/* -- system calls ---------------------------------------------------------------------------- */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifdef ARCHITECTURE

#define LOAD(member) \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, member))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define WHEN(number, value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), RETURN(value)
#define ALLOW(name) WHEN(SYS_##name, SECCOMP_RET_ALLOW)
#define KILL(name) WHEN(SYS_##name, SECCOMP_RET_KILL_PROCESS)

/* What glibc's resolver and threads, libuv, libpq and OpenSSL call after start-up; those of every
 * request come first, for kernels that do not remember their verdicts. Some calls exist on one
 * architecture only. */
static const struct sock_filter filter[] = {
    LOAD(arch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
    RETURN(SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),
    ALLOW(read),
    ALLOW(write),
    ALLOW(epoll_pwait),
#ifdef SYS_epoll_wait
    ALLOW(epoll_wait),
#endif
    ALLOW(epoll_ctl),
    ALLOW(accept4),
    ALLOW(close),
    ALLOW(writev),
    ALLOW(recvfrom),
    ALLOW(sendto),
    ALLOW(shutdown),
    ALLOW(futex),
    ALLOW(clock_gettime),
    ALLOW(readv),
    ALLOW(recvmsg),
    ALLOW(sendmsg),
    ALLOW(sendmmsg),
    ALLOW(socket),
    ALLOW(connect),
    ALLOW(bind),
    ALLOW(getsockname),
    ALLOW(getpeername),
    ALLOW(setsockopt),
    ALLOW(getsockopt),
    ALLOW(ioctl),
    ALLOW(fcntl),
    ALLOW(ppoll),
#ifdef SYS_poll
    ALLOW(poll),
#endif
    ALLOW(epoll_create1),
    ALLOW(eventfd2),
    ALLOW(pipe2),
    /* files are read: names, certificates */
    ALLOW(openat),
#ifdef SYS_open
    ALLOW(open),
    ALLOW(stat),
    ALLOW(access),
    ALLOW(readlink),
#endif
    ALLOW(fstat),
    ALLOW(newfstatat),
    ALLOW(faccessat),
    ALLOW(readlinkat),
    ALLOW(lseek),
    ALLOW(pread64),
    ALLOW(getdents64),
    /* memory */
    ALLOW(brk),
    ALLOW(mmap),
    ALLOW(munmap),
    ALLOW(mprotect),
    ALLOW(mremap),
    ALLOW(madvise),
    /* threads, signals, time */
    ALLOW(clone),
    ALLOW(clone3),
    ALLOW(set_robust_list),
    ALLOW(rseq),
    ALLOW(set_tid_address),
    ALLOW(sched_yield),
    ALLOW(sched_getaffinity),
    ALLOW(membarrier),
    ALLOW(rt_sigaction),
    ALLOW(rt_sigprocmask),
    ALLOW(rt_sigreturn),
    ALLOW(sigaltstack),
    ALLOW(tgkill), /* abort */
    ALLOW(restart_syscall),
    ALLOW(gettimeofday),
    ALLOW(clock_getres),
    ALLOW(clock_nanosleep),
    ALLOW(nanosleep),
    /* who and where we are */
    ALLOW(getpid),
    ALLOW(gettid),
    ALLOW(getuid),
    ALLOW(geteuid),
    ALLOW(getgid),
    ALLOW(getegid),
    ALLOW(uname),
    ALLOW(sysinfo),
    ALLOW(getrandom),
    ALLOW(getrusage),
    ALLOW(prlimit64),
    ALLOW(exit),
    ALLOW(exit_group),
    /* nobody calls these by mistake */
    KILL(execve),
    KILL(execveat),
    KILL(ptrace),
    KILL(process_vm_readv),
    KILL(process_vm_writev),
    /* All else: as if the kernel did not have it, for which libraries are prepared. That includes
     * the calls of the x32 ABI, whose numbers are none of the above. */
    RETURN(SECCOMP_RET_ERRNO | ENOSYS),
};

static bool restrict_calls(void)
{
    struct sock_fprog program = {sizeof(filter) / sizeof(*filter),
                                 (struct sock_filter *)(uintptr_t)filter};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

#else

static bool restrict_calls(void)
{
    return false; /* nobody has tried which calls this architecture needs */
}

#endif

void daemon_harden(struct daemon_hardening *got)
{
    struct daemon_hardening ignored;
    if (!got)
        got = &ignored;
    got->no_new_privs = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    got->landlock = got->no_new_privs && restrict_files();
    got->seccomp = got->no_new_privs && restrict_calls();
}
