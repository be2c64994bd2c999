#include "served/score.h"

#include "served/sequence_ratio.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Capitals beyond ASCII whose small letter is one character, as Unicode has them for the alphabets
// of Europe and Vietnam: first, last, every which, what to add. Not the locale's, which differs
// from machine to machine.
#define CAPITAL_LIST(X)                                                                            \
    X(0xc0, 0xd6, 1, 32)                                                                           \
    X(0xd8, 0xde, 1, 32)                                                                           \
    X(0x100, 0x12e, 2, 1)                                                                          \
    X(0x132, 0x136, 2, 1)                                                                          \
    X(0x139, 0x147, 2, 1)                                                                          \
    X(0x14a, 0x176, 2, 1)                                                                          \
    X(0x178, 0x178, 1, 0xffu - 0x178u)                                                             \
    X(0x179, 0x17d, 2, 1)                                                                          \
    X(0x18f, 0x18f, 1, 202)                                                                        \
    X(0x1a0, 0x1a4, 2, 1)                                                                          \
    X(0x1af, 0x1af, 1, 1)                                                                          \
    X(0x1cd, 0x1db, 2, 1)                                                                          \
    X(0x1de, 0x1ee, 2, 1)                                                                          \
    X(0x1f8, 0x21e, 2, 1)                                                                          \
    X(0x222, 0x232, 2, 1)                                                                          \
    X(0x386, 0x386, 1, 38)                                                                         \
    X(0x388, 0x38a, 1, 37)                                                                         \
    X(0x38c, 0x38c, 1, 64)                                                                         \
    X(0x38e, 0x38f, 1, 63)                                                                         \
    X(0x391, 0x3a1, 1, 32)                                                                         \
    X(0x3a3, 0x3ab, 1, 32)                                                                         \
    X(0x400, 0x40f, 1, 80)                                                                         \
    X(0x410, 0x42f, 1, 32)                                                                         \
    X(0x460, 0x480, 2, 1)                                                                          \
    X(0x48a, 0x4be, 2, 1)                                                                          \
    X(0x4c1, 0x4cd, 2, 1)                                                                          \
    X(0x4d0, 0x52e, 2, 1)                                                                          \
    X(0x531, 0x556, 1, 48)                                                                         \
    X(0x1e00, 0x1e94, 2, 1)                                                                        \
    X(0x1e9e, 0x1e9e, 1, 0xdfu - 0x1e9eu)                                                          \
    X(0x1ea0, 0x1efe, 2, 1)                                                                        \
    X(0xff21, 0xff3a, 1, 32)

static unsigned small_letter(unsigned c) {
    if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
#define SMALL(first, last, step, add)                                                              \
    if (c >= (first) && c <= (last)) return (c - (first)) % (step) == 0 ? c + (add) : c;
    CAPITAL_LIST(SMALL)
#undef SMALL
    return c;
}

// The character at *at, as a small letter, and moves on. A byte that is no UTF-8 is itself, above
// all characters.
static unsigned next_small(const char **at) {
    enum { ABOVE = 0x110000 };
    const unsigned char *text = (const unsigned char *)*at;
    unsigned c = text[0], n = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc2 ? 1 : 0;
    unsigned value = n > 0 ? c & (0x3fu >> n) : c < 0x80 ? c : ABOVE + c;
    for (unsigned i = 1; i <= n; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            ++*at;
            return ABOVE + c;
        }
        value = value << 6 | (text[i] & 0x3f);
    }
    *at += n + 1;
    return small_letter(value);
}

static bool starts_with(const char *text, const char *part) {
    while (*part != '\0')
        if (*text == '\0' || next_small(&text) != next_small(&part)) return false;
    return true;
}

static bool contains(const char *text, const char *part) {
    for (; *text != '\0'; next_small(&text))
        if (starts_with(text, part)) return true;
    return *part == '\0';
}

// SQuAD's normalisation: small letters, no punctuation, no articles, single spaces.
static void normalise(const char *text, size_t n, text_buffer *out) {
    static const char BLANKS[] = " \t\r\n\f\v";
    text_buffer plain = {0};
    char *rest = NULL;
    for (size_t i = 0; i < n; i++)
        if (!ispunct((unsigned char)text[i]))
            text_add_char(&plain, (char)tolower((unsigned char)text[i]));
    for (char *word = plain.data ? strtok_r(plain.data, BLANKS, &rest) : NULL; word != NULL;
         word = strtok_r(NULL, BLANKS, &rest)) {
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

// MRCR's metric (openai/mrcr): 0 unless the reply begins with the random text that the answer
// begins with, else difflib's ratio of what follows in both.
static double likeness(const char *reply, const char *answer, const char *begin) {
    size_t n = strlen(begin);
    if (strncmp(reply, begin, n) != 0) return 0;
    double ratio = sequence_ratio(reply + n, strncmp(answer, begin, n) == 0 ? answer + n : answer);
    return ratio > 0 ? ratio : 0;
}

double served_score_reply(served_metric metric, const char *reply, char *const *answers,
                          int n_answers) {
    if (metric == EVAL_SUBSPAN) return has_subspan(reply, answers, n_answers);
    if (metric == EVAL_MRCR) return n_answers == 2 ? likeness(reply, answers[0], answers[1]) : 0;
    int found = 0;
    for (int i = 0; i < n_answers; i++) found += contains(reply, answers[i]);
    if (metric == EVAL_MATCH_PART) return found > 0;
    return n_answers > 0 ? (double)found / n_answers : 0;
}

served_metric served_ruler_metric(const char *task) {
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
static bool looks_like(served_kind kind, const char *word, size_t n) {
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
static bool find_distractor(const served_task *task, const prompt *p, const char *reply,
                            served_verdict *verdict) {
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

static bool all(const char *word, size_t n, int (*is)(int)) {
    size_t i = 0;
    while (i < n && is((unsigned char)word[i])) i++;
    return i == n;
}

// Whether a word of the reply has the form of an answer.
static bool has_form(const served_task *task, const prompt *p, const char *word, size_t n,
                     bool numbered) {
    char text[8];
    switch (task->form) {
    case EVAL_FORM_VALUE:
        return looks_like(task->value, word, n);
    case EVAL_FORM_VARIABLE:
        return n == 5 && all(word, n, isupper);
    case EVAL_FORM_ITEM:
        return numbered && isalpha((unsigned char)*word);
    case EVAL_FORM_CODE:
        snprintf(text, sizeof text, "%.*s", (int)n, word);
        return n == 6 && all(word, n, islower) && prompt_find(p, text) >= 0;
    default:
        return false;
    }
}

// Whether a reply that was cut off has an answer in it all the same. What touches its end may be a
// part of something longer, but for values that have all their characters.
static bool has_answer(const served_task *task, const prompt *p, const char *reply) {
    if (task->form == EVAL_FORM_LINE) return strchr(reply + strspn(reply, " \t\r\n"), '\n') != NULL;
    bool sure = task->form == EVAL_FORM_VALUE && task->value != EVAL_WORDS;
    for (const char *at = reply; *at != '\0';) {
        size_t n = 0;
        while (isalnum((unsigned char)at[n]) || at[n] == '-') n++;
        bool numbered =
            at - reply >= 3 && at[-1] == ' ' && at[-2] == '.' && isdigit((unsigned char)at[-3]);
        bool whole = at[n] != '\0' || sure;
        if (n > 0 && whole && has_form(task, p, at, n, numbered)) return true;
        at += n > 0 ? n : 1;
    }
    return false;
}

// The reply repeats another message of the chat, from its beginning: some answer to another request.
static bool find_other_message(const prompt *p, const char *reply, served_verdict *verdict) {
    enum { ENOUGH = 40 }; // characters that two messages do not share
    size_t n = strlen(p->answers[1]);
    if (strncmp(reply, p->answers[1], n) != 0 || strlen(reply) < n + ENOUGH) return false;
    if (strncmp(reply, p->answers[0], n + ENOUGH) == 0) return false;
    snprintf(verdict->distractor, ENOUGH + 1, "%s", reply + n);
    char *end = strrchr(verdict->distractor, ' '); // a whole word
    if (end != NULL) *end = '\0';
    double depth = prompt_find(p, verdict->distractor);
    verdict->distractor_depth = 100 * depth;
    if (depth < 0) verdict->distractor[0] = '\0';
    return depth >= 0;
}

static bool is_blank(const char *text) {
    return text[strspn(text, " \t\r\n")] == '\0';
}

static void judge_text(const served_task *task, const prompt *p, const char *reply, bool cut,
                       served_verdict *verdict) {
    *verdict = (served_verdict){.answer = FV_ANSWER_WRONG};
    if (is_blank(reply)) {
        verdict->answer = cut ? FV_ANSWER_CUT : FV_ANSWER_EMPTY;
        return;
    }
    verdict->score = served_score_reply(task->metric, reply, p->answers, p->n_answers);
    if (verdict->score >= 1)
        verdict->answer = FV_ANSWER_FOUND;
    else if (task->metric == EVAL_MRCR && cut)
        verdict->answer = FV_ANSWER_CUT; // what was to be repeated is not all there
    else if (task->metric == EVAL_MRCR && find_other_message(p, reply, verdict))
        verdict->answer = FV_ANSWER_DISTRACTOR;
    else if (verdict->score > 0)
        verdict->answer = FV_ANSWER_PART;
    else if (task->distracts && find_distractor(task, p, reply, verdict))
        verdict->answer = FV_ANSWER_DISTRACTOR;
    else if (is_refusal(reply))
        verdict->answer = FV_ANSWER_REFUSAL;
    else if (cut && !has_answer(task, p, reply))
        verdict->answer = FV_ANSWER_CUT;
}

void served_judge(const served_task *task, const prompt *p, const char *reply, bool cut, bool loops,
                  served_verdict *verdict) {
    judge_text(task, p, reply, cut, verdict);
    fv_answer answer = verdict->answer;
    bool value =
        answer == FV_ANSWER_FOUND || answer == FV_ANSWER_PART || answer == FV_ANSWER_DISTRACTOR;
    if (loops && !value) verdict->answer = FV_ANSWER_LOOPING;
}
