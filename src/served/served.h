// An evaluation of a served model on its way: the cells, which of their samples are answered, and
// what their prompts are made of.
#ifndef FOVEA_SERVED_SERVED_H
#define FOVEA_SERVED_SERVED_H

#include "eval/asks.h"
#include "served/data_file.h"
#include "served/endpoints.h"
#include "served/length.h"
#include "served/source.h"
#include "served/speeds.h"

// A task at one length: cells that differ in depth alone and share their haystacks.
typedef struct served_group {
    const served_task *task;
    const data_file *data; // that has the questions, or NULL
    int samples;           // of each cell, at most
    char *haystack;        // what the prompts are made of
    served_hay hay;
    int length, max_tokens;
    int load; // requests at once, of the options' loads; 0 without them
    wire_settings settings;
    length_rule rule;                           // where something is missing
    char left_out[sizeof((fv_error *)0)->text]; // why nothing of it can be asked, or ""
    wire_frame frame;
    thoughts_known thoughts;
    int first_cell, n_cells;   // by falling depth
    int n_answered;            // in this call
    int n_too_long;            // that the server did not read whole, in this call
    const char *too_long_kind; // whether it said so
} served_group;

typedef enum sample_state { SAMPLE_MISSING, SAMPLE_ANSWERED, SAMPLE_FAILED } sample_state;

// A prompt that another label was asked.
typedef struct led_prompt {
    bool there;
    int n_units;
    uint64_t hash;
} led_prompt;

typedef struct served_cell {
    served_group *group;
    fv_cell cell;         // counts of everything stored that counts
    fv_cell unknown;      // and of answers of unknown origin
    speeds speeds;        // of the answers that count
    int n_reused;         // answers of unknown origin that count
    unsigned char *state; // [group->samples] of sample_state
    int target;           // samples wanted so far
    led_prompt *led;      // [group->samples] with options.prompts_of, else NULL
} served_cell;

struct fv_served {
    fv_served_options options;
    endpoints ends;
    char *marks; // of thoughts: the opening one and, behind its zero, the closing
    char *label; // what the answers are kept under
    char server_before[sizeof((server_told *)0)->name]; // as some stored answer names it, or ""
    asks *asks;
    asks_key key;
    served_source source;
    data_file **data; // [n_data]
    int n_data;
    served_group *groups;
    served_cell *cells;
    int n_groups, n_cells, context;
    char counted[48];        // how tokens are counted; "" where nothing is missing
    bool estimated;          // some of them are not
    double mean_seconds;     // of stored answers; 0 while there are none
    int n_other_prompts;     // answers to other prompts than those of options.prompts_of
    int n_stored, n_unknown; // answers that count; and of unknown origin that do not and would
    fv_served_fault *faults;
    int n_faults;
};

// What can be said of the options alone; the groups and cells that they ask about.
fv_status served_check(const fv_served_options *options, fv_error *error);
fv_status served_make_groups(fv_served *s, fv_error *error);

// Opens the folder's answers, for reading alone or for writing too.
fv_status served_open_asks(fv_served *s, bool writes, fv_error *error);

// Finds what fills the lengths of groups that miss answers, and opens the answers for writing where
// the call is no dry one. Groups whose length has no prompt are left out; FV_USAGE where all are.
fv_status served_measure_lengths(fv_served *s, fv_error *error);

// Reads all stored answers into the cells.
fv_status served_load(fv_served *s, fv_error *error);

// The place of a sample whose prompt has so many units.
served_sample_place served_place(const fv_served *s, const served_cell *cell, int sample,
                                 int n_units);

// What prompts come from, as the options say.
source_options served_source_options(const fv_served_options *o);

// FV_USAGE for a haystack or documents that no task of the options reads.
fv_status served_check_sources(const fv_served_options *o, fv_error *error);

// The label of the call's answers and its key, once the address is read.
fv_status served_name(fv_served *s, fv_error *error);

// Asks the servers what they are, and fails where they or the label's answers are of different
// models, as far as the options do not say that it is the same. s->asks must be open.
fv_status served_check_label(fv_served *s, fv_error *error);

// Finds the prompts of options.prompts_of, before the answers are loaded; only these are asked.
// FV_USAGE where there are none.
fv_status served_follow(fv_served *s, fv_error *error);

// Whether the answer is to the prompt that is asked for; FV_USAGE where some are not.
bool served_follows(const served_cell *cell, const asks_row *row);
fv_status served_check_prompts(const fv_served *s, fv_error *error);

// Writes what is asked otherwise than usual into cell->settings.
void served_name_settings(const fv_served *s, const served_group *group, fv_cell *cell);
void served_name_reused(fv_cell *cell); // and that some of its answers are of unknown origin

// What an answer of the group is stored with, but for the model that the reply names.
asks_origin served_origin(const fv_served *s, const served_group *group, const endpoint *end);

// The stored answers of the group: those of a known origin, of an unknown one, or whatever counts.
asks_group served_asks_group(const fv_served *s, const served_group *group, asks_whose whose);
asks_whose served_counted(const fv_served *s);

// The kind of failure of questions that have no prompt of their length, now or later.
#define SERVED_LENGTH_SHORT "length too short"

// The failure of a kind, with its last note; NULL without memory.
fv_served_fault *served_count_fault(fv_served *s, const char *kind, const char *note);

// The wanted width of the interval is not reached and there are more samples to ask for.
bool served_wants_more(const fv_served *s, const served_cell *cell);

// How many requests are wanted now, and how many of them are missing.
int served_count_missing(const fv_served *s);

// A connection for `in_flight` requests of the options.
fv_status served_connect(const fv_served_options *options, int in_flight, size_t most_read,
                         http **out, fv_error *error);

#endif
