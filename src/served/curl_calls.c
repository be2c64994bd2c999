#include "served/curl_calls.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

// Version 4 of its interface is what there has been since 2006. Distributions have it built upon one
// or another library for TLS.
static const char *const NAMES[] = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.4.dylib"};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static curl_calls loaded;
static bool is_ready;
static char reason[400];

static bool find_calls(void *library) {
#define FIND(name)                                                                                 \
    loaded.name = (__typeof__(loaded.name))dlsym(library, "curl_" #name);                          \
    if (loaded.name == NULL) return false;
    CURL_CALL_LIST(FIND)
#undef FIND
    return true;
}

static void load(void) {
    void *library = NULL;
    for (size_t i = 0; library == NULL && i < sizeof NAMES / sizeof *NAMES; i++) {
        library = dlopen(NAMES[i], RTLD_NOW);
        // What is wrong with the usual one says more than that the others are not there.
        if (library == NULL && i == 0) snprintf(reason, sizeof reason, "%s", dlerror());
    }
    if (library == NULL) return;
    if (!find_calls(library))
        snprintf(reason, sizeof reason, "%s", dlerror());
    else if (loaded.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        snprintf(reason, sizeof reason, "it cannot be initialised");
    else
        is_ready = true;
}

fv_status curl_load(const curl_calls **calls, fv_error *error) {
    pthread_once(&once, load);
    *calls = &loaded;
    if (is_ready) return FV_OK;
    return fv_fail(
        error, FV_MISSING_PROGRAM,
        "libcurl, which served models are asked with, cannot be loaded (%s): install the "
        "package libcurl4 and run the command again",
        reason);
}
