// JSON as other people's programs write it. jansson keeps to the letter of the format; files and
// replies that browsers and Python read hold more than that, mostly in members that nobody asks
// for. What is read beyond the letter of the format, and as what:
//
//   a byte order mark in front                          nothing
//   NaN, Infinity, -Infinity, 1e999, 2^64 and beyond    a string of those characters, so that
//                                                       whoever needs a number sees none
//   \u0000, half a surrogate pair, bytes no UTF-8       U+FFFD, the replacement character
//   control characters that are not escaped             themselves
//
// UTF-16 and UTF-32 are refused by name.
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdio.h>

// Parses n bytes with jansson's `flags`. NULL and *why where even so it is no JSON; the lines that
// *why names are the text's own.
json_t *json_read(const char *text, size_t n, size_t flags, json_error_t *why);

// The same of all that is left of a file; ferror(file) tells a file that could not be read.
json_t *json_read_file(FILE *file, size_t flags, json_error_t *why);

#endif
