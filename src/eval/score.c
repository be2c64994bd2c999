#include "eval/score.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// strcasestr by ASCII alone, whatever the locale is.
static bool contains(const char *text, const char *part) {
    size_t n = strlen(part);
    for (; *text != '\0'; text++) {
        size_t i = 0;
        while (i < n && text[i] != '\0' &&
               tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            i++;
        if (i == n) return true;
    }
    return n == 0;
}

// SQuAD's normalisation: small letters, no punctuation, no articles, single spaces.
static void normalise(const char *text, size_t n, text_buffer *out) {
    text_buffer plain = {0};
    for (size_t i = 0; i < n; i++)
        if (!ispunct((unsigned char)text[i]))
            text_add_char(&plain, (char)tolower((unsigned char)text[i]));
    for (char *word = plain.data ? strtok(plain.data, " \t\r\n\f\v") : NULL; word != NULL;
         word = strtok(NULL, " \t\r\n\f\v")) {
        if (strcmp(word, "a") == 0 || strcmp(word, "an") == 0 || strcmp(word, "the") == 0) continue;
        text_add(out, "%s%s", out->n > 0 ? " " : "", word);
    }
    out->failed |= plain.failed;
    text_free(&plain);
}

// best_subspan_em: whether the normalised first line has any of the normalised answers in it.
static bool has_subspan(const char *reply, char *const *answers, int n_answers) {
    text_buffer line = {0};
    bool found = false;
    normalise(reply, strcspn(reply, "\n"), &line);
    for (int i = 0; i < n_answers && !found && line.data != NULL; i++) {
        text_buffer answer = {0};
        normalise(answers[i], strlen(answers[i]), &answer);
        found = !answer.failed && strstr(line.data, answer.data ? answer.data : "") != NULL;
        text_free(&answer);
    }
    text_free(&line);
    return found;
}

double eval_score(eval_metric metric, const char *reply, char *const *answers, int n_answers) {
    if (metric == EVAL_SUBSPAN) return has_subspan(reply, answers, n_answers);
    int found = 0;
    for (int i = 0; i < n_answers; i++) found += contains(reply, answers[i]);
    if (metric == EVAL_MATCH_PART) return found > 0;
    return n_answers > 0 ? (double)found / n_answers : 0;
}

eval_metric eval_ruler_metric(const char *task) {
    bool qa = strcmp(task, "qa") == 0 || strncmp(task, "qa_", 3) == 0;
    return qa ? EVAL_MATCH_PART : EVAL_MATCH_ALL;
}

static bool is_refusal(const char *reply) {
    static const char *const PHRASES[] = {"i cannot",
                                          "i can't",
                                          "i can not",
                                          "i'm sorry",
                                          "i am sorry",
                                          "i apologize",
                                          "i'm unable",
                                          "i am unable",
                                          "unable to find",
                                          "unable to answer",
                                          "i don't know",
                                          "i do not know",
                                          "i don't see",
                                          "i do not see",
                                          "could not find",
                                          "couldn't find",
                                          "cannot find",
                                          "can't find",
                                          "not mentioned",
                                          "no mention",
                                          "does not mention",
                                          "doesn't mention",
                                          "not provided in",
                                          "not specified in",
                                          "does not contain",
                                          "doesn't contain",
                                          "not found in",
                                          "no information",
                                          "cannot be determined",
                                          "is not present",
                                          "as an ai"};
    for (size_t i = 0; i < sizeof PHRASES / sizeof *PHRASES; i++)
        if (contains(reply, PHRASES[i])) return true;
    // Typographic apostrophes.
    return contains(reply, "i can’t") || contains(reply, "i’m sorry") ||
           contains(reply, "i don’t know") || contains(reply, "couldn’t find");
}

// Whether a word could be a value of this kind at all.
static bool looks_like(eval_kind kind, const char *word, size_t n) {
    size_t digits = 0, dashes = 0;
    for (size_t i = 0; i < n; i++) {
        digits += isdigit((unsigned char)word[i]) != 0;
        dashes += word[i] == '-';
    }
    switch (kind) {
    case EVAL_NUMBERS:
        return n == 7 && digits == 7;
    case EVAL_UUIDS:
        return n == 36 && dashes == 4;
    default:
        return dashes == 1 && digits == 0 && n > 4;
    }
}

// The first value in the reply that stands in the prompt, where it is the value of another key.
static bool find_distractor(const eval_task *task, const prompt *p, const char *reply,
                            eval_verdict *verdict) {
    for (const char *at = reply; *at != '\0';) {
        size_t n = 0;
        while (isalnum((unsigned char)at[n]) || at[n] == '-') n++;
        if (n > 0 && n < sizeof verdict->distractor && looks_like(task->value, at, n)) {
            memcpy(verdict->distractor, at, n);
            verdict->distractor[n] = '\0';
            double depth = prompt_find(p, verdict->distractor);
            verdict->distractor_depth = 100 * depth;
            if (depth >= 0) return true;
        }
        at += n > 0 ? n : 1;
    }
    verdict->distractor[0] = '\0';
    return false;
}

static bool is_blank(const char *text) {
    return text[strspn(text, " \t\r\n")] == '\0';
}

void eval_judge(const eval_task *task, const prompt *p, const char *reply, bool cut,
                eval_verdict *verdict) {
    *verdict = (eval_verdict){.answer = FV_ANSWER_WRONG};
    if (is_blank(reply)) {
        verdict->answer = cut ? FV_ANSWER_CUT : FV_ANSWER_EMPTY;
        return;
    }
    verdict->score = eval_score(task->metric, reply, p->answers, p->n_answers);
    if (verdict->score >= 1)
        verdict->answer = FV_ANSWER_FOUND;
    else if (verdict->score > 0)
        verdict->answer = FV_ANSWER_PART;
    else if (task->distracts && find_distractor(task, p, reply, verdict))
        verdict->answer = FV_ANSWER_DISTRACTOR;
    else if (is_refusal(reply))
        verdict->answer = FV_ANSWER_REFUSAL;
    else if (cut)
        verdict->answer = FV_ANSWER_CUT;
}
