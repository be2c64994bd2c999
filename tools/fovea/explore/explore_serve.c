// The server of `fovea explore`. It binds 127.0.0.1 and answers only who calls it by that name or
// localhost: a page of another site that has its own name point here (DNS rebinding) gets nothing. Nothing is
// written, and of the disk only files whose names are plain, of one folder, are read.
#include "explore/explore.h"
#include "tool.h"

#include <string.h>

#ifdef FOVEA_HAS_MICROHTTPD
#include "explore/mhd_calls.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char POLICY[] =
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
    "connect-src "
    "'self'; style-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'";

typedef struct server {
    const explore_site *site;
    const mhd_calls *calls;
    int port;
} server;

static enum MHD_Result send_response(const server *s, struct MHD_Connection *connection,
                                     unsigned code, const char *type,
                                     struct MHD_Response *response) {
    const char *const headers[][2] = {{"Content-Type", type},
                                      {"Content-Security-Policy", POLICY},
                                      {"X-Content-Type-Options", "nosniff"},
                                      {"Referrer-Policy", "no-referrer"},
                                      {"Cache-Control", "no-store"}};
    if (response == NULL) return MHD_NO;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        s->calls->add_response_header(response, headers[i][0], headers[i][1]);
    enum MHD_Result result = s->calls->queue_response(connection, code, response);
    s->calls->destroy_response(response);
    return result;
}

static enum MHD_Result send_text(const server *s, struct MHD_Connection *connection, unsigned code,
                                 const char *text) {
    return send_response(
        s, connection, code, "text/plain; charset=utf-8",
        s->calls->create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY));
}

static enum MHD_Result send_json(const server *s, struct MHD_Connection *connection, json_t *value,
                                 const fv_error *error) {
    if (value == NULL) return send_text(s, connection, MHD_HTTP_NOT_FOUND, error->text);
    char *text = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    if (text == NULL) return MHD_NO;
    return send_response(
        s, connection, MHD_HTTP_OK, "application/json",
        s->calls->create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE));
}

static const char *type_of(const char *name) {
    static const char *const TYPES[][2] = {{".html", "text/html; charset=utf-8"},
                                           {".js", "text/javascript; charset=utf-8"},
                                           {".css", "text/css; charset=utf-8"},
                                           {".wasm", "application/wasm"},
                                           {".yaml", "text/plain; charset=utf-8"}};
    const char *end = strrchr(name, '.');
    for (size_t i = 0; end != NULL && i < sizeof TYPES / sizeof *TYPES; i++)
        if (strcmp(end, TYPES[i][0]) == 0) return TYPES[i][1];
    return NULL;
}

static enum MHD_Result send_file(const server *s, struct MHD_Connection *connection,
                                 const char *path) {
    struct stat info;
    int file = type_of(path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0 || fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
        if (file >= 0) close(file);
        return send_text(s, connection, MHD_HTTP_NOT_FOUND, "not found");
    }
    return send_response(s, connection, MHD_HTTP_OK, type_of(path),
                         s->calls->create_response_from_fd((uint64_t)info.st_size, file));
}

// Letters, digits, '_' and '.', not at the beginning: no way out of the folder.
static bool is_plain(const char *name) {
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyz0123456789_.";
    return *name != '\0' && *name != '.' && name[strspn(name, ALLOWED)] == '\0';
}

static bool is_id(const char *id) {
    return strlen(id) >= 4 && strlen(id) <= 16 && id[strspn(id, "0123456789abcdef")] == '\0';
}

static bool is_own_name(const server *s, struct MHD_Connection *connection) {
    const char *host = s->calls->lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
    char names[2][64];
    snprintf(names[0], sizeof names[0], "127.0.0.1:%d", s->port);
    snprintf(names[1], sizeof names[1], "localhost:%d", s->port);
    return host != NULL && (strcmp(host, names[0]) == 0 || strcmp(host, names[1]) == 0);
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state) {
    (void)version, (void)upload, (void)upload_size, (void)state;
    const server *s = context;
    fv_error error = {0};
    char path[PATH_MAX];
    if (!is_own_name(s, connection))
        return send_text(s, connection, MHD_HTTP_MISDIRECTED_REQUEST,
                         "this server answers 127.0.0.1 and localhost only");
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return send_text(s, connection, MHD_HTTP_METHOD_NOT_ALLOWED, "nothing can be written here");
    if (strcmp(url, "/store/runs") == 0)
        return send_json(s, connection, explore_runs(s->site, &error), &error);
    if (strncmp(url, "/store/run/", 11) == 0 && is_id(url + 11))
        return send_json(s, connection, explore_run(s->site, url + 11, &error), &error);
    if (strcmp(url, "/store/experiment.yaml") == 0 && s->site->experiment != NULL)
        return send_file(s, connection, s->site->experiment);
    const char *name = strcmp(url, "/") == 0 ? "index.html" : url + 1;
    if (!is_plain(name) || snprintf(path, sizeof path, "%s/%s", s->site->folder, name) >= PATH_MAX)
        return send_text(s, connection, MHD_HTTP_NOT_FOUND, "not found");
    return send_file(s, connection, path);
}

int explore_serve(const explore_site *site, int port) {
    const char *why;
    server s = {.site = site, .calls = mhd_load(&why), .port = port};
    if (s.calls == NULL) return tool_usage_error("explore: %s", why);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct MHD_Daemon *daemon =
        s.calls->start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, (uint16_t)port, NULL, NULL, answer,
                              &s, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_END);
    if (daemon == NULL)
        return tool_usage_error("explore: port %d of 127.0.0.1 cannot be had; --port names another",
                                port);
    s.port = s.calls->get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    tool_catch_interrupts(); // before anybody is told of it
    tool_note("http://127.0.0.1:%d/%s until Ctrl-C", s.port,
              site->store        ? "#stored"
              : site->experiment ? "#live?file=1"
                                 : "");
    while (!tool_interrupted) nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    s.calls->stop_daemon(daemon);
    return EXIT_DONE;
}
#else
int explore_serve(const explore_site *site, int port) {
    (void)site, (void)port;
    return tool_usage_error(
        "explore: this fovea was built without libmicrohttpd; install "
        "libmicrohttpd-dev and build it again, or open build/web/explorer.html");
}
#endif
