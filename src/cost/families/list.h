// The families that are known, one line each.
#ifndef COST_FAMILIES_LIST_H
#define COST_FAMILIES_LIST_H

// X(name): families/<name>.c defines cost_family_<name>.
#define COST_FAMILY_LIST(X)                                                                        \
    X(afmoe)                                                                                       \
    X(bamba)                                                                                       \
    X(cohere2)                                                                                     \
    X(dbrx)                                                                                        \
    X(deepseek_v2)                                                                                 \
    X(deepseek_v3)                                                                                 \
    X(deepseek_v32)                                                                                \
    X(deepseek_v4)                                                                                 \
    X(ernie4_5_moe)                                                                                \
    X(exaone4)                                                                                     \
    X(falcon_h1)                                                                                   \
    X(falcon_mamba)                                                                                \
    X(gemma)                                                                                       \
    X(gemma2)                                                                                      \
    X(gemma3_text)                                                                                 \
    X(gemma3n_text)                                                                                \
    X(gemma4_text)                                                                                 \
    X(gemma4_unified_text)                                                                         \
    X(glm4)                                                                                        \
    X(glm4_moe)                                                                                    \
    X(glm_moe_dsa)                                                                                 \
    X(gpt2)                                                                                        \
    X(gpt_neox)                                                                                    \
    X(gpt_oss)                                                                                     \
    X(granite)                                                                                     \
    X(granitemoehybrid)                                                                            \
    X(hunyuan_v1_moe)                                                                              \
    X(jamba)                                                                                       \
    X(kimi_k2)                                                                                     \
    X(kimi_linear)                                                                                 \
    X(lfm2)                                                                                        \
    X(llama)                                                                                       \
    X(llama4_text)                                                                                 \
    X(longcat_flash)                                                                               \
    X(mamba)                                                                                       \
    X(mamba2)                                                                                      \
    X(mimo_v2_flash)                                                                               \
    X(minimax)                                                                                     \
    X(minimax_m2)                                                                                  \
    X(ministral3)                                                                                  \
    X(mistral)                                                                                     \
    X(mixtral)                                                                                     \
    X(nemotron)                                                                                    \
    X(nemotron_h)                                                                                  \
    X(olmo2)                                                                                       \
    X(olmo3)                                                                                       \
    X(opt)                                                                                         \
    X(phi3)                                                                                        \
    X(phimoe)                                                                                      \
    X(qwen2)                                                                                       \
    X(qwen2_5_omni_text)                                                                           \
    X(qwen2_moe)                                                                                   \
    X(qwen2_vl)                                                                                    \
    X(qwen3)                                                                                       \
    X(qwen3_5_moe_text)                                                                            \
    X(qwen3_5_text)                                                                                \
    X(qwen3_moe)                                                                                   \
    X(qwen3_next)                                                                                  \
    X(qwen3_omni_moe_text)                                                                         \
    X(qwen3_vl)                                                                                    \
    X(qwen3_vl_moe)                                                                                \
    X(recurrent_gemma)                                                                             \
    X(rwkv)                                                                                        \
    X(seed_oss)                                                                                    \
    X(smollm3)                                                                                     \
    X(stablelm)                                                                                    \
    X(starcoder2)                                                                                  \
    X(step3_text)                                                                                  \
    X(zamba)                                                                                       \
    X(zamba2)

#endif
