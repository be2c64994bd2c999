// Tasks over the whole prompt: variable tracking, common words, frequent words. Nothing of them has
// a depth.
#include "served/served_task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static fv_status built(const prompt *p, fv_error *error) {
    return p->failed ? fv_fail(error, FV_NO_MEMORY, "out of memory for a prompt") : FV_OK;
}

// --- variable tracking -------------------------------------------------------------------------

enum { HOPS = 4, NAMES = HOPS + 1 };

static void draw_names(random_source *random, int letters, char names[NAMES][8]) {
    for (int i = 0; i < NAMES; i++) {
        bool again = false;
        for (int c = 0; c < letters; c++) names[i][c] = (char)('A' + random_below(random, 26));
        names[i][letters] = '\0';
        for (int k = 0; k < i; k++) again |= strcmp(names[k], names[i]) == 0;
        i -= again;
    }
}

// Places in [0, n], increasing.
static void draw_places(random_source *random, int n, int places[NAMES]) {
    for (int i = 0; i < NAMES; i++) {
        int at = (int)random_below(random, (uint32_t)n + 1), k = i;
        for (; k > 0 && places[k - 1] > at; k--) places[k] = places[k - 1];
        places[k] = at;
    }
}

// One chain in n_units of noise, and the question for it; writes how the answer begins.
static void add_chain(random_source *random, const haystack *h, int letters, int n_units, prompt *p,
                      char names[NAMES][8], char *prefix, size_t size) {
    char texts[NAMES][64];
    int places[NAMES], value = 10000 + (int)random_below(random, 90000);
    prompt_insert inserts[NAMES];
    draw_names(random, letters, names);
    draw_places(random, n_units, places);
    for (int i = 0; i < NAMES; i++) {
        if (i == 0)
            snprintf(texts[i], sizeof texts[i], "VAR %.7s = %d", names[i], value);
        else
            snprintf(texts[i], sizeof texts[i], "VAR %.7s = VAR %.7s", names[i], names[i - 1]);
        inserts[i] = (prompt_insert){places[i], texts[i]};
    }
    prompt_add(p, "Memorize and track the chain(s) of variable assignment hidden in the following "
                  "text.\n\n");
    prompt_add_context(p, h, 0, n_units, inserts, NAMES);
    prompt_add(p,
               "\nQuestion: Find all variables that are assigned the value %d in the text above.",
               value);
    snprintf(prefix, size,
             " Answer: According to the chain(s) of variable assignment in the text above, %d "
             "variables are assigned the value %d, they are: ",
             NAMES, value);
}

static fv_status build_chain(const served_task *task, const served_source *source,
                             const served_sample_place *place, prompt *p, fv_error *error) {
    const haystack *h = &source->hay[EVAL_HAY_NOISE];
    char names[NAMES][8], prefix[256];
    random_source random;
    // The example is the same in every prompt: servers read it once.
    served_random(&random, place->seed, "vt example", 0, 0);
    add_chain(&random, h, 3, 10, p, names, prefix, sizeof prefix);
    prompt_add(p, "%s", prefix);
    for (int i = 0; i < NAMES; i++) prompt_add(p, "%s%s", i ? " " : "", names[i]);
    prompt_add(p, "\n\n");
    served_place_random(task, place, &random);
    add_chain(&random, h, 5, place->n_units, p, names, prefix, sizeof prefix);
    prompt_end(p, prefix);
    for (int i = 0; i < NAMES; i++) prompt_answer(p, names[i]);
    return built(p, error);
}

// --- common words ------------------------------------------------------------------------------

enum { COMMON = 10 };

// How often words stand in the list, which is shorter for short prompts, and whether they are short
// ones. Short words cost as many tokens as RULER's; there are enough of them for RULER's first
// lengths.
typedef struct frequencies {
    int common, others;
    bool shorts;
} frequencies;

enum { NO_SHORT_WORDS = 8192 }; // tokens: of prompts as long as that there are too few

static void write_word(const frequencies *often, int word, char out[EVAL_VALUE_SIZE]) {
    if (often->shorts)
        snprintf(out, EVAL_VALUE_SIZE, "%s", served_short_word(word));
    else
        served_word(word, out, EVAL_VALUE_SIZE);
}

static int n_words(const frequencies *often) {
    return often->shorts ? served_n_short_words() : served_n_words();
}

// A numbered list of n words, the first ten of them `common` times, all others `others` times.
static bool add_list(random_source *random, const frequencies *often, const int *words, int n,
                     prompt *p) {
    int n_common = n < COMMON ? n : COMMON;
    int total = n_common * often->common + (n - n_common) * often->others, k = 0;
    int *list = malloc((size_t)total * sizeof *list);
    text_buffer text = {0};
    for (int w = 0; w < n && list != NULL; w++)
        for (int i = 0; i < (w < COMMON ? often->common : often->others); i++) list[k++] = words[w];
    if (list != NULL) served_shuffle(random, list, total);
    for (int i = 0; i < total && list != NULL; i++) {
        char word[EVAL_VALUE_SIZE];
        write_word(often, list[i], word);
        text_add(&text, "%s%d. %s", i ? " " : "", i + 1, word);
    }
    bool good = list != NULL && !text.failed;
    if (good) {
        prompt_add(p, "Below is a numbered list of words. In these words, some appear more often "
                      "than others. Memorize the ones that appear most often.\n");
        prompt_add_n(p, text.data, text.n);
        prompt_add(p, "\nQuestion: What are the 10 most common words in the above list?");
    }
    free(list);
    text_free(&text);
    return good;
}

// Distinct words: a walk over all of them by a step that has no common divisor with their number.
static void draw_words(random_source *random, const frequencies *often, int *words, int n) {
    uint64_t all = (uint64_t)n_words(often), at = random_below(random, (uint32_t)all), step;
    do {
        step = 1 + random_below(random, (uint32_t)all - 1);
        for (uint64_t a = step, b = all;;) {
            uint64_t rest = b % a;
            if (rest == 0) {
                if (a != 1) step = 0;
                break;
            }
            b = a;
            a = rest;
        }
    } while (step == 0);
    for (int i = 0; i < n; i++) words[i] = (int)((at + step * (uint64_t)i) % all);
}

static void add_answer_list(prompt *p, const frequencies *often, const int *words) {
    for (int i = 0; i < COMMON; i++) {
        char word[EVAL_VALUE_SIZE];
        write_word(often, words[i], word);
        prompt_add(p, " %d. %s", i + 1, word);
    }
    prompt_add(p, "\n");
}

static fv_status build_common(const served_task *task, const served_source *source,
                              const served_sample_place *place, prompt *p, fv_error *error) {
    (void)source;
    static const char PREFIX[] =
        " Answer: The top 10 words that appear most often in the list are:";
    bool small = place->length < 4096;
    int n = COMMON + place->n_units, n_example = small ? 20 : 40;
    bool shorts = place->length < NO_SHORT_WORDS && n <= served_n_short_words();
    const frequencies often = small ? (frequencies){6, 1, shorts} : (frequencies){30, 3, shorts};
    const frequencies example = small ? (frequencies){3, 1, shorts} : (frequencies){10, 3, shorts};
    if (n > served_n_words())
        return fv_fail(error, FV_USAGE,
                       "cwe: length %d needs %d distinct words and there are %d; use shorter "
                       "lengths",
                       place->length, n, served_n_words());
    int *words = malloc((size_t)(n > n_example ? n : n_example) * sizeof *words);
    if (words == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a prompt");
    random_source random;
    served_random(&random, place->seed, "cwe example", small, 0);
    draw_words(&random, &example, words, n_example);
    p->failed |= !add_list(&random, &example, words, n_example, p);
    prompt_add(p, "%s", PREFIX);
    add_answer_list(p, &example, words);
    served_place_random(task, place, &random);
    draw_words(&random, &often, words, n);
    p->failed |= !add_list(&random, &often, words, n, p);
    prompt_end(p, PREFIX);
    for (int i = 0; i < COMMON; i++) {
        char word[EVAL_VALUE_SIZE];
        write_word(&often, words[i], word);
        prompt_answer(p, word);
    }
    free(words);
    return built(p, error);
}

// --- frequent words ----------------------------------------------------------------------------

enum { LETTERS = 6, ANSWERS = 3 };

// Code words of six letters, by rank. Rank 0 is dots; ranks 1 to 3 are the answers, which no
// further rank may repeat.
static void draw_codes(random_source *random, char (*codes)[LETTERS + 1], int n) {
    for (int i = 0; i < n; i++) {
        bool again = false;
        for (int c = 0; c < LETTERS; c++) codes[i][c] = (char)('a' + random_below(random, 26));
        codes[i][LETTERS] = '\0';
        for (int k = 1; k <= ANSWERS && k < i; k++) again |= strcmp(codes[k], codes[i]) == 0;
        i -= again;
    }
    snprintf(codes[0], sizeof codes[0], "...");
}

static fv_status build_frequent(const served_task *task, const served_source *source,
                                const served_sample_place *place, prompt *p, fv_error *error) {
    (void)source;
    const double zeta2 = 1.6449340668482264; // the sum of 1/k^2
    int n_codes = place->length / 50 > 5 ? place->length / 50 : 5, n = 0;
    int most = place->n_units + n_codes;
    int *list = malloc((size_t)most * sizeof *list);
    char(*codes)[LETTERS + 1] = malloc((size_t)n_codes * sizeof *codes);
    text_buffer text = {0};
    random_source random;
    served_place_random(task, place, &random);
    p->failed |= list == NULL || codes == NULL;
    if (!p->failed) draw_codes(&random, codes, n_codes);
    for (int rank = 0; rank < n_codes && !p->failed; rank++) {
        int times = (int)fmax(1, round(place->n_units / (zeta2 * (rank + 1.0) * (rank + 1.0))));
        for (int i = 0; i < times && n < most; i++) list[n++] = rank;
    }
    if (!p->failed) served_shuffle(&random, list, n);
    for (int i = 0; i < n; i++) text_add(&text, "%s%s", i ? " " : "", codes[list[i]]);
    prompt_add(p, "Read the following coded text and track the frequency of each coded word. Find "
                  "the three most frequently appeared coded words. ");
    if (text.data != NULL) prompt_add_n(p, text.data, text.n);
    prompt_add(p, "\nQuestion: Do not provide any explanation. Please ignore the dots '....'. What "
                  "are the three most frequently appeared words in the above coded text?");
    prompt_end(p, " Answer: According to the coded text above, the three most frequently appeared "
                  "words are:");
    for (int rank = 1; rank <= ANSWERS && !p->failed; rank++) prompt_answer(p, codes[rank]);
    p->failed |= text.failed;
    free(list);
    free(codes);
    text_free(&text);
    return built(p, error);
}

const served_task served_task_vt = {
    .name = "vt",
    .help = "which variables got a value, through a chain of assignments",
    .build = build_chain,
    .hay = EVAL_HAY_NOISE,
    .form = EVAL_FORM_VARIABLE,
    .max_tokens = 30,
    .unit = "tokens",
    .least_units = 5,
};

const served_task served_task_cwe = {
    .name = "cwe",
    .help = "the ten most common words of a list",
    .build = build_common,
    .hay = EVAL_HAY_NONE,
    .form = EVAL_FORM_ITEM,
    .max_tokens = 120,
    .unit = "tokens",
    .least_units = 1,
};

const served_task served_task_fwe = {
    .name = "fwe",
    .help = "the three most frequent words of a coded text",
    .build = build_frequent,
    .hay = EVAL_HAY_NONE,
    .form = EVAL_FORM_CODE,
    .max_tokens = 50,
    .unit = "tokens",
    .least_units = 200,
};
