/* SPDX-License-Identifier: Apache-2.0 */
/* Progress as JSON, a document a line, in the fields of BuildKit's client.SolveStatus: vertexes,
 * statuses, logs. A step's "digest" is that of its number and name. */
#include "builder/progress_display.h"

#include <time.h>

#include "base/base64.h"
#include "base/digest.h"
#include "builder/json_text.h"
#include "image/config.h"

/* RFC 3339 of a monotonic time. */
static void add_time(struct wcow_buf *out, const char *key, uint64_t ms)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    uint64_t wall_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 -
                       (wcow_progress_now_ms() - ms);
    char text[WCOW_TIME_TEXT_MAX];
    if (wcow_time_format((int64_t)(wall_ms / 1000), (uint32_t)(wall_ms % 1000) * 1000000, text,
                         NULL) == WCOW_OK)
        (void)!wcow_buf_addf(out, NULL, ",\"%s\":\"%s\"", key, text);
}

static void add_string(struct wcow_buf *out, const char *key, const char *value)
{
    (void)!wcow_buf_addf(out, NULL, "\"%s\":", key);
    (void)!wcow_json_text_add(out, value, NULL);
}

static void add_digest(struct wcow_buf *out, const char *key, const struct wcow_progress_step *step)
{
    wcow_autobuf text = {0};
    struct wcow_digest digest = {0};
    if (wcow_buf_addf(&text, NULL, "%u %s", step->number, step->name) == WCOW_OK &&
        wcow_digest_of(text.data, text.len, &digest, NULL) == WCOW_OK)
        add_string(out, key, digest.text);
}

static void add_vertex(struct wcow_progress_state *s, struct wcow_progress_step *step)
{
    wcow_autobuf out = {0};
    (void)!wcow_buf_add_str(&out, "{\"vertexes\":[{", NULL);
    add_digest(&out, "digest", step);
    (void)!wcow_buf_add_str(&out, ",", NULL);
    add_string(&out, "name", step->name);
    add_time(&out, "started", step->start_ms);
    if (step->ended) {
        add_time(&out, "completed", step->end_ms);
        if (step->how == WCOW_PROGRESS_CACHED)
            (void)!wcow_buf_add_str(&out, ",\"cached\":true", NULL);
        if (step->how == WCOW_PROGRESS_ERROR || step->how == WCOW_PROGRESS_CANCELED) {
            (void)!wcow_buf_add_str(&out, ",", NULL);
            add_string(&out, "error", step->message ? step->message : "canceled");
        }
    }
    (void)!wcow_buf_add_str(&out, "}]}\n", NULL);
    wcow_progress_print(s->fd, &out);
}

static void status(struct wcow_progress_state *s, struct wcow_progress_step *step,
                   struct wcow_progress_item *item)
{
    wcow_autobuf out = {0};
    (void)!wcow_buf_add_str(&out, "{\"statuses\":[{", NULL);
    add_string(&out, "id", item->id);
    (void)!wcow_buf_add_str(&out, ",", NULL);
    add_digest(&out, "vertex", step);
    (void)!wcow_buf_addf(&out, NULL, ",\"current\":%llu,\"total\":%llu",
                         (unsigned long long)item->current, (unsigned long long)item->total);
    add_time(&out, "timestamp", item->end_ms);
    add_time(&out, "started", item->start_ms);
    if (item->done)
        add_time(&out, "completed", item->end_ms);
    (void)!wcow_buf_add_str(&out, "}]}\n", NULL);
    wcow_progress_print(s->fd, &out);
}

static void log_line(struct wcow_progress_state *s, struct wcow_progress_step *step,
                     const char *line)
{
    wcow_autobuf out = {0};
    wcow_autobuf data = {0};
    (void)!wcow_buf_add_str(&out, "{\"logs\":[{", NULL);
    add_digest(&out, "vertex", step);
    (void)!wcow_buf_addf(&data, NULL, "%s\n", line);
    (void)!wcow_buf_add_str(&out, ",\"stream\":2,\"data\":\"", NULL);
    (void)!wcow_base64_encode(data.data, data.len, &out, NULL);
    (void)!wcow_buf_add_str(&out, "\"", NULL);
    add_time(&out, "timestamp", wcow_progress_now_ms());
    (void)!wcow_buf_add_str(&out, "}]}\n", NULL);
    wcow_progress_print(s->fd, &out);
}

static void finish(struct wcow_progress_state *s)
{
    (void)s;
}

const struct wcow_progress_display wcow_progress_rawjson = {
    .start = add_vertex, .status = status, .log = log_line, .end = add_vertex, .finish = finish};
