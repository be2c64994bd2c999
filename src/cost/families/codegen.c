// CodeGen: GPT-J.
#include "cost/families.h"

const cost_family cost_family_codegen = {
    .source = "CodeGenConfig",
    .like = &cost_family_gptj,
};
