/* SPDX-License-Identifier: Apache-2.0 */
/* Takes all it can get of what its argument names, "memory" or "disk", and then waits; "crash"
 * crashes. */
#include <stdio.h>
#include <string.h>
#include <windows.h>

enum { STEP = 16 << 20 };

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "crash") == 0)
        *(volatile int *)argv[2] = 1;
    const BOOL is_memory = argc > 1 && strcmp(argv[1], "memory") == 0;
    static char bytes[STEP];
    FILE *file = is_memory ? NULL : fopen("C:\\big", "wb");
    for (;;) {
        char *p =
            is_memory ? VirtualAlloc(NULL, STEP, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE) : bytes;
        if (!p)
            return 7;
        memset(p, 1, STEP);
        if (file && ftell(file) < 640 * 1024 * 1024)
            (void)fwrite(p, 1, STEP, file);
        else if (file)
            Sleep(100);
    }
}
