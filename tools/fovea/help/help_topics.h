// `fovea help WORD`: what experiment files are made of, found by name, by what others call it, and
// in its line of help.
#ifndef FOVEA_TOOL_HELP_TOPICS_H
#define FOVEA_TOOL_HELP_TOPICS_H

#include <fovea/topic.h>

// The kinds, a blank before each.
#define HELP_KIND(name, one, several) " " several
#define HELP_KINDS                    FV_TOPIC_LIST(HELP_KIND)

// Explains `word`, of the kind that `kind` names ("figure", "figures"), or of any with NULL. A kind
// alone is listed. The exit code; 2 after a message for a word that is found nowhere.
int help_topics(const char *kind, const char *word);

#endif
