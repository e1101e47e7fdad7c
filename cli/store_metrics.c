/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/store_metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "store/snapshots.h"

static int write_value(struct wcow_buf *out, const char *name, const char *type, const char *help,
                       uint64_t value, struct wcow_error *err)
{
    return wcow_buf_addf(out, err, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name,
                         type, name, value);
}

/* A histogram, whose buckets each count those below them too. */
static int write_batches(struct wcow_buf *out, const struct wcow_store_stats *stats,
                         struct wcow_error *err)
{
    int r = wcow_buf_addf(out, err,
                          "# HELP wcow_store_batch_operations Operations in one transaction.\n"
                          "# TYPE wcow_store_batch_operations histogram\n");
    uint64_t n = 0;
    for (size_t i = 0; r == WCOW_OK && i + 1 < WCOW_STORE_BATCH_SIZES; i++) {
        n += stats->by_size[i];
        r = wcow_buf_addf(out, err, "wcow_store_batch_operations_bucket{le=\"%u\"} %" PRIu64 "\n",
                          1U << i, n);
    }
    if (r == WCOW_OK)
        r = wcow_buf_addf(out, err,
                          "wcow_store_batch_operations_bucket{le=\"+Inf\"} %" PRIu64 "\n"
                          "wcow_store_batch_operations_sum %" PRIu64 "\n"
                          "wcow_store_batch_operations_count %" PRIu64 "\n",
                          stats->transactions, stats->operations, stats->transactions);
    return r;
}

static uint64_t size_of(const struct wcow_store *store, const char *name)
{
    char path[4096];
    struct stat st = {0};
    (void)snprintf(path, sizeof(path), "%s/%s", wcow_store_root(store), name);
    (void)stat(path, &st); /* a size of 0 says that it could not be asked */
    return (uint64_t)st.st_size;
}

static int total(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    return wcow_snapshots_total(db, arg, err);
}

static int write_snapshots(struct wcow_store *store, struct wcow_buf *out, struct wcow_error *err)
{
    struct wcow_snapshots_totals totals = {0};
    int r = wcow_store_read(store, total, &totals, err);
    if (r == WCOW_OK)
        r = wcow_buf_addf(out, err,
                          "# HELP wcow_snapshots Snapshots by their kind.\n"
                          "# TYPE wcow_snapshots gauge\n"
                          "wcow_snapshots{kind=\"active\"} %" PRIu64 "\n"
                          "wcow_snapshots{kind=\"view\"} %" PRIu64 "\n"
                          "wcow_snapshots{kind=\"committed\"} %" PRIu64 "\n",
                          totals.n_active, totals.n_views, totals.n_committed);
    return r < 0
               ? r
               : write_value(out, "wcow_snapshots_bytes", "gauge",
                             "Size of what committed snapshots hold.", totals.committed_bytes, err);
}

int wcow_store_metrics_write(struct wcow_store *store, struct wcow_buf *out, struct wcow_error *err)
{
    struct wcow_store_stats stats = wcow_store_stats(store);
    int r = write_value(out, "wcow_store_transactions_total", "counter",
                        "Transactions of the store.", stats.transactions, err);
    if (r == WCOW_OK)
        r = write_value(out, "wcow_store_operations_total", "counter",
                        "Operations in those transactions.", stats.operations, err);
    if (r == WCOW_OK)
        r = write_value(out, "wcow_store_largest_batch", "gauge",
                        "Most operations in one transaction.", stats.largest_batch, err);
    if (r == WCOW_OK)
        r = write_batches(out, &stats, err);
    if (r == WCOW_OK)
        r = write_value(out, "wcow_store_bytes", "gauge", "Size of metadata.db.",
                        size_of(store, "metadata.db"), err);
    if (r == WCOW_OK)
        r = write_value(out, "wcow_store_log_bytes", "gauge", "Size of its log.",
                        size_of(store, "metadata.db-wal"), err);
    return r < 0 ? r : write_snapshots(store, out, err);
}
