// Questions on their way: what served_ask.c sends and answer.c takes in.
#ifndef FOVEA_SERVED_ASKER_H
#define FOVEA_SERVED_ASKER_H

#include "served/reply_stream.h"
#include "served/work.h"

typedef struct slot {
    http_call call;
    prompt prompt;
    served_cell *cell;
    endpoint *end; // that is asked
    text_buffer count_url;
    int sample;
    length_search search;
    int n_units, tokens; // of the prompt; tokens -1: not known
    int in_flight;       // requests at once at its endpoint when it was sent, with itself
    int n_shorter, n_moved;
    bool counting; // the request in flight counts the prompt
    bool no_room;  // not even its shortest prompt fits into the length
    bool streams;  // its answer is asked for in pieces
    bool logprobs; // and its log-probabilities are
    bool without;  // not any more: the server refused them
    int attempt;   // which try the pieces are of
    reply_stream stream;
    wire_reply reply;
} slot;

typedef struct asker {
    fv_served *s;
    http *http;
    slot *slots;
    slot **idle;
    work work;   // that is left
    int n_slots; // requests at once
    int n_idle, n_all, n_done, n_failed;
    int in_a_row;          // failures without an answer between them
    bool whole;            // answers are asked for in one: the server cannot do otherwise, or
                           // then does not say how much it read
    bool asks_logprobs;    // of tokens, until the server refuses
    bool has_logprobs;     // a request that asked for them was answered
    const char *stop_kind; // NULL, or why there is no sense in going on
    double started, shown;
} asker;

// Stores what came of a slot's question, and frees the slot.
fv_status asker_store(asker *a, slot *at, fv_error *error);

#endif
