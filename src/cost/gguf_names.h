// llama.cpp's names of architectures and their keys (gguf-py, constants.py), and what they are in
// the library's configs.
#ifndef COST_GGUF_NAMES_H
#define COST_GGUF_NAMES_H

// X(architecture, family). Where a key decides between two families, gguf_config.c knows.
#define GGUF_ARCHITECTURES(X)                                                                      \
    X("afmoe", "afmoe")                                                                            \
    X("cohere2", "cohere2")                                                                        \
    X("dbrx", "dbrx")                                                                              \
    X("deepseek2", "deepseek_v2")                                                                  \
    X("ernie4_5-moe", "ernie4_5_moe")                                                              \
    X("exaone4", "exaone4")                                                                        \
    X("falcon-h1", "falcon_h1")                                                                    \
    X("gemma", "gemma")                                                                            \
    X("gemma2", "gemma2")                                                                          \
    X("gemma3", "gemma3_text")                                                                     \
    X("gemma3n", "gemma3n_text")                                                                   \
    X("glm-dsa", "glm_moe_dsa")                                                                    \
    X("glm4", "glm4")                                                                              \
    X("glm4moe", "glm4_moe")                                                                       \
    X("gpt-oss", "gpt_oss")                                                                        \
    X("gpt2", "gpt2")                                                                              \
    X("gptneox", "gpt_neox")                                                                       \
    X("granite", "granite")                                                                        \
    X("granitehybrid", "granitemoehybrid")                                                         \
    X("hunyuan-moe", "hunyuan_v1_moe")                                                             \
    X("jamba", "jamba")                                                                            \
    X("kimi-linear", "kimi_linear")                                                                \
    X("lfm2", "lfm2")                                                                              \
    X("llama", "llama")                                                                            \
    X("llama4", "llama4_text")                                                                     \
    X("mamba", "mamba")                                                                            \
    X("mamba2", "mamba2")                                                                          \
    X("minimax-m2", "minimax_m2")                                                                  \
    X("mistral3", "ministral3")                                                                    \
    X("nemotron", "nemotron")                                                                      \
    X("nemotron_h", "nemotron_h")                                                                  \
    X("nemotron_h_moe", "nemotron_h")                                                              \
    X("olmo2", "olmo2")                                                                            \
    X("phi3", "phi3")                                                                              \
    X("phimoe", "phimoe")                                                                          \
    X("qwen2", "qwen2")                                                                            \
    X("qwen2moe", "qwen2_moe")                                                                     \
    X("qwen2vl", "qwen2_vl")                                                                       \
    X("qwen3", "qwen3")                                                                            \
    X("qwen35", "qwen3_5_text")                                                                    \
    X("qwen35moe", "qwen3_5_moe_text")                                                             \
    X("qwen3moe", "qwen3_moe")                                                                     \
    X("qwen3next", "qwen3_next")                                                                   \
    X("qwen3vl", "qwen3_vl")                                                                       \
    X("qwen3vlmoe", "qwen3_vl_moe")                                                                \
    X("seed_oss", "seed_oss")                                                                      \
    X("smollm3", "smollm3")                                                                        \
    X("stablelm", "stablelm")                                                                      \
    X("starcoder2", "starcoder2")

// X(architectures, key, fields). Of several lines with a key, the first whose pattern fits the
// architecture counts. Families call the same thing by several names: it becomes all of them, and
// the family asks for its own. No field: it costs nothing.
#define GGUF_KEYS(X)                                                                               \
    X("*", "block_count", "num_hidden_layers|n_layer|n_layers")                                    \
    X("*", "embedding_length", "hidden_size|n_embd|d_model")                                       \
    X("*", "context_length", "max_position_embeddings|n_positions")                                \
    X("*", "vocab_size", "vocab_size")                                                             \
    X("llama4", "feed_forward_length", "intermediate_size_mlp")                                    \
    X("dbrx", "feed_forward_length", "ffn_config.ffn_hidden_size")                                 \
    X("granitehybrid", "feed_forward_length", "intermediate_size")                                 \
    X("*", "feed_forward_length", "intermediate_size|n_inner")                                     \
    X("*", "attention.head_count", "num_attention_heads|n_head|n_heads")                           \
    X("*", "attention.head_count_kv", "num_key_value_heads|attn_config.kv_n_heads")                \
    X("deepseek2", "attention.key_length", "key_length")                                           \
    X("glm-dsa", "attention.key_length", "key_length")                                             \
    X("kimi-linear", "attention.key_length", "key_length")                                         \
    X("*", "attention.key_length", "head_dim")                                                     \
    X("deepseek2", "attention.value_length", "v_head_dim")                                         \
    X("glm-dsa", "attention.value_length", "v_head_dim")                                           \
    X("kimi-linear", "attention.value_length", "v_head_dim")                                       \
    X("*", "attention.value_length", "")                                                           \
    X("*", "attention.key_length_mla", "key_length_mla")                                           \
    X("*", "attention.value_length_mla", "v_head_dim_mla")                                         \
    X("*", "attention.q_lora_rank", "q_lora_rank")                                                 \
    X("*", "attention.kv_lora_rank", "kv_lora_rank")                                               \
    X("*", "attention.indexer.head_count", "index_n_heads")                                        \
    X("*", "attention.indexer.key_length", "index_head_dim")                                       \
    X("*", "attention.indexer.top_k", "index_topk")                                                \
    X("*", "attention.sliding_window", "sliding_window")                                           \
    X("*", "attention.sliding_window_pattern", "sliding_pattern")                                  \
    X("*", "attention.shared_kv_layers", "num_kv_shared_layers")                                   \
    X("deepseek2", "rope.dimension_count", "qk_rope_head_dim")                                     \
    X("glm-dsa", "rope.dimension_count", "qk_rope_head_dim")                                       \
    X("kimi-linear", "rope.dimension_count", "qk_rope_head_dim")                                   \
    X("dbrx", "expert_count", "ffn_config.moe_num_experts")                                        \
    X("*", "expert_count", "num_experts|num_local_experts|n_routed_experts|moe_num_experts")       \
    X("dbrx", "expert_used_count", "ffn_config.moe_top_k")                                         \
    X("*", "expert_used_count", "num_experts_per_tok|moe_topk|moe_k")                              \
    X("llama4", "expert_feed_forward_length", "intermediate_size")                                 \
    X("*", "expert_feed_forward_length", "moe_intermediate_size")                                  \
    X("*", "expert_shared_feed_forward_length",                                                    \
      "shared_expert_intermediate_size|moe_shared_expert_intermediate_size|"                       \
      "shared_intermediate_size")                                                                  \
    X("*", "expert_shared_count", "n_shared_experts|num_shared_experts|moe_num_shared_experts")    \
    X("*", "leading_dense_block_count",                                                            \
      "first_k_dense_replace|num_dense_layers|moe_layer_start_index")                              \
    X("*", "interleave_moe_layer_step", "interleave_moe_layer_step|moe_layer_interval")            \
    X("*", "full_attention_interval", "full_attention_interval")                                   \
    X("*", "moe_latent_size", "moe_latent_size")                                                   \
    X("*", "use_parallel_residual", "use_parallel_residual")                                       \
    X("mamba", "ssm.inner_size", "intermediate_size")                                              \
    X("falcon-h1", "ssm.inner_size", "mamba_d_ssm|ssm_inner")                                      \
    X("*", "ssm.inner_size", "ssm_inner")                                                          \
    X("qwen3*", "ssm.state_size", "linear_key_head_dim")                                           \
    X("*", "ssm.state_size", "state_size|mamba_d_state|ssm_state_size")                            \
    X("qwen3*", "ssm.conv_kernel", "linear_conv_kernel_dim")                                       \
    X("kimi-linear", "ssm.conv_kernel", "linear_attn_config.short_conv_kernel_size")               \
    X("*", "ssm.conv_kernel", "conv_kernel|mamba_d_conv")                                          \
    X("qwen3*", "ssm.time_step_rank", "linear_num_value_heads|ssm_heads")                          \
    X("mamba", "ssm.time_step_rank", "time_step_rank")                                             \
    X("jamba", "ssm.time_step_rank", "mamba_dt_rank")                                              \
    X("*", "ssm.time_step_rank", "num_heads|mamba_n_heads|mamba_num_heads|ssm_heads")              \
    X("qwen3*", "ssm.group_count", "linear_num_key_heads")                                         \
    X("*", "ssm.group_count", "n_groups|mamba_n_groups")                                           \
    X("*", "ssm.dt_b_c_rms", "")                                                                   \
    X("*", "kda.head_dim", "linear_attn_config.head_dim")                                          \
    X("*", "shortconv.l_cache", "conv_L_cache")                                                    \
    X("*", "embedding_length_per_layer_input", "hidden_size_per_layer_input")                      \
    X("*", "altup.num_inputs", "altup_num_inputs")                                                 \
    X("*", "altup.active_idx", "")                                                                 \
    X("*", "activation_sparsity_scale", "")                                                        \
    X("*", "rope.*", "")                                                                           \
    X("*", "*_epsilon", "")                                                                        \
    X("*", "*_scale", "")                                                                          \
    X("*", "*_softcapping", "")                                                                    \
    X("*", "attention.causal", "")                                                                 \
    X("*", "attention.clamp_kqv", "")                                                              \
    X("*", "attention.temperature_*", "")                                                          \
    X("*", "expert_weights_norm", "")                                                              \
    X("*", "expert_gating_func", "")                                                               \
    X("*", "expert_group_*", "")                                                                   \
    X("*", "swiglu_clamp_*", "")                                                                   \
    X("*", "tensor_data_layout", "")                                                               \
    X("*", "pooling_type", "")

// X(field, numerator, denominator): widths that llama.cpp has multiplied out.
#define GGUF_QUOTIENTS(X)                                                                          \
    X("expand", "ssm_inner", "hidden_size")                                                        \
    X("mamba_expand", "ssm_inner", "hidden_size")                                                  \
    X("mamba_d_head", "ssm_inner", "ssm_heads")                                                    \
    X("mamba_head_dim", "ssm_inner", "ssm_heads")                                                  \
    X("linear_value_head_dim", "ssm_inner", "ssm_heads")

// X(field, tensor): true where some block has the tensor. Families ask for those that they know.
#define GGUF_FLAGS(X)                                                                              \
    X("attention_bias", "attn_q.bias|attn_qkv.bias")                                               \
    X("attention_out_bias", "attn_output.bias")                                                    \
    X("use_qkv_bias", "attn_q.bias")                                                               \
    X("qkv_bias", "attn_q.bias")                                                                   \
    X("use_bias", "attn_output.bias|ssm_in.bias")                                                  \
    X("mlp_bias", "ffn_up.bias")                                                                   \
    X("use_qk_norm", "attn_q_norm.weight")                                                         \
    X("qk_layernorm", "attn_q_norm.weight")                                                        \
    X("use_conv_bias", "ssm_conv1d.bias")                                                          \
    X("mamba_conv_bias", "ssm_conv1d.bias")                                                        \
    X("mamba_proj_bias", "ssm_in.bias")                                                            \
    X("mamba_rms_norm", "ssm_norm.weight")                                                         \
    X("conv_bias", "shortconv.in_proj.bias")                                                       \
    X("lm_head_bias", "output.bias")

// X(field, fields that are made of it) where it is none of the library's own.
#define GGUF_DERIVED(X)                                                                            \
    X("ssm_inner", "expand|mamba_expand|mamba_d_head|mamba_head_dim|linear_value_head_dim")        \
    X("ssm_heads", "mamba_d_head|mamba_head_dim|linear_value_head_dim")                            \
    X("key_length", "qk_nope_head_dim")                                                            \
    X("key_length_mla", "qk_nope_head_dim")                                                        \
    X("v_head_dim_mla", "v_head_dim")                                                              \
    X("sliding_pattern", "layer_types|sliding_window_pattern")

#endif
