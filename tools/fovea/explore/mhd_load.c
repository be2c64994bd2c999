#ifdef FOVEA_HAS_MICROHTTPD
#include "explore/mhd_calls.h"

#include <dlfcn.h>
#include <stddef.h>

static const char *const LIBRARIES[] = {"libmicrohttpd.so.12", "libmicrohttpd.so.13",
                                        "libmicrohttpd.12.dylib"};

const mhd_calls *mhd_load(const char **why) {
    static mhd_calls calls;
    void *library = NULL;
    for (size_t i = 0; library == NULL && i < sizeof LIBRARIES / sizeof *LIBRARIES; i++)
        library = dlopen(LIBRARIES[i], RTLD_NOW | RTLD_LOCAL);
    *why = "there is no libmicrohttpd; install libmicrohttpd12, or open build/web/explorer.html";
    if (library == NULL) return NULL;
#define LOAD(name)                                                                                 \
    *(void **)&calls.name = dlsym(library, "MHD_" #name);                                          \
    if (calls.name == NULL) return NULL;
    MHD_CALL_LIST(LOAD)
#undef LOAD
    return &calls;
}
#else
typedef int no_microhttpd; // a file has something in it
#endif
