// `fovea help WORD`: what experiment files are made of, found by name, by what others call it, and
// in its line of help.
#ifndef FOVEA_TOOL_HELP_TOPICS_H
#define FOVEA_TOOL_HELP_TOPICS_H

// Explains `word`, of the kind that `kind` names ("figure", "figures"), or of any with NULL. A kind
// alone is listed. The exit code; 2 after a message for a word that is found nowhere.
int help_topics(const char *kind, const char *word);

#endif
