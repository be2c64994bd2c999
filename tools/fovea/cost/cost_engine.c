#include "cost/cost_engine.h"

#include "cost/cost_view.h"
#include "quantity.h"

#include <inttypes.h>
#include <stdio.h>

static void print_pool(const fv_cost_pool *pool) {
    char a[24], b[24];
    if (pool->state > 0 && pool->page > pool->state)
        printf("  blocks of %" PRIu64 " tokens: a page of %s holds a layer's state of %s, padded "
               "by %.2f %%\n",
               pool->block, quantity_text((double)pool->page, "B", a),
               quantity_text((double)pool->state, "B", b),
               100 * ((double)pool->page / (double)pool->state - 1));
    if (pool->idle_layers > 0)
        printf("  groups of %" PRIu64 " layers, filled up with %" PRIu64
               " that are reserved and hold nothing\n",
               pool->group, pool->idle_layers);
}

static void print_operation(const char *name, fv_cost_number flops) {
    char a[24];
    if (flops > 0) printf("  %s %s", name, quantity_text((double)flops, "FLOP", a));
}

static void print_operations(const cost_subject *subject, const cost_request *request) {
    fv_cost_operations o;
    if (request->setting.engine != FV_COST_ENGINE_TRANSFORMERS) return;
    if (fv_cost_operations_get(subject->model, &request->setting, &o, NULL) != FV_OK) return;
    printf("  its prefill multiplies, by ATen's operation:");
    print_operation("mm", o.mm);
    print_operation("bmm", o.bmm);
    print_operation("convolution", o.convolution);
    printf("\n");
}

void cost_print_engine(const cost_subject *subject, const cost_request *request,
                       const fv_cost *total) {
    char a[24], b[24], c[24];
    fv_cost_engine engine = request->setting.engine;
    if (engine == FV_COST_ENGINE_IDEAL) return;
    double cache = (double)total->value[FV_COST_CACHE_ENGINE];
    double state = (double)total->value[FV_COST_STATE_ENGINE];
    double ideal = (double)total->value[FV_COST_CACHE] + (double)total->value[FV_COST_STATE];
    printf("\nReserved by %s (%s):\n", fv_cost_engine_name(engine), fv_cost_engine_meaning(engine));
    printf("  cache %s, state %s", quantity_text(cache, "B", a), quantity_text(state, "B", b));
    if (ideal > 0)
        printf(", together %.4g times the %s that can be read", (cache + state) / ideal,
               quantity_text(ideal, "B", c));
    printf("\n");
    fv_cost_pool pool;
    fv_cost_pool_get(subject->model, &request->setting, &pool);
    print_pool(&pool);
    print_operations(subject, request);
}

static void set_operations(json_t *object, const cost_subject *subject,
                           const cost_request *request) {
    fv_cost_operations o;
    json_t *operations = json_object();
    if (operations == NULL ||
        fv_cost_operations_get(subject->model, &request->setting, &o, NULL) != FV_OK) {
        json_decref(operations);
        return;
    }
    cost_set_number(operations, "mm", o.mm);
    cost_set_number(operations, "bmm", o.bmm);
    cost_set_number(operations, "convolution", o.convolution);
    json_object_set_new(object, "prefill_operations", operations);
}

json_t *cost_engine_json(const cost_subject *subject, const cost_request *request) {
    fv_cost_pool pool;
    fv_cost_pool_get(subject->model, &request->setting, &pool);
    json_t *object =
        json_pack("{s:s, s:I, s:I, s:I}", "name", fv_cost_engine_name(request->setting.engine),
                  "block", (json_int_t)pool.block, "group_layers", (json_int_t)pool.group,
                  "idle_layers", (json_int_t)pool.idle_layers);
    if (object == NULL) return NULL;
    cost_set_number(object, "page_bytes", pool.page);
    cost_set_number(object, "state_bytes", pool.state);
    if (request->setting.engine == FV_COST_ENGINE_TRANSFORMERS)
        set_operations(object, subject, request);
    return object;
}
