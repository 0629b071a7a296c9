/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store_trap.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE      4096u
#define TRAP_FLAG 0x100 /* single step */
#define OPEN_MAX  4     /* pages that one instruction can store to */

static uint8_t *start;
static size_t length;
static uint64_t count, fatal_at;
static uint8_t *opened[OPEN_MAX];
static unsigned opened_count;
static void (*watcher)(uint64_t number);

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    uint8_t *at = info->si_addr;
    if (at < start || at >= start + length || opened_count == OPEN_MAX) {
        signal(SIGSEGV, SIG_DFL); /* an honest crash */
        return;
    }
    if (opened_count == 0) {
        if (++count == fatal_at)
            kill(getpid(), SIGKILL);
        if (watcher)
            watcher(count);
    }
    uint8_t *page = start + (size_t)(at - start) / PAGE * PAGE;
    mprotect(page, PAGE, PROT_READ | PROT_WRITE);
    opened[opened_count++] = page;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_step(int signal_number, siginfo_t *info, void *context)
{
    while (opened_count)
        mprotect(opened[--opened_count], PAGE, PROT_READ);
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

void store_trap_arm(void *memory, size_t size, uint64_t fatal)
{
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    start = memory;
    length = size;
    fatal_at = fatal;
    sigaction(SIGSEGV, &fault, NULL);
    sigaction(SIGTRAP, &step, NULL);
    if (mprotect(memory, size, PROT_READ))
        abort();
}

void store_trap_watch(void (*before)(uint64_t number))
{
    watcher = before;
}

uint64_t store_trap_count(void)
{
    return count;
}
