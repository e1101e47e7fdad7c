/* SPDX-License-Identifier: Apache-2.0 */
/** @file wine_reg.h
 *  Wine's registry files ("WINE REGISTRY Version 2"): keys and values in memory, read, changed,
 *  written, compared. A file has some 20,000 keys and a RUN changes a few: a key stays the text
 * that it was until somebody asks for its values, and goes out as that text again. Key paths are
 *  separated by backslashes; letter case of names is ignored as Windows does for ASCII. Text is
 *  WTF-8. Source: how Wine 8 and 10 write system.reg. */
#ifndef WCOW_BUILDER_WINE_REG_H
#define WCOW_BUILDER_WINE_REG_H

#include "base/bytes.h"

struct wcow_reg_value {
    char *name; /**< "" is the key's default value */
    uint32_t type;
    uint8_t *data; /**< as a hive has it: strings are UTF-16LE with their NUL */
    size_t len;
};

struct wcow_reg_key {
    char *path;      /**< "Software\\Vendor", single backslashes */
    bool is_own;     /**< the path was allocated for this key, else it stands in reg->paths */
    const char *raw; /**< its lines in reg->text, from '[' on; NULL: what follows holds them */
    size_t raw_len;
    struct wcow_reg_value *values;
    size_t n_values;
    char *extra; /**< lines that begin with '#' (class, link), as they stand; or NULL */
    bool is_link;
};

/** Keys sorted by path. */
struct wcow_reg {
    char *text;  /**< the file */
    char *paths; /**< those of the keys that it had */
    size_t head_len;
    struct wcow_reg_key *keys;
    size_t n_keys;
    size_t cap_keys;
};

/** The values are looked at when they are asked for: WCOW_E_CORRUPT may come then, too. */
WCOW_NODISCARD int wcow_reg_parse(const char *text, struct wcow_reg **ret, struct wcow_error *err);
WCOW_NODISCARD int wcow_reg_write(const struct wcow_reg *reg, struct wcow_buf *out,
                                  struct wcow_error *err);
/** An empty registry. NULL: no memory. */
struct wcow_reg *wcow_reg_new(void);
/** From the key's text to its values. */
WCOW_NODISCARD int wcow_reg_decode(struct wcow_reg_key *key, struct wcow_error *err);
/** Whether two keys are the same text but for the time of their last change. */
bool wcow_reg_same_text(const struct wcow_reg_key *a, const struct wcow_reg_key *b);
void wcow_reg_free(struct wcow_reg *reg);
WCOW_DEFINE_CLEANUP(struct wcow_reg, wcow_reg_free)

/** 1 and the key with its values, or 0. It is valid until another is made or removed. */
WCOW_NODISCARD int wcow_reg_find(struct wcow_reg *reg, const char *path, struct wcow_reg_key **ret,
                                 struct wcow_error *err);
/** NULL where there is none. */
const struct wcow_reg_value *wcow_reg_value(const struct wcow_reg_key *key, const char *name);
/** The key, made where it is missing. It is valid until the next one is made or removed. */
WCOW_NODISCARD int wcow_reg_make(struct wcow_reg *reg, const char *path, struct wcow_reg_key **ret,
                                 struct wcow_error *err);
WCOW_NODISCARD int wcow_reg_set(struct wcow_reg_key *key, const char *name, uint32_t type,
                                const void *data, size_t len, struct wcow_error *err);
void wcow_reg_unset(struct wcow_reg_key *key, const char *name);
/** The key and all below it. */
void wcow_reg_remove(struct wcow_reg *reg, const char *path);

/** Order of paths: a key stands before what is below it; case ignored. */
int wcow_reg_compare_paths(const char *a, const char *b);
/** Whether @p path is @p top or lies below it. */
bool wcow_reg_is_below(const char *path, const char *top);
/** Where the path stands among the keys, or would. */
size_t wcow_reg_position(const struct wcow_reg *reg, const char *path, bool *ret_found);
/** Room for one more key at @p at; its path is given to the registry. */
WCOW_NODISCARD int wcow_reg_insert(struct wcow_reg *reg, size_t at, const struct wcow_reg_key *key,
                                   struct wcow_error *err);

/** What differs between two registries, in order. Of a removed key only the topmost is told, of a
 *  new one each value. Any may be NULL. */
struct wcow_reg_changes {
    int (*key_removed)(void *arg, const char *path, struct wcow_error *err);
    int (*key_added)(void *arg, const char *path, struct wcow_error *err);
    int (*value_set)(void *arg, const char *path, const struct wcow_reg_value *value,
                     struct wcow_error *err);
    int (*value_removed)(void *arg, const char *path, const char *name, struct wcow_error *err);
    void *arg;
};
WCOW_NODISCARD int wcow_reg_diff(struct wcow_reg *before, struct wcow_reg *after,
                                 const struct wcow_reg_changes *changes, struct wcow_error *err);

#endif
