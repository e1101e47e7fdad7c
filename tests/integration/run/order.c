/* SPDX-License-Identifier: Apache-2.0 */
/* Lines on standard output and on standard error by turns, and one without an end. */
#include <stdio.h>

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    setvbuf(stderr, NULL, _IONBF, 0);
    for (int i = 0; i < 20; i++)
        fprintf(i % 2 ? stderr : stdout, "line %d\n", i);
    printf("no end");
    return 0;
}
