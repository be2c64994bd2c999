// One run that is watched: it takes steps while there is time, keeps its curve, and whole states to go
// back to.
#include "live.h"

#include "config/stages.h"
#include "train/optimizer.h"
#include "train/trainer_state.h"
#include "web.h"

#include <fovea/config.h>
#include <fovea/task.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// States are kept at every step that `every` divides; where there are MOST of them every second one goes.
// Each is at most a few moments of the parameters: 128 of a post's models are 2 MB.
enum { MOST = 128, FIRST_EVERY = 10 };

typedef struct kept_state {
    trainer_place place;
    real *state;
} kept_state;

static struct live {
    fv_config config; // with the stages that were dragged
    fv_trainer *trainer;
    int n_points, every, n_kept;
    kept_state kept[MOST];
    const char *ended; // "" while it goes on
    bool shown;        // a kept state is looked at
} live;

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

const fv_trainer *live_trainer(void) {
    return live.trainer;
}

static void close_run(void) {
    for (int i = 0; i < live.n_kept; i++) free(live.kept[i].state);
    fv_trainer_free(live.trainer);
    live = (struct live){.every = FIRST_EVERY, .ended = ""};
}

static int keep_state(void) {
    int step = fv_trainer_steps_done(live.trainer);
    if (step % live.every != 0) return FV_OK;
    if (live.n_kept > 0 && live.kept[live.n_kept - 1].place.step >= step) return FV_OK;
    if (live.n_kept == MOST) {
        int n = 0;
        live.every *= 2;
        for (int i = 0; i < MOST; i++) {
            if (live.kept[i].place.step % live.every == 0)
                live.kept[n++] = live.kept[i];
            else
                free(live.kept[i].state);
        }
        live.n_kept = n;
        if (step % live.every != 0) return FV_OK;
    }
    real *state = malloc(trainer_state_size(live.trainer) * sizeof *state);
    if (state == NULL) return fv_fail(web_failure(), FV_NO_MEMORY, "out of memory for a snapshot");
    live.kept[live.n_kept++] = (kept_state){trainer_save(live.trainer, state), state};
    return FV_OK;
}

static int describe_run(void) {
    const fv_model *model = fv_trainer_model(live.trainer);
    fv_model_sizes sizes = fv_model_sizes_of(model);
    text_buffer *out = web_begin_text();
    text_add(out, "{\"steps\":%d,\"V\":%d,\"T\":%d,\"d\":%d,\"H\":%d", live.config.train.steps,
             sizes.vocab_size, sizes.context_length, sizes.n_embd, sizes.n_head);
    text_add(out, ",\"n_attention\":%d,\"n_params\":%zu,\"bayes\":", fv_model_n_attention(model),
             fv_model_n_params(model));
    put_number(out, exp(fv_task_bayes_loss(&live.config.task)));
    text_add(out, ",\"rate\":%.9g}", live.config.train.learning_rate);
    return web_end_text();
}

int web_begin(const char *yaml) {
    fv_experiment *read;
    fv_status status = web_read(yaml, &read);
    if (status != FV_OK) return status;
    close_run();
    fv_experiment_config(read, 0, &live.config);
    fv_experiment_free(read);
    status = fv_config_check(&live.config, web_failure());
    if (status == FV_OK) status = fv_trainer_create(&live.config, 1, &live.trainer, web_failure());
    if (status == FV_OK) status = (fv_status)keep_state();
    return status == FV_OK ? describe_run() : (int)status;
}

static void add_point(text_buffer *out, int step, double loss, double accuracy) {
    put_item(out);
    text_add(out, "[%d,", step);
    put_number(out, loss);
    text_add(out, ",");
    put_number(out, exp(loss));
    text_add(out, ",");
    put_number(out, accuracy);
    text_add(out, ",");
    put_number(out, schedule_rate(&trainer_config(live.trainer)->train, step));
    text_add(out, "]");
    live.n_points++;
}

static int take_step(text_buffer *out) {
    const fv_train_config *train = &live.config.train;
    int step = fv_trainer_steps_done(live.trainer);
    bool logs = step % train->log_every == 0 || step == train->steps - 1;
    double accuracy = NAN;
    fv_status status = fv_trainer_prepare(live.trainer, web_failure());
    if (status != FV_OK) return status;
    double loss = fv_trainer_step(live.trainer, logs ? &accuracy : NULL);
    if (!isfinite(loss)) {
        live.ended = "diverged";
        return FV_OK;
    }
    if (logs) add_point(out, step, loss, accuracy);
    if (step + 1 >= train->steps) live.ended = "done";
    return keep_state();
}

// The learning rate of the experiment, or of its stage, at the next step.
static double rate_now(void) {
    int step = fv_trainer_steps_done(live.trainer);
    stage_now now;
    fv_config there;
    if (!stages_any(&live.config) ||
        stages_at(&live.config, step, &there, &now, web_failure()) != FV_OK)
        return live.config.train.learning_rate;
    return there.train.learning_rate;
}

int web_steps(int n, double seconds) {
    if (live.trainer == NULL) return fv_fail(web_failure(), FV_USAGE, "no run has begun");
    text_buffer *out = web_begin_text();
    double until = seconds_now() + seconds;
    int status = FV_OK;
    text_add(out, "{\"points\":[");
    for (int i = 0; i < n && *live.ended == '\0' && status == FV_OK; i++) {
        status = take_step(out);
        if (seconds > 0 && seconds_now() >= until) break;
    }
    text_add(out, "],\"step\":%d,\"rate\":%.9g,\"ended\":", fv_trainer_steps_done(live.trainer),
             rate_now());
    put_string(out, live.ended);
    text_add(out, "}");
    return status == FV_OK ? web_end_text() : status;
}

// Of the configuration and of the run, or of neither.
static int set_stage(int step, const char *rate) {
    fv_config *changed = malloc(sizeof *changed);
    if (changed == NULL) return fv_fail(web_failure(), FV_NO_MEMORY, "out of memory for a stage");
    *changed = live.config;
    fv_status status = stages_set(changed, step, "train.learning_rate", rate, web_failure());
    if (status == FV_OK) status = fv_config_check(changed, web_failure());
    if (status == FV_OK) status = trainer_restage(live.trainer, changed, web_failure());
    if (status == FV_OK) live.config = *changed;
    free(changed);
    return status;
}

int web_rate(const char *rate) {
    int step = live.trainer ? fv_trainer_steps_done(live.trainer) : 0;
    if (step == 0)
        return fv_fail(web_failure(), FV_USAGE,
                       "before the first step the rate is train.learning_rate");
    int status = set_stage(step, rate);
    if (status != FV_OK) return status;
    text_buffer *out = web_begin_text();
    text_add(out, "{\"rate\":%.9g,\"stages\":", rate_now());
    put_string(out, live.config.train.stages.value);
    text_add(out, "}");
    return web_end_text();
}

// Later states go: the run may take another way from here.
int web_rewind(int step) {
    if (live.trainer == NULL) return fv_fail(web_failure(), FV_USAGE, "no run has begun");
    int i = live.n_kept - 1;
    while (i > 0 && live.kept[i].place.step > step) i--;
    const kept_state *kept = &live.kept[i];
    fv_status status = trainer_restore(live.trainer, kept->state, kept->place, web_failure());
    if (status != FV_OK) return status;
    for (int k = i + 1; k < live.n_kept; k++) free(live.kept[k].state);
    live.n_kept = i + 1;
    live.ended = "";
    text_add(web_begin_text(), "{\"step\":%d,\"rate\":%.9g}", kept->place.step, rate_now());
    return web_end_text();
}

// Parameters from elsewhere, a stored run's, in the place of the run's own: they are looked at.
int web_place(int step, const float *params, int n) {
    if (live.trainer == NULL) return fv_fail(web_failure(), FV_USAGE, "no run has begun");
    size_t n_params = fv_model_n_params(fv_trainer_model(live.trainer));
    if (n < 0 || (size_t)n != n_params * sizeof *params)
        return fv_fail(web_failure(), FV_FORMAT, "a snapshot of %d bytes is none of %zu parameters",
                       n, n_params);
    real *state = malloc(trainer_state_size(live.trainer) * sizeof *state);
    if (state == NULL) return fv_fail(web_failure(), FV_NO_MEMORY, "out of memory for a snapshot");
    trainer_place place = trainer_save(live.trainer, state);
    memcpy(state, params, (size_t)n);
    place.step = step;
    fv_status status = trainer_restore(live.trainer, state, place, web_failure());
    free(state);
    if (status != FV_OK) return status;
    live.ended = "stored";
    return FV_OK;
}

const float *web_params(void) {
    return live.trainer ? fv_trainer_params(live.trainer) : NULL;
}

int web_digest(void) {
    if (live.trainer == NULL) return fv_fail(web_failure(), FV_USAGE, "no run has begun");
    const unsigned char *bytes = (const unsigned char *)fv_trainer_params(live.trainer);
    size_t n = fv_model_n_params(fv_trainer_model(live.trainer)) * sizeof(float);
    uint64_t hash = TEXT_HASH_START;
    for (size_t i = 0; i < n; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    text_add(web_begin_text(), "\"%08x%08x\"", (unsigned)(hash >> 32), (unsigned)hash);
    return web_end_text();
}
