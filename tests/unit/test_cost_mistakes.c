// Configurations that no model can have are refused by name, odd ones that exist are read.
#include "costs.h"

#include <jansson.h>

static void expect_refusal(const char *json, fv_status status, const char *text) {
    fv_error error = {0};
    fv_cost_model *model;
    fv_status got = fv_cost_model_parse("x.json", json, strlen(json), &model, &error);
    if (got != status || model != NULL || strstr(error.text, text) == NULL)
        fail_msg("%s: status %d, \"%s\"", json, got, error.text);
}

static void mistakes_are_named(void **state) {
    (void)state;
    expect_refusal("{", FV_FORMAT, "x.json:1: it is no JSON");
    expect_refusal("[]", FV_FORMAT, "no model_type");
    expect_refusal("{\"model_type\": \"qwen33\"}", FV_USAGE,
                   "the family 'qwen33' is not known; the nearest name is 'qwen3', and");
    expect_refusal("{\"model_type\": \"mamba\", \"hidden_size\": -1}", FV_FORMAT,
                   "hidden_size must be a whole number from 1");
    expect_refusal("{\"model_type\": \"mamba\", \"hidden_size\": 8, \"vocab_size\": 8,"
                   "\"num_hidden_layers\": 100000000}",
                   FV_FORMAT, "must be at most 65536");
    expect_refusal("{\"model_type\": \"mistral\", \"hidden_size\": 8, \"vocab_size\": 8,"
                   "\"num_hidden_layers\": 1, \"num_attention_heads\": 4,"
                   "\"num_key_value_heads\": 3, \"intermediate_size\": 8}",
                   FV_FORMAT, "3 does not divide 4");
    expect_refusal("{\"model_type\": \"gemma2\", \"hidden_size\": 8, \"vocab_size\": 8,"
                   "\"num_hidden_layers\": 2, \"num_attention_heads\": 4,"
                   "\"intermediate_size\": 8, \"sliding_window\": 4,"
                   "\"layer_types\": [\"full_attention\", \"linear_attention\"]}",
                   FV_FORMAT, "linear_attention");
}

// Published configs with fields changed to what no model can have, and what the message must hold:
// the field, its value and what would be right.
static const struct {
    const char *model, *changes, *message;
} IMPOSSIBLE[] = {
    // Sizes of nothing.
    {"llama-3.1-8b", "{'head_dim': 0}",
     "head_dim must be a whole number from 1 to 2147483647, not 0"},
    {"llama-3.1-8b", "{'head_dim': -64}",
     "head_dim must be a whole number from 1 to 2147483647, not"},
    {"llama-3.1-8b", "{'hidden_size': 4096.5}",
     "hidden_size must be a whole number from 1 to 2147483"},
    {"llama-3.1-8b", "{'vocab_size': '128256'}", "2147483647, not \"128256\""},
    {"llama-3.1-8b", "{'num_key_value_heads': 0}",
     "num_key_value_heads must be a whole number from 1"},
    {"llama-3.1-8b", "{'max_position_embeddings': 0}",
     "max_position_embeddings must be a whole number"},
    {"llama-3.1-8b", "{'num_hidden_layers': 65537}",
     "the number of layers must be at most 65536, not"},
    {"llama-3.1-8b", "{'mlp_bias': 'no'}", "mlp_bias must be true or false, not \"no\""},
    {"gemma-3-27b", "{'vocab_size': 0}", "vocab_size must be a whole number from 1 to"},
    {"gemma-3-27b", "{'sliding_window': -1}", "sliding_window must be a whole number from 0 to"},
    {"gemma-3-27b", "{'sliding_window_pattern': 0}",
     "sliding_window_pattern must be a whole number"},
    {"gpt2", "{'n_inner': 0}", "n_inner must be a whole number from 1 to 2147483647, not 0"},
    {"deepseek-v3", "{'q_lora_rank': 0}", "q_lora_rank must be a whole number from 1 to"},
    {"deepseek-v3", "{'kv_lora_rank': 0}", "kv_lora_rank must be a whole number from 1 to"},
    {"deepseek-v3", "{'moe_layer_freq': 0}", "moe_layer_freq must be a whole number from 1 to"},
    {"qwen3-30b-a3b", "{'decoder_sparse_step': 0}",
     "decoder_sparse_step must be a whole number from"},
    {"mamba-2.8b", "{'state_size': 0}", "state_size must be a whole number from 1 to"},
    {"mamba-2.8b", "{'conv_kernel': 0}", "conv_kernel must be a whole number from 1 to"},
    {"mamba-2.8b", "{'expand': 0}", "expand must be a whole number from 1 to 2147483647, not 0"},
    {"mamba-2.8b", "{'time_step_rank': 0}", "time_step_rank must be a whole number from 1 to"},
    {"falcon-mamba-7b", "{'intermediate_size': 0}",
     "intermediate_size must be a whole number from 1"},
    {"jamba-1.5-mini", "{'mamba_d_state': 0}", "mamba_d_state must be a whole number from 1 to"},
    {"jamba-1.5-mini", "{'mamba_d_conv': 0}", "mamba_d_conv must be a whole number from 1 to"},
    {"jamba-1.5-mini", "{'mamba_expand': 0}", "mamba_expand must be a whole number from 1 to"},
    {"jamba-1.5-mini", "{'num_experts': 0}", "num_experts must be a whole number from 1 to"},
    {"jamba-1.5-mini", "{'num_experts_per_tok': 0}",
     "num_experts_per_tok must be a whole number from"},
    {"zamba2-2.7b", "{'mamba_ngroups': 0}", "mamba_ngroups must be a whole number from 1 to"},
    {"zamba2-2.7b", "{'mamba_headdim': 0}", "mamba_headdim must be a whole number from 1 to"},
    {"zamba2-2.7b", "{'num_mem_blocks': 0}", "num_mem_blocks must be a whole number from 1 to"},
    {"zamba2-2.7b", "{'adapter_rank': 0}", "adapter_rank must be a whole number from 1 to"},
    {"zamba2-2.7b", "{'attention_head_dim': 0}",
     "attention_head_dim must be a whole number from 1"},
    {"zamba2-2.7b", "{'intermediate_size': 0}",
     "intermediate_size must be a whole number from 1 to"},
    // Heads.
    {"llama-3.1-8b", "{'hidden_size': 64, 'num_attention_heads': 128}",
     "num_attention_heads must divide the width that heads share where head_dim does not give "
     "theirs, "
     "and 128 does not divide 64"},
    {"llama-3.1-8b", "{'hidden_size': 64, 'num_attention_heads': 7, 'num_key_value_heads': 7}",
     "and 7 does not divide 64"},
    {"llama-3.1-8b", "{'num_key_value_heads': 64}",
     "num_key_value_heads must divide num_attention_heads, and 64 does not divide 32"},
    {"gpt2", "{'n_head': 7}", "n_head must divide n_embd, and 7 does not divide 768"},
    {"jamba-1.5-mini", "{'num_attention_heads': 8192}", "and 8192 does not divide 4096"},
    {"zamba2-2.7b", "{'num_attention_heads': 8192, 'num_key_value_heads': 8192}",
     "where attention_head_dim|head_dim does not give theirs, and 8192 does not divide 5120"},
    {"zamba2-2.7b", "{'hidden_size': 1}", "n_mamba_heads must divide the 2 inner channels, and 80"},
    {"zamba2-2.7b", "{'mamba_headdim': 63}",
     "mamba_headdim must divide the 5120 inner channels, and 63"},
    {"zamba2-2.7b", "{'mamba_ngroups': 3}",
     "mamba_ngroups must divide the 80 heads, and 3 does not"},
    // Experts.
    {"deepseek-v3", "{'n_routed_experts': 4, 'num_experts_per_tok': 400}",
     "num_experts_per_tok must be at most the 4 experts of a layer, not 400"},
    {"deepseek-v2-lite", "{'num_experts_per_tok': 65}",
     "at most the 64 experts of a layer, not 65"},
    {"jamba-1.5-mini", "{'num_experts': 2, 'num_experts_per_tok': 9}",
     "at most the 2 experts of a"},
    {"mixtral-8x22b", "{'num_experts_per_tok': 9}", "at most the 8 experts of a layer, not 9"},
    {"qwen3-30b-a3b", "{'num_experts_per_tok': 129}",
     "at most the 128 experts of a layer, not 129"},
    {"gpt-oss-20b", "{'num_experts_per_tok': 33}", "at most the 32 experts of a layer, not 33"},
    {"qwen3-30b-a3b", "{'mlp_only_layers': [0], 'intermediate_size': null}",
     "a config of the family qwen3_moe must have intermediate_size"},
    // Which layers are what.
    {"jamba-1.5-mini", "{'attn_layer_offset': 8}",
     "attn_layer_offset must be less than attn_layer_period, 8, not 8"},
    {"jamba-1.5-mini", "{'expert_layer_offset': 5}",
     "expert_layer_offset must be less than expert_layer_period, 2, not 5"},
    {"jamba-1.5-mini", "{'attn_layer_period': 4, 'attn_layer_offset': 'gone'}", "4, not 4"},
    {"zamba2-2.7b", "{'hybrid_layer_ids': [60]}",
     "hybrid_layer_ids holds 60; an entry must be the number of a layer, 0 to 53"},
    {"zamba2-2.7b", "{'hybrid_layer_ids': [6, 'x']}", "holds \"x\"; an entry must be the number"},
    {"zamba2-2.7b", "{'hybrid_layer_ids': [-1]}", "hybrid_layer_ids holds -1; an entry must be"},
    {"zamba2-2.7b", "{'hybrid_layer_ids': 6}", "hybrid_layer_ids must be a list, not 6"},
    {"zamba2-2.7b", "{'num_hidden_layers': 2, 'layers_block_type': ['mamba', 'hybird']}",
     "layers_block_type holds \"hybird\" for layer 1; known are mamba, linear_attention and "
     "hybrid"},
    {"zamba2-2.7b", "{'layers_block_type': ['hybrid']}", "layers_block_type has 1 entries for 54"},
    {"qwen3-30b-a3b", "{'mlp_only_layers': [48]}",
     "mlp_only_layers holds 48; an entry must be the number of a layer, 0 to 47"},
    {"gemma-3-1b", "{'num_hidden_layers': 1, 'layer_types': ['sliding']}",
     "layer_types holds \"sliding\" for layer 0; known are full_attention and sliding_attention"},
    {"qwen3-8b", "{'num_hidden_layers': 1, 'layer_types': [7]}", "layer_types holds 7 for layer 0"},
    {"gpt-oss-20b",
     "{'num_hidden_layers': 1, 'layer_types': ['sliding_attention'], 'sliding_window': null}",
     "sliding_window must be a whole number from 1 where layer_types holds sliding_attention"},
    // What is missing says more than what does not fit it.
    {"llama-3.1-8b", "{'num_attention_heads': null}", "must have num_attention_heads"},
    {"qwen3-30b-a3b", "{'num_experts': null}", "must have num_experts"},
    {"zamba2-2.7b", "{'num_hidden_layers': null}", "must have num_hidden_layers"},
};

static void the_impossible_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof IMPOSSIBLE / sizeof IMPOSSIBLE[0]; i++) {
        char *json = changed(IMPOSSIBLE[i].model, IMPOSSIBLE[i].changes);
        expect_refusal(json, FV_FORMAT, IMPOSSIBLE[i].message);
        free(json);
    }
}

// What looks odd but exists, or means "none".
static void the_unusual_is_read(void **state) {
    (void)state;
    static const struct {
        const char *model, *changes;
    } UNUSUAL[] = {
        {"llama-3.1-8b", "{'num_attention_heads': 7, 'num_key_value_heads': 1, 'head_dim': 100}"},
        {"mistral-7b-v0.1", "{'sliding_window': 0}"},
        {"deepseek-v3", "{'first_k_dense_replace': 61, 'n_shared_experts': null}"},
        {"jamba-1.5-mini", "{'num_experts': 1}"},
        {"qwen3-30b-a3b", "{'intermediate_size': null}"},
        {"qwen3-8b", "{'num_hidden_layers': 1, 'layer_types': ['sliding_attention']}"},
        {"zamba2-2.7b", "{'num_attention_heads': 'gone', 'num_key_value_heads': null}"},
        {"zamba2-2.7b", "{'num_hidden_layers': 2, 'hybrid_layer_ids': null, "
                        "'layers_block_type': ['linear_attention', 'hybrid']}"},
    };
    for (size_t i = 0; i < sizeof UNUSUAL / sizeof UNUSUAL[0]; i++)
        fv_cost_model_free(parse(changed(UNUSUAL[i].model, UNUSUAL[i].changes)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(the_impossible_is_refused),
        cmocka_unit_test(the_unusual_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
