/* SPDX-License-Identifier: Apache-2.0 */
/* The one program of the little Linux image that the tests pull and run beside Windows ones. */
#include <unistd.h>

int main(void)
{
    static const char text[] = "hello from Linux\n";
    return write(1, text, sizeof(text) - 1) == (ssize_t)(sizeof(text) - 1) ? 0 : 1;
}
