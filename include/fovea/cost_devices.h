// A model over several devices: what each holds and moves, and how fast all of them can be at best.
//
//   tp  tensor parallel: heads, inner widths and the vocabulary are divided (Megatron-LM)
//   pp  pipeline parallel: layers are divided into stages
//   cp  context parallel: the tokens of the cache are divided
//   dp  data parallel: replicas, which divide the sequences
//   ep  expert parallel: the experts of a layer are divided
//
// tp * pp * cp * dp devices; experts are spread over ep of the tp * cp * dp of a stage.
// docs/cost.md has the formulas and their sources.
#ifndef FOVEA_COST_DEVICES_H
#define FOVEA_COST_DEVICES_H

#include <fovea/cost.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fv_cost_devices {
    uint64_t tp, pp, cp, dp, ep; // each >= 1
    double weight_bytes;         // of a parameter
    double link_bytes;           // of a number that devices send each other
    uint64_t memory;             // bytes of a device; 0: not asked
    double flops, bandwidth; // operations and bytes of memory a device does a second; 0: not asked
} fv_cost_devices;

// One device, two bytes a number, nothing asked.
FV_API void fv_cost_devices_init(fv_cost_devices *devices);

// tp * pp * cp * dp, UINT64_MAX where that is more.
FV_API uint64_t fv_cost_devices_count(const fv_cost_devices *devices);

// The model as one device of a stage holds it: a model of its own, whose costs, for the setting of
// fv_cost_device_setting, are the device's. Its notes say what is padded and what every device
// holds whole. FV_USAGE where a shape cannot be divided, naming it.
FV_API fv_status fv_cost_shard(const fv_cost_model *model, const fv_cost_devices *devices,
                               const fv_cost_setting *setting, uint64_t stage, fv_cost_model **out,
                               fv_error *error);

// The device's share of the tokens and of the sequences, rounded up.
FV_API fv_cost_setting fv_cost_device_setting(const fv_cost_devices *devices,
                                              const fv_cost_setting *setting);

// One device of a stage.
typedef struct fv_cost_stage {
    uint64_t first_layer, n_layers; // blocks, from 0
    fv_cost_number parameters;      // that it holds
    fv_cost_number weights;         // of its matrices, those that one token meets
    fv_cost_number cache, state;    // bytes of its sequences, as the engine reserves them
    fv_cost_number traffic;         // bytes of cache and state that one token of a sequence moves
    fv_cost_number decode, prefill; // FLOPs that the whole stage needs, one sequence
    double sent;                    // bytes that it sends to others for one token
    uint64_t sequences;             // that fit into `memory` beside the parameters; UINT64_MAX: any
    uint64_t context;               // the longest that fits, for its sequences; UINT64_MAX: any
} fv_cost_stage;

// Fails as fv_cost_shard does.
FV_API fv_status fv_cost_stage_get(const fv_cost_model *model, const fv_cost_devices *devices,
                                   const fv_cost_setting *setting, uint64_t stage,
                                   fv_cost_stage *out, fv_error *error);

// Times that no engine can beat on these devices, which must say `flops` and `bandwidth`: each
// takes at least as long as its operations, evenly spread, and as its bytes of memory, one after
// the other overlapping perfectly (Williams, Waterman, Patterson: Roofline, 2009). Links cost
// nothing.
typedef struct fv_cost_bound {
    double first_token;                         // seconds for the prompt of one sequence alone
    double step;                                // seconds for one more token of every sequence
    double tokens_a_second;                     // of all sequences
    double prompt_a_second;                     // tokens of prompts, of all replicas
    bool first_token_by_memory, step_by_memory; // what binds: bytes, not operations
} fv_cost_bound;

FV_API fv_status fv_cost_bound_get(const fv_cost_model *model, const fv_cost_devices *devices,
                                   const fv_cost_setting *setting, fv_cost_bound *out,
                                   fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
