// The keys of an experiment file that are no fields: which reader takes them, and what help says.
#ifndef LAB_SECTIONS_H
#define LAB_SECTIONS_H

// X(key at the top of a file, its reader in experiment.c, help, example)
#define SECTION_LIST(X)                                                                            \
    X(source, read_source, "what is tried again: a post, its figure, a sentence",                  \
      "source: \"Sparse attention 1, figure 2\"")                                                  \
    X(task, read_section, "fields of the task, as in 'fovea help fields'",                         \
      "task: {name: copy, vocab_size: 4}")                                                         \
    X(model, read_section, "fields of the model", "model: {n_embd: 4, layers: [attention]}")       \
    X(train, read_section, "fields of training", "train: {steps: 50, learning_rate: 1e-2}")        \
    X(sweep, remember_sweep,                                                                       \
      "fields with several values, of which every combination is a run; a list of mappings is "    \
      "several grids",                                                                             \
      "sweep: {train.seed: 0..2, model.n_embd: [2, 4]}")                                           \
    X(probes, read_probes, "what is measured of every run: a list of probes",                      \
      "probes: [effective_rank]")                                                                  \
    X(figure, read_figure, "how the runs are drawn: a figure, or a list of them",                  \
      "figure: {kind: curves, y: loss}")                                                           \
    X(claims, read_claims, "what is claimed of the runs: a list of statements with a measure",     \
      "claims: [{statement: The loss falls., measure: final(loss), below: 9, published: none}]")   \
    X(choose, read_choose,                                                                         \
      "a field that each arm of the sweep has at its best value, found on seeds that are not "     \
      "judged",                                                                                    \
      "sweep: {model.n_embd: [2, 4]}\nchoose: {train.learning_rate: [1e-3, 1e-2], seeds: "         \
      "100..102, measure: final(loss)}")                                                           \
    X(optional, read_optional,                                                                     \
      "which runs of the sweep wait until they are asked for: values of fields",                   \
      "sweep: {task.vocab_size: [4, 8]}\noptional: {task.vocab_size: 8}")

// How a field is drawn at random. X(key, help, example)
#define DISTRIBUTION_LIST(X)                                                                       \
    X(range, "in a sweep with 'random': numbers between two ends, all as likely",                  \
      "sweep: {random: 3, model.n_embd: {range: [2, 8]}}")                                         \
    X(log_range, "in a sweep with 'random': numbers between two ends, all ratios as likely",       \
      "sweep: {random: 3, train.learning_rate: {log_range: [1e-4, 1e-1]}}")                        \
    X(choice, "in a sweep with 'random': one of a list",                                           \
      "sweep: {random: 3, model.n_embd: {choice: [2, 3, 5]}}")

// The other keys within `sweep`. X(key, help, example)
#define SWEEP_KEY_LIST(X)                                                                          \
    X(random, "in a sweep: how many runs are drawn, or {samples: 200, seed: 1}",                   \
      "sweep: {random: 3, model.n_embd: {range: [2, 8]}}")                                         \
    X(adaptive,                                                                                    \
      "in a sweep: two evenly spaced fields are refined where a measure crosses a threshold",      \
      "sweep: {adaptive: {measure: final(accuracy), threshold: 0.5, rounds: 1}, model.n_embd: "    \
      "{from: 2, to: 8, steps: 2}, train.learning_rate: {from: 1e-4, to: 1e-2, steps: 2, scale: "  \
      "log}}")

#endif
