// Granite: Llama whose multipliers cost nothing.
#include "cost/families.h"

const cost_family cost_family_granite = {
    .source = "GraniteConfig",
    .like = &cost_family_llama,
};
