// Kimi K2: DeepSeek-V3, field for field.
#include "cost/families.h"

const cost_family cost_family_kimi_k2 = {.others = "kimi_k25 kimi_vl",
                                         .like = &cost_family_deepseek_v3};
