/* SPDX-License-Identifier: Apache-2.0 */
/* A compiler small enough for a test: "exit N" in, a Windows program that exits with N out. It is a
 * Windows program itself, so that a build stage can compile under Wine. The image: headers, then
 * one section with the code. Source: Microsoft's PE format specification. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { FILE_ALIGN = 512, SECTION_ALIGN = 4096, HEADER_BYTES = 0x80 + 4 + 20 + 240 + 40 };

static uint8_t image[2 * FILE_ALIGN];

static void put(size_t at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        image[at + i] = (uint8_t)(value >> (8 * i));
}

static void put_headers(void)
{
    const size_t pe = 0x80;
    const size_t optional = pe + 24;
    const size_t section = optional + 240;
    memcpy(image, "MZ", 2);
    put(0x3c, pe, 4);
    memcpy(image + pe, "PE\0\0", 4);
    put(pe + 4, 0x8664, 2);  /* machine: x64 */
    put(pe + 6, 1, 2);       /* sections */
    put(pe + 20, 240, 2);    /* size of the optional header */
    put(pe + 22, 0x0022, 2); /* executable, large addresses */
    put(optional, 0x020b, 2);
    put(optional + 4, FILE_ALIGN, 4);
    put(optional + 16, SECTION_ALIGN, 4); /* entry point */
    put(optional + 20, SECTION_ALIGN, 4);
    put(optional + 24, 0x140000000, 8); /* image base */
    put(optional + 32, SECTION_ALIGN, 4);
    put(optional + 36, FILE_ALIGN, 4);
    put(optional + 40, 6, 2); /* of Windows, and of the subsystem */
    put(optional + 48, 6, 2);
    put(optional + 56, 2 * SECTION_ALIGN, 4);
    put(optional + 60, FILE_ALIGN, 4);
    put(optional + 68, 3, 2);        /* console */
    put(optional + 72, 0x100000, 8); /* stack */
    put(optional + 80, 0x1000, 8);   /* of it committed */
    put(optional + 88, 0x100000, 8); /* heap */
    put(optional + 96, 0x1000, 8);   /* of it committed */
    put(optional + 108, 16, 4);      /* directories, all empty */
    memcpy(image + section, ".text", 5);
    put(section + 8, FILE_ALIGN, 4);
    put(section + 12, SECTION_ALIGN, 4);
    put(section + 16, FILE_ALIGN, 4);
    put(section + 20, FILE_ALIGN, 4);
    put(section + 36, 0x60000020, 4); /* code, executable, readable */
}

/* Returning from the entry point ends the thread with the value, and with it the process. */
static void put_code(uint32_t value)
{
    image[FILE_ALIGN] = 0xb8; /* mov eax, value */
    put(FILE_ALIGN + 1, value, 4);
    image[FILE_ALIGN + 5] = 0xc3; /* ret */
}

int main(int argc, char **argv)
{
    unsigned value = 0;
    FILE *in = argc == 3 ? fopen(argv[1], "r") : NULL;
    FILE *out = in ? fopen(argv[2], "wb") : NULL;
    if (!out || fscanf(in, "exit %u", &value) != 1) {
        fprintf(stderr, "usage: cc SOURCE PROGRAM; a source is \"exit NUMBER\"\n");
        return 1;
    }
    put_headers();
    put_code(value);
    if (fwrite(image, 1, sizeof(image), out) != sizeof(image) || fclose(out) != 0)
        return 1;
    printf("compiled %s to %s\n", argv[1], argv[2]);
    return 0;
}
