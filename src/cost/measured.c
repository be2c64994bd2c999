// A line through measurements: with tokens t and bytes b around their means,
//     per_token = sum (t - mean t) (b - mean b) / sum (t - mean t)^2
//     fixed     = mean b - per_token * mean t
#include <fovea/cost_measured.h>
#include <inttypes.h>

// Without checks, in the long numbers that sums of squared contexts of 2^63 need.
static fv_cost_line fit(const fv_cost_point *points, int n) {
    long double tokens = 0, bytes = 0, both = 0, square = 0;
    for (int i = 0; i < n; i++) {
        tokens += (long double)points[i].tokens / n;
        bytes += (long double)points[i].bytes / n;
    }
    for (int i = 0; i < n; i++) {
        long double t = (long double)points[i].tokens - tokens;
        both += t * ((long double)points[i].bytes - bytes);
        square += t * t;
    }
    long double per_token = square > 0 ? both / square : 0;
    return (fv_cost_line){.fixed = (double)(bytes - per_token * tokens),
                          .per_token = (double)per_token};
}

fv_status fv_cost_line_fit(const fv_cost_point *points, int n, fv_cost_line *line,
                           fv_error *error) {
    if (n < 2)
        return fv_fail(error, FV_USAGE,
                       "a fixed part and bytes a token need measurements at two contexts, not %d",
                       n);
    bool differ = false;
    for (int i = 1; i < n; i++) differ |= points[i].tokens != points[0].tokens;
    if (!differ)
        return fv_fail(error, FV_USAGE,
                       "all %d measurements are of %" PRIu64
                       " tokens; bytes a token need two contexts",
                       n, points[0].tokens);
    *line = fit(points, n);
    if (line->per_token >= 0) return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "the measurements lose %.4g bytes a token; memory cannot shrink as the context "
                   "grows: are contexts and bytes in their order, tokens:bytes?",
                   -line->per_token);
}

fv_status fv_cost_line_of_model(const fv_cost_model *model, const fv_cost_setting *setting,
                                const fv_cost_point *points, int n, fv_cost_line *line,
                                fv_error *error) {
    enum { MOST = 256 };
    fv_cost_point of_model[MOST];
    if (n > MOST)
        return fv_fail(error, FV_USAGE, "at most %d measurements are compared, not %d", MOST, n);
    for (int i = 0; i < n; i++) {
        fv_cost_setting at = *setting;
        fv_cost total;
        at.tokens = points[i].tokens;
        fv_status status = fv_cost_total(model, &at, &total, error);
        if (status != FV_OK) return status;
        of_model[i] = (fv_cost_point){.tokens = points[i].tokens,
                                      .bytes = (double)total.value[FV_COST_CACHE_ENGINE] +
                                               (double)total.value[FV_COST_STATE_ENGINE]};
    }
    *line = fit(of_model, n);
    return FV_OK;
}
