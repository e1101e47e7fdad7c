/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: one thread that reads and writes all connections, handles what is quick, and sends what
 * other threads have finished. Nobody else touches a connection, so there is nothing to lock, and
 * what is finished in one turn leaves in one system call. */
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "rpc/server_internal.h"

enum {
    MAX_EVENTS = 64,
    MAX_FREE_CALLS = 256,
    GATHER_NS = 20000,       /* answers wait for others at most */
    LONG_NS = 50000,         /* a round that did more than handle calls */
    CROWD_NS = 100 * 1000000 /* callers that were at work at the same time will be again */
};

/* ---- from other threads ---- */

static void wake(struct wcow_rpc_server *server)
{
    if (!atomic_exchange(&server->awake, true))
        (void)eventfd_write(server->loop_fd, 1);
}

void wcow_server_post(struct wcow_rpc_server *server, struct wcow_rpc_call *call, bool over)
{
    (void)pthread_mutex_lock(&server->post_lock);
    call->posted_over = call->posted_over || over;
    if (!call->posted) {
        call->posted = true;
        call->posted_next = NULL;
        *server->posted_last = call;
        server->posted_last = &call->posted_next;
    }
    (void)pthread_mutex_unlock(&server->post_lock);
    wake(server);
}

void wcow_rpc_server_has_answers(struct wcow_rpc_server *server)
{
    atomic_store(&server->has_answers, true);
    wake(server);
}

static void count_connection(struct wcow_rpc_server *server, bool more)
{
    (void)pthread_mutex_lock(&server->lock);
    server->n_connections += more ? 1 : (size_t)-1;
    (void)pthread_mutex_unlock(&server->lock);
    (void)pthread_cond_signal(&server->changed);
}

void wcow_server_adopt(struct wcow_rpc_server *server, int fd, const struct wcow_error *refusal,
                       bool greeted)
{
    struct wcow_arrival *arrival = malloc(sizeof(*arrival));
    if (!arrival) {
        (void)close(fd);
        return;
    }
    *arrival = (struct wcow_arrival){.fd = fd, .greeted = greeted, .refused = refusal != NULL};
    if (refusal)
        arrival->refusal = *refusal;
    count_connection(server, true);
    (void)pthread_mutex_lock(&server->post_lock);
    arrival->next = server->arrivals;
    server->arrivals = arrival;
    (void)pthread_mutex_unlock(&server->post_lock);
    wake(server);
}

void wcow_server_want(struct wcow_rpc_server *server, enum wcow_server_phase phase)
{
    (void)pthread_mutex_lock(&server->lock);
    server->wanted = phase;
    (void)pthread_mutex_unlock(&server->lock);
    wake(server);
}

/* ---- calls ---- */

struct wcow_loop_buffers *wcow_server_buffers(struct wcow_rpc_server *server)
{
    return server->buffers;
}

struct wcow_rpc_call *wcow_server_take_call(struct wcow_rpc_server *server)
{
    struct wcow_rpc_call *call = server->free_calls;
    if (!call)
        return wcow_call_new(server);
    server->free_calls = call->next;
    server->n_free_calls--;
    return call;
}

static void recycle(struct wcow_rpc_server *server, struct wcow_rpc_call *call)
{
    wcow_server_count(server, call, false);
    if (server->n_free_calls >= MAX_FREE_CALLS) {
        wcow_call_free(call);
        return;
    }
    wcow_call_reset(call);
    call->next = server->free_calls;
    server->free_calls = call;
    server->n_free_calls++;
}

void wcow_server_ready(struct wcow_rpc_server *server, struct wcow_rpc_call *call)
{
    call->next = NULL;
    *server->ready_last = call;
    server->ready_last = &call->next;
    if (call->deadline_ns &&
        (!server->next_deadline_ns || call->deadline_ns < server->next_deadline_ns))
        server->next_deadline_ns = call->deadline_ns;
}

void wcow_server_closed(struct wcow_rpc_server *server, struct wcow_rpc_call *call)
{
    if (call->over || !call->begun)
        recycle(server, call);
    else
        wcow_call_cancel(call);
}

static void attend(struct wcow_rpc_server *server, struct wcow_rpc_call *call, bool over)
{
    call->over = over;
    if (call->connection)
        wcow_h2_answer(call->connection, call);
    else if (over)
        recycle(server, call);
}

static void attend_posted(struct wcow_rpc_server *server)
{
    (void)pthread_mutex_lock(&server->post_lock);
    while (server->posted) {
        struct wcow_rpc_call *call = server->posted;
        bool over = call->posted_over;
        server->posted = call->posted_next;
        if (!server->posted)
            server->posted_last = &server->posted;
        call->posted = false;
        (void)pthread_mutex_unlock(&server->post_lock);
        attend(server, call, over);
        (void)pthread_mutex_lock(&server->post_lock);
    }
    (void)pthread_mutex_unlock(&server->post_lock);
}

static void flush_dirty(struct wcow_rpc_server *server)
{
    while (server->dirty) {
        struct wcow_h2 *h2 = server->dirty;
        server->dirty = h2->dirty_next;
        h2->dirty = false;
        wcow_h2_flush(h2);
    }
}

static void send_answers(struct wcow_rpc_server *server)
{
    attend_posted(server);
    flush_dirty(server);
}

/* Handlers never see a caller that went away before its turn. Answers that are there within a
 * moment leave together, which spares both ends a system call and a switch for each. */
static void dispatch_ready(struct wcow_rpc_server *server)
{
    uint64_t since_ns = wcow_now_ns();
    while (server->ready) {
        struct wcow_rpc_call *call = server->ready;
        server->ready = call->next;
        if (!server->ready)
            server->ready_last = &server->ready;
        if (call->connection)
            wcow_server_dispatch(server, call);
        else
            recycle(server, call);
        uint64_t now_ns = wcow_now_ns();
        if (now_ns - since_ns < GATHER_NS)
            continue;
        send_answers(server);
        since_ns = now_ns;
    }
    send_answers(server);
}

static void end_overdue(struct wcow_rpc_server *server)
{
    uint64_t now = server->next_deadline_ns ? wcow_now_ns() : 0;
    if (now < server->next_deadline_ns || !server->next_deadline_ns)
        return;
    server->next_deadline_ns = 0;
    for (struct wcow_h2 *h2 = server->connections; h2; h2 = h2->next) {
        for (struct wcow_rpc_call *call = h2->calls; call; call = call->open_next) {
            if (call->deadline_ns == 0)
                continue;
            if (call->deadline_ns <= now) {
                wcow_h2_expire(h2, call);
            } else if (!server->next_deadline_ns || call->deadline_ns < server->next_deadline_ns) {
                server->next_deadline_ns = call->deadline_ns;
            }
        }
    }
}

/* ---- connections ---- */

void wcow_server_dirty(struct wcow_rpc_server *server, struct wcow_h2 *h2)
{
    if (h2->dirty)
        return;
    h2->dirty = true;
    h2->dirty_next = server->dirty;
    server->dirty = h2;
}

void wcow_server_watch_writable(struct wcow_rpc_server *server, struct wcow_h2 *h2, bool watch)
{
    if (h2->blocked == watch)
        return;
    h2->blocked = watch;
    struct epoll_event event = {.events = EPOLLIN | (watch ? (uint32_t)EPOLLOUT : 0),
                                .data.ptr = h2};
    (void)epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, h2->fd, &event);
}

static void add_connection(struct wcow_rpc_server *server, const struct wcow_arrival *arrival)
{
    struct wcow_h2 *h2 = NULL;
    struct wcow_error err = {0};
    const struct wcow_error *refusal = arrival->refused ? &arrival->refusal : NULL;
    if (wcow_h2_new(server, arrival->fd, refusal, arrival->greeted, &h2, &err) < 0) {
        wcow_log(WCOW_LOG_WARN, "a connection is lost", WCOW_STR("error", err.msg));
        count_connection(server, false);
        return;
    }
    h2->next = server->connections;
    server->connections = h2;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = h2};
    h2->dead = epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, h2->fd, &event) < 0;
    wcow_server_dirty(server, h2);
    if (server->phase == WCOW_SERVER_DRAINS)
        wcow_h2_drain(h2);
}

static void add_arrivals(struct wcow_rpc_server *server)
{
    (void)pthread_mutex_lock(&server->post_lock);
    struct wcow_arrival *arrival = server->arrivals;
    server->arrivals = NULL;
    (void)pthread_mutex_unlock(&server->post_lock);
    while (arrival) {
        struct wcow_arrival *next = arrival->next;
        add_connection(server, arrival);
        free(arrival);
        arrival = next;
    }
}

static void free_dead(struct wcow_rpc_server *server)
{
    for (struct wcow_h2 **at = &server->connections; *at;) {
        struct wcow_h2 *h2 = *at;
        if (!h2->dead) {
            at = &h2->next;
            continue;
        }
        *at = h2->next;
        wcow_h2_free(h2);
        count_connection(server, false);
    }
}

static void go_on_to_phase(struct wcow_rpc_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    enum wcow_server_phase wanted = server->wanted;
    (void)pthread_mutex_unlock(&server->lock);
    if (wanted == server->phase)
        return;
    server->phase = wanted;
    for (struct wcow_h2 *h2 = server->connections; h2; h2 = h2->next) {
        if (wanted == WCOW_SERVER_DRAINS)
            wcow_h2_drain(h2);
        else
            wcow_h2_abort(h2);
    }
}

/* ---- turns ---- */

static void take_events(struct wcow_rpc_server *server, const struct epoll_event *events, int n)
{
    for (int i = 0; i < n; i++) {
        struct wcow_h2 *h2 = events[i].data.ptr;
        eventfd_t ignored = 0;
        if (!h2) {
            (void)eventfd_read(server->loop_fd, &ignored);
            continue;
        }
        if (events[i].events & EPOLLOUT)
            wcow_server_dirty(server, h2);
        if (!h2->dead && events[i].events & ~(uint32_t)EPOLLOUT)
            wcow_h2_read(h2);
    }
}

/* Callers that are at work together show by what came in while a round took its time: a lone one
 * has nothing to ask before it is answered. */
static void look_for_company(struct wcow_rpc_server *server, uint64_t begun_ns)
{
    uint64_t now = wcow_now_ns();
    if (now - begun_ns < LONG_NS)
        return;
    struct epoll_event events[MAX_EVENTS];
    int n = epoll_wait(server->epoll_fd, events, MAX_EVENTS, 0);
    take_events(server, events, n);
    if (server->ready)
        server->crowded_until_ns = now + CROWD_NS;
}

static void run_round(struct wcow_rpc_server *server)
{
    if (!server->rounds.begin) {
        dispatch_ready(server);
        return;
    }
    uint64_t now = wcow_now_ns();
    bool several = server->ready->next != NULL;
    bool alone = !several && now >= server->crowded_until_ns;
    server->rounds.begin(server->rounds.ctx, several);
    dispatch_ready(server);
    (void)pthread_mutex_lock(&server->lock);
    alone = alone && server->n_active == 1;
    (void)pthread_mutex_unlock(&server->lock);
    server->rounds.end(server->rounds.ctx, alone);
    if (alone)
        look_for_company(server, now);
    send_answers(server);
    server->rounds.after(server->rounds.ctx);
}

/* What rounds have taken is done: all answers leave together. */
static void answer_round(struct wcow_rpc_server *server)
{
    if (!atomic_exchange(&server->has_answers, false))
        return;
    server->rounds.answer(server->rounds.ctx);
    send_answers(server);
    server->rounds.after(server->rounds.ctx);
}

/* How long nothing will be due. */
static int rest_ms(struct wcow_rpc_server *server)
{
    atomic_store(&server->awake, false);
    (void)pthread_mutex_lock(&server->post_lock);
    bool busy = server->posted || server->arrivals || atomic_load(&server->has_answers);
    (void)pthread_mutex_unlock(&server->post_lock);
    (void)pthread_mutex_lock(&server->lock);
    busy = busy || server->wanted != server->phase;
    (void)pthread_mutex_unlock(&server->lock);
    if (busy || server->ready || server->dirty)
        return 0;
    if (!server->next_deadline_ns)
        return -1;
    uint64_t now = wcow_now_ns();
    uint64_t left = server->next_deadline_ns > now ? server->next_deadline_ns - now : 0;
    return left / 1000000 < 60000 ? (int)(left / 1000000) + 1 : 60000;
}

void *wcow_server_loop(void *arg)
{
    struct wcow_rpc_server *server = arg;
    while (server->phase != WCOW_SERVER_ENDS) {
        struct epoll_event events[MAX_EVENTS];
        int n = epoll_wait(server->epoll_fd, events, MAX_EVENTS, rest_ms(server));
        atomic_store(&server->awake, true);
        take_events(server, events, n);
        add_arrivals(server);
        answer_round(server);
        if (server->ready)
            run_round(server);
        attend_posted(server);
        end_overdue(server);
        go_on_to_phase(server);
        flush_dirty(server);
        free_dead(server);
    }
    return NULL;
}
