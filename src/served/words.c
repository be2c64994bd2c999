// Names and values for needles. A word is an adjective and a noun, "quiet-otter": common words that
// every tokenizer knows, in far more combinations than a prompt needs. Scoring looks for a word
// anywhere in an answer, so no word may be a part of another: no adjective ends in another one, no
// noun begins with another one. Of adjectives and nouns by themselves those that are parts of others
// are left out.
#include "served/words.h"

#include "base/text.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *const ADJECTIVES[] = {
    "alert",    "alpine",   "amber",    "ample",    "ancient",  "arctic",   "ardent",   "autumn",
    "azure",    "balmy",    "beaming",  "bitter",   "blissful", "blunt",    "bold",     "brave",
    "breezy",   "brief",    "bright",   "brisk",    "broad",    "bronze",   "bubbly",   "bustling",
    "calm",     "candid",   "careful",  "cheerful", "chilly",   "civil",    "clever",   "cloudy",
    "coastal",  "cobalt",   "cordial",  "cosmic",   "crafty",   "crimson",  "crisp",    "curious",
    "curly",    "dainty",   "daring",   "dazzling", "decent",   "deep",     "delicate", "dense",
    "dewy",     "distant",  "dusky",    "eager",    "early",    "earnest",  "easy",     "elastic",
    "elder",    "elegant",  "emerald",  "eternal",  "even",     "fabled",   "faint",    "faithful",
    "famous",   "fancy",    "fearless", "fertile",  "festive",  "fiery",    "final",    "fine",
    "firm",     "fluffy",   "fond",     "formal",   "fragile",  "frank",    "free",     "fresh",
    "friendly", "frosty",   "frugal",   "gentle",   "giant",    "gifted",   "glad",     "gleaming",
    "glossy",   "golden",   "graceful", "grand",    "grateful", "green",    "grey",     "happy",
    "hardy",    "hasty",    "hazel",    "hearty",   "hidden",   "hollow",   "honest",   "humble",
    "icy",      "ideal",    "idle",     "indigo",   "inner",    "ivory",    "jaunty",   "jolly",
    "jovial",   "joyful",   "keen",     "kind",     "large",    "late",     "lavish",   "lean",
    "level",    "light",    "limber",   "lively",   "lofty",    "lone",     "lunar",    "mellow",
    "merry",    "mighty",   "mild",     "misty",    "modest",   "mossy",    "narrow",   "native",
    "neat",     "nimble",   "noble",    "northern", "novel",    "odd",      "opal",     "open",
    "orderly",  "outer",    "pale",     "patient",  "peaceful", "placid",   "plain",    "playful",
    "pleasant", "plucky",   "polite",   "proud",    "pure",     "quaint",   "quick",    "quiet",
    "radiant",  "rapid",    "rare",     "ready",    "regal",    "robust",   "rosy",     "rough",
    "round",    "royal",    "rustic",   "sacred",   "sandy",    "scarlet",  "serene",   "shady",
    "sharp",    "shiny",    "silent",   "silver",   "simple",   "sincere",  "slender",  "smooth",
    "snowy",    "soft",     "solar",    "solemn",   "solid",    "southern", "sparse",   "spirited",
    "splendid", "stable",   "stately",  "steady",   "still",    "stormy",   "stout",    "subtle",
    "sunny",    "supple",   "sweet",    "swift",    "tall",     "tame",     "tender",   "tidy",
    "tiny",     "tranquil", "trusty",   "upbeat",   "upper",    "urban",    "vast",     "velvet",
    "vivid",    "warm",     "wary",     "western",  "wild",     "windy",    "wise",     "witty",
    "woody",    "young",    "zealous",
};

static const char *const NOUNS[] = {
    "acorn",    "alley",    "anchor",  "anvil",   "apple",   "apron",    "arbor",   "arrow",
    "atlas",    "attic",    "badge",   "bagel",   "bamboo",  "banjo",    "barley",  "barrel",
    "basin",    "basket",   "beacon",  "beaver",  "bell",    "bench",    "berry",   "birch",
    "bison",    "blanket",  "boat",    "bobcat",  "bonnet",  "bottle",   "boulder", "branch",
    "bread",    "brick",    "bridge",  "brook",   "broom",   "bucket",   "buckle",  "butter",
    "button",   "cabin",    "cactus",  "camel",   "candle",  "canoe",    "canyon",  "carpet",
    "carrot",   "castle",   "cedar",   "cellar",  "chalk",   "cherry",   "chimney", "cider",
    "circle",   "cliff",    "clock",   "cloud",   "clover",  "coat",     "cobra",   "coffee",
    "comet",    "compass",  "copper",  "coral",   "corner",  "cotton",   "cougar",  "cradle",
    "crane",    "crayon",   "cricket", "crown",   "crystal", "cup",      "curtain", "dahlia",
    "daisy",    "deer",     "desert",  "diamond", "dolphin", "donkey",   "door",    "dragon",
    "drum",     "duck",     "eagle",   "easel",   "elbow",   "elm",      "engine",  "falcon",
    "feather",  "fence",    "ferry",   "fiddle",  "field",   "finch",    "flame",   "flute",
    "forest",   "fountain", "fox",     "garden",  "gate",    "gazelle",  "ginger",  "glacier",
    "glove",    "goose",    "granite", "grape",   "gravel",  "hammer",   "harbor",  "harp",
    "hawk",     "heron",    "hill",    "honey",   "hornet",  "island",   "ivy",     "jacket",
    "jaguar",   "jasmine",  "jigsaw",  "jungle",  "kayak",   "kennel",   "kettle",  "kite",
    "ladder",   "lagoon",   "lantern", "lark",    "lemon",   "lily",     "lizard",  "llama",
    "locket",   "lotus",    "lute",    "magnet",  "mango",   "maple",    "marble",  "market",
    "meadow",   "melon",    "mirror",  "mitten",  "monkey",  "moon",     "moth",    "mountain",
    "mushroom", "napkin",   "needle",  "nest",    "nickel",  "nutmeg",   "oak",     "oasis",
    "oboe",     "ocean",    "olive",   "onion",   "orange",  "orchard",  "orchid",  "otter",
    "oven",     "owl",      "paddle",  "palace",  "panda",   "parrot",   "pebble",  "pelican",
    "pencil",   "pepper",   "piano",   "pillow",  "pine",    "planet",   "plum",    "pocket",
    "pond",     "poppy",    "potato",  "prairie", "puffin",  "pumpkin",  "quail",   "quarry",
    "quilt",    "rabbit",   "radish",  "raven",   "reef",    "ribbon",   "river",   "robin",
    "rocket",   "saddle",   "sail",    "salmon",  "sandal",  "sapphire", "satchel", "saucer",
    "scarf",    "shell",    "shovel",  "sparrow", "spoon",   "spruce",   "squash",  "stable",
    "statue",   "stone",    "swan",    "tablet",  "teapot",  "temple",   "thistle", "thunder",
    "tiger",    "timber",   "tower",   "trumpet", "tulip",   "tunnel",   "turnip",  "turtle",
    "valley",   "vessel",   "village", "violet",  "wagon",   "walnut",   "walrus",  "warbler",
    "willow",   "window",   "wolf",    "wren",    "yacht",   "zebra",    "zipper",
};

enum {
    N_ADJECTIVES = sizeof ADJECTIVES / sizeof *ADJECTIVES,
    N_NOUNS = sizeof NOUNS / sizeof *NOUNS
};

int served_n_words(void) {
    return N_ADJECTIVES * N_NOUNS;
}

void served_word(int index, char *out, size_t size) {
    snprintf(out, size, "%s-%s", ADJECTIVES[index / N_NOUNS], NOUNS[index % N_NOUNS]);
}

static const char *short_words[N_ADJECTIVES + N_NOUNS];
static int n_short_words;

static const char *part(int i) {
    return i < N_ADJECTIVES ? ADJECTIVES[i] : NOUNS[i - N_ADJECTIVES];
}

static void find_short_words(void) {
    for (int i = 0; i < N_ADJECTIVES + N_NOUNS; i++) {
        bool inside = false;
        for (int k = 0; k < N_ADJECTIVES + N_NOUNS && !inside; k++)
            inside = k != i && strstr(part(k), part(i)) != NULL;
        if (!inside) short_words[n_short_words++] = part(i);
    }
}

static void need_short_words(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_short_words);
}

int served_n_short_words(void) {
    need_short_words();
    return n_short_words;
}

const char *served_short_word(int index) {
    need_short_words();
    return short_words[index];
}

static void write_number(random_source *random, int digits, char *out) {
    for (int i = 0; i < digits; i++)
        out[i] = (char)('0' + (i == 0 ? 1 + random_below(random, 9) : random_below(random, 10)));
    out[digits] = '\0';
}

// Version 4: random but for the digits that say so.
static void write_uuid(random_source *random, char *out) {
    static const char HEX[] = "0123456789abcdef";
    for (int i = 0; i < 36; i++) {
        uint32_t digit = random_below(random, 16);
        if (i == 14) digit = 4;
        if (i == 19) digit = 8 + digit % 4;
        out[i] = i == 8 || i == 13 || i == 18 || i == 23 ? '-' : HEX[digit];
    }
    out[36] = '\0';
}

void served_draw(random_source *random, served_kind kind, char out[EVAL_VALUE_SIZE]) {
    switch (kind) {
    case EVAL_WORDS:
        served_word((int)random_below(random, (uint32_t)served_n_words()), out, EVAL_VALUE_SIZE);
        break;
    case EVAL_NUMBERS:
        write_number(random, 7, out);
        break;
    case EVAL_UUIDS:
        write_uuid(random, out);
        break;
    }
}

void served_shuffle(random_source *random, int *items, int n) {
    for (int i = n - 1; i > 0; i--) {
        int j = (int)random_below(random, (uint32_t)i + 1), swap = items[i];
        items[i] = items[j];
        items[j] = swap;
    }
}

const char *served_kind_text(served_kind kind) {
    static const char *const TEXTS[] = {"words", "numbers", "uuids"};
    return TEXTS[kind];
}

void served_random(random_source *random, uint64_t seed, const char *name, int64_t place,
                   int sample) {
    char text[96];
    snprintf(text, sizeof text, "%llu %s %lld", (unsigned long long)seed, name, (long long)place);
    random_init(random, text_hash(TEXT_HASH_START, text), FV_STREAM_TEST, 0, (uint32_t)sample);
}
