#!/usr/bin/env python3
"""Manual pages and completions: manual.py TOOL FOLDER

The build made them in FOLDER. Every verb, option and field must be in its page and be completed by
each shell that is installed; pages must please mandoc and man, where those are.
"""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

TOOL, FOLDER = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
ROOT = Path(__file__).resolve().parents[2]

# A line, and what completing it must offer.
CASES = [
    ("fovea repro", {"reproduce"}),
    ("fovea run --sha", {"--share"}),
    ("fovea run task.vocab", {"task.vocab_size="}),
    ("fovea run task.name=mq", {"task.name=mqar", "task.name=mqmtar"}),
    ("fovea run model.tied=t", {"model.tied=true"}),
    ("fovea export --format saf", {"safetensors"}),
    ("fovea bench cross", {"crossover"}),
    ("fovea runs out mer", {"merge"}),
    ("fovea help figu", {"figures"}),
    ("fovea help model.sco", {"model.score", "model.score_beta", "model.score_floor",
                              "model.score_power", "model.score_power_learned"}),
    ("fovea needle --haystack x --most", {"--most-samples"}),
]


def check(condition, message):
    if not condition:
        sys.exit(f"manual: {message}")


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    check(done.returncode == 0, f"{command}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def verbs():
    return re.findall(r"^  ([a-z]+) ", run(TOOL, "help").split("Verbs:")[1], re.M)


def plain(page):
    """A page as a reader searches it, without the marks of roff."""
    return page.read_text().replace("\\-", "-").replace("\\fI", "").replace("\\fR", "")


def every_verb_and_option():
    for verb in verbs():
        page = plain(FOLDER / "man1" / f"fovea-{verb}.1")
        bash = subprocess.run(["bash", "-c", f"source '{FOLDER}/bash/fovea'; __fovea_options {verb}"],
                              capture_output=True, text=True).stdout.split()
        for option in re.findall(r"^  (--[a-z-]+)", run(TOOL, verb, "--help"), re.M):
            check(f".B {option}" in page, f"fovea-{verb}(1) lacks {option}")
            check(option in bash, f"bash does not know fovea {verb} {option}")
        check(f"fovea-{verb} (1)" in plain(FOLDER / "man1/fovea.1"), f"fovea(1) lacks {verb}")
    fields = plain(FOLDER / "man5/fovea-fields.5")
    for line in run(TOOL, "help", "fields").splitlines():
        check(f".B {line.split()[0]}\n" in fields, f"fovea-fields(5) lacks {line.split()[0]}")


def pages_are_clean():
    pages = sorted(FOLDER.glob("man?/*"))
    if shutil.which("mandoc"):
        done = subprocess.run(["mandoc", "-T", "lint", *pages], capture_output=True, text=True)
        check(done.stdout + done.stderr == "", f"mandoc: {done.stdout}{done.stderr}")
    if shutil.which("man"):
        for page in pages:
            done = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True,
                                  env=dict(os.environ, LC_ALL="C.UTF-8", MANWIDTH="80", PAGER="cat"))
            check(done.stderr == "" and done.stdout != "", f"man: {page}: {done.stderr}")


def bash_completes():
    for line, wanted in CASES:
        script = (f'source "{FOLDER}/bash/fovea"; COMP_LINE="{line}" COMP_POINT={len(line)}; _fovea; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        found = set(run("bash", "-u", "-c", script, cwd="/").split())
        # readline replaces what stands behind the '='
        behind = {word.split("=")[1] if "=" in line else word for word in wanted}
        check(found == behind, f"bash: {line}: {found}, not {behind}")


def bash_completes_posts():
    posts = {path.name for path in (ROOT / "experiments").iterdir() if path.is_dir()}
    line = "fovea reproduce "
    script = (f'source "{FOLDER}/bash/fovea"; COMP_LINE="{line}" COMP_POINT={len(line)}; _fovea; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    found = set(run("bash", "-u", "-c", script, cwd=ROOT).split())
    check(posts <= found, f"bash: {line}: {found} lacks {posts - found}")


def fish_completes():
    for line, wanted in CASES:
        script = f"source '{FOLDER}/fish/fovea.fish'; complete -C '{line}'"
        found = {row.split("\t")[0] for row in run("fish", "-c", script, cwd="/").splitlines()}
        check(wanted <= found, f"fish: {line}: {found}, not {wanted}")


def completes_at_a_terminal(shell, arguments, setup):
    """Type a line and Tab, and see what stands there then: zsh completes nowhere else, and bash's
    readline quotes what it takes for the name of a file."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir("/")
        os.execvpe(shell, [shell, *arguments, "-i"],
                   dict(os.environ, TERM="dumb", PS1="> ", COLUMNS="200", HISTFILE="/dev/null",
                        MADE=str(FOLDER)))  # in the locale C nobody can type every name of a folder

    def read_until(mark):
        text, deadline = "", time.monotonic() + 20
        while mark not in text and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.2)[0]:
                text += os.read(terminal, 65536).decode("utf-8", "replace")
        check(mark in text, f"{shell}: no '{mark}' in {text!r}")
        return text

    def send(text):
        os.write(terminal, text.encode())

    send(f"stty columns 200; {setup}; echo rea''dy\n")
    read_until("ready")
    for line, wanted in CASES:
        if len(wanted) > 1:
            continue
        completed = line.rsplit(" ", 1)[0] + " " + next(iter(wanted))
        for patience in (0.1, 1, 5):  # a shell says nothing where it is done with a Tab
            send(line + "\t")
            time.sleep(patience)
            send("\x01: \x05\n")  # nothing is run: the line becomes the argument of ':'
            read_until(": ")
            send("fc -ln -1; echo do''ne\n")
            shown = read_until("done")
            if completed in shown:
                break
        check(completed in shown, f"{shell}: {line}: {shown!r}")
    send("exit\n")
    os.waitpid(process, 0)


def zsh_completes():
    completes_at_a_terminal("zsh", ["-f"], "unsetopt zle_bracketed_paste; "
                            "fpath=($MADE/zsh $fpath); autoload -U compinit; compinit -D -u")


def bash_completes_at_a_terminal():
    completes_at_a_terminal("bash", ["--norc"], 'source "$MADE/bash/fovea"')


def release_is_one():
    """The page's head, which is of CMakeLists.txt and CHANGELOG.md, and CITATION.cff."""
    date, version = re.search(r'^\.TH FOVEA 1 (\S+) "fovea (\S+)"', plain(FOLDER / "man1/fovea.1"),
                              re.M).groups()
    cited = (ROOT / "CITATION.cff").read_text()
    check(f"\nversion: {version}\n" in cited and f"\ndate-released: {date}\n" in cited,
          f"CITATION.cff is not of version {version}, {date}")


release_is_one()
every_verb_and_option()
pages_are_clean()
for shell, completes in (("bash", bash_completes), ("bash", bash_completes_posts),
                         ("bash", bash_completes_at_a_terminal), ("fish", fish_completes),
                         ("zsh", zsh_completes)):
    if shutil.which(shell):
        completes()
    else:
        print(f"manual: {shell} is not installed, its completions are not tried")
