/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/interrupt.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

enum { AT_ONCE = 3, SHELLS_OFFSET = 128 };

static atomic_bool interrupted;
static atomic_int first_signal;
static atomic_int n_signals;

/* The signal that is raised is delivered when the handler has returned. */
static void on_signal(int signal_number)
{
    int none = 0;
    (void)atomic_compare_exchange_strong(&first_signal, &none, signal_number);
    atomic_store(&interrupted, true);
    if (atomic_fetch_add(&n_signals, 1) + 1 >= AT_ONCE) {
        (void)signal(signal_number, SIG_DFL);
        (void)raise(signal_number);
    }
}

void wcow_interrupt_catch(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct sigaction before = {0};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        (void)sigaction(SIGHUP, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

const atomic_bool *wcow_interrupt_flag(void)
{
    return &interrupted;
}

int wcow_interrupt_exit_code(void)
{
    int number = atomic_load(&first_signal);
    return SHELLS_OFFSET + (number ? number : SIGINT);
}
