/* SPDX-License-Identifier: Apache-2.0 */
/* Starts RUN's command inside Wine; a Windows program, compiled by mingw-w64. Wine's own way from a
 * Unix argv to a command line escapes quotes, takes neither PATH nor TEMP from the environment, and
 * gives 8 bits of the exit code; so all three travel in files of W:, in UTF-16:
 *
 *   W:\command      the command line, as CreateProcess takes it
 *   W:\directory    where it starts
 *   W:\environment  "NAME=value", each ended by a NUL; added to what Windows gives
 *   W:\exit         written: the exit code, decimal
 *
 * Output goes through a Windows pipe, both streams through one so that their order stays: some
 * programs do not work on the Unix pipes that Wine hands through. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

enum { MAX_FILE_BYTES = 1 << 20, EXIT_NOT_STARTED = 9009, START_TRIES = 5, START_PAUSE_MS = 100 };

static void say(const char *what, const wchar_t *name)
{
    char text[1024];
    DWORD done = 0;
    int n = snprintf(text, sizeof(text), "wcow: %s %.300ls (error %lu)\n", what, name,
                     (unsigned long)GetLastError());
    if (n > 0)
        (void)WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), text, (DWORD)n, &done, NULL);
}

/* A whole file of UTF-16, with two NULs behind; NULL where it cannot be read. */
static wchar_t *read_text(const wchar_t *path, size_t *ret_units)
{
    HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    DWORD size = file == INVALID_HANDLE_VALUE ? 0 : GetFileSize(file, NULL);
    DWORD got = 0;
    wchar_t *text = NULL;
    if (file != INVALID_HANDLE_VALUE && size <= MAX_FILE_BYTES) {
        text = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, (size_t)size + 2 * sizeof(wchar_t));
        if (text && size && !ReadFile(file, text, size, &got, NULL))
            text = NULL;
    }
    if (file != INVALID_HANDLE_VALUE)
        (void)CloseHandle(file);
    if (!text)
        say("cannot read", path);
    *ret_units = got / sizeof(wchar_t);
    return text;
}

static bool is_of_linux(const wchar_t *name)
{
    static const wchar_t *const names[] = {L"HOME", L"LANG", L"PWD",   L"OLDPWD",
                                           L"_",    L"TERM", L"SHLVL", L"HOSTNAME"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (_wcsicmp(name, names[i]) == 0)
            return true;
    }
    return _wcsnicmp(name, L"WINE", 4) == 0;
}

/* What Wine was started with is no business of the command's. */
static void drop_linux_variables(void)
{
    wchar_t *block = GetEnvironmentStringsW();
    for (const wchar_t *p = block; p && *p; p += wcslen(p) + 1) {
        wchar_t name[64];
        size_t len = wcscspn(p, L"=");
        if (len == 0 || len >= sizeof(name) / sizeof(name[0]))
            continue;
        memcpy(name, p, len * sizeof(wchar_t));
        name[len] = L'\0';
        if (is_of_linux(name))
            (void)SetEnvironmentVariableW(name, NULL);
    }
    if (block)
        (void)FreeEnvironmentStringsW(block);
}

static void set_variables(wchar_t *text, size_t units)
{
    for (wchar_t *p = text; p < text + units; p += wcslen(p) + 1) {
        wchar_t *equals = wcschr(p, L'=');
        if (!equals || equals == p)
            continue;
        *equals = L'\0';
        (void)SetEnvironmentVariableW(p, equals + 1);
        p = equals + 1;
    }
}

static bool make_pipe(HANDLE *ret_read, HANDLE *ret_write)
{
    SECURITY_ATTRIBUTES inherit = {.nLength = sizeof(inherit), .bInheritHandle = TRUE};
    if (!CreatePipe(ret_read, ret_write, &inherit, 1 << 16))
        return false;
    return SetHandleInformation(*ret_read, HANDLE_FLAG_INHERIT, 0);
}

struct pump {
    HANDLE from;
    HANDLE to;
};

static DWORD WINAPI pump_output(void *arg)
{
    const struct pump *pump = arg;
    char bytes[4096];
    DWORD n = 0;
    while (ReadFile(pump->from, bytes, sizeof(bytes), &n, NULL) && n > 0) {
        for (DWORD at = 0, done = 0; at < n; at += done) {
            if (!WriteFile(pump->to, bytes + at, n - at, &done, NULL) || done == 0)
                return 1;
        }
    }
    return 0;
}

/* CreateProcess, again where Wine says that the new process was gone before it told that it had
 * started: nothing of the command has run then. Seen once in thousands of starts. */
static bool create(wchar_t *command, const wchar_t *directory, STARTUPINFOW *startup,
                   PROCESS_INFORMATION *ret)
{
    for (int tries = 1;; tries++) {
        if (CreateProcessW(NULL, command, NULL, NULL, TRUE, CREATE_UNICODE_ENVIRONMENT, NULL,
                           directory, startup, ret))
            return true;
        if (GetLastError() != ERROR_INTERNAL_ERROR || tries == START_TRIES)
            return false;
        Sleep(START_PAUSE_MS);
    }
}

static bool start(wchar_t *command, const wchar_t *directory, HANDLE out, PROCESS_INFORMATION *ret)
{
    SECURITY_ATTRIBUTES inherit = {.nLength = sizeof(inherit), .bInheritHandle = TRUE};
    HANDLE in = CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherit,
                            OPEN_EXISTING, 0, NULL);
    STARTUPINFOW startup = {.cb = sizeof(startup),
                            .dwFlags = STARTF_USESTDHANDLES,
                            .hStdInput = in,
                            .hStdOutput = out,
                            .hStdError = out};
    bool ok = create(command, directory, &startup, ret);
    if (!ok)
        say("cannot start", command);
    (void)CloseHandle(in);
    return ok;
}

static DWORD run(wchar_t *command, const wchar_t *directory)
{
    struct pump pump = {.to = GetStdHandle(STD_OUTPUT_HANDLE)};
    HANDLE out = NULL;
    PROCESS_INFORMATION process = {0};
    DWORD code = EXIT_NOT_STARTED;
    if (!make_pipe(&pump.from, &out))
        return code;
    HANDLE pumping = CreateThread(NULL, 0, pump_output, &pump, 0, NULL);
    bool started = start(command, directory, out, &process);
    (void)CloseHandle(out);
    if (started) {
        (void)WaitForSingleObject(process.hProcess, INFINITE);
        (void)GetExitCodeProcess(process.hProcess, &code);
    }
    /* What the command leaves running may hold the pipe for ever: its last words get a moment. */
    if (pumping)
        (void)WaitForSingleObject(pumping, 1000);
    return code;
}

static void report(DWORD code)
{
    char text[16];
    DWORD done = 0;
    HANDLE file = CreateFileW(L"W:\\exit", GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    int n = snprintf(text, sizeof(text), "%lu", (unsigned long)code);
    if (file == INVALID_HANDLE_VALUE || !WriteFile(file, text, (DWORD)n, &done, NULL))
        say("cannot write", L"W:\\exit");
    if (file != INVALID_HANDLE_VALUE)
        (void)CloseHandle(file);
}

int main(void)
{
    size_t units = 0;
    wchar_t *command = read_text(L"W:\\command", &units);
    wchar_t *directory = read_text(L"W:\\directory", &units);
    wchar_t *environment = read_text(L"W:\\environment", &units);
    if (!command || !directory || !environment)
        return 1;
    drop_linux_variables();
    set_variables(environment, units);
    report(run(command, directory));
    return 0;
}
