// The decoder: a trained model reads one sequence of any length, piece by piece, and goes on token
// by token. Between pieces attention keeps the keys and values that its mask can still ask for (the
// KV cache), Mamba a state of fixed size.
//
// It computes what fv_model_logits computes (model.h), from the same parameters, in another
// arrangement: there sixteen sequences lie in the lanes of a vector, here the positions, outputs or
// channels of one. Logits agree to 1e-5 max(1, |logit|). Positions that no logit is asked of are
// read as far as later ones need them: the last layer that mixes positions computes the asked ones
// alone.
//
// V vocabulary, d n_embd, H heads, E mamba_expand d channels, N mamba_state numbers of a channel.
#ifndef FOVEA_DECODE_H
#define FOVEA_DECODE_H

#include <fovea/attention.h>
#include <fovea/model.h>

#ifdef __cplusplus
extern "C" {
#endif

// Keys that a query keeps although the model was trained with all: choices that need no training, for
// evaluation. X(NAME, name, number, help): `number` is what fv_decoder_keep.number means.
//
// With top_p a query keeps the keys of the largest weights, the first among equals, until they have this
// share of what a dense softmax gives to all keys. The others evict: once a query has attended and more
// than `number` keys are left to a head, the one of least score is gone for good, the first among
// equals. Scores are sums of the weights that queries gave: of all queries so far (h2o, arXiv 2306.14048),
// or of the last `recent` ones (snapkv, arXiv 2404.14469, whose window votes at every token here and not
// once behind a prompt). The last `recent` positions always stay. Heads evict each for itself, also where
// they share keys; caches keep their room.
#define FV_KEEP_LIST(X)                                                                            \
    X(ALL, "all", "", "every key, as the model was trained")                                       \
    X(TOP_P, "top_p", "share of the softmax's mass", "the keys that have this share of it")        \
    X(H2O, "h2o", "keys", "those that all queries gave most, and recent ones")                     \
    X(SNAPKV, "snapkv", "keys", "those that recent queries gave most, and recent ones")

typedef enum fv_keep_kind {
#define FV_KEEP_ENUM(NAME, name, number, help) FV_KEEP_##NAME,
    FV_KEEP_LIST(FV_KEEP_ENUM)
#undef FV_KEEP_ENUM
        FV_KEEP_COUNT
} fv_keep_kind;

typedef struct fv_decoder_keep {
    int kind;      // fv_keep_kind
    double number; // top_p: 0 to 1; else whole, 2 or more
    int recent;    // of those that evict: 1 to number - 1; 0: half of it, of snapkv at most 16
} fv_decoder_keep;

// "top_p=0.9", "h2o=64", "snapkv=64". FV_USAGE with a sentence.
FV_API fv_status fv_decoder_keep_read(const char *text, fv_decoder_keep *keep, fv_error *error);

typedef struct fv_decoder_options {
    int64_t n;     // positions that a sequence may have; 0: the model's context_length
    int n_threads; // that share the attention of a prompt; 0: all cores. Changes no bits
    // NULL, or what every attention layer sees in place of its own window and sinks: causal,
    // without a bitmap. For measurements; a trained model means its own.
    const fv_attention_mask *mask;
    fv_decoder_keep keep; // all 0: every key
} fv_decoder_options;

// The model's own length, one thread: set what differs.
FV_API void fv_decoder_options_init(fv_decoder_options *options);

// A model and the sequence that it has read so far. One call at a time may use it.
typedef struct fv_decoder fv_decoder;

// `model` describes `params` [n_params]; what is needed of both is copied. `options` may be NULL.
// FV_USAGE with a sentence for a room below 1 or beyond 2^40, for more positions than a learned
// table has, for a mask that is not causal, for keys that cannot be kept so, and for heads wider than
// 4096; FV_NO_MEMORY.
FV_API fv_status fv_decoder_create(const fv_model *model, const float *params,
                                   const fv_decoder_options *options, fv_decoder **out,
                                   fv_error *error);
FV_API void fv_decoder_free(fv_decoder *decoder);

// Reads the sequence's next `count` tokens. `asked` [n_asked] are positions among them, ascending,
// counted from the sequence's start; their logits go to `logits` [n_asked][V]. With n_asked 0 both
// may be NULL. FV_USAGE, with nothing read, beyond the decoder's n, for a token that the model does
// not know and for positions that are not ascending or not among these; FV_NO_MEMORY, after which
// the sequence begins again (fv_decoder_rewind to 0).
FV_API fv_status fv_decoder_read(fv_decoder *decoder, int64_t count, const int32_t *tokens,
                                 int64_t n_asked, const int64_t *asked, float *logits,
                                 fv_error *error);

// Positions read so far.
FV_API int64_t fv_decoder_seen(const fv_decoder *decoder);

// Forgets the sequence's positions from `n_seen` on. FV_USAGE where they cannot be forgotten: a
// state goes back to 0 only, a window has dropped the keys before it, and the evicted are gone.
FV_API fv_status fv_decoder_rewind(fv_decoder *decoder, int64_t n_seen, fv_error *error);

// Multiply-adds of reading n positions and answering at the last: what an estimate of time needs.
FV_API double fv_decoder_operations(const fv_decoder *decoder, int64_t n);

// Bytes that the decoder holds, by purpose. Kept is, layer by layer,
//
//     attention                  8 d n                                  keys and values
//     attention with a window    8 d min(n, sinks + window - 1 + piece)
//     mamba                      4 E (N + mamba_conv - 1)               at any length
//     a state of matrices        4 H K (V, to the next sixteen), and (taps - 1) rows of q, k and v
//
// where `piece` is the number of positions that pass through the layers at a time, at most 1024.
typedef struct fv_decoder_memory {
    size_t weights;
    size_t kept;    // what the next token needs
    size_t working; // a forward pass beside that
} fv_decoder_memory;
FV_API fv_decoder_memory fv_decoder_bytes(const fv_decoder *decoder);

#ifdef __cplusplus
}
#endif
#endif
