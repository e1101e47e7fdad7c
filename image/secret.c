/* SPDX-License-Identifier: Apache-2.0 */
#include "image/secret.h"

#include <stdlib.h>
#include <string.h>

void wcow_secret_free(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void wcow_secret_buf_done(struct wcow_buf *buf)
{
    if (buf->data)
        explicit_bzero(buf->data, buf->cap);
    wcow_buf_done(buf);
}
