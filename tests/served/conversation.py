"""What server.py does with chats of several messages: their text, and the message that one asks to repeat."""

import json
import re

ASKED = re.compile(r"Prepend (\S+) to the (\d+)(?:st|nd|rd|th) \(1 indexed\) (.+?)\. Do not include")


def whole_text(messages):
    """The prompt of a request: the user's one message as it is, several as JSON."""
    said = [message for message in messages if message["role"] != "system"]
    return messages[-1]["content"] if len(said) == 1 else json.dumps(messages)


def conversation(prompt):
    """The messages of what whole_text made of several, else None."""
    return json.loads(prompt) if prompt.startswith('[{"role"') else None


def repeat(messages, right):
    """The message that is asked for, or another one of its kind."""
    asked = ASKED.search(messages[-1]["content"])
    begin, number, what = asked.group(1), int(asked.group(2)), asked.group(3)
    said = [messages[i + 1]["content"] for i in range(len(messages) - 1) if messages[i]["content"].lower() in (f"write a {what}", f"write a {what}.")]
    return begin + said[number - 1 if right else number % len(said)]
