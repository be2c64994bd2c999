// The least that a user of the library does, in the common subset of C and C++: trains a model that
// copies a token and checks that it learns.
#include <float.h>
#include <fovea/fovea.h>
#include <stdio.h>

int main(void) {
    fv_error error;
    fv_config config;
    fv_config_init(&config);
    if (fv_config_set(&config, "task.vocab_size", "8", &error) ||
        fv_config_set(&config, "model.n_embd", "8", &error) ||
        fv_config_set(&config, "train.learning_rate", "1e-2", &error) ||
        fv_config_check(&config, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    fv_trainer *trainer = NULL;
    if (fv_trainer_create(&config, 1, &trainer, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    double first = fv_trainer_step(trainer, NULL), last = first;
    for (int step = 1; step < 300; step++) last = fv_trainer_step(trainer, NULL);
    fv_trainer_free(trainer);
#ifndef __FAST_MATH__ // the library leaves the mode of its caller's processor as it is
    volatile float smallest = FLT_MIN;
    if (smallest / 2 == 0) {
        fprintf(stderr, "subnormal numbers are flushed in a program that only links to Fovea\n");
        return 1;
    }
#endif
    printf("fovea %s: loss %.3f -> %.3f\n", fv_version(), first, last);
    return last < first / 2 ? 0 : 1;
}
