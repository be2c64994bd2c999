// How alike two texts are, as Python's difflib has it, by which MRCR scores.
#ifndef FOVEA_SERVED_SEQUENCE_RATIO_H
#define FOVEA_SERVED_SEQUENCE_RATIO_H

// SequenceMatcher(None, a, b).ratio(): 2 M / (|a| + |b|) in characters, where M adds up the longest
// common block, the longest ones before and behind it, and so on; 1 for two empty texts. Blocks
// start from characters that b has few of: where b has n = 200 characters or more, those that occur
// more than n / 100 + 1 times only lengthen them ("autojunk"). The order of a and b matters.
// Negative without memory.
double sequence_ratio(const char *a, const char *b);

#endif
