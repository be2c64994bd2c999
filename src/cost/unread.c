// Fields of a config.json that nothing asks for are named, so that nobody takes a number for one
// that knows of them; but for those that are known to cost nothing.
#include "cost/config.h"

#include <fnmatch.h>
#include <string.h>

// X(pattern, why). What has no parameters, no cache and no matrix products.
#define COSTS_NOTHING(X)                                                                           \
    X("_*", "notes of the library")                                                                \
    X("architectures", "the class, which model_type names too")                                    \
    X("auto_map", "code of the model's own")                                                       \
    X("model_type", "is asked for by itself")                                                      \
    X("transformers_version", "of the file")                                                       \
    X("*_token_id", "tokens")                                                                      \
    X("*_token_ids", "tokens")                                                                     \
    X("*_token_index", "tokens")                                                                   \
    X("torch_dtype", "--bytes says it")                                                            \
    X("dtype", "--bytes says it")                                                                  \
    X("*_dtype", "--bytes and --state-bytes say it")                                               \
    X("use_cache", "of a call")                                                                    \
    X("output_*", "of a call")                                                                     \
    X("return_dict*", "of a call")                                                                 \
    X("num_logits_to_keep", "of a call")                                                           \
    X("*dropout*", "of training")                                                                  \
    X("*_pdrop", "of training")                                                                    \
    X("layerdrop", "of training")                                                                  \
    X("*init*", "of training")                                                                     \
    X("*aux_loss*", "of training")                                                                 \
    X("z_loss_coefficient", "of training")                                                         \
    X("seq_aux", "of training")                                                                    \
    X("*jitter*", "of training")                                                                   \
    X("moe_loss_weight", "of training")                                                            \
    X("initializer_range", "of training")                                                          \
    X("rescale_*", "of training")                                                                  \
    X("pretraining_tp", "of training")                                                             \
    X("ep_size", "of training")                                                                    \
    X("gradient_checkpointing", "of training")                                                     \
    X("*_eps", "of norms")                                                                         \
    X("*epsilon", "of norms")                                                                      \
    X("*_act", "activation")                                                                       \
    X("*_act_fn", "activation")                                                                    \
    X("*activation*", "activation")                                                                \
    X("swiglu_*", "activation")                                                                    \
    X("hidden_act", "activation")                                                                  \
    X("rope*", "rotary embeddings")                                                                \
    X("*_rope_theta", "rotary embeddings")                                                         \
    X("use_mem_rope", "rotary embeddings")                                                         \
    X("no_rope_layer*", "rotary embeddings")                                                       \
    X("rotary*", "rotary embeddings")                                                              \
    X("partial_rotary_factor", "rotary embeddings")                                                \
    X("original_max_position_embeddings", "rotary embeddings")                                     \
    X("position_embedding_type", "rotary embeddings")                                              \
    X("*softcap*", "a function of numbers that are there")                                         \
    X("logits_soft_cap", "a function of numbers that are there")                                   \
    X("*_multiplier", "a factor")                                                                  \
    X("*_multipliers", "factors")                                                                  \
    X("*_scale", "a factor")                                                                       \
    X("*_scaling", "a factor")                                                                     \
    X("*_scalar", "a factor")                                                                      \
    X("*scaling_factor", "a factor")                                                               \
    X("*alpha_factor", "a factor")                                                                 \
    X("*beta_factor", "a factor")                                                                  \
    X("mup_enabled", "a factor")                                                                   \
    X("attn_temperature_tuning", "a factor")                                                       \
    X("scale_attn*", "a factor")                                                                   \
    X("clip_qkv", "a bound")                                                                       \
    X("*coef_clip", "a bound")                                                                     \
    X("norm_topk_prob", "how weights of experts are made")                                         \
    X("norm_expert_weight", "how weights of experts are made")                                     \
    X("moe_normalize_expert_weights", "how weights of experts are made")                           \
    X("moe_renormalize", "how weights of experts are made")                                        \
    X("moe_norm_min", "how weights of experts are made")                                           \
    X("scoring_func", "how weights of experts are made")                                           \
    X("moe_router_activation_func", "how weights of experts are made")                             \
    X("topk_method", "which experts are chosen")                                                   \
    X("n_group", "which experts are chosen")                                                       \
    X("num_expert_group", "which experts are chosen")                                              \
    X("topk_group", "which experts are chosen")                                                    \
    X("time_step_*", "ranges of a state space's steps")                                            \
    X("*chunk_size", "how transformers scans")                                                     \
    X("block_size", "how transformers scans")                                                      \
    X("use_mamba*", "how a scan is computed")                                                      \
    X("use_falcon_mambapy", "how a scan is computed")                                              \
    X("use_associative_scan", "how a scan is computed")                                            \
    X("use_mem_eff_path", "how a scan is computed")                                                \
    X("reorder_and_upcast_attn", "how attention is computed")                                      \
    X("attn_implementation", "how attention is computed")                                          \
    X("residual_in_fp32", "how sums are computed")                                                 \
    X("summary_*", "of heads for other tasks")                                                     \
    X("id2label", "of heads for other tasks")                                                      \
    X("label2id", "of heads for other tasks")                                                      \
    X("problem_type", "of heads for other tasks")                                                  \
    X("task_specific_params", "of heads for other tasks")                                          \
    X("language", "of the tokenizer")                                                              \
    X("tokenizer_class", "of the tokenizer")

static bool costs_nothing(const char *key) {
    static const char *const PATTERNS[] = {
#define PATTERN(pattern, why) pattern,
        COSTS_NOTHING(PATTERN)
#undef PATTERN
    };
    for (size_t i = 0; i < sizeof PATTERNS / sizeof PATTERNS[0]; i++)
        if (fnmatch(PATTERNS[i], key, 0) == 0) return true;
    return false;
}

// Adds the unread keys of an object, the name of which ends in a dot or is empty.
static void collect(const cost_config *c, const char *prefix, json_t *object, text_buffer *names) {
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        char path[128];
        snprintf(path, sizeof path, "%s%.60s", prefix, key);
        bool used = json_object_get(c->used, path) != NULL;
        if (used && json_is_object(value) && *prefix == '\0') {
            snprintf(path, sizeof path, "%.60s.", key);
            collect(c, path, value, names);
        } else if (!used && !json_is_null(value) && !costs_nothing(key)) {
            text_add(names, "%s%s", names->n > 0 ? ", " : "", path);
        }
    }
}

// Adds the keys of the file of which no field was asked for.
static void collect_origins(const cost_config *c, text_buffer *names) {
    const char *key;
    json_t *fields;
    json_object_foreach((json_t *)c->origins, key, fields) {
        bool used = false;
        for (size_t i = 0; i < json_array_size(fields); i++)
            used = used ||
                   json_object_get(c->used, json_string_value(json_array_get(fields, i))) != NULL;
        if (!used) text_add(names, "%s%.60s", names->n > 0 ? ", " : "", key);
    }
}

void cost_config_name_unread(cost_config *c) {
    text_buffer names = {0};
    if (c->origins != NULL)
        collect_origins(c, &names);
    else
        collect(c, "", c->fields, &names);
    if (names.failed) c->notes.failed = true;
    if (names.n > 0)
        text_add(&c->notes, "not asked for, so they change nothing here: %s\n", names.data);
    text_free(&names);
}
