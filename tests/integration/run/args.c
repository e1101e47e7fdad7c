/* SPDX-License-Identifier: Apache-2.0 */
/* What a program is given: its arguments and a variable; exits with its second argument. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    printf("%d", argc);
    for (int i = 1; i < argc; i++)
        printf(" [%s]", argv[i]);
    printf(" %s\n", getenv("GREETING"));
    fflush(stdout);
    fprintf(stderr, "on stderr\n");
    return argc > 2 ? atoi(argv[2]) : 0;
}
