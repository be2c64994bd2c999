// What the things of Fovea are called elsewhere. These words are never taken: a message or
// `fovea help` names what is meant by them. The words are PyTorch's, Hugging Face's, Keras',
// TransformerLens', nanoGPT's, RULER's and those that people shorten.
//
//   S(of, name, words)     `name` is a "field", a choice of the field `of` ("train.optimizer"), or
//                          a name of another list: "key" (of a file), "probe", "measure", "figure"
//                          (its kind), "option" (of a figure), "test" (the keys of a claim)
//   A(words, sentence)     what there is not, and why or where else
//
// Words are separated by blanks, in small letters with '_' for '-'. The words of "section" are
// fields of other sections here.
#ifndef FOVEA_SYNONYMS_H
#define FOVEA_SYNONYMS_H

// clang-format off
#define FV_TASK_SYNONYMS(S)                                                                        \
    S("field", "task.name", "task dataset task_name problem dataset_name")                         \
    S("field", "task.seed", "data_seed dataset_seed sampler_seed")                                  \
    S("field", "task.vocab_size", "vocab n_vocab d_vocab num_vocab vocabulary vocabulary_size num_embeddings num_tokens n_tokens ntoken ntokens input_dim n_symbols alphabet_size alphabet d_vocab_out padded_vocab_size") \
    S("field", "task.context_length", "seq_len seq_length sequence_length seqlen n_ctx ctx_len ctx ctx_length block_size max_seq_len max_seq_length max_length max_len maxlen max_position_embeddings n_positions context context_size context_window n_context input_length input_seq_len length") \
    S("field", "task.offset", "shift lag delay target_offset")                                     \
    S("field", "task.index", "target_position target_index")                                       \
    S("field", "task.ties", "tie_break tie_breaking")                                              \
    S("field", "task.n_pairs", "num_pairs n_kv_pairs num_kv_pairs num_keys n_keys pairs npairs")   \
    S("field", "task.gap_power", "power_a")                                                        \
    S("field", "task.filler", "random_non_queries noise_tokens padding")                           \
    S("field", "task.period", "repeat_length pattern_length")                                      \
    S("field", "task.n_copy", "num_tokens_to_copy n_data_tokens n_memorize")                       \
    S("field", "task.context_repetition", "burstiness")                                            \
    S("field", "task.loss", "loss_positions loss_on loss_mask")                                    \
    S("field", "task.distribution", "token_distribution token_dist")                               \
    S("field", "task.zipf_alpha", "zipf_exponent zipf_a zipf")                                     \
    S("field", "task.data", "dataset_type online data_mode")                          \
    S("field", "task.n_train", "train_size num_train n_samples num_samples num_examples train_samples num_train_examples dataset_size n_examples training_set_size") \
    S("field", "task.n_test", "test_size num_test n_val val_size eval_size num_test_examples n_eval num_val") \
    S("field", "task.length_min", "min_length min_len min_seq_len minimum_length")                 \
    S("field", "task.length_max", "max_train_length max_train_len train_length maximum_length")    \
    S("field", "task.depth", "needle_depth depth_percent document_depth")                          \
    S("field", "task.n_values", "num_values num_needle_v")                                         \
    S("field", "task.n_queries", "num_queries num_needle_q queries")

#define FV_MODEL_SYNONYMS(S)                                                                       \
    S("section", "model.layers", "model.depth model.name model.type")                              \
    S("field", "model.n_embd", "d_model hidden_size embed_dim embedding_dim emb_dim d_embed d_embd n_embed dim hidden_dim model_dim width hidden d_hidden units residual_width emb_size embedding_size output_dim embd n_hidden dmodel nembd") \
    S("field", "model.n_head", "n_heads num_heads num_attention_heads nhead heads n_attention_heads attention_heads num_attn_heads head nheads") \
    S("field", "model.layers", "n_layer n_layers num_layers num_hidden_layers layer num_blocks n_blocks blocks architecture layer_types block_types num_encoder_layers num_decoder_layers nlayers attn_only model_type") \
    S("field", "model.score", "attention_score attn_score similarity attention_type attn_type attn_fn kernel") \
    S("field", "model.score_beta", "beta temperature inverse_temperature softmax_scale attn_scale") \
    S("field", "model.exclude_self", "mask_self no_self_attention mask_diagonal diagonal exclude_diagonal") \
    S("field", "model.positions", "pos_emb position_embedding position_embeddings positional_embedding positional_embeddings position_encoding positional_encoding pos_encoding position_embedding_type positional_embedding_type pos_embed pe use_pos_emb pos_enc position positional") \
    S("field", "model.embedding", "embeddings embed token_embedding train_embeddings freeze_embeddings") \
    S("field", "model.embedding_noise", "noise noise_std embed_noise neftune_noise_alpha")         \
    S("field", "model.residual", "residuals skip skip_connection skip_connections use_residual residual_connection use_skip") \
    S("field", "model.tied", "tie_weights tie_word_embeddings tied_embeddings weight_tying tie_embeddings tied_weights share_embeddings tie tie_embed") \
    S("field", "model.bias", "use_bias qkv_bias attention_bias biases")                            \
    S("field", "model.norm", "normalization normalization_type norm_type layer_norm layernorm use_layernorm use_ln ln norm_first pre_norm prenorm rms_norm rmsnorm layer_norm_type") \
    S("field", "model.activation", "act act_fn hidden_act activation_function nonlinearity mlp_act hidden_activation") \
    S("field", "model.d_mlp", "intermediate_size ffn_dim ffn ff d_ff dim_feedforward n_inner mlp_dim ff_dim d_ffn mlp_hidden mlp_width feedforward_dim mlp_ratio ffn_hidden_size intermediate_dim hidden_mult") \
    S("field", "model.init", "initialization init_mode initializer init_method init_weights kernel_initializer weight_init") \
    S("field", "model.init_sigma", "init_std initializer_range init_scale initializer_std weight_init_std") \
    S("field", "model.embedding_sigma", "embedding_std embed_std embd_init_std emb_std embed_sigma") \
    S("field", "model.mamba_state", "d_state state_size ssm_state_size mamba_d_state ssm_state state_dim n_state") \
    S("field", "model.mamba_expand", "expand expansion")                                           \
    S("field", "model.mamba_conv", "d_conv conv_kernel mamba_d_conv conv_size kernel_size")        \
    S("field", "model.mamba_dt_rank", "dt_rank time_step_rank")                                    \
    S("field", "model.window", "sliding_window window_size attention_window local_window local_attn_window_size") \
    S("field", "model.sinks", "n_sinks attention_sinks num_sinks sink_tokens n_sink")              \
    S("field", "model.d_score", "d_head head_dim d_k d_qk qk_dim key_size attention_head_size kv_channels d_key query_dim key_dim") \
    S("field", "model.d_positions", "pos_dim d_pos")

#define FV_TRAIN_SYNONYMS(S)                                                                       \
    S("field", "train.steps", "n_steps num_steps max_steps iters max_iters n_iters iterations n_iterations num_iterations training_steps train_steps num_training_steps total_steps epochs n_epochs num_epochs num_train_epochs max_epochs epoch step") \
    S("field", "train.batch_size", "batch bs n_batch batchsize per_device_train_batch_size train_batch_size micro_batch_size mini_batch_size minibatch batches") \
    S("field", "train.optimizer", "optim opt optimiser optimizer_name optimizer_type")             \
    S("field", "train.learning_rate", "lr eta max_lr peak_lr base_lr learning_rate_init learningrate init_lr max_learning_rate rate") \
    S("field", "train.embedding_rate", "embedding_lr embed_lr emb_lr")                             \
    S("field", "train.schedule", "lr_schedule scheduler lr_scheduler lr_scheduler_type lr_decay decay_lr lr_decay_style") \
    S("field", "train.warmup_steps", "warmup warmup_iters n_warmup num_warmup_steps warm_up lr_warmup_steps warmup_ratio lr_warmup_iters") \
    S("field", "train.final_rate", "min_lr min_lr_ratio end_lr final_lr lr_min min_learning_rate eta_min") \
    S("field", "train.decay_every", "step_every lr_step lr_step_size lr_decay_steps step_size decay_steps lr_decay_iters") \
    S("field", "train.decay_factor", "gamma lr_gamma lr_decay_factor lr_decay_rate decay_rate")    \
    S("field", "train.beta1", "adam_beta1 b1 beta_1 betas")                                        \
    S("field", "train.beta2", "adam_beta2 b2 beta_2")                                              \
    S("field", "train.epsilon", "eps adam_epsilon adam_eps optimizer_eps")                         \
    S("field", "train.momentum", "mu sgd_momentum")                                                \
    S("field", "train.weight_decay", "wd l2 l2_reg weight_decay_rate decay lambda regularization weightdecay l2_penalty") \
    S("field", "train.clip_norm", "grad_clip max_grad_norm gradient_clip_val clip clipnorm gradient_clipping grad_norm_clip clip_grad_norm clip_grad gradient_clip global_clipnorm grad_clip_norm") \
    S("field", "train.seed", "random_seed rng_seed manual_seed random_state seeds n_seeds num_seeds") \
    S("field", "train.log_every", "log_interval logging_steps log_freq print_every log_every_n_steps eval_interval log_steps") \
    S("field", "train.probe_every", "probe_interval eval_every eval_steps eval_freq probe_steps")  \
    S("field", "train.snapshot_every", "save_every checkpoint_every save_interval save_steps ckpt_every checkpoint_interval save_freq") \
    S("field", "train.snapshots", "checkpoints save_at")                                           \
    S("field", "train.stop_metric", "early_stopping early_stop monitor stop")                      \
    S("field", "train.stop_value", "stop_at threshold target_accuracy target_loss stop_threshold")

#define FV_CHOICE_SYNONYMS(S)                                                                      \
    S("task.name", "copy", "copying copy_task token_copy delay identity")                          \
    S("task.name", "similar", "nearest closest similarity")                                        \
    S("task.name", "recall", "associative_recall ar assoc_recall in_context_recall")               \
    S("task.name", "mqar", "multi_query_associative_recall multiquery_ar zoology multi_query_ar")  \
    S("task.name", "induction", "induction_heads induction_head repeat repeated_tokens repetition") \
    S("task.name", "selective_copy", "selective_copying selective")                                \
    S("task.name", "needle", "niah needle_in_a_haystack niah_single haystack")                     \
    S("task.name", "needle_multi", "multi_needle niah_multi niah_multikey multineedle")            \
    S("task.name", "kv_retrieval", "kv key_value key_value_retrieval lost_in_the_middle retrieval") \
    S("task.name", "position", "position_retrieval where")                                         \
    S("task.data", "fresh", "online infinite stream streaming on_the_fly new")                     \
    S("task.data", "fixed", "offline finite dataset static")                                       \
    S("task.loss", "last", "final last_token last_position")                                       \
    S("task.loss", "all", "every full next_token autoregressive causal lm")                        \
    S("task.distribution", "zipf", "zipfian power_law powerlaw")                                   \
    S("task.distribution", "uniform", "flat equal")                                                \
    S("task.filler", "zero", "zeros pad padding blank")                                            \
    S("task.filler", "random", "noise uniform")                                                    \
    S("model.layers", "attention", "attn mha self_attention multi_head_attention multihead_attention self_attn transformer sdpa") \
    S("model.layers", "mlp", "ffn feedforward feed_forward ff linear dense")                       \
    S("model.layers", "layer_norm", "ln layernorm norm")                                           \
    S("model.layers", "rms_norm", "rmsnorm rms")                                                   \
    S("model.layers", "mamba", "ssm s6 state_space selective_scan")                         \
    S("model.positions", "none", "no nope off null false")                                         \
    S("model.positions", "learned", "absolute learnt trainable standard true yes")                 \
    S("model.positions", "rope", "rotary roformer")                                                \
    S("field", "model.rope_base", "rope_theta rotary_base rotary_emb_base")                        \
    S("field", "model.rope_width", "rotary_dim rotary_pct partial_rotary_factor rotary_ndims")     \
    S("field", "model.rope_pairs", "rotary_adjacent_pairs rope_interleaved")                       \
    S("field", "model.rope_original", "original_max_position_embeddings original_context_length")  \
    S("field", "model.n_kv_head", "num_key_value_heads n_kv_heads num_kv_heads n_key_value_heads num_query_groups multi_query") \
    S("field", "model.indexer_heads", "index_n_heads n_index_heads")                               \
    S("field", "model.indexer_width", "index_head_dim index_dim d_index")                          \
    S("field", "model.compress_block", "compress_ratio cmp_block_size selection_block_size")        \
    S("field", "model.compress_stride", "cmp_stride kernel_stride compress_d")                      \
    S("field", "model.nsa_block", "slc_block_size select_block_size")                              \
    S("field", "model.compress_window", "swa_window")                                             \
    S("field", "model.selector_k", "index_topk topk k_keys")                                       \
    S("field", "model.qk_norm", "use_qk_norm qk_layernorm qk_rmsnorm qk_layer_norm")               \
    S("field", "model.soft_cap", "attn_logit_softcapping attn_scores_soft_cap logit_cap softcap")  \
    S("field", "model.sink_logit", "softmax_off_by_one learned_sink add_zero_attn") \
    S("field", "model.gate", "attn_gate output_gate gated_attention")                              \
    S("model.positions", "sinusoidal", "sin sine sinusoid fixed sincos")                           \
    S("model.score", "dot", "dot_product scaled_dot_product scaled_dot softmax")                   \
    S("model.score", "euclidean", "l2 distance rbf gaussian")                                      \
    S("model.score", "harmonic", "inverse_distance power_law")                                     \
    S("model.normaliser", "softmax", "standard none default")                                      \
    S("model.normaliser", "sparsemax", "sparse simplex_projection projection")                     \
    S("model.normaliser", "entmax15", "entmax_15 entmax_1_5 tsallis")                              \
    S("model.normaliser", "entmax", "alpha_entmax entmax_alpha adaptive_entmax")                   \
    S("model.normaliser", "ssmax", "scalable_softmax log_n log_n_scaling")                         \
    S("model.normaliser", "asentmax", "adaptive_scalable_entmax as_entmax scalable_entmax")        \
    S("model.normaliser", "sigmoid", "sigmoid_attention logistic")                                 \
    S("model.selector", "none", "dense all full off false")                                        \
    S("model.selector", "topk", "top_k token_topk top_scores")                                     \
    S("model.selector", "block_topk", "moba block block_mean mean_pooling")                        \
    S("model.selector", "block_max", "max max_pooling")                                            \
    S("model.selector", "oracle_topk", "oracle true_topk")                                         \
    S("model.selector", "random_topk", "random random_gate control")                               \
    S("model.selector", "indexer", "dsa lightning_indexer index deepseek_sparse_attention")        \
    S("model.selector", "group_indexer", "msa minimax_sparse_attention block_indexer")             \
    S("model.embedding", "learned", "trainable learnt train true")                                 \
    S("model.embedding", "fixed", "frozen freeze random constant false")                           \
    S("model.embedding", "resampled", "redrawn fresh")                                             \
    S("model.embedding", "noisy", "noise neftune")                                                 \
    S("model.norm", "none", "no off null false identity")                                          \
    S("model.norm", "layer", "layernorm layer_norm ln lnpre pre true yes")                         \
    S("model.norm", "rms", "rmsnorm rms_norm rmspre")                                              \
    S("model.activation", "relu", "leaky_relu")                                                    \
    S("model.activation", "relu2", "squared_relu relu_squared sqrelu")                             \
    S("model.activation", "silu", "swish")                                                         \
    S("model.activation", "swiglu", "glu silu_glu swish_glu")                                      \
    S("model.activation", "geglu", "gelu_glu reglu")                                               \
    S("model.activation", "gelu", "gelu_new gelu_fast gelu_pytorch_tanh gelu_tanh")  \
    S("model.init", "posts", "default kaiming kaiming_uniform pytorch he")                         \
    S("model.init", "uniform", "xavier glorot xavier_uniform glorot_uniform")                      \
    S("model.init", "normal", "gaussian truncated_normal xavier_normal")                           \
    S("model.init", "gpt2", "gpt gpt_2 nanogpt")                                                   \
    S("train.optimizer", "sgd", "gd gradient_descent vanilla")                                     \
    S("train.optimizer", "momentum", "sgd_momentum sgdm sgd_with_momentum heavy_ball nesterov")    \
    S("train.optimizer", "adam", "adamax nadam rmsprop adagrad fused_adam")                        \
    S("train.optimizer", "adamw", "adam_w fused_adamw adamw_torch")                                \
    S("train.schedule", "constant", "none no off null const flat")                                 \
    S("train.schedule", "warmup", "constant_with_warmup linear_warmup")                            \
    S("train.schedule", "cosine", "cos cosine_annealing cosine_with_warmup cosineannealinglr cosine_decay") \
    S("train.schedule", "linear", "linear_decay linear_with_warmup polynomial")                    \
    S("train.schedule", "step", "steplr multistep multisteplr exponential step_decay")             \
    S("train.stop_metric", "none", "no off null false")                                            \
    S("train.stop_metric", "loss", "train_loss cross_entropy nll")                                 \
    S("train.stop_metric", "perplexity", "ppl")                                                    \
    S("train.stop_metric", "accuracy", "acc train_accuracy train_acc")                             \
    S("train.stop_metric", "test_accuracy", "test_acc val_acc val_accuracy validation_accuracy eval_accuracy")

#define FV_NAME_SYNONYMS(S)                                                                        \
    S("key", "source", "title description reference name paper citation")                          \
    S("key", "task", "data dataset tasks problem")                                                 \
    S("key", "model", "models architecture network config")                                        \
    S("key", "train", "training trainer optim optimizer optimization hyperparameters")             \
    S("key", "sweep", "sweeps grid grids axes search parameters hyperparameter_search product matrix") \
    S("key", "probes", "probe metrics measurements")                                               \
    S("key", "figure", "figures plot plots fig chart graph")                                       \
    S("key", "claims", "claim hypotheses tests test assertions expect checks")                     \
    S("probe", "effective_dimension", "dimension participation_ratio embedding_effective_dimension intrinsic_dimension pca") \
    S("probe", "effective_rank", "rank erank singular_values svd spectrum")                        \
    S("probe", "embedding_norm", "norm norms embedding_length weight_norm")                        \
    S("probe", "attention_mass", "attention attention_pattern attention_map patterns attention_by_distance") \
    S("probe", "neighbours", "neighbors neighbor")                                                 \
    S("probe", "current_token", "current self_attention")                                          \
    S("probe", "previous_token", "previous_token_head prev_token previous")                        \
    S("probe", "duplicate_token", "duplicate duplicate_token_head dup_token")                      \
    S("probe", "induction", "induction_head induction_score prefix_matching")                      \
    S("probe", "token_loss", "loss_by_token per_token_loss loss_per_token")                        \
    S("probe", "position_loss", "loss_by_position per_position_loss in_context_learning_score")    \
    S("probe", "needle_grid", "needle depth_grid niah")                                            \
    S("measure", "final", "last end final_value")                                                  \
    S("measure", "initial", "first start begin")                                                   \
    S("measure", "at", "value value_at step_value")                                                \
    S("measure", "change", "difference delta diff increase decrease")                              \
    S("measure", "lowest", "minimum least best_loss amin")                                     \
    S("measure", "highest", "maximum peak best amax")                                          \
    S("measure", "lowest_step", "argmin step_of_lowest")                                           \
    S("measure", "highest_step", "argmax step_of_highest peak_step")                               \
    S("measure", "mean", "average avg mean_value")                                                 \
    S("measure", "slope", "trend regression gradient")                                             \
    S("measure", "correlation", "corr pearson corrcoef r2")                                        \
    S("measure", "first_below", "time_to steps_to reaches_below")                                  \
    S("measure", "first_above", "reaches crossing threshold_step")                                 \
    S("measure", "emergence", "transition emergence_step grokking onset stays_above")              \
    S("measure", "diverged", "divergence diverges nan exploded")                                          \
    S("measure", "plateau", "plateau_height stall")                                                \
    S("measure", "plateau_length", "plateau_duration stall_length")                                \
    S("measure", "cosine", "cosine_similarity cos")                                                \
    S("measure", "ln", "log natural_log")                                                          \
    S("figure", "curves", "curve line lines plot loss_curve lineplot line_plot learning_curve training_curve") \
    S("figure", "scatter", "points scatterplot scatter_plot dots")                                 \
    S("figure", "trajectories", "trajectory path paths embedding_trajectory")                      \
    S("figure", "heatmap", "heat_map map imshow matrix phase_diagram phase contour pcolor grid")   \
    S("figure", "scaling", "loglog power_law scaling_law fit bar bars")                            \
    S("figure", "animation", "gif movie video animate anim")                                       \
    S("figure", "needle", "niah needle_map")                                                       \
    S("figure", "middle", "lost_in_the_middle")                                                    \
    S("option", "lines", "hue group groupby group_by series split_by legend by")                   \
    S("option", "color", "colour c cmap hue")                                                      \
    S("option", "panel", "panels facet facets subplot subplots col facet_by")                      \
    S("option", "xlabel", "x_title x_axis x_name")                                                 \
    S("option", "ylabel", "y_title y_axis y_name")                                                 \
    S("option", "xlog", "log_x logx xscale x_scale x_log")                                         \
    S("option", "ylog", "log_y logy yscale y_scale y_log")                                         \
    S("option", "title", "headline caption heading suptitle")                                      \
    S("option", "where", "filter select runs subset query")                                        \
    S("option", "name", "file filename output path")                                               \
    S("option", "spread", "ci errorbar error_band band std interval")                              \
    S("option", "reduce", "aggregate estimator average agg")                                       \
    S("option", "value", "z values metric")                                                        \
    S("option", "y", "metric series values")                                                       \
    S("test", "above", "greater min at_least more_than greater_than gt")                           \
    S("test", "below", "less max at_most less_than smaller lt")                                    \
    S("test", "tolerance", "tol rtol atol within error margin")                                    \
    S("test", "published", "expected value target reference paper_value")                          \
    S("test", "trend", "direction monotonic monotone")                                             \
    S("test", "across", "over along by versus axis")                                               \
    S("test", "statement", "claim description text title")                                         \
    S("test", "measure", "metric expression formula quantity")                                     \
    S("test", "where", "filter select when if condition runs")                                     \
    S("test", "reduce", "aggregate agg")                                                           \
    S("test", "note", "comment remark notes")

#define FV_SYNONYMS(S)                                                                             \
    FV_TASK_SYNONYMS(S) FV_MODEL_SYNONYMS(S) FV_TRAIN_SYNONYMS(S) FV_CHOICE_SYNONYMS(S)            \
    FV_NAME_SYNONYMS(S)

#define FV_ABSENT(A)                                                                               \
    A("dropout dropout_rate dropout_p p_drop drop_rate attn_dropout attention_dropout resid_dropout embd_dropout hidden_dropout hidden_dropout_prob attention_probs_dropout_prob attn_pdrop resid_pdrop embd_pdrop dropout_prob", "Fovea has no dropout") \
    A("device cuda gpu gpus n_gpus num_gpus accelerator use_cuda", "Fovea computes on processors; --jobs N says how many runs train at once") \
    A("dtype precision fp16 bf16 amp mixed_precision torch_dtype", "everything is computed in 32-bit floating point") \
    A("num_workers workers n_workers n_jobs jobs threads num_threads n_threads", "--jobs N on the command line says how many runs train at once") \
    A("gradient_accumulation_steps grad_accum accumulate_grad_batches gradient_accumulation accumulation_steps", "train.batch_size is the whole batch, of any size") \
    A("output_dir out_dir out save_dir log_dir output outdir results_dir", "--out DIR on the command line says where results go") \
    A("causal is_causal causal_mask attention_dir use_causal_mask", "attention always is causal") \
    A("amsgrad use_nesterov lookahead", "the optimizers are plain: sgd, momentum, adam, adamw and muon") \
    A("label_smoothing smoothing", "the loss is plain cross-entropy") \
    A("layer_norm_eps rms_norm_eps layer_norm_epsilon eps_norm norm_eps layernorm_epsilon", "norms have 1e-5 below their root") \
    A("shuffle drop_last", "batches of a fixed training set (task.data fixed) are drawn with replacement")
// clang-format on

#endif
