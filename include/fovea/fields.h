// Every configuration field, once. This table drives the fv_config structures, YAML files, command
// line overrides, sweep axes, `fovea help FIELD`, the run's identity and docs/fields.md.
//
//   F(section, name, TYPE, default, lowest, highest, help)
//
// TYPE is one of INT (int), REAL (double), BOOL (bool), INTS (fv_ints), LAYERS (fv_layers), or a
// choice list below (int, an index into it). The default is YAML text. Bounds are inclusive and
// read for INT, REAL and INTS. A field that only some choices of another field read has a row in
// src/config/config_readers.c.
#ifndef FOVEA_FIELDS_H
#define FOVEA_FIELDS_H

// Choice lists: X(ENUM_NAME, "text"). The enum constant is FV_<LIST>_<NAME>.
#define FV_TASK_LIST(X)                                                                            \
    X(COPY, "copy")                                                                                \
    X(SIMILAR, "similar")                                                                          \
    X(RECALL, "recall")                                                                            \
    X(MQAR, "mqar")                                                                                \
    X(INDUCTION, "induction")                                                                      \
    X(SELECTIVE_COPY, "selective_copy")                                                            \
    X(NEEDLE, "needle")                                                                            \
    X(NEEDLE_MULTI, "needle_multi")                                                                \
    X(KV_RETRIEVAL, "kv_retrieval")                                                                \
    X(POSITION, "position")

#define FV_TIES_LIST(X)                                                                            \
    X(SMALLER, "smaller")                                                                          \
    X(LARGER, "larger")                                                                            \
    X(EARLIER, "earlier")                                                                          \
    X(LATER, "later")

#define FV_POOL_LIST(X)   X(SHARED, "shared") X(SPLIT, "split")
#define FV_FILLER_LIST(X) X(ZERO, "zero") X(RANDOM, "random")

#define FV_LAYER_LIST(X)                                                                           \
    X(ATTENTION, "attention")                                                                      \
    X(MLP, "mlp")                                                                                  \
    X(LAYER_NORM, "layer_norm")                                                                    \
    X(RMS_NORM, "rms_norm")                                                                        \
    X(MAMBA, "mamba")

// What a layer of the list may say for itself: X(name, of which layer, lowest, highest). The model
// section has a field of the same name, which holds for the layers that do not.
#define FV_LAYER_OPTIONS(X)                                                                        \
    X(window, ATTENTION, 0, 65536)                                                                 \
    X(sinks, ATTENTION, 0, 65536)

#define FV_POSITIONS_LIST(X)                                                                       \
    X(NONE, "none")                                                                                \
    X(LEARNED, "learned")                                                                          \
    X(SINUSOIDAL, "sinusoidal")

#define FV_SCORE_LIST(X)                                                                           \
    X(DOT, "dot")                                                                                  \
    X(EUCLIDEAN, "euclidean")                                                                      \
    X(HARMONIC, "harmonic")

#define FV_EMBEDDING_LIST(X)                                                                       \
    X(LEARNED, "learned")                                                                          \
    X(FIXED, "fixed")                                                                              \
    X(RESAMPLED, "resampled")                                                                      \
    X(NOISY, "noisy")

#define FV_NORM_LIST(X)         X(NONE, "none") X(LAYER, "layer") X(RMS, "rms")
#define FV_ACTIVATION_LIST(X)   X(RELU, "relu") X(GELU, "gelu")
#define FV_INIT_LIST(X)         X(POSTS, "posts") X(UNIFORM, "uniform") X(NORMAL, "normal") X(GPT2, "gpt2")
#define FV_DISTRIBUTION_LIST(X) X(UNIFORM, "uniform") X(ZIPF, "zipf")
#define FV_LOSS_LIST(X)         X(LAST, "last") X(ALL, "all")
#define FV_DATA_LIST(X)         X(FRESH, "fresh") X(FIXED, "fixed")

#define FV_OPTIMIZER_LIST(X)                                                                       \
    X(SGD, "sgd")                                                                                  \
    X(MOMENTUM, "momentum")                                                                        \
    X(ADAM, "adam")                                                                                \
    X(ADAMW, "adamw")

#define FV_SCHEDULE_LIST(X)                                                                        \
    X(CONSTANT, "constant")                                                                        \
    X(WARMUP, "warmup")                                                                            \
    X(COSINE, "cosine")                                                                            \
    X(LINEAR, "linear")                                                                            \
    X(STEP, "step")

#define FV_METRIC_LIST(X)                                                                          \
    X(NONE, "none")                                                                                \
    X(LOSS, "loss")                                                                                \
    X(PERPLEXITY, "perplexity")                                                                    \
    X(ACCURACY, "accuracy")                                                                        \
    X(TEST_ACCURACY, "test_accuracy")

// Every choice list, so that tables over all of them can be generated.
#define FV_CHOICE_LISTS(C)                                                                         \
    C(TASK, FV_TASK_LIST)                                                                          \
    C(TIES, FV_TIES_LIST)                                                                          \
    C(POOL, FV_POOL_LIST)                                                                          \
    C(FILLER, FV_FILLER_LIST)                                                                      \
    C(LAYER, FV_LAYER_LIST)                                                                        \
    C(POSITIONS, FV_POSITIONS_LIST)                                                                \
    C(SCORE, FV_SCORE_LIST)                                                                        \
    C(EMBEDDING, FV_EMBEDDING_LIST)                                                                \
    C(NORM, FV_NORM_LIST)                                                                          \
    C(ACTIVATION, FV_ACTIVATION_LIST)                                                              \
    C(INIT, FV_INIT_LIST)                                                                          \
    C(DISTRIBUTION, FV_DISTRIBUTION_LIST)                                                          \
    C(LOSS, FV_LOSS_LIST)                                                                          \
    C(DATA, FV_DATA_LIST)                                                                          \
    C(OPTIMIZER, FV_OPTIMIZER_LIST)                                                                \
    C(SCHEDULE, FV_SCHEDULE_LIST)                                                                  \
    C(METRIC, FV_METRIC_LIST)

// clang-format off
#define FV_TASK_FIELDS(F)                                                                          \
    F(task, name, TASK, "copy", 0, 0, "what the model must predict")                               \
    F(task, vocab_size, INT, "100", 2, 1000000, "number of distinct tokens, V")                    \
    F(task, context_length, INT, "4", 0, 65536, "tokens in a sequence, T; 0, for recall, means the 2 n_pairs + 1 that it has") \
    F(task, offset, INT, "0", 0, 65535, "copy: how far back from the last token the target lies (0 = the last token itself)") \
    F(task, index, INT, "-1", -1, 65535, "copy: position of the target from the start; -1 uses offset instead") \
    F(task, ties, TIES, "smaller", 0, 0, "similar: which of two equally near tokens is meant, by its value or by its place") \
    F(task, n_pairs, INT, "8", 1, 8192, "recall and mqar: pairs of a key and its value in a sequence; needle_multi: different keys") \
    F(task, pool, POOL, "shared", 0, 0, "recall: keys and values are both drawn from the whole vocabulary, or keys from its lower and values from its upper half") \
    F(task, context_repetition, REAL, "1.0", 1, 8192, "recall: mean occurrences B of the queried pair in a training sequence; 1 is exactly one") \
    F(task, sample_repetition, REAL, "0.0", 0, 1, "recall: share p of training sequences whose query is one of two fixed tokens") \
    F(task, gap_power, REAL, "0.01", 0, 10, "mqar: slot g behind the pairs is asked in with weight g^(gap_power - 1); 1 is uniform") \
    F(task, filler, FILLER, "zero", 0, 0, "mqar: what stands between queries: token 0, or uniform random tokens") \
    F(task, period, INT, "0", 0, 65535, "induction: tokens before the sequence repeats; 0 means half of context_length") \
    F(task, n_copy, INT, "16", 1, 32768, "selective_copy: tokens to be copied")                    \
    F(task, loss, LOSS, "last", 0, 0, "predict at the last position, or at every position whose target exists") \
    F(task, distribution, DISTRIBUTION, "uniform", 0, 0, "how tokens are drawn")                   \
    F(task, zipf_alpha, REAL, "1.0", 0, 10, "zipf: token r (from 0) has weight (r + 1)^-alpha")    \
    F(task, data, DATA, "fresh", 0, 0, "new sequences at every step, or a fixed training set from which batches are drawn with replacement")     \
    F(task, n_train, INT, "10000", 1, 100000000, "fixed: sequences in the training set")           \
    F(task, n_test, INT, "1024", 0, 10000000, "held-out sequences that test metrics are measured on; 0 for none") \
    F(task, length_min, INT, "0", 0, 65536, "shortest training sequence: every step draws a length from here to length_max; 0 means length_max") \
    F(task, length_max, INT, "0", 0, 65536, "longest training sequence; 0 means context_length, the longest that the model reads when it is evaluated") \
    F(task, length_step, INT, "1", 1, 65536, "distance of the training lengths, counted from length_min") \
    F(task, depth, REAL, "-1.0", -1, 100, "needle, needle_multi, kv_retrieval and position: where the answer stands, in percent of the way from the first place to the last; below 0 anywhere") \
    F(task, n_values, INT, "1", 1, 64, "needle_multi: needles of each key, each with its own value") \
    F(task, n_queries, INT, "1", 1, 8192, "needle_multi: keys that are asked for, one after the other")

#define FV_MODEL_FIELDS(F)                                                                         \
    F(model, n_embd, INT, "2", 1, 8192, "width of the residual stream, d")                         \
    F(model, n_head, INT, "1", 1, 1024, "attention heads, H; divides n_embd")                      \
    F(model, layers, LAYERS, "[attention]", 0, 0, "layers between embedding and unembedding, in order; name*3 repeats; attention(window=8 sinks=2) has a window and sinks of its own") \
    F(model, score, SCORE, "dot", 0, 0, "attention weights: softmax of q.k / sqrt(d_head), softmax of -beta |q - k|^2, or proportional to |q - k|^-power") \
    F(model, score_beta, REAL, "1.0", 1e-6, 1e6, "euclidean: inverse temperature beta")            \
    F(model, score_power, REAL, "2.0", 1e-3, 1000, "harmonic: power of the distance")              \
    F(model, score_floor, REAL, "1e-3", 1e-9, 1e6, "harmonic: added to the squared distance, so that coincident points weigh finitely") \
    F(model, exclude_self, BOOL, "false", 0, 0, "a position does not attend to itself; the first one then attends to nothing") \
    F(model, positions, POSITIONS, "none", 0, 0, "positional embedding added to the token embedding") \
    F(model, embedding, EMBEDDING, "learned", 0, 0, "token embeddings: learned; fixed as drawn; drawn anew at every step; or learned under Gaussian noise drawn at every step") \
    F(model, embedding_noise, REAL, "0.1", 0, 1000, "noisy: standard deviation of the noise")      \
    F(model, residual, BOOL, "false", 0, 0, "attention, mlp and mamba layers add to their input instead of replacing it") \
    F(model, tied, BOOL, "false", 0, 0, "the unembedding is the transposed token embedding")       \
    F(model, bias, BOOL, "false", 0, 0, "attention and mlp layers have biases")                    \
    F(model, norm, NORM, "none", 0, 0, "normalisation in front of each attention, mlp and mamba layer and of the unembedding") \
    F(model, activation, ACTIVATION, "gelu", 0, 0, "mlp: nonlinearity")                            \
    F(model, d_mlp, INT, "0", 0, 65536, "mlp: hidden width; 0 means 4 n_embd")                     \
    F(model, init, INIT, "posts", 0, 0, "posts: embeddings N(0, embedding_sigma), linear maps U(+-1/sqrt(fan_in)); uniform: the same maps, embeddings U(+-1/sqrt(n_embd)); normal: N(0, init_sigma); gpt2: N(0, 0.02), the last map of attention, mlp and mamba scaled by 1/sqrt(number of such layers)") \
    F(model, init_sigma, REAL, "0.02", 0, 100, "init normal: standard deviation")                  \
    F(model, embedding_sigma, REAL, "1.0", 0, 100, "init posts: standard deviation of token and positional embeddings") \
    F(model, mamba_state, INT, "16", 1, 256, "mamba: numbers in the state of each channel, N")     \
    F(model, mamba_expand, INT, "2", 1, 16, "mamba: channels as a multiple of n_embd")             \
    F(model, mamba_conv, INT, "4", 1, 16, "mamba: taps of the causal convolution")                 \
    F(model, mamba_dt_rank, INT, "0", 0, 8192, "mamba: rank of the map to the time steps; 0 means n_embd / 16, rounded up") \
    F(model, window, INT, "0", 0, 65536, "attention sees this many keys, up to and including the query's own position; 0 is the whole context") \
    F(model, sinks, INT, "0", 0, 65536, "attention also sees this many first positions of the sequence, however far behind the window they lie") \
    F(model, score_power_learned, BOOL, "false", 0, 0, "harmonic: every head learns its power, starting from score_power") \
    F(model, d_score, INT, "0", 0, 8192, "features of a head's queries and keys that its score compares, the others stay 0; 0 means n_embd / n_head") \
    F(model, d_positions, INT, "0", 0, 8192, "learned positions: features that positional embeddings have, the others stay 0; 0 means n_embd")

#define FV_TRAIN_FIELDS(F)                                                                         \
    F(train, steps, INT, "3000", 0, 1000000000, "optimizer steps")                                 \
    F(train, batch_size, INT, "256", 1, 1048576, "sequences in a step, B")                         \
    F(train, optimizer, OPTIMIZER, "adam", 0, 0, "update rule")                                    \
    F(train, learning_rate, REAL, "1e-3", 0, 1000, "peak learning rate")                           \
    F(train, embedding_rate, REAL, "1.0", 0, 1e6, "factor of the learning rate of token and positional embeddings") \
    F(train, layer_rate, REAL, "1.0", 0, 1e6, "factor of the learning rate of everything between embedding and unembedding") \
    F(train, unembedding_rate, REAL, "1.0", 0, 1e6, "factor of the learning rate of an untied unembedding") \
    F(train, token_rate_power, REAL, "0.0", -10, 10, "a token's embedding learns at a rate scaled by (its frequency times vocab_size)^power") \
    F(train, schedule, SCHEDULE, "constant", 0, 0, "learning rate over time, after a linear warm-up of warmup_steps") \
    F(train, warmup_steps, INT, "0", 0, 1000000000, "steps over which the learning rate rises linearly from 0") \
    F(train, final_rate, REAL, "0.0", 0, 1, "cosine and linear: last learning rate as a fraction of the peak") \
    F(train, decay_every, INT, "1000", 1, 1000000000, "step: steps between two decays")            \
    F(train, decay_factor, REAL, "0.1", 0, 1, "step: factor of each decay")                        \
    F(train, beta1, REAL, "0.9", 0, 0.999999, "adam: decay of the first moment")                   \
    F(train, beta2, REAL, "0.999", 0, 0.9999999, "adam: decay of the second moment")               \
    F(train, epsilon, REAL, "1e-8", 0, 1, "adam: added to the root of the second moment")          \
    F(train, momentum, REAL, "0.9", 0, 0.999999, "momentum: decay of the velocity")                \
    F(train, weight_decay, REAL, "0.0", 0, 100, "adamw: decoupled decay; other optimizers: L2 penalty added to the gradient") \
    F(train, clip_norm, REAL, "0.0", 0, 1e9, "largest norm of the whole gradient; 0 does not clip") \
    F(train, seed, INT, "0", 0, 2147483647, "seed of initialisation, training data and test data") \
    F(train, log_every, INT, "10", 1, 1000000000, "steps between two points of the curves")        \
    F(train, probe_every, INT, "0", 0, 1000000000, "steps between two probe measurements; 0 means log_every") \
    F(train, snapshot_every, INT, "0", 0, 1000000000, "steps between two snapshots of all parameters; 0 takes none") \
    F(train, snapshots, INTS, "[]", 0, 1000000000, "further steps at which a snapshot is taken")   \
    F(train, stop_metric, METRIC, "none", 0, 0, "stop early once this metric is better than stop_value") \
    F(train, stop_value, REAL, "0.0", -1e30, 1e30, "threshold of stop_metric: loss and perplexity at or below it, accuracy at or above it")
// clang-format on

// Fields that say which of many equal runs is meant, or how it is watched, not what is trained:
// X(section, name). Claims about runs in which the command line has changed no other are judged.
#define FV_UNCOMPARED_FIELDS(X)                                                                    \
    X(train, seed)                                                                                 \
    X(train, log_every)                                                                            \
    X(train, probe_every)                                                                          \
    X(train, snapshot_every)                                                                       \
    X(train, snapshots)

#define FV_FIELDS(F) FV_TASK_FIELDS(F) FV_MODEL_FIELDS(F) FV_TRAIN_FIELDS(F)

#endif
