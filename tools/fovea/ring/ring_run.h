// One measured run of a ring on a group of processes, checked against one process.
#ifndef FOVEA_TOOL_RING_RUN_H
#define FOVEA_TOOL_RING_RUN_H

#include "ring/ring_group.h"

// The tensors of attention, as positions, heads and features; those from RING_O on are results.
enum { RING_Q, RING_K, RING_V, RING_D_O, RING_O, RING_DQ, RING_DK, RING_DV, RING_TENSORS };

typedef struct ring_request {
    fv_ring_config config;
    int repeats;
    bool check;                     // against one process, whose time is taken too
    double latency, link_bandwidth; // of an emulated network; link_bandwidth 0: none
} ring_request;

enum { RING_MAX_SPANS = 2048 };

// What every rank finds out.
typedef struct ring_member {
    int64_t rows;
    fv_ring_plan plan;
    fv_ring_report forward, backward; // of the fastest repetition
    double memory;                    // bytes: peak beyond what the process had before
    int n_spans;
    fv_ring_span spans[RING_MAX_SPANS]; // of that repetition; backward from `turn` on
    double turn;                        // seconds at which backward began
} ring_member;

typedef struct ring_outcome {
    int n_ranks;
    ring_member *members;        // [n_ranks], at rank 0; malloc
    double seconds;              // until the last rank is done, the best repetition
    double forward_seconds;      // of it
    double transfer_seconds;     // the messages of a forward pass alone, the best repetition
    double single_seconds;       // one process, the best repetition; 0 without check
    double single_forward;       // of it
    double message_latency;      // seconds, a small message
    double errors[RING_TENSORS]; // of results, of the largest number; checked ones only
} ring_outcome;

// Runs on all processes; the outcome is complete at rank 0. Fails on all of them alike.
fv_status ring_run(const ring_request *request, ring_group *group, ring_outcome *outcome,
                   fv_error *error);
void ring_outcome_free(ring_outcome *outcome);

// Operations of all ranks together: four products of a pair forward, ten backward.
double ring_flops(const ring_request *request, const ring_outcome *outcome, bool backward);

// The share of the messages' time that passed while ranks computed, of a forward pass.
double ring_hidden_share(const ring_outcome *outcome);

#endif
