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
    int step;
    double rate;
    real *state;
} kept_state;

static struct live {
    fv_config config;
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
    if (live.n_kept > 0 && live.kept[live.n_kept - 1].step >= step) return FV_OK;
    if (live.n_kept == MOST) {
        int n = 0;
        live.every *= 2;
        for (int i = 0; i < MOST; i++) {
            if (live.kept[i].step % live.every == 0)
                live.kept[n++] = live.kept[i];
            else
                free(live.kept[i].state);
        }
        live.n_kept = n;
        if (step % live.every != 0) return FV_OK;
    }
    real *state = malloc(trainer_state_size(live.trainer) * sizeof *state);
    if (state == NULL) return fv_fail(web_failure(), FV_NO_MEMORY, "out of memory for a snapshot");
    trainer_save(live.trainer, state);
    live.kept[live.n_kept++] = (kept_state){step, live.config.train.learning_rate, state};
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
    if (status == FV_OK && stages_any(&live.config))
        status =
            fv_fail(web_failure(), FV_USAGE,
                    "train.stages: a page goes back and forth in a run, which stages do not; train "
                    "this experiment with the fovea command");
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
    put_number(out, schedule_rate(&live.config.train, step));
    text_add(out, "]");
    live.n_points++;
}

static int take_step(text_buffer *out) {
    const fv_train_config *train = &live.config.train;
    int step = fv_trainer_steps_done(live.trainer);
    bool logs = step % train->log_every == 0 || step == train->steps - 1;
    double accuracy = NAN;
    double loss = fv_trainer_step(live.trainer, logs ? &accuracy : NULL);
    if (!isfinite(loss)) {
        live.ended = "diverged";
        return FV_OK;
    }
    if (logs) add_point(out, step, loss, accuracy);
    if (step + 1 >= train->steps) live.ended = "done";
    return keep_state();
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
    text_add(out, "],\"step\":%d,\"ended\":", fv_trainer_steps_done(live.trainer));
    put_string(out, live.ended);
    text_add(out, "}");
    return status == FV_OK ? web_end_text() : status;
}

int web_rate(double rate) {
    const fv_field *field = fv_field_find("train.learning_rate");
    if (live.trainer == NULL || !(rate >= field->lowest && rate <= field->highest))
        return fv_fail(web_failure(), FV_USAGE, "a learning rate lies from %g to %g, not at %g",
                       field->lowest, field->highest, rate);
    live.config.train.learning_rate = rate;
    trainer_set_rate(live.trainer, rate);
    return FV_OK;
}

// Later states go: the run may take another way from here.
int web_rewind(int step) {
    if (live.trainer == NULL) return fv_fail(web_failure(), FV_USAGE, "no run has begun");
    int i = live.n_kept - 1;
    while (i > 0 && live.kept[i].step > step) i--;
    trainer_restore(live.trainer, live.kept[i].state, live.kept[i].step);
    web_rate(live.kept[i].rate);
    for (int k = i + 1; k < live.n_kept; k++) free(live.kept[k].state);
    live.n_kept = i + 1;
    live.ended = "";
    text_add(web_begin_text(), "{\"step\":%d,\"rate\":%.9g}", live.kept[i].step, live.kept[i].rate);
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
    trainer_save(live.trainer, state);
    memcpy(state, params, (size_t)n);
    trainer_restore(live.trainer, state, step);
    free(state);
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
