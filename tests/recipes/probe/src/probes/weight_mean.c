// "weight_mean": the mean size of all parameters.
#include "probes/probes.h"
#include "probes/tensors.h"

#include <math.h>

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    size_t n = fv_model_n_params(view->model);
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += fabs((double)view->params[i]);
    return probe_add(record, "weight_mean", "all", view->step, sum / (double)n, error);
}

const fv_probe probe_weight_mean = {
    .name = "weight_mean",
    .help = "mean size of all parameters",
    .measure = measure,
};
