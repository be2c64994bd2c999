#include "served/address.h"

#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Takes `end` off the n bytes of `text`; whether it was there.
static bool take_off(const char *text, size_t *n, const char *end) {
    size_t length = strlen(end);
    bool there = *n > length && memcmp(text + *n - length, end, length) == 0;
    if (there) *n -= length;
    return there;
}

// The bytes of a base without its version: ".../v1", ".../v3", ".../v1beta".
static size_t without_version(const char *base, size_t n) {
    size_t slash = n;
    while (slash > 0 && base[slash - 1] != '/') slash--;
    bool version = slash > 0 && base[slash] == 'v' && isdigit((unsigned char)base[slash + 1]);
    return version ? slash - 1 : n;
}

// Whether a parameter of the query is named like a secret: ".../v1?key=...".
static bool has_secret(const char *endpoint) {
    static const char *const NAMES[] = {"key", "token", "secret", "password", "sig", "auth"};
    const char *at = strchr(endpoint, '?');
    while (at != NULL) {
        char name[64];
        at++;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "=&"), at);
        for (char *c = name; *c != '\0'; c++) *c = (char)tolower((unsigned char)*c);
        for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
            if (strstr(name, NAMES[i]) != NULL) return true;
        at = strchr(at, '&');
    }
    return false;
}

// The bytes of the address in front of its path, or 0 with *error.
static size_t check(const char *endpoint, fv_error *error) {
    size_t scheme = strncmp(endpoint, "http://", 7) == 0    ? 7
                    : strncmp(endpoint, "https://", 8) == 0 ? 8
                                                            : 0;
    size_t host = strcspn(endpoint + scheme, "/?");
    if (scheme == 0) {
        fv_fail(error, FV_USAGE,
                "the endpoint '%s' is no web address: write http://HOST:PORT or https://HOST/v1",
                endpoint);
        return 0;
    }
    if (memchr(endpoint + scheme, '@', host) != NULL) {
        fv_fail(error, FV_USAGE,
                "the endpoint has a password in it, which would be stored; give the key in "
                "FOVEA_API_KEY");
        return 0;
    }
    if (has_secret(endpoint)) {
        fv_fail(error, FV_USAGE,
                "the endpoint has a key in its query, which would be stored; give it in "
                "FOVEA_API_KEY or with --header");
        return 0;
    }
    if (host == 0 || strpbrk(endpoint, "# \t\r\n") != NULL) {
        fv_fail(error, FV_USAGE,
                "the endpoint '%s' is no address of a server: write http://HOST:PORT", endpoint);
        return 0;
    }
    return scheme + host;
}

// Nothing secret is in it: check() lets neither passwords nor keys pass.
static char *make_identity(const char *base, const char *query) {
    text_buffer whole = {0};
    text_add(&whole, "%s%s", base, query);
    if (whole.failed) text_free(&whole);
    char *identity = whole.data;
    if (identity == NULL) return NULL;
    char *host = strstr(identity, "://") + 3, *end = host + strcspn(host, "/");
    for (char *c = host; c < end; c++) *c = (char)tolower((unsigned char)*c);
    const char *usual = strncmp(identity, "https", 5) == 0 ? ":443" : ":80";
    size_t n = strlen(usual);
    if ((size_t)(end - host) > n && memcmp(end - n, usual, n) == 0)
        memmove(end - n, end, strlen(end) + 1);
    return identity;
}

char *address_label(const address *at, const char *model) {
    const char *host = strstr(at->identity, "://") + 3;
    size_t n = strcspn(host, "?");
    take_off(host, &n, "/v1");
    text_buffer label = {0};
    text_add(&label, "%s at %.*s", model, (int)n, host);
    if (label.failed) text_free(&label);
    return label.data;
}

fv_status address_read(const char *endpoint, bool chat, address *out, fv_error *error) {
    *out = (address){0};
    size_t host = check(endpoint, error), n = strcspn(endpoint, "?");
    if (host == 0) return FV_USAGE;
    while (endpoint[n - 1] == '/') n--;
    bool chats = take_off(endpoint, &n, "/chat/completions");
    bool whole = chats || take_off(endpoint, &n, "/completions");
    if (whole && chat && !chats)
        return fv_fail(error, FV_USAGE,
                       "the endpoint '%s' completes texts: say --api completions, or end it in "
                       "/chat/completions",
                       endpoint);
    const char *query = strchr(endpoint, '?') != NULL ? strchr(endpoint, '?') : "";
    text_buffer base = {0}, url = {0};
    text_add(&base, "%.*s%s", (int)n, endpoint, n <= host && !whole ? "/v1" : "");
    text_add(&url, "%s/%s%s", base.failed ? "" : base.data,
             chat ? "chat/completions" : "completions", query);
    *out = (address){.root = text_copy_n(endpoint, n <= host ? n : without_version(endpoint, n)),
                     .base = base.failed ? NULL : base.data,
                     .query = text_copy(query),
                     .url = url.failed ? NULL : url.data,
                     .identity = base.failed ? NULL : make_identity(base.data, query)};
    if (out->root != NULL && out->base != NULL && out->query != NULL && out->url != NULL &&
        out->identity != NULL)
        return FV_OK;
    address_free(out);
    return fv_fail(error, FV_NO_MEMORY, "out of memory");
}

void address_free(address *at) {
    free(at->root);
    free(at->base);
    free(at->query);
    free(at->url);
    free(at->identity);
    *at = (address){0};
}
