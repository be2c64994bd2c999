#include "cost/matrices.h"

#include "cost/scope.h"

#define QUERIES "self_attn.q_proj|attention.q_proj|attn.q_proj|mixer.q_proj", "input"
#define KEYS(width)                                                                                \
    {                                                                                              \
        "self_attn.k_proj|attention.k_proj|attn.k_proj|mixer.k_proj", "input", width, "1",         \
            MATRIX_LINEAR                                                                          \
    }
#define VALUES(width)                                                                              \
    {                                                                                              \
        "self_attn.v_proj|attention.v_proj|attn.v_proj|mixer.v_proj", "input", width, "1",         \
            MATRIX_LINEAR                                                                          \
    }
#define OUTPUT(width)                                                                              \
    {                                                                                              \
        "self_attn.o_proj|attention.o_proj|attn.out_proj|mixer.o_proj|self_attn.out_proj", width,  \
            "width", "1", MATRIX_LINEAR                                                            \
    }
#define HEADS    "heads * head_dim"
#define KV_HEADS "kv_heads * head_dim"

#define LATENT_MATRICES                                                                            \
    {"self_attn.q_a_proj", "width", "query_rank", "1", MATRIX_LINEAR},                             \
        {"self_attn.q_b_proj|self_attn.q_proj", "query_input", "heads * (nope + rope)", "1",       \
         MATRIX_LINEAR},                                                                           \
        {"self_attn.kv_a_proj_with_mqa", "width", "kv_rank + rope", "1", MATRIX_LINEAR},           \
        {"self_attn.kv_b_proj", "kv_rank", "heads * (nope + value_dim)", "1", MATRIX_LINEAR}, {    \
        "self_attn.o_proj", "heads * value_dim", "width", "1", MATRIX_LINEAR                       \
    }
#define SHARED_MATRICES                                                                            \
    {"self_attn.q_a_proj|attn.wq_a", "width", "query_rank", "1", MATRIX_LINEAR},                   \
        {"self_attn.q_b_proj|attn.wq_b", "query_rank", HEADS, "1", MATRIX_LINEAR},                 \
        {"self_attn.kv_proj|attn.wkv", "width", "head_dim", "1", MATRIX_LINEAR},                   \
        {"self_attn.o_a_proj|attn.wo_a", HEADS, "output_rank", "1", MATRIX_LINEAR}, {              \
        "self_attn.o_b_proj|attn.wo_b", "groups * output_rank", "width", "1", MATRIX_LINEAR        \
    }
#define MLP_NAMES(inner)                                                                           \
    "mlp." inner "|feed_forward." inner "|mixer." inner "|block_sparse_moe." inner "|ffn." inner
#define EXPERTS(width)                                                                             \
    {MLP_NAMES("experts.0.gate_proj"), width, "expert_hidden", "experts * gates", MATRIX_EXPERT},  \
        {MLP_NAMES("experts.0.up_proj"), width, "expert_hidden", "experts", MATRIX_EXPERT},        \
        {MLP_NAMES("experts.0.down_proj"), "expert_hidden", width, "experts", MATRIX_EXPERT},      \
        {MLP_NAMES("shared_experts.gate_proj"), "width", "shared_hidden", "gates", MATRIX_LINEAR}, \
        {MLP_NAMES("shared_experts.up_proj"), "width", "shared_hidden", "1", MATRIX_LINEAR}, {     \
        MLP_NAMES("shared_experts.down_proj"), "shared_hidden", "width", "1", MATRIX_LINEAR        \
    }
#define ROUTER                                                                                     \
    { MLP_NAMES("gate"), "width", "choices", "1", MATRIX_ROUTER }
#define MAMBA_NAMES(inner)                                                                         \
    "mixer." inner "|mamba." inner "|mamba_decoder.mamba." inner "|linear_attn." inner

typedef const cost_matrix matrices[COST_MAX_MATRICES + 1];

static matrices MATRICES[COST_KIND_COUNT] = {
    [COST_LAYER_EMBEDDING] = {{"per_layer_model_projection", "width", "layers * rank", "1",
                               MATRIX_LINEAR}},
    [COST_ATTENTION] = {{QUERIES, HEADS, "1", MATRIX_LINEAR},
                        KEYS(KV_HEADS),
                        VALUES(KV_HEADS),
                        OUTPUT(HEADS)},
    [COST_GATED_ATTENTION] = {{QUERIES, "2 * " HEADS, "1", MATRIX_LINEAR},
                              KEYS(KV_HEADS),
                              VALUES(KV_HEADS),
                              OUTPUT(HEADS)},
    [COST_SPLIT_ATTENTION] = {{QUERIES, HEADS, "1", MATRIX_LINEAR},
                              KEYS(KV_HEADS),
                              VALUES("kv_heads * value_dim"),
                              OUTPUT("heads * value_dim")},
    [COST_KEY_ATTENTION] = {{QUERIES, HEADS, "1", MATRIX_LINEAR}, KEYS(KV_HEADS), OUTPUT(HEADS)},
    [COST_READING_ATTENTION] = {{QUERIES, HEADS, "1", MATRIX_LINEAR},
                                {"self_attn.o_proj", HEADS, "input", "1", MATRIX_LINEAR}},
    [COST_FACTORED_ATTENTION] = {{"self_attn.q_proj", "width", "query_rank", "1", MATRIX_LINEAR},
                                 {"self_attn.wq", "query_rank", HEADS, "1", MATRIX_LINEAR},
                                 {"self_attn.k_proj", "width", KV_HEADS, "1", MATRIX_LINEAR},
                                 {"self_attn.v_proj", "width", KV_HEADS, "1", MATRIX_LINEAR},
                                 OUTPUT(HEADS)},
    [COST_LATENT] = {LATENT_MATRICES},
    [COST_INDEXED_LATENT] = {LATENT_MATRICES,
                             {"self_attn.indexer.wq_b", "query_rank", "index_heads * index_dim",
                              "1", MATRIX_LINEAR},
                             {"self_attn.indexer.wk", "width", "index_dim", "1", MATRIX_LINEAR},
                             {"self_attn.indexer.weights_proj", "width", "index_heads", "1",
                              MATRIX_ROUTER}},
    [COST_PICKING_LATENT] = {LATENT_MATRICES},
    [COST_WINDOW_LATENT] = {SHARED_MATRICES},
    [COST_SPARSE_LATENT] = {SHARED_MATRICES,
                            {"self_attn.compressor", "width", "2 * head_dim", "2", MATRIX_ROUTER},
                            {"self_attn.compressor.indexer", "width", "2 * index_dim", "2",
                             MATRIX_ROUTER},
                            {"self_attn.compressor.indexer.q_b_proj", "query_rank",
                             "index_heads * index_dim", "1", MATRIX_LINEAR},
                            {"self_attn.compressor.indexer.weights_proj", "width", "index_heads",
                             "1", MATRIX_ROUTER}},
    [COST_HEAVY_LATENT] = {SHARED_MATRICES,
                           {"self_attn.compressor", "width", "head_dim", "2", MATRIX_ROUTER}},
    [COST_STREAMS] = {{"hyper_connection", "streams * width", "output", "1", MATRIX_ROUTER}},
    [COST_MLP] = {{MLP_NAMES("gate_proj"), "width", "hidden", "gates", MATRIX_LINEAR},
                  {MLP_NAMES("up_proj"), "width", "hidden", "1", MATRIX_LINEAR},
                  {MLP_NAMES("down_proj"), "hidden", "width", "1", MATRIX_LINEAR}},
    [COST_EXPERTS] = {ROUTER,
                      {"mlp.shared_expert_gate", "width", "shared_gate", "1", MATRIX_ROUTER},
                      EXPERTS("width")},
    [COST_LATENT_EXPERTS] = {ROUTER,
                             {"mixer.fc1_latent_proj", "width", "expert_input", "1", MATRIX_LINEAR},
                             {"mixer.fc2_latent_proj", "expert_input", "width", "1", MATRIX_LINEAR},
                             EXPERTS("expert_input")},
    [COST_LINEAR] = {{"linear|self_attn.gate_proj|mlp.gate_proj", "input", "output", "1",
                      MATRIX_LINEAR}},
    [COST_ADAPTER] = {{"adapter.0", "width", "rank", "1", MATRIX_LINEAR},
                      {"adapter.1", "rank", "output", "1", MATRIX_LINEAR}},
    [COST_MIXED_STREAMS] = {{"altup.prediction_coefs", "streams", "streams * streams", "1",
                             MATRIX_ROUTER},
                            {"altup.correction_coefs", "streams", "streams", "1", MATRIX_ROUTER},
                            {"altup.modality_router", "width", "streams", "1", MATRIX_ROUTER}},
    [COST_MAMBA] = {{MAMBA_NAMES("in_proj"), "width", "2 * inner", "1", MATRIX_LINEAR},
                    {MAMBA_NAMES("x_proj"), "inner", "rank + 2 * state_size", "1", MATRIX_LINEAR},
                    {MAMBA_NAMES("dt_proj"), "rank", "inner", "1", MATRIX_LINEAR},
                    {MAMBA_NAMES("out_proj"), "inner", "width", "1", MATRIX_LINEAR}},
    [COST_MAMBA2] = {{MAMBA_NAMES("in_proj"), "width",
                      "2 * inner + 2 * groups * state_size + ssm_heads", "1", MATRIX_LINEAR},
                     {MAMBA_NAMES("out_proj"), "inner", "width", "1", MATRIX_LINEAR}},
    [COST_DELTA] = {{"linear_attn.in_proj_qkvz|linear_attn.in_proj_qkv", "width",
                     "2 * key_heads * key_dim + 2 * ssm_heads * value_dim", "1", MATRIX_LINEAR},
                    {"linear_attn.in_proj_ba|linear_attn.in_proj_b", "width", "2 * ssm_heads", "1",
                     MATRIX_LINEAR},
                    {"linear_attn.out_proj", "ssm_heads * value_dim", "width", "1", MATRIX_LINEAR}},
    [COST_KDA] = {{"self_attn.q_proj", "width", "inner", "3", MATRIX_LINEAR},
                  {"self_attn.f_a_proj", "width", "key_dim", "2", MATRIX_LINEAR},
                  {"self_attn.f_b_proj", "key_dim", "inner", "2", MATRIX_LINEAR},
                  {"self_attn.b_proj", "width", "ssm_heads", "1", MATRIX_LINEAR},
                  {"self_attn.o_proj", "inner", "width", "1", MATRIX_LINEAR}},
    [COST_LIGHTNING] = {{"self_attn.qkv_proj", "width", "3 * inner", "1", MATRIX_LINEAR},
                        {"self_attn.output_gate", "width", "inner", "1", MATRIX_LINEAR},
                        {"self_attn.out_proj", "inner", "width", "1", MATRIX_LINEAR}},
    [COST_SHORT_CONV] = {{"conv.in_proj", "width", "3 * width", "1", MATRIX_LINEAR},
                         {"conv.out_proj", "width", "width", "1", MATRIX_LINEAR}},
    [COST_RGLRU] = {{"temporal_block.linear_x|temporal_block.linear_y", "width", "inner", "2",
                     MATRIX_LINEAR},
                    {"temporal_block.linear_out", "inner", "width", "1", MATRIX_LINEAR},
                    {"temporal_block.rg_lru", "inner", "rank", "2", MATRIX_ROUTER}},
    [COST_RWKV_TIME] = {{"attention.key", "width", "inner", "3", MATRIX_LINEAR},
                        {"attention.output", "inner", "width", "1", MATRIX_LINEAR}},
    [COST_RWKV_CHANNEL] = {{"feed_forward.key", "width", "hidden", "1", MATRIX_LINEAR},
                           {"feed_forward.receptance", "width", "width", "1", MATRIX_LINEAR},
                           {"feed_forward.value", "hidden", "width", "1", MATRIX_LINEAR}},
    [COST_UNEMBEDDING] = {{"lm_head", "width", "vocab", "untied", MATRIX_HEAD}},
};

const cost_matrix *cost_matrices(cost_kind kind) {
    return MATRICES[kind];
}

cost_matrix_size cost_matrix_measure(const cost_part *part, const cost_matrix *matrix) {
    static const fv_cost NOTHING;
    fv_cost_setting setting;
    fv_cost_setting_init(&setting);
    const cost_reserve alone = {.block = setting.page};
    cost_scope scope = cost_scope_make(part, &setting, &alone, &NOTHING);
    return (cost_matrix_size){formula_evaluate(matrix->in, cost_scope_look_up, &scope),
                              formula_evaluate(matrix->out, cost_scope_look_up, &scope),
                              formula_evaluate(matrix->count, cost_scope_look_up, &scope)};
}
