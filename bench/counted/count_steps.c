/* Counts the user-mode instructions of a program from one frame to the next, by executing them one by one.
 *
 * count_steps SKIP FRAMES COMMAND...
 *
 * A frame ends with an atomic commit. Prints the number of instructions per frame after the first SKIP commits. x86-64
 * only, and only the first thread.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zc_drm.h"

static pid_t child;

static void die(const char *what)
{
    fprintf(stderr, "count_steps: %s: %s\n", what, strerror(errno));
    if (child > 0)
        kill(child, SIGKILL);
    exit(1);
}

/* Goes on to the next stop; signals that are not ours go to the program. */
static void go_on(int how)
{
    int status, signal = 0;

    for (;;) {
        if (ptrace(how, child, 0, (long)signal) < 0 || waitpid(child, &status, 0) < 0)
            die("ptrace");
        if (!WIFSTOPPED(status)) {
            errno = ECHILD;
            die("the program ended too early");
        }
        signal = WSTOPSIG(status);
        if (signal == SIGTRAP || signal == (SIGTRAP | 0x80))
            return;
    }
}

static struct user_regs_struct registers(void)
{
    struct user_regs_struct values;

    if (ptrace(PTRACE_GETREGS, child, 0, &values) < 0)
        die("PTRACE_GETREGS");
    return values;
}

static int is_commit(unsigned long number, const struct user_regs_struct *values)
{
    return number == SYS_ioctl && (unsigned int)values->rsi == (unsigned int)ZC_DRM_IOCTL_MODE_ATOMIC;
}

/* Whether the next instruction is the system call that commits. */
static int commits_next(void)
{
    struct user_regs_struct values = registers();

    if (!is_commit(values.rax, &values))
        return 0;
    return (ptrace(PTRACE_PEEKTEXT, child, values.rip, 0) & 0xffff) == 0x050f; /* syscall */
}

int main(int argc, char **argv)
{
    if (argc < 4)
        die("usage: count_steps SKIP FRAMES COMMAND...");
    long skip = atol(argv[1]), frames = atol(argv[2]);
    unsigned long steps = 0;
    child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execvp(argv[3], argv + 3);
        _exit(127);
    }
    if (child < 0 || waitpid(child, NULL, 0) < 0)
        die(argv[3]);
    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    for (long seen = 0; seen < skip; seen++)
        for (;;) {
            go_on(PTRACE_SYSCALL); /* entry */
            struct user_regs_struct values = registers();
            go_on(PTRACE_SYSCALL); /* exit */
            if (is_commit(values.orig_rax, &values))
                break;
        }
    for (long seen = 0; seen <= frames;) {
        int commits = commits_next();
        go_on(PTRACE_SINGLESTEP);
        seen += commits;
        steps += seen > 0 && seen <= frames;
    }
    printf("%.1f\n", (double)steps / frames);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return 0;
}
