// Lists of modules by their names, as files write them: "lm_head", "model.layers.0.self_attn",
// "model.layers.*.mlp.gate", "re:.*self_attn.*". A name stands for all that lies inside it;
// "model." and the like in front are left aside, since every wrapper has its own.
#ifndef COST_MODULE_LIST_H
#define COST_MODULE_LIST_H

#include <jansson.h>
#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct module_pattern {
    char *text;     // of a name, with '*' for any characters
    regex_t *regex; // or NULL
} module_pattern;

typedef struct module_list {
    size_t n;
    module_pattern *patterns; // [n]
    const char *unread;       // the first entry that is not understood, of the list's; NULL: none
    bool failed;              // out of memory
} module_list;

// Of a list of texts; NULL makes an empty one. Free with module_list_free.
module_list module_list_read(const json_t *texts);
void module_list_free(module_list *list);

// Whether the list has one of the names, between which a '|' stands, of layer `layer`; -1: of none.
bool module_list_has(const module_list *list, const char *names, int64_t layer);

#endif
