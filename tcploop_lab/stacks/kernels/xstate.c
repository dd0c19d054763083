/* Loaded before user-mode Linux on processors with AMX. Kernels up to 6.11 keep 2,696 bytes of a process's registers,
 * and the host takes all of them or none (arch/x86/kernel/fpu/regset.c, xstateregs_set): here the rest is what the
 * process has. AMX itself (bits 17 and 18 of the state) is not to be had in such a kernel. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { GET_REGISTERS = 0x4204, SET_REGISTERS = 0x4205, XSTATE = 0x202, PEEKS_TO = 3, HEADER = 512, KNOWN = 0xfff };

static long set_some(long pid, const struct iovec *some) {
    static char state[1 << 16] __attribute__((aligned(64)));
    struct iovec all = {state, sizeof state};
    if (syscall(SYS_ptrace, GET_REGISTERS, pid, XSTATE, &all)) return -1;
    memcpy(state, some->iov_base, some->iov_len < all.iov_len ? some->iov_len : all.iov_len);
    *(unsigned long *)(state + HEADER) &= KNOWN;
    return syscall(SYS_ptrace, SET_REGISTERS, pid, XSTATE, &all);
}

long ptrace(enum __ptrace_request request, ...) {
    va_list list;
    va_start(list, request);
    long pid = va_arg(list, long), address = va_arg(list, long), word = 0;
    void *data = va_arg(list, void *);
    va_end(list);
    if ((int)request == SET_REGISTERS && address == XSTATE) return set_some(pid, data);
    if (request == 0 || (int)request > PEEKS_TO) return syscall(SYS_ptrace, request, pid, address, data);
    if (syscall(SYS_ptrace, request, pid, address, &word)) return -1; /* a peek: ptrace(2), C library and kernel */
    errno = 0;
    return word;
}
